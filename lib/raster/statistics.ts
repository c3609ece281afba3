/**
 * Statistics of one band, in a form that merges exactly: count, minimum, maximum, mean and the sum of squared deviations from the mean.
 * Pieces are merged by the formula of Chan, Golub and LeVeque (1979); merged in the same order they give the same digits.
 */
import { dtypeOf, type SampleArray } from './dtype.ts';
import { KernelSpace, chunkRows } from './kernels.ts';

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
function shiftedStatistics(rectangle: Rectangle, shift: number): ShiftedStatistics {
  const { samples, offset, columns, rows, stride, empty } = rectangle;
  const sampleBytes = samples.BYTES_PER_ELEMENT;
  const step = Math.min(rows, chunkRows(columns * sampleBytes));
  const around = KernelSpace.of(samples);
  const own = around?.withRoom(sumsBytes) === around ? around : undefined;
  // Four samples are looked at together, so memory goes on behind the last.
  const space = own ?? KernelSpace.withRoom(sumsBytes + step * columns * sampleBytes + 16);
  const add = space.kernels[`statistics_${dtypeOf(samples)}`];
  const sums = space.view(new Float64Array(), space.room, 5);
  sums.set([0, 0, 0, Infinity, -Infinity]);
  if (own !== undefined) {
    const from = samples.byteOffset + offset * sampleBytes;
    for (let row = 0; row < rows; row++) add(from + row * stride * sampleBytes, columns, empty, shift, space.room);
  } else {
    for (let row = 0; row < rows; row += step) {
      const some = Math.min(step, rows - row);
      space.copyIn(samples, offset + row * stride, columns, some, stride, space.room + sumsBytes);
      add(space.room + sumsBytes, some * columns, empty, shift, space.room);
    }
  }
  const [count = 0, sum = 0, shifted = 0, minimum = 0, maximum = 0] = sums;
  // Of zeros with either sign the order would decide.
  return { count, minimum: minimum + 0, maximum: maximum + 0, mean: shift + sum / count, squares: Math.max(0, shifted - (sum * sum) / count), shifted };
}

/** What kernels/statistics.ts keeps. */
const sumsBytes = 96;
