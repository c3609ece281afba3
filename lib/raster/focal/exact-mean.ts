/**
 * The mean of whole numbers over a window, by running sums: two additions down and two across a pixel, whatever the window's size.
 *
 * Running sums depend on where they began as soon as an addition rounds, and then tiles would differ from the whole image. Sums of
 * whole numbers below 2 ** 53 don't round: 255 x 255 values of 32 bits stay below 2 ** 48.
 */
import { ColumnCounts } from './column-counts.ts';
import { copyValidity, type FocalKernel, type Inside, rowsAround } from './kernel.ts';
import type { FocalSize } from './operation.ts';
import type { SlidingRows } from './rows.ts';

export class ExactMean implements FocalKernel {
  private readonly reach: FocalSize;
  /** Sums of the columns of the window, with room as that of the counts. */
  private readonly sums: Float64Array;
  private readonly counts: ColumnCounts;
  /** Pixels of a full row that lie within reach of each column. */
  private readonly across: Float64Array;
  private inside: Inside = { left: 0, right: 0, top: 0, bottom: 0 };
  private summed: number | undefined;

  constructor(reach: FocalSize, stride: number) {
    this.reach = reach;
    this.sums = new Float64Array(stride + 2 * reach.columns + 1);
    this.counts = new ColumnCounts(reach, stride);
    this.across = new Float64Array(stride);
  }

  static bytes(reach: FocalSize, stride: number): number {
    return 8 * (2 * stride + 2 * reach.columns + 1) + ColumnCounts.bytes(reach, stride);
  }

  restart(inside: Inside): void {
    this.inside = inside;
    this.summed = undefined;
    this.sums.fill(0);
    this.counts.restart(inside);
    for (let c = inside.left; c < inside.right; c++) {
      this.across[c] = Math.min(c + this.reach.columns + 1, inside.right) - Math.max(c - this.reach.columns, inside.left);
    }
  }

  compute(row: number, operand: SlidingRows, out: SlidingRows): void {
    const { left, right } = this.inside;
    const [from, to] = rowsAround(row, this.reach.rows, this.inside);
    const [oldFrom, oldTo] = rowsAround(row - 1, this.reach.rows, this.inside);
    const follows = this.summed === row - 1;
    this.summed = row;
    const width = right - left;
    const { columns: reach } = this.reach;
    const at = out.offset(row) + left;
    if (operand.areFull(Math.min(follows ? oldFrom : from, from), to)) {
      this.counts.rest();
      if (!follows) this.addRows(operand, from, to);
      const [added, dropped] = [to > oldTo ? to - 1 : undefined, from > oldFrom ? oldFrom : undefined];
      if (follows && added !== undefined && dropped !== undefined) {
        const [a, d] = [operand.offset(added) + left, operand.offset(dropped) + left];
        moveAndMean(this.sums, operand.values, a, d, this.across, left, to - from, out.values, at, width, reach);
      } else {
        if (follows) this.move(operand, added, dropped);
        meanOfFull(this.sums, this.across, left, to - from, out.values, at, width, reach);
      }
    } else {
      if (follows) this.move(operand, to > oldTo ? to - 1 : undefined, from > oldFrom ? oldFrom : undefined);
      else this.addRows(operand, from, to);
      this.counts.moveTo(row, operand);
      meanOfCounted(this.sums, this.counts.values, out.values, at, width, reach);
    }
    copyValidity(row, operand, out);
  }

  private addRows(operand: SlidingRows, from: number, to: number): void {
    this.sums.fill(0);
    for (let row = from; row < to; row++) this.move(operand, row, undefined);
  }

  /** The column sums, one row further down. */
  private move(operand: SlidingRows, added: number | undefined, dropped: number | undefined): void {
    const { left, right } = this.inside;
    const first = this.reach.columns + 1;
    if (added !== undefined) addRow(this.sums, first, operand.values, operand.validity, operand.offset(added) + left, right - left, 1);
    if (dropped !== undefined) addRow(this.sums, first, operand.values, operand.validity, operand.offset(dropped) + left, right - left, -1);
  }
}

function addRow(sums: Float64Array, first: number, values: Float64Array, validity: Uint8Array, at: number, width: number, sign: number): void {
  for (let i = 0; i < width; i++) {
    sums[first + i] = (sums[first + i] as number) + sign * (validity[at + i] as number) * (values[at + i] as number);
  }
}

/** The common case in one pass: the column sums move a row down while the running sum over them moves right. */
function moveAndMean(
  sums: Float64Array,
  values: Float64Array,
  added: number,
  dropped: number,
  across: Float64Array,
  left: number,
  down: number,
  out: Float64Array,
  at: number,
  width: number,
  reach: number,
): void {
  const first = reach + 1;
  const ahead = Math.min(reach, width);
  let sum = 0;
  for (let i = 0; i < ahead; i++) {
    const column = (sums[first + i] as number) + ((values[added + i] as number) - (values[dropped + i] as number));
    sums[first + i] = column;
    sum += column;
  }
  const whole = Math.max(0, width - reach);
  for (let i = 0; i < whole; i++) {
    const j = first + reach + i;
    const column = (sums[j] as number) + ((values[added + reach + i] as number) - (values[dropped + reach + i] as number));
    sums[j] = column;
    sum += column - (sums[i] as number);
    out[at + i] = sum / ((across[left + i] as number) * down);
  }
  for (let i = whole; i < width; i++) {
    sum -= sums[i] as number;
    out[at + i] = sum / ((across[left + i] as number) * down);
  }
}

function meanOfFull(sums: Float64Array, across: Float64Array, left: number, down: number, out: Float64Array, at: number, width: number, reach: number): void {
  let sum = 0;
  for (let i = 0; i < reach; i++) sum += sums[reach + 1 + i] as number;
  for (let i = 0; i < width; i++) {
    sum += (sums[i + 2 * reach + 1] as number) - (sums[i] as number);
    out[at + i] = sum / ((across[left + i] as number) * down);
  }
}

/** Where nothing is there, 0 / 0 is NaN; the centre is then missing too. */
function meanOfCounted(sums: Float64Array, counts: Int32Array, out: Float64Array, at: number, width: number, reach: number): void {
  let sum = 0;
  let count = 0;
  for (let i = 0; i < reach; i++) {
    sum += sums[reach + 1 + i] as number;
    count += counts[reach + 1 + i] as number;
  }
  for (let i = 0; i < width; i++) {
    sum += (sums[i + 2 * reach + 1] as number) - (sums[i] as number);
    count += (counts[i + 2 * reach + 1] as number) - (counts[i] as number);
    out[at + i] = sum / count;
  }
}
