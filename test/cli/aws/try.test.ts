/** `try --aws`: what is started, how its report is found, and what is said when there is none. */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { after, describe, it } from 'node:test';
import { StartExecutionCommand } from '@aws-sdk/client-sfn';
import { tryOnAws } from '../../../cli/aws/try-on-aws.ts';
import { executionInput } from '../../../lib/job/events.ts';
import type { TileReport } from '../../../lib/job/tile-report.ts';
import { createWorkspace } from '../../support/workspace.ts';
import { arnOf, ended, fakeContext, fakeStepFunctions, functionFailure, splitHistory, stage, started, type FakeContext, type FakeRuns } from './fake-aws.ts';

const space = createWorkspace('try-aws');
after(() => space.remove());

const document = { name: 'ndvi', inputs: { scene: 's3://in/scene.tif' }, operation: { expression: { o: 'scene[1] * 2' } }, outputs: { o: { href: 's3://out/o.tif', dtype: 'float32' } } };
const tile = { column: 3, row: 4 };

const good: TileReport = { tile: [3, 4], window: { column: 3072, row: 4096, columns: 1024, rows: 1024 }, state: 'SUCCEEDED', seconds: 1.5, outputs: [{ name: 'o', dtype: 'float32', bands: [{ valid: 7, minimum: 1, maximum: 2, mean: 1.5, corner: [[1, null]] }] }], printed: null, error: null };
const bad: TileReport = { ...good, state: 'FAILED', outputs: [], printed: { stdout: 'so far\n', stderr: '', stdoutBytes: 7, stderrBytes: 0 }, error: { name: 'OperationError', code: 'FUNCTION_FAILED', message: 'no such luck', where: { traceback: 'at f.py:3' }, exitCode: 70 } };

/** An execution whose id is only known when it is started. */
async function tryIt(end: (name: string) => FakeRuns, options: { readonly json?: boolean; readonly stop?: boolean } = {}): Promise<{ readonly code: Promise<number>; readonly context: FakeContext; readonly input: () => unknown }> {
  const context = fakeContext();
  let input: unknown;
  // Runs are looked up by name when they are asked for, so one name stands for all.
  const runs = end('any');
  const mock = fakeStepFunctions(context.sfn, { ...runs, executions: new Proxy(runs.executions, { get: (known) => known['any'] }), history: new Proxy(runs.history ?? {}, { get: (known) => known['any'] }) });
  mock.on(StartExecutionCommand).callsFake(({ name, input: text }: { name: string; input: string }) => {
    input = JSON.parse(text);
    return { executionArn: arnOf(name), startDate: started };
  });
  if (options.stop === true) context.stop.abort();
  return await Promise.resolve({ code: tryOnAws(space.job('job.json', document), { ...stage, tile, ...options }, context), context, input: () => input });
}

function reportedAt(name: string, report: TileReport | undefined): string {
  const folder = space.path(name);
  mkdirSync(`${folder}/code`, { recursive: true });
  if (report !== undefined) writeFileSync(`${folder}/code/try.json`, JSON.stringify(report));
  return `file://${folder}/`;
}

void describe('try --aws', () => {
  // Catches: a whole run that is started, an input that Split doesn't take, a report that isn't found.
  void it('starts one task, waits, and shows its report', async () => {
    const { code, context, input } = await tryIt((name) => ({ executions: { [name]: [{ status: 'RUNNING' }, { status: 'SUCCEEDED', stopDate: ended }] }, history: { [name]: splitHistory(reportedAt('good', good)) } }));
    assert.equal(await code, 0);
    const sent = executionInput.parse(input()) as { try: unknown; job: { inputs: unknown } };
    assert.deepEqual([sent.try, sent.job.inputs], [[3, 4], document.inputs]);
    assert.match(context.streams.stderr.text, /trying tile 3,4 in a task of its own, as run ndvi-/);
    assert.match(context.streams.stdout.text, /tile 3,4 .*computed in 1\.5 s\no band 1 \(float32\): 7 valid, min 1, max 2, mean 1\.5\n {2}1 {2}nodata/);
  });

  // Catches: a tile that fails and passes for one that went well.
  void it('ends with the exit code of what the tile failed with', async () => {
    const { code, context } = await tryIt((name) => ({ executions: { [name]: { status: 'SUCCEEDED', stopDate: ended } }, history: { [name]: splitHistory(reportedAt('bad', bad)) } }));
    assert.equal(await code, 70);
    assert.match(context.streams.stdout.text, /FUNCTION_FAILED: no such luck\n {2}at f\.py:3/);
    assert.match(context.streams.stdout.text, /so far/);
    const json = await tryIt((name) => ({ executions: { [name]: { status: 'SUCCEEDED', stopDate: ended } }, history: { [name]: splitHistory(reportedAt('bad', bad)) } }), { json: true });
    assert.equal(await json.code, 70);
    assert.deepEqual(JSON.parse(json.context.streams.stdout.text), bad);
  });

  // Catches: an execution that failed before there was a tile, a report that is gone, and waiting that can't be broken off.
  void it('says why there is no report', async () => {
    const failed = await tryIt((name) => ({ executions: { [name]: { status: 'FAILED', stopDate: ended, error: 'RunFailed', cause: 'PLAN_REFUSED: there is no tile 3,4' } }, history: { [name]: functionFailure('Split', 'JobError', 'there is no tile 3,4') } }));
    assert.notEqual(await failed.code, 0);
    assert.match(failed.context.streams.stdout.text, /there is no tile 3,4/);
    const gone = await tryIt((name) => ({ executions: { [name]: { status: 'SUCCEEDED', stopDate: ended } }, history: { [name]: splitHistory(reportedAt('gone', undefined)) } }));
    await assert.rejects(gone.code, { code: 'TRIAL_LOST', message: /its report is not under .*gone/ });
    const stopped = await tryIt((name) => ({ executions: { [name]: { status: 'RUNNING' } } }), { stop: true });
    assert.equal(await stopped.code, 130);
    assert.match(stopped.context.streams.stderr.text, /tilefan cancel ndvi-/);
  });

  void it('refuses jobs without tiles', async () => {
    const context = fakeContext();
    await assert.rejects(tryOnAws(space.job('items.json', { items: { prefix: 's3://in/a/' }, operation: { images: { t: { width: 5 } } }, outputs: { prefix: 's3://out/' } }), { ...stage, tile }, context), { code: 'JOB_OVER_ITEMS' });
  });
});
