/**
 * The levels above the batches, as reduce sees to them: those that passes of workers have made are taken in, passes that are still worth it are asked for, and the rest is made
 * here, over several calls where one is too short. Everything is tied to one choice of segments; with another choice it begins anew.
 */
import { createHash } from 'node:crypto';
import { OperationError } from '../base/errors.ts';
import type { ObjectStat, Store } from '../store/store.ts';
import { blockGrid } from '../tiff/cog-header.ts';
import type { Collected } from './collect.ts';
import { statIfThere } from './finished-object.ts';
import type { PyramidLine } from './manifest.ts';
import type { MergeState } from './merge-state.ts';
import { levelOwners, levelsOf, runFiles, type Plan, type PlanOutput } from './plan.ts';
import { makeLevels } from './pyramid-build.ts';
import { passesOf, reduceBlocks, squareOf, type PyramidPass } from './pyramid-passes.ts';
import { countSources, SourceList, startingBlocks, wholeCells, type Sources } from './pyramid-sources.ts';
import { readSegments } from './read-segments.ts';
import { parseSegmentName } from './segment.ts';
import { SegmentWriter } from './segment-writer.ts';

export interface PyramidMerge {
  readonly store: Store;
  readonly plan: Plan;
  readonly output: PlanOutput;
  readonly collected: Collected;
  readonly state: MergeState;
  /** The pass of the run whose tasks have ended. */
  readonly runPass: number;
  /** Whether there is time for more. */
  readonly goesOn: () => boolean;
}

/** What becomes of the levels: tasks that have to run first, more to do in the next call, or all of them in the layout. `state` is to be kept. */
export type PyramidProgress =
  | { readonly kind: 'tasks'; readonly lines: readonly PyramidLine[]; readonly state: MergeState }
  | { readonly kind: 'later' | 'made'; readonly state: MergeState };

/** What the levels of one choice of segments are kept under. */
export function generationOf(segments: readonly string[]): string {
  return createHash('sha256').update(segments.map((href) => `${href.slice(href.lastIndexOf('/') + 1)}\n`).join('')).digest('hex').slice(0, 16);
}

/** @throws OperationError PYRAMID_INCOMPLETE when tasks that have ended left nothing */
export async function mergePyramid(merge: PyramidMerge): Promise<PyramidProgress> {
  const { plan, output, collected, state } = merge;
  const { batch, top } = levelOwners(plan, output);
  if (output.overviews === 'none' || (batch === top && collected.allComplete)) return { kind: 'made', state };
  const folder = `${plan.state.run.href}${runFiles.pyramids(output.name, generationOf(collected.segments))}`;
  const complete = await takeSegmentsOfPasses(merge, folder);
  let from = batch;
  for (const pass of passesOf(plan, output)) {
    const sources = sourcesAt(merge, from);
    const all = { column: 0, row: 0, columns: pass.blocks.across, rows: pass.blocks.down };
    if (countSources(plan, output, from, all, sources) * output.bands <= reduceBlocks(plan)) break;
    const lines = await linesOf(merge, pass, sources, folder, complete);
    if (lines.length > 0) return askFor(merge, pass, lines);
    from = pass.last;
  }
  if (from === top && (from > batch || collected.allComplete)) return { kind: 'made', state };
  return await makeRest(merge, from, folder);
}

function sourcesAt({ plan, output, collected: { layout, isComplete } }: PyramidMerge, from: number): Sources {
  return { locate: (...place) => layout.locate(...place), isWhole: wholeCells(plan, output, from, isComplete) };
}

/** Adds what tasks have committed to the layout, the highest levels first. @returns the numbers of the tasks that are complete */
async function takeSegmentsOfPasses({ store, collected }: PyramidMerge, folder: string): Promise<ReadonlySet<number>> {
  const stats: ObjectStat[] = [];
  for await (const stat of store.list(folder)) if (parseSegmentName(stat.href) !== undefined) stats.push(stat);
  const complete = new Set<number>();
  for await (const { stat, values } of readSegments(store, stats.toReversed())) {
    const task = parseSegmentName(stat.href)?.batch;
    if (values.complete && task !== undefined) complete.add(task);
    collected.layout.addUpper(stat.href, values.dataBytes, values.blocks);
  }
  return complete;
}

/**
 * The tasks of a pass that are still to be done; what they are made from is written beside their segments. A task without sources has nothing to make. The sources of tasks
 * that are done are written, too: so another call, which may know of more tasks done, or fewer, writes the same document.
 */
