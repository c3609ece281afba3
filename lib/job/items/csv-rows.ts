/** Rows of CSV (RFC 4180, UTF-8), one by one, with the line that each begins in. */
import { Readable } from 'node:stream';
import { CsvError, parse, type CastingContext, type Info } from 'csv-parse';
import { DataError, TilefanError } from '../../base/errors.ts';
import { displayHref } from '../../store/href.ts';
import { notUtf8 } from './json-rows.ts';

/** Bytes of one row, at most: a file that isn't CSV may have one quote and nothing after it. */
const longestRow = 1024 * 1024;

/** A cell, and whether it stood in quotes. */
export interface CsvCell {
  readonly text: string;
  readonly quoted: boolean;
}

export interface CsvRow {
  /** 1-based. */
  readonly line: number;
  readonly cells: readonly CsvCell[];
}

/**
 * All rows, the header too if there is one. Empty lines are none.
 * @throws DataError MANIFEST_BROKEN for what is no CSV, rows of different length, and what isn't UTF-8
 */
export async function* csvRows(pieces: AsyncIterable<Uint8Array>, href: string): AsyncGenerator<CsvRow, void, undefined> {
  const parser = parse({
    bom: true,
    info: true,
    skip_empty_lines: true,
    max_record_size: longestRow,
    cast: (text: string, { quoting }: CastingContext): CsvCell => ({ text, quoted: quoting }),
  });
  const source = Readable.from(pieces, { objectMode: false });
  source.on('error', (error) => parser.destroy(error));
  try {
    // The types of csv-parse don't know that cells may be anything, and that `info` puts the record into an object.
    for await (const { record, info } of source.pipe(parser) as unknown as AsyncIterable<{ record: readonly CsvCell[]; info: Info }>) {
      // The parser puts a replacement character where bytes are no UTF-8.
      if (record.some(({ text }) => text.includes('\uFFFD'))) throw notUtf8(href, `in line ${String(info.lines)}`);
      yield { line: info.lines, cells: record };
    }
  } catch (cause) {
    if (cause instanceof TilefanError) throw cause;
    if (!(cause instanceof CsvError)) throw cause;
    throw new DataError('MANIFEST_BROKEN', `${displayHref(href)} is not CSV as it should be: ${cause.message}`, { cause, where: { href } });
  } finally {
    source.destroy();
    parser.destroy();
  }
}
