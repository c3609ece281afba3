/**
 * Runs the real handlers and the real worker against a real S3 server, each behind a proxy of its own; ECS and Step Functions are mocked at the SDK's
 * clients. Gives everything that they ask of AWS, by the part that asks, and so by the role that it is asked under.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createHandler as createReduce } from '../../functions/reduce/handler.ts';
import { createHandler as createSplit } from '../../functions/split/handler.ts';
import { createHandler as createStart } from '../../functions/start/handler.ts';
import { createHandler as createTidy } from '../../functions/tidy/handler.ts';
import type { FunctionContext } from '../../functions/middleware.ts';
import { startRecordingProxy, type RecordingProxy, type S3Request } from './recording-proxy.ts';
import { playScenario } from './recording-scenario.ts';
import type { Buckets } from './recording-stage.ts';
import { recordSdk, type OwnDefinition, type SdkCall } from './recording-sdk.ts';
import { startS3Server } from './s3-server.ts';

export const parts = ['start', 'split', 'worker', 'reduce', 'tidy'] as const;
export type Part = (typeof parts)[number];

export interface RecordedRunOptions {
  readonly buckets: Buckets;
  /** The environments of the functions and of the worker's container, as the template sets them. */
  readonly env: Readonly<Record<Part, Readonly<Record<string, string>>>>;
  readonly definitions: readonly OwnDefinition[];
}

export interface Recorded {
  readonly requests: readonly S3Request[];
  readonly calls: readonly SdkCall[];
}

const workerProgram = fileURLToPath(new URL('../../containers/worker/main.ts', import.meta.url));

/** Lambda's context, with so much time left. */
function contextWith(milliseconds: number): FunctionContext {
  return { awsRequestId: 'request', getRemainingTimeInMillis: () => milliseconds };
}

export async function recordRun({ buckets, env, definitions }: RecordedRunOptions): Promise<Readonly<Record<Part, Recorded>>> {
  const server = await startS3Server(buckets.work);
  const sdk = recordSdk(definitions);
  const before = { ...process.env };
  const calls = new Map<Part, SdkCall[]>(parts.map((part) => [part, []]));
  const proxies = new Map<Part, RecordingProxy>();
  try {
    // The start function needs no leave to list the whole bucket: it finds out by listing the templates.
    for (const part of parts) proxies.set(part, await startRecordingProxy(server.endpoint, part !== 'start'));
    for (const bucket of Object.values(buckets)) mkdirSync(join(server.root, bucket), { recursive: true });
    Object.assign(process.env, server.env, { TILEFAN_LOG_LEVEL: 'silent' });
    const endpointOf = (part: Part): string => proxies.get(part)?.endpoint ?? '';
    const during = async <Result>(part: Part, work: () => Promise<Result>): Promise<Result> => {
      process.env['AWS_ENDPOINT_URL_S3'] = endpointOf(part);
      try {
        return await work();
      } finally {
        calls.get(part)?.push(...sdk.take());
      }
    };
    await playScenario({
      buckets,
      at: (bucket, path) => join(server.root, bucket, path),
      start: async (bodies) => {
        const Records = bodies.map((body, index) => ({ messageId: String(index), body: JSON.stringify(body) }));
        return await during('start', () => createStart(env.start)({ Records }, contextWith(60_000)));
      },
      split: async (input, execution, more = {}) => await during('split', () => createSplit({ ...env.split, ...more })({ input, execution }, contextWith(900_000))),
      reduce: async (state, milliseconds = 900_000) => await during('reduce', () => createReduce(env.reduce)(state, contextWith(milliseconds))),
      tidy: async () => await during('tidy', () => createTidy(env.tidy)({}, contextWith(900_000))),
      work: async (state, line) => {
        const container = { TILEFAN_RUN: state.run.href, TILEFAN_BATCH: line, TILEFAN_ATTEMPT: '1', TILEFAN_TIMEOUT_SECONDS: '600', TILEFAN_LOG_LEVEL: 'silent' };
        const child = spawn(process.execPath, [workerProgram], {
          env: { PATH: process.env['PATH'], ...env.worker, ...server.env, AWS_ENDPOINT_URL_S3: endpointOf('worker'), ...container },
          stdio: 'ignore',
        });
        const [exitCode] = (await once(child, 'exit')) as [number | null];
        return exitCode ?? -1;
      },
    });
    const recorded = (part: Part): Recorded => ({ requests: proxies.get(part)?.requests ?? [], calls: calls.get(part) ?? [] });
    return { start: recorded('start'), split: recorded('split'), worker: recorded('worker'), reduce: recorded('reduce'), tidy: recorded('tidy') };
  } finally {
    for (const name of Object.keys(process.env)) if (!(name in before)) delete process.env[name];
    Object.assign(process.env, before);
    sdk.restore();
    await Promise.all([...proxies.values()].map((proxy) => proxy.stop()));
    await server.stop();
  }
}
