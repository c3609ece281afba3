/**
 * The last step of a run: the segments of each output become one file, and the run record is written. It may be called again at any time: what is
 * done is found done, and an assembly under way is gone on with.
 */
import pLimit from 'p-limit';
import { OperationError, TilefanError } from '../base/errors.ts';
import { displayHref } from '../store/href.ts';
import type { Assembly, Store } from '../store/store.ts';
import { gdalMetadataXml } from '../tiff/gdal-metadata.ts';
import type { ReduceResult, RunState } from './events.ts';
import { collectSegments, type Collected } from './collect.ts';
import { MergeLayout, planParts } from './merge-layout.ts';
import { cogImageOf, levelsOf, readPlan, runFiles, tilingOf, type Plan, type PlanOutput } from './plan.ts';
import { finishedRecord, isThere, mergeState, type MergeState } from './merge-state.ts';
import { makePyramid, readPyramid } from './pyramid-pass.ts';
import { encodeDocument, readDocument, type RunRecord } from './records.ts';
import { writeRunRecord, type MergedOutput } from './run-record.ts';
import { tileCount } from './tiling.ts';

export interface ReduceEnvironment {
  readonly store: Store;
  /** Milliseconds until this call is cut off; without it there is no limit. */
  readonly deadline?: () => number;
  /** Told the record of a run that this call has finished. */
  readonly onFinished?: (record: RunRecord) => void;
}

/** Time kept for handing over: the longest single step is the copy of one large part. A function needs a longer limit than this to get on at all. */
const handOverMs = 60_000;
const contentType = 'image/tiff; application=geotiff; profile=cloud-optimized';

/**
 * @throws OperationError RUN_INCOMPLETE that names missing tiles; DataError SEGMENT_BROKEN; whatever the store throws
 */
export async function reduce(state: RunState, { store, deadline = () => Infinity, onFinished }: ReduceEnvironment): Promise<ReduceResult> {
  const plan = await readPlan(store, state.run.href);
  if ((await finishedRecord(store, plan)) !== undefined) return { ...state, status: 'DONE' };
  const merged: MergedOutput[] = [];
  for (const output of plan.outputs) {
    const result = await mergeOutput(store, plan, output, deadline);
    if (result === undefined) return { ...state, status: 'MERGING' };
    merged.push(result);
  }
  const record = await writeRunRecord(store, plan, merged);
  onFinished?.(record);
  return { ...state, status: 'DONE' };
}

/** One output; undefined when time has run out. */
async function mergeOutput(store: Store, plan: Plan, output: PlanOutput, deadline: () => number): Promise<MergedOutput | undefined> {
  const stateHref = `${plan.state.run.href}${runFiles.merge(output.name)}`;
  const earlier = await readDocument(store, stateHref, mergeState);
  const finished = earlier !== undefined && (await isThere(store, output.href, earlier)) ? earlier.done : null;
  // A merge under way goes on with the segments it began with. One whose file has been taken away begins anew, perhaps with other segments.
  const goesOn = finished !== null || earlier?.done === null;
  const chosen = await collectSegments(store, plan, output, goesOn ? earlier?.segments : undefined);
  const collected = goesOn ? await withLaterTiles(store, plan, output, chosen) : chosen;
  const anew = collected !== chosen;
  checkComplete(plan, output, collected);
  const { statistics, tilesDone } = collected;
  if (finished !== null && !anew) return { output, ...finished, statistics, tilesDone };

  const pyramid = earlier?.done === null && !anew ? await readPyramid(store, earlier.pyramid) : await makePyramid(store, plan, output, collected);
  const layout = new MergeLayout(cogImageOf(plan, output, metadataXml(plan, output, collected)));
  for (const { href, index } of pyramid) layout.add(href, index.dataBytes, index.blocks);
  for await (const { stat, index } of collected.indexes()) layout.add(stat.href, index.dataBytes, index.blocks);
  const { pieces, bytes, bigTiff } = layout.finish();
  const parts = planParts(pieces);
  const assembly = await openAssembly(store, output, earlier?.done === null ? earlier.token : undefined, anew);
  const write = async (done: MergeState['done']): Promise<void> => {
    const document: MergeState = { token: assembly.token, segments: collected.segments, pyramid: pyramid.map(({ href }) => href), done };
    await store.put(stateHref, encodeDocument(document), { contentType: 'application/json', createFolders: true });
  };
  await write(null);
  const stored = await assembly.stored();
  const limit = pLimit(assembly.parallelParts);
  let late = false;
  await Promise.all(
    parts
      .filter(({ number }) => !stored.has(number))
      .map((part) =>
        limit(async () => {
          late ||= deadline() < handOverMs;
          if (!late) await assembly.put(part);
        }),
      ),
  );
  if (late) return undefined;
  const stat = await assembly.complete(parts);
  await write({ bytes: stat.size, version: stat.version, bigTiff });
  return { output, bytes, bigTiff, statistics, tilesDone };
}

/** What was collected, or, where failures were tolerated and a continued run has computed such tiles since, everything there is now. */
async function withLaterTiles(store: Store, plan: Plan, output: PlanOutput, collected: Collected): Promise<Collected> {
  if (collected.tilesDone === tileCount(tilingOf(plan))) return collected;
  const now = await collectSegments(store, plan, output, undefined);
  return now.tilesDone > collected.tilesDone ? now : collected;
}

/** The assembly that an earlier call began, if it still exists and is not to begin `anew`; else a new one. */
async function openAssembly(store: Store, output: PlanOutput, token: string | undefined, anew: boolean): Promise<Assembly> {
  if (token !== undefined) {
    try {
      const assembly = await store.assemble(output.href, { contentType, token });
      await assembly.stored();
      if (!anew) return assembly;
      await assembly.abort();
    } catch (error) {
      if (!(error instanceof TilefanError) || error.code !== 'STORE_ASSEMBLY_GONE') throw error;
    }
  }
  return await store.assemble(output.href, { contentType });
}

/** Tiles that are named in a message, at most. */
const namedTiles = 5;

/** Every tile must be there, unless the job tolerates failures. */
function checkComplete(plan: Plan, output: PlanOutput, collected: Collected): void {
  const { tilesDone } = collected;
  const total = tileCount(tilingOf(plan));
  if (tilesDone === total || plan.job.tolerateFailures.percentage > 0) return;
  const named = [...collected.missingTiles(namedTiles)].map(({ column, row }) => `${String(column)},${String(row)}`).join(' ');
  throw new OperationError(
    'RUN_INCOMPLETE',
    `output ${output.name} (${displayHref(output.href)}): ${String(total - tilesDone)} of ${String(total)} tiles are not there, the first are ${named}; run the job again with the same run id to compute them`,
    { where: { output: output.name } },
  );
}

function metadataXml(plan: Plan, output: PlanOutput, { statistics }: Collected): string {
  const [full] = levelsOf(plan, output) as [{ columns: number; rows: number }];
  const bands = Array.from({ length: output.bands }, (_, band) => ({
    description: output.bandNames?.[band],
    statistics: output.statistics ? statistics[band] : undefined,
  }));
  return gdalMetadataXml(bands, full.columns * full.rows);
}
