/** What a user can do about a local run that has failed: how the tile is looked at again, and how the run goes on. */
import type { ErrorRecord } from '../lib/base/errors.ts';
import { codeHref, codeKind } from '../lib/job/operation-kind.ts';
import { mergeBatch, trialNumber } from '../lib/job/manifest.ts';
import { readPlan, runFiles, type Plan } from '../lib/job/plan.ts';
import { readTrialPlan } from '../lib/job/prepare-code.ts';
import { batchRecord, readDocument } from '../lib/job/records.ts';
import { readResultsState, resultsFinished } from '../lib/job/results/results-state.ts';
import type { Store } from '../lib/store/store.ts';
import type { FailedRun } from './local-run.ts';

export interface FailureAdvice {
  /** A tile of which the user's code is to blame, as column and row; it can be replayed. */
  readonly tile?: string;
  /** How the run goes on, after what is kept of it. */
  readonly goesOn: string;
}

type FailedError = Pick<ErrorRecord, 'name' | 'code' | 'where'>;

/** Failures that are the code's own, if it is code that has failed. */
const ofCode: readonly string[] = ['OperationError', 'OutOfMemoryError'];

export async function failureAdvice(store: Store, prefix: string, runId: string, result: FailedRun): Promise<FailureAdvice> {
  const planned = await readPlan(store, prefix).catch(() => undefined);
  const plan = planned ?? (await readTrialPlan(store, prefix).catch(() => undefined));
  // The record of a trial stays, also when a later one has made a run of it.
  const batches = result.failedBatches.length > 0 ? result.failedBatches.map(({ batch }) => batch) : planned === undefined ? [trialNumber] : [];
  const errors = await Promise.all(batches.map(async (batch) => ({ batch, error: (await readDocument(store, `${prefix}${runFiles.result(batch)}`, batchRecord).catch(() => undefined))?.error ?? undefined })));
  const tile = plan === undefined ? undefined : tileToReplay(plan, errors.map(({ error }) => error));
  return { ...(tile === undefined ? {} : { tile }), goesOn: await goesOn(store, runId, planned, errors, tile !== undefined) };
}

function tileToReplay({ job }: Plan, errors: readonly (FailedError | undefined)[]): string | undefined {
  if (codeKind(job.operation) === undefined || job.operation.serial) return undefined;
  const tile = errors.find((error) => error !== undefined && ofCode.includes(error.name))?.where['tile'];
  return Array.isArray(tile) ? tile.join(',') : undefined;
}

async function goesOn(store: Store, runId: string, plan: Plan | undefined, errors: readonly { readonly batch: number; readonly error: FailedError | undefined }[], ofTile: boolean): Promise<string> {
  if (errors.some(({ error }) => error?.code === 'INPUT_CHANGED')) return 'an input has changed, so it takes a new run id to compute it';
  const continues = `--run ${runId} continues it`;
  if (plan === undefined) return continues;
  // Reduce fails by itself, without a batch; it has chosen among the values when all tiles were there.
  const merging = errors.length === 0 ? await resultsUnderWay(store, plan).catch(() => false) : errors.some(({ batch }) => batch === mergeBatch);
  if (merging) return `the values of all tiles are among it: --run ${runId} with other "results" in the job, such as "merge": "list", writes them without computing a tile again`;
  return ofTile && codeHref(plan.job.operation) !== undefined ? `${continues} with the code that it began with; changed code takes a new run` : continues;
}

async function resultsUnderWay(store: Store, plan: Plan): Promise<boolean> {
  return (await readResultsState(store, plan)) !== undefined && !(await resultsFinished(store, plan));
}
