/** Which tiles have said what came of them, and in which segments: each index is read once, and what is kept is a byte a tile. */
import { OperationError } from '../../base/errors.ts';
import type { ObjectStat, Store } from '../../store/store.ts';
import { runFiles, tilingOf, type Plan } from '../plan.ts';
import { readSegments } from '../read-segments.ts';
import { parseSegmentName } from '../segment.ts';
import { tileGrid } from '../tiling.ts';

export interface CollectedResults {
  /** In the order of batch and number: the first that lists a tile has what counts. */
  readonly segments: readonly ObjectStat[];
  /** Tiles that are finished, whether they gave a value or not. */
  readonly tilesDone: number;
  readonly tilesTotal: number;
  /** The first tiles that no segment has, row by row. */
  missingTiles(most: number): Generator<{ readonly column: number; readonly row: number }, void, undefined>;
}

/** A segment's name without its folder, as it is kept between calls. */
export function segmentFile(href: string): string {
  return href.slice(href.lastIndexOf('/') + 1);
}

/**
 * @param chosen names of the segments to look at, where an earlier call has decided
 * @throws DataError SEGMENT_BROKEN; OperationError SEGMENT_TILE for a tile that the grid doesn't have
 */
export async function collectResults(store: Store, plan: Plan, chosen: readonly string[] | undefined): Promise<CollectedResults> {
  const segments: ObjectStat[] = [];
  const wanted = chosen === undefined ? undefined : new Set(chosen);
  for await (const stat of store.list(`${plan.state.run.href}${runFiles.collected}`)) {
    if (parseSegmentName(stat.href) !== undefined && (wanted?.has(segmentFile(stat.href)) ?? true)) segments.push(stat);
  }
  const { across, down } = tileGrid(tilingOf(plan));
  const done = new Uint8Array(across * down);
  let tilesDone = 0;
  for await (const { stat, values: { tiles, tileStride } } of readSegments(store, segments)) {
    for (let at = 0; at < tiles.length; at += tileStride) {
      const column = tiles[at] as number;
      const row = tiles[at + 1] as number;
      if (column >= across || row >= down) throw foreignTile(stat, column, row, `there are ${String(across)} x ${String(down)}`);
      const tile = row * across + column;
      if (done[tile] === 0) tilesDone++;
      done[tile] = 1;
    }
  }
  return {
    segments,
    tilesDone,
    tilesTotal: done.length,
    *missingTiles(most) {
      let left = most;
      for (let tile = 0; tile < done.length && left > 0; tile++) {
        if (done[tile] !== 0) continue;
        left--;
        yield { column: tile % across, row: Math.floor(tile / across) };
      }
    },
  };
}

/** A segment that has a tile that it can't have. */
export function foreignTile({ href }: ObjectStat, column: number, row: number, why: string): OperationError {
  return new OperationError('SEGMENT_TILE', `${href} has tile ${String(column)},${String(row)}, and ${why}`, { where: { segment: href, tile: [column, row] } });
}
