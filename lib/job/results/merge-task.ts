/**
 * The task that merges the results of all tiles by the user's own function, as a worker does it, since that is where user code runs. Doing it again is harmless, also
 * while another worker does it.
 */
import { OperationError, TilefanError, TryAgainError, withWords } from '../../base/errors.ts';
import type { Store } from '../../store/store.ts';
import { tilingOf, type Plan } from '../plan.ts';
import { withFinished } from '../finished-outputs.ts';
import { generationOf } from '../pyramid-merge.ts';
import { encodeDocument, readDocument } from '../records.ts';
import { defaultMaxBytes } from '../../store/store.ts';
import { collectResults } from './collected-results.ts';
import type { TileResult } from './batch-results.ts';
import { readResults } from './read-results.ts';
import { tileText } from './result-values.ts';
import { resultFiles, resultsState, resultsValue } from './results-state.ts';

/** The user's function at work in a process of its own. */
export interface ValueMerger {
  /** Merges the first with the second, what comes of it with the third, and so on. @throws the errors of a code process */
  merge(values: readonly unknown[]): Promise<unknown>;
  close(): Promise<void>;
}

export interface MergeTaskEnvironment {
  readonly plan: Plan;
  readonly store: Store;
  /** Ends the task early. Nothing is kept then; it begins anew. */
  readonly signal: AbortSignal;
  /** Starts the process. */
  readonly openMerger: () => Promise<ValueMerger>;
}

/** Values that cross to the process in one message. */
const messageValues = 10_000;

/**
 * @throws TryAgainError WORKER_STOPPED when the signal ended it; OperationError RESULTS_TOO_LARGE; the errors of user code
 */
export async function runMergeTask(environment: MergeTaskEnvironment): Promise<void> {
  try {
    await mergeAll(environment);
  } catch (error) {
    throw await withFinished(environment.store, environment.plan, error);
  }
}

async function mergeAll({ plan, store, signal, openMerger }: MergeTaskEnvironment): Promise<void> {
  const { href } = plan.state.run;
  const state = await readDocument(store, `${href}${resultFiles.state}`, resultsState);
  if (state === undefined) throw new OperationError('RESULTS_STATE', `reduce has not said which results are to be merged: there is no ${resultFiles.state} in the run`);
  const generation = generationOf(state.segments);
  if ((await readDocument(store, `${href}${resultFiles.value}`, resultsValue))?.generation === generation) return;
  const { segments } = await collectResults(store, plan, state.segments);
  const merger = await openMerger();
  try {
    let merged: unknown = null;
    let tiles = 0;
    for await (const chunk of readResults(store, tilingOf(plan), segments)) {
      for (let at = 0; at < chunk.length; at += messageValues) {
        if (signal.aborted) throw new TryAgainError('WORKER_STOPPED', `stopped after the results of ${String(tiles)} tiles were merged`);
        const values = chunk.slice(at, at + messageValues).map(({ value }) => value);
        const all = tiles === 0 ? values : [merged, ...values];
        try {
          merged = all.length === 1 ? all[0] : await merger.merge(all);
        } catch (error) {
          throw error instanceof TilefanError ? withTiles(error, chunk.slice(at, at + messageValues), tiles) : error;
        }
        tiles += values.length;
      }
    }
    const bytes = encodeDocument({ generation, tiles, value: merged ?? null });
    if (bytes.length > defaultMaxBytes) {
      throw new OperationError('RESULTS_TOO_LARGE', `what the results of all tiles were merged to has ${String(bytes.length)} bytes as JSON; wanted ${String(defaultMaxBytes)} at most: write them as a list`);
    }
    await store.put(`${href}${resultFiles.value}`, bytes, { contentType: 'application/json', createFolders: true });
  } finally {
    await merger.close();
  }
}

/** An error of the user's function with the tiles whose values met, where it is known. @param before tiles whose values had been merged before these */
function withTiles(error: TilefanError, values: readonly TileResult[], before: number): TilefanError {
  const { merged } = error.where;
  // In front of these values stands what those before them have come to.
  const index = typeof merged === 'number' ? merged - (before === 0 ? 0 : 1) : -1;
  const tile = values[index];
  if (tile === undefined) return error;
  const [first] = values;
  const earlier = before + index;
  const other = earlier === 1 && first !== undefined && before === 0 ? `that of ${tileText(first)}` : `what the values of ${String(earlier)} ${earlier === 1 ? 'tile' : 'tiles'} before it had come to`;
  return withWords(error, `; it was given the value of ${tileText(tile)}, and ${other}`, { resultOf: [tile.column, tile.row] });
}
