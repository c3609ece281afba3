/** `tilefan try`: a job on one tile, on this machine. Its outputs are not written; nothing remains of it. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TilefanError } from '../lib/base/errors.ts';
import { runConversion } from '../lib/job/convert-task.ts';
import { findConversions, readConversions } from '../lib/job/find-conversions.ts';
import { makePlan } from '../lib/job/make-plan.ts';
import { OneTile } from '../lib/job/one-tile.ts';
import { tilingOf } from '../lib/job/plan.ts';
import { prepareCode } from '../lib/job/prepare-code.ts';
import { throwProblems } from '../lib/job/problems.ts';
import { readSettings } from '../lib/job/settings.ts';
import { requireGdal } from '../lib/job/split.ts';
import { tileWindow } from '../lib/job/tiling.ts';
import { fileHref } from '../lib/store/href.ts';
import { createStore } from '../lib/store/routing-store.ts';
import { catchInterrupts, interruptedExitCode } from './interrupt.ts';
import { readJob, type JobOverrides } from './job-file.ts';
import { localEnvironment } from './local-environment.ts';
import { checkTile, failedReport, reportTile, tileReportText, type TileReport } from './tile-report.ts';

export type TryOptions = JobOverrides & { readonly tile: { readonly column: number; readonly row: number }; readonly json?: boolean };

/** @returns the exit code: 0, or that of what the tile failed with */
export async function tryTile(file: string, options: TryOptions): Promise<number> {
  const store = createStore();
  const scratch = await mkdtemp(join(tmpdir(), 'tilefan-try-'));
  const interrupts = catchInterrupts();
  const { signal } = interrupts;
  const print = (report: TileReport): number => {
    if (signal.aborted) return interruptedExitCode;
    process.stdout.write(options.json === true ? `${JSON.stringify(report)}\n` : tileReportText(report));
    return report.error?.exitCode ?? 0;
  };
  try {
    const { job, runId, problems } = await readJob(store, file, options, () => 'try');
    const work = fileHref(`${scratch}/`);
    const settings = readSettings({ ...process.env, ...localEnvironment({ workers: 1 }), TILEFAN_WORK: work }, job.compute, problems);
    const run = `${settings.work}runs/${runId}/`;
    const { lines, tiffs } = await findConversions(store, job, problems);
    if (lines.length > 0) {
      throwProblems('PLAN_REFUSED', "the job can't run", problems);
      await requireGdal(lines);
      for (const line of lines) await runConversion(line, { run, store, signal });
    }
    const { conversions } = await readConversions(store, run, lines);
    const known = { conversions, tiffs };
    const trial = await makePlan(store, job, runId, settings, problems, known);
    checkTile(trial, options.tile);
    let plan = trial;
    if (trial.code !== null) {
      const started = performance.now();
      try {
        plan = await makePlan(store, job, runId, settings, [], { ...known, prepared: await prepareCode(store, trial, { env: process.env, signal, tile: options.tile }) });
      } catch (error) {
        // What the code makes is found out on the first tile, and there it may fail already.
        if (!(error instanceof TilefanError) || error.where['tile'] === undefined) throw error;
        return print(failedReport(error, tileWindow(tilingOf(trial), options.tile.column, options.tile.row), (performance.now() - started) / 1000));
      }
    }
    const tile = await OneTile.open(store, plan, options.tile);
    const stop = (): void => void tile.close();
    signal.addEventListener('abort', stop, { once: true });
    try {
      return print(await reportTile(plan, tile, options.tile, tileWindow(tilingOf(plan), options.tile.column, options.tile.row)));
    } finally {
      await tile.close();
    }
  } catch (error) {
    // What was stopped on the way has not failed.
    if (signal.aborted) return interruptedExitCode;
    throw error;
  } finally {
    interrupts.close();
    await store.close();
    await rm(scratch, { recursive: true, force: true });
  }
}
