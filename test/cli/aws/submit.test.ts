/** What `submit` sends, what it refuses before it sends anything, and how it waits. */
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { ExecutionAlreadyExists, ListMapRunsCommand, ListStateMachinesCommand, StartExecutionCommand } from '@aws-sdk/client-sfn';
import { submit, type SubmitOptions } from '../../../cli/aws/submit.ts';
import { executionInput } from '../../../lib/job/events.ts';
import type { Store } from '../../../lib/store/store.ts';
import { createWorkspace } from '../../support/workspace.ts';
import { arnOf, ended, fakeContext, fakeStepFunctions, pipeline, splitHistory, stage, started, type FakeContext, type FakeRuns } from './fake-aws.ts';

const space = createWorkspace('submit');
after(() => space.remove());

const document = {
  name: 'ndvi',
  inputs: { scene: 's3://in/scene.tif', dem: { href: 's3://in/dem.tif', bands: [1] } },
  operation: { expression: { o: 'scene[1] + dem[1]' } },
  outputs: { o: { href: 's3://out/{run}/{stem}.tif', dtype: 'float32' } },
};

interface Sent {
  readonly name: string;
  readonly input: { readonly job: typeof document & { readonly compute: object }; readonly object?: string };
  readonly stateMachineArn: string;
}

function prepare(runs: FakeRuns = { executions: {} }, terminal = false): { context: FakeContext; mock: ReturnType<typeof fakeStepFunctions>; sent: () => Sent[] } {
  const context = fakeContext({ terminal });
  const mock = fakeStepFunctions(context.sfn, runs);
  mock.on(StartExecutionCommand).callsFake(({ name }: { name: string }) => ({ executionArn: arnOf(name), startDate: started }));
  const sent = (): Sent[] => mock.commandCalls(StartExecutionCommand).map(({ args: [{ input }] }) => ({ name: input.name ?? '', stateMachineArn: input.stateMachineArn ?? '', input: JSON.parse(input.input ?? '') as Sent['input'] }));
  return { context, mock, sent };
}

async function refusal(job: unknown, options: Partial<SubmitOptions> = {}): Promise<{ readonly message: string; readonly code: string; readonly exitCode: number }> {
  const { context, sent } = prepare();
  const error = await submit(space.job('refused.json', job), { ...stage, ...options }, context).then(() => assert.fail('it was accepted'), (each: unknown) => each as { message: string; code: string; exitCode: number });
  assert.deepEqual(sent(), [], 'nothing is started');
  return error;
}

