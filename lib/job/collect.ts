/**
 * Everything that workers have committed for one output: which segments there are, which tiles they hold, where each block lies, and the statistics. Each index
 * is read once; what is kept is a few bytes a tile and a block.
 */
import { OperationError } from '../base/errors.ts';
import { mergeStatistics, noStatistics, type Statistics } from '../raster/statistics.ts';
import type { Window } from '../raster/window.ts';
import type { ObjectStat, Store } from '../store/store.ts';
import { MergeLayout } from './merge-layout.ts';
import { cogImageOf, runFiles, tilingOf, type Plan, type PlanOutput } from './plan.ts';
import { readSegments } from './read-segments.ts';
import { parseSegmentName, statisticsAt, statisticsValues, type SegmentValues } from './segment.ts';
import { batchCount, batchWindow, tileGrid } from './tiling.ts';

export interface Collected {
  /** Hrefs, in the order of batch and number. */
  readonly segments: readonly string[];
  /** Where the blocks are. */
  readonly layout: MergeLayout;
  readonly tilesDone: number;
  /** The first tiles that no segment has, row by row. */
  missingTiles(most: number): Generator<{ readonly column: number; readonly row: number }, void, undefined>;
  /** Whether a batch has nothing more to come. */
  readonly isComplete: (batch: number) => boolean;
  /** All batches are. */
  readonly allComplete: boolean;
  /** One a band, merged in the order of the tiles of a batch, and then of the batches, so that the digits don't depend on who finished first. */
  readonly statistics: readonly Statistics[];
}

/**
 * Reads all segment indexes once.
 * @param chosen the segments to look at, in order, where an earlier call has decided
 * @throws DataError SEGMENT_BROKEN; OperationError SEGMENT_BLOCK, SEGMENT_TILE for what the grid doesn't have
 */
export async function collectSegments(store: Store, plan: Plan, output: PlanOutput, chosen: readonly string[] | undefined): Promise<Collected> {
  const stats: ObjectStat[] = [];
  const wanted = chosen === undefined ? undefined : new Set(chosen);
  for await (const stat of store.list(`${plan.state.run.href}${runFiles.segments(output.name)}`)) {
    if (parseSegmentName(stat.href) !== undefined && (wanted?.has(stat.href) ?? true)) stats.push(stat);
  }
  const tiling = tilingOf(plan);
  const { across, down } = tileGrid(tiling);
  const layout = new MergeLayout(cogImageOf(plan, output, ''));
  const done = new Uint8Array(across * down);
  const complete = new Uint8Array(batchCount(tiling));
  const merged = new BatchStatistics(output.statistics ? output.bands : 0);
  let tilesDone = 0;
  let completeBatches = 0;
  for await (const { stat, values } of readSegments(store, stats)) {
    const batch = parseSegmentName(stat.href)?.batch ?? 0;
    merged.enter(batch, () => batchWindow(tiling, batch));
    if (values.complete && complete[batch] === 0) {
      complete[batch] = 1;
      completeBatches++;
    }
    for (let at = 0; at < values.tiles.length; at += values.tileStride) {
      const column = values.tiles[at] as number;
      const row = values.tiles[at + 1] as number;
      if (column >= across || row >= down) throw new OperationError('SEGMENT_TILE', `${stat.href} has tile ${String(column)},${String(row)}, and there are ${String(across)} x ${String(down)}`);
      const tile = row * across + column;
      if (done[tile] !== 0) continue;
      done[tile] = 1;
      tilesDone++;
      merged.add(values, at);
    }
    layout.add(stat.href, values.dataBytes, values.blocks);
  }
  return {
    segments: stats.map(({ href }) => href),
    layout,
    tilesDone,
    *missingTiles(most) {
      let left = most;
      for (let tile = 0; tile < done.length && left > 0; tile++) {
        if (done[tile] !== 0) continue;
        left--;
        yield { column: tile % across, row: Math.floor(tile / across) };
      }
    },
    isComplete: (batch) => complete[batch] === 1,
    allComplete: completeBatches === complete.length,
    statistics: merged.finish(),
  };
}

/** Statistics of one batch after another: those of a batch wait until all of its segments have been read, since tiles are committed in any order. */
class BatchStatistics {
  readonly #bands: number;
  readonly #merged: Statistics[];
  #batch = -1;
  #window: Window = { column: 0, row: 0, columns: 0, rows: 0 };
  #table = new Float64Array(0);

  /** @param bands 0 where no statistics are wanted */
  constructor(bands: number) {
    this.#bands = bands;
    this.#merged = new Array<Statistics>(bands).fill(noStatistics);
  }

  /** The tiles that follow are those of this batch. */
  enter(batch: number, windowOf: () => Window): void {
    if (this.#bands === 0 || batch === this.#batch) return;
    this.#flush();
    this.#batch = batch;
    this.#window = windowOf();
    const values = this.#window.columns * this.#window.rows * this.#bands * statisticsValues;
    if (this.#table.length === values) this.#table.fill(0);
    else this.#table = new Float64Array(values);
  }

  add({ tiles, tileStride }: SegmentValues, at: number): void {
    if (this.#bands === 0) return;
    const { column, row, columns } = this.#window;
    const tile = ((tiles[at + 1] as number) - row) * columns + ((tiles[at] as number) - column);
    this.#table.set(tiles.subarray(at + 2, at + tileStride), tile * this.#bands * statisticsValues);
  }

  #flush(): void {
    for (let at = 0, band = 0; at < this.#table.length; at += statisticsValues, band = (band + 1) % this.#bands) {
      this.#merged[band] = mergeStatistics(this.#merged[band] ?? noStatistics, statisticsAt(this.#table, at));
    }
  }

  finish(): Statistics[] {
    this.#flush();
    this.#table = new Float64Array(0);
    return this.#merged;
  }
}
