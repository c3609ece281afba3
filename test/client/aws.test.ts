/** `map` on AWS: what is sent, what comes back, and what is cancelled. Step Functions is a stand-in; the run that it tells of has really been done, here. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { after, describe, it } from 'node:test';
import { StartExecutionCommand, StopExecutionCommand } from '@aws-sdk/client-sfn';
import { map, RunError } from '../../index.ts';
import type { ClosableStore } from '../../lib/store/store.ts';
import { arnOf, ended, fakeContext, fakeStepFunctions, splitHistory, started, type FakeRuns } from '../cli/aws/fake-aws.ts';
import { createWorkspace } from '../support/workspace.ts';

const space = createWorkspace('client-aws');
after(() => space.remove());

const module = space.path('functions.ts');
writeFileSync(module, `import { add } from './beside.ts';
export function f({ value }: { value: number }): number {
  if (value === 2) throw new Error('two');
  return add(value);
}
`);
writeFileSync(space.path('beside.ts'), 'export const add = (value: number): number => value + 1;\n');
const code = { module, function: 'f' };
const options = { where: 'aws', stage: 'dev', folder: 's3://code/here', run: 'mine', cancelOnInterrupt: false } as const;

/** AWS for one run; `put` is what was stored on S3. */
function prepare(runs: FakeRuns): { aws: Parameters<typeof map>[3] & object; mock: ReturnType<typeof fakeStepFunctions>; put: Map<string, string> } {
  const context = fakeContext();
  const mock = fakeStepFunctions(context.sfn, runs);
  mock.on(StartExecutionCommand).callsFake(({ name }: { name: string }) => ({ executionArn: arnOf(name), startDate: started }));
  const put = new Map<string, string>();
  const store: ClosableStore = new Proxy(context.store as ClosableStore, {
    get(target, name) {
      if (name === 'close') return () => Promise.resolve();
      if (name !== 'put') return (target[name as keyof ClosableStore] as () => unknown).bind(target);
      return (href: string, body: Uint8Array) => {
        put.set(href, new TextDecoder().decode(body));
        return Promise.resolve('written');
      };
    },
  });
  return { aws: { sfn: context.sfn, store, sleep: context.sleep }, mock, put };
}

interface Sent {
  readonly job: { readonly items: object; readonly operation: { readonly module: string }; readonly compute: Record<string, unknown> };
}

