/**
 * Runs the real handlers and the real worker against a real S3 server, each behind a proxy of its own, through everything that makes them ask S3 for something
 * else: the first time and again, cut off and gone on with, with inputs, uploads and outputs that went away. Gives the requests by the role that they are made under.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createHandler as createReduce } from '../../functions/reduce/handler.ts';
import { createHandler as createSplit } from '../../functions/split/handler.ts';
import type { FunctionContext } from '../../functions/middleware.ts';
import { makeScene } from '../../examples/make-scene.ts';
import type { ReduceResult, RunState } from '../../lib/job/events.ts';
import { startRecordingProxy, type RecordingProxy, type S3Request } from './recording-proxy.ts';
import { startS3Server } from './s3-server.ts';

export interface Buckets {
  readonly input: string;
  readonly work: string;
  readonly output: string;
}

export interface RecordedRunOptions {
  readonly buckets: Buckets;
  /** The environments of the functions and of the worker's container, as the template sets them. */
  readonly env: { readonly split: Readonly<Record<string, string>>; readonly reduce: Readonly<Record<string, string>>; readonly worker: Readonly<Record<string, string>> };
}

export type Requests = Readonly<Record<'split' | 'worker' | 'reduce', readonly S3Request[]>>;

const workerProgram = fileURLToPath(new URL('../../containers/worker/main.ts', import.meta.url));

/** Lambda's context, with so much time left. */
function contextWith(milliseconds: number): FunctionContext {
  return { awsRequestId: 'request', getRemainingTimeInMillis: () => milliseconds };
}

export async function recordRun({ buckets, env }: RecordedRunOptions): Promise<Requests> {
  const server = await startS3Server(buckets.work);
  const proxies: RecordingProxy[] = [];
  const before = { ...process.env };
  try {
    const open = async (): Promise<RecordingProxy> => {
      const proxy = await startRecordingProxy(server.endpoint);
      proxies.push(proxy);
      return proxy;
    };
    const [split, worker, reduce] = [await open(), await open(), await open()];
    for (const bucket of Object.values(buckets)) mkdirSync(join(server.root, bucket), { recursive: true });
    Object.assign(process.env, server.env, { TILEFAN_LOG_LEVEL: 'silent' });
    const at = (bucket: string, path: string): string => join(server.root, bucket, path);
    await scenario({
      buckets,
      at,
      split: async (input, execution) => {
        process.env['AWS_ENDPOINT_URL_S3'] = split.endpoint;
        return (await createSplit(env.split)({ input, execution }, contextWith(900_000)));
      },
      reduce: async (state, milliseconds = 900_000) => {
        process.env['AWS_ENDPOINT_URL_S3'] = reduce.endpoint;
        return await createReduce(env.reduce)(state, contextWith(milliseconds));
      },
      work: async (state, line) => {
        const container = { TILEFAN_RUN: state.run.href, TILEFAN_BATCH: line, TILEFAN_ATTEMPT: '1', TILEFAN_TIMEOUT_SECONDS: '600', TILEFAN_LOG_LEVEL: 'silent' };
        const child = spawn(process.execPath, [workerProgram], {
          env: { PATH: process.env['PATH'], ...env.worker, ...server.env, AWS_ENDPOINT_URL_S3: worker.endpoint, ...container },
          stdio: 'ignore',
        });
        const [exitCode] = (await once(child, 'exit')) as [number | null];
        return exitCode ?? -1;
      },
    });
    return { split: split.requests, worker: worker.requests, reduce: reduce.requests };
  } finally {
    for (const name of Object.keys(process.env)) if (!(name in before)) delete process.env[name];
    Object.assign(process.env, before);
    await Promise.all(proxies.map((proxy) => proxy.stop()));
    await server.stop();
  }
}

interface Stage {
  readonly buckets: Buckets;
  /** The file in which the server keeps an object. */
  readonly at: (bucket: string, path: string) => string;
  readonly split: (input: Record<string, unknown>, execution: string) => Promise<RunState>;
  readonly work: (state: RunState, line: string) => Promise<number>;
  readonly reduce: (state: RunState, milliseconds?: number) => Promise<ReduceResult>;
}

