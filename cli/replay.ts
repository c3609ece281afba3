/** `tilefan replay`: a tile of a run once more, on this machine, with the code, the inputs and the parameters of the run. Nothing is written. */
import * as z from 'zod';
import { JobError, TilefanError } from '../lib/base/errors.ts';
import { isItemPlan } from '../lib/job/items/item-documents.ts';
import { OneTile } from '../lib/job/one-tile.ts';
import { readPlan, runFiles, tilingOf, type Plan } from '../lib/job/plan.ts';
import { readTrialPlan } from '../lib/job/prepare-code.ts';
import { batchRecord, readDocument } from '../lib/job/records.ts';
import { checkTile, reportTile } from '../lib/job/tile-report.ts';
import { tileWindow } from '../lib/job/tiling.ts';
import { displayHref } from '../lib/store/href.ts';
import { createStore } from '../lib/store/routing-store.ts';
import type { Store } from '../lib/store/store.ts';
import { catchInterrupts, interruptedExitCode } from './interrupt.ts';
import { noRun, runPlace } from './run-place.ts';
import { printReport } from './tile-report.ts';

export interface ReplayOptions {
  readonly work: string;
  readonly tile?: { readonly column: number; readonly row: number };
  readonly json?: boolean;
}

/**
 * @param run its id under the work prefix, or the href of its run prefix
 * @returns the exit code: 0, or that of what the tile failed with
 * @throws InputUnavailableError RUN_UNKNOWN
 */
export async function replay(run: string, options: ReplayOptions): Promise<number> {
  const store = createStore();
  const interrupts = catchInterrupts();
  try {
    const prefix = runPlace(run, options.work);
    if (isItemPlan(await readDocument(store, `${prefix}${runFiles.plan}`, z.unknown()))) {
      throw new JobError('RUN_OVER_ITEMS', `${displayHref(prefix)} is a run over items, which has no tiles: its list of failures can be items.manifest of another run`);
    }
    const plan = await readRunPlan(store, prefix);
    if (plan === undefined) throw noRun(run, options.work);
    if (plan.job.operation.serial) throw new JobError('REPLAY_SERIAL', `the function of ${displayHref(prefix)} is serial: what it makes of a tile depends on those before, so no tile can be replayed by itself; run the job again, or try it with "serial": false`);
    const place = options.tile ?? (await firstFailedTile(store, prefix));
    if (place === undefined) throw new JobError('TILE_UNKNOWN', `no tile of ${displayHref(prefix)} is on record as failed; wanted --tile COLUMN,ROW`);
    checkTile(plan, place);
    const tile = await OneTile.open(store, plan, place);
    interrupts.signal.addEventListener('abort', () => void tile.close(), { once: true });
    try {
      const report = await reportTile(plan, tile, place, tileWindow(tilingOf(plan), place.column, place.row));
      if (interrupts.signal.aborted) return interruptedExitCode;
      return printReport(report, options.json === true);
    } finally {
      await tile.close();
    }
  } finally {
    interrupts.close();
    await store.close();
  }
}

/** The plan of a run; of one whose code failed on its trial, the plan of the trial, for there is no other. Undefined where there is no run. */
async function readRunPlan(store: Store, prefix: string): Promise<Plan | undefined> {
  try {
    return await readPlan(store, prefix);
  } catch (error) {
    const trial = await readTrialPlan(store, prefix);
    if (trial === undefined && !(error instanceof TilefanError && error.code === 'STORE_NOT_FOUND')) throw error;
    return trial;
  }
}

/** The tile that the record of a failed batch names, of the first such batch. */
async function firstFailedTile(store: Store, prefix: string): Promise<{ readonly column: number; readonly row: number } | undefined> {
  const failed: { readonly batch: number; readonly tile: readonly unknown[] }[] = [];
  for await (const { href } of store.list(`${prefix}${runFiles.results}`)) {
    const record = await readDocument(store, href, batchRecord);
    const tile = record?.error?.where['tile'];
    if (record !== undefined && Array.isArray(tile)) failed.push({ batch: record.batch, tile });
  }
  const [first] = failed.toSorted((a, b) => a.batch - b.batch);
  if (first !== undefined) return { column: Number(first.tile[0]), row: Number(first.tile[1]) };
  return undefined;
}