describe('map on AWS', () => {
  // Catches: code that stays on this machine, imports that don't come along, results of another order, an error without its place.
  void it('sends the function, and brings back values and errors', async () => {
    const work = `${space.newFolder('work')}/`;
    const here = await map(code, [1, 2, 3], { run: 'mine', work, cancelOnInterrupt: false });
    assert.equal((await here.result()).state, 'FAILED');
    const end = { status: 'FAILED' as const, stopDate: ended, error: 'OperationError', cause: JSON.stringify({ errorType: 'OperationError', errorMessage: '1 of 3 items failed', trace: [] }) };
    const { aws, mock, put } = prepare({ executions: { mine: [{ status: 'RUNNING' }, end] }, history: { mine: splitHistory(`file://${work}runs/mine/`) } });
    const handle = await map<number>(code, [1, 2, 3], { ...options, cpu: 4, memory: '16 GiB' }, aws);
    const { state, items, error, record } = await handle.result();
    assert.equal(state, 'FAILED');
    assert.deepEqual(items.map((item) => (item.status === 'fulfilled' ? item.value : item.reason.type)), [2, 'Error', 4]);
    assert.match(error?.message ?? '', /1 of 3 items failed/);
    assert.ok(record !== undefined && 'items' in record && record.items.done === 2);

    const [call] = mock.commandCalls(StartExecutionCommand);
    const { job } = JSON.parse(call?.args[0].input.input ?? '') as Sent;
    const [[place, text] = ['', ''], ...others] = [...put];
    assert.deepEqual(others, []);
    assert.match(place, /^s3:\/\/code\/here\/mine\/code\/[0-9a-f]{64}\.m?js$/);
    assert.match(text, /value \+ 1/, 'what it imports is in it');
    assert.equal(job.operation.module, place);
    assert.deepEqual([job.items, job.compute['cpu'], job.compute['memory']], [{ parameters: [{ value: 1 }, { value: 2 }, { value: 3 }] }, 4, '16 GiB']);
  });

  // An execution's input ends at 256 KiB, which lists of parameters soon have.
  void it('puts a long list of parameters where the run can read it', async () => {
    const { aws, mock, put } = prepare({ executions: { mine: { status: 'RUNNING' } } });
    const long = Array.from({ length: 3000 }, (_, value) => ({ value, text: 'x'.repeat(100) }));
    const handle = await map(code, long, options, { ...aws, sleep: () => new Promise(() => undefined) });
    assert.equal(handle.run, 'mine');
    const [call] = mock.commandCalls(StartExecutionCommand);
    assert.deepEqual(JSON.parse(call?.args[0].input.input ?? ''), { job: 's3://code/here/mine/sent-job.json' });
    assert.deepEqual((JSON.parse(put.get('s3://code/here/mine/sent-job.json') ?? '') as { items: { parameters: object[] } }).items.parameters, long);
  });

  void it('refuses items that AWS cannot reach, before anything is sent', async () => {
    const { aws, mock, put } = prepare({ executions: {} });
    await assert.rejects(map(code, [space.path('a.jpg')], options, aws), /\$\.items\.hrefs\[0\]: found .*a\.jpg, which AWS can't reach; wanted s3:\/\/bucket\/key/);
    assert.deepEqual([mock.commandCalls(StartExecutionCommand).length, put.size], [0, 0]);
  });

  // Catches: a cancel that only stops waiting, as Covalent's did, and tasks that go on at the user's cost.
  void it('cancels the execution itself', async () => {
    let stopped = false;
    const { aws, mock } = prepare({ executions: { mine: { get status() { return stopped ? ('ABORTED' as const) : ('RUNNING' as const); } } } });
    mock.on(StopExecutionCommand).callsFake(() => {
      stopped = true;
      return { stopDate: ended };
    });
    const handle = await map(code, [1], options, { ...aws, sleep: () => new Promise((resolve) => setTimeout(resolve, 5)) });
    await handle.cancel();
    assert.equal(mock.commandCalls(StopExecutionCommand)[0]?.args[0].input.executionArn, arnOf('mine'));
    await assert.rejects(handle.values(), (error) => error instanceof RunError && error.code === 'RUN_CANCELLED');
    assert.deepEqual((await handle.result()).items, [], 'Split had not come to its end');
  });

  // Catches: values that were finished and can't be reached; the error of a task that was only stopped.
  void it('brings back what was done when it was cancelled', async () => {
    const slow = space.path('slow.ts');
    writeFileSync(slow, 'export async function f({ value }: { value: number }): Promise<number> {\n  if (value === 2) await new Promise((resolve) => setTimeout(resolve, 600_000));\n  return value;\n}\n');
    const work = `${space.newFolder('work')}/`;
    const here = await map({ module: slow, function: 'f' }, [1, 2], { run: 'mine', work, threads: 1, cancelOnInterrupt: false });
    for await (const { done } of here.progress) if (done >= 1) break;
    await here.cancel();
    // As ECS tasks leave their record, which get more time than workers here.
    const file = `${work}runs/mine/results/0.json`;
    const record = JSON.parse(readFileSync(file, 'utf8')) as object;
    writeFileSync(file, JSON.stringify({ ...record, state: 'FAILED', error: { name: 'TryAgainError', code: 'WORKER_STOPPED', message: 'stopped after 1 items; they are committed', exitCode: 75, retryable: true, where: {} } }));
    const { aws } = prepare({ executions: { mine: { status: 'ABORTED', stopDate: ended } }, history: { mine: splitHistory(`file://${work}runs/mine/`) } });
    const { state, items } = await (await map(code, [1, 2], options, aws)).result();
    assert.equal(state, 'ABORTED');
    assert.deepEqual(items.map((item) => (item.status === 'fulfilled' ? item.value : item.reason.code)), [1, 'RUN_CANCELLED']);
  });
});
