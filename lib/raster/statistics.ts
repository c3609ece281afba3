/**
 * Statistics of one band, in a form that merges exactly: count, minimum, maximum, mean and the sum of squared deviations from the mean.
 * Pieces are merged by the formula of Chan, Golub and LeVeque (1979); merged in the same order they give the same digits.
 */
import type { SampleArray } from './dtype.ts';

export interface Statistics {
  /** Valid pixels: neither nodata nor NaN. */
  readonly count: number;
  readonly minimum: number;
  readonly maximum: number;
  readonly mean: number;
  /** Sum of squared deviations from the mean. */
  readonly squares: number;
}

export const noStatistics: Statistics = { count: 0, minimum: Infinity, maximum: -Infinity, mean: 0, squares: 0 };

/** Population standard deviation, as GDAL writes it (STATISTICS_STDDEV); 0 for no pixels. */
export function standardDeviation({ count, squares }: Statistics): number {
  return count === 0 ? 0 : Math.sqrt(squares / count);
}

/** Statistics of two disjoint sets of pixels together. */
export function mergeStatistics(a: Statistics, b: Statistics): Statistics {
  if (a.count === 0) return b;
  if (b.count === 0) return a;
  const count = a.count + b.count;
  const delta = b.mean - a.mean;
  return {
    count,
    minimum: Math.min(a.minimum, b.minimum),
    maximum: Math.max(a.maximum, b.maximum),
    mean: a.mean + delta * (b.count / count),
    squares: a.squares + b.squares + delta * delta * ((a.count * b.count) / count),
  };
}

/** A sum of squares that shrinks so much when it is moved to the mean has lost three digits, and is taken anew. */
const cancellation = 1e-3;

/**
 * Statistics of a rectangle of a plane. Sums are taken of the differences from the first valid value, so that large means
 * with small spreads keep their digits; where that value turns out to be far from the others, of those from the mean.
 * @param samples the plane, row by row
 * @param stride samples from one row to the next
 */
export function windowStatistics(
  samples: SampleArray,
  offset: number,
  columns: number,
  rows: number,
  stride: number,
  nodata: number | undefined,
): Statistics {
  // NaN never counts, so where there is no nodata it stands for one; and a nodata of NaN needs no comparison of its own.
  const empty = nodata ?? NaN;
  let start = offset;
  let first = -1;
  let row = 0;
  for (; row < rows && first < 0; row++, start += stride) first = firstValid(samples, start, columns, empty);
  if (first < 0) return noStatistics;
  const left = { samples, offset: start - stride, columns, rows: rows - row + 1, stride, empty };
  const once = shiftedStatistics(left, samples[first] as number);
  if (!(once.squares < once.shifted * cancellation)) return finished(once);
  return finished(shiftedStatistics(left, once.mean));
}

/** Index of the first sample of a row that counts; -1 when none does. */
function firstValid(samples: SampleArray, start: number, columns: number, empty: number): number {
  for (let i = start, end = start + columns; i < end; i++) {
    const value = samples[i] as number;
    if (value !== empty && value === value) return i;
  }
  return -1;
}

type ShiftedStatistics = Statistics & { /** Sum of squared deviations from the shift. */ readonly shifted: number };

function finished({ count, minimum, maximum, mean, squares }: ShiftedStatistics): Statistics {
  return { count, minimum, maximum, mean, squares };
}

interface Rectangle {
  readonly samples: SampleArray;
  readonly offset: number;
  readonly columns: number;
  readonly rows: number;
  readonly stride: number;
  readonly empty: number;
}

/** Statistics from sums of the differences from `shift`. */
function shiftedStatistics({ samples, offset, columns, rows, stride, empty }: Rectangle, shift: number): ShiftedStatistics {
  const sums = new Float64Array([0, 0, 0, Infinity, -Infinity]);
  for (let row = 0; row < rows; row++) addRow(samples, offset + row * stride, columns, empty, shift, sums);
  const [count = 0, sum = 0, shifted = 0, minimum = 0, maximum = 0] = sums;
  return { count, minimum, maximum, mean: shift + sum / count, squares: Math.max(0, shifted - (sum * sum) / count), shifted };
}

/**
 * A row's share of count, sum, sum of squares, minimum and maximum. A row is a call, so that the loop is compiled as a function and not in the
 * middle of one, which takes V8 longer and sometimes misses (docs/performance.md).
 */
function addRow(samples: SampleArray, start: number, columns: number, empty: number, shift: number, sums: Float64Array): void {
  let count = sums[0] as number;
  let sum = sums[1] as number;
  let shifted = sums[2] as number;
  let minimum = sums[3] as number;
  let maximum = sums[4] as number;
  for (let i = start, end = start + columns; i < end; i++) {
    const value = samples[i] as number;
    if (value === empty || value !== value) continue;
    const difference = value - shift;
    count++;
    sum += difference;
    shifted += difference * difference;
    if (value < minimum) minimum = value;
    if (value > maximum) maximum = value;
  }
  sums[0] = count;
  sums[1] = sum;
  sums[2] = shifted;
  sums[3] = minimum;
  sums[4] = maximum;
}
