/** Results as other programs read them: Python's json and csv, and pyarrow. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, existsSync } from 'node:fs';
import { describe, it } from 'node:test';
import { JobError, OperationError, OutputError } from '../../../lib/base/errors.ts';
import { tilingOf } from '../../../lib/job/plan.ts';
import { collectResults } from '../../../lib/job/results/collected-results.ts';
import { writeResults, type ResultsToWrite } from '../../../lib/job/results/write-results.ts';
import { rowOrder, tileGrid } from '../../../lib/job/tiling.ts';
import { runPython, withoutGdal } from '../../support/gdal.ts';
import { commitSegment, ResultsBench } from './collected.ts';
import { withoutPyarrow, withTable } from './pyarrow.ts';

/** Writes the values, tile by tile, row by row; undefined: that tile gave nothing. */
async function written(bench: ResultsBench, file: string, format: ResultsToWrite['format'], values: readonly unknown[], merge: ResultsToWrite['merge'] = 'list'): Promise<{ path: string; rows: number; bytes: number }> {
  const plan = bench.plan({ across: 4, down: Math.max(1, Math.ceil(values.length / 4)), batchColumns: 4, batchRows: 64 });
  const tiling = tilingOf(plan);
  const { across, down } = tileGrid(tiling);
  await bench.store.removePrefix(`${plan.state.run.href}collected/`);
  const tiles = [...rowOrder({ column: 0, row: 0, columns: across, rows: down })].map((tile, i) => ({ ...tile, value: values[i] }));
  await commitSegment(bench.store, plan, 0, 0, tiles, true);
  const { segments } = await collectResults(bench.store, plan, undefined);
  const { stat, rows } = await writeResults({ store: bench.store, href: bench.href(file), format, tiling, segments, merge, onAssembly: () => Promise.resolve(), check: () => undefined });
  return { path: bench.file(file), rows, bytes: stat.size };
}

const awkward = [
  { name: 'plain', n: 1, x: 0.1, deep: { a: true, b: null }, list: [1, 2.5] },
  { name: 'comma, "quote"\nand line', n: 9007199254740991, x: 'nan', deep: { a: false, b: 'é€😀' }, list: [] },
  undefined,
  { name: '', n: -1, x: 'inf', deep: { a: null }, list: ['nan', null] },
  { name: ' space ', n: null, x: 1e300, deep: null, list: null, late: 7 },
];

describe('json and jsonl', { skip: withoutGdal }, () => {
  it('are what Python reads: one object a tile that gave something, with its window', async () => {
    await using bench = new ResultsBench();
    for (const format of ['json', 'jsonl'] as const) {
      const { path, rows } = await written(bench, `r.${format}`, format, awkward);
      const read = format === 'json' ? 'json.load(f)' : '[json.loads(line) for line in f]';
      const found = JSON.parse(runPython(`import json, sys\nwith open(sys.argv[1], encoding='utf-8') as f: print(json.dumps(${read}))`, [path])) as unknown;
      const expected = awkward.flatMap((value, i) => (value === undefined ? [] : [{ column: i % 4, row: Math.floor(i / 4), window: { column: (i % 4) * 100, row: Math.floor(i / 4) * 100, columns: i % 4 === 3 ? 70 : 100, rows: i >= 4 ? 40 : 100 }, value }]));
      assert.deepEqual(found, expected, format);
      assert.equal(rows, 4);
    }
  });

  it('of nothing are an empty array, and nothing', async () => {
    await using bench = new ResultsBench();
    assert.deepEqual(JSON.parse(readFileSync((await written(bench, 'r.json', 'json', [undefined])).path, 'utf8')), []);
    assert.equal(readFileSync((await written(bench, 'r.jsonl', 'jsonl', [undefined])).path, 'utf8'), '');
  });

  it('of a merged value are the value', async () => {
    await using bench = new ResultsBench();
    assert.deepEqual(JSON.parse(readFileSync((await written(bench, 'r.json', 'json', [{ a: 1 }, { a: 2 }, undefined, { a: 'nan' }], 'sum')).path, 'utf8')), { a: 'nan' });
    assert.equal(readFileSync((await written(bench, 'r.jsonl', 'jsonl', [[1, 2], [3, 4]], 'max')).path, 'utf8'), '3\n4\n');
    assert.equal(readFileSync((await written(bench, 'r.json', 'json', [], { value: { mine: 1 } })).path, 'utf8'), '{"mine":1}\n');
  });
});

