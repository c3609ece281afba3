/** What a row of a manifest says: which object, and which parameters. */
import * as z from 'zod';
import { DataError, messageOf } from '../../base/errors.ts';
import { displayHref, parentHref, parseHref, resolveHref } from '../../store/href.ts';
import type { FoundItem } from './found-item.ts';
import { listedPath } from './item-path.ts';
import { itemLine, type Json } from './item.ts';

/** A manifest, and where its objects are. */
export interface ManifestPlace {
  readonly href: string;
  /** Ends in `/`. */
  readonly base: string | undefined;
}

/** Names that a row's fields have for the object; everything else is a parameter. */
export const objectFields = ['href', 'bucket', 'key', 'path', 'size'] as const;
type ObjectField = (typeof objectFields)[number];

export interface ManifestRow {
  /** What is at fault, as a message has it: `line 12`. */
  readonly where: string;
  /** What its parts are called. */
  readonly part: 'column' | 'field';
  readonly object: Readonly<Partial<Record<ObjectField, unknown>>>;
  readonly parameters: Readonly<Record<string, Json>>;
}

/** A row that isn't what it should be. */
export function badRow({ href }: Pick<ManifestPlace, 'href'>, where: string, problem: string, cause?: unknown): DataError {
  return new DataError('MANIFEST_ROW', `${displayHref(href)}: ${where}: ${problem}`, { cause, where: { href, row: where } });
}

/**
 * @throws DataError MANIFEST_ROW that names file and row, what was wanted and what was found
 */
export function itemOfRow(place: ManifestPlace, { where, part, object, parameters }: ManifestRow): FoundItem {
  const given = Object.keys(parameters).length > 0 ? { ...parameters } : null;
  const href = hrefOf(place, where, object);
  if (href === undefined) {
    // A list of objects in which one is missing: the function would be called without one.
    const empty = (['href', 'bucket', 'key'] as const).filter((name) => object[name] !== undefined);
    if (empty.length > 0) throw badRow(place, where, `wanted an object, found nothing in the ${part}${empty.length === 1 ? '' : 's'} ${empty.join(' and ')}`);
    if (object.path !== undefined) return { href: null, path: checkedPath(place, where, object.path), size: null, version: null, parameters: given ?? {} };
    if (given === null) throw badRow(place, where, 'wanted href, or bucket and key, or parameters; found none of them');
    return { href: null, path: undefined, size: null, version: null, parameters: given };
  }
  const path = object.path === undefined ? listedPath(href, place.base) : checkedPath(place, where, object.path);
  if (path === undefined) throw badRow(place, where, `${displayHref(href)} doesn't lie below ${displayHref(place.base ?? '')}, the base of the items`);
  // Whatever version the list knew of, the object is to be read as it is now: of a list of failures it is another one.
  return { href, path, size: sizeOf(place, where, object.size), version: null, parameters: given };
}

function hrefOf(place: ManifestPlace, where: string, { href, bucket, key }: ManifestRow['object']): string | undefined {
  const text = (name: string, value: unknown): string | undefined => {
    if (value === undefined || value === null || value === '') return undefined;
    if (typeof value !== 'string') throw badRow(place, where, `${name}: wanted a text, found ${JSON.stringify(value)}`);
    return value;
  };
  const written = text('href', href);
  const keyText = text('key', key);
  const bucketText = text('bucket', bucket);
  const own = parseHref(place.href);
  if (written === undefined && keyText === undefined) {
    if (bucketText !== undefined) throw badRow(place, where, 'wanted a key with the bucket, found none');
    return undefined;
  }
  if (written === undefined && bucketText === undefined && own.scheme !== 's3') throw badRow(place, where, `wanted a bucket with the key ${JSON.stringify(keyText)}, found none`);
  let found: string;
  try {
    found = written === undefined ? resolveHref(`s3://${bucketText ?? (own.scheme === 's3' ? own.bucket : '')}/${keyText ?? ''}`) : resolveHref(written, parentHref(place.href));
  } catch (cause) {
    throw badRow(place, where, messageOf(cause), cause);
  }
  if (found.endsWith('/')) throw badRow(place, where, `wanted an object, found the folder ${displayHref(found)}`);
  // What somebody has put into a bucket must not name files of the machine that reads it.
  if (own.scheme === 's3' && parseHref(found).scheme === 'file') throw badRow(place, where, `wanted an object in S3, as the list lies there; found the file ${displayHref(found)}`);
  return found;
}

function checkedPath(place: ManifestPlace, where: string, path: unknown): string {
  if (typeof path === 'string' && path !== '' && !path.startsWith('/') && !path.split('/').includes('..')) return path;
  throw badRow(place, where, `path: wanted a path below the outputs' prefix, without / at its beginning and without "..", found ${JSON.stringify(path)}`);
}

function sizeOf(place: ManifestPlace, where: string, size: unknown): number | null {
  if (size === undefined || size === null || size === '') return null;
  const bytes = typeof size === 'string' && /^\d+$/.test(size) ? Number(size) : size;
  if (typeof bytes === 'number' && Number.isSafeInteger(bytes) && bytes >= 0) return bytes;
  throw badRow(place, where, `size: wanted a number of bytes, found ${JSON.stringify(size)}`);
}

/** An item as a run writes it down itself: into `items.jsonl`, or with its error into the list of failures, where the object is called `item`. */
const ownLine = itemLine.pick({ path: true, parameters: true }).extend({
  index: z.int().nonnegative(),
  href: z.string().nullish(),
  item: z.string().nullish(),
  size: z.number().nullish(),
});

/** The fields of a line of JSON Lines. @throws DataError MANIFEST_ROW */
export function rowOfJson(place: ManifestPlace, where: string, value: unknown): ManifestRow {
  if (typeof value === 'string') return { where, part: 'field', object: { href: value }, parameters: {} };
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    const shown = JSON.stringify(value);
    throw badRow(place, where, `wanted an object with href, or bucket and key, or parameters; found ${shown.length > 80 ? `${shown.slice(0, 79)}…` : shown}`);
  }
  const own = Object.hasOwn(value, 'parameters') ? ownLine.safeParse(value) : undefined;
  if (own?.success === true) {
    const { href, item, path, size, parameters } = own.data;
    return { where, part: 'field', object: { href: href ?? item ?? undefined, path, size }, parameters: parameters ?? {} };
  }
  // What came out of JSON.parse is JSON.
  const fields = Object.entries(value as Record<string, Json>);
  const ofObject = fieldsOfObject(fields.map(([name]) => name));
  return {
    where,
    part: 'field',
    object: Object.fromEntries(fields.filter(([name]) => ofObject.includes(name))),
    parameters: Object.fromEntries(fields.filter(([name]) => !ofObject.includes(name))),
  };
}

/** Which of these names are the object's. Where none says what the object is, `path` and `size` are parameters like others. */
export function fieldsOfObject(names: readonly string[]): readonly string[] {
  const named = names.some((name) => name === 'href' || name === 'bucket' || name === 'key');
  return named ? objectFields : [];
}
