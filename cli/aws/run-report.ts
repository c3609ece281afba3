/** What a user is told of a run: state, batches, failures, what can be done, outputs. */
import { messageOf } from '../../lib/base/errors.ts';
import { runFiles } from '../../lib/job/plan.ts';
import { taskName } from '../../lib/job/task-numbers.ts';
import { isItemRecord, readRunRecord, recordText, type AnyRunRecord } from '../run-records.ts';
import { countText, secondsText } from '../text.ts';
import type { RunContext } from './context.ts';
import type { Run } from './executions.ts';
import { runPrefixOf } from './history.ts';
import { latestMapRun, type BatchCounts, type FailedBatch } from './map-run.ts';
import { canBeRedriven, runEnd, shownBatches } from './run-end.ts';

export interface RunReport {
  readonly run: string;
  readonly state: string;
  readonly execution: string;
  readonly executions: number;
  readonly startedAt: string | null;
  readonly endedAt: string | null;
  readonly seconds: number | null;
  readonly batches: BatchCounts | null;
  readonly error: string | null;
  readonly cause: string | null;
  readonly failedBatches: readonly FailedBatch[];
  /** `helps`: resuming redrives the execution; otherwise it starts a new one. */
  readonly redrive: { readonly status: string | null; readonly reason: string | null; readonly count: number; readonly helps: boolean };
  /** The run prefix. */
  readonly prefix: string | null;
  readonly record: AnyRunRecord | null;
  /** Why the record of a finished run can't be shown. */
  readonly recordProblem: string | null;
}

/** Gathers what there is to know, and the exit code that goes with it. */
export async function reportRun({ sfn, store }: RunContext, { id, latest, count }: Run): Promise<{ readonly report: RunReport; readonly exitCode: number }> {
  const arn = latest.executionArn ?? '';
  const [mapRun, end, prefix] = await Promise.all([latestMapRun(sfn, arn), runEnd(sfn, latest), runPrefixOf(sfn, latest)]);
  let record: AnyRunRecord | undefined;
  let recordProblem: string | null = null;
  if (latest.status === 'SUCCEEDED' && prefix !== undefined) {
    try {
      record = await readRunRecord(store, prefix);
      if (record === undefined) recordProblem = `${prefix}${runFiles.record} is not there (any more)`;
    } catch (error) {
      recordProblem = messageOf(error);
    }
  }
  // A run over items leaves one, whether or not too many of them failed; where it came to no end there is none.
  if (latest.status === 'FAILED' && prefix !== undefined) {
    const left = await readRunRecord(store, prefix).catch(() => undefined);
    if (left !== undefined && isItemRecord(left)) record = left;
  }
  const { startDate, stopDate } = latest;
  const report: RunReport = {
    run: id,
    state: latest.status ?? 'UNKNOWN',
    execution: arn,
    executions: count,
    startedAt: startDate?.toISOString() ?? null,
    endedAt: stopDate?.toISOString() ?? null,
    seconds: startDate === undefined ? null : ((stopDate ?? new Date()).getTime() - startDate.getTime()) / 1000,
    batches: mapRun?.counts ?? null,
    error: end.error,
    cause: end.cause,
    failedBatches: end.failed,
    redrive: { status: latest.redriveStatus ?? null, reason: latest.redriveStatusReason ?? null, count: latest.redriveCount ?? 0, helps: canBeRedriven(latest) },
    prefix: prefix ?? null,
    record: record ?? null,
    recordProblem,
  };
  return { report, exitCode: end.exitCode };
}

/** Whether nothing more happens by itself. */
export function hasFailed(state: string): boolean {
  return state === 'FAILED' || state === 'ABORTED' || state === 'TIMED_OUT';
}

export function reportText(report: RunReport): string {
  const { run, state, startedAt, endedAt, seconds, batches, prefix, record, recordProblem } = report;
  const lasted = seconds === null ? '' : endedAt === null ? `, for ${secondsText(seconds)}` : `, after ${secondsText(seconds)}`;
  const lines = [
    `run ${run}: ${state} since ${momentText(endedAt ?? startedAt)}${lasted}`,
    `  execution  ${report.execution}${report.executions > 1 ? ` (number ${String(report.executions)} of the run)` : ''}${report.redrive.count > 0 ? `, redriven ${countText(report.redrive.count, 'time')}` : ''}`,
  ];
  if (batches !== null) lines.push(`  batches    ${batchesText(batches)}`);
  if (prefix !== null) lines.push(`  kept under ${prefix}`);
  if (report.failedBatches.length > 0) lines.push(...failedText(report.failedBatches, batches?.failed ?? report.failedBatches.length));
  else if (report.error !== null) lines.push(`  [${report.error}] ${indent(report.cause ?? '')}`);
  if (hasFailed(state)) lines.push(...(isDone(record) ? [] : [`  ${redriveText(report)}`]), `  "tilefan logs ${run}" shows what failed`);
  // Why it failed has been said.
  if (record !== null) lines.push(recordText(hasFailed(state) ? { ...record, errors: [] } : record, seconds ?? 0).trimEnd());
  else if (recordProblem !== null) lines.push(`  its outputs can't be listed: ${recordProblem}`);
  return `${lines.join('\n')}\n`;
}

/** Whether nothing is left to do, though the run failed: every item has come to its end, too many of them to a bad one. */
export function isDone(record: AnyRunRecord | null): boolean {
  return record !== null && isItemRecord(record) && record.batches.failed.length === 0;
}

function batchesText({ total, succeeded, running, failed, pending }: BatchCounts): string {
  return `${String(succeeded)} of ${String(total)} done, ${String(running)} running, ${String(failed)} failed, ${String(pending)} pending`;
}

function failedText(failed: readonly FailedBatch[], count: number): string[] {
  const title = count > shownBatches ? `the first ${String(failed.length)} of ${countText(count, 'failed batch', 'failed batches')}:` : `${countText(count, 'failed batch', 'failed batches')}:`;
  return [`  ${title}`, ...failed.map(({ batch, error, cause }) => `    ${batch === undefined ? 'a batch' : taskName(batch)} [${error}] ${indent(cause)}`)];
}

function redriveText({ redrive, run }: RunReport): string {
  const { helps, reason } = redrive;
  if (helps) return `"tilefan resume ${run}" redrives it: only what failed is done again`;
  return `"tilefan resume ${run}" goes on with it in a new execution${reason === null ? '' : ` (${reason})`}; what is committed isn't computed again`;
}

function indent(text: string): string {
  return text.trimEnd().replaceAll('\n', '\n      ');
}

/** To the second, in UTC. */
export function momentText(moment: string | Date | null | undefined): string {
  if (moment === null || moment === undefined) return 'an unknown moment';
  const iso = typeof moment === 'string' ? moment : moment.toISOString();
  return `${iso.slice(0, 19).replace('T', ' ')}Z`;
}
