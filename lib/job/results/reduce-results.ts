/**
 * Results as reduce sees to them: one choice of segments, merged by a worker where the user's own function does it, and written. It may be called again at any
 * time: what is done is found done, and what was cut off is done again from the beginning.
 */
import { OperationError, TilefanError } from '../../base/errors.ts';
import { displayHref } from '../../store/href.ts';
import type { Store } from '../../store/store.ts';
import { mergeBatch, type MergeLine } from '../manifest.ts';
import { tilingOf, type Plan } from '../plan.ts';
import { finishedRecord, notReplaced } from '../merge-state.ts';
import { generationOf } from '../pyramid-merge.ts';
import { encodeDocument, readDocument, type RunRecord } from '../records.ts';
import { resultFormat } from '../result-format.ts';
import type { JobResults } from '../spec.ts';
import { collectResults, segmentFile, type CollectedResults } from './collected-results.ts';
import { abandonAssembly } from './object-sink.ts';
import { readFinishedResults, readResultsState, resultFiles, resultsValue, type FinishedResults, type ResultsState } from './results-state.ts';
import { writeResults, type ResultsToWrite } from './write-results.ts';

export interface ResultsMerge {
  readonly store: Store;
  readonly plan: Plan;
  readonly results: JobResults;
  /** The pass of the run whose tasks have ended. */
  readonly runPass: number;
  /** Whether there is time for more. */
  readonly goesOn: () => boolean;
  /** Whether the results are to be written, if nothing is missing. */
  readonly writes: boolean;
}

/** What has become of the results. */
export interface MergedResults {
  readonly tilesDone: number;
  readonly record: NonNullable<RunRecord['results']>;
}

/** Tiles that are named in a record or a message, at most. */
const namedTiles = 5;

/** Calls that may be cut off before it is said that results need more time than there is: the first may have had other things to do. */
const mostTooShort = 2;

/**
 * @returns 'later' when time has run out; 'finished' when another call has finished the run; or what a worker has to do first
 * @throws OperationError RUN_INCOMPLETE that names missing tiles, RESULTS_NOT_MERGED, RESULTS_TOO_SLOW, and what writeResults throws
 */
export async function mergeResults(merge: ResultsMerge): Promise<MergedResults | 'later' | 'finished' | { readonly lines: readonly MergeLine[] }> {
  const { store, plan, results, writes } = merge;
  const earlier = await readResultsState(store, plan);
  const finished = notReplaced(await readFinishedResults(store, plan, results), earlier);
  // What has begun goes on with the segments that it began with.
  const began = (finished ?? earlier)?.segments;
  const chosen = await collectResults(store, plan, began);
  const collected = began === undefined ? chosen : await withLaterTiles(store, plan, chosen);
  const anew = collected !== chosen;
  checkComplete(plan, results, collected);
  if (finished !== undefined && !anew) return mergedAs(results, collected, finished);
  if (collected.tilesDone < collected.tilesTotal && (await finishedRecord(store, plan)) !== undefined) return 'finished';
  if (earlier !== undefined && earlier.token !== null) await abandonAssembly(store, results.href, earlier.token);
  const state: ResultsState = earlier === undefined || anew
    ? { segments: collected.segments.map(({ href }) => segmentFile(href)), asked: null, token: null, tooShort: 0 }
    : { ...earlier, token: null };
  await writeState(store, plan, state);

  const by = await mergedBy(merge, state);
  if (by === undefined) return await askWorker(merge, state);
  if (!writes) return { lines: [] };
  return await write(merge, collected, state, by);
}

/** How results become what is written; undefined while the user's own function has not merged them. */
async function mergedBy({ store, plan, results }: ResultsMerge, state: ResultsState): Promise<ResultsToWrite['merge'] | undefined> {
  if (typeof results.merge === 'string') return results.merge;
  const made = await readDocument(store, `${plan.state.run.href}${resultFiles.value}`, resultsValue);
  return made?.generation === generationOf(state.segments) ? { value: made.value } : undefined;
}

/** One task, which is asked for once; one that has succeeded and left nothing would be asked for without end. */
async function askWorker({ store, plan, runPass }: ResultsMerge, state: ResultsState): Promise<{ readonly lines: readonly MergeLine[] }> {
  if (state.asked !== null && runPass >= state.asked) {
    throw new OperationError('RESULTS_NOT_MERGED', 'the task that merges the results of tiles has ended and left nothing; continue the run to do it again', { where: { batch: mergeBatch } });
  }
  await writeState(store, plan, { ...state, asked: runPass + 1 });
  return { lines: [{ batch: mergeBatch, merge: true }] };
}

