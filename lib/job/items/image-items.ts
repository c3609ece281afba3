/** Copies of images: each item is read, its variants are made, and put below the outputs' prefix. */
import { hash } from 'node:crypto';
import pLimit, { type LimitFunction } from 'p-limit';
import { DataError, messageOf, TryAgainError } from '../../base/errors.ts';
import { parseHref } from '../../store/href.ts';
import { readObject } from '../../store/read-object.ts';
import type { ObjectStat, Store } from '../../store/store.ts';
import type { ImageLimits } from '../../images/image-limits.ts';
import { makeVariants, type MadeImages } from '../../images/make-variants.ts';
import { SharedBudget } from '../../images/shared-budget.ts';
import { imagesAtATime } from '../../images/sharp-setup.ts';
import type { ImageVariants } from '../../images/variant-spec.ts';
import type { ImagesApart } from './images-apart.ts';
import type { ItemWorker } from './item-batch.ts';
import type { ItemResult, MadeFile } from './item-outcome.ts';
import type { ItemPlan } from './item-plan.ts';
import type { Item } from './item.ts';
import { findObject, outputHref } from './item-object.ts';

/** Images under way beside each that is being made: they are read, or their copies are put, which takes S3 some 50 ms each. */
const aheadForEach = 3;
/** Bytes of image files for each vCPU until which others are fetched ahead: a few photographs of a telephone, and many of those that are made fast. */
const bytesForEachVcpu = 32 * 2 ** 20;
/** Files may take this part of what the task has, where that is more. */
const partForFiles = 1 / 8;
/** The part of it that one file may have, as its pixels need some, too; and what none may have: an image above that is none that is worked on whole, in memory. */
const partForOne = 1 / 2;
const mostBytes = 2 ** 30;
/** The least that images may take together, however small the task. */
const leastBytes = 64 * 2 ** 20;

export class ImageItems implements ItemWorker {
  readonly atOnce: number;
  readonly ahead: { readonly items: number; readonly bytes: number };
  /** Decoding and encoding, which take processors. */
  readonly #making: LimitFunction;
  /** Memory of image files, from when they are read until their copies are made. */
  readonly #files: SharedBudget;
  readonly #decoded: SharedBudget;
  readonly #mostBytes: number;
  readonly #apart: Pick<ImagesApart, 'make'> | undefined;
  readonly #store: Store;
  readonly #variants: ImageVariants;
  readonly #limits: ImageLimits;
  readonly #prefix: string;

  /**
   * @param plan of a job that has images, and a place for them
   * @param apart makes the copies instead of this process, which then reads nothing
   */
  constructor(store: Store, { job, threads, memory }: Pick<ItemPlan, 'job' | 'threads' | 'memory'>, apart?: Pick<ImagesApart, 'make' | 'atOnce'>) {
    const files = Math.max(threads * bytesForEachVcpu, memory.limit * partForFiles);
    this.atOnce = apart?.atOnce ?? imagesAtATime(threads);
    this.ahead = apart === undefined ? { items: this.atOnce * aheadForEach, bytes: threads * bytesForEachVcpu } : { items: 0, bytes: 0 };
    this.#making = pLimit(this.atOnce);
    this.#files = new SharedBudget(files);
    this.#decoded = new SharedBudget(Math.max(leastBytes, memory.limit - memory.process - files));
    this.#mostBytes = Math.floor(Math.min(mostBytes, Math.max(leastBytes, memory.limit - memory.process) * partForOne));
    this.#apart = apart;
    this.#store = store;
    this.#variants = job.operation.images ?? {};
    this.#limits = job.operation.imageLimits;
    this.#prefix = job.outputs?.prefix ?? '';
  }

  /**
   * The value has what the image was, and what its copies are: `{ format, width, height, variants: { thumbs: { width, height, bytes } } }`.
   * @param signal makes those that still wait for their turn end
   * @throws DataError IMAGE_*, ITEM_TOO_LARGE, ITEM_PATH; OperationError IMAGE_CRASH; TryAgainError WORKER_STOPPED; what the store throws
   */
  async work(item: Item, signal?: AbortSignal): Promise<ItemResult> {
    if (item.href === null) throw new Error('an item without an object has no image');
    const object = await findObject(this.#store, item.href, item);
    this.#checkSize(object);
    const { source, variants } = await this.#make(object, signal);
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

  async #make(object: ObjectStat, signal: AbortSignal | undefined): Promise<MadeImages> {
    const inTurn = async (make: () => Promise<MadeImages>): Promise<MadeImages> =>
      await this.#making(async () => {
        if (signal?.aborted === true) throw new TryAgainError('WORKER_STOPPED', 'stopped before the image had its turn');
        return await make();
      });
    const apart = this.#apart;
    if (apart !== undefined) return await inTurn(async () => await apart.make(object, this.#variants, this.#limits));
    return await this.#files.use(object.size, async () => {
      const bytes = await readObject(this.#store, object);
      return await inTurn(async () => await makeVariants(bytes, this.#variants, this.#limits, this.#decoded));
    });
  }

  #checkSize({ href, size }: ObjectStat): void {
    if (size <= this.#mostBytes) return;
    throw new DataError('ITEM_TOO_LARGE', `the file has ${String(size)} bytes; wanted ${String(this.#mostBytes)} at most${this.#mostBytes === mostBytes ? '' : ', half of the memory that a task has beside its process (compute.memory)'}`, { where: { href, size } });
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
