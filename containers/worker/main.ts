/**
 * The worker: one batch, then exit. Contract (docs/worker.md): TILEFAN_RUN is the run prefix, TILEFAN_BATCH the manifest line; exit 0 only
 * when every tile of the batch is committed, otherwise a code of sysexits.h. SIGTERM commits what is finished and exits 75.
 */
import { JobError, describeError, messageOf } from '../../lib/base/errors.ts';
import { createLogger, type Logger } from '../../lib/base/log.ts';
import { createMetrics } from '../../lib/base/metrics.ts';
import type { BatchSummary } from '../../lib/job/batch.ts';
import { manifestLine, type ManifestLine } from '../../lib/job/manifest.ts';
import { createStore } from '../../lib/store/routing-store.ts';
import { addAttempt } from './attempt-metrics.ts';
import { Attempt } from './attempt.ts';
import { workOn } from './dispatch.ts';
import { readTaskMetadata } from './task-metadata.ts';
import { receiveEnvironment } from './standby.ts';
import { EarlyThreads } from './thread-pool.ts';

/** Node's timers end at 2^31 milliseconds, 25 days. */
const longestTimerMs = 2 ** 31 - 1;

interface Task {
  /** The run prefix. */
  readonly run: string;
  readonly line: ManifestLine;
}

void main();

async function main(): Promise<never> {
  const stop = new AbortController();
  process.on('SIGTERM', () => {
    stop.abort();
  });
  process.on('SIGINT', () => {
    stop.abort();
  });
  // Progress that nobody reads any more (the parent was killed) is no reason to die before finished tiles are committed.
  process.stdout.on('error', () => undefined);
  // A local parent knows how many threads there will be; they load while the plan is read.
  const early = new EarlyThreads(Number(process.env['TILEFAN_LOCAL_THREADS'] ?? 0));
  if (process.env['TILEFAN_STANDBY'] === '1') {
    const environment = await receiveEnvironment(process.stdin, stop.signal);
    if (environment === undefined) process.exit(75);
    Object.assign(process.env, environment);
  }
  if (process.env['TILEFAN_PARENT_PIPE'] === '1') {
    // A local parent that dies closes our standard input; nobody is left to work for then.
    process.stdin.on('end', () => {
      stop.abort();
    });
    process.stdin.on('error', () => {
      stop.abort();
    });
    process.stdin.resume();
  }

  // The state machine gives a task up after this time, but nothing promises that ECS stops it then; what is finished is committed before.
  const timeoutSeconds = Number(process.env['TILEFAN_TIMEOUT_SECONDS'] ?? '');
  if (timeoutSeconds > 0) setTimeout(() => { stop.abort(); }, Math.min(timeoutSeconds * 1000, longestTimerMs)).unref();

  process.exitCode = await doTask(await readEnvironment(), stop.signal, early);
  // Threads and sockets are of no use any more, and waiting for them could only hang.
  process.exit();
}

/** @returns the exit code */
async function doTask({ run, line }: Task, signal: AbortSignal, early: EarlyThreads): Promise<number> {
  const store = createStore();
  const metadata = readTaskMetadata(process.env);
  let summary: BatchSummary = { computed: 0, reused: 0 };
  let logger: Promise<Logger> | undefined;
  const openLog = (): Promise<Logger> => (logger ??= createLogger({ run, batch: line.batch, attempt: Number(process.env['TILEFAN_ATTEMPT'] ?? 1) }));
  const printAttempt = async (failed: boolean): Promise<void> => {
    await printMetrics({ ...summary, failed }, metadata).catch(async (error: unknown) => {
      // That metrics can't be printed says nothing about the batch.
      (await openLog()).warn({ cause: messageOf(error) }, 'Metrics:Failed');
    });
  };

  let attempt: Attempt | undefined;
  try {
    attempt = await Attempt.begin(store, run, line, metadata);
    await workOn(line, {
      store,
      run,
      followsKill: attempt.followsKill,
      signal,
      early,
      onProgress: (counts) => {
        summary = counts;
        // It loads while tiles are computed; the first of them needn't wait for it.
        void openLog();
      },
    });
    await attempt.succeed(summary);
    await printAttempt(false);
    (await openLog()).info({ ...summary }, 'Batch:Done');
    return 0;
  } catch (error) {
    const described = describeError(error);
    const unrecorded = await attempt?.fail(error, summary).then(() => undefined, messageOf);
    await printAttempt(true);
    const log = await openLog();
    log.error({ error: described, ...summary }, 'Batch:Failed');
    if (unrecorded !== undefined) log.error({ cause: unrecorded }, 'Record:Failed');
    return described.exitCode;
  }
}

/** What the environment says. A worker that is called wrongly can't know its record, so this ends the process at once. */
async function readEnvironment(): Promise<Task> {
  try {
    const href = process.env['TILEFAN_RUN'] ?? '';
    if (!href.endsWith('/')) throw new JobError('WORKER_ENVIRONMENT', `TILEFAN_RUN: wanted a run prefix that ends in /, found ${JSON.stringify(href)}`);
    const text = process.env['TILEFAN_BATCH'] ?? '';
    const parsed = manifestLine.safeParse(parseJson(text));
    if (!parsed.success) throw new JobError('WORKER_ENVIRONMENT', `TILEFAN_BATCH: wanted a line of the manifest, found ${JSON.stringify(text)}`);
    return { run: href, line: parsed.data };
  } catch (error) {
    (await createLogger()).error({ error: describeError(error) }, 'Worker:BadEnvironment');
    process.exit(64);
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

async function printMetrics(attempt: Parameters<typeof addAttempt>[1], metadata: ReturnType<typeof readTaskMetadata>): Promise<void> {
  const metrics = await createMetrics(process.env);
  addAttempt(metrics, attempt, await metadata, process.uptime());
  metrics.flush();
}
