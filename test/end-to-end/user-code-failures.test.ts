/** Functions that fail, in every way: the exit code, the words, what the record of the batch says, and that nothing else suffers. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { runCli, runJob, startCli, until, workersOf, type CliOptions, type CliResult } from '../support/cli.ts';
import { gdalPython, withoutGdal } from '../support/gdal.ts';
import { assertNoDifferences, makeFiles } from '../support/raster-oracle.ts';
import { assertSays, batchRecordOf, codeEnv, messageOfCli } from '../support/user-code.ts';
import { createWorkspace } from '../support/workspace.ts';

const space = createWorkspace('code-failures');
after(() => space.remove());
const work = space.path('work');

/** 5 x 4 tiles of 128 px; those at the edges are smaller. */
const columns = 600;
const rows = 450;
/** The tile that fails: not the first, which every function is tried on. */
const failing = { tile: [2, 1], window: { column: 256, row: 128, columns: 128, rows: 128 } };

interface Case {
  /** Of the job: what differs from the plain one. */
  readonly operation?: object;
  readonly output?: object;
  readonly halo?: number;
  readonly more?: object;
  readonly args?: readonly string[];
  readonly options?: CliOptions;
}

function writeJob(name: string, module: string, { operation = {}, output = {}, halo = 0, more = {} }: Case): string {
  return space.job(`${name}.json`, {
    inputs: { a: 'a.tif' },
    grid: { tileSize: 128, halo },
    operation: { module, function: 'f', ...operation },
    outputs: { o: { href: `${name}.tif`, dtype: 'int32', nodata: -7, blockSize: 128, overviews: 'none', statistics: false, ...output } },
    ...more,
  });
}

async function runCode(name: string, source: string, given: Case = {}, ending = 'py'): Promise<CliResult> {
  writeFileSync(space.path(`${name}.${ending}`), source);
  const { args = [], options = {} } = given;
  return await runCli(['run', writeJob(name, `${name}.${ending}`, given), '--work', work, '--run', name, '--workers', '1', '--threads', '2', '--keep', ...args], { ...options, env: { ...codeEnv, ...options.env } });
}

/** A Python function that does `body` on the failing tile, and what is right on the others. */
function python(body: string, imports = 'import numpy as np'): string {
  return `${imports}\n\ndef f(info, inputs, outputs):\n    print('at', info.xblock, info.yblock)\n    if (info.xblock, info.yblock) == (2, 1):\n${body
    .split('\n')
    .map((line) => `        ${line}`)
    .join('\n')}\n    outputs.o = inputs.a\n`;
}

/** The same in TypeScript. */
function typescript(body: string): string {
  return `import type { TileFunction } from 'tilefan';\n\nexport const f: TileFunction = ({ inputs, outputs, info }) => {\n  const { o } = outputs as any;\n  console.log('at', info.tile.column, info.tile.row);\n  if (info.tile.column === 2 && info.tile.row === 1) {\n    ${body}\n  }\n  outputs.o.set((inputs as any).a);\n};\n`;
}

interface Failure extends Case {
  readonly source: string;
  readonly ending?: 'ts';
  readonly code: string;
  /** What the sentence says beside the tile. */
  readonly says: readonly (string | RegExp)[];
  /** What the record says of the place. */
  readonly where?: Readonly<Record<string, unknown>>;
  /** What is kept of what was printed: on standard output and error. */
  readonly printed?: RegExp;
}

const imagined = 'ValueError: no such pixel';

