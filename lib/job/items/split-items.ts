/**
 * Lists a job's items, once and from beginning to end, and writes them down: `items.jsonl`, and how they become batches. Nothing is kept of an item but a few bytes, so a million of
 * them take no more memory than a thousand.
 */
import { DataError, describeError, JobError } from '../../base/errors.ts';
import { displayHref } from '../../store/href.ts';
import type { ObjectReader, Store } from '../../store/store.ts';
import { ObjectSink } from '../results/object-sink.ts';
import { earlierItems } from './earlier-run.ts';
import type { FoundItem } from './found-item.ts';
import { itemBatches, ItemChunks, itemWeight, type ItemBatchWishes, type ItemCost } from './item-batches.ts';
import { pathTest } from './item-path.ts';
import { writtenTest } from './item-places.ts';
import { mostItems, type ItemJobSpec } from './item-spec.ts';
import { itemOperationKind, itemSource, manifestFormat, type ItemOperationKind, type ItemSource } from './item-validate.ts';
import { encodeItem, itemsFile, pathOfIndex, type Item, type ItemBatchLine } from './item.ts';
import { manifestItems } from './manifest-items.ts';
import { gridItems, listedParameters } from './parameter-items.ts';
import { listedItems, prefixItems } from './prefix-items.ts';
import { SeenPaths } from './seen-paths.ts';

export interface SplitItemsOptions {
  readonly store: Store;
  /** Resolved, and without problems. */
  readonly job: ItemJobSpec;
  readonly run: { readonly id: string; /** The run prefix. */ readonly href: string };
  /** The prefix under which `runs/` lies; ends in `/`. */
  readonly work: string;
  readonly wishes: ItemBatchWishes;
  /** What an item takes, where that is known: a trial of the code has shown it. Default: a guess by the kind of operation. */
  readonly cost?: ItemCost;
  /** Called when all is listed, before `items.jsonl` becomes visible; nothing does if it throws. */
  readonly beforeWritten?: () => Promise<void>;
}

export interface SplitItems {
  /** Lines of the manifest. */
  readonly lines: readonly ItemBatchLine[];
  /** For the plan. */
  readonly items: { readonly count: number; readonly bytes: number; readonly repeated: number; readonly version: string };
}

/**
 * What an item takes of a thread, roughly. A small photo is decoded and made smaller in some hundredths of a second. Of a function nothing is known: that it takes
 * a minute makes tasks of few items, for a fan-out too wide costs a minute of a task each, and one too narrow costs hours.
 */
export const itemCosts: Readonly<Record<ItemOperationKind, ItemCost>> = {
  images: { seconds: 0.05, bytesPerSecond: 20e6 },
  model: { seconds: 0.2, bytesPerSecond: 20e6 },
  module: { seconds: 60, bytesPerSecond: 50e6 },
};

/**
 * Each item comes once: an object that is listed again as it was listed first, with the same parameters, is one item. Indexes follow the order of the source: of a prefix that of the hrefs, of everything else that
 * in which it is written.
 * @throws JobError ITEMS_NONE, ITEMS_TOO_MANY, ITEM_WITHOUT_OBJECT, ITEM_WRITTEN; DataError ITEM_PATH_TWICE; what the source and the store throw
 */
export async function splitItems({ store, job, run, work, wishes, cost = itemCosts[itemOperationKind(job.operation)], beforeWritten }: SplitItemsOptions): Promise<SplitItems> {
  const chunks = new ItemChunks(wishes.itemsPerTask);
  const numbered = new NumberedItems(store, job, run.id, work);
  // An assembly that is left behind by a crash lies under the run prefix, and goes with it.
  const sink = new ObjectSink(store, `${run.href}${itemsFile}`, { contentType: 'application/jsonl', createFolders: true, onAssembly: () => Promise.resolve() });
  let bytes = 0;
  try {
    for await (const item of numbered.all()) {
      const line = encodeItem(item);
      chunks.add(Buffer.byteLength(line), itemWeight(cost, item.href === null ? undefined : item.size));
      bytes += item.size ?? 0;
      await sink.writeText(line);
    }
    if (chunks.count === 0) throw await numbered.nothing();
    await beforeWritten?.();
    const { version } = await sink.finish();
    const lines = itemBatches(chunks.finish(), wishes).map((items, batch) => ({ batch, items }));
    return { lines, items: { count: chunks.count, bytes, repeated: numbered.repeated, version } };
  } catch (error) {
    // The first error is the one to report.
    await sink.abort().catch(() => undefined);
    throw error;
  }
}

/** What a source finds. @throws what it meets that is no item */
export function findItems(reader: ObjectReader, { items }: ItemJobSpec, work: string): AsyncIterable<FoundItem> | Iterable<FoundItem> {
  const { prefix, hrefs, manifest, parameters, parameterGrid, from, base } = items;
  if (prefix !== undefined) return prefixItems(reader, prefix);
  if (hrefs !== undefined) return listedItems(reader, hrefs, base);
  if (manifest !== undefined) return manifestItems(reader, { href: manifest, base }, manifestFormat(items) ?? 'jsonl');
  if (parameters !== undefined) return listedParameters(parameters);
  if (parameterGrid !== undefined) return gridItems(parameterGrid);
  return earlierItems(reader, from ?? '', work);
}

/** Sources that can't name an object or a path twice. */
const withoutRepeats: readonly ItemSource[] = ['prefix', 'parameters', 'parameterGrid'];