async function scenario({ buckets, at, split, work, reduce }: Stage): Promise<void> {
  const { input, work: workBucket, output } = buckets;
  const scene = at(input, 'scenes/a b.tif');
  makeScene(scene, 1200);
  const job = (name: string, more: object = {}): Record<string, unknown> => ({
    name: 'nd',
    inputs: { a: `s3://${input}/scenes/a b.tif` },
    grid: { tileSize: 256 },
    // Large batches and small ones: segments that S3 can copy, and segments that are gathered.
    compute: { tilesPerTask: 16, cpu: 1, memory: '4 GiB', capacity: 'FARGATE' },
    operation: { expression: { o: ['(a[4] - a[3]) / (a[4] + a[3])', 'a[1]'] } },
    outputs: { o: { href: `s3://${output}/nd/${name}.tif`, dtype: 'float64', compression: 'none', blockSize: 128 } },
    ...more,
  });
  const upload = (path: string, document: object): string => {
    mkdirSync(at(input, 'jobs'), { recursive: true });
    writeFileSync(at(input, path), JSON.stringify(document));
    return `s3://${input}/${path}`;
  };
  const linesOf = (state: RunState): string[] => readFileSync(at(state.manifest.bucket, state.manifest.key), 'utf8').trim().split('\n');
  const inRun = (state: RunState, path: string): string => at(workBucket, `${state.run.prefix}${path}`);

  // A job that was uploaded; split again, as Step Functions may; another job under its id; jobs and inputs that aren't there.
  const state = await split({ job: upload('jobs/first.json', job('first')) }, 'first');
  await split({ job: `s3://${input}/jobs/first.json` }, 'first');
  await assert.rejects(split(job('other'), 'first'), { code: 'RUN_EXISTS' });
  await assert.rejects(split({ job: `s3://${input}/jobs/none.json` }, 'none'));
  await assert.rejects(split(job('no-input', { inputs: { a: `s3://${input}/scenes/none.tif` } }), 'no-input'));

  // Every batch once, the first one twice: the second time its tiles are there.
  const lines = linesOf(state);
  assert.ok(lines.length >= 4, `wanted several batches, found ${lines.length}`);
  for (const line of [lines[0] ?? '', ...lines]) assert.equal(await work(state, line), 0);
  // An input that has gone since.
  renameSync(scene, `${scene}.away`);
  const lost = await split(job('lost', { inputs: { a: `s3://${input}/scenes/a b.tif.away` } }), 'lost');
  renameSync(`${scene}.away`, scene);
  assert.notEqual(await work(lost, linesOf(lost)[0] ?? ''), 0);

  // Cut off before its state was written: the pyramid is made again. Cut off after: the upload is gone on with.
  const merging = async (of: RunState): Promise<void> => assert.equal((await reduce(of, 30_000)).status, 'MERGING');
  await merging(state);
  assert.ok(existsSync(inRun(state, 'pyramids')), 'there are levels above the batches');
  rmSync(inRun(state, 'merge/o.json'));
  await merging(state);
  assert.equal((await reduce({ ...state }, 900_000)).status, 'DONE');
  // Done: the record says so. An output that was taken away is made again; one whose upload was given up from outside, too.
  assert.equal((await reduce(state)).status, 'DONE');
  rmSync(at(output, 'nd/first.tif'));
  assert.equal((await reduce(state)).status, 'DONE');

  // Tolerated failures, and tiles that come while the merge is under way: it is given up and begun anew.
  const late = await split(job('late', { tolerateFailures: { percentage: 100 } }), 'late');
  const [first = '', ...rest] = linesOf(late);
  assert.equal(await work(late, first), 0);
  await merging(late);
  for (const line of rest) assert.equal(await work(late, line), 0);
  assert.equal((await reduce(late)).status, 'DONE');
}