const failures: Readonly<Record<string, Failure>> = {
  throws: {
    source: python("helper(inputs.a)", "import numpy as np\ndef helper(a):\n    raise ValueError('no such pixel')\n"),
    code: 'FUNCTION_FAILED',
    says: ['helper', 'throws.py:3', imagined],
    where: { function: 'helper', file: 'throws.py', line: 3, type: 'ValueError' },
    printed: /^at 2 1\n$/,
  },
  'shape-trimmed': {
    source: python('outputs.o = inputs.a[:, 3:-3, 3:-3]\nreturn'),
    halo: 3,
    code: 'FUNCTION_SHAPE',
    says: ['output o has shape (1, 128, 128)', 'wanted (bands, rows, columns) = (1, 134, 134)', 'includes the margin (halo) of 3 pixels on each side'],
    where: { file: 'shape-trimmed.py' },
  },
  'shape-bands': { source: python('outputs.o = np.concatenate([inputs.a, inputs.a])\nreturn'), code: 'FUNCTION_SHAPE', says: ['(2, 128, 128)', '(1, 128, 128)', 'halo is 0'] },
  'no-output': { source: python('outputs.other = inputs.a\nreturn'), code: 'FUNCTION_NO_OUTPUT', says: ['has not written outputs.o', 'it has written outputs.other'] },
  'no-number': { source: python("outputs.o = 'a string'\nreturn"), code: 'FUNCTION_NO_OUTPUT', says: ['output o is of type str', 'wanted a numpy array'] },
  hangs: {
    source: python("import time, sys\nprint('going to sleep', file=sys.stderr)\nwhile True: time.sleep(1)"),
    operation: { tileTimeout: '3s' },
    code: 'FUNCTION_TIMEOUT',
    says: ['took longer than the 3 s', 'its process was ended', 'its last words: going to sleep'],
    where: { function: 'f', seconds: 3 },
  },
  memory: { source: python('held = [np.ones(2 ** 28) for _ in range(100)]'), more: { compute: { memory: '2 GiB' } }, code: 'FUNCTION_MEMORY', says: ['memory.py:6', 'ran out of memory', 'make tiles smaller'], where: { function: '<listcomp>', file: 'memory.py', line: 6 } },
  killed: {
    source: python("import os, signal, sys\nprint('so much memory', file=sys.stderr)\nos.kill(os.getpid(), signal.SIGKILL)"),
    code: 'FUNCTION_DIED',
    says: ['was ended by SIGKILL while it worked', 'most likely the machine had too little memory', 'its last words: so much memory'],
    where: { signal: 'SIGKILL' },
  },
  crashes: { source: python('import ctypes\nctypes.string_at(0)'), code: 'FUNCTION_DIED', says: ['was ended by SIGSEGV'], where: { signal: 'SIGSEGV' } },
  'os-exit': { source: python("import os\nprint('bye')\nos._exit(3)"), code: 'FUNCTION_DIED', says: ['ended with exit code 3'], where: { exitCode: 3 } },
  'os-exit-0': { source: python('import os\nos._exit(0)'), code: 'FUNCTION_DIED', says: ['ended with exit code 0'], where: { exitCode: 0 } },
  'sys-exit': { source: python('import sys\nsys.exit()'), code: 'FUNCTION_FAILED', says: ['called sys.exit()', 'sys-exit.py:7'], where: { file: 'sys-exit.py', line: 7 } },
  recursion: { source: python('def again(n): return again(n + 1)\nagain(0)'), code: 'FUNCTION_FAILED', says: ['recursion.py:6', 'RecursionError'], where: { function: 'again', line: 6 } },
  'closes-files': { source: python('import os\nos.closerange(3, 256)\nreturn'), code: 'FUNCTION_DIED', says: [] },
  result: { source: python('outputs.o = inputs.a\nreturn lambda: 1'), code: 'FUNCTION_NO_OUTPUT', says: ['has no place in JSON'], more: { results: { href: 'result.jsonl' } } },
  'ts-throws': {
    source: typescript("const blue = (band: number) => {\n      throw new RangeError(`no band ${band}`);\n    };\n    blue(7);"),
    ending: 'ts',
    code: 'FUNCTION_FAILED',
    says: ['ts-throws.ts:8', 'RangeError: no band 7'],
    where: { file: 'ts-throws.ts', line: 8, type: 'RangeError' },
    printed: /^at 2 1\n$/,
  },
  'ts-shape': {
    source: typescript('(outputs as any).o = new Int32Array(128 * 128); return;'),
    ending: 'ts',
    halo: 3,
    code: 'FUNCTION_SHAPE',
    says: ['16384', '134', 'margin'],
  },
  'ts-hangs': { source: typescript('for (;;);'), ending: 'ts', operation: { tileTimeout: '3s' }, code: 'FUNCTION_TIMEOUT', says: ['took longer than the 3 s'] },
  'ts-exit': { source: typescript('process.exit(0);'), ending: 'ts', code: 'FUNCTION_FAILED', says: ['process.exit'] },
  'ts-kill': { source: typescript("process.kill(process.pid, 'SIGKILL');\n    for (;;);"), ending: 'ts', code: 'FUNCTION_DIED', says: ['SIGKILL', 'too little memory'], where: { signal: 'SIGKILL' } },
  'ts-rejects': { source: typescript("void Promise.reject(new Error('nobody waits'));\n    return new Promise((resolve) => setTimeout(resolve, 2000));"), ending: 'ts', code: 'FUNCTION_FAILED', says: ['nobody waits'] },
  'ts-memory': {
    source: typescript('const held: number[][] = [];\n    for (;;) held.push(new Array<number>(1e6).fill(0.5));'),
    ending: 'ts',
    more: { compute: { memory: '1 GiB' } },
    code: 'FUNCTION_MEMORY',
    says: ['JavaScript heap', 'make tiles smaller'],
  },
};

