/** `tilefan.map` and its kind, in scripts as users write them: real runs on this machine, and AWS with a stand-in for the command line. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { after, describe, it } from 'node:test';
import { until, workersOf } from '../support/cli.ts';
import { createWorkspace } from '../support/workspace.ts';
import { python, withoutCloudpickle } from './support/host.ts';
import { runScript, scriptEnvironment } from './support/rios.ts';

const space = createWorkspace('python-client');
after(() => space.remove());

/** Runs a script in a folder of its own, and reads the JSON that it prints last. */
async function script(text: string, env: NodeJS.ProcessEnv = {}, folder = space.newFolder()): Promise<{ readonly answer: unknown; readonly folder: string; readonly stderr: string }> {
  writeFileSync(`${folder}/script.py`, `import json, tilefan\n${text}`);
  const { stdout, stderr, exitCode } = await runScript('script.py', [], folder, { XDG_CACHE_HOME: space.path('cache'), ...env });
  assert.equal(exitCode, 0, stderr);
  return { answer: JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? ''), folder, stderr };
}

describe('tilefan.map', { skip: withoutCloudpickle }, () => {
  // Catches: a function of the script itself that workers don't find, closures and modules beside it left behind, another order.
  void it('calls functions of the script with dicts, values and files', async () => {
    const folder = space.newFolder();
    writeFileSync(`${folder}/beside.py`, 'def shift(x):\n    return x + 100\n');
    writeFileSync(`${folder}/a b.txt`, 'abc');
    const { answer } = await script(
      `import pathlib, beside
factor = 3
def area(width, height=1):
    return {'area': width * height}
def scaled(x):
    return beside.shift(x * factor)
def read(item):
    with open(item.file) as file:
        return [item.name, file.read()]
print(json.dumps([
    tilefan.map(area, [{'width': 2, 'height': 3}, {'width': 4}]),
    tilefan.map(scaled, range(40)) == [100 + 3 * x for x in range(40)],
    tilefan.map(read, [pathlib.Path('a b.txt')]),
    tilefan.map(lambda text: text.upper(), ['a', 'b'], workers=2, threads=1),
]))
`,
      {},
      folder,
    );
    assert.deepEqual(answer, [[{ area: 6 }, { area: 4 }], true, [['a b.txt', 'abc']], ['A', 'B']]);
  });

  // Catches: tuples that become lists, arrays and dates that can't be sent, large numbers that lose digits.
  void it('keeps what JSON would change', async () => {
    const { answer } = await script(`import datetime, numpy
values = [(1, 2), datetime.date(2020, 1, 2), 2 ** 70, 2.0, float('inf'), {3: 4}, None, b'x', [numpy.int16(3)], -0.0, 1e17, 2.5, [2.0], 3, True]
returned = [*values, {'a': -0.0}, {'value': 1}, {'value': 1.0, 'b': 2}]
def told(x):
    return [type(x).__name__, repr(x), type(x[0]).__name__ if isinstance(x, list) else '']
first = tilefan.submit(lambda i: returned[i], range(len(returned)))
wanted = [told(each) for each in returned]
given = tilefan.map(told, values)
print(json.dumps([[each[0] for each in given], given == wanted[:len(values)], [told(each) for each in first.results()] == wanted, tilefan.map(told, first) == wanted,
    tilefan.map(lambda x: x, [2.0, 0.5], results='t.csv'), open('t.csv').read()]))
`);
    const [types, given, back, next, ...table] = answer as [string[], boolean, boolean, boolean, number[], string];
    assert.deepEqual(types, ['tuple', 'date', 'int', 'float', 'float', 'dict', 'NoneType', 'bytes', 'list', 'float', 'float', 'float', 'list', 'int', 'bool']);
    assert.deepEqual({ given, back, next }, { given: true, back: true, next: true });
    // Numbers stay numbers in a table.
    assert.deepEqual(table[0], [2, 0.5]);
    assert.doesNotMatch(table[1] ?? '', /tilefanPickle/);
  });

  // Catches: "exit code 1" in place of the traceback, one failure that takes the other results with it, an exception that a script can't catch by its class.
  void it('brings exceptions back with their traceback and their item', async () => {
    const { answer } = await script(`def inverse(x):
    return deeper(x)
def deeper(x):
    return 1 / x
everything = tilefan.map(inverse, [1, 0, 2, 0], return_exceptions=True)
try:
    tilefan.map(inverse, [4, 0])
except ZeroDivisionError as error:
    caught = error
print(json.dumps([[each if isinstance(each, (int, float)) else type(each).__name__ for each in everything], isinstance(caught, tilefan.ItemError), caught.item, caught.index, caught.type, caught.code, str(caught)]))
`);
    const [all, isItemError, item, index, type, code, text] = answer as [unknown[], boolean, number, number, string, string, string];
    assert.deepEqual([all, isItemError, item, index, type, code], [[1, 'ItemError', 0.5, 'ItemError'], true, 0, 1, 'ZeroDivisionError', 'FUNCTION_FAILED']);
    assert.match(text, /item 1, 0: .*deeper.*script\.py:5: ZeroDivisionError: division by zero/);
    assert.match(text, /line 3, in inverse[\s\S]*line 5, in deeper\n {4}return 1 \/ x\n/);
  });

  // Catches: a line of cloudpickle's in place of the user's function and what it returned.
  void it('says which function returned what can not be sent back', async () => {
    const { answer } = await script(`import threading
def lazy(x):
    return (i for i in range(x))
def locked(x):
    return {'value': threading.Lock()}
print(json.dumps([[error.code, str(error)] for f in (lazy, locked) for error in tilefan.map(f, [1], return_exceptions=True)]))
`);
    const said = (answer as [string, string][]).map(([code, text]) => `${code} ${text}`);
    assert.match(said[0] ?? '', /^FUNCTION_NO_OUTPUT item 0, 1: function lazy at script\.py:3: returned an object of type generator, which can't be sent back .*; wanted a list of what it gives$/);
    assert.match(said[1] ?? '', /^FUNCTION_NO_OUTPUT item 0, 1: function locked at script\.py:5: returned an object of type dict, .*lock.*; wanted what can be pickled$/);
  });

  // Catches: items that are missing, or there twice, when a worker is lost; a function's death that ends the whole run.
  void it('has each item once when its processes are killed', async () => {
    const { answer } = await script(`import os, signal
def once(x):
    if x == 7 and not os.path.exists(os.environ.get('NOTE', NOTE)):
        open(NOTE, 'w').close()
        os.kill(os.getppid(), signal.SIGKILL)
    return x
def dies(x):
    if x == 1:
        os.abort()
    return x
NOTE = os.path.abspath('note')
print(json.dumps([tilefan.map(once, range(20)) == list(range(20)), os.path.exists('note'), [each if isinstance(each, int) else each.code for each in tilefan.map(dies, [0, 1, 2], return_exceptions=True)]]))
`);
    assert.deepEqual(answer, [true, true, [0, 'FUNCTION_DIED', 2]]);
  });

  void it('takes what another run has come to', async () => {
    const { answer } = await script(`def pair(x):
    return (x, x)
def total(it):
    return sum(it)
def named(a, b):
    return a - b
first = tilefan.submit(pair, [1, 2])
second = tilefan.submit(total, first)
third = tilefan.map(lambda x: {'a': x, 'b': 1}, 'run:' + second.wait().run)
fourth = tilefan.submit(lambda x: {'a': x, 'b': 1}, second)
print(json.dumps([second.results(), third, tilefan.map(named, fourth)]))
`);
    assert.deepEqual(answer, [[2, 4], [{ a: 2, b: 1 }, { a: 4, b: 1 }], [1, 3]]);
  });

  // Catches: a second step over files that gets the files again, fields of dicts that aren't matched to arguments once they hold a whole float.
  void it('hands values on from a step over files', async () => {
    const { answer } = await script(`import pathlib
for name, text in (('a.txt', 'one two'), ('b.txt', 'three')):
    open(name, 'w').write(text)
def words(item):
    return open(item.file).read().split()
def measured(item):
    return {'width': float(item.size), 'height': 2}
def area(width, height):
    return width * height
def made(item):
    open(item.folder + '/made.txt', 'w').write('made of ' + item.name)
def read(item, k):
    return [open(item.file).read(), k, item.parameters['k']]
paths = [pathlib.Path('a.txt'), pathlib.Path('b.txt')]
print(json.dumps([tilefan.map(len, tilefan.submit(words, paths)), tilefan.map(area, tilefan.submit(measured, paths)), tilefan.map(read, tilefan.submit(made, paths, outputs='made'), parameters={'k': 3})]))
`);
    assert.deepEqual(answer, [[2, 1], [14, 10], [['made of a.txt', 3, 3], ['made of b.txt', 3, 3]]]);
  });

  // Catches: parameters that only functions of dicts get, and those that take the place of the item's own.
  void it('passes the named parameters on, whatever the items are', async () => {
    const { answer } = await script(`import pathlib
open('a.txt', 'w').write('abc')
def f(x, k=1):
    return [x, k]
def size(item, k):
    return [item.size, k]
named = {'parameters': {'k': 5}}
first = tilefan.submit(lambda x: {'x': x, 'k': 7} if x == 1 else x, [1, 2])
print(json.dumps([tilefan.map(f, [1, 2], **named), tilefan.map(f, [{'x': 1}, {'x': 2, 'k': 6}], **named), tilefan.map(size, [pathlib.Path('a.txt')], **named), tilefan.map(f, first, **named), tilefan.map(f, ['a'], parameters={'k': (1, 2.0)})]))
`);
    assert.deepEqual(answer, [[[1, 5], [2, 5]], [[1, 5], [2, 6]], [[3, 5]], [[1, 7], [2, 5]], [['a', [1, 2]]]]);
  });

  // Catches: results of the run that had the id before, and a list without a word of the table that isn't there.
  void it('raises when the run as a whole has failed', async () => {
    const { answer } = await script(`said = []
def attempt(*arguments, **options):
    for more in ({}, {'return_exceptions': True}):
        try:
            said.append(tilefan.map(*arguments, **options, **more))
        except tilefan.TilefanError as error:
            said.append([type(error).__name__, str(error)])
def fails(x):
    raise ValueError('no')
ones = tilefan.map(lambda x: x + 1, [1, 2], run='same')
attempt(lambda x: x * 100, [7, 8, 9], run='same')
attempt(fails, [1], run='failed')
attempt(lambda x: x, [1], run='failed')
attempt(lambda x: x + 1, [1, 2], results='/proc/nope/t.csv')
print(json.dumps([ones, [each if isinstance(each[0], str) else type(each[0]).__name__ for each in said]]))
`);
    const [ones, said] = answer as [number[], (string | [string, string])[]];
    assert.deepEqual(ones, [2, 3]);
    const other = ['RunError', /started with another job/] as const;
    const wanted = [other, other, ['ItemError', /ValueError: no/], ['ItemError'], other, other, ['RunError', /folder \/proc\/nope does not exist/], ['RunError', /proc\/nope/]] as const;
    assert.equal(said.length, wanted.length);
    for (const [i, [type, words]] of wanted.entries()) {
      const got = [said[i] ?? ''].flat();
      assert.equal(got[0], type, JSON.stringify(said));
      if (words !== undefined) assert.match(got[1] ?? '', words);
    }
  });

  // Catches: a function under another name in each call, so that a cancelled run can't go on; its items done again; a changed function that passes for the same one.
  void it('goes on with a cancelled run by its id, in another process too', async () => {
    const folder = space.newFolder();
    const text = (constant: number): string => `import os, time
class Kind:
    def __init__(self, x): self.x = x
def f(x):
    with open(HERE + '/done-%d' % x, 'a') as file:
        file.write('x')
    if x == 1 and not os.path.exists(HERE + '/go'):
        time.sleep(600)
    return Kind(x).x + ${String(constant)}
HERE = os.getcwd()
if not os.path.exists('go'):
    run = tilefan.submit(f, [0, 1], run='same')
    while run.done < 1:
        time.sleep(0.02)
    run.cancel()
    open('go', 'w').close()
    print(json.dumps(run.status))
else:
    try:
        print(json.dumps([tilefan.map(f, [0, 1], run='same'), os.path.getsize('done-0')]))
    except tilefan.RunError as error:
        print(json.dumps(str(error)))
`;
    const env = { PYTHONHASHSEED: 'random' };
    assert.equal((await script(text(10), env, folder)).answer, 'ABORTED');
    assert.deepEqual((await script(text(10), env, folder)).answer, [[10, 11], 1]);
    assert.match(String((await script(text(20), env, folder)).answer), /another job/);
  });

  void it('says what it can not be called with, before anything is started', async () => {
    const { answer } = await script(`import threading
handle = threading.Lock()
async def later(x): pass
said = []
open('there.txt', 'w').close()
for call in (lambda: tilefan.map(3, [1]), lambda: tilefan.map(len, []), lambda: tilefan.map(later, [1]), lambda: tilefan.map(len, ['a', {'b': 1}]), lambda: tilefan.map(len, ['there.txt']),
             lambda: tilefan.map(len, [1], wherever='aws'), lambda: tilefan.map(len, [1], where='moon'), lambda: tilefan.map(lambda x: handle, [1]), lambda: tilefan.run({'items': {}})):
    try:
        call()
    except Exception as error:
        said.append(str(error))
print(json.dumps(said))
`);
    const words = [/wants a function; found 3/, /there are no items/, /later is async/, /items 0 and 1 are of two kinds/, /say objects=True/, /no option wherever; known are .*where/, /wanted 'local' or 'aws'/, /can't be sent to another process: TypeError: .*lock/, /\$\.operation: missing/];
    const said = answer as string[];
    assert.equal(said.length, words.length, said.join('\n'));
    for (const [i, word] of words.entries()) assert.match(said[i] ?? '', word);
  });
});

describe('tilefan.submit', { skip: withoutCloudpickle }, () => {
  const slow = `import time
def slow(x):
    time.sleep(600 if x else 0)
    return x
`;

  void it('returns at once, tells how it goes, and is cancelled', async () => {
    const { answer, folder } = await script(`${slow}
told = []
run = tilefan.submit(slow, [0, 1], progress=lambda done, total: told.append([done, total]))
states = [run.status]
try:
    run.wait(timeout=0.1)
except TimeoutError:
    states.append('waited')
while run.done < 1:
    time.sleep(0.05)
run.cancel()
states.append(run.status)
try:
    run.results()
except tilefan.RunCancelled as error:
    states.append(error.code)
done, other = run.results(return_exceptions=True)
print(json.dumps([states, told[-1], [each['ok'] for each in run.outcomes()], done, type(other).__name__, str(other)]))
`);
    const [states, last, outcomes, done, type, text] = answer as unknown[];
    assert.deepEqual([states, last], [['RUNNING', 'waited', 'ABORTED', 'RUN_CANCELLED'], [1, 2]]);
    // Catches: what is finished and can't be reached.
    assert.deepEqual([outcomes, done, type], [[true, false], 0, 'RunCancelled']);
    assert.match(String(text), /^item 1, 1: run .* was cancelled before it was done/);
    await until('the end of the workers', () => workersOf(`file://${folder}`).length + workersOf(folder).length === 0, 5);
  });

  // Catches: values of the run that had the id before; a list that is shorter than the items.
  void it('has an exception for each item when it is cancelled before it has come to them', async () => {
    const { answer } = await script(`values = tilefan.map(lambda x: x, [5, 6], run='same')
run = tilefan.submit(lambda x: x + 1, [7, 8, 9], run='same')
run.cancel()
print(json.dumps([values, run.status, run.outcomes(), [type(each).__name__ for each in run.results(return_exceptions=True)]]))
`);
    assert.deepEqual(answer, [[5, 6], 'ABORTED', [], ['RunCancelled', 'RunCancelled', 'RunCancelled']]);
  });

  // Catches: Control-C that ends the script and leaves the workers, or the other way round.
  void it('is cancelled by Control-C', async () => {
    const folder = space.newFolder();
    writeFileSync(`${folder}/script.py`, `import tilefan, sys\n${slow}
run = tilefan.submit(slow, [1])
print(run.run, flush=True)
run.results()
`);
    const child = spawn(python, ['script.py'], { cwd: folder, env: { ...scriptEnvironment(), TILEFAN_WORK: `${folder}/work/` }, stdio: ['ignore', 'pipe', 'pipe'] });
    const workers = (): number => workersOf(`${folder}/work/`).length;
    await until('workers', () => workers() > 0);
    await until('its batch', () => existsSync(`${folder}/work/runs`));
    child.kill('SIGINT');
    const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
    assert.ok(signal === 'SIGINT' || code === 1 || code === 130, `${String(code)} ${String(signal)}`);
    await until('the end of the workers', () => workers() === 0, 10);
  });

  void it('runs any job, and says why it failed', async () => {
    const { answer } = await script(`
job = {'name': 'p', 'items': {'parameters': [{'a': 1}]}, 'operation': {'module': 'f.py', 'function': 'f'}}
open('f.py', 'w').write('def f(a):\\n    return a + 1\\n')
json.dump(job, open('job.json', 'w'))
records = [tilefan.run(job), tilefan.run('job.json')]
try:
    tilefan.run({**job, 'operation': {'module': 'none.py', 'function': 'f'}})
except tilefan.RunError as error:
    said = str(error)
print(json.dumps([[record['items']['done'] for record in records], said]))
`);
    const [done, said] = answer as [number[], string];
    assert.deepEqual(done, [1, 1]);
    assert.match(said, /none\.py/);
  });
});

describe('on AWS', { skip: withoutCloudpickle }, () => {
  // Catches: options that don't reach the command, a job that isn't what was asked, results of nowhere, a cancel that only stops waiting.
  void it('submits, reads and cancels by the command line', async () => {
    const folder = space.newFolder();
    writeFileSync(
      `${folder}/stand-in.py`,
      `import json, os, signal, sys, time
arguments = sys.argv[1:]
here = ${JSON.stringify(folder)}
json.dump({'arguments': arguments, 'folder': os.environ.get('TILEFAN_FOLDER'), 'region': os.environ.get('AWS_REGION')}, open(here + '/' + arguments[0] + '.json', 'w'))
if arguments[0] == 'submit':
    job = json.load(sys.stdin)
    json.dump({'job': job, 'there': os.path.exists(job['operation']['module'])}, open(here + '/job.json', 'w'))
    print(json.dumps({'event': 'Run:Progress', 'state': 'ProcessBatches', 'batchesDone': 1, 'batches': 2, 'batchesFailed': 0}), file=sys.stderr, flush=True)
    if job['items']['parameters'] == [{'value': 'wait'}]:
        while not os.path.exists(here + '/cancel.json'):
            time.sleep(0.02)
        print(json.dumps({'run': 'x', 'state': 'ABORTED', 'prefix': 's3://work/runs/x/'}))
        sys.exit(130)
    print(json.dumps({'run': 'x', 'state': 'SUCCEEDED', 'prefix': 's3://work/runs/x/', 'record': {'run': 'x', 'prefix': 's3://work/runs/x/'}}))
if arguments[0] == 'results':
    for index in range(2):
        print(json.dumps({'index': index, 'item': None, 'path': '', 'parameters': {}, 'ok': True, 'value': index * 10, 'outputs': []}))
`,
    );
    const { answer } = await script(
      `values = tilefan.map(lambda x: x, [1, 2], where='aws', stage='prod', region='eu-west-1', cpu=4, max_concurrency=7, folder='s3://code', timeout='1m')
run = tilefan.submit(lambda x: x, ['wait'], where='aws')
while not run.done:
    pass
run.cancel()
print(json.dumps([values, run.status, run.run]))
`,
      { TILEFAN_COMMAND: `${python} ${folder}/stand-in.py` },
    );
    const [values, status, id] = answer as [number[], string, string];
    assert.deepEqual([values, status], [[0, 10], 'ABORTED']);
    const read = (name: string): { arguments: string[]; folder: string | null; region: string | null; job: { compute: object; operation: { timeout: string } }; there: boolean } => JSON.parse(readFileSync(`${folder}/${name}.json`, 'utf8')) as never;
    assert.deepEqual(read('results').arguments, ['results', 's3://work/runs/x/', '--region', 'eu-west-1']);
    assert.deepEqual(read('cancel').arguments, ['cancel', id]);
    assert.deepEqual(read('submit').arguments, ['submit', '-', '--wait', '--json', '--run', id]);
    assert.equal(read('job').there, true);
  });
});
