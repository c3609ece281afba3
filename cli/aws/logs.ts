/** `tilefan logs`: what the tasks of a tile or a batch have logged, or what failed in a run. */
import type { CloudWatchLogsClient } from '@aws-sdk/client-cloudwatch-logs';
import { InputUnavailableError, JobError } from '../../lib/base/errors.ts';
import { runFiles } from '../../lib/job/plan.ts';
import { batchRecord, readDocument, type AttemptRecord, type BatchRecord } from '../../lib/job/records.ts';
import { taskName } from '../../lib/job/task-numbers.ts';
import { countText } from '../text.ts';
import { nameInArn } from './arn.ts';
import type { RunContext } from './context.ts';
import { readBatches, type Batches } from './batches.ts';
import { findRun, type Run } from './executions.ts';
import type { PipelineOptions } from './find-pipeline.ts';
import { lastFunctionFailure, runPrefixOf } from './history.ts';
import { readableLine } from './log-line.ts';
import { failedBatches, failureOfBatch, latestMapRun, type FailedBatch } from './map-run.ts';
import { mapFailed, shownBatches } from './run-end.ts';
import { momentText } from './run-report.ts';
import { logTail } from './worker-logs.ts';

export interface LogsOptions extends PipelineOptions {
  readonly tile?: { readonly column: number; readonly row: number };
  readonly batch?: number;
  /** Of an object job. */
  readonly item?: number;
  /** Lines of each attempt. */
  readonly tail: number;
  readonly json?: boolean;
}

export interface LogsContext extends RunContext {
  /** The worker's log lies in its own region. */
  readonly logs: (region: string) => Promise<CloudWatchLogsClient>;
}

export async function logs(name: string, options: LogsOptions, context: LogsContext): Promise<number> {
  const { sfn, store, streams } = context;
  const run = await findRun(sfn, name, options);
  // A run that has just been resumed lies where it has lain before.
  const prefix = (await runPrefixOf(sfn, run.latest)) ?? (await runPrefixOf(sfn, run.first));
  const { tile, item } = options;
  if (tile === undefined && item === undefined && options.batch === undefined) return await logsOfFailures(run, prefix, options, context);
  if (prefix === undefined) {
    throw new InputUnavailableError('RUN_NO_PLAN', `run ${run.id} has no plan, and so no batches: Split ${run.latest.status === 'RUNNING' ? 'is at work' : 'has failed'}; "tilefan logs ${run.id}" says how`);
  }
  const batches = await readBatches(store, prefix);
  const batch = tile !== undefined ? batches.withTile(tile) : item !== undefined ? batches.withItem(item) : (options.batch ?? 0);
  const what = tile !== undefined ? `tile ${String(tile.column)},${String(tile.row)}` : item !== undefined ? `item ${String(item)}` : undefined;
  if (what !== undefined && options.json !== true) streams.stdout.write(`${what} is in batch ${String(batch)}\n`);
  const found = await logsOfBatch({ run, prefix, batch, batches }, options, context);
  return found ? 0 : 69;
}

/** Without a tile or batch: those that failed first, or the function that failed. */
async function logsOfFailures(run: Run, prefix: string | undefined, options: LogsOptions, context: LogsContext): Promise<number> {
  const { sfn, streams, store } = context;
  const { latest } = run;
  const arn = latest.executionArn ?? '';
  const mapRun = await latestMapRun(sfn, arn);
  const failed = mapRun === undefined || mapRun.counts.failed === 0 ? [] : await failedBatches(sfn, mapRun.arn, shownBatches);
  const batches = prefix === undefined || failed.length === 0 ? undefined : await readBatches(store, prefix);
  for (const child of failed) {
    if (prefix === undefined || child.batch === undefined) sayChild(child, options, context);
    else await logsOfBatch({ run, prefix, batch: child.batch, batches, child }, options, context);
  }
  const count = mapRun?.counts.failed ?? 0;
  if (count > failed.length) streams.stderr.write(`these are the first of ${countText(count, 'failed batch', 'failed batches')}; --batch N shows another\n`);
  const inFunction = latest.status === 'FAILED' && latest.error !== mapFailed;
  if (inFunction) await sayFunction(run, options, context);
  else if (failed.length === 0) streams.stderr.write(`run ${run.id} is ${latest.status ?? 'unknown'}, and none of its batches has failed; --tile X,Y or --batch N shows one\n`);
  return 0;
}

