/** What results are made of, and how messages speak of it. */
import { OperationError } from '../../base/errors.ts';
import { fromJsonNumber, jsonNumberWords, toJsonNumber, type JsonNumber } from '../../base/json-number.ts';

/** A tile by its place in the grid of tiles. */
export interface TilePlace {
  readonly column: number;
  readonly row: number;
}

/** What makes one value of many. */
export interface ResultFold {
  /** @throws OperationError RESULT_KIND, RESULT_SHAPE, RESULTS_TOO_LARGE that name the tile, and the path in its value */
  add(tile: TilePlace, value: unknown): void;
  /** What all of them come to, as JSON has it; null when nothing was added. */
  finish(): unknown;
}

/** The way from the whole value to a part of it: names, and places in lists. */
export type ValuePath = readonly (string | number)[];

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function isArray(value: unknown): value is readonly unknown[] {
  return Array.isArray(value);
}

const words: ReadonlySet<unknown> = new Set(jsonNumberWords);

/** Whether it is a number that JSON can't write, in the word that stands for it. */
export function isNumberWord(value: unknown): value is Exclude<JsonNumber, number> {
  return words.has(value);
}

/** The number that a value is; true counts as 1 and false as 0, as in numpy. Undefined for anything else. */
export function numberOf(value: unknown): number | undefined {
  if (typeof value === 'number') return value;
  if (typeof value === 'boolean') return value ? 1 : 0;
  return isNumberWord(value) ? fromJsonNumber(value) : undefined;
}

/** A number as JSON has it. Zero has no sign there. */
export function jsonOf(value: number): JsonNumber {
  return value === 0 ? 0 : toJsonNumber(value);
}

/** An object without a prototype, so that every name is an ordinary one. */
export function emptyObject(): Record<string, unknown> {
  return Object.create(null) as Record<string, unknown>;
}

/** What a value is, in words. */
export function kindOf(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (value === null) return 'null';
  if (isArray(value)) return `an array of ${String(value.length)}`;
  if (isObject(value)) return 'an object';
  if (numberOf(value) !== undefined) return typeof value === 'boolean' ? String(value) : `the number ${String(value)}`;
  const text = String(value);
  return `the text ${JSON.stringify(text.length > 40 ? `${text.slice(0, 39)}…` : text)}`;
}

const plainName = /^[A-Za-z_$][\w$]*$/;

/** Where in a value: `bands[2].mean`; `the value` for the whole. */
export function pathText(path: ValuePath): string {
  if (path.length === 0) return 'the value';
  return path.map((part, i) => (typeof part === 'string' && plainName.test(part) ? `${i === 0 ? '' : '.'}${part}` : `[${JSON.stringify(part)}]`)).join('');
}

export function tileText({ column, row }: TilePlace): string {
  return `tile ${String(column)},${String(row)}`;
}

/** A part of a tile's result that isn't what the merge can take. */
export function wrongKind(merge: string, tile: TilePlace, path: ValuePath, wanted: string, value: unknown): OperationError {
  return new OperationError('RESULT_KIND', `the result of ${tileText(tile)} can't be merged by ${merge}: ${pathText(path)} is ${kindOf(value)}; wanted ${wanted}`, {
    where: { tile: [tile.column, tile.row], path },
  });
}

/** Two results that don't have the same shape; `found` and `wanted` say what is there. */
export function differentShape(merge: string, tile: TilePlace, first: TilePlace, path: ValuePath, found: string, wanted: string): OperationError {
  return new OperationError(
    'RESULT_SHAPE',
    `results can't be merged by ${merge}: ${pathText(path)} is ${found} in ${tileText(tile)} and ${wanted} in ${tileText(first)}`,
    { where: { tile: [tile.column, tile.row], other: [first.column, first.row], path } },
  );
}
