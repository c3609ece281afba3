/**
 * The columns of a table of results. Fields of objects become columns of their own, named by the way to them with dots between; arrays stay whole. Which columns
 * there are, and of what type, is known only when all results have been seen once: a first pass notes them, a second one fills rows.
 */
import { JobError, OperationError } from '../../base/errors.ts';
import { isArray, isNumberWord, isObject } from './result-values.ts';

/** A column holds one of these, or null. `json`: the JSON text of arrays, and of values that have no type in common. */
export type ColumnType = 'integer' | 'number' | 'boolean' | 'text' | 'numbers' | 'json';

export interface Column {
  readonly name: string;
  readonly type: ColumnType;
  /** Whether some row has nothing in it. */
  readonly nullable: boolean;
}

/** Columns, at most. A table with a column for each tile is a mistake, and wouldn't fit into memory. */
const mostColumns = 10_000;

interface Seen {
  readonly index: number;
  readonly path: readonly string[];
  rows: number;
  integers: boolean;
  numbers: boolean;
  booleans: boolean;
  texts: boolean;
  /** Arrays of numbers and null, and other arrays. */
  numberArrays: boolean;
  arrays: boolean;
}

interface Place {
  seen: Seen | undefined;
  readonly fields: Map<string, Place>;
}

export class ColumnFinder {
  readonly #root: Place = newPlace();
  readonly #seen: Seen[] = [];
  #rows = 0;

  /** Notes what a value has. @throws OperationError RESULT_COLUMNS for too many */
  note(value: unknown): void {
    this.#rows++;
    this.#note(this.#root, [], value);
  }

  get rows(): number {
    return this.#rows;
  }

  #note(place: Place, path: readonly string[], value: unknown): void {
    if (value === null || value === undefined) {
      // The column is there, so that a table whose values are all null has it.
      place.seen ??= place.fields.size > 0 ? undefined : this.#add(path);
      return;
    }
    if (isObject(value)) {
      for (const key of Object.keys(value)) {
        let field = place.fields.get(key);
        if (field === undefined) place.fields.set(key, (field = newPlace()));
        this.#note(field, field.seen?.path ?? [...path, key], value[key]);
      }
      return;
    }
    const seen = (place.seen ??= this.#add(path));
    seen.rows++;
    if (typeof value === 'number') {
      if (Number.isSafeInteger(value)) seen.integers = true;
      else seen.numbers = true;
    } else if (isNumberWord(value)) seen.numbers = true;
    else if (typeof value === 'boolean') seen.booleans = true;
    else if (isArray(value)) {
      if (value.every((item) => item === null || typeof item === 'number' || isNumberWord(item))) seen.numberArrays = true;
      else seen.arrays = true;
    } else seen.texts = true;
  }

  #add(path: readonly string[]): Seen {
    if (this.#seen.length === mostColumns) {
      throw new OperationError('RESULT_COLUMNS', `the results have more than ${String(mostColumns)} different fields, too many for the columns of a table; write them as json or jsonl`);
    }
    const seen = { index: this.#seen.length, path, rows: 0, integers: false, numbers: false, booleans: false, texts: false, numberArrays: false, arrays: false };
    this.#seen.push(seen);
    return seen;
  }

  /**
   * @param keys columns that stand before; a field called like one of them gets `value.` before its name
   * @throws JobError RESULT_COLUMNS for two fields that would have one name
   */
  finish(keys: readonly string[]): Columns {
    const places: number[] = [];
    const columns: Column[] = [];
    const names = new Set(keys);
    for (const seen of this.#seen) {
      // Where some tiles have null and others an object, the object's fields say it all.
      if (seen.rows === 0 && this.#hasFields(seen.path)) {
        places.push(-1);
        continue;
      }
      const plain = seen.path.length === 0 ? 'value' : seen.path.join('.');
      const name = keys.includes(plain) ? `value.${plain}` : plain;
      if (names.has(name)) {
        throw new JobError('RESULT_COLUMNS', `two fields of the results would both be the column ${JSON.stringify(name)} of the table: rename one of them, or write the results as json or jsonl`);
      }
      names.add(name);
      places.push(columns.length);
      columns.push({ name, type: typeOf(seen), nullable: seen.rows < this.#rows });
    }
    // A table without any column is none that others read.
    if (columns.length === 0 && keys.length === 0) columns.push({ name: 'value', type: 'text', nullable: true });
    return new Columns(columns, places, this.#root);
  }

  #hasFields(path: readonly string[]): boolean {
    let place: Place | undefined = this.#root;
    for (const key of path) place = place?.fields.get(key);
    return (place?.fields.size ?? 0) > 0;
  }
}

function newPlace(): Place {
  return { seen: undefined, fields: new Map() };
}

/** A word for a number makes numbers of integers; beside texts it is a text like others. */
function typeOf({ integers, numbers, booleans, texts, numberArrays, arrays }: Seen): ColumnType {
  const numeric = integers || numbers;
  const kinds = [numeric, booleans, texts, numberArrays, arrays].filter(Boolean).length;
  if (kinds === 0) return 'text';
  if (kinds > 1) return texts && numbers && !integers && !booleans && !numberArrays && !arrays ? 'text' : 'json';
  if (numeric) return numbers ? 'number' : 'integer';
  if (booleans) return 'boolean';
  if (numberArrays) return 'numbers';
  return texts ? 'text' : 'json';
}

/** The columns of all results, and where each part of a value goes. */
export class Columns {
  readonly all: readonly Column[];
  readonly #places: readonly number[];
  readonly #root: Place;

  constructor(all: readonly Column[], places: readonly number[], root: Place) {
    this.all = all;
    this.#places = places;
    this.#root = root;
  }

  /** What a row has in each column; null where nothing is. */
  rowOf(value: unknown): unknown[] {
    const cells = new Array<unknown>(this.all.length).fill(null);
    this.#fill(this.#root, value, cells);
    return cells;
  }

  #fill(place: Place | undefined, value: unknown, cells: unknown[]): void {
    if (place === undefined || value === null || value === undefined) return;
    if (isObject(value)) {
      for (const key of Object.keys(value)) this.#fill(place.fields.get(key), value[key], cells);
      return;
    }
    const index = place.seen === undefined ? -1 : (this.#places[place.seen.index] ?? -1);
    if (index >= 0) cells[index] = value;
  }
}
