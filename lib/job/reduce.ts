/**
 * The last step of a run: the segments of each output become one file, and the run record is written. It may be called again at any time: what is
 * done is found done, and an assembly under way is gone on with.
 */
import pLimit from 'p-limit';
import * as z from 'zod';
import { OperationError, TilefanError } from '../base/errors.ts';
import { displayHref } from '../store/href.ts';
import type { Assembly, ObjectStat, Part, Store } from '../store/store.ts';
import { gdalMetadataXml } from '../tiff/gdal-metadata.ts';
import { collectSegments, type Collected } from './collect.ts';
import { addressOf, type ReduceResult, type RunState } from './events.ts';
import { isItemPlan } from './items/item-documents.ts';
import type { ItemRunRecord } from './items/item-records.ts';
import { encodeManifest, type MergeLine, type PyramidLine } from './manifest.ts';
import { planParts } from './merge-layout.ts';
import { levelsOf, readPlan, runFiles, tilingOf, type Plan, type PlanOutput } from './plan.ts';
import { finishedRecord, mergeState, notReplaced, readFinished, writeFinished, type MergeState } from './merge-state.ts';
import { generationOf, mergePyramid } from './pyramid-merge.ts';
import { encodeDocument, readDocument, type RunRecord } from './records.ts';
import { withFinished } from './finished-outputs.ts';
import type { MergedResults } from './results/reduce-results.ts';
import { writeRunRecord, type MergedOutput } from './run-record.ts';
import { tileCount } from './tiling.ts';

export interface ReduceEnvironment {
  readonly store: Store;
  /** Milliseconds until this call is cut off; without it there is no limit. */
  readonly deadline?: () => number;
  /** Told the record of a run that this call has finished; of one over items also when too many of them failed. */
  readonly onFinished?: (record: RunRecord | ItemRunRecord) => void;
}

/** Time kept for handing over: the longest single step is the copy of one large part. A function needs a longer limit than this to get on at all. */
const handOverMs = 60_000;
const contentType = 'image/tiff; application=geotiff; profile=cloud-optimized';

/**
 * @throws OperationError RUN_INCOMPLETE that names missing tiles; PYRAMID_INCOMPLETE; DataError SEGMENT_BROKEN; whatever the store throws
 */
export async function reduce(state: RunState, { store, deadline = () => Infinity, onFinished }: ReduceEnvironment): Promise<ReduceResult> {
  const document = await readDocument(store, `${state.run.href}${runFiles.plan}`, z.unknown());
  if (isItemPlan(document)) {
    const [{ reduceItems }, { itemPlan }] = await Promise.all([import('./items/reduce-items.ts'), import('./items/item-plan.ts')]);
    await reduceItems(store, itemPlan.parse(document), onFinished);
    return { ...state, status: 'DONE' };
  }
  const plan = await readPlan(store, state.run.href);
  if ((await finishedRecord(store, plan)) !== undefined) return { ...state, status: 'DONE' };
  const merged: MergedOutput[] = [];
  const lines: (PyramidLine | MergeLine)[] = [];
  for (const output of plan.outputs) {
    const merging = new OutputMerge(store, plan, output, state.pass, deadline);
    const result = await merging.run(lines.length === 0);
    if (result === 'finished') return { ...state, status: 'DONE' };
    if (result === 'later') return { ...state, status: 'MERGING' };
    // What other outputs need of the workers is found out first, so that one pass serves them all.
    if ('lines' in result) lines.push(...result.lines);
    else merged.push(result);
  }
  let results: MergedResults | undefined;
  if (plan.job.results !== undefined) {
    const { mergeResults } = await import('./results/reduce-results.ts');
    const goesOn = (): boolean => deadline() >= handOverMs;
    const result = await mergeResults({ store, plan, results: plan.job.results, runPass: state.pass, goesOn, writes: lines.length === 0 }).catch(async (error: unknown) => {
      throw await withFinished(store, plan, error);
    });
    if (result === 'finished') return { ...state, status: 'DONE' };
    if (result === 'later') return { ...state, status: 'MERGING' };
    if ('lines' in result) lines.push(...result.lines);
    else results = result;
  }
  if (lines.length > 0) return await sendWorkers(store, plan, state, lines);
  const record = await writeRunRecord(store, plan, merged, results);
  onFinished?.(record);
  return { ...state, status: 'DONE' };
}

/** One more pass of workers. Whatever the job tolerates, no task of it may fail: overviews would have holes where there are pixels. */
async function sendWorkers(store: Store, plan: Plan, state: RunState, lines: readonly (PyramidLine | MergeLine)[]): Promise<ReduceResult> {
  const pass = state.pass + 1;
  const href = `${plan.state.run.href}${runFiles.manifest(pass)}`;
  await store.put(href, encodeManifest(lines), { contentType: 'application/jsonl', createFolders: true });
  return { ...state, pass, manifest: addressOf(href), limits: { ...state.limits, toleratedFailurePercentage: 0 }, status: 'MORE' };
}

/** One output on its way to a file. */
class OutputMerge {
  readonly #store: Store;
  readonly #plan: Plan;
  readonly #output: PlanOutput;
  readonly #runPass: number;
  readonly #deadline: () => number;
  readonly #stateHref: string;

  constructor(store: Store, plan: Plan, output: PlanOutput, runPass: number, deadline: () => number) {
    this.#store = store;
    this.#plan = plan;
    this.#output = output;
    this.#runPass = runPass;
    this.#deadline = deadline;
    this.#stateHref = `${plan.state.run.href}${runFiles.merge(output.name)}`;
  }