void describe('submit', () => {
  // Catches: a job that Split would read otherwise, a run that can't be found by its id, hrefs of another partition's console.
  void it('starts an execution whose name is the run id', async () => {
    const { context, sent } = prepare();
    assert.equal(await submit(space.job('job.json', document), { ...stage, json: true }, context), 0);
    const [only, ...others] = sent();
    assert.ok(only !== undefined && others.length === 0);
    assert.match(only.name, /^ndvi-\d{8}-\d{6}-[0-9a-f]{4}$/);
    assert.equal(only.stateMachineArn, pipeline);
    assert.doesNotThrow(() => executionInput.parse(only.input));
    assert.deepEqual(only.input.job.inputs, document.inputs);
    assert.equal(only.input.job.outputs.o.href, `s3://out/${only.name}/scene.tif`);
    assert.deepEqual(JSON.parse(context.streams.stdout.text), {
      run: only.name,
      execution: arnOf(only.name),
      console: `https://eu-west-1.console.aws.amazon.com/states/home?region=eu-west-1#/v2/executions/details/${arnOf(only.name)}`,
    });
  });

  void it('takes overrides, a run id and the object of a template', async () => {
    const { context, sent } = prepare();
    const template = { ...document, inputs: { scene: 's3://{bucket}/{key}', dem: 's3://in/dem.tif' }, outputs: { o: { href: 's3://out/{stem}.tif', dtype: 'float32' } } };
    const options = { ...stage, run: 'mine', object: 's3://up/incoming/ndvi/a b.tif', input: { dem: 's3://in/other.tif' } };
    assert.equal(await submit(space.job('template.json', template), options, context), 0);
    const [only] = sent();
    assert.equal(only?.name, 'mine');
    assert.deepEqual(only.input.job.inputs, { scene: 's3://up/incoming/ndvi/a b.tif', dem: 's3://in/other.tif' });
    assert.equal(only.input.job.outputs.o.href, 's3://out/a b.tif');
    assert.equal(only.input.object, 's3://up/incoming/ndvi/a b.tif');
    assert.match(context.streams.stdout.text, /^run +mine\nexecution +arn:.*:mine\nconsole +https:\/\/eu-west-1\./);
  });

  // Catches: a job by href whose relative names lose the folder that they count from, and one that is sent along though it lies in S3 already.
  void it('passes a job in S3 by its href, and an overridden one whole', async () => {
    const { context, sent } = prepare();
    const inS3 = { ...document, inputs: { scene: 'scene.tif', dem: 's3://in/dem.tif' } };
    const text = new TextEncoder().encode(JSON.stringify(inS3));
    const read: string[] = [];
    const store: Store = Object.assign(Object.create(context.store) as Store, { readAll: (href: string) => { read.push(href); return Promise.resolve(text); } });
    assert.equal(await submit('s3://jobs/a/b.json', { ...stage, run: 'one' }, { ...context, store }), 0);
    assert.equal(await submit('s3://jobs/a/b.json', { ...stage, run: 'two', output: { o: 's3://out/other.tif' } }, { ...context, store }), 0);
    assert.deepEqual(read, ['s3://jobs/a/b.json', 's3://jobs/a/b.json']);
    const [whole, overridden] = sent();
    assert.deepEqual(whole?.input, { job: 's3://jobs/a/b.json' });
    assert.deepEqual(overridden?.input.job.inputs, { scene: 's3://jobs/a/scene.tif', dem: 's3://in/dem.tif' });
    assert.equal(overridden.input.job.outputs.o.href, 's3://out/other.tif');
  });

  // Catches: a job full of paths of this machine, which would fail on AWS minutes later and one path at a time.
  void it('refuses what AWS cannot reach, all at once', async () => {
    const error = await refusal({ ...document, inputs: { scene: 'scene.tif', dem: { href: '/data/dem.tif', bands: [1] } }, outputs: { o: { href: 'o.tif', dtype: 'float32' } } });
    assert.deepEqual([error.code, error.exitCode], ['JOB_INVALID', 64]);
    assert.match(error.message, /3 problems/);
    assert.ok(error.message.includes(`$.inputs.scene: found ${space.path('scene.tif')}, which AWS can't reach; wanted s3://bucket/key`), error.message);
    assert.match(error.message, /\$\.inputs\.dem\.href: found \/data\/dem\.tif/);
    assert.match(error.message, /\$\.outputs\.o\.href: found .*\/o\.tif/);
    assert.match((await refusal(document, { object: '/tmp/a.tif' })).message, /--object: found \/tmp\/a\.tif, which AWS can't reach/);
    assert.match((await refusal({ ...document, operation: { expression: { o: 'scene[1] + nope[1]' } } })).message, /nope/);
    assert.equal((await refusal(document, { run: 'a--2' })).code, 'RUN_ID');
  });

  // Step Functions refuses such an input by itself, but in words that don't say what to do.
  void it('refuses a job that is too large for an execution', async () => {
    const inputs = Object.fromEntries(Array.from({ length: 900 }, (_, i) => [`i${String(i)}`, `s3://in/${'x'.repeat(300)}/${String(i)}.tif`]));
    const error = await refusal({ ...document, inputs, operation: { expression: { o: 'i1[1]' } } });
    assert.deepEqual([error.code, error.exitCode], ['JOB_TOO_LARGE', 64]);
    assert.match(error.message, /ends at 262144: upload the job to S3, and submit its s3:\/\/ href/);
  });

  // Catches: an answer that was lost on the way, and a repeated command, taken for somebody else's run.
  void it('knows its own run when the name is taken', async () => {
    const taken = async (input: (own: string) => string): Promise<{ code: number | string; context: FakeContext }> => {
      let own = '';
      const executions: Record<string, object> = { mine: { status: 'FAILED', get input() { return input(own); } } };
      const { context, mock } = prepare({ executions });
      mock.on(StartExecutionCommand).callsFake(({ input: text }: { input: string }) => {
        own = text;
        throw new ExecutionAlreadyExists({ message: 'Execution Already Exists', $metadata: {} });
      });
      const code = await submit(space.job('job.json', document), { ...stage, run: 'mine' }, context).catch((error: unknown) => (error as { code: string }).code);
      return { code, context };
    };
    const same = await taken((own) => own);
    assert.equal(same.code, 0);
    assert.match(same.context.streams.stderr.text, /run mine of this job is there already: FAILED; "tilefan resume mine"/);
    assert.equal((await taken(() => '{"job":{"name":"other"}}')).code, 'RUN_EXISTS');
  });

  // Catches: progress on standard output, lines that no program can read, an end that isn't noticed, a fixed interval.
  void it('waits with JSON lines, and says how it ended', async () => {
    const mapRuns = { mine: [{ id: 'm', status: 'RUNNING', startDate: started, counts: { total: 4, succeeded: 1, running: 2, pending: 1 } }] };
    const running = Array.from({ length: 30 }, () => ({ status: 'RUNNING' as const }));
    const { context } = prepare({ executions: { mine: [...running, { status: 'SUCCEEDED', stopDate: ended, output: '{}' }] }, mapRuns, history: { mine: splitHistory('file:///nowhere/runs/mine/') } });
    assert.equal(await submit(space.job('job.json', document), { ...stage, run: 'mine', wait: true, json: true }, context), 0);
    const lines = context.streams.stderr.text.trimEnd().split('\n').filter((line) => line.startsWith('{')).map((line) => JSON.parse(line) as Record<string, unknown>);
    assert.equal(lines.length, 31);
    const { seconds, ...first } = lines[0] ?? {};
    assert.equal(typeof seconds, 'number');
    assert.deepEqual(first, { event: 'Run:Progress', state: 'ProcessBatches', batchesDone: 1, batchesRunning: 2, batchesFailed: 0, batchesPending: 1, batches: 4, run: 'mine' });
    assert.deepEqual([lines.at(-1)?.['state'], lines.at(-1)?.['seconds']], ['SUCCEEDED', 1200]);
    assert.equal(context.pauses[0], 2000);
    assert.equal(context.pauses.at(-1), 10_000);
    assert.ok(context.pauses.every((ms, i) => ms >= (context.pauses[i - 1] ?? 0)));
    const report = JSON.parse(context.streams.stdout.text) as { run: string; state: string; recordProblem: string };
    assert.deepEqual([report.run, report.state], ['mine', 'SUCCEEDED']);
    assert.match(report.recordProblem, /run\.json is not there/);
  });

  void it('draws a bar on a terminal', async () => {
    const mapRuns = { mine: [{ id: 'm', status: 'SUCCEEDED', startDate: started, counts: { total: 4, succeeded: 3, failed: 1 } }] };
    const { context } = prepare({ executions: { mine: [{ status: 'RUNNING' }, { status: 'SUCCEEDED', stopDate: ended }] }, mapRuns }, true);
    assert.equal(await submit(space.job('job.json', document), { ...stage, run: 'mine', wait: true }, context), 0);
    assert.match(context.streams.stderr.text, /\r\u001B\[KReduce {9}\[#{23}\.{7}\] 3\/4 batches, 0 running, 1 failed, .*\r\u001B\[KSUCCEEDED .*, 20 min 0 s\n$/);
  });

  // Catches: a wait that ends with the first throttled request, one that hammers, and a lost permission that is taken for throttling.
  void it('survives throttling while it waits, and no refusal', async () => {
    const fault = (name: string, status: number): Error => Object.assign(new Error(`${name}!`), { name, $metadata: { httpStatusCode: status } });
    const { context, mock } = prepare({ executions: { mine: { status: 'SUCCEEDED', stopDate: ended } }, history: { mine: splitHistory('file:///nowhere/') } });
    let calls = 0;
    mock.on(ListMapRunsCommand).callsFake(() => {
      calls++;
      if (calls <= 3) throw fault('ThrottlingException', 400);
      if (calls === 4) throw fault('ServiceUnavailable', 503);
      return { mapRuns: [] };
    });
    assert.equal(await submit(space.job('job.json', document), { ...stage, run: 'mine', wait: true }, context), 0);
    assert.deepEqual(context.pauses, [2000, 4000, 8000, 16_000]);
    assert.match(context.streams.stderr.text, /"event":"Wait:Retried","reason":"ThrottlingException!"/);
    const refused = prepare({ executions: { mine: {} } });
    refused.mock.on(ListMapRunsCommand).rejects(fault('AccessDeniedException', 400));
    await assert.rejects(submit(space.job('job.json', document), { ...stage, run: 'mine', wait: true }, refused.context), { name: 'AccessDeniedException' });
    const silent = prepare({ executions: { mine: {} } });
    silent.mock.on(ListMapRunsCommand).rejects(fault('ThrottlingException', 400));
    await assert.rejects(submit(space.job('job.json', document), { ...stage, run: 'mine', wait: true }, silent.context), { code: 'AWS_SILENT', exitCode: 75 });
  });

  void it('stops waiting on Ctrl-C, and says that the run goes on', async () => {
    const context = fakeContext({ onSleep: (count) => { if (count === 2) context.stop.abort(); } });
    const mock = fakeStepFunctions(context.sfn, { executions: { mine: {} } });
    mock.on(StartExecutionCommand).resolves({ executionArn: arnOf('mine'), startDate: started });
    assert.equal(await submit(space.job('job.json', document), { ...stage, run: 'mine', wait: true, json: true }, context), 130);
    assert.match(context.streams.stderr.text, /the run goes on\n.*tilefan status mine\n.*tilefan cancel mine\n$/);
    assert.deepEqual(JSON.parse(context.streams.stdout.text), { run: 'mine', state: 'RUNNING', execution: arnOf('mine') });
  });

  void it("gives the exit code of the batch that failed first", async () => {
    const { context } = prepare({
      executions: { mine: { status: 'FAILED', stopDate: ended, error: 'States.ExceedToleratedFailureThreshold', cause: 'The specified tolerated failure threshold was exceeded', redriveStatus: 'REDRIVABLE' } },
      mapRuns: { mine: [{ id: 'm', status: 'FAILED', startDate: started, counts: { total: 4, succeeded: 1, failed: 2, aborted: 1 } }] },
      failed: { m: [{ batch: 3, error: 'OutputError', cause: 'Batch 3 …', stopDate: new Date(2) }, { batch: 1, error: 'DataError', cause: 'Batch 1 failed for good', stopDate: new Date(1) }] },
    });
    assert.equal(await submit(space.job('job.json', document), { ...stage, run: 'mine', wait: true }, context), 65);
    assert.match(context.streams.stdout.text, /3 failed batches:\n {4}batch 1 \[DataError\] Batch 1 failed for good\n {4}batch 3 \[OutputError\]/);
  });

  // Catches: a state machine of the second page that isn't found, and a missing one without a word of what there is.
  void it('finds the state machine of the stage', async () => {
    const { context, mock, sent } = prepare();
    const other = (name: string): object => ({ name, stateMachineArn: pipeline.replace('tilefan-dev', name), type: 'STANDARD', creationDate: started });
    mock.on(ListStateMachinesCommand).resolves({ stateMachines: [other('tilefan-prod'), other('else')] as never, nextToken: 't' });
    mock.on(ListStateMachinesCommand, { nextToken: 't' }).resolves({ stateMachines: [other('tilefan-test')] as never });
    await submit(space.job('job.json', document), { stage: 'test' }, context);
    assert.equal(sent()[0]?.stateMachineArn, pipeline.replace('dev', 'test'));
    await assert.rejects(submit(space.job('job.json', document), { stage: 'dev' }, context), { code: 'PIPELINE_NOT_FOUND', exitCode: 69, message: /no state machine tilefan-dev in eu-west-1 \(stages that are there: prod, test\)/ });
    await submit(space.job('job.json', document), { stage: 'dev', stateMachine: pipeline }, context);
    assert.equal(sent().at(-1)?.stateMachineArn, pipeline);
    await assert.rejects(submit(space.job('job.json', document), { stage: 'dev', stateMachine: 'tilefan-dev' }, context), { code: 'STATE_MACHINE_ARN', exitCode: 64 });
  });
});