/** A CSV as Python's csv has it: a list of rows, and the names of the columns. */
function csv(path: string): string[][] {
  return JSON.parse(runPython("import csv, json, sys\nwith open(sys.argv[1], encoding='utf-8', newline='') as f: print(json.dumps(list(csv.reader(f, strict=True))))", [path])) as string[][];
}

describe('csv', { skip: withoutGdal }, () => {
  it('has a column for each field, in the order in which they come first', async () => {
    await using bench = new ResultsBench();
    const { path, rows } = await written(bench, 'r.csv', 'csv', awkward);
    assert.deepEqual(csv(path), [
      ['column', 'row', 'name', 'n', 'x', 'deep.a', 'deep.b', 'list', 'late'],
      ['0', '0', 'plain', '1', '0.1', 'true', '', '[1,2.5]', ''],
      ['1', '0', 'comma, "quote"\nand line', '9007199254740991', 'nan', 'false', 'é€😀', '[]', ''],
      ['3', '0', '', '-1', 'inf', '', '', '["nan",null]', ''],
      ['0', '1', ' space ', '', '1e+300', '', '', '', '7'],
    ]);
    assert.equal(rows, 4);
    assert.match(readFileSync(path, 'utf8'), /^3,0,"",-1,inf,,,/m, 'an empty text is told from nothing');
  });

  it('of numbers has the column value; names of fields that are taken are told apart', async () => {
    await using bench = new ResultsBench();
    assert.deepEqual(csv((await written(bench, 'r.csv', 'csv', [1.5, null, 3])).path), [['column', 'row', 'value'], ['0', '0', '1.5'], ['1', '0', ''], ['2', '0', '3']]);
    assert.deepEqual(csv((await written(bench, 'r.csv', 'csv', [{ row: 8, value: 1 }])).path), [['column', 'row', 'value.row', 'value'], ['0', '0', '8', '1']]);
    assert.deepEqual(csv((await written(bench, 'r.csv', 'csv', [undefined])).path), [['column', 'row']]);
  });

  it('of merged values has bins, names or items as rows', async () => {
    await using bench = new ResultsBench();
    assert.deepEqual(csv((await written(bench, 'r.csv', 'csv', [{ edges: [0, 1, 2], counts: [3, 4] }], 'histogram')).path), [['from', 'to', 'count'], ['0', '1', '3'], ['1', '2', '4']]);
    assert.deepEqual(csv((await written(bench, 'r.csv', 'csv', [{ 10: 1, 2.5: 2 }], 'histogram')).path), [['key', 'count'], ['2.5', '2'], ['10', '1']]);
    // Catches: one key that is no number (NaN, a class without a name) and keeps all others in the order in which tiles came.
    const mixed = [{ 5984.5: 1, nan: 2, other: 7 }, { '-3': 1, inf: 4, 0.25: 1 }];
    assert.deepEqual(csv((await written(bench, 'r.csv', 'csv', mixed, 'histogram')).path), [['key', 'count'], ['-3', '1'], ['0.25', '1'], ['5984.5', '1'], ['inf', '4'], ['nan', '2'], ['other', '7']]);
    assert.deepEqual(csv((await written(bench, 'r.csv', 'csv', [{ a: { n: 1 }, b: { n: 2, m: 3 } }], 'dict')).path), [['key', 'n', 'm'], ['a', '1', ''], ['b', '2', '3']]);
    assert.deepEqual(csv((await written(bench, 'r.csv', 'csv', [{ a: 1, b: [2, 3] }], 'sum')).path), [['a', 'b'], ['1', '[2,3]']]);
    assert.deepEqual(csv((await written(bench, 'r.csv', 'csv', [], 'sum')).path), [['value'], ['']]);
  });

  it('refuses fields of one name, and columns without end', async () => {
    await using bench = new ResultsBench();
    await assert.rejects(written(bench, 'r.csv', 'csv', [{ 'a.b': 1, a: { b: 2 } }]), (error) => error instanceof JobError && error.code === 'RESULT_COLUMNS' && /"a\.b"/.test(error.message));
    const many = Array.from({ length: 11 }, (_, i) => Object.fromEntries(Array.from({ length: 1000 }, (_, j) => [`f${String(i * 1000 + j)}`, 1])));
    await assert.rejects(written(bench, 'r.csv', 'csv', many), (error) => error instanceof OperationError && error.code === 'RESULT_COLUMNS' && /10000 different fields.*jsonl/.test(error.message));
    assert.deepEqual(readdirSync(bench.folder), ['run'], 'nothing is left of what failed');
  });
});

