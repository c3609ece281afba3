/** `tilefan run`: a job on this machine, through the state machine, the functions and the worker that AWS runs. */
import { isDeepStrictEqual } from 'node:util';
import { createError, describeError, messageOf } from '../lib/base/errors.ts';
import { finishedRecord } from '../lib/job/merge-state.ts';
import { makePlan } from '../lib/job/make-plan.ts';
import { readPlan, runFiles, tilingOf } from '../lib/job/plan.ts';
import { encodeDocument, readDocument, runRecord, type RunRecord } from '../lib/job/records.ts';
import { readSettings } from '../lib/job/settings.ts';
import type { JobSpec } from '../lib/job/spec.ts';
import { checkRunId } from '../lib/job/split.ts';
import { tileCount } from '../lib/job/tiling.ts';
import { displayHref } from '../lib/store/href.ts';
import { createStore } from '../lib/store/routing-store.ts';
import type { Store } from '../lib/store/store.ts';
import type { Json } from '../local/engine.ts';
import { runLocally, type LocalRunResult } from '../local/run-locally.ts';
import { readJob, userFolderHref, type JobOverrides } from './job-file.ts';
import { localEnvironment, type LocalOptions } from './local-environment.ts';
import { Progress } from './progress.ts';
import { newRunId } from './run-id.ts';
import { runRecordText } from './run-record-text.ts';

export type RunOptions = JobOverrides &
  LocalOptions & { readonly work: string; readonly run?: string; readonly keep?: boolean; readonly json?: boolean };

/** As shells report a program that SIGINT has ended. */
const interruptedExitCode = 130;

/** A run that is stopped ends within two seconds. */
const longestStopMs = 1900;

/** @returns the exit code of the process */
export async function run(file: string, options: RunOptions): Promise<number> {
  const store = createStore();
  const stop = new AbortController();
  const interrupt = (): void => {
    stop.abort();
    // Workers are killed before; whatever still hangs here then has to go with the process.
    setTimeout(() => process.exit(interruptedExitCode), longestStopMs).unref();
  };
  process.once('SIGINT', interrupt);
  process.once('SIGTERM', interrupt);
  try {
    if (options.run !== undefined) checkRunId(options.run);
    const { job, runId, problems } = await readJob(store, file, options, (name) => options.run ?? newRunId(name));
    if (problems.length > 0) {
      // Planning finds what else is wrong, and refuses with all of it.
      const env = { ...process.env, ...localEnvironment(options), TILEFAN_WORK: userFolderHref(options.work) };
      await makePlan(store, job, runId, readSettings(env, job.compute, problems), problems);
    }
    return await runJob(store, job, runId, file, options, stop.signal);
  } catch (error) {
    // What was wrong before there was a run; who asked for JSON gets it all the same.
    if (options.json === true) process.stdout.write(`${JSON.stringify({ run: null, state: 'FAILED', error: describeError(error).name, cause: messageOf(error) })}\n`);
    throw error;
  } finally {
    process.off('SIGINT', interrupt);
    process.off('SIGTERM', interrupt);
    await store.close();
  }
}

async function runJob(store: Store, job: JobSpec, runId: string, file: string, options: RunOptions, signal: AbortSignal): Promise<number> {
  const started = performance.now();
  const work = userFolderHref(options.work);
  const prefix = `${work}runs/${runId}/`;
  // The job as it stands after defaults and overrides; undefined fields are gone, as on the way to AWS.
  const document = JSON.parse(JSON.stringify(job)) as Json;
  if (options.run !== undefined) {
    const finished = await finishedBefore(store, prefix, document);
    if (finished !== undefined) return print(finished, options, (performance.now() - started) / 1000);
  }
  const progress = new Progress(runId);
  const result = await runLocally({
    input: { job: document, run: runId },
    runId,
    workers: options.workers,
    work,
    signal,
    env: localEnvironment(options),
    onEvent: (event) => {
      if (event.type === 'BatchesStarted') void readPlan(store, prefix).then((plan) => { progress.setTotal(tileCount(tilingOf(plan))); }, () => undefined);
      progress.onEvent(event);
    },
  });
  progress.end();
  const seconds = (performance.now() - started) / 1000;
  switch (result.state) {
    case 'SUCCEEDED':
      return await succeeded(store, prefix, options, seconds);
    case 'ABORTED':
      return aborted(runId, prefix, file, options);
    case 'FAILED': {
      // Another process may have finished the same run meanwhile, and taken away what this one was about to read.
      const finished = await finishedBefore(store, prefix, document);
      if (finished !== undefined) return print(finished, options, seconds);
      return await failed(store, runId, prefix, result, options);
    }
  }
}

