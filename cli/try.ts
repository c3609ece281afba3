/** `tilefan try`: a job on one tile, on this machine. Its outputs are not written; nothing remains of it. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runConversion } from '../lib/job/convert-task.ts';
import { findConversions, readConversions } from '../lib/job/find-conversions.ts';
import type { TrialBegun } from '../lib/job/prepare-code.ts';
import { throwProblems } from '../lib/job/problems.ts';
import { readSettings } from '../lib/job/settings.ts';
import { requireGdal } from '../lib/job/split.ts';
import { tryTile } from '../lib/job/try-tile.ts';
import { fileHref } from '../lib/store/href.ts';
import { createStore } from '../lib/store/routing-store.ts';
import { extentsHere } from '../local/extents-here.ts';
import { catchInterrupts, interruptedExitCode } from './interrupt.ts';
import { readJob, type JobOverrides } from './job-file.ts';
import { localEnvironment } from './local-environment.ts';
import { printReport } from './tile-report.ts';

export type TryOptions = JobOverrides & { readonly tile: { readonly column: number; readonly row: number }; readonly json?: boolean };

/** A line of its own: the report on standard output stays as it is. */
function tellTrial({ code, tile: { column, row } }: TrialBegun): void {
  process.stderr.write(`trying ${code} on tile ${String(column)},${String(row)}\n`);
}

/** @returns the exit code: 0, or that of what the tile failed with */
export async function tryHere(file: string, options: TryOptions): Promise<number> {
  const store = createStore();
  const scratch = await mkdtemp(join(tmpdir(), 'tilefan-try-'));
  const interrupts = catchInterrupts();
  const { signal } = interrupts;
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
    const report = await tryTile(store, { job, runId, settings, known: { conversions, tiffs, findExtents: extentsHere(signal) }, tile: options.tile, problems }, { env: process.env, signal, onTrial: tellTrial });
    if (signal.aborted) return interruptedExitCode;
    return printReport(report, options.json === true);
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
