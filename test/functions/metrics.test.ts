/** What split and reduce print for CloudWatch. Would catch a number that is not the plan's or the outputs', and a refused job that nobody counts. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { after, before, test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createHandler as createReduce } from '../../functions/reduce/handler.ts';
import { createHandler as createSplit } from '../../functions/split/handler.ts';
import { FileStore } from '../../lib/store/file-store.ts';
import { fileHref } from '../../lib/store/href.ts';
import { finish, makeSmallScene, splitSmallJob, tiles } from '../containers/small-run.ts';
import { createWorkspace } from '../support/workspace.ts';

process.env['TILEFAN_LOG_LEVEL'] = 'silent';

const space = createWorkspace('metrics');
const store = new FileStore();
const base = fileHref(`${space.folder}/`);
const metricsOn = { POWERTOOLS_METRICS_NAMESPACE: 'tilefan', POWERTOOLS_SERVICE_NAME: 'tilefan-dev' };

before(() => {
  makeSmallScene(space.path('scene.tif'));
});
after(async () => {
  await store.close();
  space.remove();
});

/** Standard output as lines of metrics, for as long as the test runs; other lines go their way. */
function printed(t: TestContext): Record<string, unknown>[] {
  const lines: Record<string, unknown>[] = [];
  const write = process.stdout.write.bind(process.stdout);
  t.mock.method(process.stdout, 'write', (chunk: string | Uint8Array) => {
    if (!String(chunk).startsWith('{"_aws"')) return write(chunk);
    const { _aws, ...values } = JSON.parse(String(chunk)) as Record<string, unknown>;
    lines.push(values);
    return true;
  });
  return lines;
}

test('a run from split to reduce', async (t) => {
  const lines = printed(t);
  const run = await splitSmallJob(base, 'whole', { env: metricsOn });
  assert.deepEqual(lines, [{ service: 'tilefan-dev', JobsPlanned: 1, TilesPlanned: tiles, BatchesPlanned: 1 }]);
  const worker = spawnSync(process.execPath, [fileURLToPath(new URL('../../containers/worker/main.ts', import.meta.url))], { env: { ...process.env, ...run.env }, encoding: 'utf8' });
  assert.equal(worker.status, 0, worker.stderr);
  const { outputs } = await finish(store, run, metricsOn);
  const [ndvi, grey] = outputs;
  assert.deepEqual(lines.slice(1), [{ service: 'tilefan-dev', RunsFinished: 1, OutputBytes: (ndvi?.bytes ?? 0) + (grey?.bytes ?? 0) }]);
  await finish(store, run, metricsOn);
  assert.equal(lines.length, 2, 'a call that finds all done counts nothing');
});

test('a job that is refused', async (t) => {
  const lines = printed(t);
  const split = createSplit({ TILEFAN_WORK: `${base}work/`, TILEFAN_LOCAL_THREADS: '1', ...metricsOn });
  await assert.rejects(split({ input: { name: 'x' }, execution: 'refused' }, { awsRequestId: 'request', getRemainingTimeInMillis: () => 900_000 }), { name: 'JobError' });
  assert.deepEqual(lines, [{ service: 'tilefan-dev', JobsRefused: 1 }]);
});

// Catches: items that are counted as tiles, and failures that nobody counts because the run fails with them.
test('a run over items, all of which fail', async (t) => {
  const lines = printed(t);
  mkdirSync(space.path('items'));
  for (const name of ['a', 'b', 'c']) writeFileSync(space.path(`items/${name}.jpg`), 'no image');
  const job = { name: 'items', items: { prefix: space.path('items/') }, operation: { images: { thumbs: { width: 8 } } }, outputs: { prefix: space.path('copies/') }, compute: { itemsPerTask: 2 } };
  const context = { awsRequestId: 'request', getRemainingTimeInMillis: () => 900_000 };
  const state = await createSplit({ TILEFAN_WORK: `${base}work/`, TILEFAN_LOCAL_THREADS: '1', ...metricsOn })({ input: { job }, execution: 'items' }, context);
  assert.deepEqual(lines, [{ service: 'tilefan-dev', JobsPlanned: 1, ItemsPlanned: 3, BatchesPlanned: 2 }]);
  // No worker has looked at any of them.
  await assert.rejects(createReduce(metricsOn)(state, context), { name: 'OperationError', code: 'ITEMS_FAILED' });
  assert.deepEqual(lines.slice(1), [{ service: 'tilefan-dev', ItemsFailed: 3, OutputBytes: 0 }]);
});
