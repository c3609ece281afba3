/** What `status`, `resume` and `logs` say of runs over items. Records and plans are those of a run that was split and reduced here. */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { CloudWatchLogsClient } from '@aws-sdk/client-cloudwatch-logs';
import { StartExecutionCommand } from '@aws-sdk/client-sfn';
import { logs, type LogsOptions } from '../../../cli/aws/logs.ts';
import { resume } from '../../../cli/aws/resume.ts';
import { status } from '../../../cli/aws/status.ts';
import { submit } from '../../../cli/aws/submit.ts';
import { describeError } from '../../../lib/base/errors.ts';
import type { ItemRunRecord } from '../../../lib/job/items/item-records.ts';
import type { BatchRecord } from '../../../lib/job/records.ts';
import { reduce } from '../../../lib/job/reduce.ts';
import { split } from '../../../lib/job/split.ts';
import { FileStore } from '../../../lib/store/file-store.ts';
import { createWorkspace } from '../../support/workspace.ts';
import { arnOf, ended, fakeContext, fakeStepFunctions, functionFailure, splitHistory, stage, started, type FakeContext, type FakeRuns } from './fake-aws.ts';

const space = createWorkspace('items');
after(() => space.remove());

/** Five items in batches of two, none of which any worker has looked at. */
let prefix = '';
let failure = '';

before(async () => {
  mkdirSync(space.path('in'));
  for (const name of 'abcde') writeFileSync(space.path(`in/${name}.jpg`), name);
  const job = { name: 'photos', items: { prefix: space.path('in/') }, operation: { images: { thumbs: { width: 8 } } }, outputs: { prefix: space.path('out/') }, compute: { itemsPerTask: 2 } };
  const store = new FileStore();
  const state = await split({ input: { job, run: 'r' }, execution: 'r' }, { store, env: { TILEFAN_WORK: `${space.folder}/work/`, TILEFAN_LOCAL_THREADS: '1' } });
  prefix = state.run.href;
  await reduce(state, { store }).catch((error: unknown) => (failure = describeError(error).message));
  await store.close();
});

function record(batch: number, state: BatchRecord['state']): void {
  const folder = fileURLToPath(`${prefix}results`);
  mkdirSync(folder, { recursive: true });
  const attempt = { attempt: 1, state, startedAt: started.toISOString(), endedAt: ended.toISOString(), tilesComputed: 2, tilesReused: 0, error: null, task: null, log: null };
  writeFileSync(`${folder}/${String(batch)}.json`, JSON.stringify({ batch, state, attempt: 1, tiles: 2, error: null, attempts: [attempt] } satisfies BatchRecord));
}

function failedRun(): FakeRuns {
  return { executions: { r: { status: 'FAILED', stopDate: ended, error: 'OperationError', cause: failure, input: '{}' } }, history: { r: [...splitHistory(prefix), ...functionFailure('Reduce', 'OperationError', failure)] } };
}

function prepare(runs: FakeRuns): { context: FakeContext; starts: () => number; out: () => string; err: () => string } {
  const context = fakeContext();
  const mock = fakeStepFunctions(context.sfn, runs);
  mock.on(StartExecutionCommand).callsFake(({ name }: { name: string }) => ({ executionArn: arnOf(name), startDate: started }));
  return { context, starts: () => mock.commandCalls(StartExecutionCommand).length, out: () => context.streams.stdout.text, err: () => context.streams.stderr.text };
}

async function logsOf(options: Partial<LogsOptions>): Promise<{ readonly code: number; readonly out: string }> {
  const { context, out } = prepare(failedRun());
  const client = new CloudWatchLogsClient({ region: 'eu-west-1', credentials: { accessKeyId: 'a', secretAccessKey: 'b' } });
  const code = await logs('r', { ...stage, tail: 5, ...options }, { ...context, logs: () => Promise.resolve(client) });
  return { code, out: out() };
}

