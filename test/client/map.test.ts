/** `map` and `run` in a program: real runs on this machine, with workers as child processes. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { after, describe, it } from 'node:test';
import { map, run, ItemError, RunError, type RunProgress } from '../../index.ts';
import { projectFolder, until, workersOf } from '../support/cli.ts';
import { createWorkspace } from '../support/workspace.ts';

const space = createWorkspace('client');
after(() => space.remove());

const functions = space.path('functions.ts');
writeFileSync(
  functions,
  `export function double({ value }: { value: number }): number { return value * 2; }
export function picky({ value }: { value: number }): number {
  if (value % 2 === 1) throw new RangeError('odd: ' + value);
  return value;
}
export function dies({ value }: { value: number }): number {
  if (value === 1) process.abort();
  return value;
}
export async function hangs({ value }: { value: number }): Promise<number> {
  if (value === 1) await new Promise((resolve) => setTimeout(resolve, 600_000));
  return value;
}
export function length(item: { file: string; size: number; name: string }): object { return { name: item.name, size: item.size }; }
`,
);
const of = (name: string): { module: string; function: string } => ({ module: functions, function: name });
/** Workers that were started ahead are known by the href of their folder. */
const workersUnder = (folder: string): number => workersOf(`file://${folder}`).length;
const work = (): { work: string; cancelOnInterrupt: false } => ({ work: `${space.newFolder('work')}/`, cancelOnInterrupt: false });

