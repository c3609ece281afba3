/** How a run ended, wherever it ran, and the error that says so. */
import { createError, type TilefanError } from '../lib/base/errors.ts';
import { runFiles } from '../lib/job/plan.ts';
import { batchRecord, readDocument } from '../lib/job/records.ts';
import type { ObjectReader } from '../lib/store/store.ts';
import type { AnyRunRecord } from '../cli/run-records.ts';
import { stackOf } from './item-result.ts';

export type RunState = 'SUCCEEDED' | 'FAILED' | 'ABORTED';

export interface RunEnd {
  readonly state: RunState;
  /** The run prefix, an href that ends in `/`; undefined when the run hasn't come so far. */
  readonly prefix: string | undefined;
  readonly record: AnyRunRecord | undefined;
  /** Whether what lies under the prefix is of this very job: another one may have had the run's id. */
  readonly hasItems: boolean;
  /** Why it failed or was cancelled. */
  readonly error: RunError | undefined;
}

/** A run that failed as a whole, or was cancelled. */
export class RunError extends Error {
  /** For programs: `RUN_CANCELLED`, or what the run failed with. */
  readonly code: string;
  readonly run: string;
  readonly state: Exclude<RunState, 'SUCCEEDED'>;
  /** Tile, file, line, traceback, as far as they are known. */
  readonly where: Readonly<Record<string, unknown>>;

  constructor(run: string, state: RunError['state'], { code, message, where }: Pick<TilefanError, 'code' | 'message' | 'where'>) {
    super(message);
    this.name = 'RunError';
    this.code = code;
    this.run = run;
    this.state = state;
    this.where = where;
    this.stack = stackOf(this, where['traceback']);
  }
}

/** Of a run that was cancelled, and of its items that were not done by then. */
export const cancelledCode = 'RUN_CANCELLED';

export function cancelledError(run: string): RunError {
  return new RunError(run, 'ABORTED', { code: cancelledCode, message: `run ${run} was cancelled; what is finished is kept, and the same run id goes on with it`, where: {} });
}

/** What the state machine says of a run that failed. */
interface Failure {
  readonly error: string;
  readonly cause: string;
  /** Those that failed. */
  readonly batches: readonly (number | undefined)[];
}

/** Whether a run that failed had come to its items. One that was refused (RUN_EXISTS, PLAN_REFUSED, …) may lie beside the plan and the outcomes of an earlier run. */
export function hasItems({ error, cause, batches }: Failure): boolean {
  // The state machine passes on the class of an error, and its message: that of ITEMS_FAILED.
  return batches.length > 0 || error === 'States.ExceedToleratedFailureThreshold' || (error === 'OperationError' && /\b\d+ of \d+ items failed/.test(cause));
}

/** What the first batch that failed has on record, else what the state machine says. */
export async function failureOf(reader: ObjectReader, run: string, prefix: string | undefined, failure: Failure): Promise<RunError> {
  const { error, cause, batches } = failure;
  for (const batch of prefix === undefined ? [] : batches) {
    if (batch === undefined) continue;
    const record = await readDocument(reader, `${prefix ?? ''}${runFiles.result(batch)}`, batchRecord).catch(() => undefined);
    if (record?.error !== undefined && record.error !== null) return new RunError(run, 'FAILED', record.error);
  }
  return new RunError(run, 'FAILED', createError(error, error.replaceAll(/(?<=[a-z])(?=[A-Z])/g, '_').replaceAll('.', '_').toUpperCase(), cause));
}
