/**
 * The results of all tiles, each exactly once, in the order of batches and, within a batch, of tiles row by row: whatever was retried, and whoever
 * finished first. Memory holds a few batches that are read ahead, whatever the number of tiles.
 */
import type { Window } from '../../raster/window.ts';
import type { ObjectReader, ObjectStat } from '../../store/store.ts';
import { parseSegmentName } from '../segment.ts';
import { batchWindow, type Tiling } from '../tiling.ts';
import { BatchResults, waitingBytes, type TileResult } from './batch-results.ts';

/** Batches that are read ahead: a request to S3 takes tens of milliseconds, and a large run has ten thousand batches. */
const batchesAhead = 16;
/** Bytes that they have together, at most. */
const bytesAhead = 32 * 1024 * 1024;

/**
 * @param segments in the order of their names
 * @returns lists of bounded length; tiles that gave nothing are in none
 * @throws DataError SEGMENT_BROKEN, RESULT_BROKEN; OperationError SEGMENT_TILE
 */
export async function* readResults(reader: ObjectReader, tiling: Tiling, segments: readonly ObjectStat[]): AsyncGenerator<readonly TileResult[], void, undefined> {
  yield* readBatchResults(reader, (batch) => batchWindow(tiling, batch), segments);
}

/** The same where batches are no rectangles of a tiling: items lie in one row. @param windowOf what a batch has */
export async function* readBatchResults(reader: ObjectReader, windowOf: (batch: number) => Window, segments: readonly ObjectStat[]): AsyncGenerator<readonly TileResult[], void, undefined> {
  const batches = [...Map.groupBy(segments, ({ href }) => parseSegmentName(href)?.batch ?? 0)];
  const ahead: { readonly bytes: number; readonly results: Promise<BatchResults> }[] = [];
  let bytes = 0;
  let next = 0;
  const fill = (): void => {
    for (; next < batches.length && ahead.length < batchesAhead && (ahead.length === 0 || bytes < bytesAhead); next++) {
      const [batch, stats] = batches[next] as (typeof batches)[number];
      const results = BatchResults.open(reader, windowOf(batch), stats);
      // Whoever awaits it sees the error; until then it must not count as unhandled.
      results.catch(() => undefined);
      const waiting = waitingBytes(stats);
      ahead.push({ bytes: waiting, results });
      bytes += waiting;
    }
  };
  for (fill(); ahead.length > 0; fill()) {
    const batch = ahead.shift() as (typeof ahead)[number];
    yield* (await batch.results).chunks();
    bytes -= batch.bytes;
  }
}