describe('parquet', { skip: withoutPyarrow }, () => {
  it('has types that all rows fit, and nulls where there is nothing', async () => {
    await using bench = new ResultsBench();
    const { path, rows } = await written(bench, 'r.parquet', 'parquet', awkward);
    assert.equal(rows, 4);
    assert.deepEqual(withTable(path, 'answer([[f.name, str(f.type), f.nullable] for f in table.schema])'), [
      ['column', 'int64', false],
      ['row', 'int64', false],
      ['name', 'string', false],
      ['n', 'int64', true],
      ['x', 'double', false],
      ['deep.a', 'bool', true],
      ['deep.b', 'string', true],
      ['list', 'list<element: double>', true],
      ['late', 'int64', true],
    ]);
    assert.deepEqual(withTable(path, "answer([[repr(v) for v in row.values()] for row in table.to_pylist()])"), [
      ['0', '0', "'plain'", '1', '0.1', 'True', 'None', '[1.0, 2.5]', 'None'],
      ['1', '0', `'comma, "quote"\\nand line'`, '9007199254740991', 'nan', 'False', "'é€😀'", '[]', 'None'],
      ['3', '0', "''", '-1', 'inf', 'None', 'None', '[nan, None]', 'None'],
      ['0', '1', "' space '", 'None', '1e+300', 'None', 'None', 'None', '7'],
    ]);
    assert.deepEqual(withTable(path, 'answer([file.metadata.row_group(0).column(0).compression, file.metadata.created_by])'), ['SNAPPY', 'tilefan']);
  });

  it('has JSON text where values have no type in common, and columns without any value', async () => {
    await using bench = new ResultsBench();
    const { path } = await written(bench, 'r.parquet', 'parquet', [{ mixed: 1, none: null }, { mixed: 'a' }, { mixed: [{ b: 1 }] }, { mixed: true }]);
    assert.deepEqual(withTable(path, 'answer(table.to_pydict())'), { column: [0, 1, 2, 3], row: [0, 0, 0, 0], mixed: ['1', '"a"', '[{"b":1}]', 'true'], none: [null, null, null, null] });
  });

  it('is a whole file without rows, and of a merged value', async () => {
    await using bench = new ResultsBench();
    assert.deepEqual(withTable((await written(bench, 'r.parquet', 'parquet', [undefined])).path, 'answer([table.num_rows, table.column_names])'), [0, ['column', 'row']]);
    assert.deepEqual(withTable((await written(bench, 'r.parquet', 'parquet', [], 'sum')).path, 'answer(table.to_pylist())'), [{ value: null }]);
    assert.deepEqual(withTable((await written(bench, 'r.parquet', 'parquet', [{ a: 1, b: 0.5 }, { a: 2, b: 0.5 }], 'sum')).path, 'answer(table.to_pylist())'), [{ a: 3, b: 1 }]);
  });
});

describe('an object that can not be written', () => {
  it('says that the folder is missing, as outputs do, and leaves nothing', async () => {
    await using bench = new ResultsBench();
    for (const format of ['json', 'csv', 'parquet'] as const) {
      await assert.rejects(written(bench, `nowhere/r.${format}`, format, awkward), (error) => error instanceof OutputError && error.code === 'STORE_NO_FOLDER');
    }
    assert.equal(existsSync(bench.file('nowhere')), false);
  });
});