describe('map', () => {
  // Catches: results in the order in which they come, one lost or twice, values as texts.
  void it('gives the values of all items, in their order', async () => {
    const items = Array.from({ length: 200 }, (_, i) => i);
    const handle = await map<number>(of('double'), items, { ...work(), workers: 2, threads: 1 });
    assert.deepEqual(await handle.values(), items.map((i) => i * 2));
    const { state, record } = await handle.result();
    assert.equal(state, 'SUCCEEDED');
    assert.ok(record !== undefined && 'items' in record);
    assert.deepEqual([record.items.total, record.items.done], [200, 200]);
  });

  // Catches: a failure that hides what the others came to, and one without the user's own line.
  void it('gives each item its own value or error, with the place in the function', async () => {
    const handle = await map<number>(of('picky'), [0, 1, 2, 3], work());
    const { state, items, error } = await handle.result();
    assert.equal(state, 'FAILED');
    assert.deepEqual(items.map((item) => (item.status === 'fulfilled' ? item.value : item.reason.code)), [0, 'FUNCTION_FAILED', 2, 'FUNCTION_FAILED']);
    const failed = items[3];
    assert.ok(failed?.status === 'rejected' && failed.reason instanceof ItemError);
    const { reason } = failed;
    assert.deepEqual([reason.index, reason.type, reason.parameters], [3, 'RangeError', { value: 3 }]);
    assert.match(reason.message, /item 3: .*picky.*functions\.ts:\d+.*odd: 3/);
    assert.match(reason.stack ?? '', /RangeError: odd: 3\n\s+at picky \(functions\.ts:\d+/);
    assert.match(error?.message ?? '', /2 of 4 items failed/);
    await assert.rejects(handle.values(), (thrown) => thrown instanceof ItemError && thrown.index === 1);
  });

  // Catches: failures that the caller tolerates and that still fail the run.
  void it('lets a run succeed without the items that may fail', async () => {
    const { state, items } = await (await map(of('picky'), [0, 1, 2, 4], { ...work(), tolerate: 25 })).result();
    assert.equal(state, 'SUCCEEDED');
    assert.deepEqual(items.map(({ status }) => status), ['fulfilled', 'rejected', 'fulfilled', 'fulfilled']);
  });

  void it('outlives a function that ends its process, or takes too long', async () => {
    const died = await (await map(of('dies'), [0, 1, 2], work())).result();
    assert.deepEqual(died.items.map((item) => (item.status === 'fulfilled' ? item.value : item.reason.code)), [0, 'FUNCTION_DIED', 2]);
    const late = await (await map(of('hangs'), [0, 1, 2], { ...work(), timeout: '1s' })).result();
    assert.deepEqual(late.items.map((item) => (item.status === 'fulfilled' ? item.value : item.reason.code)), [0, 'FUNCTION_TIMEOUT', 2]);
  });

  // Catches: items of a lost worker that are missing, or are there twice.
  void it('has each item once when a worker is killed', async () => {
    const notes = space.path('notes');
    writeFileSync(notes, '');
    // The function's process and the worker above it: the note is written before, so the second attempt meets it.
    const killer = space.path('killer.ts');
    writeFileSync(killer, `import { appendFileSync, readFileSync } from 'node:fs';
export default function f({ value }: { value: number }): number {
  const first = !readFileSync(${JSON.stringify(notes)}, 'utf8').includes('killed');
  if (value === 5 && first) { appendFileSync(${JSON.stringify(notes)}, 'killed'); process.kill(process.ppid, 'SIGKILL'); }
  return value;
}
`);
    const items = Array.from({ length: 12 }, (_, i) => i);
    const handle = await map<number>(killer, items, { ...work(), threads: 1 });
    assert.deepEqual(await handle.values(), items);
    const { record } = await handle.result();
    assert.deepEqual(record?.batches.retried.map(({ attempts }) => attempts), [2], 'the worker was killed');
  });

  void it('hands objects to the function as items', async () => {
    writeFileSync(space.path('a b.txt'), 'abc');
    writeFileSync(space.path('ü.txt'), 'a');
    const handle = await map(of('length'), [space.path('a b.txt'), space.path('ü.txt')], work());
    assert.deepEqual(await handle.values(), [{ name: 'a b.txt', size: 3 }, { name: 'ü.txt', size: 1 }]);
  });

  // Catches: a second step that sees nothing of the first, or another run's results.
  void it('takes what another run has come to', async () => {
    const place = work();
    const first = await map(of('double'), [1, 2, 3], place);
    assert.deepEqual(await (await map(of('double'), first, place)).values(), [4, 8, 12]);
    const failed = await map(of('picky'), [1], place);
    await assert.rejects(map(of('double'), failed, place), /odd: 1/);
  });

  void it('says how the run goes on', async () => {
    const told: RunProgress[] = [];
    const handle = await map(of('double'), [1, 2, 3], { ...work(), onProgress: (progress) => told.push(progress) });
    const seen: RunProgress[] = [];
    for await (const progress of handle.progress) seen.push(progress);
    assert.deepEqual({ ...seen.at(-1), run: '' }, { run: '', state: 'SUCCEEDED', done: 3, failed: 0, total: 3, unit: 'items' });
    assert.deepEqual(told.at(-1), seen.at(-1));
    assert.ok(told.some(({ state }) => state === 'Reduce'));
  });

  // Catches: a process that ends, or a run that fails, by the caller's own mistake while it watches.
  void it('goes on when onProgress fails', async () => {
    const warnings: string[] = [];
    const warned = (warning: Error): void => void warnings.push(warning.message);
    process.on('warning', warned);
    let calls = 0;
    const listeners: (() => unknown)[] = [() => { calls++; throw new Error('thrown'); }, async () => { await Promise.resolve(); throw new Error('rejected'); }];
    for (const onProgress of listeners) assert.deepEqual(await (await map(of('double'), [1, 2], { ...work(), onProgress })).values(), [2, 4]);
    process.off('warning', warned);
    assert.equal(calls, 1);
    assert.deepEqual(warnings.map((text) => /onProgress failed.*: (thrown|rejected)/.exec(text)?.[1]), ['thrown', 'rejected']);
  });

  void it('says what it can not be called with', async () => {
    await assert.rejects(map((() => 1) as unknown as string, [1]), /map wants the file of a function/);
    await assert.rejects(map(of('double'), []), /there are no items/);
    await assert.rejects(map(of('double'), 'abc'), /one text, "abc"/);
    await assert.rejects(map(of('double'), ['s3://a/b', { a: 1 }]), /items 0 and 1 are of two kinds/);
    const bad = (items: unknown[], options: object = {}): Promise<unknown> => map(of('double'), items, { ...work(), ...options });
    await assert.rejects(bad([1, 10n]), { code: 'MAP_ITEMS', message: /^item 1: wanted what JSON has .*; found 10n, a bigint$/ });
    await assert.rejects(bad([Number.NaN]), /^JobError: item 0: .*; found NaN$/);
    await assert.rejects(bad([{ a: { b: [1, undefined] } }]), /^JobError: item 0, a\.b\[1\]: .*; found nothing$/);
    await assert.rejects(bad([new Date(0)]), /item 0: .*found an object of class Date/);
    await assert.rejects(bad([() => 1]), /item 0: .*found a function/);
    await assert.rejects(bad([1], { worker: 2 }), { code: 'OPTION_UNKNOWN', message: /there is no option worker; did you mean workers\?; known are .*where, work, workers/ });
    await assert.rejects(bad([1], { where: 'moon', threads: 0 }), { code: 'CONFIG_INVALID', message: /^the options are not valid:\n {2}where: wanted "local", "aws"; found "moon"\n {2}threads: wanted at least 1; found 0$/ });
    await assert.rejects(run({}, { name: 'x' } as object), /there is no option name/);
    await assert.rejects(run({ name: 'x', items: { parameters: [{}] }, operation: {} }, work()), /JOB_INVALID|wanted one of images, module, model/);
  });
});

describe('errors of wrong use', () => {
  // Catches: ten frames of ours, and the line that has to change in none of them.
  void it('begin at the line of the caller', async () => {
    async function mine(): Promise<unknown> {
      return await map(of('double'), [Number.NaN], work());
    }
    async function other(): Promise<unknown> {
      return await run({ name: 'x', items: { parameters: [{}] }, operation: {} }, work());
    }
    await assert.rejects(mine, ({ stack }: Error) => /^JobError: item 0.*\n {4}at mine \(.*map\.test\.ts/.test(stack ?? ''));
    await assert.rejects(other, ({ stack }: Error) => /^JobError: the job is not valid[^]*found none\n {4}at other \(.*map\.test\.ts/.test(stack ?? ''));
  });

  // Catches: optional values of a caller that are refused as missing.
  void it('are not those of a value that is left open', async () => {
    const handle = await map(of('double'), [{ value: 3, more: undefined }], { ...work(), threads: undefined } as object);
    assert.deepEqual(await handle.values(), [6]);
  });
});

describe('a run that failed as a whole', () => {
  // Catches: values of the run that had the id before.
  void it('has no values of another job with its id', async () => {
    const place = { ...work(), run: 'same' };
    assert.deepEqual(await (await map(of('double'), [1, 2], place)).values(), [2, 4]);
    const other = await map(of('picky'), [5, 6, 7], place);
    for (const read of [() => other.values(), () => other.result(), () => other.items().next()]) await assert.rejects(read, (error) => error instanceof RunError && /run same has been started with another job/.test(error.message));
    // One that failed by its items has left a record that says so.
    const failed = { ...work(), run: 'failed' };
    await assert.rejects((await map(of('picky'), [1], failed)).values(), ItemError);
    await assert.rejects((await map(of('double'), [1], failed)).result(), /another job/);
  });

  // Catches: values without a word of the table that isn't there.
  void it('says so, though no item failed', async () => {
    const handle = await map(of('double'), [1, 2], { ...work(), results: '/proc/nope/t.csv' });
    await assert.rejects(handle.values(), (error) => error instanceof RunError && /the folder \/proc\/nope does not exist/.test(error.message));
  });
});

describe('cancel', () => {
  // Catches: workers that go on, a result that never comes, a cancelled run taken for a failed one.
  void it('ends the run and its workers', async () => {
    const place = work();
    const handle = await map(of('hangs'), [0, 1], place);
    await until('a worker', () => workersUnder(place.work) > 0);
    for await (const { done } of handle.progress) if (done === 1) break;
    await handle.cancel();
    await assert.rejects(handle.values(), (error) => error instanceof RunError && error.code === 'RUN_CANCELLED' && error.state === 'ABORTED');
    await until('the end of the workers', () => workersUnder(place.work) === 0, 5);
  });

  // Catches: values that were finished and can't be reached, and items that are lost from the list.
  void it('leaves what is finished within reach', async () => {
    const place = { ...work(), run: 'cancelled' };
    const handle = await map<number>(of('hangs'), [0, 1, 2], { ...place, threads: 1 });
    for await (const { done } of handle.progress) if (done >= 1) break;
    await handle.cancel();
    const { state, error, items } = await handle.result();
    assert.deepEqual([state, error?.code], ['ABORTED', 'RUN_CANCELLED']);
    assert.deepEqual(items.map((item) => (item.status === 'fulfilled' ? item.value : [item.reason.code, item.parameters?.['value']])), [0, ['RUN_CANCELLED', 1], ['RUN_CANCELLED', 2]]);
    const [, second] = items;
    assert.ok(second?.status === 'rejected');
    assert.match(second.reason.message, /item 1: run cancelled was cancelled before it was done/);
    const read: string[] = [];
    for await (const item of handle.items()) read.push(item.status);
    assert.deepEqual(read, ['fulfilled', 'rejected', 'rejected']);
    // One that is cancelled before it has come to its own items has none, whatever lies there.
    const stop = new AbortController();
    stop.abort();
    const none = await map<number>(of('double'), [7], { ...place, signal: stop.signal });
    assert.deepEqual([(await none.result()).state, (await none.result()).items], ['ABORTED', []]);
  });

  void it('follows a signal of the caller', async () => {
    const stop = new AbortController();
    const handle = await map(of('hangs'), [1], { ...work(), signal: stop.signal });
    stop.abort();
    await assert.rejects(handle.values(), /was cancelled/);
  });

  // Catches: a program that Ctrl-C doesn't end, and workers that outlive it.
  void it('comes before the end by Ctrl-C', async () => {
    const place = `${space.newFolder('work')}/`;
    const program = space.path('program.ts');
    writeFileSync(program, `import { map } from ${JSON.stringify(`${projectFolder}index.ts`)};
const handle = await map(${JSON.stringify(of('hangs'))}, [1], { work: ${JSON.stringify(place)} });
process.stdout.write('started\\n');
await handle.values().catch((error) => process.stdout.write(error.code + '\\n'));
setInterval(() => undefined, 1000);
`);
    const child = spawn(process.execPath, [program], { stdio: ['ignore', 'pipe', 'inherit'] });
    let printed = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (printed += text));
    const ended = once(child, 'close');
    await until('workers', () => printed.includes('started') && workersUnder(place) > 0);
    child.kill('SIGINT');
    const [code, signal] = (await ended) as [number | null, string | null];
    assert.deepEqual([code, signal], [null, 'SIGINT']);
    await until('the end of the workers', () => workersUnder(place) === 0, 5);
  });
});

describe('run', () => {
  // Catches: a client for items only, relative hrefs that count from somewhere else, a run that is done again.
  void it('runs raster jobs, from their file, and knows a run that is done', async () => {
    const folder = space.newFolder();
    const file = `${folder}/job.json`;
    writeFileSync(file, JSON.stringify({ name: 'zeros', inputs: {}, grid: { crs: 'EPSG:32633', resolution: 10, bounds: [0, 0, 1000, 1000] }, operation: { module: 'zeros.ts', function: 'zeros' }, outputs: { o: { href: 'o.tif', dtype: 'uint8' } } }));
    writeFileSync(`${folder}/zeros.ts`, `export function zeros({ outputs }: { outputs: { o: Uint8Array } }): void { outputs.o.fill(7); }\n`);
    const place = work();
    const handle = await run(file, place);
    const { record, items } = await handle.result();
    assert.ok(record !== undefined && 'outputs' in record);
    assert.deepEqual([record.outputs.map(({ name }) => name), items], [['o'], []]);
    await assert.rejects(handle.values(), /has no items/);
    const again = await (await run(file, { ...place, run: handle.run })).result();
    assert.equal(again.record?.endedAt, record.endedAt);
  });

  void it('gives the error of a raster job that failed', async () => {
    const folder = space.newFolder();
    writeFileSync(`${folder}/bad.ts`, `export function bad(): void {\n  throw new Error('no such luck');\n}\n`);
    const job = { inputs: {}, grid: { crs: 'EPSG:32633', resolution: 10, bounds: [0, 0, 1000, 1000] }, operation: { module: `${folder}/bad.ts`, function: 'bad' }, outputs: { o: { href: `${folder}/o.tif`, dtype: 'uint8' } } };
    const handle = await run(job, work());
    await assert.rejects(handle.result(), (error) => error instanceof RunError && error.state === 'FAILED' && /no such luck/.test(error.message));
  });
});
