/** A table as CSV (RFC 4180, UTF-8, lines that end in a newline): nothing for null, "" for an empty text, JSON for arrays, nan, inf and -inf for such numbers. */
import type { Columns } from './columns.ts';
import type { ObjectSink } from './object-sink.ts';
import type { Table } from './tables.ts';

/** @param check called after each list of rows; what it throws ends the writing */
export async function writeCsv(table: Table, columns: Columns, sink: ObjectSink, check: () => void): Promise<number> {
  const header = [...table.keys.map(({ name }) => name), ...columns.all.map(({ name }) => name)];
  await sink.writeText(`${header.map((name) => csvCell(name)).join(',')}\n`);
  const json = columns.all.map(({ type }) => type === 'json');
  let rows = 0;
  for await (const chunk of table.rows()) {
    for (const { keys, value } of chunk) {
      const cells = columns.rowOf(value).map((cell, i) => csvCell(json[i] === true && cell !== null ? JSON.stringify(cell) : cell));
      // An empty line is no row to most readers.
      await sink.writeText(`${[...keys.map((key) => csvCell(key)), ...cells].join(',') || '""'}\n`);
    }
    rows += chunk.length;
    check();
  }
  return rows;
}

function csvCell(value: unknown): string {
  if (value === null || value === undefined) return '';
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return text === '' || /[",\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
