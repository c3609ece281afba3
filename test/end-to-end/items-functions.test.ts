/** Functions over objects and over sets of parameters, by whole runs: tables read by Python, files, chains of runs, and failures. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, describe, it } from 'node:test';
import { withoutGdal, gdalPython } from '../support/gdal.ts';
import { runCli } from '../support/cli.ts';
import { codeEnv } from '../support/user-code.ts';
import { createWorkspace } from '../support/workspace.ts';
import { withoutPyarrow, withTable } from '../job/results/pyarrow.ts';
import { failItems, jsonLines, runItems } from './items-run.ts';

const space = createWorkspace('items-code');
after(() => space.remove());

function write(folder: string, files: Readonly<Record<string, string | object>>): void {
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), typeof content === 'string' ? content : JSON.stringify(content));
  }
}

/** What Python reads in a file. */
function python(program: string, path: string): unknown {
  return JSON.parse(execFileSync(gdalPython, ['-c', `import csv, json, sys\n${program}`, path], { encoding: 'utf8' }));
}

const pythonSource = `
import hashlib, os

def measure(item):
    data = open(item.file, 'rb').read()
    with open(os.path.join(item.folder, 'sum.txt'), 'w') as file: file.write(hashlib.sha256(data).hexdigest())
    return {'name': item.name, 'bytes': len(data), 'text': data.decode()}

def multiply(a, b, by=1):
    return {'product': a * b * by, 'a': a, 'b': b}

def step_one(word):
    return {'text': word + ', '}

def step_two(text, other='World'):
    return text + other + '!'

def picky(n):
    if n % 2: raise ValueError('odd: %d' % n)
    return n
`;

const typescriptSource = `
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export function measure(item: { file: string; folder: string; name: string }) {
  const data = readFileSync(item.file);
  writeFileSync(join(item.folder, 'sum.txt'), createHash('sha256').update(data).digest('hex'));
  return { name: item.name, bytes: data.length, text: data.toString() };
}
export const multiply = ({ a, b, by = 1 }: { a: number; b: number; by?: number }) => ({ product: a * b * by, a, b });
export async function picky({ n }: { n: number }) {
  if (n % 2 === 1) throw new RangeError('odd: ' + String(n));
  return n;
}
`;

const texts: Readonly<Record<string, string>> = { 'a.txt': 'one', 'b c/ü.txt': 'zwei, "quoted"\nand a second line', 'b c/d/e.TXT': '', 'z=1.txt': 'ſ' };

