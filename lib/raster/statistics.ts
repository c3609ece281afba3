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

/**
 * Statistics of a rectangle of a plane. Sums are taken of the differences from the first valid value, so that large means
 * with small spreads keep their digits.
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
  const shift = at(first);
  let count = 0;
  let sum = 0;
  let squares = 0;
  let minimum = Infinity;
  let maximum = -Infinity;
  for (let row = Math.floor(first / columns); row < rows; row++) {
    for (let i = offset + row * stride, end = i + columns; i < end; i++) {
      const value = samples[i] as number;
      if (value === nodata || value !== value) continue;
      const difference = value - shift;
      count++;
      sum += difference;
      squares += difference * difference;
      if (value < minimum) minimum = value;
      if (value > maximum) maximum = value;
    }
  }
  const mean = shift + sum / count;
  return { count, minimum, maximum, mean, squares: Math.max(0, squares - (sum * sum) / count) };
}
