/** Waits for an execution to end, showing how its batches go. */
import { InputUnavailableError, messageOf, TryAgainError } from '../../lib/base/errors.ts';
import { ProgressLine } from '../progress-line.ts';
import { isPassingAws } from './aws-errors.ts';
import type { RunContext } from './context.ts';
import { describeExecution, type Execution } from './executions.ts';
import { latestMapRun, type MapRun } from './map-run.ts';

/** Short runs are over soon; long ones need not be asked so often, and share an account's quota of requests. */
const shortestIntervalMs = 2_000;
const longestIntervalMs = 10_000;
/** A tenth of the time that has gone by is soon enough to learn of the end. */
const shareOfElapsed = 0.1;
/** Step Functions tells of what has just begun with some delay (its answers are eventually consistent); beyond this it isn't there. */
const longestDelayMs = 60_000;
/** Beyond this the network, or whatever it is, is no passing fault any more. */
const longestSilenceMs = 15 * 60_000;

export function intervalMs(elapsedMs: number): number {
  return Math.min(longestIntervalMs, Math.max(shortestIntervalMs, elapsedMs * shareOfElapsed));
}

/** While AWS throttles, or can't be reached: twice as long each time, up to a minute. */
export function backOffMs(failures: number): number {
  return Math.min(60_000, shortestIntervalMs * 2 ** Math.min(failures, 10));
}

export interface Awaited {
  readonly run: string;
  readonly executionArn: string;
  /** How often it has been redriven; an answer from before that says nothing. */
  readonly redrives?: number;
}

/**
 * @returns the execution as it ended; undefined when the signal was aborted before
 * @throws InputUnavailableError RUN_NOT_FOUND; TryAgainError AWS_SILENT after a quarter of an hour without an answer; what AWS answers otherwise
 */
export async function waitForEnd({ sfn, streams, signal, sleep }: RunContext, { run, executionArn, redrives = 0 }: Awaited): Promise<Execution | undefined> {
  const line = new ProgressLine(run, streams.stderr);
  let waitedMs = 0;
  let silentMs = 0;
  let failures = 0;
  const pause = async (ms: number): Promise<void> => {
    waitedMs += ms;
    await sleep(ms);
  };
  try {
    while (!signal.aborted) {
      try {
        const execution = await describeExecution(sfn, executionArn);
        if (execution === undefined || (execution.redriveCount ?? 0) < redrives) {
          if (waitedMs > longestDelayMs) throw new InputUnavailableError('RUN_NOT_FOUND', `Step Functions doesn't know of ${executionArn}${redrives === 0 ? '' : ' being redriven'}`);
          await pause(shortestIntervalMs);
          continue;
        }
        const mapRun = await latestMapRun(sfn, executionArn);
        show(line, execution, mapRun);
        if (execution.status !== 'RUNNING') return execution;
        failures = 0;
        silentMs = 0;
        if (!signal.aborted) await pause(intervalMs(waitedMs));
      } catch (error) {
        if (!isPassingAws(error)) throw error;
        const ms = backOffMs(failures++);
        silentMs += ms;
        if (silentMs > longestSilenceMs) throw new TryAgainError('AWS_SILENT', `AWS has not answered for a quarter of an hour (${messageOf(error)}); the run goes on`, { cause: error });
        line.say({ event: 'Wait:Retried', reason: messageOf(error), seconds: ms / 1000 });
        await pause(ms);
      }
    }
    return undefined;
  } finally {
    line.end();
  }
}

function show(line: ProgressLine, { status = 'RUNNING', startDate, redriveDate, stopDate }: Execution, mapRun: MapRun | undefined): void {
  const counts = mapRun?.counts ?? { total: 0, succeeded: 0, running: 0, failed: 0, pending: 0 };
  const began = redriveDate ?? startDate;
  const seconds = began === undefined ? 0 : Math.max(0, ((stopDate ?? new Date()).getTime() - began.getTime()) / 1000);
  const state = status === 'RUNNING' ? stateOf(mapRun) : status;
  if (line.terminal) {
    const failed = counts.failed === 0 ? '' : `, ${String(counts.failed)} failed`;
    line.draw({ state, done: counts.succeeded, total: counts.total, noun: 'batches', seconds }, `, ${String(counts.running)} running${failed}`);
    return;
  }
  const { total, succeeded, running, failed, pending } = counts;
  line.say({ event: 'Run:Progress', state, batchesDone: succeeded, batchesRunning: running, batchesFailed: failed, batchesPending: pending, batches: total, seconds: Math.round(seconds * 10) / 10 });
}

/** The state that the execution is in, as far as its Map Runs tell. */
function stateOf(mapRun: MapRun | undefined): string {
  if (mapRun === undefined) return 'Split';
  return mapRun.status === 'SUCCEEDED' ? 'Reduce' : 'ProcessBatches';
}
