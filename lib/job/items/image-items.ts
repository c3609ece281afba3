/** Copies of images: each item is read, its variants are made, and put below the outputs' prefix. */
import { hash } from 'node:crypto';
import pLimit, { type LimitFunction } from 'p-limit';
import { DataError, messageOf, TryAgainError } from '../../base/errors.ts';
import { parseHref } from '../../store/href.ts';
import type { Store } from '../../store/store.ts';
import type { ImageProcess } from '../../images/image-process.ts';
import { makeVariants, type MadeImages } from '../../images/make-variants.ts';
import { MemoryBudget } from '../../images/memory-budget.ts';
import { imagesAtATime } from '../../images/sharp-setup.ts';
import type { ItemWorker } from './item-batch.ts';
import type { ItemResult, MadeFile } from './item-outcome.ts';
import type { ItemPlan } from './item-plan.ts';
import type { Item } from './item.ts';
import { outputHref, readObject } from './item-object.ts';

/** Images under way beside each that is being made: they are read, or their copies are put, which takes S3 some 50 ms each. */
const aheadForEach = 3;
/** Bytes of image files for each vCPU until which others are fetched ahead: a few photographs of a telephone, and many of those that are made fast. */
const bytesForEachVcpu = 32 * 2 ** 20;
/** The least that images may take together, however small the task. */
const leastBytes = 64 * 2 ** 20;

export class ImageItems implements ItemWorker {
  readonly atOnce: number;
  readonly ahead: { readonly items: number; readonly bytes: number };
  /** Decoding and encoding, which take processors and memory. */
  readonly #making: LimitFunction;
  readonly #make: (bytes: Uint8Array) => Promise<MadeImages>;
  readonly #store: Store;
  readonly #prefix: string;

  /**
   * @param plan of a job that has images, and a place for them
   * @param apart makes the copies, one image after the other, instead of this process
   */
  constructor(store: Store, { job, threads, memory }: Pick<ItemPlan, 'job' | 'threads' | 'memory'>, apart?: Pick<ImageProcess, 'make'>) {
    this.atOnce = imagesAtATime(threads);
    this.ahead = { items: this.atOnce * aheadForEach, bytes: threads * bytesForEachVcpu };
    this.#making = pLimit(this.atOnce);
    const { images: variants = {}, imageLimits: limits } = job.operation;
    const budget = new MemoryBudget(Math.max(leastBytes, memory.limit - memory.process - this.ahead.bytes));
    this.#make = async (bytes) => (apart === undefined ? await makeVariants(bytes, variants, limits, budget) : await apart.make(bytes, variants, limits));
    this.#store = store;
    this.#prefix = job.outputs?.prefix ?? '';
  }

  /**
   * The value has what the image was, and what its copies are: `{ format, width, height, variants: { thumbs: { width, height, bytes } } }`.
   * @param signal makes those that still wait for their turn end
   * @throws DataError IMAGE_*, ITEM_PATH; OperationError IMAGE_CRASH; TryAgainError WORKER_STOPPED; what the store throws
   */
  async work(item: Item, signal?: AbortSignal): Promise<ItemResult> {
    if (item.href === null) throw new Error('an item without an object has no image');
    const bytes = await readObject(this.#store, item);
    const { source, variants } = await this.#making(async () => {
      if (signal?.aborted === true) throw new TryAgainError('WORKER_STOPPED', 'stopped before the image had its turn');
      return await this.#make(bytes);
    });
    const outputs = await Promise.all(
      variants.map(async ({ name, bytes: made, contentType }): Promise<MadeFile> => {
        const path = `${name}/${item.path}`;
        const href = copyHref(this.#prefix, path);
        await this.#store.put(href, made, { contentType, createFolders: true });
        return { href, path, size: made.length, sha256: hash('sha256', made) };
      }),
    );
    const { format, width, height } = source;
    return { value: { format, width, height, variants: Object.fromEntries(variants.map((each) => [each.name, { width: each.width, height: each.height, bytes: each.bytes.length }])) }, outputs };
  }
}

/** @throws DataError ITEM_PATH, also for what is too long for a key */
function copyHref(prefix: string, path: string): string {
  const href = outputHref(prefix, path);
  try {
    parseHref(href);
  } catch (cause) {
    throw new DataError('ITEM_PATH', `The copy can't be put: ${messageOf(cause)}`, { cause, where: { href } });
  }
  return href;
}