/** The record of this run if it has nothing left to do. */
async function finishedBefore(store: Store, prefix: string, job: Json): Promise<RunRecord | undefined> {
  const plan = await readPlan(store, prefix).catch(() => undefined);
  if (plan === undefined || !isDeepStrictEqual(JSON.parse(JSON.stringify(plan.job)), job)) return undefined;
  return await finishedRecord(store, plan);
}

function print(record: RunRecord, options: RunOptions, seconds: number): number {
  process.stdout.write(options.json === true ? `${JSON.stringify(record)}\n` : runRecordText(record, seconds));
  return 0;
}

async function succeeded(store: Store, prefix: string, options: RunOptions, seconds: number): Promise<number> {
  const record = await readDocument(store, `${prefix}${runFiles.record}`, runRecord);
  if (record === undefined) throw new Error(`the run has ended well, but ${prefix}${runFiles.record} is not there`);
  // A run whose failures were tolerated can be continued, and then needs only what failed.
  if (options.keep !== true && record.batches.failed.length === 0) {
    for (const folder of ['segments/', 'pyramids/']) await store.removePrefix(`${prefix}${folder}`);
  }
  return print(record, options, seconds);
}

function aborted(runId: string, prefix: string, file: string, options: RunOptions): number {
  process.stderr.write(`tilefan: stopped; what is finished is kept under ${displayHref(prefix)}\n  continue with: npm run --silent tilefan -- run ${file} --run ${runId}\n`);
  if (options.json === true) process.stdout.write(`${JSON.stringify({ run: runId, state: 'ABORTED', prefix })}\n`);
  return interruptedExitCode;
}

/** The exit code is that of the error: of the job, or of the first batch that failed. */
async function failed(store: Store, runId: string, prefix: string, result: LocalRunResult & { readonly state: 'FAILED' }, options: RunOptions): Promise<number> {
  const causes = result.failedBatches.length > 0 ? result.failedBatches.map(({ cause }) => cause) : [result.cause];
  process.stderr.write(`tilefan: run ${runId} failed [${result.failedBatches[0]?.error ?? result.error}]\n${causes.map((cause) => `  ${cause.replaceAll('\n', '\n  ')}\n`).join('')}`);
  const record = { run: runId, state: 'FAILED', prefix, error: result.error, cause: result.cause, failedBatches: result.failedBatches };
  if (options.json === true) process.stdout.write(`${JSON.stringify(record)}\n`);
  // A run that had no plan has left nothing, and gets no folder for its failure. A refused job has none, and what lies there is another's.
  const planned = result.error !== 'JobError' && (await readPlan(store, prefix).then(() => true, () => false));
  if (planned) process.stderr.write(`  what is finished is kept under ${displayHref(prefix)}; --run ${runId} continues it\n`);
  if (planned) await store.put(`${prefix}failure.json`, encodeDocument(record), { createFolders: true }).catch(() => undefined);
  return exitCodeOf(result);
}

function exitCodeOf(result: LocalRunResult & { readonly state: 'FAILED' }): number {
  return createError(result.failedBatches[0]?.error ?? result.error, 'RUN_FAILED', result.cause).exitCode;
}
