/**
 * The standard deviation (of the population) of whole numbers over a window, by running sums of the numbers and of their squares:
 * sqrt(n * sum(x ** 2) - sum(x) ** 2) / n. It is only for numbers so small, and windows so small, that nothing of it rounds before
 * the root; exact-mean.ts says why.
 */
import { copyValidity, type FocalKernel, type Inside, rowsAround } from './kernel.ts';
import type { FocalSize } from './operation.ts';
import type { SlidingRows } from './rows.ts';

export class ExactDeviation implements FocalKernel {
  private readonly reach: FocalSize;
  private readonly sums: Float64Array;
  private readonly squares: Float64Array;
  private readonly counts: Float64Array;
  private inside: Inside = { left: 0, right: 0, top: 0, bottom: 0 };
  private summed: number | undefined;

  constructor(reach: FocalSize, stride: number) {
    this.reach = reach;
    const padded = stride + 2 * reach.columns + 1;
    this.sums = new Float64Array(padded);
    this.squares = new Float64Array(padded);
    this.counts = new Float64Array(padded);
  }

  /** Whether n * sum(x ** 2) stays below 2 ** 53 for whole numbers up to `largest`, either sign. */
  static serves({ columns, rows }: FocalSize, largest: number): boolean {
    const pixels = (2 * columns + 1) * (2 * rows + 1);
    return (pixels * largest) ** 2 <= Number.MAX_SAFE_INTEGER;
  }

  static bytes(reach: FocalSize, stride: number): number {
    return 24 * (stride + 2 * reach.columns + 1);
  }

  restart(inside: Inside): void {
    this.inside = inside;
    this.summed = undefined;
  }

  compute(row: number, operand: SlidingRows, out: SlidingRows): void {
    const [from, to] = rowsAround(row, this.reach.rows, this.inside);
    const [oldFrom, oldTo] = rowsAround(row - 1, this.reach.rows, this.inside);
    if (this.summed === row - 1) {
      if (to > oldTo) this.move(operand, to - 1, 1);
      if (from > oldFrom) this.move(operand, oldFrom, -1);
    } else {
      this.sums.fill(0);
      this.squares.fill(0);
      this.counts.fill(0);
      for (let r = from; r < to; r++) this.move(operand, r, 1);
    }
    this.summed = row;
    const { left, right } = this.inside;
    deviations(this.sums, this.squares, this.counts, out.values, out.offset(row) + left, right - left, this.reach.columns);
    copyValidity(row, operand, out);
  }

  private move(operand: SlidingRows, row: number, sign: number): void {
    const { left, right } = this.inside;
    const first = this.reach.columns + 1;
    moveColumns(this.sums, this.squares, this.counts, first, operand.values, operand.validity, operand.offset(row) + left, right - left, sign);
  }
}

function moveColumns(
  sums: Float64Array,
  squares: Float64Array,
  counts: Float64Array,
  first: number,
  values: Float64Array,
  validity: Uint8Array,
  at: number,
  width: number,
  sign: number,
): void {
  for (let i = 0; i < width; i++) {
    const counted = sign * (validity[at + i] as number);
    const value = values[at + i] as number;
    sums[first + i] = (sums[first + i] as number) + counted * value;
    squares[first + i] = (squares[first + i] as number) + counted * (value * value);
    counts[first + i] = (counts[first + i] as number) + counted;
  }
}

function deviations(sums: Float64Array, squares: Float64Array, counts: Float64Array, out: Float64Array, at: number, width: number, reach: number): void {
  let [sum, square, count] = [0, 0, 0];
  for (let i = reach + 1; i < 2 * reach + 1; i++) {
    sum += sums[i] as number;
    square += squares[i] as number;
    count += counts[i] as number;
  }
  for (let i = 0; i < width; i++) {
    const enters = i + 2 * reach + 1;
    sum += (sums[enters] as number) - (sums[i] as number);
    square += (squares[enters] as number) - (squares[i] as number);
    count += (counts[enters] as number) - (counts[i] as number);
    out[at + i] = Math.sqrt(count * square - sum * sum) / count;
  }
}
