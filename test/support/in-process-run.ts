/** A whole run in this process: split, the batches on inline runners, reduce. For properties, where a process a batch would be too slow. */
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import pLimit from 'p-limit';
import { TilefanError } from '../../lib/base/errors.ts';
import { batchLine, runBatch, type BatchLine, type TileRunner } from '../../lib/job/batch.ts';
import { GdalWindows } from '../../lib/job/gdal-windows.ts';
import { programOf } from '../../lib/job/operation.ts';
import { needsGdal, readPlan, type Plan } from '../../lib/job/plan.ts';
import { runRecord, type RunRecord } from '../../lib/job/records.ts';
import { split } from '../../lib/job/split.ts';
import { TileInputs } from '../../lib/job/tile-inputs.ts';
import { tileSetupOf } from '../../lib/job/tile-setup.ts';
import { TileProcessor } from '../../lib/job/tile.ts';
import { fileHref } from '../../lib/store/href.ts';
import type { Store } from '../../lib/store/store.ts';
import { extentsHere } from '../../local/extents-here.ts';
import { finishRun } from '../job/passes.ts';

export interface InProcessOptions {
  readonly store: Store;
  /** A folder that is there. */
  readonly work: string;
  readonly job: Readonly<Record<string, unknown>>;
  /** Tiles that may be under way at a time. */
  readonly inFlight?: number;
  /** Size at which segments are closed, in place of the plan's own: small ones make many. */
  readonly segmentBytes?: number;
  /** Blocks that reduce takes upon itself, in place of the plan's own: with few, passes of workers make the levels above the batches. */
  readonly reduceBlocks?: number;
  /** Each batch is first stopped after so many tiles, as by SIGTERM, and then done again. */
  readonly stopAfter?: number;
  /** Reorders the batches. */
  readonly order?: (lines: readonly BatchLine[]) => readonly BatchLine[];
  /** Told when a batch ends, or an attempt at it. */
  readonly onBatch?: (line: BatchLine) => void;
}

export interface InProcessResult {
  readonly record: RunRecord;
  readonly plan: Plan;
  /** Tiles that were computed, and tiles found committed, over all attempts. */
  readonly computed: number;
  readonly reused: number;
  /** Passes that made levels above the batches. */
  readonly passes: number;
}

export async function runInProcess(options: InProcessOptions): Promise<InProcessResult> {
  const { store, work, job, segmentBytes, reduceBlocks, stopAfter, order = (lines) => lines, onBatch } = options;
  const env = { TILEFAN_WORK: fileHref(`${work}/`), TILEFAN_LOCAL_THREADS: '1', TILEFAN_STARTUP_SECONDS: '0.1', TILEFAN_MAX_CONCURRENCY: '2', ...(reduceBlocks === undefined ? {} : { TILEFAN_REDUCE_BLOCKS: String(reduceBlocks) }) };
  const state = await split({ input: { job, run: 'r' }, execution: 'r' }, { store, env, findExtents: extentsHere() });
  const read = await readPlan(store, state.run.href);
  const plan = segmentBytes === undefined ? read : { ...read, segmentBytes };
  const manifest = await readFile(state.manifest.key, 'utf8');
  const lines = manifest.trim().split('\n').map((line) => batchLine.parse(JSON.parse(line)));
  let computed = 0;
  let reused = 0;
  for (const line of order(lines)) {
    for (const stop of stopAfter === undefined ? [Infinity] : [stopAfter, Infinity]) {
      const summary = await runOnce(line, plan, options, stop);
      computed += summary.computed;
      reused += summary.reused;
      onBatch?.(line);
    }
  }
  const { passes } = await finishRun(store, state);
  const record = runRecord.parse(JSON.parse(await readFile(fileURLToPath(`${state.run.href}run.json`), 'utf8')));
  return { record, plan, computed, reused, passes: passes.length };
}

/** One attempt at a batch; being stopped is no error here. */
async function runOnce(line: BatchLine, plan: Plan, { store, inFlight = 1 }: InProcessOptions, stopAfter: number): Promise<{ computed: number; reused: number }> {
  const program = programOf(plan);
  const [column, row, columns, rows] = line.tiles;
  const windows = needsGdal(plan) ? await GdalWindows.start(store, plan, 1) : undefined;
  const inputs = new TileInputs(store, plan, program, { column, row, columns, rows }, windows);
  const processor = new TileProcessor(tileSetupOf(plan, program, inputs.inputs, await inputs.stripRows()));
  // A processor has one set of buffers, so it takes one tile at a time, as a thread does.
  const limit = pLimit(1);
  const runner: TileRunner = {
    inFlight,
    threads: 1,
    run: (task) => limit(() => processor.process(task)),
    decode: (task) => limit(() => processor.decode(task)),
    makeBlock: (task) => limit(() => processor.makeBlock(task)),
  };
  const stop = new AbortController();
  const count = { computed: 0, reused: 0 };
  const onTile = ({ reused }: { reused: boolean }): void => {
    if (reused) count.reused++;
    else count.computed++;
    if (count.computed >= stopAfter) stop.abort();
  };
  try {
    const summary = await runBatch(line, { plan, store, inputs, runner, signal: stop.signal, onTile });
    return summary;
  } catch (error) {
    if (error instanceof TilefanError && error.code === 'WORKER_STOPPED') return count;
    throw error;
  } finally {
    await windows?.close();
  }
}