/** Items with their numbers: those that match, each once. */
class NumberedItems {
  readonly #reader: ObjectReader;
  readonly #job: ItemJobSpec;
  readonly #work: string;
  readonly #kind: ItemOperationKind;
  readonly #written: ReturnType<typeof writtenTest>;
  readonly #seen: SeenPaths | undefined;
  #found = 0;
  #count = 0;
  repeated = 0;

  constructor(reader: ObjectReader, job: ItemJobSpec, run: string, work: string) {
    this.#reader = reader;
    this.#job = job;
    this.#work = work;
    this.#kind = itemOperationKind(job.operation);
    this.#written = writtenTest(job, run);
    const inventory = job.items.manifest !== undefined && manifestFormat(job.items) === 'inventory';
    this.#seen = inventory || withoutRepeats.includes(itemSource(job.items)) ? undefined : new SeenPaths();
  }

  async *all(): AsyncGenerator<Item, void, undefined> {
    const matches = pathTest(this.#job.items.match);
    // Who lists objects one by one means each of them, hidden or not.
    const every = this.#job.items.match === undefined && this.#job.items.prefix === undefined;
    for await (const found of findItems(this.#reader, this.#job, this.#work)) {
      this.#found++;
      if (found.href !== null && found.path !== undefined && !every && !matches(found.path)) continue;
      const item = this.#number(found);
      if (item === undefined) continue;
      if (this.#count === mostItems) throw new JobError('ITEMS_TOO_MANY', `$.items: more than ${mostItems.toLocaleString('en')} items; wanted fewer, in several runs`);
      this.#count++;
      yield item;
    }
  }

  /** Why there is no item. */
  async nothing(): Promise<JobError> {
    const { prefix, manifest, match, from } = this.#job.items;
    const place = displayHref(prefix ?? manifest ?? from ?? 'the list');
    const missing = prefix === undefined ? undefined : await whyNoFolder(this.#reader, prefix);
    if (missing !== undefined) return new JobError('ITEMS_NONE', `$.items: there is nothing to do: ${missing}`);
    const rule = match === undefined ? 'and none that counts: names that begin with a dot are hidden' : `none of which matches ${JSON.stringify(match)}`;
    return new JobError('ITEMS_NONE', `$.items: there is nothing to do: ${place} has ${this.#found === 0 ? this.#nothingFound() : `${this.#found.toLocaleString('en')} objects, ${rule}`}`);
  }

  #nothingFound(): string {
    const { manifest, from } = this.#job.items;
    if (from !== undefined) return 'neither values nor files';
    const format = manifest === undefined ? undefined : manifestFormat(this.#job.items);
    return format === 'csv' ? 'no rows; wanted a header, and below it a row for each item' : format === 'jsonl' ? 'no lines; wanted one for each item' : 'no objects';
  }

  #number({ href, path: named, size, version, parameters }: FoundItem): Item | undefined {
    const index = this.#count;
    if (href === null && this.#kind !== 'module') throw new JobError('ITEM_WITHOUT_OBJECT', `$.items: item ${String(index)} is a set of parameters; ${this.#kind} wants images: href, or bucket and key`);
    const written = href === null ? undefined : this.#written(href);
    if (href !== null && written !== undefined) {
      throw new JobError('ITEM_WRITTEN', `$.items: ${displayHref(href)} lies where the run writes (${written.path}: ${displayHref(written.href)}); a run doesn't read what it makes, wanted another place`);
    }
    let path = named ?? pathOfIndex(index);
    const before = this.#seen?.add(path, JSON.stringify([href, parameters]), index);
    if (before !== undefined) {
      if (href !== null && before.same) {
        this.repeated++;
        return undefined;
      }
      // Images would overwrite each other; what functions write goes into folders, which can have any names but that which another item has been given.
      if (this.#kind === 'images' || before.given) throw twoOfOnePath(this.#job, path, href, before.index, index, before.given);
      path = `${path}.${pathOfIndex(index)}`;
      const taken = this.#seen?.give(path, index);
      if (taken !== undefined) throw twoOfOnePath(this.#job, path, href, taken.index, index, true);
    }
    return { index, href, path, size, version, parameters };
  }
}

/** A bucket has no folders that could be missing. */
async function whyNoFolder(reader: ObjectReader, prefix: string): Promise<string | undefined> {
  if (!prefix.startsWith('file:')) return undefined;
  const codeOf = async (href: string): Promise<string | undefined> => await reader.stat(href).then(() => undefined, (error: unknown) => describeError(error).code);
  const file = prefix.replace(/\/$/, '');
  if ((await codeOf(prefix)) !== 'STORE_NOT_FOUND') return undefined;
  if ((await codeOf(file)) === undefined) return `${displayHref(file)} is a file; wanted a folder, or a list of files ("hrefs")`;
  return `there is no folder ${displayHref(prefix)}`;
}

function twoOfOnePath({ items }: ItemJobSpec, path: string, href: string | null, first: number, second: number, given: boolean): DataError {
  const base = items.base === undefined ? '"base" in items, the prefix below which their paths count' : 'a base further up';
  const why = given ? ', as an item whose path is taken gets its index behind it' : '';
  // Of an object that is listed again no base makes two paths.
  const advice = items.manifest === undefined ? base : given ? '"path" in the row of each' : `${base}, or "path" in the row of each`;
  return new DataError('ITEM_PATH_TWICE', `$.items: items ${String(first)} and ${String(second)} (${displayHref(href ?? '')}) would both be written as ${JSON.stringify(path)}${why}; wanted ${advice}`);
}
