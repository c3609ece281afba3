/** Object jobs on this machine: as `tilefan run` has them. */
import { isDeepStrictEqual } from 'node:util';
import { JobError } from '../lib/base/errors.ts';
import { readItemPlan } from '../lib/job/items/item-plan.ts';
import { itemRunRecord, type ItemRunRecord } from '../lib/job/items/item-records.ts';
import type { ItemJobSpec } from '../lib/job/items/item-spec.ts';
import { runFiles } from '../lib/job/plan.ts';
import { throwProblems } from '../lib/job/problems.ts';
import { readDocument } from '../lib/job/records.ts';
import { displayHref } from '../lib/store/href.ts';
import type { Store } from '../lib/store/store.ts';
import type { Json } from '../local/engine.ts';
import { interruptedExitCode } from './interrupt.ts';
import { takeItemJob } from './item-job-file.ts';
import { itemRecordText } from './item-record-text.ts';
import { userFolderHref, type JobOverrides } from './job-file.ts';
import { exitCodeOf, failureRecord, failureText, runHere, runPrefix, type LocalRun } from './local-run.ts';
import { newRunId } from './run-id.ts';
import type { RunOptions } from './run.ts';

/** @throws JobError JOB_INVALID that lists every problem */
export function readItemJob(document: unknown, href: string, overrides: JobOverrides, nameRun: (name: string) => string): { readonly job: ItemJobSpec; readonly runId: string } {
  const { job, runId, problems } = takeItemJob(document, href, overrides, nameRun);
  throwProblems('JOB_INVALID', 'the job is not valid', problems);
  return { job, runId };
}

/** @returns the exit code of the process */
export async function runItemJob(store: Store, document: unknown, href: string, options: RunOptions, { signal, standby }: Pick<LocalRun, 'signal' | 'standby'>): Promise<number> {
  const started = performance.now();
  const { job, runId } = readItemJob(document, href, options, (name) => options.run ?? newRunId(name));
  const work = userFolderHref(options.work);
  const prefix = runPrefix(work, runId);
  const resolved = JSON.parse(JSON.stringify(job)) as Json;
  const seconds = (): number => (performance.now() - started) / 1000;
  const earlier = options.run === undefined ? undefined : await finishedBefore(store, prefix, resolved);
  if (earlier !== undefined) return print(earlier, options, seconds());
  const result = await runHere(store, { runId, input: { job: resolved, run: runId }, work, options, signal, standby, progress: true });
  switch (result.state) {
    case 'SUCCEEDED': {
      const record = await readDocument(store, `${prefix}${runFiles.record}`, itemRunRecord);
      if (record === undefined) throw new JobError('RUN_UNKNOWN', `${displayHref(prefix)}${runFiles.record} is not there`);
      return print(record, options, seconds());
    }
    case 'ABORTED':
      process.stderr.write(`tilefan: stopped; what is finished is kept under ${displayHref(prefix)}; --run ${runId} continues it\n`);
      if (options.json === true) process.stdout.write(`${JSON.stringify({ run: runId, state: 'ABORTED', prefix })}\n`);
      return interruptedExitCode;
    case 'FAILED':
      process.stderr.write(failureText(runId, result));
      // A batch that failed is not all there is to say: how many items are missing, and where they are listed.
      if (result.failedBatches.length > 0) process.stderr.write(`  ${result.cause.replaceAll('\n', '\n  ')}\n`);
      if (options.json === true) process.stdout.write(`${JSON.stringify({ ...failureRecord(runId, prefix, result), record: (await readDocument(store, `${prefix}${runFiles.record}`, itemRunRecord)) ?? null })}\n`);
      return exitCodeOf(result);
  }
}

/** The record of this run if it has nothing left to do. */
export async function finishedBefore(store: Store, prefix: string, job: Json): Promise<ItemRunRecord | undefined> {
  const plan = await readItemPlan(store, prefix).catch(() => undefined);
  if (plan === undefined || !isDeepStrictEqual(JSON.parse(JSON.stringify(plan.job)), job)) return undefined;
  const record = await readDocument(store, `${prefix}${runFiles.record}`, itemRunRecord);
  return record?.state === 'SUCCEEDED' && record.batches.failed.length === 0 ? record : undefined;
}

function print(record: ItemRunRecord, options: RunOptions, seconds: number): number {
  process.stdout.write(options.json === true ? `${JSON.stringify(record)}\n` : itemRecordText(record, seconds));
  return 0;
}