void describe('functions over items', { skip: withoutGdal, concurrency: 2 }, () => {
  for (const [language, file] of [['Python', 'f.py'], ['TypeScript', 'f.ts']] as const) {
    const newFolder = (): string => {
      const folder = space.newFolder(language);
      write(folder, { 'f.py': pythonSource, 'f.ts': typescriptSource });
      return folder;
    };

    // Catches: an item that gets another's file, files in the wrong place, values that change on their way into the table.
    void it(`${language}: gives each object to the function, and brings values and files back`, async () => {
      const folder = newFolder();
      write(`${folder}/texts`, texts);
      write(folder, { 'job.json': { name: 'm', items: { prefix: 'texts/', match: '**/*.txt' }, operation: { module: file, function: 'measure' }, outputs: { prefix: 'out/' }, results: { href: 'table.csv' }, compute: { itemsPerTask: 2 } } });
      const record = await runItems([`${folder}/job.json`, '--work', `${folder}/work`, '--workers', '2']);
      const paths = Object.keys(texts);
      assert.deepEqual([record.items.total, record.files?.count, record.batches.total], [4, 4, 2]);
      const rows = python('print(json.dumps([dict(row) for row in csv.DictReader(open(sys.argv[1], newline=""))]))', `${folder}/table.csv`) as Record<string, string>[];
      assert.deepEqual(
        rows.map(({ index, name, bytes, text }) => [index, name, bytes, text]),
        paths.map((path, index) => [String(index), path.split('/').at(-1), String(Buffer.byteLength(texts[path] ?? '')), texts[path]]),
      );
      for (const path of paths) {
        const sum = execFileSync('sha256sum', [`${folder}/texts/${path}`], { encoding: 'utf8' }).replace(/^\\/, '').slice(0, 64);
        assert.equal(readFileSync(`${folder}/out/${path}/sum.txt`, 'utf8'), sum, path);
      }
    });

    // Catches: combinations that are missing or in another order, parameters of the operation that win over the item's.
    void it(`${language}: calls the function with all combinations of a grid`, async () => {
      const folder = newFolder();
      write(folder, {
        'job.json': { name: 'grid', items: { parameterGrid: { a: [1, 2, 3], b: [10, 20] } }, operation: { module: file, function: 'multiply', parameters: { by: 7, b: 1000 } }, results: { href: 'table.jsonl' } },
      });
      const record = await runItems([`${folder}/job.json`, '--work', `${folder}/work`]);
      assert.deepEqual([record.items.total, record.results?.rows, record.files], [6, 6, null]);
      assert.deepEqual(
        jsonLines(`${folder}/table.jsonl`).map(({ index, value }) => [index, value]),
        [[1, 10], [1, 20], [2, 10], [2, 20], [3, 10], [3, 20]].map(([a = 0, b = 0], index) => [index, { product: 7 * a * b, a, b }]),
      );
    });

    // Catches: an exception without its words and place, one that takes others along, a list of failures whose errors become parameters.
    void it(`${language}: lets what throws fail alone, and do it again from the list`, async () => {
      const folder = newFolder();
      const job = { name: 'picky', operation: { module: file, function: 'picky' } };
      write(folder, { 'job.json': { ...job, items: { parameters: Array.from({ length: 6 }, (_, n) => ({ n })) }, results: { href: 'table.jsonl' } } });
      const { record, message } = await failItems([`${folder}/job.json`, '--work', `${folder}/work`, '--run', 'r']);
      assert.deepEqual([record.items.done, record.items.failed], [3, 3]);
      assert.match(message, /3 of 6 items failed; .*r-failures\.jsonl/);
      assert.match(message, language === 'Python' ? /item 1: .*picky.*f\.py:\d+.*ValueError: odd: 1/ : /item 1: .*picky.*f\.ts:\d+.*RangeError: odd: 1/);
      assert.deepEqual(jsonLines(`${folder}/table.jsonl`).map(({ value }) => value), [0, 2, 4]);
      write(folder, { 'f.py': pythonSource.replace('if n % 2:', 'if n == 3:'), 'f.ts': typescriptSource.replace('n % 2 === 1', 'n === 3'), 'again.json': { ...job, items: { manifest: 'r-failures.jsonl' }, results: { href: 'again.jsonl' } } });
      const again = await failItems([`${folder}/again.json`, '--work', `${folder}/work`, '--run', 'again']);
      assert.deepEqual([again.record.items.total, again.record.items.failed], [3, 1]);
      assert.deepEqual(jsonLines(`${folder}/again.jsonl`).map(({ value }) => value), [1, 5]);
      // The list of a run over a list is one, too.
      assert.deepEqual(jsonLines(`${folder}/again-failures.jsonl`).map(({ path, parameters }) => [path, parameters]), [['00000003', { n: 3 }]]);
    });
  }

  // Catches: a chain whose second step sees other values, or begins before the first has ended.
  void it('run in steps, one after another: Hello, World!', async () => {
    const folder = space.newFolder('steps');
    write(folder, {
      'f.py': pythonSource,
      'one.json': { name: 'one', items: { parameters: [{ word: 'Hello' }, { word: 'Hej' }] }, operation: { module: 'f.py', function: 'step_one' }, results: { href: 'one.jsonl' } },
      'two.json': { name: 'two', items: { from: 'run:first' }, operation: { module: 'f.py', function: 'step_two' }, results: { href: 'two.jsonl' } },
    });
    const work = ['--work', `${folder}/work`];
    const early = await runCli(['run', `${folder}/two.json`, ...work], { env: codeEnv });
    assert.equal(early.exitCode, 69, early.stderr);
    assert.match(early.stderr, /\$\.items\.from: there is no run first under .*work\/runs\//);
    await runItems([`${folder}/one.json`, ...work, '--run', 'first']);
    await runItems([`${folder}/two.json`, ...work, '--run', 'second']);
    assert.deepEqual(jsonLines(`${folder}/two.jsonl`).map(({ value }) => value), ['Hello, World!', 'Hej, World!']);
  });

  // Catches: values that another program reads as something else, rows out of order, a column that is missing where a value is.
  void it('give tables that other programs read', { skip: withoutPyarrow }, async () => {
    const folder = space.newFolder('tables');
    write(folder, {
      'f.py': `
def f(n):
    value = {'n': n, 'half': n / 2, 'name': 'ü "%d", x' % n, 'even': n % 2 == 0, 'list': [n, n + 1], 'place': {'x': n}}
    if n == 2: value['late'] = 'only here'
    if n == 3: value['half'] = None
    return value
`,
    });
    const expected = Array.from({ length: 5 }, (_, n) => ({ n, half: n === 3 ? null : n / 2, name: `ü "${String(n)}", x`, even: n % 2 === 0 }));
    for (const format of ['parquet', 'csv', 'jsonl'] as const) {
      write(folder, { 'job.json': { name: 't', items: { parameterGrid: { n: [0, 1, 2, 3, 4] } }, operation: { module: 'f.py', function: 'f' }, results: { href: `table.${format}` } } });
      const record = await runItems([`${folder}/job.json`, '--work', `${folder}/work`]);
      assert.deepEqual([record.results?.format, record.results?.rows], [format, 5]);
    }
    const parquet = withTable(`${folder}/table.parquet`, 'answer([table.column_names, table.to_pylist()])') as [string[], Record<string, unknown>[]];
    assert.deepEqual(parquet[1].map(({ index, n, half, name, even, late }) => ({ index, n, half, name, even, late })), expected.map((row) => ({ index: row.n, ...row, late: row.n === 2 ? 'only here' : null })));
    const csv = python('print(json.dumps([dict(row) for row in csv.DictReader(open(sys.argv[1], newline=""))]))', `${folder}/table.csv`) as Record<string, string>[];
    assert.deepEqual(csv.map(({ index, n, half, name, even }) => ({ index, n, half, name, even })), expected.map(({ n, half, name, even }) => ({ index: String(n), n: String(n), half: half === null ? '' : String(half), name, even: String(even) })));
    const lines = python('print(json.dumps([json.loads(line) for line in open(sys.argv[1])]))', `${folder}/table.jsonl`) as { index: number; value: Record<string, unknown> }[];
    assert.deepEqual(lines.map(({ index, value: { n, half, name, even, list, place } }) => ({ index, n, half, name, even, list, place })), expected.map((row) => ({ index: row.n, ...row, list: [row.n, row.n + 1], place: { x: row.n } })));
  });

  // Catches: a manifest whose columns don't reach the function.
  void it('take objects and parameters from a CSV file', async () => {
    const folder = space.newFolder('manifest');
    write(folder, {
      'f.py': 'def f(item): return [item.name, item.parameters.label, open(item.file).read()]\n',
      'in/a.txt': 'A',
      'in/b b.txt': 'B',
      'list.csv': 'href,label\nin/a.txt,"first, of two"\nin/b b.txt,second\nin/a.txt,"first, of two"\n',
      'job.json': { name: 'csv', items: { manifest: 'list.csv' }, operation: { module: 'f.py', function: 'f' }, results: { href: 'table.jsonl' } },
    });
    const record = await runItems([`${folder}/job.json`, '--work', `${folder}/work`]);
    assert.equal(record.items.total, 2, 'an object that is listed twice is one item');
    assert.deepEqual(jsonLines(`${folder}/table.jsonl`).map(({ value }) => value), [['a.txt', 'first, of two', 'A'], ['b b.txt', 'second', 'B']]);
  });

  // Catches: code that doesn't load being the fault of each item, found by ten thousand of them.
  void it('are refused as a whole where the code is wrong', async () => {
    const folder = space.newFolder('wrong');
    write(folder, { 'f.py': 'def f(n):\n    return n +\n', 'g.py': 'def g(n): return n\n' });
    for (const [operation, says] of [[{ module: 'f.py', function: 'f' }, /f\.py.*line 2|f\.py:2/s], [{ module: 'g.py', function: 'h' }, /h.*g\.py|g\.py.*h/s], [{ module: 'none.py', function: 'f' }, /none\.py/]] as const) {
      write(folder, { 'job.json': { name: 'w', items: { parameters: [{ n: 1 }, { n: 2 }] }, operation, results: { href: 'table.jsonl' } } });
      const { exitCode, stderr } = await runCli(['run', `${folder}/job.json`, '--work', `${folder}/work`], { env: codeEnv });
      assert.ok([64, 65, 69].includes(exitCode ?? 0), `${String(exitCode)}: ${stderr}`);
      assert.match(stderr, says);
      assert.doesNotMatch(stderr, /items failed/);
    }
  });
});
