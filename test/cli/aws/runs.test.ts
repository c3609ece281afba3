/** What `status`, `ls`, `cancel` and `resume` ask of Step Functions, what they say, and their exit codes. */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { after, describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { ExecutionAlreadyExists, ExecutionNotRedrivable, RedriveExecutionCommand, StartExecutionCommand, StopExecutionCommand } from '@aws-sdk/client-sfn';
import { cancel } from '../../../cli/aws/cancel.ts';
import { ls } from '../../../cli/aws/ls.ts';
import { resume } from '../../../cli/aws/resume.ts';
import { status } from '../../../cli/aws/status.ts';
import type { RunRecord } from '../../../lib/job/records.ts';
import { createWorkspace } from '../../support/workspace.ts';
import { arnOf, ended, fakeContext, fakeStepFunctions, functionFailure, pipeline, splitHistory, stage, started, type Described, type FakeContext, type FakeRuns } from './fake-aws.ts';

const space = createWorkspace('runs');
after(() => space.remove());

const threshold = 'States.ExceedToleratedFailureThreshold';

function prepare(runs: FakeRuns): { context: FakeContext; mock: ReturnType<typeof fakeStepFunctions>; out: () => string; err: () => string } {
  const context = fakeContext();
  const mock = fakeStepFunctions(context.sfn, runs);
  mock.on(StartExecutionCommand).callsFake(({ name }: { name: string }) => ({ executionArn: arnOf(name), startDate: started }));
  mock.on(RedriveExecutionCommand).resolves({ redriveDate: started });
  mock.on(StopExecutionCommand).resolves({ stopDate: ended });
  return { context, mock, out: () => context.streams.stdout.text, err: () => context.streams.stderr.text };
}

/** A run prefix in a folder, with a run record. */
function prefixWith(run: string, failed: readonly number[] = []): string {
  mkdirSync(space.path(`runs/${run}`), { recursive: true });
  const href = `${pathToFileURL(space.path(`runs/${run}`)).href}/`;
  const record: RunRecord = {
    run,
    name: 'ndvi',
    state: 'SUCCEEDED',
    prefix: href,
    createdAt: started.toISOString(),
    endedAt: ended.toISOString(),
    grid: { columns: 100, rows: 100, epsg: null },
    tiles: { total: 4, done: 4 - failed.length, computed: 4, reused: 0 },
    batches: { total: 4, failed: [...failed], retried: [] },
    passes: [],
    outputs: [{ name: 'o', href: 's3://out/o.tif', bytes: 2048, bands: [{ name: null, statistics: null }], overviews: 1, bigTiff: false }],
    results: null,
    errors: [],
  };
  writeFileSync(space.path(`runs/${run}/run.json`), JSON.stringify(record));
  return href;
}

async function codeOf(execution: Described, runs: Partial<FakeRuns> = {}): Promise<number> {
  const { context } = prepare({ executions: { r: execution }, ...runs });
  return await status('r', stage, context);
}

void describe('status', () => {
  // Catches: an end that a script takes for another: each state, each class of error.
  void it('says by its exit code how the run ended', async () => {
    assert.equal(await codeOf({}), 0);
    assert.equal(await codeOf({ status: 'SUCCEEDED', stopDate: ended }), 0);
    assert.equal(await codeOf({ status: 'TIMED_OUT', stopDate: ended }), 75);
    assert.equal(await codeOf({ status: 'ABORTED', stopDate: ended, error: 'Cancelled' }), 130);
    const classes = { JobError: 64, DataError: 65, InputUnavailableError: 69, OperationError: 70, OutputError: 73, TryAgainError: 75, 'States.Runtime': 70 };
    for (const [error, code] of Object.entries(classes)) {
      assert.equal(await codeOf({ status: 'FAILED', stopDate: ended, error, cause: 'c' }), code, error);
      const mapRuns = { r: [{ id: 'm', status: 'FAILED', startDate: started, counts: { total: 1, failed: 1 } }] };
      const failed = { m: [{ batch: 0, error, cause: 'c', stopDate: ended }] };
      assert.equal(await codeOf({ status: 'FAILED', stopDate: ended, error: threshold }, { mapRuns, failed }), code, error);
    }
    assert.equal(await codeOf({ status: 'FAILED', stopDate: ended, error: threshold }, { mapRuns: { r: [{ id: 'm', status: 'FAILED', startDate: started, counts: {} }] }, failed: { m: [] } }), 70);
    assert.equal(await codeOf({ status: 'FAILED', stopDate: ended, error: 'States.ItemReaderFailed' }), 70);
  });

  // Catches: counts of an earlier pass, only the first page of anything, causes as raw JSON, the last failures instead of the first.
  void it('shows batches and failures of the latest Map Run', async () => {
    const failed = Array.from({ length: 7 }, (_, i) => ({ batch: 10 + i, error: 'DataError', cause: `batch ${String(10 + i)} is broken`, stopDate: new Date(1000 - i) }));
    const { context, out } = prepare({
      executions: { r: { status: 'FAILED', stopDate: ended, error: threshold, redriveStatus: 'REDRIVABLE', redriveCount: 1 } },
      mapRuns: {
        r: [
          { id: 'old', status: 'SUCCEEDED', startDate: started, counts: { total: 99, succeeded: 99 } },
          { id: 'new', status: 'FAILED', startDate: ended, counts: { total: 20, succeeded: 10, failed: 7, timedOut: 1, aborted: 2 } },
          { id: 'older', status: 'SUCCEEDED', startDate: new Date(0), counts: { total: 98, succeeded: 98 } },
        ],
      },
      failed: { new: failed },
      history: { r: splitHistory('s3://work/runs/r/') },
      page: 2,
    });
    assert.equal(await status('r', stage, context), 65);
    assert.match(out(), /^run r: FAILED since 2026-11-22 10:20:00Z, after 20 min 0 s\n/);
    assert.match(out(), /execution {2}arn:\S+:r, redriven 1 time\n/);
    assert.match(out(), /batches {4}10 of 20 done, 0 running, 10 failed, 0 pending\n/);
    assert.match(out(), /kept under s3:\/\/work\/runs\/r\/\n/);
    assert.match(out(), /the first 3 of 10 failed batches:\n {4}batch 16 \[DataError\] batch 16 is broken\n {4}batch 15 .*\n {4}batch 14 .*\n {2}"tilefan resume r" redrives it/);
    assert.match(out(), /"tilefan logs r" shows what failed/);
    // Step Functions offers redrive for a Fail state too, which would only fail again.
    const caught = prepare({ executions: { r: { status: 'FAILED', stopDate: ended, error: 'JobError', cause: 'bad', redriveStatus: 'REDRIVABLE' } } });
    assert.equal(await status('r', stage, caught.context), 64);
    assert.match(caught.out(), /\[JobError\] bad\n {2}"tilefan resume r" goes on with it in a new execution;/);
  });

  void it('shows the outputs of a run that has succeeded', async () => {
    const href = prefixWith('good');
    // The prefix is in the output of the execution; the history isn't needed then.
    const { context, out } = prepare({ executions: { r: { status: 'SUCCEEDED', stopDate: ended, output: JSON.stringify({ run: { href }, status: 'DONE' }) } } });
    assert.equal(await status('r', stage, context), 0);
    assert.match(out(), /o: s3:\/\/out\/o\.tif \(2\.0 KiB, 1 overview\)\n$/);
    const json = prepare({ executions: { r: { status: 'SUCCEEDED', stopDate: ended } }, history: { r: splitHistory(href) } });
    assert.equal(await status('r', { ...stage, json: true }, json.context), 0);
    const report = JSON.parse(json.out()) as { prefix: string; record: RunRecord; seconds: number };
    assert.deepEqual([report.prefix, report.record.outputs[0]?.href, report.seconds], [href, 's3://out/o.tif', 1200]);
  });

  // Catches: an old execution shown for a run that has been resumed since.
  void it('means the latest execution of a run, and by ARN or name any', async () => {
    const executions: Record<string, Described> = { r: { status: 'FAILED', error: 'JobError', stopDate: ended }, 'r--2': { status: 'ABORTED', stopDate: ended, input: '{"job":{},"run":"r"}' }, 'r--3': { input: '{"job":{},"run":"r"}' } };
    const { context, out } = prepare({ executions });
    assert.equal(await status('r', stage, context), 0);
    assert.match(out(), /^run r: RUNNING.*\n {2}execution {2}arn:\S+:r--3 \(number 3 of the run\)\n/);
    assert.equal(await status(arnOf('r'), stage, prepare({ executions }).context), 64);
    const second = prepare({ executions });
    assert.equal(await status('r--2', stage, second.context), 130);
    assert.match(second.out(), /^run r: ABORTED/);
  });

  // Catches: a typing error that is answered with words about ARNs, and by a retry of the wrong thing.
  void it('says what there is when there is no such run', async () => {
    const { context } = prepare({ executions: Object.fromEntries(Array.from({ length: 9 }, (_, i) => [`run-${String(i)}`, { status: 'SUCCEEDED' as const }])) });
    await assert.rejects(status('ruin-1', stage, context), { code: 'RUN_NOT_FOUND', exitCode: 69, message: 'tilefan-dev in eu-west-1 has no run ruin-1; the latest are run-0 (SUCCEEDED), run-1 (SUCCEEDED), run-2 (SUCCEEDED), run-3 (SUCCEEDED), run-4 (SUCCEEDED)' });
    await assert.rejects(status('a b', stage, context), { code: 'RUN_ID', exitCode: 64 });
    await assert.rejects(status(arnOf('x').replace(':execution:', ':stateMachine:'), stage, context), { code: 'RUN_ARN' });
    await assert.rejects(status('x', stage, prepare({ executions: {} }).context), { message: /has no run x; it has had no runs/ });
  });
});

void describe('ls', () => {
  const executions = Object.fromEntries(Array.from({ length: 7 }, (_, i) => [`run-${String(i)}`, { status: i % 2 === 0 ? 'SUCCEEDED' as const : 'FAILED' as const, stopDate: ended }]));

  void it('lists as many runs as are wanted, over pages', async () => {
    const { context, out } = prepare({ executions, page: 2 });
    assert.equal(await ls({ ...stage, limit: 5 }, context), 0);
    assert.deepEqual(out().trimEnd().split('\n').map((line) => line.split(/ {2,}/).slice(0, 2)), [['run-0', 'SUCCEEDED'], ['run-1', 'FAILED'], ['run-2', 'SUCCEEDED'], ['run-3', 'FAILED'], ['run-4', 'SUCCEEDED']]);
    const some = prepare({ executions, page: 2 });
    assert.equal(await ls({ ...stage, limit: 20, status: 'FAILED', json: true }, some.context), 0);
    const rows = some.out().trimEnd().split('\n').map((line) => JSON.parse(line) as Record<string, unknown>);
    assert.deepEqual(rows.map(({ run }) => run), ['run-1', 'run-3', 'run-5']);
    assert.deepEqual(rows[0], { run: 'run-1', state: 'FAILED', startedAt: '2026-11-22T10:00:00.000Z', endedAt: '2026-11-22T10:20:00.000Z', execution: arnOf('run-1') });
  });

  void it('says so when there are none', async () => {
    const { context, out, err } = prepare({ executions: {} });
    assert.equal(await ls({ ...stage, limit: 5, status: 'ABORTED' }, context), 0);
    assert.deepEqual([out(), err()], ['', 'tilefan-dev has no ABORTED runs\n']);
  });
});

void describe('cancel', () => {
  void it('stops what runs, and says what becomes of it', async () => {
    const { context, mock, out } = prepare({ executions: { r: { status: 'FAILED' }, 'r--2': {} } });
    assert.equal(await cancel('r', stage, context), 0);
    assert.deepEqual(mock.commandCalls(StopExecutionCommand).map(({ args: [{ input }] }) => input.executionArn), [arnOf('r--2')]);
    assert.match(out(), /run r is cancelled\n[^]*SIGTERM[^]*"tilefan resume r" goes on/);
  });

  void it('leaves what has ended', async () => {
    const { context, mock, out } = prepare({ executions: { r: { status: 'SUCCEEDED' } } });
    assert.equal(await cancel('r', stage, context), 0);
    assert.equal(mock.commandCalls(StopExecutionCommand).length, 0);
    assert.match(out(), /run r is SUCCEEDED already/);
  });
});

interface Done {
  readonly redriven: string[];
  readonly started: { readonly name: string; readonly input: unknown }[];
  readonly err: string;
  readonly action: string;
  readonly execution: string;
}

async function resumed(runs: FakeRuns, change: (mock: ReturnType<typeof fakeStepFunctions>) => void = () => undefined): Promise<Done> {
  const { context, mock, out, err } = prepare(runs);
  change(mock);
  assert.equal(await resume('r', { ...stage, json: true }, context), 0);
  const { action, execution } = JSON.parse(out()) as { action: string; execution: string };
  return {
    redriven: mock.commandCalls(RedriveExecutionCommand).map(({ args: [{ input }] }) => input.executionArn ?? ''),
    started: mock.commandCalls(StartExecutionCommand).map(({ args: [{ input }] }) => ({ name: input.name ?? '', input: JSON.parse(input.input ?? '') as unknown })),
    err: err(),
    action,
    execution,
  };
}

const job = { name: 'ndvi', inputs: { a: 's3://in/a.tif' } };
const input = JSON.stringify({ job, object: 's3://up/incoming/ndvi/a.tif' });

void describe('resume', () => {
  void it('leaves a run that is running or has nothing left to do', async () => {
    const running = await resumed({ executions: { r: { input } } });
    assert.deepEqual([running.redriven, running.started, running.action], [[], [], 'none']);
    assert.match(running.err, /running already/);
    const done = await resumed({ executions: { r: { status: 'SUCCEEDED', input, output: JSON.stringify({ run: { href: prefixWith('done') } }) } } });
    assert.deepEqual([done.redriven, done.started, done.action], [[], [], 'none']);
    assert.match(done.err, /has succeeded; there is nothing to resume/);
  });

  // Catches: a redrive where Step Functions would repeat nothing (tolerated failures, caught errors), and a new execution where redrive is cheaper.
  void it('redrives what failed in the Map, was cancelled or timed out', async () => {
    for (const execution of [{ status: 'FAILED', error: threshold }, { status: 'ABORTED' }, { status: 'TIMED_OUT' }] as const) {
      const done = await resumed({ executions: { r: { ...execution, redriveStatus: 'REDRIVABLE', input, stopDate: ended } } });
      assert.deepEqual([done.redriven, done.started, done.action, done.execution], [[arnOf('r')], [], 'redriven', arnOf('r')], execution.status);
    }
  });

  void it('goes on by a new execution where redrive would not help', async () => {
    const wanted = { name: 'r--2', input: { job, object: 's3://up/incoming/ndvi/a.tif', run: 'r' } };
    const cases: Described[] = [
      { status: 'FAILED', error: 'DataError', redriveStatus: 'REDRIVABLE' },
      { status: 'FAILED', error: threshold, redriveStatus: 'NOT_REDRIVABLE', redriveStatusReason: 'Execution is older than 14 days' },
      { status: 'ABORTED', redriveStatus: 'NOT_REDRIVABLE' },
      { status: 'SUCCEEDED', redriveStatus: 'NOT_REDRIVABLE', output: JSON.stringify({ run: { href: prefixWith('tolerated', [2]) } }) },
    ];
    for (const execution of cases) {
      const done = await resumed({ executions: { r: { ...execution, input, stopDate: ended } } });
      const href = execution.output === undefined ? undefined : (JSON.parse(execution.output) as { run: { href: string } }).run.href;
      const goesOn = href === undefined ? wanted : { name: 'r--2', input: { job: `${href}job.json`, run: 'r' } };
      assert.deepEqual([done.redriven, done.started, done.action, done.execution], [[], [goesOn], 'started', arnOf('r--2')], JSON.stringify(execution));
    }
  });

  // Catches: a run that can't be continued because its template, or its job file, has been changed since.
  void it('goes on with the job as it was planned, when it was', async () => {
    const failed: Described = { status: 'FAILED', error: 'OutputError', input, stopDate: ended };
    const history = { r: splitHistory('s3://work/runs/r/') };
    const done = await resumed({ executions: { r: failed }, history });
    assert.deepEqual(done.started, [{ name: 'r--2', input: { job: 's3://work/runs/r/job.json', run: 'r' } }]);
    const again = await resumed({ executions: { r: failed, 'r--2': { ...failed, error: 'InputUnavailableError' } }, history });
    assert.deepEqual(again.started, [{ name: 'r--3', input: { job: 's3://work/runs/r/job.json', run: 'r' } }]);
  });

  // Catches: a second resume that takes the first one's name, and a job that loses its wrapping or keeps the old run.
  void it('counts on, and makes the input from whatever the run began with', async () => {
    const failed: Described = { status: 'FAILED', error: 'JobError', stopDate: ended };
    const inputs: [unknown, unknown][] = [
      [job, { job, run: 'r' }],
      [{ job: 's3://jobs/a.json' }, { job: 's3://jobs/a.json', run: 'r' }],
      [{ job, run: 'r' }, { job, run: 'r' }],
    ];
    for (const [first, wanted] of inputs) {
      const done = await resumed({ executions: { r: { ...failed, input: JSON.stringify(first) }, 'r--2': failed, 'r--3': failed } });
      assert.deepEqual(done.started, [{ name: 'r--4', input: wanted }]);
    }
  });

  // Catches: a race that ends in an error, or in two executions on one run prefix.
  void it('joins another who resumes at the same time', async () => {
    const failed: Described = { status: 'FAILED', error: 'JobError', input, stopDate: ended };
    const taken = await resumed({ executions: { r: failed, 'r--2': { input } } });
    assert.equal(taken.action, 'none');
    let there = false;
    const runs: FakeRuns = { executions: { r: failed } };
    const raced = await resumed(runs, (mock) => {
      mock.on(StartExecutionCommand).callsFake(() => {
        there = true;
        (runs.executions as Record<string, Described>)['r--2'] = { input };
        throw new ExecutionAlreadyExists({ message: 'Execution Already Exists', $metadata: {} });
      });
    });
    assert.ok(there);
    assert.deepEqual([raced.action, raced.execution], ['none', arnOf('r--2')]);
    assert.match(raced.err, /somebody has just resumed it/);
    const redriven = await resumed({ executions: { r: [{ status: 'ABORTED', redriveStatus: 'REDRIVABLE', input }, { status: 'RUNNING' }] } }, (mock) => {
      mock.on(RedriveExecutionCommand).rejects(new ExecutionNotRedrivable({ message: 'Execution is RUNNING', $metadata: {} }));
    });
    assert.deepEqual([redriven.action, redriven.started], ['none', []]);
    const late = await resumed({ executions: { r: { status: 'ABORTED', redriveStatus: 'REDRIVABLE', input } } }, (mock) => {
      mock.on(RedriveExecutionCommand).rejects(new ExecutionNotRedrivable({ message: 'Execution is too old', $metadata: {} }));
    });
    assert.deepEqual([late.action, late.execution], ['started', arnOf('r--2')]);
  });

  // Step Functions' answers are eventually consistent. Catches: the failure from before the redrive taken for its end, a new execution that isn't known yet for none.
  void it('waits for what it has begun, not for what was before', async () => {
    const old: Described = { status: 'FAILED', error: threshold, redriveStatus: 'REDRIVABLE', redriveCount: 1, input, stopDate: ended };
    const { context, out } = prepare({ executions: { r: [old, old, old, { status: 'RUNNING', redriveCount: 2 }, { status: 'SUCCEEDED', redriveCount: 2, stopDate: ended }] } });
    assert.equal(await resume('r', { ...stage, wait: true }, context), 0);
    assert.match(out(), /^run r: SUCCEEDED/);
    assert.equal(context.pauses.length, 3);
    const never = prepare({ executions: { r: old } });
    await assert.rejects(resume('r', { ...stage, wait: true }, never.context), { code: 'RUN_NOT_FOUND', message: /doesn't know of .*:r being redriven/ });
    assert.ok(never.context.pauses.length < 40);
  });

  void it('waits for the execution that goes on', async () => {
    const { context, out } = prepare({ executions: { r: { status: 'FAILED', error: 'DataError', input, stopDate: ended } }, history: { 'r--2': functionFailure('Reduce', 'OutputError', 'no room') } });
    const running = fakeStepFunctions(context.sfn, { executions: { r: { status: 'FAILED', error: 'DataError', input, stopDate: ended } } });
    running.on(StartExecutionCommand).callsFake(({ name }: { name: string }) => {
      fakeStepFunctions(context.sfn, { executions: { [name]: [{}, { status: 'FAILED', error: 'OutputError', cause: 'no room', stopDate: ended }] } });
      return { executionArn: arnOf(name), startDate: started };
    });
    assert.equal(await resume('r', { ...stage, wait: true }, context), 73);
    assert.match(out(), /^run r: FAILED[^]*number 2 of the run[^]*\[OutputError\] no room/);
    assert.ok(out().includes(pipeline.replace('stateMachine', 'execution')));
  });
});
