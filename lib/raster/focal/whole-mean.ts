/**
 * The mean of whole numbers of at most 16 bits over a window, by running sums as in exact-mean.ts, but in 32 bits, which the processor
 * adds and converts faster.
 *
 * Where the result is rounded anyway and the window has an odd number of pixels, it is the product with 1 / n instead of a division by
 * n. The product is off by 2 ** -52 of the value at most. Rounded, it could only differ if the quotient lay that close to the middle
 * between two results, but an odd n leaves no quotient in such a middle, and none nearer to it than 1 / n of its last binary digit.
 */
import { ColumnCounts } from './column-counts.ts';
import { copyValidity, type FocalKernel, type Inside, rowsAround } from './kernel.ts';
import type { FocalSize } from './operation.ts';
import { fractionRemover } from '../quantize.ts';
import type { FocalResult } from './result.ts';
import type { SlidingRows } from './rows.ts';

/** A constant of this module is one in its compiled loops; an import would be read again for every pixel. */
const remover = fractionRemover;

export class WholeMean implements FocalKernel {
  private readonly reach: FocalSize;
  private readonly result: FocalResult;
  /** Sums of the columns of the window, with room as that of the counts. */
  private readonly sums: Int32Array;
  private readonly counts: ColumnCounts;
  /** Pixels of a full row that lie within reach of each column inside. */
  private readonly across: Float64Array;
  private inside: Inside = { left: 0, right: 0, top: 0, bottom: 0 };
  private summed: number | undefined;

  constructor(reach: FocalSize, stride: number, result: FocalResult) {
    this.reach = reach;
    this.result = result;
    this.sums = new Int32Array(stride + 2 * reach.columns + 1);
    this.counts = new ColumnCounts(reach, stride);
    this.across = new Float64Array(stride);
  }

  /** Whether sums over a window stay below 2 ** 31 for whole numbers up to `largest`, either sign. */
  static serves({ columns, rows }: FocalSize, largest: number): boolean {
    return largest < 2 ** 16 && (2 * columns + 1) * (2 * rows + 1) * largest < 2 ** 31;
  }

  static bytes(reach: FocalSize, stride: number): number {
    return 4 * (stride + 2 * reach.columns + 1) + 8 * stride + ColumnCounts.bytes(reach, stride);
  }

  restart(inside: Inside): void {
    this.inside = inside;
    this.summed = undefined;
    this.sums.fill(0);
    this.counts.restart(inside);
    const { columns: reach } = this.reach;
    for (let c = inside.left; c < inside.right; c++) {
      this.across[c - inside.left] = Math.min(c + reach + 1, inside.right) - Math.max(c - reach, inside.left);
    }
  }

  compute(row: number, operand: SlidingRows, out: SlidingRows): void {
    const { left, right } = this.inside;
    const [from, to] = rowsAround(row, this.reach.rows, this.inside);
    const [oldFrom, oldTo] = rowsAround(row - 1, this.reach.rows, this.inside);
    const follows = this.summed === row - 1;
    this.summed = row;
    const width = right - left;
    const at = out.offset(row) + left;
    const [added, dropped] = [follows && to > oldTo ? to - 1 : undefined, follows && from > oldFrom ? oldFrom : undefined];
    if (operand.areFull(follows ? Math.min(oldFrom, from) : from, to)) {
      this.counts.rest();
      if (!follows) this.addRows(operand, from, to);
      if (added !== undefined && dropped !== undefined) {
        this.moveAndMean(operand.whole, operand.offset(added) + left, operand.offset(dropped) + left, out, at, width, to - from);
      } else {
        this.move(operand, added, dropped);
        this.meanOfFull(out, at, width, to - from);
      }
    } else {
      if (follows) this.move(operand, added, dropped);
      else this.addRows(operand, from, to);
      this.counts.moveTo(row, operand);
      if (this.result === 'whole') wholeMeanOfCounted(this.sums, this.counts.values, out.whole, at, width, this.reach.columns);
      else meanOfCounted(this.sums, this.counts.values, out.values, at, width, this.reach.columns);
    }
    copyValidity(row, operand, out);
  }

