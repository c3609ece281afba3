/**
 * A table as Parquet, compressed with snappy: integers are INT64, other numbers DOUBLE (with NaN and the infinities as they are), arrays of numbers LIST of DOUBLE, texts
 * STRING, and JSON text where values have no type in common. A row group is held in memory at a time.
 */
import { ByteWriter, ParquetWriter, type SchemaElement } from 'hyparquet-writer';
import { fromJsonNumber } from '../../base/json-number.ts';
import type { Column, Columns } from './columns.ts';
import type { ObjectSink } from './object-sink.ts';
import { isArray, isNumberWord } from './result-values.ts';
import type { Table } from './tables.ts';

/** Cells of a row group, and characters of its texts and arrays, at most: what keeps memory bounded. */
const groupCells = 250_000;
const groupRows = 50_000;
const groupLength = 4 * 1024 * 1024;

/** What a number of an array counts for among characters. */
const numberLength = 16;

/** @param check called after each list of rows; what it throws ends the writing */
export async function writeParquet(table: Table, columns: Columns, sink: ObjectSink, check: () => void): Promise<number> {
  const keys = table.keys.map(({ name, type }): Column => ({ name, type, nullable: false }));
  const group = new RowGroup([...keys, ...columns.all], sink);
  let rows = 0;
  for await (const chunk of table.rows()) {
    for (const { keys, value } of chunk) {
      if (group.isFull) await group.flush();
      group.add([...keys, ...columns.rowOf(value)]);
    }
    rows += chunk.length;
    check();
  }
  await group.finish();
  return rows;
}

class RowGroup {
  readonly #columns: readonly Column[];
  readonly #sink: ObjectSink;
  readonly #bytes = new ByteWriter();
  readonly #writer: ParquetWriter;
  #cells: unknown[][];
  #rows = 0;
  #length = 0;
  readonly #mostRows: number;

  constructor(columns: readonly Column[], sink: ObjectSink) {
    this.#columns = columns;
    this.#sink = sink;
    this.#cells = columns.map(() => []);
    this.#mostRows = Math.max(1, Math.min(groupRows, Math.floor(groupCells / columns.length)));
    this.#writer = new ParquetWriter({ writer: this.#bytes, schema: schemaOf(columns), createdBy: 'tilefan' });
  }

  get isFull(): boolean {
    return this.#rows >= this.#mostRows || this.#length >= groupLength;
  }

  add(row: readonly unknown[]): void {
    for (const [i, { type }] of this.#columns.entries()) {
      const cell = cellOf(type, row[i]);
      if (typeof cell === 'string') this.#length += cell.length;
      else if (isArray(cell)) this.#length += cell.length * numberLength;
      this.#cells[i]?.push(cell);
    }
    this.#rows++;
  }

  async flush(): Promise<void> {
    if (this.#rows > 0) {
      const columnData = this.#columns.map(({ name }, i) => ({ name, data: this.#cells[i] ?? [] }));
      await this.#writer.write({ columnData, rowGroupSize: this.#rows });
    }
    this.#cells = this.#columns.map(() => []);
    this.#rows = 0;
    this.#length = 0;
    await this.#passOn();
  }

  async finish(): Promise<void> {
    await this.flush();
    await this.#writer.finish();
    await this.#passOn();
  }

  /** Hands the bytes over, and begins with an empty buffer again; offsets in the file are counted apart from it. */
  async #passOn(): Promise<void> {
    const bytes = this.#bytes.getBytes().slice();
    this.#bytes.index = 0;
    await this.#sink.write(bytes);
  }
}

function cellOf(type: Column['type'], value: unknown): unknown {
  if (value === null || value === undefined) return null;
  switch (type) {
    case 'integer':
      return BigInt(value as number);
    case 'number':
      return plainNumber(value);
    case 'numbers':
      return (value as readonly unknown[]).map((item) => (item === null ? null : plainNumber(item)));
    case 'json':
      return JSON.stringify(value);
    default:
      return value;
  }
}

function plainNumber(value: unknown): unknown {
  return isNumberWord(value) ? fromJsonNumber(value) : value;
}

function schemaOf(columns: readonly Column[]): SchemaElement[] {
  return [{ name: 'schema', num_children: columns.length }, ...columns.flatMap(elementsOf)];
}

function elementsOf({ name, type, nullable }: Column): SchemaElement[] {
  const repetition_type = nullable ? 'OPTIONAL' : 'REQUIRED';
  switch (type) {
    case 'integer':
      return [{ name, type: 'INT64', repetition_type }];
    case 'number':
      return [{ name, type: 'DOUBLE', repetition_type }];
    case 'boolean':
      return [{ name, type: 'BOOLEAN', repetition_type }];
    case 'numbers':
      // Three levels, as parquet-format's LogicalTypes.md has lists.
      return [
        { name, repetition_type, converted_type: 'LIST', num_children: 1 },
        { name: 'list', repetition_type: 'REPEATED', num_children: 1 },
        { name: 'element', type: 'DOUBLE', repetition_type: 'OPTIONAL' },
      ];
    default:
      return [{ name, type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type }];
  }
}
