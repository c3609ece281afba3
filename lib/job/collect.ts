/** Everything that workers have committed for one output: which segments there are, which tiles they hold, and the statistics. */
import pLimit from 'p-limit';
import { mergeStatistics, noStatistics, type Statistics } from '../raster/statistics.ts';
import type { ObjectStat, Store } from '../store/store.ts';
import { runFiles, tilingOf, type Plan, type PlanOutput } from './plan.ts';
import { parseSegmentName, readSegmentIndex, type SegmentIndex } from './segment.ts';
import { tileGrid } from './tiling.ts';

/** Indexes read at a time. */
const concurrency = 16;

export interface Collected {
  /** Hrefs, in the order of batch and number. */
  readonly segments: string[];
  /** The segments' indexes, read anew: they are too many to keep, and short enough to read twice. */
  indexes(): AsyncGenerator<{ readonly stat: ObjectStat; readonly index: SegmentIndex }, void, undefined>;
  readonly tilesDone: number;
  /** The first tiles that no segment has, row by row. */
  missingTiles(most: number): Generator<{ readonly column: number; readonly row: number }, void, undefined>;
  /** Batches that have nothing more to come. */
  readonly completeBatches: ReadonlySet<number>;
  /** One a band, merged in the order of the tiles, row by row, so that the digits don't depend on who finished first. */
  readonly statistics: readonly Statistics[];
}

/** Values of one tile and band in the table of statistics. */
const fields = 5;

/**
 * Reads all segment indexes once.
 * @param chosen the segments to look at, in order, where an earlier call has decided
 */
export async function collectSegments(store: Store, plan: Plan, output: PlanOutput, chosen: readonly string[] | undefined): Promise<Collected> {
  const stats: ObjectStat[] = [];
  const wanted = chosen === undefined ? undefined : new Set(chosen);
  for await (const stat of store.list(`${plan.state.run.href}${runFiles.segments(output.name)}`)) {
    if (parseSegmentName(stat.href) !== undefined && (wanted?.has(stat.href) ?? true)) stats.push(stat);
  }
  const { across, down } = tileGrid(tilingOf(plan));
  const done = new Uint8Array(across * down);
  const table = new Float64Array(output.statistics ? across * down * output.bands * fields : 0);
  const completeBatches = new Set<number>();
  let tilesDone = 0;
  for await (const { stat, index } of readIndexes(store, stats)) {
    const name = parseSegmentName(stat.href);
    if (index.complete && name !== undefined) completeBatches.add(name.batch);
    for (const { column, row, statistics } of index.tiles) {
      const tile = row * across + column;
      if (done[tile] !== 0) continue;
      done[tile] = 1;
      tilesDone++;
      for (const [band, { count, minimum, maximum, mean, squares }] of statistics.entries()) {
        table.set([count, minimum, maximum, mean, squares], (tile * output.bands + band) * fields);
      }
    }
  }
  return {
    segments: stats.map(({ href }) => href),
    indexes: () => readIndexes(store, stats),
    tilesDone,
    *missingTiles(most) {
      let left = most;
      for (let tile = 0; tile < done.length && left > 0; tile++) {
        if (done[tile] !== 0) continue;
        left--;
        yield { column: tile % across, row: Math.floor(tile / across) };
      }
    },
    completeBatches,
    statistics: output.statistics ? mergeTable(table, output.bands) : [],
  };
}

function mergeTable(table: Float64Array, bands: number): Statistics[] {
  const merged: Statistics[] = new Array<Statistics>(bands).fill(noStatistics);
  for (let at = 0; at < table.length; at += fields) {
    const [count = 0, minimum = 0, maximum = 0, mean = 0, squares = 0] = table.subarray(at, at + fields);
    const band = (at / fields) % bands;
    merged[band] = mergeStatistics(merged[band] ?? noStatistics, { count, minimum, maximum, mean, squares });
  }
  return merged;
}

/** Indexes in order, some read ahead. */
async function* readIndexes(
  store: Store,
  stats: readonly ObjectStat[],
): AsyncGenerator<{ readonly stat: ObjectStat; readonly index: SegmentIndex }, void, undefined> {
  const limit = pLimit(concurrency);
  for (let start = 0; start < stats.length; start += concurrency) {
    const group = stats.slice(start, start + concurrency);
    const indexes = await Promise.all(group.map((stat) => limit(() => readSegmentIndex(store, stat))));
    for (const [i, stat] of group.entries()) yield { stat, index: indexes[i] as SegmentIndex };
  }
}
