/** Results as JSON: an array with one object a line, or the same lines alone (JSON Lines). Numbers that JSON can't write are "nan", "inf" and "-inf". */
import { tileWindow, type Tiling } from '../tiling.ts';
import type { TileResult } from './batch-results.ts';
import type { ObjectSink } from './object-sink.ts';
import { isArray } from './result-values.ts';
import type { Table } from './tables.ts';

/**
 * One object a tile: column and row among the tiles, its window on the grid in px, and its value.
 * @param check called after each list of rows; what it throws ends the writing
 */
export async function writeTileJson(
  format: 'json' | 'jsonl',
  results: AsyncIterable<readonly TileResult[]>,
  tiling: Tiling,
  sink: ObjectSink,
  check: () => void,
): Promise<number> {
  let rows = 0;
  if (format === 'json') await sink.writeText('[');
  for await (const chunk of results) {
    for (const { column, row, value } of chunk) {
      const text = JSON.stringify({ column, row, window: tileWindow(tiling, column, row), value });
      await sink.writeText(format === 'jsonl' ? `${text}\n` : `${rows === 0 ? '\n' : ',\n'}${text}`);
      rows++;
    }
    check();
  }
  if (format === 'json') await sink.writeText('\n]\n');
  return rows;
}

/** One object a row of a table: its keys, and its value. */
export async function writeRowsJson(format: 'json' | 'jsonl', table: Table, sink: ObjectSink): Promise<number> {
  let rows = 0;
  if (format === 'json') await sink.writeText('[');
  for await (const chunk of table.rows()) {
    for (const { keys, value } of chunk) {
      const text = JSON.stringify({ ...Object.fromEntries(table.keys.map(({ name }, i) => [name, keys[i]])), value });
      await sink.writeText(format === 'jsonl' ? `${text}\n` : `${rows === 0 ? '\n' : ',\n'}${text}`);
      rows++;
    }
  }
  if (format === 'json') await sink.writeText('\n]\n');
  return rows;
}

/** What all tiles came to: one document, or, as lines, one line for each item of an array and one for anything else. */
export async function writeValueJson(format: 'json' | 'jsonl', value: unknown, sink: ObjectSink): Promise<number> {
  if (format === 'json' || !isArray(value)) {
    await sink.writeText(`${JSON.stringify(value)}\n`);
    return 1;
  }
  for (const item of value) await sink.writeText(`${JSON.stringify(item)}\n`);
  return value.length;
}
