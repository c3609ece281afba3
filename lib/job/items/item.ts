/**
 * An item: what an object job has instead of a tile. Items lie one a line in `items.jsonl` under the run prefix, in the order of their indexes; a batch is a range of
 * that file, so a worker reads its own items and no others.
 */
import * as z from 'zod';
import { DataError, messageOf } from '../../base/errors.ts';
import { displayHref } from '../../store/href.ts';
import type { ObjectReader } from '../../store/store.ts';

const index = z.int().nonnegative();

/** A line of `items.jsonl`. */
export const itemLine = z.object({
  /** Place among all items of the run, from 0. */
  index,
  /** The object; null for a set of parameters. */
  href: z.string().nullable(),
  /** What the item is called where its outputs lie: its path below the items' prefix or base, its file name, or, for parameters, its index in 8 digits. */
  path: z.string(),
  /** Bytes of the object, where that is known. */
  size: z.number().nullable(),
  /** What the object was when the run was planned; null where that isn't known, and whatever is there will do. */
  version: z.string().nullable(),
  parameters: z.record(z.string(), z.json()).nullable(),
});
export type Item = Readonly<z.infer<typeof itemLine>>;
export type ItemParameters = NonNullable<Item['parameters']>;
export type Json = z.core.util.JSONType;

/** Which items a batch has, and the bytes of `items.jsonl` in which they are. */
export const itemRange = z.strictObject({ first: index, count: z.int().positive(), offset: index, length: z.int().positive() });
export type ItemRange = z.infer<typeof itemRange>;

/** A line of the manifest of an object job. */
export const itemBatchLine = z.strictObject({ batch: index, items: itemRange });
export type ItemBatchLine = z.infer<typeof itemBatchLine>;

/** The name of the file under the run prefix. */
export const itemsFile = 'items.jsonl';

/** Digits of an index that stands for a path: as many as the most items need. */
const indexDigits = 8;

/** The path of an item that has no object. */
export function pathOfIndex(index: number): string {
  return String(index).padStart(indexDigits, '0');
}

export function encodeItem({ index, href, path, size, version, parameters }: Item): string {
  return `${JSON.stringify({ index, href, path, size, version, parameters })}\n`;
}

/** Bytes read at a time. */
const readBytes = 2 * 1024 * 1024;

/**
 * The items of a batch, in order. Memory holds a few megabytes of them.
 * @param version of `items.jsonl`, as the plan has it
 * @throws DataError ITEMS_BROKEN for a file that isn't the one that was written; STORE_CHANGED, STORE_TRUNCATED
 */
export async function* readItems(reader: Pick<ObjectReader, 'readInto'>, href: string, range: ItemRange, version?: string): AsyncGenerator<Item, void, undefined> {
  const { first, count, offset, length } = range;
  const broken = (what: string, cause?: unknown): DataError =>
    new DataError('ITEMS_BROKEN', `${displayHref(href)} doesn't have the items ${String(first)} to ${String(first + count - 1)} of this batch: ${what}`, { cause, where: { href, ...range } });
  const decoder = new TextDecoder('utf-8');
  let wanted = first;
  let rest = '';
  for (let at = 0; at < length; at += readBytes) {
    const bytes = new Uint8Array(Math.min(readBytes, length - at));
    await reader.readInto(href, offset + at, bytes, version);
    const lines = (rest + decoder.decode(bytes, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      let item: Item;
      try {
        item = itemLine.parse(JSON.parse(line));
      } catch (cause) {
        throw broken(`line ${String(wanted - first + 1)} of the range is no item: ${messageOf(cause)}`, cause);
      }
      if (item.index !== wanted) throw broken(`wanted item ${String(wanted)}, found ${String(item.index)}`);
      wanted++;
      yield item;
    }
  }
  if (rest !== '' || wanted !== first + count) throw broken(`wanted ${String(count)} items, found ${String(wanted - first)}${rest === '' ? '' : ' and part of a line'}`);
}
