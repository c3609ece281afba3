/** A run in this process, with workers as child processes: through the state machine, the functions and the worker that AWS runs. */
import { availableParallelism } from 'node:os';
import { isImageJob, isItemJob, isItemPlan } from '../lib/job/items/item-documents.ts';
import { itemPlan } from '../lib/job/items/item-plan.ts';
import { makePlan } from '../lib/job/make-plan.ts';
import { readPlan, runFiles, tilingOf } from '../lib/job/plan.ts';
import { readDocument } from '../lib/job/records.ts';
import { readSettings } from '../lib/job/settings.ts';
import { checkRunId } from '../lib/job/split.ts';
import { tileCount } from '../lib/job/tiling.ts';
import type { Store } from '../lib/store/store.ts';
import type { Json } from '../local/engine.ts';
import { workDone, type RunEvent } from '../local/run-events.ts';
import { runLocally, type LocalRunResult } from '../local/run-locally.ts';
import { StandbyWorkers } from '../local/standby.ts';
import { defaultWork } from '../cli/arguments.ts';
import { finishedBefore as finishedItems, readItemJob } from '../cli/item-run.ts';
import { takeJob, userFolderHref } from '../cli/job-file.ts';
import { localEnvironment } from '../cli/local-environment.ts';
import { finishRun, runPrefix } from '../cli/local-run.ts';
import { newRunId } from '../cli/run-id.ts';
import { readRunRecord, type AnyRunRecord } from '../cli/run-records.ts';
import { finishedBefore } from '../cli/run.ts';
import { standbyEnvironment } from '../cli/standby-environment.ts';
import * as z from 'zod';
import type { RunOptions } from './types.ts';
import { ProgressFeed } from './progress.ts';
import { cancelledError, failureOf, hasItems, type RunEnd } from './run-end.ts';
import type { StartedRun } from './handle.ts';

interface ReadyJob {
  readonly job: Json;
  readonly runId: string;
  readonly items: boolean;
}

/**
 * @param href where the document lies, or would lie
 * @throws JobError that lists everything that is wrong with the job
 */
export async function startLocally(store: Store, document: unknown, href: string, options: RunOptions): Promise<StartedRun> {
  // The functions run in this process, and what they would log is told by the handle.
  process.env['TILEFAN_LOG_LEVEL'] ??= 'silent';
  const { workers = 1, threads, onProgress } = options;
  const env = localEnvironment(threads === undefined ? { workers } : { workers, threads });
  const work = userFolderHref(options.work ?? defaultWork);
  const { job, runId, items } = await readJob(store, document, href, options, { ...process.env, ...env, TILEFAN_WORK: work });
  const prefix = runPrefix(work, runId);
  const progress = new ProgressFeed({ run: runId, state: 'Split', done: 0, failed: 0, total: 0, unit: items ? 'items' : 'tiles' }, onProgress);
  const stop = new AbortController();
  // Before that, what lies under the prefix may be an earlier run's.
  let planned = false;
  const end = (async (): Promise<RunEnd> => {
    const earlier = options.run === undefined ? undefined : await (items ? finishedItems : finishedBefore)(store, prefix, job);
    if (earlier !== undefined) return { state: 'SUCCEEDED', prefix, record: earlier, hasItems: items, error: undefined };
    const standby = new StandbyWorkers(Math.min(workers, availableParallelism()), standbyEnvironment({ ...env, TILEFAN_WORK: work }, isImageJob(job) ? 'images' : 'usual'));
    try {
      const result = await runLocally({ input: { job, run: runId }, runId, workers, work, env, signal: stop.signal, standby, onEvent: (event) => { planned ||= event.type === 'BatchesStarted'; follow(store, prefix, progress, event); } });
      if (result.state === 'ABORTED') return { state: 'ABORTED', prefix, record: undefined, hasItems: items && planned, error: cancelledError(runId) };
      return await endOf(store, runId, prefix, items, result);
    } finally {
      standby.dismiss();
    }
  })();
  return {
    run: runId,
    where: 'local',
    progress,
    end,
    cancel: async () => {
      stop.abort();
      await end.catch(() => undefined);
    },
  };
}

async function readJob(store: Store, document: unknown, href: string, options: RunOptions, env: NodeJS.ProcessEnv): Promise<ReadyJob> {
  if (options.run !== undefined) checkRunId(options.run);
  const nameRun = (name: string): string => options.run ?? newRunId(name);
  const overrides = options.work === undefined ? {} : { work: options.work };
  // As on the way to AWS: undefined fields are gone.
  const plain = (job: unknown): Json => JSON.parse(JSON.stringify(job)) as Json;
  if (isItemJob(document)) {
    const { job, runId } = readItemJob(document, href, overrides, nameRun);
    return { job: plain(job), runId, items: true };
  }
  const { job, runId, problems } = takeJob(document, href, overrides, nameRun);
  // Planning finds what else is wrong, and refuses with all of it.
  if (problems.length > 0) await makePlan(store, job, runId, readSettings(env, job.compute, problems), problems);
  return { job: plain(job), runId, items: false };
}

function follow(store: Store, prefix: string, progress: ProgressFeed, event: RunEvent): void {
  if (event.type === 'StateEntered') progress.update({ state: event.state });
  if (event.type === 'BatchesStarted') void countWork(store, prefix).then((total) => { progress.update({ total }); }, () => undefined);
  const work = workDone(event);
  if (work === undefined) return;
  const { done, failed, total } = progress.latest;
  // What a lost attempt had done is told again by the next one.
  progress.update({ done: total === 0 ? done + work.done : Math.min(total, done + work.done), failed: failed + work.failed });
}

async function countWork(store: Store, prefix: string): Promise<number> {
  const document = await readDocument(store, `${prefix}${runFiles.plan}`, z.unknown());
  return isItemPlan(document) ? itemPlan.parse(document).items.count : tileCount(tilingOf(await readPlan(store, prefix)));
}

async function endOf(store: Store, run: string, prefix: string, items: boolean, result: Exclude<LocalRunResult, { readonly state: 'ABORTED' }>): Promise<RunEnd> {
  switch (result.state) {
    case 'SUCCEEDED': {
      const record: AnyRunRecord | undefined = items ? await readRunRecord(store, prefix) : await finishRun(store, prefix, { keep: false });
      return { state: 'SUCCEEDED', prefix, record, hasItems: items, error: undefined };
    }
    case 'FAILED': {
      const { error, cause, failedBatches } = result;
      const failure = { error: failedBatches[0]?.error ?? error, cause: failedBatches[0]?.cause ?? cause, batches: failedBatches.map(({ batch }) => batch) };
      const known = items && hasItems({ ...failure, error, cause });
      const record = known ? await readRunRecord(store, prefix).catch(() => undefined) : undefined;
      return { state: 'FAILED', prefix, record, hasItems: known, error: await failureOf(store, run, prefix, failure) };
    }
  }
}
