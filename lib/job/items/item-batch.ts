/**
 * One batch of items, as a worker does it: what earlier attempts have committed is found, the other items are worked through, some at a time, and their outcomes are
 * committed in segments. An item that fails is an outcome like others. Doing a batch again is harmless, also while another worker does it.
 */
import { TryAgainError } from '../../base/errors.ts';
import type { Store } from '../../store/store.ts';
import type { BatchSummary } from '../batch.ts';
import { runFiles } from '../plan.ts';
import { SegmentWriter } from '../segment-writer.ts';
import { readSegmentIndex, segmentName, segmentPrefix } from '../segment.ts';
import type { Item } from './item.ts';
import { failed, isItemsOwn, succeeded, type ItemOutcome, type ItemResult } from './item-outcome.ts';

/** What does the work on items: images, functions or models. */
export interface ItemWorker {
  /** Items that may be under way at a time. */
  readonly atOnce: number;
  /** So many more, as long as the objects of all that are under way have no more bytes: what is fetched early waits in memory. An object whose size isn't known for sure may have that many. */
  readonly ahead?: { readonly items: number; readonly bytes: number };
  /**
   * @param signal ends the batch early: what is under way is finished, and what hasn't begun may throw
   * @throws DataError, OperationError and InputUnavailableError for what is wrong with the item, and OutputError for the name of what it makes; anything else ends the batch
   */
  work(item: Item, signal?: AbortSignal): Promise<ItemResult>;
}

export interface ItemBatchEnvironment {
  /** The run prefix. */
  readonly run: string;
  readonly store: Store;
  readonly worker: ItemWorker;
  /** An attempt before this one was killed, so another kill may come soon, and must not find everything undone again. */
  readonly followsKill: boolean;
  /** Ends the batch early, with what is finished committed. */
  readonly signal: AbortSignal;
  /** Called when an item has an outcome, and when it turns out to have had one. */
  readonly onItem: (item: { readonly index: number; readonly reused: boolean; readonly ok: boolean }) => void;
}

/** Outcomes are committed when there are so many bytes of them, … */
const segmentBytes = 2 ** 20;
/** … or when the oldest has waited so long, as far as it is looked: a lost worker costs no more than both. */
const longestWaitMs = { usual: 30_000, afterKill: 1000 } as const;
/** How often it is looked for outcomes that have waited, for the next item may take as long as it likes. */
const lookMs = { usual: 5000, afterKill: 500 } as const;

/**
 * @param batch its number
 * @param items in the order of their indexes
 * @throws TryAgainError WORKER_STOPPED when the signal ended it; what the worker or the store throws, after the finished items are committed
 */
export async function runItemBatch(batch: number, items: AsyncIterable<Item> | Iterable<Item>, environment: ItemBatchEnvironment): Promise<BatchSummary> {
  const { run, store, worker, signal, onItem } = environment;
  const pace = environment.followsKill ? 'afterKill' : 'usual';
  const folder = `${run}${runFiles.collected}`;
  const found = await findCommitted(store, `${folder}${segmentPrefix(batch)}`);
  const outcomes = new Outcomes(new SegmentWriter(store, (number) => `${folder}${segmentName(batch, number)}`, found.segments), longestWaitMs[pace]);
  const underWay = new UnderWay(worker);
  let failure: { readonly cause: unknown } | undefined;
  let computed = 0;
  let reused = 0;
  const fail = (cause: unknown): void => {
    failure ??= { cause };
  };
  const start = (item: Item): void => {
    const work = outcomeOf(worker, item, signal)
      .then(async (outcome) => {
        outcomes.add(outcome);
        computed++;
        onItem({ index: item.index, reused: false, ok: outcome.ok });
        if (outcomes.isDue) await outcomes.commit(false);
      })
      .catch(fail);
    underWay.add(item, work);
  };
  // What is under way may last longer than whoever stops this waits, so that nothing that is finished waits for it.
  const commitNow = (): void => void outcomes.commit(false).catch(fail);
  signal.addEventListener('abort', commitNow, { once: true });
  const look = setInterval(() => {
    if (outcomes.isDue) commitNow();
  }, lookMs[pace]);
  try {
    for await (const item of items) {
      if (found.indexes.has(item.index)) {
        reused++;
        onItem({ index: item.index, reused: true, ok: true });
        continue;
      }
      await underWay.roomFor(item);
      if (signal.aborted || failure !== undefined) break;
      start(item);
    }
  } catch (cause) {
    fail(cause);
  }
  await underWay.end();
  clearInterval(look);
  signal.removeEventListener('abort', commitNow);
  if (failure !== undefined || signal.aborted) {
    await outcomes.commit(false);
    if (signal.aborted) throw new TryAgainError('WORKER_STOPPED', `stopped after ${String(computed + reused)} items; they are committed`, { cause: failure?.cause });
    throw failure?.cause;
  }
  if (!found.complete) await outcomes.commit(true);
  return { computed, reused };
}