async function sayFunction({ id, latest, pipeline }: Run, { json }: LogsOptions, { sfn, streams }: LogsContext): Promise<void> {
  const failure = await lastFunctionFailure(sfn, latest.executionArn ?? '');
  const error = failure?.error ?? latest.error ?? 'States.Runtime';
  const cause = failure?.cause ?? latest.cause ?? 'no cause is given';
  const state = failure?.state ?? 'the state machine';
  const logGroup = failure === undefined ? null : `/aws/lambda/${nameInArn(pipeline)}-${state.toLowerCase()}`;
  if (json === true) {
    streams.stdout.write(`${JSON.stringify({ run: id, state, error, cause, at: failure?.at?.toISOString() ?? null, logGroup })}\n`);
    return;
  }
  streams.stdout.write(`${state} failed at ${momentText(failure?.at ?? latest.stopDate)} [${error}]\n  ${cause.replaceAll('\n', '\n  ')}\n`);
  if (logGroup !== null) streams.stdout.write(`  its log group: ${logGroup}\n`);
}

interface BatchOfRun {
  readonly run: Run;
  readonly prefix: string;
  readonly batch: number;
  readonly batches: Batches | undefined;
  readonly child?: FailedBatch;
}

/** @returns false when there is nothing to show */
async function logsOfBatch({ run, prefix, batch, batches, child }: BatchOfRun, options: LogsOptions, context: LogsContext): Promise<boolean> {
  const { sfn, store, streams } = context;
  const href = `${prefix}${runFiles.result(batch)}`;
  const record = await readDocument(store, href, batchRecord);
  if (record !== undefined) {
    if (options.json !== true) streams.stdout.write(`${titleOf(record, batches)}\n`);
    for (const attempt of record.attempts) await logsOfAttempt(record, attempt, options, context);
    return true;
  }
  // No task has come so far as to leave a record: the image couldn't be pulled, or no room was found for it.
  const mapRun = child === undefined ? await latestMapRun(sfn, run.latest.executionArn ?? '') : undefined;
  const failure = child ?? (mapRun === undefined ? undefined : await failureOfBatch(sfn, mapRun.arn, batch));
  if (failure !== undefined) {
    sayChild(failure, options, context);
    return true;
  }
  const count = batches?.count ?? Infinity;
  if (batch >= count) throw new JobError('BATCH_OUTSIDE', `run ${run.id} has no batch ${String(batch)}: wanted 0 to ${String(count - 1)}`);
  streams.stderr.write(`batch ${String(batch)} has no record yet: no task of it has begun (${href})\n`);
  return false;
}

function sayChild({ batch, error, cause, execution }: FailedBatch, { json }: LogsOptions, { streams }: LogsContext): void {
  if (json === true) streams.stdout.write(`${JSON.stringify({ batch: batch ?? null, error, cause, execution, log: null })}\n`);
  else streams.stdout.write(`${batch === undefined ? 'a batch' : taskName(batch)} failed without a record of its tasks [${error}]\n  ${cause.replaceAll('\n', '\n  ')}\n`);
}

function titleOf({ batch, state, tiles, task }: BatchRecord, batches: Batches | undefined): string {
  // Tasks beside the batches have numbers above theirs.
  if (task !== undefined) return `task ${String(batch)}: ${state}, ${task}`;
  return `batch ${String(batch)}: ${state}, ${batches?.contents(batch, tiles) ?? countText(tiles, 'tile')}`;
}

async function logsOfAttempt(record: BatchRecord, attempt: AttemptRecord, { tail, json }: LogsOptions, { streams, logs }: LogsContext): Promise<void> {
  const { log, error, task } = attempt;
  const events = log === null ? undefined : await logTail(await logs(log.region), log, tail);
  if (json === true) {
    const head = { batch: record.batch, attempt: attempt.attempt, state: attempt.state, task, log, error };
    streams.stdout.write(`${JSON.stringify(head)}\n${(events ?? []).map(({ message = '' }) => `${message.trimEnd()}\n`).join('')}`);
    return;
  }
  const killed = attempt.state === 'RUNNING' && attempt.attempt < record.attempt ? ' (killed)' : '';
  streams.stdout.write(`  attempt ${String(attempt.attempt)}: ${attempt.state}${killed}, begun ${momentText(attempt.startedAt)}${attempt.endedAt === null ? '' : `, ended ${momentText(attempt.endedAt)}`}\n`);
  if (error !== null) streams.stdout.write(`    [${error.name} ${error.code}] ${error.message.replaceAll('\n', '\n    ')}\n`);
  if (log === null) streams.stdout.write('    it has left no word of where its log is\n');
  else streams.stdout.write(`    log ${log.group} ${log.stream} (${log.region})${events === undefined ? ' is not there (any more)' : ''}\n`);
  for (const { message = '', timestamp } of events ?? []) streams.stdout.write(`    ${readableLine(message, timestamp).replaceAll('\n', '\n    ')}\n`);
}
