/** A run on this machine, as `tilefan run` and `tilefan dev` have it: how it is watched, what is kept of it, and how it failed. */
import * as z from 'zod';
import { createError } from '../lib/base/errors.ts';
import { isItemPlan } from '../lib/job/items/item-documents.ts';
import { readPlan, runFiles, tilingOf } from '../lib/job/plan.ts';
import { encodeDocument, readDocument, runRecord, type RunRecord } from '../lib/job/records.ts';
import { tileCount } from '../lib/job/tiling.ts';
import type { Store } from '../lib/store/store.ts';
import type { Json } from '../local/engine.ts';
import { runLocally, type LocalRunResult } from '../local/run-locally.ts';
import type { StandbyWorkers } from '../local/standby.ts';
import { localEnvironment, type LocalOptions } from './local-environment.ts';
import { Progress, type Work } from './progress.ts';

export interface LocalRun {
  readonly runId: string;
  /** The execution's input. */
  readonly input: Json;
  /** The href under which `runs/` lies; ends in `/`. */
  readonly work: string;
  readonly options: LocalOptions;
  readonly signal: AbortSignal;
  readonly standby?: StandbyWorkers | undefined;
  /** Added to the environment of functions and workers. */
  readonly env?: Readonly<Record<string, string>>;
  /** Whether its progress is shown on standard error. */
  readonly progress: boolean;
}

export type FailedRun = LocalRunResult & { readonly state: 'FAILED' };

/** What a failed run leaves in its prefix, and what `--json` prints of it. */
export interface FailureRecord {
  readonly run: string;
  readonly state: 'FAILED';
  readonly prefix: string;
  readonly error: string;
  readonly cause: string;
  readonly failedBatches: FailedRun['failedBatches'];
}

/** The href that everything of a run lies under. */
export function runPrefix(work: string, runId: string): string {
  return `${work}runs/${runId}/`;
}

export async function runHere(store: Store, { runId, input, work, options, signal, standby, env = {}, progress: shown }: LocalRun): Promise<LocalRunResult> {
  const progress = new Progress(runId);
  const result = await runLocally({
    input,
    runId,
    workers: options.workers,
    work,
    signal,
    standby,
    env: { ...localEnvironment(options), ...env },
    onEvent: (event) => {
      if (!shown) return;
      if (event.type === 'BatchesStarted') void countWork(store, runPrefix(work, runId)).then((work) => { progress.setTotal(work); }, () => undefined);
      progress.onEvent(event);
    },
  });
  progress.end();
  return result;
}

/** Tiles, or items, of a run. */
async function countWork(store: Store, prefix: string): Promise<Work> {
  const document = await readDocument(store, `${prefix}${runFiles.plan}`, z.unknown());
  if (isItemPlan(document)) {
    const { itemPlan } = await import('../lib/job/items/item-plan.ts');
    return { count: itemPlan.parse(document).items.count, noun: 'items' };
  }
  return { count: tileCount(tilingOf(await readPlan(store, prefix))), noun: 'tiles' };
}

/** The record of a run that has ended well. Its segments are taken away: nothing needs them any more, but for the values of functions, which another run may take for its items. */
export async function finishRun(store: Store, prefix: string, { keep }: { readonly keep: boolean }): Promise<RunRecord> {
  const record = await readDocument(store, `${prefix}${runFiles.record}`, runRecord);
  if (record === undefined) throw new Error(`the run has ended well, but ${prefix}${runFiles.record} is not there`);
  // A run whose failures were tolerated can be continued, and then needs only what failed.
  if (!keep && record.batches.failed.length === 0) {
    for (const folder of ['segments/', 'pyramids/']) await store.removePrefix(`${prefix}${folder}`);
  }
  return record;
}

export function failureText(runId: string, result: FailedRun): string {
  const causes = result.failedBatches.length > 0 ? result.failedBatches.map(({ cause }) => cause) : [result.cause];
  return `tilefan: run ${runId} failed [${result.failedBatches[0]?.error ?? result.error}]\n${causes.map((cause) => `  ${cause.replaceAll('\n', '\n  ')}\n`).join('')}`;
}

export function failureRecord(runId: string, prefix: string, { error, cause, failedBatches }: FailedRun): FailureRecord {
  return { run: runId, state: 'FAILED', prefix, error, cause, failedBatches };
}

/**
 * Keeps the record of a failure beside what the run has finished.
 * @returns whether there is anything: a run that had no plan has left nothing, and gets no folder for its failure. A refused job has none, and what
 * lies there is another's.
 */
export async function keepFailure(store: Store, record: FailureRecord): Promise<boolean> {
  const planned = record.error !== 'JobError' && (await readDocument(store, `${record.prefix}${runFiles.plan}`, z.unknown()).then((plan) => plan !== undefined, () => false));
  if (planned) await store.put(`${record.prefix}failure.json`, encodeDocument(record), { createFolders: true }).catch(() => undefined);
  return planned;
}

/** The exit code is that of the error: of the job, or of the first batch that failed. */
export function exitCodeOf(result: FailedRun): number {
  return createError(result.failedBatches[0]?.error ?? result.error, 'RUN_FAILED', result.cause).exitCode;
}
