/** The work of a task on a batch of items: what does the work is started, and how many items are done is told on standard output. */
import type { BatchSummary } from '../../lib/job/batch.ts';
import { runItemBatch, type ItemWorker } from '../../lib/job/items/item-batch.ts';
import { readItemPlan, type ItemPlan } from '../../lib/job/items/item-plan.ts';
import { itemsFile, readItems, type ItemBatchLine } from '../../lib/job/items/item.ts';
import type { Store } from '../../lib/store/store.ts';
import { stopGraceMs } from './stop-grace.ts';

export interface ItemTaskEnvironment {
  readonly store: Store;
  /** The run prefix. */
  readonly run: string;
  /** An attempt before this one was killed: nobody knows by what, and it may have been an item. */
  readonly followsKill: boolean;
  /** Ends the task early, with what is finished committed. */
  readonly signal: AbortSignal;
  /** Told the counts each time they change. */
  readonly onProgress: (summary: BatchSummary) => void;
}

/** @throws TryAgainError WORKER_STOPPED when the signal ended it; what the work or the store throws, after the finished items are committed */
export async function workOnItems({ batch, items: range }: ItemBatchLine, { store, run, followsKill, signal, onProgress }: ItemTaskEnvironment): Promise<void> {
  const plan = await readItemPlan(store, run);
  let summary: BatchSummary = { computed: 0, reused: 0 };
  const told = new ToldItems(batch);
  const worker = await startWorker(store, plan, followsKill);
  signal.addEventListener('abort', () => setTimeout(() => void worker.close(), stopGraceMs).unref(), { once: true });
  try {
    summary = await runItemBatch(batch, readItems(store, `${run}${itemsFile}`, range, plan.items.version), {
      run,
      store,
      worker,
      followsKill,
      signal,
      onItem({ reused, ok }) {
        summary = reused ? { ...summary, reused: summary.reused + 1 } : { ...summary, computed: summary.computed + 1 };
        onProgress(summary);
        told.add(reused, ok);
      },
    });
  } finally {
    told.tell();
    await worker.close();
  }
  onProgress(summary);
}

/** How often it is told how many items are done. Small ones take milliseconds, and a line for each would cost as much as some of them. */
const tellMs = 200;

/** Tells on standard output how many items are done, now and then. */
class ToldItems {
  readonly #batch: number;
  #counts = { done: 0, reused: 0, failed: 0 };
  #last = -Infinity;

  constructor(batch: number) {
    this.#batch = batch;
  }

  add(reused: boolean, ok: boolean): void {
    const { done, reused: before, failed } = this.#counts;
    this.#counts = { done: done + 1, reused: before + (reused ? 1 : 0), failed: failed + (ok ? 0 : 1) };
    if (performance.now() - this.#last >= tellMs) this.tell();
  }

  /** What has come since the last time. */
  tell(): void {
    if (this.#counts.done === 0) return;
    this.#last = performance.now();
    process.stdout.write(`${JSON.stringify({ event: 'Items:Done', batch: this.#batch, ...this.#counts })}\n`);
    this.#counts = { done: 0, reused: 0, failed: 0 };
  }
}

/** Loaded by what the job does: functions and models have processes of their own; images have one after a kill, so that the next kill is not the worker's. */
async function startWorker(store: Store, plan: ItemPlan, followsKill: boolean): Promise<ItemWorker & { close(): Promise<void> }> {
  if (plan.job.operation.images !== undefined) {
    const { ImageItems } = await import('../../lib/job/items/image-items.ts');
    const apart = followsKill ? await (await import('../../lib/job/items/images-apart.ts')).ImagesApart.start(store, plan.threads) : undefined;
    const images = new ImageItems(store, plan, apart);
    const close = async (): Promise<void> => {
      await apart?.close();
    };
    return { atOnce: images.atOnce, ahead: images.ahead, work: async (item, stop) => await images.work(item, stop), close };
  }
  const { startItemWorker } = await import('../../lib/job/items/function-items.ts');
  return await startItemWorker(store, plan, { count: plan.threads, env: process.env });
}
