/** What a task does, by the kind of its manifest line. Each kind loads only what it needs. */
import type { BatchSummary } from '../../lib/job/batch.ts';
import type { ManifestLine } from '../../lib/job/manifest.ts';
import { readPlan } from '../../lib/job/plan.ts';
import type { Store } from '../../lib/store/store.ts';
import type { EarlyThreads } from './thread-pool.ts';
import { workOnTiles } from './tile-batch.ts';
import { setFlags } from './v8-flags.ts';

export interface TaskEnvironment {
  readonly store: Store;
  /** The run prefix. */
  readonly run: string;
  /** The attempt before this one was killed. */
  readonly followsKill: boolean;
  /** Ends the task early, with what is finished committed. */
  readonly signal: AbortSignal;
  /** Threads that were started before the line was known. */
  readonly early: EarlyThreads;
  /** Told the counts of tiles each time they change. */
  readonly onProgress: (summary: BatchSummary) => void;
}

/** @throws an error of the tree; what is finished is committed by then */
export async function workOn(line: ManifestLine, { store, run, followsKill, signal, early, onProgress }: TaskEnvironment): Promise<void> {
  if (!('tiles' in line)) {
    early.dismiss();
    // What these compute, the main thread does.
    setFlags();
  }
  if ('convert' in line) {
    const { runConversion } = await import('../../lib/job/convert-task.ts');
    await runConversion(line, { run, store, signal });
    return;
  }
  if ('extents' in line) {
    const { runExtents } = await import('../../lib/job/find-extents.ts');
    await runExtents(store, run, signal);
    return;
  }
  if ('prepare' in line) {
    const { prepareAny } = await import('../../lib/job/prepare-any.ts');
    await prepareAny(store, run, { env: process.env, signal });
    return;
  }
  if ('try' in line) {
    const { tryTileInTask } = await import('../../lib/job/try-tile.ts');
    await tryTileInTask(store, run, line.try, { env: process.env, signal });
    return;
  }
  if ('items' in line) {
    const { workOnItems } = await import('./item-tasks.ts');
    await workOnItems(line, { store, run, followsKill, signal, onProgress });
    return;
  }
  const plan = await readPlan(store, run);
  if ('pyramid' in line) {
    const { runPyramidTask } = await import('../../lib/job/pyramid-task.ts');
    await runPyramidTask(line, { plan, store, signal });
    return;
  }
  if ('merge' in line) {
    const { openCodeMerger } = await import('../../lib/job/results/code-merger.ts');
    const { runMergeTask } = await import('../../lib/job/results/merge-task.ts');
    await runMergeTask({ plan, store, signal, openMerger: () => openCodeMerger(store, plan) });
    return;
  }
  await workOnTiles(line, { plan, store, signal, early, onProgress });
}