async function linesOf({ store, plan, output, collected }: PyramidMerge, pass: PyramidPass, sources: Sources, folder: string, complete: ReadonlySet<number>): Promise<PyramidLine[]> {
  const list = new SourceList();
  const lines: PyramidLine[] = [];
  for (let task = 0; task < pass.tasks.across * pass.tasks.down; task++) {
    const batch = pass.firstBatch + task;
    const window = squareOf(pass, task);
    const first = list.rows;
    list.addWindow(plan, output, pass.from, window, sources);
    const count = list.rows - first;
    if (count === 0 || complete.has(batch)) continue;
    const { column, row, columns, rows } = window;
    lines.push({
      batch,
      pyramid: { output: output.name, level: pass.from, blocks: [column, row, columns, rows], last: pass.last, generation: generationOf(collected.segments), pass: pass.pass, sources: { first, count } },
    });
  }
  if (lines.length > 0) await store.put(`${folder}${runFiles.pyramidSources(pass.pass)}`, list.bytes(), { createFolders: true });
  return lines;
}

/** A pass is asked for once by the executions of a run that get so far; tasks that have succeeded and left nothing would be asked for without end. */
function askFor({ output, state, runPass }: PyramidMerge, { pass }: PyramidPass, lines: readonly PyramidLine[]): PyramidProgress {
  if (state.asked?.pass === pass && runPass >= state.asked.runPass) {
    throw new OperationError(
      'PYRAMID_INCOMPLETE',
      `output ${output.name}: ${String(lines.length)} tasks of overview pass ${String(pass)} have ended and left no overviews, the first is ${String(lines[0]?.batch)}; continue the run to do them again`,
      { where: { output: output.name, pass, batch: lines[0]?.batch } },
    );
  }
  return { kind: 'tasks', lines, state: { ...state, asked: { pass, runPass: runPass + 1 } } };
}

/** Blocks that a call takes in at least, so that calls with too little time get on as well. */
const leastBlocks = 16;

/** Makes the levels above `from`, or as many of them as there is time for. */
async function makeRest(merge: PyramidMerge, from: number, folder: string): Promise<PyramidProgress> {
  const { store, plan, output, collected, state, goesOn } = merge;
  const { layout } = collected;
  const own = `${folder}top/`;
  // What a call that was cut off has left there counts for nothing, and stays: it may as well be what another call is at work with.
  const earlier = await Promise.all(state.pyramid.map((href) => statIfThere(store, href)));
  const there = earlier.filter((stat) => stat !== undefined);
  // Those of a run that was finished are taken away; when its output is gone as well, they are made anew.
  const kept = there.length === earlier.length ? state : { ...state, pyramid: [], pyramidCells: null };
  if (kept === state) await takeSegments(merge, there);
  if (kept.pyramidCells === null && kept.pyramid.length > 0) return { kind: 'made', state: kept };
  const pyramid = [...kept.pyramid];
  const { across, down } = blockGrid(levelsOf(plan, output)[from] as { columns: number; rows: number }, output.blockSize);
  let blocks = 0;
  const writer = new SegmentWriter(store, (number) => `${own}${String(number).padStart(5, '0')}.seg`, pyramid.length);
  const stopped = await makeLevels({
    store,
    plan,
    output,
    starting: startingBlocks(plan, output, from, { column: 0, row: 0, columns: across, rows: down }, sourcesAt(merge, from), kept.pyramidCells ?? 0),
    last: levelOwners(plan, output).top,
    exists: (...place) => layout.has(...place),
    writer,
    onSegment: (href) => pyramid.push(href),
    goesOn: (cellsDone) => cellsDone <= (kept.pyramidCells ?? 0) || ++blocks < leastBlocks || goesOn(),
  });
  if (!writer.isEmpty) pyramid.push(await writer.commit(stopped === undefined));
  const next = { ...state, pyramid, pyramidCells: stopped ?? null };
  if (stopped !== undefined) return { kind: 'later', state: next };
  await takeSegments(merge, await Promise.all(pyramid.slice(kept.pyramid.length).map((href) => store.stat(href))));
  return { kind: 'made', state: next };
}

async function takeSegments({ store, collected }: PyramidMerge, stats: readonly ObjectStat[]): Promise<void> {
  for await (const { stat, values } of readSegments(store, stats)) collected.layout.addUpper(stat.href, values.dataBytes, values.blocks);
}
