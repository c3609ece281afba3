/**
 * What a worker tells of itself, as a process with ECS's metadata endpoint beside it. Would catch a killed attempt whose log can't be found, an attempt without
 * metrics, and a worker that needs ECS.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { renameSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { batchRecord } from '../../lib/job/records.ts';
import { FileStore } from '../../lib/store/file-store.ts';
import { fileHref } from '../../lib/store/href.ts';
import { until } from '../support/cli.ts';
import { createWorkspace } from '../support/workspace.ts';
import { answers, recorded, startMetadataServer } from './metadata-server.ts';
import { makeSmallScene, readBatchRecord, splitSmallJob, tiles, type SmallRun } from './small-run.ts';

process.env['TILEFAN_LOG_LEVEL'] = 'silent';

const space = createWorkspace('worker');
const store = new FileStore();
const main = fileURLToPath(new URL('../../containers/worker/main.ts', import.meta.url));
const base = fileHref(`${space.folder}/`);
const metricsOn = { POWERTOOLS_METRICS_NAMESPACE: 'tilefan', POWERTOOLS_SERVICE_NAME: 'tilefan-dev' };
/** Before now, in seconds, for the pull of the image. */
const pulledBefore = 30;

before(() => {
  makeSmallScene(space.path('scene.tif'));
});
after(async () => {
  await store.close();
  space.remove();
});

interface WorkerEnd {
  readonly exitCode: number | null;
  readonly lines: readonly string[];
}

async function work({ env }: SmallRun, more: Readonly<Record<string, string>>, killAfterTiles = Infinity): Promise<WorkerEnd> {
  const { PATH = '' } = process.env;
  const child = spawn(process.execPath, [main], { env: { PATH, TILEFAN_LOG_LEVEL: 'silent', ...env, ...more }, stdio: ['ignore', 'pipe', 'inherit'] });
  let stdout = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  const closed = once(child, 'close');
  const lines = (): string[] => stdout.split('\n').filter((line) => line !== '');
  if (killAfterTiles < Infinity) {
    await until('the first tiles', () => lines().length >= killAfterTiles);
    child.kill('SIGKILL');
  }
  const [exitCode] = (await closed) as [number | null];
  return { exitCode, lines: lines() };
}

function metricsOf({ lines }: WorkerEnd): Record<string, unknown>[] {
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>).filter((line) => '_aws' in line);
}

function fargate(): ReturnType<typeof answers> {
  const { container, task } = recorded.fargate;
  return answers({ container, task: { ...task, PullStartedAt: new Date(Date.now() - pulledBefore * 1000).toISOString() } });
}

test('on ECS the record has task and log, and the metrics say what was computed and what it cost', async () => {
  const run = await splitSmallJob(base, 'ecs');
  const server = await startMetadataServer(fargate());
  const end = await work(run, { ...metricsOn, ECS_CONTAINER_METADATA_URI_V4: server.endpoint });
  await server.stop();
  assert.equal(end.exitCode, 0);
  const [attempt] = (await readBatchRecord(store, run)).attempts;
  assert.deepEqual([attempt?.task, attempt?.log], [
    'arn:aws:ecs:us-west-2:111122223333:task/default/cd189a933e5849daa93386466019ab50',
    { group: '/ecs/containerlogs', stream: 'ecs/curl/cd189a933e5849daa93386466019ab50', region: 'us-west-2' },
  ]);
  const [metrics, ...others] = metricsOf(end);
  assert.deepEqual(others, []);
  const { _aws, TaskSeconds, VcpuSeconds, GibSeconds, ...counts } = metrics ?? {};
  assert.deepEqual(counts, { service: 'tilefan-dev', TilesComputed: tiles, TilesReused: 0, AttemptsFailed: 0 });
  const seconds = Number(TaskSeconds);
  assert.ok(seconds >= pulledBefore && seconds < pulledBefore + 60, `paid from the pull of the image on: ${String(seconds)}`);
  assert.deepEqual([VcpuSeconds, GibSeconds], [seconds * 0.25, seconds * 0.5]);
});

test('an attempt that is killed has said where its log is, and the next one keeps that', async () => {
  const run = await splitSmallJob(base, 'killed');
  const server = await startMetadataServer(fargate());
  await work(run, { ECS_CONTAINER_METADATA_URI_V4: server.endpoint }, 3);
  await server.stop();
  const [killed] = (await readBatchRecord(store, run)).attempts;
  assert.equal(killed?.state, 'RUNNING');
  assert.equal(killed.log?.stream, 'ecs/curl/cd189a933e5849daa93386466019ab50');
  // The next one runs where there is no ECS.
  const end = await work(run, {});
  assert.equal(end.exitCode, 0);
  assert.deepEqual(metricsOf(end), [], 'no metrics without a namespace');
  const { attempts } = await readBatchRecord(store, run);
  assert.deepEqual(attempts.map(({ log }) => log?.region ?? null), ['us-west-2', null]);
});

test('an attempt that fails says so in its metrics, and an endpoint that hangs does no harm', async () => {
  const run = await splitSmallJob(base, 'failing');
  const scene = space.path('scene.tif');
  renameSync(scene, join(space.folder, 'away.tif'));
  const server = await startMetadataServer(() => undefined);
  const end = await work(run, { ...metricsOn, ECS_CONTAINER_METADATA_URI_V4: server.endpoint });
  await server.stop();
  renameSync(join(space.folder, 'away.tif'), scene);
  assert.equal(end.exitCode, 69);
  const [attempt] = (await readBatchRecord(store, run)).attempts;
  assert.deepEqual([attempt?.state, attempt?.error?.code, attempt?.task, attempt?.log], ['FAILED', 'STORE_NOT_FOUND', null, null]);
  const [{ _aws, TaskSeconds, ...rest } = {}] = metricsOf(end);
  assert.ok(Number(TaskSeconds) > 0);
  // What the task has is not known, so that nothing is said of it.
  assert.deepEqual(rest, { service: 'tilefan-dev', TilesComputed: 0, TilesReused: 0, AttemptsFailed: 1 });
});

test('records from before tasks and logs were kept are still read', () => {
  const attempt = { attempt: 1, state: 'SUCCEEDED', startedAt: '2026-01-01T00:00:00Z', endedAt: null, tilesComputed: 1, tilesReused: 0, error: null };
  const parsed = batchRecord.parse({ batch: 0, state: 'SUCCEEDED', attempt: 1, tiles: 1, error: null, attempts: [attempt] });
  assert.deepEqual(parsed.attempts, [{ ...attempt, task: null, log: null }]);
});
