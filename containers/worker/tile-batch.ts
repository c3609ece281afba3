/** The work of a task on a batch of tiles: inputs opened, compute threads started, and each tile told on standard output as it is done. */
import { TryAgainError } from '../../lib/base/errors.ts';
import { runBatch, type BatchLine, type BatchSummary } from '../../lib/job/batch.ts';
import type { CodeRunners } from '../../lib/job/code-runners.ts';
import type { GdalWindows } from '../../lib/job/gdal-windows.ts';
import { programOf } from '../../lib/job/operation.ts';
import { needsGdal, type Plan } from '../../lib/job/plan.ts';
import { TileInputs } from '../../lib/job/tile-inputs.ts';
import { tileSetupOf } from '../../lib/job/tile-setup.ts';
import type { ExpressionProgram } from '../../lib/raster/expression/program.ts';
import type { Store } from '../../lib/store/store.ts';
import { stopGraceMs } from './stop-grace.ts';
import { ThreadPool, type EarlyThreads } from './thread-pool.ts';

export interface TileBatchEnvironment {
  readonly plan: Plan;
  readonly store: Store;
  /** Ends the batch early, with what is finished committed. */
  readonly signal: AbortSignal;
  /** Threads that were started before the plan was known. */
  readonly early: EarlyThreads;
  /** Told the counts each time they change, so that they are known also when the batch fails. */
  readonly onProgress: (summary: BatchSummary) => void;
}

/** @throws TryAgainError WORKER_STOPPED when the signal ended it; whatever a tile or the store throws, after the finished tiles are committed */
export async function workOnTiles(line: BatchLine, { plan, store, signal, early, onProgress }: TileBatchEnvironment): Promise<void> {
  let summary: BatchSummary = { computed: 0, reused: 0 };
  const program = programOf(plan);
  const [column, row, columns, rows] = line.tiles;
  const windows = needsGdal(plan) ? await startWindows(plan, store) : undefined;
  const inputs = new TileInputs(store, plan, program, { column, row, columns, rows }, windows);
  const code = plan.code === null ? undefined : await startCode(plan, store, program);
  const runner = new ThreadPool(tileSetupOf(plan, program, inputs.inputs, await inputs.stripRows()), plan.threads, signal, early, code?.slots);
  signal.addEventListener('abort', () => setTimeout(() => void code?.close(), stopGraceMs).unref(), { once: true });
  try {
    if (signal.aborted) throw new TryAgainError('WORKER_STOPPED', 'stopped before the first tile');
    summary = await runBatch(line, {
      plan,
      store,
      inputs,
      beforeComplete: async () => windows?.verify(),
      runner,
      signal,
      onTile: ({ column, row, reused }) => {
        summary = reused ? { ...summary, reused: summary.reused + 1 } : { ...summary, computed: summary.computed + 1 };
        onProgress(summary);
        process.stdout.write(`${JSON.stringify({ event: 'Tile:Done', batch: line.batch, tile: [column, row], reused })}\n`);
      },
    });
  } finally {
    await code?.close();
    await windows?.close();
  }
  onProgress(summary);
}

/** Loaded for jobs with code only. */
async function startCode(plan: Plan, store: Store, program: ExpressionProgram): Promise<CodeRunners> {
  const { CodeRunners } = await import('../../lib/job/code-runners.ts');
  return await CodeRunners.start(store, plan, program, plan.threads);
}

/** Most jobs don't need GDAL, nor the client of S3 that it takes its credentials from: they are loaded for those that do. */
async function startWindows(plan: Plan, store: Store): Promise<GdalWindows> {
  const { GdalWindows } = await import('../../lib/job/gdal-windows.ts');
  return await GdalWindows.start(store, plan, plan.threads);
}
