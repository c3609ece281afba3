/** What became of an item, as it lies in the segments of its batch: each item has one, be it a value or an error. */
import * as z from 'zod';
import { describeError, TilefanError } from '../../base/errors.ts';
import type { Item } from './item.ts';

/** A file that an item's operation has made. */
export const madeFile = z.object({
  href: z.string(),
  /** Its place under the outputs' prefix. */
  path: z.string(),
  size: z.number(),
  /** SHA-256, hexadecimal. */
  sha256: z.string(),
});
export type MadeFile = z.infer<typeof madeFile>;

const place = {
  index: z.int().nonnegative(),
  /** null for a set of parameters. */
  item: z.string().nullable(),
  path: z.string(),
  parameters: z.record(z.string(), z.unknown()).nullable(),
};

export const itemOutcome = z.discriminatedUnion('ok', [
  z.object({ ...place, ok: z.literal(true), value: z.unknown(), outputs: z.array(madeFile) }),
  z.object({ ...place, ok: z.literal(false), error: z.object({ code: z.string(), message: z.string(), where: z.record(z.string(), z.unknown()) }) }),
]);
export type ItemOutcome = z.infer<typeof itemOutcome>;
export type FailedItem = Extract<ItemOutcome, { ok: false }>;

/** What an operation made of an item. */
export interface ItemResult {
  /** undefined when it returned nothing. */
  readonly value: unknown;
  readonly outputs: readonly MadeFile[];
}

export function succeeded({ index, href, path, parameters }: Item, { value, outputs }: ItemResult): ItemOutcome {
  return { index, item: href, path, parameters, ok: true, value: value ?? null, outputs: [...outputs] };
}

/** Longest text of one field of an error that is kept: a table of a million failures has to stay readable. */
const longestText = 16_384;

export function failed({ index, href, path, parameters }: Item, error: unknown): ItemOutcome {
  const { code, message, where } = describeError(error);
  const cut = (value: unknown): unknown => (typeof value === 'string' && value.length > longestText ? `…${value.slice(-longestText)}` : value);
  return { index, item: href, path, parameters, ok: false, error: { code, message: String(cut(message)), where: Object.fromEntries(Object.entries(where).map(([key, value]) => [key, cut(value)])) } };
}

/** What can be wrong with one object and no other. */
const ofOneObject: ReadonlySet<string> = new Set(['STORE_NOT_FOUND', 'STORE_IS_DIRECTORY', 'STORE_UNREADABLE', 'STORE_DENIED']);

/** What can be wrong with the name of one output: something else has it, a file lies where it wants a folder, or no file can be called so. */
const ofOneName: ReadonlySet<string> = new Set(['STORE_IS_DIRECTORY', 'STORE_NOT_A_FILE', 'STORE_NOT_A_FOLDER', 'STORE_BAD_NAME']);

/**
 * Whether an error is the item's own: its file is missing or broken, the operation fails on it, or what it makes can't have the name that it would have. Everything else (a store that can't be reached, a full disk, a module
 * that doesn't load) would meet the next item as well, and ends the batch.
 */
export function isItemsOwn(error: unknown): boolean {
  if (!(error instanceof TilefanError)) return false;
  const { name, code } = error;
  return name === 'DataError' || name === 'OperationError' || name === 'OutOfMemoryError' || (name === 'InputUnavailableError' && ofOneObject.has(code)) || (name === 'OutputError' && ofOneName.has(code));
}