void describe('runs over items on AWS', () => {
  // Catches: a record that is taken for one of tiles, and failures that are told twice.
  void it('are reported with the lists that they leave', async () => {
    const { context, out } = prepare(failedRun());
    assert.equal(await status('r', stage, context), 70);
    assert.match(out(), /\[OperationError\] 5 of 5 items failed; .*r-failures\.jsonl lists them/);
    assert.match(out(), /\nrun r: 0 of 5 items in /);
    assert.equal(out().match(/a\.jpg/g)?.length, 1);
    assert.match(out(), /"tilefan resume r" goes on with it/);
    const json = prepare(failedRun());
    assert.equal(await status('r', { ...stage, json: true }, json.context), 70);
    const { record: found } = JSON.parse(json.out()) as { record: ItemRunRecord };
    assert.deepEqual([found.kind, found.items.failed, found.failures?.count], ['items', 5, 5]);
  });

  // Catches: a run that is begun again for items that have failed for good, and one that isn't though batches are missing.
  void it('are resumed only while batches are missing', async () => {
    const missing = prepare(failedRun());
    assert.equal(await resume('r', stage, missing.context), 0);
    assert.equal(missing.starts(), 1);
    for (const batch of [0, 1, 2]) record(batch, 'SUCCEEDED');
    const store = new FileStore();
    const state = await split({ input: { job: `${fileURLToPath(prefix)}job.json`, run: 'r' }, execution: 'r' }, { store, env: { TILEFAN_WORK: `${space.folder}/work/`, TILEFAN_LOCAL_THREADS: '1' } });
    await reduce(state, { store }).catch(() => undefined);
    await store.close();
    const done = prepare(failedRun());
    assert.equal(await resume('r', stage, done.context), 0);
    assert.deepEqual([done.starts(), /all of its items have come to an end; .*r-failures\.jsonl lists those that failed, and can be items\.manifest of another run/.test(done.err())], [0, true], done.err());
    const told = prepare(failedRun());
    await status('r', stage, told.context);
    assert.doesNotMatch(told.out(), /tilefan resume/);
  });

  // Catches: items that are looked for among tiles, and batches counted by arithmetic that only grids have.
  void it('have logs by item and by batch', async () => {
    record(1, 'SUCCEEDED');
    const { code, out } = await logsOf({ item: 3 });
    assert.equal(code, 0);
    assert.match(out, /^item 3 is in batch 1\nbatch 1: SUCCEEDED, 2 items from 2 to 3\n/);
    await assert.rejects(logsOf({ item: 5 }), { code: 'ITEM_OUTSIDE', message: /has no item 5: wanted 0 to 4/ });
    await assert.rejects(logsOf({ tile: { column: 0, row: 0 } }), { code: 'TILE_OUTSIDE', message: /wanted --item N or --batch N/ });
    await assert.rejects(logsOf({ batch: 3 }), { code: 'BATCH_OUTSIDE', message: /wanted 0 to 2/ });
  });
});

void describe('submit of a template over items', () => {
  // Catches: a place for outputs that is filled, or refused, on a machine that doesn't know it.
  void it('leaves the output bucket to the deployment', async () => {
    const { context } = prepare({ executions: {} });
    const mock = fakeStepFunctions(context.sfn, { executions: {} });
    mock.on(StartExecutionCommand).callsFake(({ name }: { name: string }) => ({ executionArn: arnOf(name), startDate: started }));
    const template = fileURLToPath(new URL('../../../examples/photos/template.json', import.meta.url));
    assert.equal(await submit(template, { ...stage, object: 's3://in/incoming/photos/a b.jpg', run: 'p' }, context), 0);
    const [call] = mock.commandCalls(StartExecutionCommand);
    const input = JSON.parse(call?.args[0].input.input ?? '') as { job: { items: { hrefs: string[] }; outputs: { prefix: string } }; object: string };
    assert.deepEqual([input.job.items.hrefs, input.job.outputs.prefix, input.object], [['s3://in/incoming/photos/a b.jpg'], 's3://{outputBucket}/', 's3://in/incoming/photos/a b.jpg']);
  });
});
