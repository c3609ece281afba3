/**
 * `tilefan resume`: goes on with a run that ended before it was done.
 *
 * Redrive repeats within the same execution what failed in its Map; Step Functions offers it for 14 days, and not where the failure was
 * caught (Split, Reduce) or tolerated. Otherwise a new execution goes on under the same run prefix. Neither computes a committed tile again.
 */
import { ExecutionNotRedrivable, RedriveExecutionCommand, type SFNClient } from '@aws-sdk/client-sfn';
import * as z from 'zod';
import { JobError, messageOf } from '../../lib/base/errors.ts';
import { runFiles } from '../../lib/job/plan.ts';
import { displayHref } from '../../lib/store/href.ts';
import { consoleUrl } from './arn.ts';
import type { RunContext } from './context.ts';
import { describeExecution, executionName, findRun, type Execution, type Run } from './executions.ts';
import type { PipelineOptions } from './find-pipeline.ts';
import { waitAndReport } from './finish.ts';
import { isItemRecord, readRunRecord, type AnyRunRecord } from '../run-records.ts';
import { runPrefixOf } from './history.ts';
import { canBeRedriven, mapFailed } from './run-end.ts';
import { isDone } from './run-report.ts';
import { startExecution } from './start-execution.ts';

export interface ResumeOptions extends PipelineOptions {
  readonly wait?: boolean;
  readonly json?: boolean;
}

interface Resumed {
  readonly executionArn: string;
  readonly count: number;
  /** What was done, in a word for programs and a sentence for people. */
  readonly action: 'none' | 'redriven' | 'started';
  readonly message: string;
  readonly redrives?: number;
}

export async function resume(name: string, options: ResumeOptions, context: RunContext): Promise<number> {
  const run = await findRun(context.sfn, name, options);
  const resumed = await resumeRun(context, run);
  const { executionArn, count, action, message, redrives = 0 } = resumed;
  context.streams.stderr.write(`run ${run.id}: ${message}\n`);
  if (options.wait === true) return await waitAndReport(context, { run: run.id, pipeline: run.pipeline, executionArn, count, redrives }, options.json === true);
  if (options.json === true) context.streams.stdout.write(`${JSON.stringify({ run: run.id, action, execution: executionArn, console: consoleUrl(executionArn) })}\n`);
  else context.streams.stdout.write(`  execution  ${executionArn}\n  console    ${consoleUrl(executionArn)}\n`);
  return 0;
}

async function resumeRun(context: RunContext, run: Run): Promise<Resumed> {
  const { sfn } = context;
  const { latest, count } = run;
  const executionArn = latest.executionArn ?? '';
  const none = (message: string): Resumed => ({ executionArn, count, action: 'none', message });
  if (latest.status === 'RUNNING') return none('it is running already; there is nothing to resume');
  if (latest.status === 'SUCCEEDED') {
    const failed = (await recordOf(context, latest))?.batches.failed.length ?? 0;
    if (failed === 0) return none('it has succeeded; there is nothing to resume');
  }
  if (latest.status === 'FAILED' && latest.error !== mapFailed) {
    const record = await recordOf(context, latest).catch(() => undefined);
    if (record !== undefined && isDone(record)) return none(failedItemsText(record));
  }
  if (canBeRedriven(latest)) {
    const redriven = await redrive(sfn, executionArn);
    if (redriven) return { executionArn, count, action: 'redriven', message: 'redriven: what failed is done again', redrives: (latest.redriveCount ?? 0) + 1 };
    // Somebody else may have been faster.
    const now = await describeExecution(sfn, executionArn);
    if (now?.status === 'RUNNING') return none('it is running already; somebody has just resumed it');
  }
  return await startAnew(sfn, run);
}

/** @throws what the store throws when the record can't be read */
async function recordOf({ sfn, store }: RunContext, execution: Execution): Promise<AnyRunRecord | undefined> {
  const prefix = await runPrefixOf(sfn, execution);
  return prefix === undefined ? undefined : await readRunRecord(store, prefix);
}

/** Each item is done once in a run; those that failed are the next run's. */
function failedItemsText(record: AnyRunRecord): string {
  const failures = isItemRecord(record) ? record.failures : null;
  const list = failures === null || failures.href === null ? '' : `; ${displayHref(failures.href)} lists those that failed, and can be items.manifest of another run`;
  return `all of its items have come to an end${list}; there is nothing to resume`;
}

/** @returns false when it can't be redriven any more */
async function redrive(sfn: SFNClient, executionArn: string): Promise<boolean> {
  try {
    await sfn.send(new RedriveExecutionCommand({ executionArn }));
    return true;
  } catch (error) {
    if (error instanceof ExecutionNotRedrivable) return false;
    throw error;
  }
}

/**
 * A new execution that goes on with the run. Of two at once the first makes it, and both mean the same one. A run that was planned goes on with
 * the job as it was planned, whatever has become of the job file or the template since; one that wasn't begins with its input again.
 */
async function startAnew(sfn: SFNClient, { id, pipeline, first, latest, count }: Run): Promise<Resumed> {
  const next = count + 1;
  const prefix = (await runPrefixOf(sfn, latest)) ?? (await runPrefixOf(sfn, first));
  const job = prefix === undefined ? jobOf(first) : { job: `${prefix}${runFiles.job}` };
  const started = await startExecution(sfn, pipeline, executionName(id, next), { ...job, run: id });
  if (started.kind === 'started') return { executionArn: started.executionArn, count: next, action: 'started', message: 'a new execution goes on with it' };
  return { executionArn: started.execution.executionArn ?? '', count: next, action: 'none', message: 'somebody has just resumed it' };
}

const wrapped = z.looseObject({ job: z.union([z.string(), z.record(z.string(), z.unknown())]), object: z.string().optional() });

/** The job, and the object that its template is filled with, out of the input that the run began with. */
function jobOf({ input, executionArn = '' }: Execution): Readonly<Record<string, unknown>> {
  let document: unknown;
  try {
    document = JSON.parse(input ?? '');
  } catch (cause) {
    throw new JobError('JOB_NOT_JSON', `The input of ${executionArn} can't be read (${messageOf(cause)}): submit the job again with --run`, { cause });
  }
  const parsed = wrapped.safeParse(document);
  if (!parsed.success) return { job: document };
  const { job, object } = parsed.data;
  return object === undefined ? { job } : { job, object };
}
