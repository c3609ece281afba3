/** `tilefan run`: a job on this machine, through the state machine, the functions and the worker that AWS runs. */
import { isDeepStrictEqual } from 'node:util';
import { describeError, messageOf } from '../lib/base/errors.ts';
import { finishedRecord } from '../lib/job/merge-state.ts';
import { isImageJob, isItemJob } from '../lib/job/items/item-documents.ts';
import { makePlan } from '../lib/job/make-plan.ts';
import { readPlan } from '../lib/job/plan.ts';
import type { RunRecord } from '../lib/job/records.ts';
import { readSettings } from '../lib/job/settings.ts';
import type { JobSpec } from '../lib/job/spec.ts';
import { checkRunId } from '../lib/job/split.ts';
import { basename, displayHref } from '../lib/store/href.ts';
import { createStore } from '../lib/store/routing-store.ts';
import type { Store } from '../lib/store/store.ts';
import type { Json } from '../local/engine.ts';
import { extentsHere } from '../local/extents-here.ts';
import type { StandbyWorkers } from '../local/standby.ts';
import { catchInterrupts, interruptedExitCode } from './interrupt.ts';
import { readJobDocument, takeJob, userFolderHref, type JobOverrides } from './job-file.ts';
import { defaultWork } from './arguments.ts';
import { localEnvironment, type LocalOptions } from './local-environment.ts';
import { exitCodeOf, failureRecord, failureText, finishRun, keepFailure, runHere, runPrefix, type FailedRun, type LocalRun } from './local-run.ts';
import { newRunId } from './run-id.ts';
import { runRecordText } from './run-record-text.ts';
import { workerKindAt } from './standby-environment.ts';

export type RunOptions = JobOverrides &
  LocalOptions & { readonly work: string; readonly run?: string; readonly keep?: boolean; readonly json?: boolean };

/**
 * @param standby workers that have been started for it
 * @returns the exit code of the process
 */
export async function run(file: string, options: RunOptions, standby?: StandbyWorkers): Promise<number> {
  const store = createStore();
  const interrupts = catchInterrupts();
  try {
    if (options.run !== undefined) checkRunId(options.run);
    const { document, href } = await readJobDocument(store, file);
    if (isItemJob(document)) {
      // Workers that wait were started for tiles, where nobody could look at the job before: with images they would wait for each other's memory.
      if (isImageJob(document) && workerKindAt(file) !== 'images') standby?.dismiss();
      const { runItemJob } = await import('./item-run.ts');
      return await runItemJob(store, document, href, options, { signal: interrupts.signal, standby });
    }
    const { job, runId, problems } = takeJob(document, href, options, (name) => options.run ?? newRunId(name));
    if (problems.length > 0) {
      // Planning finds what else is wrong, and refuses with all of it.
      const env = { ...process.env, ...localEnvironment(options), TILEFAN_WORK: userFolderHref(options.work) };
      await makePlan(store, job, runId, readSettings(env, job.compute, problems), problems, { findExtents: extentsHere(interrupts.signal) });
    }
    return await runJob(store, job, runId, file, options, { signal: interrupts.signal, standby });
  } catch (error) {
    // What was wrong before there was a run; who asked for JSON gets it all the same.
    if (options.json === true) process.stdout.write(`${JSON.stringify({ run: null, state: 'FAILED', error: describeError(error).name, cause: messageOf(error) })}\n`);
    throw error;
  } finally {
    interrupts.close();
    await store.close();
  }
}

async function runJob(store: Store, job: JobSpec, runId: string, file: string, options: RunOptions, { signal, standby }: Pick<LocalRun, 'signal' | 'standby'>): Promise<number> {
  const started = performance.now();
  const work = userFolderHref(options.work);
  const prefix = runPrefix(work, runId);
  // The job as it stands after defaults and overrides; undefined fields are gone, as on the way to AWS.
  const document = JSON.parse(JSON.stringify(job)) as Json;
  if (options.run !== undefined) {
    const finished = await finishedBefore(store, prefix, document);
    if (finished !== undefined) return print(finished, options, (performance.now() - started) / 1000);
    await tellChangedCode(store, prefix, job);
  }
  const result = await runHere(store, { runId, input: { job: document, run: runId }, work, options, signal, standby, progress: true });
  const seconds = (performance.now() - started) / 1000;
  switch (result.state) {
    case 'SUCCEEDED':
      return print(await finishRun(store, prefix, { keep: options.keep === true }), options, seconds);
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

/** Whoever has mended the code and continues the run would wonder at the same error. */
async function tellChangedCode(store: Store, prefix: string, job: JobSpec): Promise<void> {
  const { changedCode } = await import('../lib/job/changed-code.ts');
  const changed = await changedCode(store, prefix, job);
  if (changed === undefined) return;
  const how = changed.how === 'gone' ? 'is gone' : 'has changed';
  process.stderr.write(`tilefan: ${basename(changed.href)} ${how} since this run began; the run goes on with the code that it began with${changed.how === 'gone' ? '' : ', and a new run takes the new code'}\n`);
}

/** The record of this run if it has nothing left to do. */
export async function finishedBefore(store: Store, prefix: string, job: Json): Promise<RunRecord | undefined> {
  const plan = await readPlan(store, prefix).catch(() => undefined);
  if (plan === undefined || !isDeepStrictEqual(JSON.parse(JSON.stringify(plan.job)), job)) return undefined;
  return await finishedRecord(store, plan);
}

function print(record: RunRecord, options: RunOptions, seconds: number): number {
  process.stdout.write(options.json === true ? `${JSON.stringify(record)}\n` : runRecordText(record, seconds));
  return 0;
}

function aborted(runId: string, prefix: string, file: string, options: RunOptions): number {
  process.stderr.write(`tilefan: stopped; what is finished is kept under ${displayHref(prefix)}\n  continue with: npm run --silent tilefan -- run ${file} --run ${runId}${repeatedOptions(options)}\n`);
  if (options.json === true) process.stdout.write(`${JSON.stringify({ run: runId, state: 'ABORTED', prefix })}\n`);
  return interruptedExitCode;
}

/** What the command has to say again, so that it means the same run. */
function repeatedOptions(options: RunOptions): string {
  const { input = {}, output = {}, object } = options;
  const pairs = (option: string, values: Readonly<Record<string, string>>): string[] => Object.entries(values).map(([name, href]) => `--${option} ${shellWord(`${name}=${href}`)}`);
  const said = [...pairs('input', input), ...pairs('output', output), ...(object === undefined ? [] : [`--object ${shellWord(object)}`])];
  return `${workOption(options)}${said.map((option) => ` ${option}`).join('')}`;
}

function workOption({ work }: RunOptions): string {
  return work === defaultWork ? '' : ` --work ${shellWord(work)}`;
}

function shellWord(text: string): string {
  return /^[\w./:=@,{}+-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

async function failed(store: Store, runId: string, prefix: string, result: FailedRun, options: RunOptions): Promise<number> {
  process.stderr.write(failureText(runId, result));
  const record = failureRecord(runId, prefix, result);
  if (options.json === true) process.stdout.write(`${JSON.stringify(record)}\n`);
  const { failureAdvice } = await import('./failure-advice.ts');
  const { tile, goesOn } = await failureAdvice(store, prefix, runId, result);
  if (tile !== undefined) process.stderr.write(`  this tile again, by itself: npm run --silent tilefan -- replay ${runId} --tile ${tile}${workOption(options)}\n`);
  if (await keepFailure(store, record)) process.stderr.write(`  what is finished is kept under ${displayHref(prefix)}; ${goesOn}\n`);
  return exitCodeOf(result);
}
