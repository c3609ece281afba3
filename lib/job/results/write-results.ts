/** Writes the results of all tiles, or what they came to, in the job's format. Memory is bounded whatever the number of tiles. */
import type { ObjectStat, Store } from '../../store/store.ts';
import type { ResultFormat } from '../result-format.ts';
import type { Tiling } from '../tiling.ts';
import { ColumnFinder } from './columns.ts';
import { writeCsv } from './csv-table.ts';
import { createFold, type FoldName } from './fold.ts';
import { writeRowsJson, writeTileJson, writeValueJson } from './json-results.ts';
import { ObjectSink } from './object-sink.ts';
import { readResults } from './read-results.ts';
import { tileTable, valueTable, type Table } from './tables.ts';

export interface ResultsToWrite {
  readonly store: Store;
  readonly href: string;
  readonly format: ResultFormat;
  readonly tiling: Tiling;
  /** In the order of their names. */
  readonly segments: readonly ObjectStat[];
  /** `value` is what the user's own function has made of them. */
  readonly merge: 'list' | FoldName | { readonly value: unknown };
  /** Told the token of an assembly, so that it can be given up if this process dies. */
  readonly onAssembly: (token: string) => Promise<void>;
  /** Called now and then; what it throws ends the writing, and nothing is left of it. */
  readonly check: () => void;
}

const contentTypes: Readonly<Record<ResultFormat, string>> = {
  json: 'application/json',
  jsonl: 'application/jsonl',
  csv: 'text/csv; charset=utf-8',
  parquet: 'application/vnd.apache.parquet',
};

/**
 * @returns the object, and its rows
 * @throws DataError SEGMENT_BROKEN, RESULT_BROKEN; OperationError RESULT_KIND, RESULT_SHAPE, RESULT_COLUMNS, RESULTS_TOO_LARGE; OutputError as the store does
 */
export async function writeResults(results: ResultsToWrite): Promise<{ readonly stat: ObjectStat; readonly rows: number }> {
  const { store, href, format, onAssembly } = results;
  const write = await prepare(results);
  return await writeThrough(new ObjectSink(store, href, { contentType: contentTypes[format], onAssembly }), write);
}

async function writeThrough(sink: ObjectSink, write: (sink: ObjectSink) => Promise<number>): Promise<{ readonly stat: ObjectStat; readonly rows: number }> {
  try {
    const rows = await write(sink);
    return { stat: await sink.finish(), rows };
  } catch (error) {
    // The first error is the one to report.
    await sink.abort().catch(() => undefined);
    throw error;
  }
}

/**
 * Writes one table whole; it may be written again at any time. JSON has an object for each row, with the keys and `value`.
 * @throws OperationError RESULT_COLUMNS; OutputError as the store does
 */
export async function writeTable({ store, href, format, table }: { readonly store: Store; readonly href: string; readonly format: ResultFormat; readonly table: Table }): Promise<{ readonly stat: ObjectStat; readonly rows: number }> {
  const check = (): void => undefined;
  const write = format === 'json' || format === 'jsonl' ? (sink: ObjectSink) => writeRowsJson(format, table, sink) : await prepareTable(table, format, check);
  return await writeThrough(new ObjectSink(store, href, { contentType: contentTypes[format], createFolders: true, onAssembly: () => Promise.resolve() }), write);
}

/** What can be known before the first byte is written: the merged value, and the columns. */
async function prepare({ store, format, tiling, segments, merge, check }: ResultsToWrite): Promise<(sink: ObjectSink) => Promise<number>> {
  const read = (): ReturnType<typeof readResults> => readResults(store, tiling, segments);
  if (merge === 'list') {
    if (format === 'json' || format === 'jsonl') return async (sink) => await writeTileJson(format, read(), tiling, sink, check);
    return await prepareTable(tileTable(read), format, check);
  }
  let value: unknown;
  if (typeof merge === 'object') value = merge.value;
  else {
    const fold = createFold(merge);
    for await (const chunk of read()) {
      for (const result of chunk) fold.add(result, result.value);
      check();
    }
    value = fold.finish();
  }
  if (format === 'json' || format === 'jsonl') return async (sink) => await writeValueJson(format, value, sink);
  return await prepareTable(valueTable(value, typeof merge === 'object' ? 'function' : merge), format, check);
}

async function prepareTable(table: Table, format: 'csv' | 'parquet', check: () => void): Promise<(sink: ObjectSink) => Promise<number>> {
  const finder = new ColumnFinder();
  for await (const chunk of table.rows()) {
    for (const { value } of chunk) finder.note(value);
    check();
  }
  const columns = finder.finish(table.keys.map(({ name }) => name));
  if (format === 'csv') return async (sink) => await writeCsv(table, columns, sink, check);
  // Loaded where it is wanted only: most runs have no use for it.
  const { writeParquet } = await import('./parquet-table.ts');
  return async (sink) => await writeParquet(table, columns, sink, check);
}
