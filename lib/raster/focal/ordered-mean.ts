/**
 * The mean of any numbers over a window: down each column, then across the columns, always in the same order from the top and from
 * the left. Additions of fractions round, so that only a fixed order gives the same sum wherever a tile begins. What is missing
 * adds nothing; sums begin at 0, so that it makes no difference whether a missing pixel was passed over or added as 0.
 */
import { copyValidity, type FocalKernel, type Inside, rowsAround } from './kernel.ts';
import type { FocalSize } from './operation.ts';
import type { SlidingRows } from './rows.ts';

export class OrderedMean implements FocalKernel {
  private readonly reach: FocalSize;
  /** Of the columns of the window, with room of a reach on both sides, which stays 0. */
  private readonly sums: Float64Array;
  private readonly counts: Float64Array;
  private readonly count: Float64Array;
  private readonly across: Float64Array;
  private inside: Inside = { left: 0, right: 0, top: 0, bottom: 0 };

  constructor(reach: FocalSize, stride: number) {
    this.reach = reach;
    this.sums = new Float64Array(stride + 2 * reach.columns);
    this.counts = new Float64Array(stride + 2 * reach.columns);
    this.count = new Float64Array(stride);
    this.across = new Float64Array(stride);
  }

  static bytes(reach: FocalSize, stride: number): number {
    return 8 * (4 * stride + 4 * reach.columns);
  }

  restart(inside: Inside): void {
    this.inside = inside;
    this.sums.fill(0);
    this.counts.fill(0);
    const { columns: reach } = this.reach;
    for (let c = inside.left; c < inside.right; c++) {
      this.across[c - inside.left] = Math.min(c + reach + 1, inside.right) - Math.max(c - reach, inside.left);
    }
  }

  compute(row: number, operand: SlidingRows, out: SlidingRows): void {
    const { left, right } = this.inside;
    const [from, to] = rowsAround(row, this.reach.rows, this.inside);
    const { columns: reach } = this.reach;
    const { sums, counts } = this;
    const width = right - left;
    const [at, start] = [out.offset(row) + left, operand.offset(from) + left];
    if (operand.areFull(from, to)) {
      sumRows(sums, reach, operand.values, start, operand.stride, to - from, width);
      sumAcross(sums, out.values, at, width, 2 * reach + 1);
      divide(out.values, at, this.across, to - from, width);
    } else {
      sumValidRows(sums, counts, reach, operand.values, operand.validity, start, operand.stride, to - from, width);
      sumAcross(sums, out.values, at, width, 2 * reach + 1);
      sumAcross(counts, this.count, 0, width, 2 * reach + 1);
      divide(out.values, at, this.count, 1, width);
    }
    copyValidity(row, operand, out);
  }
}

/** sums[first + i] = 0 + the values of `rows` rows, from the top. */
export function sumRows(sums: Float64Array, first: number, values: Float64Array, start: number, stride: number, rows: number, width: number): void {
  let row = 0;
  sums.fill(0, first, first + width);
  for (; row + 5 <= rows; row += 5) add5Rows(sums, first, values, start + row * stride, stride, width);
  for (; row + 3 <= rows; row += 3) add3Rows(sums, first, values, start + row * stride, stride, width);
  for (; row < rows; row++) addRow(sums, first, values, start + row * stride, width);
}

function addRow(sums: Float64Array, first: number, values: Float64Array, at: number, width: number): void {
  for (let i = 0; i < width; i++) sums[first + i] = (sums[first + i] as number) + (values[at + i] as number);
}

function add3Rows(sums: Float64Array, first: number, values: Float64Array, a: number, stride: number, width: number): void {
  const [b, c] = [a + stride, a + 2 * stride];
  for (let i = 0; i < width; i++) {
    sums[first + i] = (sums[first + i] as number) + (values[a + i] as number) + (values[b + i] as number) + (values[c + i] as number);
  }
}

function add5Rows(sums: Float64Array, first: number, values: Float64Array, a: number, stride: number, width: number): void {
  const [b, c, d, e] = [a + stride, a + 2 * stride, a + 3 * stride, a + 4 * stride];
  for (let i = 0; i < width; i++) {
    const three = (sums[first + i] as number) + (values[a + i] as number) + (values[b + i] as number) + (values[c + i] as number);
    sums[first + i] = three + (values[d + i] as number) + (values[e + i] as number);
  }
}

/** The same where pixels may be missing, and how many are there. */
export function sumValidRows(
  sums: Float64Array,
  counts: Float64Array,
  first: number,
  values: Float64Array,
  validity: Uint8Array,
  start: number,
  stride: number,
  rows: number,
  width: number,
): void {
  sums.fill(0, first, first + width);
  counts.fill(0, first, first + width);
  for (let row = 0; row < rows; row++) {
    const at = start + row * stride;
    for (let i = 0; i < width; i++) {
      if (validity[at + i] === 0) continue;
      sums[first + i] = (sums[first + i] as number) + (values[at + i] as number);
      counts[first + i] = (counts[first + i] as number) + 1;
    }
  }
}

/** out[at + i] = 0 + `count` sums from the i-th on, from the left. */
export function sumAcross(sums: Float64Array, out: Float64Array, at: number, width: number, count: number): void {
  out.fill(0, at, at + width);
  let from = 0;
  for (; from + 5 <= count; from += 5) add5(sums, from, out, at, width);
  for (; from + 3 <= count; from += 3) add3(sums, from, out, at, width);
  for (; from < count; from++) add1(sums, from, out, at, width);
}

function add1(sums: Float64Array, from: number, out: Float64Array, at: number, width: number): void {
  for (let i = 0; i < width; i++) out[at + i] = (out[at + i] as number) + (sums[from + i] as number);
}

function add3(sums: Float64Array, from: number, out: Float64Array, at: number, width: number): void {
  for (let i = 0; i < width; i++) {
    const j = from + i;
    out[at + i] = (out[at + i] as number) + (sums[j] as number) + (sums[j + 1] as number) + (sums[j + 2] as number);
  }
}

function add5(sums: Float64Array, from: number, out: Float64Array, at: number, width: number): void {
  for (let i = 0; i < width; i++) {
    const j = from + i;
    const three = (out[at + i] as number) + (sums[j] as number) + (sums[j + 1] as number) + (sums[j + 2] as number);
    out[at + i] = three + (sums[j + 3] as number) + (sums[j + 4] as number);
  }
}

function divide(out: Float64Array, at: number, counts: Float64Array, times: number, width: number): void {
  for (let i = 0; i < width; i++) out[at + i] = (out[at + i] as number) / ((counts[i] as number) * times);
}
