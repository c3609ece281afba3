/**
 * The standard deviation (of the population) of any numbers over a window. Differences from a mean are squared, never the numbers
 * themselves, so that small differences of large numbers survive; the order is fixed, for the reason in ordered-mean.ts.
 *
 * Each column has a mean and a sum of squared differences from it, and columns are joined as Chan, Golub and LeVeque do (Updating
 * formulae and a pairwise algorithm for computing sample variances, 1979): the squared differences of the columns, and those of the
 * columns' means from the mean of all. What the means lack by rounding is summed up, too, and corrected for at the end.
 */
import { copyValidity, type FocalKernel, type Inside, rowsAround } from './kernel.ts';
import type { FocalSize } from './operation.ts';
import { sumAcross, sumRows, sumValidRows } from './ordered-mean.ts';
import type { SlidingRows } from './rows.ts';

export class OrderedDeviation implements FocalKernel {
  private readonly reach: FocalSize;
  private readonly sums: Float64Array;
  private readonly counts: Float64Array;
  private readonly means: Float64Array;
  /** Sums of the differences from the column's mean: what the mean lacks by rounding. */
  private readonly rests: Float64Array;
  private readonly squares: Float64Array;
  private readonly sum: Float64Array;
  private readonly count: Float64Array;
  private inside: Inside = { left: 0, right: 0, top: 0, bottom: 0 };

  constructor(reach: FocalSize, stride: number) {
    this.reach = reach;
    const padded = stride + 2 * reach.columns;
    this.sums = new Float64Array(padded);
    this.counts = new Float64Array(padded);
    this.means = new Float64Array(padded);
    this.rests = new Float64Array(padded);
    this.squares = new Float64Array(padded);
    this.sum = new Float64Array(stride);
    this.count = new Float64Array(stride);
  }

  static bytes(reach: FocalSize, stride: number): number {
    return 8 * (7 * stride + 10 * reach.columns);
  }

  restart(inside: Inside): void {
    this.inside = inside;
    for (const columns of [this.sums, this.counts, this.means, this.rests, this.squares]) columns.fill(0);
  }

  compute(row: number, operand: SlidingRows, out: SlidingRows): void {
    const { left, right } = this.inside;
    const [from, to] = rowsAround(row, this.reach.rows, this.inside);
    const { columns: reach } = this.reach;
    const { sums, counts, means, rests, squares, sum, count } = this;
    const [width, start] = [right - left, operand.offset(from) + left];
    const full = operand.areFull(from, to);
    if (full) {
      sumRows(sums, reach, operand.values, start, operand.stride, to - from, width);
      counts.fill(to - from, reach, reach + width);
    } else sumValidRows(sums, counts, reach, operand.values, operand.validity, start, operand.stride, to - from, width);
    for (let i = reach; i < reach + width; i++) means[i] = counts[i] === 0 ? 0 : (sums[i] as number) / (counts[i] as number);
    squares.fill(0, reach, reach + width);
    rests.fill(0, reach, reach + width);
    for (let row = 0, first = start; row < to - from; row++, first += operand.stride) {
      if (full) squareRow(squares, rests, means, reach, operand.values, first, width);
      else squareValidRow(squares, rests, means, reach, operand.values, operand.validity, first, width);
    }
    sumAcross(sums, sum, 0, width, 2 * reach + 1);
    sumAcross(counts, count, 0, width, 2 * reach + 1);
    joinColumns(squares, rests, means, counts, sum, count, out.values, out.offset(row) + left, width, 2 * reach + 1);
    copyValidity(row, operand, out);
  }
}

function squareRow(squares: Float64Array, rests: Float64Array, means: Float64Array, first: number, values: Float64Array, at: number, width: number): void {
  for (let i = 0; i < width; i++) {
    const difference = (values[at + i] as number) - (means[first + i] as number);
    squares[first + i] = (squares[first + i] as number) + difference * difference;
    rests[first + i] = (rests[first + i] as number) + difference;
  }
}

function squareValidRow(
  squares: Float64Array,
  rests: Float64Array,
  means: Float64Array,
  first: number,
  values: Float64Array,
  validity: Uint8Array,
  at: number,
  width: number,
): void {
  for (let i = 0; i < width; i++) {
    if (validity[at + i] === 0) continue;
    const difference = (values[at + i] as number) - (means[first + i] as number);
    squares[first + i] = (squares[first + i] as number) + difference * difference;
    rests[first + i] = (rests[first + i] as number) + difference;
  }
}

function joinColumns(
  squares: Float64Array,
  rests: Float64Array,
  means: Float64Array,
  counts: Float64Array,
  sum: Float64Array,
  count: Float64Array,
  out: Float64Array,
  at: number,
  width: number,
  columns: number,
): void {
  for (let i = 0; i < width; i++) {
    const n = count[i] as number;
    const mean = (sum[i] as number) / n;
    let [square, rest] = [0, 0];
    for (let j = i; j < i + columns; j++) {
      const pixels = counts[j] as number;
      if (pixels === 0) continue;
      const difference = (means[j] as number) - mean;
      const lacking = rests[j] as number;
      square += (squares[j] as number) + difference * (2 * lacking + pixels * difference);
      rest += lacking + pixels * difference;
    }
    // Rounding may leave a little less than nothing; NaN stays.
    const variance = (square - (rest * rest) / n) / n;
    out[at + i] = Math.sqrt(variance < 0 ? 0 : variance);
  }
}