class OutOfTime extends Error {}

async function write({ store, plan, results, goesOn }: ResultsMerge, collected: CollectedResults, state: ResultsState, by: ResultsToWrite['merge']): Promise<MergedResults | 'later'> {
  const written = {
    store,
    href: results.href,
    format: resultFormat(results) ?? 'json',
    tiling: tilingOf(plan),
    segments: collected.segments,
    merge: by,
    onAssembly: (token: string): Promise<void> => writeState(store, plan, { ...state, token }),
    check: (): void => {
      if (!goesOn()) throw new OutOfTime();
    },
  };
  try {
    const { stat, rows } = await writeAlive(written);
    const finished: FinishedResults = { bytes: stat.size, version: stat.version, rows, tilesDone: collected.tilesDone, segments: state.segments };
    await store.put(`${plan.state.run.href}${resultFiles.finished}`, encodeDocument(finished), { contentType: 'application/json', createFolders: true });
    await writeState(store, plan, { ...state, token: null, tooShort: 0 });
    return mergedAs(results, collected, finished);
  } catch (error) {
    if (!(error instanceof OutOfTime)) throw error;
    const tooShort = state.tooShort + 1;
    // Whoever continues the run gets as many calls again.
    await writeState(store, plan, { ...state, token: null, tooShort: tooShort % mostTooShort });
    if (tooShort < mostTooShort) return 'later';
    throw new OperationError(
      'RESULTS_TOO_SLOW',
      `the results of ${String(collected.tilesDone)} tiles can't be written to ${displayHref(results.href)} within the time limit of the reduce function; merge them (results.merge), return less for each tile, or take larger tiles`,
      { where: { href: results.href } },
    );
  }
}

/** Another call of the same run takes this one for dead when it begins, and gives its file up: so often it is begun again, before that is a failure. */
const mostGivenUp = 20;

async function writeAlive(written: ResultsToWrite): ReturnType<typeof writeResults> {
  for (let givenUp = 0; ; givenUp++) {
    try {
      return await writeResults(written);
    } catch (error) {
      if (!(error instanceof TilefanError) || error.code !== 'STORE_ASSEMBLY_GONE' || givenUp === mostGivenUp) throw error;
    }
  }
}

/** What was collected, or, where failures were tolerated and a continued run has computed such tiles since, everything there is now. */
async function withLaterTiles(store: Store, plan: Plan, collected: CollectedResults): Promise<CollectedResults> {
  if (collected.tilesDone === collected.tilesTotal) return collected;
  const now = await collectResults(store, plan, undefined);
  return now.tilesDone > collected.tilesDone ? now : collected;
}

/** Every tile must be there, unless the job tolerates failures. */
function checkComplete({ job }: Plan, { href }: JobResults, collected: CollectedResults): void {
  const { tilesDone, tilesTotal } = collected;
  if (tilesDone === tilesTotal || job.tolerateFailures.percentage > 0) return;
  const named = [...collected.missingTiles(namedTiles)].map(({ column, row }) => `${String(column)},${String(row)}`).join(' ');
  throw new OperationError(
    'RUN_INCOMPLETE',
    `results (${displayHref(href)}): ${String(tilesTotal - tilesDone)} of ${String(tilesTotal)} tiles are not there, the first are ${named}; run the job again with the same run id to compute them`,
    { where: { results: href } },
  );
}

function mergedAs(results: JobResults, collected: CollectedResults, { bytes, rows }: { readonly bytes: number; readonly rows: number }): MergedResults {
  return {
    tilesDone: collected.tilesDone,
    record: {
      href: results.href,
      format: resultFormat(results) ?? 'json',
      rows,
      bytes,
      missing: { tiles: collected.tilesTotal - collected.tilesDone, first: [...collected.missingTiles(namedTiles)].map(({ column, row }) => [column, row]) },
    },
  };
}

async function writeState(store: Store, plan: Plan, state: ResultsState): Promise<void> {
  await store.put(`${plan.state.run.href}${resultFiles.state}`, encodeDocument(state), { contentType: 'application/json', createFolders: true });
}
