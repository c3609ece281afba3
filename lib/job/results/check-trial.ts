/** What the trial of code shows of its results: a mistake that would come up when all tiles are done, and their results can't be merged or written, costs one tile instead. */
import { createError, TilefanError } from '../../base/errors.ts';
import type { Store } from '../../store/store.ts';
import { tilingOf, type Plan } from '../plan.ts';
import { resultFormat } from '../result-format.ts';
import { tileCount } from '../tiling.ts';
import { openCodeMerger } from './code-merger.ts';
import { ColumnFinder } from './columns.ts';
import { createFold } from './fold.ts';
import { tileText, type TilePlace } from './result-values.ts';
import { tileTable, valueTable, type Table } from './tables.ts';

export interface TrialResult {
  readonly tile: TilePlace;
  /** What the code returned for it; undefined when it returned nothing. */
  readonly value: unknown;
}

/** A function merges the result with itself, and what comes of it once more, where there are as many tiles: what it returns it has to take. */
const mostMerged = 3;

/**
 * @param others tries the code on some more tiles, for a function that does not merge two equal results: it may be right not to
 * @param env the worker's
 * @param signal gives the check up
 * @throws JobError FUNCTION_MISSING, FUNCTION_SIGNATURE and whatever else merging throws; OperationError RESULT_KIND; JobError RESULT_COLUMNS
 */
export async function checkTrialResults(store: Store, trial: Plan, { tile, value }: TrialResult, others: () => Promise<readonly TrialResult[]>, env: NodeJS.ProcessEnv, signal: AbortSignal): Promise<void> {
  const { results } = trial.job;
  if (results === undefined) return;
  const { merge } = results;
  let merged = value;
  if (typeof merge === 'object') merged = await mergeOnTrial(store, trial, { tile, value }, others, env, signal);
  // A tile that has nothing to say shows nothing of what the others will say.
  if (value === undefined) return;
  if (typeof merge === 'string' && merge !== 'list') {
    const fold = createFold(merge);
    fold.add(tile, value);
    merged = fold.finish();
  }
  const format = resultFormat(results) ?? 'json';
  if (format === 'json' || format === 'jsonl') return;
  await checkColumns(merge === 'list' ? tileTable(() => once([{ ...tile, value }])) : valueTable(merged, typeof merge === 'object' ? 'function' : merge));
}

async function mergeOnTrial(store: Store, trial: Plan, first: TrialResult, others: () => Promise<readonly TrialResult[]>, env: NodeJS.ProcessEnv, signal: AbortSignal): Promise<unknown> {
  const { tile, value } = first;
  const merger = await openCodeMerger(store, trial, env);
  const stop = (): void => void merger.close();
  signal.addEventListener('abort', stop, { once: true });
  const count = value === undefined ? 1 : Math.min(mostMerged, tileCount(tilingOf(trial)));
  try {
    await merger.load().catch((error: unknown) => {
      throw named(error, 'results.merge');
    });
    // One result is what it is, without the function.
    if (count < 2) return value;
    try {
      return await merger.merge(Array.from({ length: count }, () => value));
    } catch (error) {
      if (!(error instanceof TilefanError) || error.code !== 'FUNCTION_FAILED') throw named(error, `results.merge, tried on the result of ${tileText(tile)} and the same again`);
      const further = (await others()).filter((other) => other.value !== undefined);
      // With nothing to merge, nothing is shown.
      if (further.length === 0) return value;
      return await merger.merge([first, ...further].map((each) => each.value)).catch((reason: unknown) => {
        throw named(reason, `results.merge, tried on the results of ${[first, ...further].map((each) => tileText(each.tile)).join(', ')}`);
      });
    }
  } finally {
    signal.removeEventListener('abort', stop);
    await merger.close();
  }
}

function named(error: unknown, what: string): unknown {
  if (!(error instanceof TilefanError)) return error;
  return createError(error.name, error.code, `${what}: ${error.message}`, { cause: error, where: { ...error.where, path: '$.results.merge' } });
}

async function checkColumns(table: Table): Promise<void> {
  const finder = new ColumnFinder();
  for await (const rows of table.rows()) for (const { value } of rows) finder.note(value);
  finder.finish(table.keys.map(({ name }) => name));
}

async function* once<Value>(value: Value): AsyncGenerator<Value, void, undefined> {
  await Promise.resolve();
  yield value;
}
