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
  const total = columns * rows;
  let first = 0;
  const at = (index: number): number => samples[offset + Math.floor(index / columns) * stride + (index % columns)] as number;
  // NaN never counts, so a nodata of NaN needs no comparison of its own.
  while (first < total && (at(first) === nodata || Number.isNaN(at(first)))) first++;
  if (first === total) return noStatistics;
  const row = Math.floor(first / columns);
  const start = offset + row * stride;
  const once = shiftedStatistics(samples, start, columns, rows - row, stride, nodata, at(first));
  if (!(once.squares < once.shifted * cancellation)) return finished(once);
  return finished(shiftedStatistics(samples, start, columns, rows - row, stride, nodata, once.mean));
}

type ShiftedStatistics = Statistics & { /** Sum of squared deviations from the shift. */ readonly shifted: number };

function finished({ count, minimum, maximum, mean, squares }: ShiftedStatistics): Statistics {
  return { count, minimum, maximum, mean, squares };
}

/** Statistics from sums of the differences from `shift`. */
function shiftedStatistics(
  samples: SampleArray,
  offset: number,
  columns: number,
  rows: number,
  stride: number,
  nodata: number | undefined,
  shift: number,
): ShiftedStatistics {
  let count = 0;
  let sum = 0;
  let shifted = 0;
  let minimum = Infinity;
  let maximum = -Infinity;
  for (let row = 0; row < rows; row++) {
    for (let i = offset + row * stride, end = i + columns; i < end; i++) {
      const value = samples[i] as number;
      if (value === nodata || value !== value) continue;
      const difference = value - shift;
      count++;
      sum += difference;
      shifted += difference * difference;
      if (value < minimum) minimum = value;
      if (value > maximum) maximum = value;
    }
  }
  return { count, minimum, maximum, mean: shift + sum / count, squares: Math.max(0, shifted - (sum * sum) / count), shifted };
}
