/**
 * How items become batches. They are listed once and may be millions, so they are gathered into chunks (neighbours, with their weight) that are made coarser as their number
 * grows; at the end neighbouring chunks become batches of about one weight, so that tasks end together.
 */
import { maxSegments } from '../batch-size.ts';
import type { ItemRange } from './item.ts';

/** Neighbouring items. */
export interface ItemChunk extends ItemRange {
  /** Seconds of one thread, roughly. */
  readonly weight: number;
}

/** What an item takes of a thread: seconds whatever its size, and the bytes that go through in a second. */
export interface ItemCost {
  readonly seconds: number;
  readonly bytesPerSecond: number;
}

/** Bytes of an object whose size isn't known. */
const unknownBytes = 1024 * 1024;

/** The weight of an item. @param size bytes of its object; null where that isn't known; undefined where there is none */
export function itemWeight({ seconds, bytesPerSecond }: ItemCost, size: number | null | undefined): number {
  return seconds + (size === undefined ? 0 : (size ?? unknownBytes) / bytesPerSecond);
}

/** Chunks, at most; there are half as many after they have been made coarser, so each is at most a small part of a batch. */
const mostChunks = 1 << 18;

/** Gathers items, one after another. Memory is bounded, whatever their number. */
export class ItemChunks {
  readonly #itemsPerTask: number | 'auto';
  #chunks: ItemChunk[] = [];
  #bytes = 0;
  #count = 0;
  #weight = 0;
  /** Items of a chunk, where the job says how many a task gets. */
  #perChunk: number;

  constructor(itemsPerTask: number | 'auto' = 'auto') {
    this.#itemsPerTask = itemsPerTask;
    this.#perChunk = itemsPerTask === 'auto' ? 1 : itemsPerTask;
  }

  get count(): number {
    return this.#count;
  }

  /** @param length bytes of the item's line */
  add(length: number, weight: number): void {
    const last = this.#chunks.at(-1);
    const item = { first: this.#count, count: 1, offset: this.#bytes, length, weight };
    if (last !== undefined && last.count < this.#perChunk) this.#chunks[this.#chunks.length - 1] = joined(last, item);
    else this.#chunks.push(item);
    this.#count++;
    this.#bytes += length;
    this.#weight += weight;
    if (this.#itemsPerTask === 'auto') {
      if (this.#chunks.length > mostChunks) this.#chunks = joinLight(this.#chunks, (2 * this.#weight) / (mostChunks / 2));
    } else if (this.#chunks.length > maxSegments) {
      // Twice as many items for each task, whatever was asked: there may not be more batches.
      this.#chunks = joinPairs(this.#chunks);
      this.#perChunk *= 2;
    }
  }

  finish(): readonly ItemChunk[] {
    return this.#chunks;
  }
}

function joined(a: ItemChunk, b: ItemChunk): ItemChunk {
  return { first: a.first, count: a.count + b.count, offset: a.offset, length: a.length + b.length, weight: a.weight + b.weight };
}

function joinPairs(chunks: readonly ItemChunk[]): ItemChunk[] {
  return Array.from({ length: Math.ceil(chunks.length / 2) }, (_, i) => {
    const [a, b] = [chunks[2 * i] as ItemChunk, chunks[2 * i + 1]];
    return b === undefined ? a : joined(a, b);
  });
}

/** Joins neighbours as long as they are no heavier together than `most`: two of what remains always are. */
function joinLight(chunks: readonly ItemChunk[], most: number): ItemChunk[] {
  const result: ItemChunk[] = [];
  for (const chunk of chunks) {
    const last = result.at(-1);
    if (last !== undefined && last.weight + chunk.weight <= most) result[result.length - 1] = joined(last, chunk);
    else result.push(chunk);
  }
  return result;
}

export interface ItemBatchWishes {
  readonly itemsPerTask: number | 'auto';
  readonly maxConcurrency: number;
  readonly threads: number;
  readonly startupSeconds: number;
  /** The time limit of a task. */
  readonly timeoutSeconds: number;
}

/** Start-up should be a small part of a task's life. */
const workPerStartup = 5;
/** Part of its time limit that a task should take at most: weights are guesses. */
const mostOfLimit = 0.5;
/** Where start-up is next to nothing beside the work, there are up to so many rounds, so that who is done early goes on. */
const tasksInTurn = 4;
const workPerCheapStartup = 200;

/**
 * The batches, as ranges of items in their order. Automatic: no more than make a task's start-up small beside its work, so a few small items are one batch; as many as may run
 * at a time, where there is work for all of them, or some times as many where that costs nothing; and where tasks would get too long, whole rounds of these. Each batch weighs the mean of all, give or take the heaviest chunk
 * (which is a single item, or far lighter than a batch).
 */
export function itemBatches(chunks: readonly ItemChunk[], wishes: ItemBatchWishes): ItemRange[] {
  const { itemsPerTask, maxConcurrency, threads, startupSeconds, timeoutSeconds } = wishes;
  if (itemsPerTask !== 'auto') return chunks.map(rangeOf);
  const total = chunks.reduce((sum, { weight }) => sum + weight, 0);
  const seconds = total / threads;
  const worthwhile = Math.ceil(seconds / (workPerStartup * startupSeconds));
  const needed = Math.ceil(seconds / (mostOfLimit * timeoutSeconds));
  const cheap = Math.min(tasksInTurn, Math.floor(seconds / (workPerCheapStartup * startupSeconds) / maxConcurrency));
  const rounds = Math.max(1, Math.ceil(needed / maxConcurrency), cheap);
  const wanted = rounds > 1 ? rounds * maxConcurrency : Math.min(maxConcurrency, worthwhile);
  return cut(chunks, Math.max(1, Math.min(wanted, maxSegments, chunks.length)), total);
}

/** Cuts where the sum of the weights is nearest to each multiple of the mean. */
function cut(chunks: readonly ItemChunk[], batches: number, total: number): ItemRange[] {
  const result: ItemRange[] = [];
  let open: ItemChunk | undefined;
  let sum = 0;
  let number = 1;
  for (const chunk of chunks) {
    // Is the multiple of the mean that this chunk goes over nearer to its beginning, a batch ends before it.
    if (open !== undefined && (number * total) / batches - sum < sum + chunk.weight - (number * total) / batches) {
      result.push(rangeOf(open));
      open = undefined;
    }
    while (number < batches && (number * total) / batches - sum < sum + chunk.weight - (number * total) / batches) number++;
    open = open === undefined ? chunk : joined(open, chunk);
    sum += chunk.weight;
  }
  if (open !== undefined) result.push(rangeOf(open));
  return result;
}

function rangeOf({ first, count, offset, length }: ItemChunk): ItemRange {
  return { first, count, offset, length };
}
