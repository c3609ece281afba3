/**
 * Fewer requests for the same bytes. A request to S3 costs some 20 ms and a part of a cent, whatever it fetches; reading 64 KiB that nobody
 * wants costs less than asking twice.
 */

export interface ByteRange {
  /** First byte. */
  readonly offset: number;
  readonly length: number;
}

/** One range of the plan's input, and where its bytes lie in the answer. */
export interface PlannedRange {
  /** Index in the list that was planned. */
  readonly index: number;
  /** First byte within the answer. */
  readonly at: number;
  readonly length: number;
}

/** One request, and the ranges that its answer holds. */
export interface PlannedRequest extends ByteRange {
  readonly ranges: readonly PlannedRange[];
}

export interface RangePlanOptions {
  /** Unwanted bytes between two ranges that are read rather than asked around, at most (default 64 KiB). */
  readonly maxGapBytes?: number;
  /** A request doesn't grow beyond this by joining (default 16 MiB); a single larger range stays whole. */
  readonly maxRequestBytes?: number;
}

const defaultMaxGapBytes = 64 * 1024;
const defaultMaxRequestBytes = 16 * 1024 * 1024;

/**
 * Joins ranges of one object into requests, in ascending order of offset. Each range lies whole in exactly one request; ranges may overlap or
 * repeat. Empty ranges (blocks that a sparse file leaves out) are in none. The input isn't changed.
 */
export function planRanges(ranges: readonly ByteRange[], options: RangePlanOptions = {}): PlannedRequest[] {
  const { maxGapBytes = defaultMaxGapBytes, maxRequestBytes = defaultMaxRequestBytes } = options;
  const wanted = ranges
    .map(({ offset, length }, index) => ({ offset, length, index }))
    .filter(({ length }) => length > 0)
    .sort((a, b) => a.offset - b.offset || a.length - b.length);
  const requests: { offset: number; length: number; ranges: PlannedRange[] }[] = [];
  for (const { offset, length, index } of wanted) {
    const last = requests.at(-1);
    const end = last === undefined ? 0 : Math.max(last.offset + last.length, offset + length);
    if (last !== undefined && offset - (last.offset + last.length) <= maxGapBytes && end - last.offset <= Math.max(maxRequestBytes, last.length)) {
      last.length = end - last.offset;
      last.ranges.push({ index, at: offset - last.offset, length });
    } else {
      requests.push({ offset, length, ranges: [{ index, at: 0, length }] });
    }
  }
  return requests;
}
