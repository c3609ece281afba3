/** Results as tables: which columns stand first, and the rows. They are read twice, so a table can be gone through again and again. */
import { isEdged, sorted } from './histogram-fold.ts';
import { isArray, isObject } from './result-values.ts';
import type { TileResult } from './batch-results.ts';

export interface TableRow {
  /** What the first columns have. */
  readonly keys: readonly (number | string)[];
  /** What the other columns are made of. */
  readonly value: unknown;
}

export interface Table {
  readonly keys: readonly { readonly name: string; readonly type: 'integer' | 'text' }[];
  /** All rows, in lists of bounded length. */
  rows(): AsyncIterable<readonly TableRow[]>;
}

/** One row a tile. */
export function tileTable(results: () => AsyncIterable<readonly TileResult[]>): Table {
  return {
    keys: [
      { name: 'column', type: 'integer' },
      { name: 'row', type: 'integer' },
    ],
    async *rows() {
      for await (const chunk of results()) yield chunk.map(({ column, row, value }) => ({ keys: [column, row], value }));
    },
  };
}

/**
 * What all tiles came to. A histogram with edges has one row a bin; one by value has one row a value, and what `dict` gives one row a name; an array has one
 * row an item; anything else is one row.
 */
export function valueTable(value: unknown, merge: string): Table {
  if (merge === 'histogram' && isEdged(value)) {
    const { edges, counts } = value;
    return tableOf([], counts.map((count, i) => ({ keys: [], value: { from: edges[i], to: edges[i + 1], count } })));
  }
  if ((merge === 'histogram' || merge === 'dict') && isObject(value)) {
    const names = merge === 'histogram' ? sorted(Object.keys(value)) : Object.keys(value);
    const rowOf = (name: string): unknown => (merge === 'histogram' && !isObject(value[name]) ? { count: value[name] } : value[name]);
    return tableOf([{ name: 'key', type: 'text' }], names.map((name) => ({ keys: [name], value: rowOf(name) })));
  }
  return tableOf([], (isArray(value) ? value : [value]).map((item) => ({ keys: [], value: item })));
}

function tableOf(keys: Table['keys'], all: readonly TableRow[]): Table {
  return {
    keys,
    async *rows() {
      await Promise.resolve();
      yield all;
    },
  };
}
