/** One task of an overview pass, as a worker does it. Doing it again is harmless, also while another worker does it. */
import { OperationError, TryAgainError } from '../base/errors.ts';
import type { Store } from '../store/store.ts';
import type { PyramidLine } from './manifest.ts';
import { runFiles, type Plan } from './plan.ts';
import { makeLevels } from './pyramid-build.ts';
import { passNumbers } from './manifest.ts';
import { decodeSources, sourceRowBytes, startingBlocks } from './pyramid-sources.ts';
import { readSegmentIndex, segmentName, segmentPrefix } from './segment.ts';
import { SegmentWriter } from './segment-writer.ts';

export interface PyramidTaskEnvironment {
  readonly plan: Plan;
  readonly store: Store;
  /** Ends the task early, with what is finished committed. */
  readonly signal: AbortSignal;
}

/**
 * Makes the levels of a line and commits them as segments of its own; the last one says that the task is complete.
 * @throws TryAgainError WORKER_STOPPED when the signal ended it; DataError for a block that can't be decoded; whatever the store throws
 */
export async function runPyramidTask({ batch, pyramid }: PyramidLine, { plan, store, signal }: PyramidTaskEnvironment): Promise<void> {
  const { level, last, blocks: [column, row, columns, rows], generation, pass, sources: { first, count } } = pyramid;
  const output = plan.outputs.find(({ name }) => name === pyramid.output);
  if (output === undefined) throw new OperationError('PYRAMID_OUTPUT', `the plan has no output ${pyramid.output}`, { where: { output: pyramid.output } });
  const { href } = plan.state.run;
  const folder = `${href}${runFiles.pyramids(output.name, generation)}`;
  const made = new Set<string>();
  const key = (of: number, x: number, y: number): string => `${String(of)}/${String(x)}/${String(y)}`;
  let segments = 0;
  for await (const stat of store.list(`${folder}${segmentPrefix(batch)}`)) {
    const index = await readSegmentIndex(store, stat);
    if (index.complete) return;
    segments++;
    for (const block of index.blocks) made.add(key(block.level, block.column, block.row));
  }
  const bytes = new Uint8Array(count * sourceRowBytes);
  await store.readInto(`${folder}${runFiles.pyramidSources(pass)}`, first * sourceRowBytes, bytes);
  const sources = decodeSources(bytes, (of) => (of < passNumbers ? `${href}${runFiles.segments(output.name)}` : folder));
  const writer = new SegmentWriter(store, (number) => `${folder}${segmentName(batch, number)}`, segments);
  const window = { column, row, columns, rows };
  let stopped: number | undefined;
  try {
    stopped = await makeLevels({
      store,
      plan,
      output,
      starting: startingBlocks(plan, output, level, window, sources),
      last,
      exists: (...place) => sources.exists(...place) || made.has(key(...place)),
      writer,
      onSegment: () => undefined,
      goesOn: () => !signal.aborted,
    });
  } catch (error) {
    // What is finished is worth keeping; the first error is the one to report.
    if (!writer.isEmpty) await writer.commit(false).catch(() => undefined);
    throw error;
  }
  if (stopped !== undefined) {
    if (!writer.isEmpty) await writer.commit(false);
    throw new TryAgainError('WORKER_STOPPED', `stopped after ${String(stopped)} of ${String(columns * rows)} blocks; the levels above them are committed`);
  }
  await writer.commit(true);
}
