/** A job on one tile, before anything is fanned out: by `tilefan try` on this machine, or by one task on AWS, whose image is the one that the run will have. */
import { TilefanError } from '../base/errors.ts';
import type { Store } from '../store/store.ts';
import { findConversions, readConversions } from './find-conversions.ts';
import { recordedExtents } from './gdal-extents.ts';
import { makePlan, type KnownFiles } from './make-plan.ts';
import { OneTile } from './one-tile.ts';
import { tilingOf } from './plan.ts';
import { prepareCode, type PrepareEnvironment } from './prepare-code.ts';
import type { Problem } from './problems.ts';
import type { Settings } from './settings.ts';
import type { JobSpec } from './spec.ts';
import { checkTile, failedReport, reportTile, type TileReport } from './tile-report.ts';
import { tileWindow } from './tiling.ts';
import { readTrialRequest, writeTileReport } from './try-request.ts';

export interface TileTrial {
  /** Resolved. */
  readonly job: JobSpec;
  readonly runId: string;
  readonly settings: Settings;
  readonly known: KnownFiles;
  readonly tile: { readonly column: number; readonly row: number };
  /** What is known to be wrong with the job, to be reported with what is found. */
  readonly problems?: Problem[];
}

/**
 * Computes the tile, and writes no output. What the code throws is part of the report.
 * @throws JobError PLAN_REFUSED that lists every problem; TILE_UNKNOWN; what keeps the code from being started
 */
export async function tryTile(store: Store, { job, runId, settings, known, tile: place, problems = [] }: TileTrial, environment: Omit<PrepareEnvironment, 'tile'>): Promise<TileReport> {
  const { env, signal } = environment;
  const untried = await makePlan(store, job, runId, settings, problems, known);
  checkTile(untried, place);
  let plan = untried;
  if (untried.code !== null) {
    const started = performance.now();
    try {
      plan = await makePlan(store, job, runId, settings, [], { ...known, prepared: await prepareCode(store, untried, { ...environment, tile: place }) });
    } catch (error) {
      // What the code makes is found out on the tile, and there it may fail already.
      if (!(error instanceof TilefanError) || error.where['tile'] === undefined) throw error;
      return failedReport(error, tileWindow(tilingOf(untried), place.column, place.row), (performance.now() - started) / 1000);
    }
  }
  const tile = await OneTile.open(store, plan, place, env);
  const stop = (): void => void tile.close();
  signal.addEventListener('abort', stop, { once: true });
  try {
    return await reportTile(plan, tile, place, tileWindow(tilingOf(plan), place.column, place.row));
  } finally {
    signal.removeEventListener('abort', stop);
    await tile.close();
  }
}

/** The work of the task: the report is kept under the run prefix. A tile that fails is no failure of the task. @throws what tryTile throws */
export async function tryTileInTask(store: Store, run: string, [column, row]: readonly [number, number], environment: Omit<PrepareEnvironment, 'tile'>): Promise<void> {
  const request = await readTrialRequest(store, run);
  const { lines, tiffs } = await findConversions(store, request.job, []);
  const { conversions } = await readConversions(store, run, lines);
  // Split has seen that the outputs can be written, and nothing will be.
  const known = { conversions, tiffs, findExtents: recordedExtents(store, run), writable: true };
  const report = await tryTile(store, { job: request.job, runId: request.run, settings: request.settings, known, tile: { column, row } }, environment);
  await writeTileReport(store, run, report);
}
