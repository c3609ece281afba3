/** Functions over items in both languages, through their processes: what they get, what they may return, and all the ways in which they fail. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';

import { JobError, OperationError, TilefanError } from '../../lib/base/errors.ts';
import { gdalPython, runPython, withoutGdal } from '../support/gdal.ts';
import { openItems, withItems, type ItemFixture, type ItemRun } from './item-fixture.ts';

type Language = 'python' | 'typescript';
const endings = { python: '.py', typescript: '.ts' } as const;
const skips: Readonly<Record<Language, string | false>> = { python: withoutGdal, typescript: false };

async function failure(fixture: ItemFixture, work: (run: ItemRun) => Promise<unknown> = async (run) => await run.object()): Promise<TilefanError> {
  const run = await openItems(fixture);
  try {
    await work(run);
  } catch (error) {
    if (error instanceof TilefanError) return error;
    throw error;
  } finally {
    await run.close();
  }
  assert.fail('it did not fail');
}

const python = (source: string, more: Partial<ItemFixture> = {}): ItemFixture => ({ ending: '.py', source, ...more });
const typescript = (source: string, more: Partial<ItemFixture> = {}): ItemFixture => ({ ending: '.ts', source, ...more });

/** The same function in both languages: everything that it is told of an object. */
const tellers: Readonly<Record<Language, string>> = {
  python: `import os
def f(item):
    with open(item.file) as file: text = file.read()
    return {'index': item.index, 'href': item.href, 'path': item.path, 'name': item.name, 'size': item.size, 'text': text, 'left': os.listdir(item.folder), 'rate': item.parameters.rate, 'all': item.parameters}`,
  typescript: `import { readFile, readdir } from 'node:fs/promises';
import type { ItemFunction } from 'tilefan';
export const f: ItemFunction<{ rate: number }> = async ({ file, folder, index, href, path, name, size, parameters }) =>
  ({ index, href, path, name, size, text: await readFile(file, 'utf8'), left: await readdir(folder), rate: parameters.rate, all: parameters });`,
};

const settersOfParameters: Readonly<Record<Language, string>> = {
  python: 'import os\ndef f(a, b=2, *, c, item):\n    return [a, b, c, item.path, item.href, item.file, item.size, os.path.isdir(item.folder), dict(item.parameters)]',
  typescript: "import { statSync } from 'node:fs';\nimport type { ParameterFunction } from 'tilefan';\nexport const f: ParameterFunction<{ a: number; b?: number; c: unknown }> = ({ a, b = 2, c }, item) => [a, b, c, item.path, item.href, item.file, item.size, statSync(item.folder).isDirectory(), item.parameters];",
};