  /** In the middle, the column sums move a row down while the running sum over them moves right. */
  private moveAndMean(whole: Int32Array, added: number, dropped: number, out: SlidingRows, at: number, width: number, down: number): void {
    const { columns: reach } = this.reach;
    const { sums, across } = this;
    const pixels = (2 * reach + 1) * down;
    const exact = this.result === 'float64' || pixels % 2 === 0;
    if (width <= 2 * reach || (exact && this.result === 'whole')) {
      moveFull(sums, reach + 1, whole, added, dropped, width);
      this.meanOfFull(out, at, width, down);
      return;
    }
    const middle = width - reach;
    moveFull(sums, reach + 1, whole, added, dropped, 2 * reach);
    if (this.result === 'whole') {
      wholeQuotients(sums, across, down, out.whole, at, 0, reach, reach);
      moveAndWholeProducts(sums, whole, added + reach, dropped + reach, 1 / pixels, out.whole, at, middle, reach);
      wholeQuotients(sums, across, down, out.whole, at, middle, width, reach);
    } else {
      quotients(sums, across, down, out.values, at, 0, reach, reach);
      if (exact) moveAndQuotients(sums, whole, added + reach, dropped + reach, pixels, out.values, at, middle, reach);
      else moveAndProducts(sums, whole, added + reach, dropped + reach, 1 / pixels, out.values, at, middle, reach);
      quotients(sums, across, down, out.values, at, middle, width, reach);
    }
  }

  /** Windows that the sides of the image cut off have their own number of pixels each. */
  private meanOfFull(out: SlidingRows, at: number, width: number, down: number): void {
    const { columns: reach } = this.reach;
    const { sums, across } = this;
    const pixels = (2 * reach + 1) * down;
    const sides = this.result === 'float64' || pixels % 2 === 0 ? width : Math.min(reach, width);
    const middle = Math.max(sides, width - reach);
    if (this.result === 'whole') {
      wholeQuotients(sums, across, down, out.whole, at, 0, sides, reach);
      wholeProducts(sums, 1 / pixels, out.whole, at, sides, middle, reach);
      wholeQuotients(sums, across, down, out.whole, at, middle, width, reach);
    } else {
      quotients(sums, across, down, out.values, at, 0, sides, reach);
      products(sums, 1 / pixels, out.values, at, sides, middle, reach);
      quotients(sums, across, down, out.values, at, middle, width, reach);
    }
  }

  private addRows(operand: SlidingRows, from: number, to: number): void {
    this.sums.fill(0);
    for (let row = from; row < to; row++) this.move(operand, row, undefined);
  }

  /** The column sums, one row further down. */
  private move(operand: SlidingRows, added: number | undefined, dropped: number | undefined): void {
    const { left, right } = this.inside;
    const first = this.reach.columns + 1;
    if (added !== undefined) addRow(this.sums, first, operand.whole, operand.validity, operand.offset(added) + left, right - left);
    if (dropped !== undefined) dropRow(this.sums, first, operand.whole, operand.validity, operand.offset(dropped) + left, right - left);
  }
}

function moveFull(sums: Int32Array, first: number, whole: Int32Array, added: number, dropped: number, width: number): void {
  for (let i = 0; i < width; i++) {
    sums[first + i] = ((sums[first + i] as number) + (whole[added + i] as number) - (whole[dropped + i] as number)) | 0;
  }
}

/** Minus one has all bits: the sample counts where it is valid. */
function addRow(sums: Int32Array, first: number, whole: Int32Array, validity: Uint8Array, at: number, width: number): void {
  for (let i = 0; i < width; i++) {
    sums[first + i] = ((sums[first + i] as number) + ((whole[at + i] as number) & -(validity[at + i] as number))) | 0;
  }
}

function dropRow(sums: Int32Array, first: number, whole: Int32Array, validity: Uint8Array, at: number, width: number): void {
  for (let i = 0; i < width; i++) {
    sums[first + i] = ((sums[first + i] as number) - ((whole[at + i] as number) & -(validity[at + i] as number))) | 0;
  }
}

/** The sum over the columns around the one before `from`. */
function sumBefore(sums: Int32Array, from: number, reach: number): number {
  let sum = 0;
  for (let i = from; i < from + 2 * reach + 1; i++) sum += sums[i] as number;
  return sum;
}

/** Results for columns `from` to before `to`, where every pixel has data. */
function products(sums: Int32Array, inverse: number, out: Float64Array, at: number, from: number, to: number, reach: number): void {
  let sum = sumBefore(sums, from, reach);
  const ahead = 2 * reach + 1;
  for (let i = from; i < to; i++) {
    sum = (sum + (sums[i + ahead] as number) - (sums[i] as number)) | 0;
    out[at + i] = sum * inverse;
  }
}

