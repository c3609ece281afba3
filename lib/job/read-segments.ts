/** The indexes of many segments, in order, some read ahead. Memory holds those that are under way, whatever their number. */
import type { ObjectReader, ObjectStat } from '../store/store.ts';
import { footerBytes, readSegmentValues, type SegmentValues } from './segment.ts';

/** Indexes read at a time: a request to S3 takes tens of milliseconds, and a large run has ten thousand segments. */
const concurrency = 32;
/** More than this is not read on a guess. */
const mostExpectedBytes = 1 << 20;

/**
 * Reads each index once. Segments of a run have indexes of about one length, so that of the last one says how much to ask for.
 * @throws DataError SEGMENT_BROKEN, naming the segment
 */
export async function* readSegments(
  reader: ObjectReader,
  stats: readonly ObjectStat[],
): AsyncGenerator<{ readonly stat: ObjectStat; readonly values: SegmentValues }, void, undefined> {
  const ahead: { readonly stat: ObjectStat; readonly values: Promise<SegmentValues> }[] = [];
  let expected = 0;
  let next = 0;
  const fill = (): void => {
    for (; next < stats.length && ahead.length < concurrency; next++) {
      const stat = stats[next] as ObjectStat;
      const values = readSegmentValues(reader, stat, expected);
      // Whoever awaits it sees the error; until then it must not count as unhandled.
      values.catch(() => undefined);
      ahead.push({ stat, values });
    }
  };
  for (fill(); ahead.length > 0; fill()) {
    const { stat, values } = ahead.shift() as (typeof ahead)[number];
    const read = await values;
    expected = Math.min(mostExpectedBytes, stat.size - read.dataBytes + footerBytes);
    yield { stat, values: read };
  }
}
