/**
 * The median of whole numbers of at most 16 bits over 3 x 3 or 5 x 5 pixels, for whole rows at a time and without a branch: what a
 * sorting network would swap is swapped by arithmetic.
 *
 * Each column of the window is sorted once and serves all windows that it is in. Then the sorted columns are sorted across, rank by
 * rank, after which every number has enough others on either side to leave only some of them as the median (Paeth, Median finding on
 * a 3x3 grid, Graphics Gems, 1990). Where pixels are missing or lie beyond the image, a histogram does it.
 */
import type { HistogramMedian } from './histogram-median.ts';
import { copyValidity, type FocalKernel, type Inside } from './kernel.ts';
import type { SlidingRows } from './rows.ts';

export class NetworkMedian implements FocalKernel {
  private readonly reach: 1 | 2;
  private readonly histogram: HistogramMedian;
  private readonly result: 'float64' | 'whole';
  private readonly stride: number;
  /** Sorted columns, by rank. */
  private readonly columns: Int32Array;
  /** Ranks sorted across: place k of rank r is plane r * side + k. */
  private readonly ranks: Int32Array;
  private readonly medians: Int32Array;
  private inside: Inside = { left: 0, right: 0, top: 0, bottom: 0 };

  constructor(reach: 1 | 2, stride: number, histogram: HistogramMedian, result: 'float64' | 'whole') {
    const side = 2 * reach + 1;
    this.reach = reach;
    this.stride = stride;
    this.histogram = histogram;
    this.result = result;
    this.columns = new Int32Array(side * stride);
    this.ranks = new Int32Array(side * side * stride);
    this.medians = new Int32Array(stride);
  }

  /** Beside the histogram. */
  static bytes(reach: 1 | 2, stride: number): number {
    const side = 2 * reach + 1;
    return 4 * stride * (side + side * side + 1);
  }

  restart(inside: Inside): void {
    this.inside = inside;
    this.histogram.restart(inside);
  }

  compute(row: number, operand: SlidingRows, out: SlidingRows): void {
    const { left, right, top, bottom } = this.inside;
    const { reach } = this;
    const within = row - reach >= top && row + reach < bottom && right - left > 2 * reach;
    if (!within || !operand.areFull(row - reach, row + reach + 1)) {
      this.histogram.compute(row, operand, out);
      return;
    }
    const width = right - left - 2 * reach;
    this.find(operand.whole, operand.offset(row - reach) + left, operand.stride, width);
    const found = this.medians.subarray(0, width);
    if (this.result === 'whole') out.whole.set(found, out.offset(row) + left + reach);
    else out.values.set(found, out.offset(row) + left + reach);
    this.histogram.fill(row, operand, out, left, left + reach);
    this.histogram.fill(row, operand, out, right - reach, right);
    copyValidity(row, operand, out);
  }

  private find(whole: Int32Array, start: number, rowStride: number, width: number): void {
    const { columns, ranks, medians, stride, reach } = this;
    const side = 2 * reach + 1;
    const sort = reach === 1 ? sort3 : sort5;
    sort(whole, start, rowStride, columns, 0, stride, width + 2 * reach);
    for (let rank = 0; rank < side; rank++) sort(columns, rank * stride, 1, ranks, rank * side * stride, stride, width);
    if (reach === 1) middleOf9(ranks, stride, medians, width);
    else middleOf25(ranks, stride, medians, width);
  }
}

function lower(a: number, b: number): number {
  return (b + ((a - b) & ((a - b) >> 31))) | 0;
}

function higher(a: number, b: number): number {
  return (a - ((a - b) & ((a - b) >> 31))) | 0;
}

/** Sorts samples that lie `step` apart, of `n` places beside each other; the sorted ones come to lie `plane` apart. */
function sort3(from: Int32Array, start: number, step: number, to: Int32Array, first: number, plane: number, n: number): void {
  for (let i = 0; i < n; i++) {
    const [a, b, c] = [from[start + i] as number, from[start + i + step] as number, from[start + i + 2 * step] as number];
    const low = lower(a, b);
    const high = higher(a, b);
    const rest = lower(high, c);
    to[first + i] = lower(low, rest);
    to[first + plane + i] = higher(low, rest);
    to[first + 2 * plane + i] = higher(high, c);
  }
}

function sort5(from: Int32Array, start: number, step: number, to: Int32Array, first: number, plane: number, n: number): void {
  for (let i = 0; i < n; i++) {
    const at = start + i;
    const v0 = from[at] as number;
    const v1 = from[at + step] as number;
    const v2 = from[at + 2 * step] as number;
    const v3 = from[at + 3 * step] as number;
    const v4 = from[at + 4 * step] as number;
    const a0 = lower(v0, v3);
    const a3 = higher(v0, v3);
    const a1 = lower(v1, v4);
    const a4 = higher(v1, v4);
    const b0 = lower(a0, v2);
    const b2 = higher(a0, v2);
    const b1 = lower(a1, a3);
    const b3 = higher(a1, a3);
    const c1 = higher(b0, b1);
    const c2 = lower(b2, a4);
    const c4 = higher(b2, a4);
    const d2 = higher(c1, c2);
    const d3 = lower(b3, c4);
    to[first + i] = lower(b0, b1);
    to[first + plane + i] = lower(c1, c2);
    to[first + 2 * plane + i] = lower(d2, d3);
    to[first + 3 * plane + i] = higher(d2, d3);
    to[first + 4 * plane + i] = higher(b3, c4);
  }
}

/** The middle one of the largest lowest, the middle middle and the smallest highest. */
function middleOf9(ranks: Int32Array, plane: number, out: Int32Array, n: number): void {
  for (let i = 0; i < n; i++) {
    const a = ranks[2 * plane + i] as number;
    const b = ranks[4 * plane + i] as number;
    const c = ranks[6 * plane + i] as number;
    out[i] = higher(lower(a, b), lower(higher(a, b), c));
  }
}

/**
 * The middle one of the 13 that are left: three diagonals, of which the largest of the first and the smallest of the last go on. The
 * order of the rest was found by leaving out steps that no input of zeros and ones needs, which is enough for any input.
 */
function middleOf25(ranks: Int32Array, plane: number, out: Int32Array, n: number): void {
  for (let i = 0; i < n; i++) {
    const first = higher(higher(ranks[3 * plane + i] as number, ranks[7 * plane + i] as number), higher(ranks[11 * plane + i] as number, ranks[15 * plane + i] as number));
    const x0 = lower(lower(ranks[13 * plane + i] as number, ranks[9 * plane + i] as number), ranks[16 * plane + i] as number);
    const y0 = lower(ranks[17 * plane + i] as number, ranks[4 * plane + i] as number);
    const x1 = higher(y0, x0);
    const y1 = higher(first, lower(y0, x0));
    const [e, b] = [ranks[21 * plane + i] as number, ranks[8 * plane + i] as number];
    const y2 = lower(higher(e, y1), higher(x1, b));
    const x2 = lower(x1, b);
    const d = ranks[20 * plane + i] as number;
    const x3 = higher(lower(e, y1), lower(x2, d));
    const x4 = lower(higher(y2, x3), higher(x2, d));
    const y3 = lower(y2, x3);
    out[i] = lower(higher(y3, x4), higher(lower(y3, x4), ranks[12 * plane + i] as number));
  }
}