/** Functions that can't run on any tile: what is wrong is said before anything runs. */
const refusals: Readonly<Record<string, Case & { readonly source: string; readonly ending?: 'ts'; readonly exitCode: number; readonly says: readonly (string | RegExp)[] }>> = {
  syntax: { source: 'def f(info, inputs, outputs):\n    outputs.o = (inputs.a\n', exitCode: 64, says: ['syntax.py:2 has a syntax error', "'(' was never closed"] },
  import: { source: 'import numpy\nimport not_there_at_all\ndef f(info, inputs, outputs): pass\n', exitCode: 64, says: ['import.py:2 imports not_there_at_all', 'does not have'] },
  'import-throws': { source: "x = {}['key']\ndef f(info, inputs, outputs): pass\n", exitCode: 64, says: ['import-throws.py:1 could not be imported', "KeyError: 'key'"] },
  'missing-function': { source: 'def g(info, inputs, outputs): pass\ndef h(info, inputs, outputs): pass\n', exitCode: 64, says: ['missing-function.py has no function f', 'it has g, h'] },
  signature: { source: 'def f(inputs, outputs): pass\n', exitCode: 64, says: ['f(inputs, outputs) can\'t be called with a tile', 'wanted f(info, inputs, outputs) or (info, inputs, outputs, otherargs)'] },
  async: { source: 'async def f(info, inputs, outputs): pass\n', exitCode: 64, says: ['f is async', 'wanted a plain function'] },
  'first-tile': { source: 'def f(info, inputs, outputs):\n    1 / 0\n', exitCode: 70, says: ['tile 0,0', 'first-tile.py:2', 'ZeroDivisionError: division by zero'] },
  'missing-file': { source: '', operation: { module: 'nothing-here.py' }, exitCode: 69, says: ['$.operation.module', 'nothing-here.py', 'does not exist'] },
  'no-python': { source: 'def f(info, inputs, outputs): pass\n', options: { env: { TILEFAN_PYTHON: '/nothing/python3' } }, exitCode: 64, says: ['Python functions need Python 3.9 or newer', '/nothing/python3 cannot be started', 'TILEFAN_PYTHON'] },
  requirement: { source: 'def f(info, inputs, outputs): pass\n', operation: { requirements: ['not-there-at-all>=2', 'numpy>=99'] }, exitCode: 64, says: ['not-there-at-all', 'numpy', '99'] },
  'ts-syntax': { source: 'export function f({ inputs ) {}\n', ending: 'ts', exitCode: 64, says: ['$.operation.module', 'ts-syntax.ts', ':1:'] },
  'ts-import': { source: "import { x } from 'not-there-at-all';\nexport function f() { x(); }\n", ending: 'ts', exitCode: 64, says: ['$.operation.module', 'not-there-at-all'] },
  'ts-missing-function': { source: 'export function g() {}\n', ending: 'ts', exitCode: 64, says: ['has no export f', 'it exports g'] },
  'ts-no-function': { source: 'export const f = 5;\n', ending: 'ts', exitCode: 64, says: ['f is a value of type number', 'wanted a function of one argument'] },
};