for (const language of ['python', 'typescript'] as const) {
  const ending = endings[language];
  void describe(`functions over items in ${language}`, { skip: skips[language] }, () => {
    // Catches a field that is lost or has another name, and parameters that don't arrive.
    void it('get an object', async () => {
      await withItems({ ending, source: tellers[language] }, async (run) => {
        const wanted = { index: 0, href: 's3://in/pets/cat.txt', path: 'pets/cat.txt', name: 'cat.txt', size: 5, text: 'a cat', left: [], rate: 0.5, all: { rate: 0.5, deep: [{ ü: null }] } };
        assert.deepEqual(await run.object({ rate: 0.5, deep: [{ ü: null }] }), wanted);
      });
    });

    // Catches sets of parameters that come as an item, and an item that comes as one of them.
    void it('get a set of parameters', async () => {
      await withItems({ ending, source: settersOfParameters[language] }, async (run) => {
        assert.deepEqual(await run.set({ a: 1, c: 'x' }), [1, 2, 'x', '00000007', null, null, null, true, { a: 1, c: 'x' }]);
        assert.deepEqual(await run.set({ a: 0, b: 9, c: null }), [0, 9, null, '00000007', null, null, null, true, { a: 0, b: 9, c: null }]);
      });
    });

    // Catches a process that is started for each item, and prints of one item that are told of the next.
    void it('work on item after item in one process', async () => {
      const source = language === 'python' ? 'import os\nprint("loaded")\ndef f(item):\n    print("at", item.index)\n    return os.getpid()' : 'console.log("loaded");\nexport function f(item: { index: number }) { console.log("at", item.index); return process.pid; }';
      await withItems({ ending, source }, async (run) => {
        await run.process.load();
        const pid = run.process.pid;
        assert.equal(run.process.output().stdout, 'loaded\n');
        assert.deepEqual([await run.object(), run.process.output().stdout], [pid, 'at 0\n']);
        assert.deepEqual([await run.object(), run.process.output().stdout], [pid, 'at 1\n']);
      });
    });

    // Catches an exception whose place, class or traceback is lost, and a process that isn't usable after it.
    void it('fail with a traceback', async () => {
      const source =
        language === 'python'
          ? 'def inner(n):\n    return 1 / n\n\ndef f(item):\n    print("before")\n    return inner(item.parameters.n)\n'
          : 'function inner(n: number): number {\n  if (n === 0) throw new RangeError("division by zero");\n  return 1 / n;\n}\nexport function f(item: { parameters: { n: number } }) {\n  console.log("before");\n  return inner(item.parameters.n);\n}\n';
      await withItems({ ending, source }, async (run) => {
        const error = await run.object({ n: 0 }).then(() => assert.fail(), (thrown: unknown) => thrown);
        assert.ok(error instanceof OperationError);
        assert.equal(error.code, 'FUNCTION_FAILED');
        assert.equal(error.message, language === 'python' ? 'function inner at user.py:2: ZeroDivisionError: division by zero' : 'function f at user.ts:2: RangeError: division by zero');
        assert.match(String(error.where['traceback']), language === 'python' ? /user\.py", line 6, in f\n[^]*user\.py", line 2, in inner/ : /at inner \(user\.ts:2:\d+\)\n.*at f \(user\.ts:7:\d+\)/);
        assert.equal(error.where['stdout'], 'before\n');
        const pid = run.process.pid;
        assert.equal(await run.object({ n: 4 }), 0.25);
        assert.equal(run.process.pid, pid);
      });
    });

    // Catches an item that takes the following ones with it, when it hangs, exits or crashes.
    void it('lose one item where the process ends, and no more', async () => {
      const source =
        language === 'python'
          ? 'import os, signal, time\ndef f(item):\n    how = item.parameters.how\n    print("now", how, flush=True)\n    if how == "hang": time.sleep(1000)\n    if how == "exit": os._exit(3)\n    if how == "kill": os.kill(os.getpid(), signal.SIGKILL)\n    return how'
          : 'export function f({ parameters: { how } }: { parameters: { how: string } }) {\n  console.log("now", how);\n  if (how === "hang") for (;;);\n  if (how === "exit") process.reallyExit(3);\n  if (how === "kill") process.kill(process.pid, "SIGKILL");\n  return how;\n}\ndeclare global { namespace NodeJS { interface Process { reallyExit(code: number): never } } }';
      await withItems({ ending, source, options: { timeoutSeconds: 3 } }, async (run) => {
        const cases = [
          ['hang', 'FUNCTION_TIMEOUT', /^function f: an item took longer than the 3 s that it may, so its process was ended; its last words: now hang$/],
          ['exit', 'FUNCTION_DIED', /^function f: its process ended with exit code 3 while it worked; its last words: now exit$/],
          ['kill', 'FUNCTION_DIED', /was ended by SIGKILL while it worked: most likely the machine had too little memory; let fewer threads work, or give the task more memory/],
        ] as const;
        for (const [how, code, words] of cases) {
          const error = await run.object({ how }).then(() => assert.fail(), (thrown: unknown) => thrown);
          assert.ok(error instanceof TilefanError);
          assert.equal(error.code, code, error.message);
          assert.match(error.message, words);
          assert.equal(await run.object({ how: 'fine' }), 'fine');
        }
      });
    });

    // Catches an item that closes what its process prints into, or puts another file there, and all later items of that process failing of it.
    void it('get a fresh process after one that has damaged its own', async () => {
      const source =
        language === 'python'
          ? 'import os, sys\ndef f(item):\n    how = item.parameters.how\n    print("now", how)\n    if how == "close": os.close(1)\n    if how == "replace":\n        fd = os.open(item.folder + "/log", os.O_CREAT | os.O_WRONLY); os.dup2(fd, 2); os.close(fd)\n    if how == "stream": sys.stdout.close()\n    if how == "throw": os.close(2); raise ValueError("after all")\n    return os.getpid()'
          : `import { closeSync, openSync } from 'node:fs';
export function f({ folder, parameters: { how } }: { folder: string; parameters: { how: string } }) {
  console.log('now', how);
  if (how === 'close') closeSync(1);
  if (how === 'replace') { closeSync(2); openSync(folder + '/log', 'w'); }
  if (how === 'throw') { closeSync(2); throw new Error('after all'); }
  return process.pid;
}`;
      await withItems({ ending, source }, async (run) => {
        let before = await run.object({ how: 'fine' });
        assert.equal(await run.object({ how: 'fine' }), before, 'a sound one is kept');
        for (const how of ['close', 'replace', ...(language === 'python' ? ['stream'] : []), 'throw']) {
          if (how === 'throw') await assert.rejects(run.object({ how }), { code: 'FUNCTION_FAILED', message: /after all/ });
          else assert.equal(await run.object({ how }), before, how);
          const after = await run.object({ how: 'fine' });
          assert.notEqual(after, before, how);
          assert.match(run.process.output().stdout, /now fine/);
          before = after;
        }
      });
    });

    // Catches a function that returns nothing and is taken for one that failed, and numbers that JSON has no notation for.
    void it('return anything that JSON can hold, or nothing', async () => {
      const source =
        language === 'python'
          ? 'import numpy as np\nimport datetime\ndef f(what):\n    return {"nothing": None, "nan": [float("nan"), float("-inf")], "array": {"a": np.arange(3, dtype="uint8"), "m": np.float32(0.5)}, "text": "ü\\u2028\\"", "file": open("/dev/null")}[what]'
          : 'export function f({ what }: { what: string }) {\n  return { nothing: undefined, nan: [NaN, -Infinity], array: { a: new Uint8Array([0, 1, 2]), m: 0.5 }, text: "ü\\u2028\\"", file: () => 1 }[what];\n}';
      await withItems({ ending, source }, async (run) => {
        assert.equal(await run.set({ what: 'nothing' }), undefined);
        assert.deepEqual(await run.set({ what: 'nan' }), ['nan', '-inf']);
        assert.deepEqual(await run.set({ what: 'array' }), { a: [0, 1, 2], m: 0.5 });
        assert.equal(await run.set({ what: 'text' }), 'ü\u2028"');
        const error = await run.set({ what: 'file' }).then(() => assert.fail(), (thrown: unknown) => thrown);
        assert.ok(error instanceof OperationError && error.code === 'FUNCTION_NO_OUTPUT', String(error));
        assert.match(error.message, /JSON/);
      });
    });

    // Catches code that is found to be wrong with the first item only, of which there may be none for a while.
    void it('are refused when they are loaded', async () => {
      const sources = language === 'python' ? ['def g(item):\n    pass\n', 'def f(item)\n', 'import not_there\n', 'async def f(item):\n    pass\n', 'def f(item):\n    yield 1\n'] : ['export const g = 1;', 'export const f = ;', 'throw new Error("no");', 'export const f = 3;', 'export function f(a: 1, b: 2, c: 3) {}'];
      const codes = ['FUNCTION_MISSING', 'FUNCTION_LOAD', 'FUNCTION_LOAD', 'FUNCTION_SIGNATURE', 'FUNCTION_SIGNATURE'];
      for (const [i, source] of sources.entries()) {
        if (language === 'typescript' && i === 1) continue; // The bundler says it.
        const error = await failure({ ending, source }, async (run) => await run.process.load());
        assert.ok(error instanceof JobError, String(error));
        assert.equal(error.code, codes[i], error.message);
      }
    });
  });
}