/** From column `reach` on; `added` and `dropped` are the places of what enters and leaves `reach` columns ahead of column 0. */
function moveAndProducts(sums: Int32Array, whole: Int32Array, added: number, dropped: number, inverse: number, out: Float64Array, at: number, to: number, reach: number): void {
  let sum = sumBefore(sums, reach, reach);
  const ahead = 2 * reach + 1;
  for (let i = reach; i < to; i++) {
    const column = ((sums[i + ahead] as number) + (whole[added + i] as number) - (whole[dropped + i] as number)) | 0;
    sums[i + ahead] = column;
    sum = (sum + column - (sums[i] as number)) | 0;
    out[at + i] = sum * inverse;
  }
}

function moveAndQuotients(sums: Int32Array, whole: Int32Array, added: number, dropped: number, pixels: number, out: Float64Array, at: number, to: number, reach: number): void {
  let sum = sumBefore(sums, reach, reach);
  const ahead = 2 * reach + 1;
  for (let i = reach; i < to; i++) {
    const column = ((sums[i + ahead] as number) + (whole[added + i] as number) - (whole[dropped + i] as number)) | 0;
    sums[i + ahead] = column;
    sum = (sum + column - (sums[i] as number)) | 0;
    out[at + i] = sum / pixels;
  }
}

function moveAndWholeProducts(sums: Int32Array, whole: Int32Array, added: number, dropped: number, inverse: number, out: Int32Array, at: number, to: number, reach: number): void {
  let sum = sumBefore(sums, reach, reach);
  const ahead = 2 * reach + 1;
  for (let i = reach; i < to; i++) {
    const column = ((sums[i + ahead] as number) + (whole[added + i] as number) - (whole[dropped + i] as number)) | 0;
    sums[i + ahead] = column;
    sum = (sum + column - (sums[i] as number)) | 0;
    out[at + i] = sum * inverse + remover - remover;
  }
}

function wholeProducts(sums: Int32Array, inverse: number, out: Int32Array, at: number, from: number, to: number, reach: number): void {
  let sum = sumBefore(sums, from, reach);
  const ahead = 2 * reach + 1;
  for (let i = from; i < to; i++) {
    sum = (sum + (sums[i + ahead] as number) - (sums[i] as number)) | 0;
    out[at + i] = sum * inverse + remover - remover;
  }
}

function quotients(sums: Int32Array, across: Float64Array, down: number, out: Float64Array, at: number, from: number, to: number, reach: number): void {
  let sum = sumBefore(sums, from, reach);
  for (let i = from; i < to; i++) {
    sum = (sum + (sums[i + 2 * reach + 1] as number) - (sums[i] as number)) | 0;
    out[at + i] = sum / ((across[i] as number) * down);
  }
}

function wholeQuotients(sums: Int32Array, across: Float64Array, down: number, out: Int32Array, at: number, from: number, to: number, reach: number): void {
  let sum = sumBefore(sums, from, reach);
  for (let i = from; i < to; i++) {
    sum = (sum + (sums[i + 2 * reach + 1] as number) - (sums[i] as number)) | 0;
    out[at + i] = sum / ((across[i] as number) * down) + remover - remover;
  }
}

/** Where nothing is there, 0 / 0 is NaN; the centre is then missing too. */
function meanOfCounted(sums: Int32Array, counts: Int32Array, out: Float64Array, at: number, width: number, reach: number): void {
  let sum = sumBefore(sums, 0, reach);
  let count = sumBefore(counts, 0, reach);
  const ahead = 2 * reach + 1;
  for (let i = 0; i < width; i++) {
    sum = (sum + (sums[i + ahead] as number) - (sums[i] as number)) | 0;
    count = (count + (counts[i + ahead] as number) - (counts[i] as number)) | 0;
    out[at + i] = sum / count;
  }
}

function wholeMeanOfCounted(sums: Int32Array, counts: Int32Array, out: Int32Array, at: number, width: number, reach: number): void {
  let sum = sumBefore(sums, 0, reach);
  let count = sumBefore(counts, 0, reach);
  const ahead = 2 * reach + 1;
  for (let i = 0; i < width; i++) {
    sum = (sum + (sums[i + ahead] as number) - (sums[i] as number)) | 0;
    count = (count + (counts[i + ahead] as number) - (counts[i] as number)) | 0;
    out[at + i] = sum / count + remover - remover;
  }
}