void describe('functions that fail', { skip: withoutGdal, concurrency: 2 }, () => {
  before(() => {
    makeFiles(
      `
ds = gdal.GetDriverByName('GTiff').Create(sys.argv[1], ${String(columns)}, ${String(rows)}, 1, gdal.GDT_Int32, ['TILED=YES', 'BLOCKXSIZE=128', 'BLOCKYSIZE=128'])
ds.SetGeoTransform((5e5, 10, 0, 5e6, 0, -10))
ds.WriteArray(np.random.default_rng(2).integers(0, 1 << 30, (1, ${String(rows)}, ${String(columns)})).astype(np.int32))
ds = None`,
      [space.path('a.tif')],
    );
  });

  for (const [name, { source, ending = 'py', code, says, where = {}, printed, ...given }] of Object.entries(failures)) {
    // Catches: a failure that hangs the run or ends the worker, one that is taken for another, a message without tile, place or reason, and output that is lost.
    void it(`says what, where and why: ${name}`, async () => {
      const result = await runCode(name, source, given, ending);
      // What may have been too little memory is tried once more by a larger task.
      const ended = code === 'FUNCTION_MEMORY' || where['signal'] === 'SIGKILL' ? 'ran out of memory, or was killed, in attempt 2' : `(exit code 70, ${code})`;
      assertSays(result, 70, [ended, 'tile 2,1 (columns 256 to 383, rows 128 to 255)', ...says]);
      const record = batchRecordOf(`${work}/runs/${name}`);
      const { error } = record;
      assert.equal(record.state, 'FAILED');
      assert.ok(error !== null && error.code === code, JSON.stringify(error));
      assert.deepEqual({ tile: error.where['tile'], window: error.where['window'] }, failing);
      for (const [key, value] of Object.entries(where)) assert.deepEqual(error.where[key], value, `${key} of ${JSON.stringify(error.where)}`);
      assert.equal(error.where['function'], where['function'] ?? 'f');
      if (printed !== undefined) assert.match(String(error.where['stdout']), printed);
      assert.ok(error.message.length < 2000, 'a message is for reading');
      assert.ok(!existsSync(space.path(`${name}.tif`)), 'nothing lies at the output');
    });
  }

  for (const [name, { source, ending = 'py', exitCode, says, ...given }] of Object.entries(refusals)) {
    // Catches: ten thousand tasks started for a mistake that one of them shows, and messages that take a traceback to understand.
    void it(`refuses before anything runs: ${name}`, async () => {
      const result = await runCode(name, source, given, ending);
      assertSays(result, exitCode, says);
      const message = messageOfCli(result).trim();
      // A list of problems has a line for each, and one in front.
      assert.ok(message.split('\n').length <= (name === 'requirement' ? 5 : 3), `one sentence: ${message}`);
      assert.ok(!existsSync(`${work}/runs/${name}/manifest.jsonl`), 'no batch was begun');
    });
  }

  // Catches: the search for an interpreter that ends with a stack trace, or takes one without numpy.
  void it('names the Python that has no numpy', async () => {
    const folder = space.newFolder('venv');
    symlinkSync(gdalPython, `${folder}/python3`);
    writeFileSync(`${folder}/pyvenv.cfg`, 'home = /usr/bin\ninclude-system-site-packages = false\n');
    const result = await runCode('no-numpy', python('pass'), { options: { env: { TILEFAN_PYTHON: `${folder}/python3` } } });
    assertSays(result, 64, ['[JobError]', 'Python functions need numpy', `${folder}/python3`, 'does not have', 'pip install numpy']);
  });

  // Catches: output kept in the memory of the worker, a pipe that nobody empties, and a function that waits for it for ever.
  void it('runs a function that prints a gigabyte in little memory', { skip: process.platform === 'linux' ? false : 'needs /proc to see the memory of the worker' }, async () => {
    const source = python("line = 'x' * 65535 + '\\n'\nfor _ in range(16384): sys.stdout.write(line)\nsys.stderr.write('that was it\\n')\nif info.blockwidth: raise RuntimeError('at last')", 'import sys');
    writeFileSync(space.path('prints.py'), source);
    const own = space.newFolder('prints');
    const cli = startCli(['run', writeJob('prints', 'prints.py', {}), '--work', own, '--run', 'prints', '--workers', '1', '--threads', '2'], { env: codeEnv });
    let ended = false;
    let highest = 0;
    void cli.ended.then(() => (ended = true));
    await until(
      'the end of the run',
      () => {
        for (const { pid } of workersOf(own)) highest = Math.max(highest, peakBytes(pid));
        return ended;
      },
      110,
    );
    assertSays(await cli.ended, 70, ['FUNCTION_FAILED', 'prints.py:9', 'RuntimeError: at last']);
    const where = batchRecordOf(`${own}/runs/prints`).error?.where ?? {};
    assert.equal(where['stdoutBytes'], 2 ** 30 + 'at 2 1\n'.length);
    assert.ok(String(where['stdout']).length <= 16 * 1024);
    assert.equal(where['stderr'], 'that was it\n');
    assert.ok(highest > 2 ** 25 && highest < 600 * 2 ** 20, `the worker had ${String(highest)} bytes`);
  });

  // Catches: a failed tile that takes the others of its batch along, pixels of failed tiles that are anything but nodata, a record that doesn't tell which failed, the exit of one function that counts for the next tile.
  for (const ending of ['py', 'ts'] as const) {
    void it(`goes on with the other tiles where failures are tolerated: ${ending}`, async () => {
      const name = `tolerated-${ending}`;
      const source =
        ending === 'py'
          ? "import os\ndef f(info, inputs, outputs):\n    at = (info.xblock, info.yblock)\n    if at == (2, 1): raise ValueError('no')\n    if at == (0, 2): os._exit(9)\n    if at == (4, 3):\n        while True: pass\n    outputs.o = inputs.a\n    return info.xblock\n"
          : "export function f({ inputs, outputs, info }: any) {\n  const at = `${info.tile.column},${info.tile.row}`;\n  if (at === '2,1') throw new TypeError('no');\n  if (at === '0,2') process.kill(process.pid, 'SIGKILL');\n  if (at === '4,3') for (;;);\n  outputs.o.set(inputs.a);\n  return info.tile.column;\n}\n";
      const more = { tolerateFailures: { percentage: 100 }, results: { href: `${name}.jsonl` }, compute: { tilesPerTask: 64 } };
      writeFileSync(space.path(`${name}.${ending}`), source);
      const job = writeJob(name, `${name}.${ending}`, { operation: { tileTimeout: '4s' }, more });
      const record = await runJob([job, '--work', work, '--run', name, '--workers', '1', '--threads', '2', '--keep'], { env: codeEnv });
      assert.deepEqual([record.state, record.tiles, record.batches.failed], ['SUCCEEDED', { total: 20, done: 17, computed: 17, reused: 0 }, [0]]);
      assert.deepEqual(record.results?.missing, { tiles: 3, first: [[2, 1], [0, 2], [4, 3]] });
      const [{ error } = { error: undefined }, ...others] = record.errors;
      assert.equal(others.length, 0);
      const failed = error?.where['failedTiles'] as { tile: number[]; message: string; window: { column: number }; line?: number; traceback: string }[];
      assert.deepEqual(failed.map(({ tile }) => tile), [[2, 1], [0, 2], [4, 3]]);
      assert.match(failed[0]?.message ?? '', /(ValueError|TypeError): no/);
      assert.deepEqual([failed[0]?.window.column, failed[0]?.line], [256, ending === 'py' ? 4 : 3]);
      assert.match(failed[0]?.traceback ?? '', /(ValueError|TypeError): no/);
      assert.match(failed[1]?.message ?? '', ending === 'py' ? /exit code 9/ : /SIGKILL/);
      assert.match(failed[2]?.message ?? '', /longer than the 4 s/);
      const lines = readFileSync(space.path(`${name}.jsonl`), 'utf8').trim().split('\n').map((line) => JSON.parse(line) as { column: number; row: number; value: number });
      assert.equal(lines.length, 17);
      for (const { column, value } of lines) assert.equal(value, column);
      assertNoDifferences(
        `
wanted = gdal.Open(sys.argv[1]).ReadAsArray()
for column, row in ((2, 1), (0, 2), (4, 3)): wanted[row * 128:row * 128 + 128, column * 128:column * 128 + 128] = -7
answer(same_pixels(gdal.Open(sys.argv[2]).ReadAsArray(), wanted, 'tolerated'))`,
        [space.path('a.tif'), space.path(`${name}.tif`)],
      );
    });
  }

  // Catches: a job that can't run because the first tile, and only that, is one that its function fails on.
  void it('goes on where the first tile is one that fails', async () => {
    const source = 'def f(info, inputs, outputs):\n    if (info.xblock, info.yblock) == (0, 0): raise ValueError(1)\n    outputs.o = inputs.a\n';
    writeFileSync(space.path('first.py'), source);
    const job = writeJob('first', 'first.py', { more: { tolerateFailures: { percentage: 100 }, compute: { tilesPerTask: 64 } } });
    const record = await runJob([job, '--work', work, '--run', 'first', '--workers', '1'], { env: codeEnv });
    assert.deepEqual([record.state, record.tiles.done, record.batches.failed], ['SUCCEEDED', 19, [0]]);
    const failed = record.errors[0]?.error.where;
    assert.deepEqual([failed?.['tile'], failed?.['file'], failed?.['line']], [[0, 0], 'first.py', 2]);
  });

  // Catches: tolerance of what is wrong with every tile.
  void it('tolerates no failure of the trial', async () => {
    const result = await runCode('tolerant-trial', 'def f(info, inputs, outputs):\n    raise ValueError(1)\n', { more: { tolerateFailures: { percentage: 100 } } });
    assertSays(result, 70, ['tile 0,0', 'ValueError: 1']);
  });
});

/** The highest memory that a process has had (proc(5), VmHWM); 0 when it is gone. */
function peakBytes(pid: number): number {
  try {
    return 1024 * Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${String(pid)}/status`, 'utf8'))?.[1] ?? 0);
  } catch {
    return 0;
  }
}