void describe('how a Python function is called', { skip: withoutGdal }, () => {
  const object = async (source: string, parameters = {}): Promise<unknown> => await withItems(python(source), async (run) => await run.object(parameters));
  const set = async (source: string, parameters: object): Promise<unknown> => await withItems(python(source), async (run) => await run.set(parameters as never));

  // Catches each rule of the signature by itself.
  void it('is decided by its signature', async () => {
    assert.deepEqual(
      await Promise.all([
        object('def f(x): return x.name'),
        object('def f(x, rate, more=3): return [x.name, rate, more]', { rate: 1, other: 2 }),
        object('def f(x, **all): return [x.name, all]', { rate: 1 }),
        object('def f(rate, item): return [item.name, rate]', { rate: 1, other: 2 }),
        object('def f(*all): return all[0].name', { rate: 1 }),
        object('f = lambda x, /: x.name'),
        set('def f(a, b=2): return [a, b]', { a: 1 }),
        set('def f(**all): return all', { a: 1, item: 2 }),
        set('def f(x): return [x.parameters.a, x["parameters"] if hasattr(x, "__getitem__") else 0]', { a: 1 }),
        set('f = lambda x, /: x.parameters.a', { a: 1 }),
        set('def f(item): return item.parameters["a"]', { a: 1, b: 2 }),
        set('def f(item): return item', { item: 5 }),
        set('def f(): return 3', {}),
      ]),
      ['cat.txt', ['cat.txt', 1, 3], ['cat.txt', { rate: 1 }], ['cat.txt', 1], 'cat.txt', 'cat.txt', [1, 2], { a: 1, item: 2 }, [1, 0], 1, 1, 5, 3],
    );
  });

  const refusals: readonly (readonly [string, string, object, RegExp])[] = [
    ['nothing gives an argument', 'def f(a, b): pass', { a: 1 }, /^f\(a, b\) can't be called with this item: the item has the parameter a; nothing gives b$/],
    ['a parameter is unknown', 'def f(a): pass', { a: 1, b: 2 }, /the item has the parameters a, b; it takes no b$/],
    ['a name has a mistake', 'def f(lenght): pass', { length: 1 }, /nothing gives lenght; it takes no length; is length meant to be lenght\?$/],
    ['a name is another one, beside one that may be left out', 'def f(rate, depth=2): pass', { speed: 1 }, /nothing gives rate; it takes no speed$/],
    ['there are no parameters', 'def f(a, b): pass', {}, /the item has no parameters; nothing gives a, b$/],
  ];
  for (const [what, source, parameters, words] of refusals) {
    // Catches Python's own sentence, which speaks of positional arguments, and a failure of the whole run, as another set may fit.
    void it(`says why it can't be: ${what}`, async () => {
      const error = await failure(python(source), async (run) => await run.set(parameters as never));
      assert.ok(error instanceof OperationError, String(error));
      assert.equal(error.code, 'FUNCTION_ARGUMENTS');
      assert.match(error.message, words);
    });
  }

  // Catches a function that no object can be given to, and that is called ten thousand times to find out.
  void it('is refused for all objects where it takes none', async () => {
    const error = await failure(python('def f(*, rate=1): pass'));
    assert.ok(error instanceof JobError);
    assert.equal(error.code, 'FUNCTION_SIGNATURE');
    assert.match(error.message, /f\(\*, rate=1\) can't be called with an object; wanted f\(item\)/);
  });

  // Catches a TypeError of the function's own that is taken for one of its call.
  void it("doesn't take the function's own mistakes for those of the call", async () => {
    const error = await failure(python('def g(a): pass\ndef f(item):\n    g()\n'));
    assert.equal(error.code, 'FUNCTION_FAILED');
    assert.match(error.message, /user\.py:3: TypeError: g\(\) missing 1 required positional argument/);
  });

  // Catches an AttributeError that names a class of ours only.
  void it('says which parameters there are', async () => {
    const error = await failure(python('def f(item):\n    return item.parameters.lenght\n'), async (run) => await run.object({ length: 1 }));
    assert.match(error.message, /there is no parameter lenght; did you mean length\?/);
  });

  // Catches pickles that are read as those of functions over tiles only.
  void it('works for pickled functions', async () => {
    await withItems(python('', { function: null }), async (run) => {
      const made = runPython(
        `import cloudpickle, pickle, sys
factor = 3
def times(x): return x * factor
open(sys.argv[1] + '/one.pkl', 'wb').write(cloudpickle.dumps(times))
open(sys.argv[1] + '/pair.pkl', 'wb').write(pickle.dumps({'tilefan': 1, 'python': list(sys.version_info[:3])}, protocol=2) + cloudpickle.dumps((times, None)))
print('made')`,
        [run.folder],
      );
      assert.equal(made.trim(), 'made');
      for (const name of ['one.pkl', 'pair.pkl']) {
        const code = join(run.folder, name);
        assert.ok(existsSync(code));
        assert.equal(await withItems(python('', { function: null, setup: { code } }), async (pickled) => await pickled.set({ x: 14 })), 42);
      }
    });
  });
});

void describe('how a TypeScript function is called', () => {
  // Catches a default export that is looked for by another name.
  void it('may be the default export', async () => {
    await withItems(typescript('export default async (p: { a: number }) => p.a + 1;', { function: null }), async (run) => assert.equal(await run.set({ a: 1 }), 2));
  });

  // Catches the answer of a forked child taken for its parent's, or for that of the next item.
  void it('answers once where it forks and comes back twice', { skip: withoutGdal }, async () => {
    const source = `import os
def f(item):
    fails = item.parameters.fails
    child = os.fork()
    if child == 0:
        if fails: raise ValueError('in the child')
        return 'child'
    return [item.index, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])]
`;
    await withItems({ ending: '.py', source }, async (run) => {
      for (const [i, fails] of [false, true, false].entries()) assert.deepEqual(await run.object({ fails }), [i, fails ? 1 : 0]);
    });
  });

  // Catches promises that nobody waits for, and exits, which would look like a success or as if the process had crashed.
  void it('fails with what it leaves behind', async () => {
    const left = await failure(typescript('export async function f() { await new Promise(() => undefined); }'));
    assert.match(left.message, /waits for a promise that nothing will ever settle/);
    const long = await failure(typescript('export const f = () => "x".repeat(70 * 2 ** 20);'));
    assert.match(long.message, /returned 70 MiB of JSON; wanted 64 MiB at most for one item: what is larger belongs into a file in item\.folder/);
    const exit = await failure(typescript('export function f() { process.exit(0); }'));
    assert.match(exit.message, /called process\.exit\(0\)/);
  });
});

void describe('functions over items in a Python without numpy', { skip: withoutGdal }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'tilefan-bare-python-'));
  const bare = `${folder}/bin/python3`;
  before(() => execFileSync(gdalPython, ['-m', 'venv', '--without-pip', folder]));
  after(() => {
    rmSync(folder, { recursive: true });
  });

  // Catches whatever of the package asks for numpy when a value is looked at, or a function is loaded.
  void it('return all that JSON holds', async () => {
    assert.throws(() => execFileSync(bare, ['-c', 'import numpy'], { stdio: 'ignore' }));
    const source = `import array, datetime, dataclasses
@dataclasses.dataclass
class Point:
    x: int
class Odd:
    __array__ = tolist = None
def f(item):
    return {'text': open(item.file).read(), 'set': {2, 1}, 'nan': float('nan'), 'date': datetime.date(2026, 1, 2), 'point': Point(3), 'odd': Odd(), 4: [None, True]}`;
    await withItems(python(source, { options: { python: bare } }), async (run) => {
      assert.deepEqual(await run.object(), { text: 'a cat', set: [1, 2], nan: 'nan', date: '2026-01-02', point: { x: 3 }, odd: {}, 4: [null, true] });
    });
  });
});
