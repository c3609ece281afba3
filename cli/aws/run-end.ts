/** How a run ended, and the exit code that says it. */
import type { SFNClient } from '@aws-sdk/client-sfn';
import { createError } from '../../lib/base/errors.ts';
import type { Execution } from './executions.ts';
import { failedBatches, latestMapRun, readCause, type FailedBatch } from './map-run.ts';

/** What the Map fails with when more batches failed than the job tolerates. */
export const mapFailed = 'States.ExceedToleratedFailureThreshold';

/** As shells report a program that was interrupted. */
export const interruptedExitCode = 130;
/** sysexits.h EX_TEMPFAIL: to be tried again. */
const timedOutExitCode = 75;

export interface RunEnd {
  readonly exitCode: number;
  /** Of the batch that failed first, or of the execution; null for a good end. */
  readonly error: string | null;
  readonly cause: string | null;
  /** The batches that failed first. */
  readonly failed: readonly FailedBatch[];
}

/** How many failed batches are described. */
export const shownBatches = 3;

/**
 * Whether redrive would do any good: it repeats the state that failed, which is of use where that was the Map. What Split and Reduce threw
 * has been caught, and a Fail state would only fail again.
 */
export function canBeRedriven({ status, error, redriveStatus }: Execution): boolean {
  const inMap = status === 'ABORTED' || status === 'TIMED_OUT' || (status === 'FAILED' && error === mapFailed);
  return inMap && redriveStatus === 'REDRIVABLE';
}

/** An execution that is still running counts as a good one. */
export async function runEnd(sfn: SFNClient, { executionArn, status, error, cause }: Execution): Promise<RunEnd> {
  switch (status) {
    case 'TIMED_OUT':
      return { exitCode: timedOutExitCode, error: error ?? 'States.Timeout', cause: cause ?? 'the execution took longer than the state machine allows', failed: [] };
    case 'ABORTED':
      return { exitCode: interruptedExitCode, error: error ?? 'Aborted', cause: cause ?? 'the execution was stopped', failed: [] };
    case 'FAILED': {
      const mapRun = error === mapFailed && executionArn !== undefined ? await latestMapRun(sfn, executionArn) : undefined;
      const failed = mapRun === undefined ? [] : await failedBatches(sfn, mapRun.arn, shownBatches);
      const first = failed[0] ?? { error: error ?? 'States.Runtime', cause: readCause(cause) };
      return { exitCode: createError(first.error, 'RUN_FAILED', first.cause).exitCode, error: first.error, cause: first.cause, failed };
    }
    default:
      return { exitCode: 0, error: null, cause: null, failed: [] };
  }
}
