/** `tilefan logs`: what the tasks of a tile or a batch have logged, or what failed in a run. */
import type { CloudWatchLogsClient } from '@aws-sdk/client-cloudwatch-logs';
import { InputUnavailableError, JobError } from '../../lib/base/errors.ts';
import { readPlan, runFiles, tilingOf, type Plan } from '../../lib/job/plan.ts';
import { batchRecord, readDocument, type AttemptRecord, type BatchRecord } from '../../lib/job/records.ts';
import { batchCount, batchOfTile, batchWindow, tileGrid } from '../../lib/job/tiling.ts';
import { countText } from '../text.ts';
import { nameInArn } from './arn.ts';
import type { RunContext } from './context.ts';
import { findRun, type Run } from './executions.ts';
import type { PipelineOptions } from './find-pipeline.ts';
import { lastFunctionFailure, runPrefixOf } from './history.ts';
import { readableLine } from './log-line.ts';
import { failedBatches, failureOfBatch, latestMapRun, type FailedBatch } from './map-run.ts';
import { mapFailed, shownBatches } from './run-end.ts';
import { momentText } from './run-report.ts';
import { logTail } from './worker-logs.ts';

export interface LogsOptions extends PipelineOptions {
  readonly tile?: Tile;
  readonly batch?: number;
  /** Lines of each attempt. */
  readonly tail: number;
  readonly json?: boolean;
}

export interface Tile {
  readonly column: number;
  readonly row: number;
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
  if (options.tile === undefined && options.batch === undefined) return await logsOfFailures(run, prefix, options, context);
  if (prefix === undefined) {
    throw new InputUnavailableError('RUN_NO_PLAN', `run ${run.id} has no plan, and so no tiles: Split ${run.latest.status === 'RUNNING' ? 'is at work' : 'has failed'}; "tilefan logs ${run.id}" says how`);
  }
  const plan = await readPlan(store, prefix);
  const batch = options.tile === undefined ? (options.batch ?? 0) : batchWithTile(plan, options.tile);
  if (options.tile !== undefined && options.json !== true) streams.stdout.write(`tile ${String(options.tile.column)},${String(options.tile.row)} is in batch ${String(batch)}\n`);
  const found = await logsOfBatch({ run, prefix, batch, plan }, options, context);
  return found ? 0 : 69;
}

/** @throws JobError TILE_OUTSIDE */
function batchWithTile(plan: Plan, { column, row }: Tile): number {
  const { across, down } = tileGrid(tilingOf(plan));
  if (column < across && row < down) return batchOfTile(tilingOf(plan), column, row);
  throw new JobError('TILE_OUTSIDE', `--tile ${String(column)},${String(row)} lies outside of the grid: wanted a column from 0 to ${String(across - 1)} and a row from 0 to ${String(down - 1)}`);
}

/** Without a tile or batch: those that failed first, or the function that failed. */
async function logsOfFailures(run: Run, prefix: string | undefined, options: LogsOptions, context: LogsContext): Promise<number> {
  const { sfn, streams, store } = context;
  const { latest } = run;
  const arn = latest.executionArn ?? '';
  const mapRun = await latestMapRun(sfn, arn);
  const failed = mapRun === undefined || mapRun.counts.failed === 0 ? [] : await failedBatches(sfn, mapRun.arn, shownBatches);
  const plan = prefix === undefined || failed.length === 0 ? undefined : await readPlan(store, prefix);
  for (const child of failed) {
    if (prefix === undefined || child.batch === undefined) sayChild(child, options, context);
    else await logsOfBatch({ run, prefix, batch: child.batch, plan, child }, options, context);
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
  readonly plan: Plan | undefined;
  readonly child?: FailedBatch;
}

/** @returns false when there is nothing to show */
async function logsOfBatch({ run, prefix, batch, plan, child }: BatchOfRun, options: LogsOptions, context: LogsContext): Promise<boolean> {
  const { sfn, store, streams } = context;
  const href = `${prefix}${runFiles.result(batch)}`;
  const record = await readDocument(store, href, batchRecord);
  if (record !== undefined) {
    if (options.json !== true) streams.stdout.write(`${titleOf(record, plan)}\n`);
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
  const count = plan === undefined ? Infinity : batchCount(tilingOf(plan));
  if (batch >= count) throw new JobError('BATCH_OUTSIDE', `run ${run.id} has no batch ${String(batch)}: wanted 0 to ${String(count - 1)}`);
  streams.stderr.write(`batch ${String(batch)} has no record yet: no task of it has begun (${href})\n`);
  return false;
}

function sayChild({ batch, error, cause, execution }: FailedBatch, { json }: LogsOptions, { streams }: LogsContext): void {
  if (json === true) streams.stdout.write(`${JSON.stringify({ batch: batch ?? null, error, cause, execution, log: null })}\n`);
  else streams.stdout.write(`${batch === undefined ? 'a batch' : `batch ${String(batch)}`} failed without a record of its tasks [${error}]\n  ${cause.replaceAll('\n', '\n  ')}\n`);
}

function titleOf({ batch, state, tiles, task }: BatchRecord, plan: Plan | undefined): string {
  // Tasks beside the batches of tiles have numbers above theirs.
  if (task !== undefined) return `task ${String(batch)}: ${state}, ${task}`;
  if (plan === undefined || batch >= batchCount(tilingOf(plan))) return `batch ${String(batch)}: ${state}, ${countText(tiles, 'tile')}`;
  const { column, row, columns, rows } = batchWindow(tilingOf(plan), batch);
  return `batch ${String(batch)}: ${state}, ${countText(tiles, 'tile')} from ${String(column)},${String(row)} to ${String(column + columns - 1)},${String(row + rows - 1)}`;
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