  /**
   * @param assembles whether the file is to be made, if nothing is missing
   * @returns 'later' when time has run out; 'finished' when another call has finished the run; or what workers have to do first
   */
  async run(assembles: boolean): Promise<MergedOutput | 'later' | 'finished' | { readonly lines: readonly PyramidLine[] }> {
    const store = this.#store;
    const plan = this.#plan;
    const output = this.#output;
    const earlier = await readDocument(store, this.#stateHref, mergeState);
    const finished = notReplaced(await readFinished(store, plan, output), earlier);
    // A merge goes on with the segments it began with.
    const began = (finished ?? earlier)?.segments;
    const chosen = await collectSegments(store, plan, output, began);
    const collected = began === undefined ? chosen : await withLaterTiles(store, plan, output, chosen);
    const anew = collected !== chosen;
    checkComplete(plan, output, collected);
    const { statistics, tilesDone, segments } = collected;
    if (finished !== undefined && !anew) return { output, ...finished, statistics, tilesDone };
    // Tiles may be missing because another call has finished the run, and its segments are being taken away.
    if (tilesDone < tileCount(tilingOf(plan)) && (await finishedRecord(store, plan)) !== undefined) return 'finished';

    const known: MergeState = earlier === undefined || anew ? { token: null, segments: [...segments], asked: null, pyramid: [], pyramidCells: null } : earlier;
    if (earlier !== undefined && generationOf(earlier.segments) !== generationOf(segments)) {
      await store.removePrefix(`${plan.state.run.href}${runFiles.pyramids(output.name, generationOf(earlier.segments))}`);
    }
    const progress = await mergePyramid({ store, plan, output, collected, state: known, runPass: this.#runPass, goesOn: () => this.#deadline() >= handOverMs });
    const token = earlier?.token ?? null;
    if (progress.kind !== 'made') {
      await this.#write({ ...progress.state, token });
      return progress.kind === 'tasks' ? { lines: progress.lines } : 'later';
    }
    if (!assembles) return { lines: [] };
    return await this.#assemble(collected, { ...progress.state, token }, anew);
  }

  async #write(state: MergeState): Promise<void> {
    await this.#store.put(this.#stateHref, encodeDocument(state), { contentType: 'application/json', createFolders: true });
  }

  /** @param anew gives up the assembly that `state` names */
  async #assemble(collected: Collected, state: MergeState, anew: boolean): Promise<MergedOutput | 'later'> {
    const output = this.#output;
    const { pieces, bytes, bigTiff } = collected.layout.finish(metadataXml(this.#plan, output, collected));
    const parts = planParts(pieces);
    const assembly = await openAssembly(this.#store, output, state.token ?? undefined, anew);
    let stat: ObjectStat | 'later';
    try {
      await this.#write({ ...state, token: assembly.token });
      stat = await this.#fill(assembly, parts);
    } catch (error) {
      await this.#giveUp(assembly, error);
      throw error;
    }
    if (stat === 'later') return 'later';
    await writeFinished(this.#store, this.#plan, output, { bytes: stat.size, version: stat.version, bigTiff, tilesDone: collected.tilesDone, segments: [...collected.segments] });
    return { output, bytes, bigTiff, statistics: collected.statistics, tilesDone: collected.tilesDone };
  }

  /** Stores the parts that aren't there yet, and completes the file. */
  async #fill(assembly: Assembly, parts: readonly Part[]): Promise<ObjectStat | 'later'> {
    const stored = await assembly.stored();
    const limit = pLimit(assembly.parallelParts);
    let late = false;
    let failed = false;
    const puts = await Promise.allSettled(
      parts
        .filter(({ number }) => !stored.has(number))
        .map((part) =>
          limit(async () => {
            late ||= this.#deadline() < handOverMs;
            if (late || failed) return;
            try {
              await assembly.put(part);
            } catch (error) {
              failed = true;
              throw error;
            }
          }),
        ),
    );
    // Only when no put is under way any more: whoever gives the file up then leaves nothing of it.
    const failure = puts.find((put) => put.status === 'rejected');
    if (failure !== undefined) throw failure.reason;
    return late ? 'later' : await assembly.complete(parts);
  }

  /** Nothing goes on by itself with the unfinished file of a call that has failed for good: it would only take room on a disk that may be full. */
  async #giveUp(assembly: Assembly, error: unknown): Promise<void> {
    const callsAgain = error instanceof TilefanError && error.retryable;
    try {
      if (!callsAgain || (await this.#isOvertaken(assembly))) await assembly.abort();
    } catch {
      // Why the file could not be made says more than this.
    }
  }

  /** Where the same run is merged twice at once, the one that ends first takes the segments away: nothing would ever go on with the other's file. */
  async #isOvertaken(assembly: Assembly): Promise<boolean> {
    const now = await readDocument(this.#store, this.#stateHref, mergeState);
    return (now !== undefined && now.token !== assembly.token) || (await finishedRecord(this.#store, this.#plan)) !== undefined;
  }
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
    description: output.bandNames?.[band] ?? undefined,
    statistics: output.statistics ? statistics[band] : undefined,
    scale: output.scales?.[band],
    offset: output.offsets?.[band],
  }));
  return gdalMetadataXml(bands, full.columns * full.rows);
}