async function outcomeOf(worker: ItemWorker, item: Item, signal: AbortSignal): Promise<ItemOutcome> {
  try {
    return succeeded(item, await worker.work(item, signal));
  } catch (error) {
    if (!isItemsOwn(error)) throw error;
    return failed(item, error);
  }
}

/** Items that are being worked on, no more at a time than their worker takes. */
class UnderWay {
  readonly #atOnce: number;
  readonly #ahead: { readonly items: number; readonly bytes: number };
  readonly #works = new Set<Promise<void>>();
  #bytes = 0;

  constructor({ atOnce, ahead = { items: 0, bytes: 0 } }: Pick<ItemWorker, 'atOnce' | 'ahead'>) {
    this.#atOnce = atOnce;
    this.#ahead = ahead;
  }

  async roomFor(item: Item): Promise<void> {
    while (!this.#hasRoom(item)) await Promise.race(this.#works);
  }

  /** @param work must not throw */
  add(item: Item, work: Promise<void>): void {
    const bytes = this.#bytesOf(item);
    this.#bytes += bytes;
    const whole = work.finally(() => {
      this.#works.delete(whole);
      this.#bytes -= bytes;
    });
    this.#works.add(whole);
  }

  async end(): Promise<void> {
    await Promise.all(this.#works);
  }

  #hasRoom(item: Item): boolean {
    if (this.#works.size < this.#atOnce) return true;
    return this.#works.size < this.#atOnce + this.#ahead.items && this.#bytes + this.#bytesOf(item) <= this.#ahead.bytes;
  }

  /** A size without a version is what a list once said. */
  #bytesOf({ size, version }: Item): number {
    return size === null || version === null ? this.#ahead.bytes : size;
  }
}

/** Outcomes on their way into segments. */
class Outcomes {
  readonly #writer: SegmentWriter;
  readonly #longestWaitMs: number;
  readonly #encoder = new TextEncoder();
  #oldest = Infinity;
  #committing: Promise<void> = Promise.resolve();

  constructor(writer: SegmentWriter, longestWaitMs: number) {
    this.#writer = writer;
    this.#longestWaitMs = longestWaitMs;
  }

  get isDue(): boolean {
    return this.#writer.bytes >= segmentBytes || performance.now() - this.#oldest > this.#longestWaitMs;
  }

  add(outcome: ItemOutcome): void {
    const bytes = this.#encoder.encode(JSON.stringify(outcome));
    this.#oldest = Math.min(this.#oldest, performance.now());
    // Items lie in one row, as tiles of a grid that has only one.
    this.#writer.addTile(outcome.index, 0, { bytes, blocks: [{ level: 0, column: outcome.index, row: 0, offset: 0, length: bytes.length }], statistics: [], remainder: undefined });
  }

  /** One commit after the other. */
  async commit(complete: boolean): Promise<void> {
    const commit = this.#committing.then(async () => {
      if (this.#writer.isEmpty && !complete) return;
      this.#oldest = Infinity;
      await this.#writer.commit(complete);
    });
    // Whoever waits for this commit sees its error; the next commit must not fail with it again.
    this.#committing = commit.catch(() => undefined);
    await commit;
  }
}

interface FoundItems {
  readonly complete: boolean;
  readonly indexes: ReadonlySet<number>;
  /** Number of the first free segment. */
  readonly segments: number;
}

async function findCommitted(store: Store, prefix: string): Promise<FoundItems> {
  const indexes = new Set<number>();
  let complete = false;
  let segments = 0;
  for await (const stat of store.list(prefix)) {
    const index = await readSegmentIndex(store, stat);
    complete ||= index.complete;
    segments++;
    for (const { column } of index.tiles) indexes.add(column);
  }
  return { complete, indexes, segments };
}
