/**
 * The smallest or the largest value over a window: down each column, then across the columns by doubling, which takes as many passes as
 * the width has binary digits. NaN wins, as in the language's min and max.
 *
 * Math.min and Math.max serve every number, signed zeros and NaN too. Small whole numbers have the faster way of whole-extremes.ts.
 */
import { copyValidity, type FocalKernel, type Inside, rowsAround } from './kernel.ts';
import type { FocalSize } from './operation.ts';
import type { SlidingRows } from './rows.ts';

export class FocalMinimum implements FocalKernel {
  private readonly reach: FocalSize;
  private readonly columns: Float64Array;
  private inside: Inside = { left: 0, right: 0, top: 0, bottom: 0 };

  constructor(reach: FocalSize, stride: number) {
    this.reach = reach;
    this.columns = new Float64Array(stride + 2 * reach.columns);
  }

  static bytes(reach: FocalSize, stride: number): number {
    return 8 * (stride + 2 * reach.columns);
  }

  restart(inside: Inside): void {
    this.inside = inside;
  }

  compute(row: number, operand: SlidingRows, out: SlidingRows): void {
    const { left, right } = this.inside;
    const [from, to] = rowsAround(row, this.reach.rows, this.inside);
    const { columns: reach } = this.reach;
    const [width, at] = [right - left, out.offset(row) + left];
    this.columns.fill(Infinity);
    for (let r = from; r < to; r++) {
      const start = operand.offset(r) + left;
      if (r + 5 <= to && operand.areFull(r, r + 5)) {
        lowerColumns5(this.columns, reach, operand.values, start, operand.stride, width);
        r += 4;
      } else if (r + 3 <= to && operand.areFull(r, r + 3)) {
        lowerColumns3(this.columns, reach, operand.values, start, operand.stride, width);
        r += 2;
      } else if (operand.isFull(r)) lowerColumns(this.columns, reach, operand.values, start, width);
      else lowerValidColumns(this.columns, reach, operand.values, operand.validity, start, width);
    }
    smallestAcross(this.columns, out.values, at, width, 2 * reach + 1);
    copyValidity(row, operand, out);
  }
}

export class FocalMaximum implements FocalKernel {
  private readonly reach: FocalSize;
  private readonly columns: Float64Array;
  private inside: Inside = { left: 0, right: 0, top: 0, bottom: 0 };

  constructor(reach: FocalSize, stride: number) {
    this.reach = reach;
    this.columns = new Float64Array(stride + 2 * reach.columns);
  }

  static bytes(reach: FocalSize, stride: number): number {
    return FocalMinimum.bytes(reach, stride);
  }

  restart(inside: Inside): void {
    this.inside = inside;
  }

  compute(row: number, operand: SlidingRows, out: SlidingRows): void {
    const { left, right } = this.inside;
    const [from, to] = rowsAround(row, this.reach.rows, this.inside);
    const { columns: reach } = this.reach;
    const [width, at] = [right - left, out.offset(row) + left];
    this.columns.fill(-Infinity);
    for (let r = from; r < to; r++) {
      const start = operand.offset(r) + left;
      if (r + 5 <= to && operand.areFull(r, r + 5)) {
        raiseColumns5(this.columns, reach, operand.values, start, operand.stride, width);
        r += 4;
      } else if (r + 3 <= to && operand.areFull(r, r + 3)) {
        raiseColumns3(this.columns, reach, operand.values, start, operand.stride, width);
        r += 2;
      } else if (operand.isFull(r)) raiseColumns(this.columns, reach, operand.values, start, width);
      else raiseValidColumns(this.columns, reach, operand.values, operand.validity, start, width);
    }
    largestAcross(this.columns, out.values, at, width, 2 * reach + 1);
    copyValidity(row, operand, out);
  }
}

function lowerColumns(columns: Float64Array, first: number, values: Float64Array, at: number, width: number): void {
  for (let i = 0; i < width; i++) columns[first + i] = Math.min(columns[first + i] as number, values[at + i] as number);
}

function raiseColumns(columns: Float64Array, first: number, values: Float64Array, at: number, width: number): void {
  for (let i = 0; i < width; i++) columns[first + i] = Math.max(columns[first + i] as number, values[at + i] as number);
}

function lowerColumns3(columns: Float64Array, first: number, values: Float64Array, a: number, stride: number, width: number): void {
  const [b, c] = [a + stride, a + 2 * stride];
  for (let i = 0; i < width; i++) {
    const two = Math.min(values[a + i] as number, values[b + i] as number);
    columns[first + i] = Math.min(columns[first + i] as number, Math.min(two, values[c + i] as number));
  }
}

function lowerColumns5(columns: Float64Array, first: number, values: Float64Array, a: number, stride: number, width: number): void {
  const [b, c, d, e] = [a + stride, a + 2 * stride, a + 3 * stride, a + 4 * stride];
  for (let i = 0; i < width; i++) {
    const two = Math.min(values[a + i] as number, values[b + i] as number);
    const other = Math.min(values[c + i] as number, values[d + i] as number);
    columns[first + i] = Math.min(Math.min(columns[first + i] as number, values[e + i] as number), Math.min(two, other));
  }
}

function lowerValidColumns(columns: Float64Array, first: number, values: Float64Array, validity: Uint8Array, at: number, width: number): void {
  for (let i = 0; i < width; i++) {
    if (validity[at + i] !== 0) columns[first + i] = Math.min(columns[first + i] as number, values[at + i] as number);
  }
}

function raiseColumns3(columns: Float64Array, first: number, values: Float64Array, a: number, stride: number, width: number): void {
  const [b, c] = [a + stride, a + 2 * stride];
  for (let i = 0; i < width; i++) {
    const two = Math.max(values[a + i] as number, values[b + i] as number);
    columns[first + i] = Math.max(columns[first + i] as number, Math.max(two, values[c + i] as number));
  }
}

function raiseColumns5(columns: Float64Array, first: number, values: Float64Array, a: number, stride: number, width: number): void {
  const [b, c, d, e] = [a + stride, a + 2 * stride, a + 3 * stride, a + 4 * stride];
  for (let i = 0; i < width; i++) {
    const two = Math.max(values[a + i] as number, values[b + i] as number);
    const other = Math.max(values[c + i] as number, values[d + i] as number);
    columns[first + i] = Math.max(Math.max(columns[first + i] as number, values[e + i] as number), Math.max(two, other));
  }
}

function raiseValidColumns(columns: Float64Array, first: number, values: Float64Array, validity: Uint8Array, at: number, width: number): void {
  for (let i = 0; i < width; i++) {
    if (validity[at + i] !== 0) columns[first + i] = Math.max(columns[first + i] as number, values[at + i] as number);
  }
}

/** out[at + i] = the smallest of `count` columns from the i-th on. The columns are used up. */
function smallestAcross(columns: Float64Array, out: Float64Array, at: number, width: number, count: number): void {
  let span = 1;
  for (; 2 * span <= count; span *= 2) {
    const reached = width + count - 2 * span;
    for (let i = 0; i < reached; i++) columns[i] = Math.min(columns[i] as number, columns[i + span] as number);
  }
  const rest = count - span;
  for (let i = 0; i < width; i++) out[at + i] = Math.min(columns[i] as number, columns[i + rest] as number);
}

function largestAcross(columns: Float64Array, out: Float64Array, at: number, width: number, count: number): void {
  let span = 1;
  for (; 2 * span <= count; span *= 2) {
    const reached = width + count - 2 * span;
    for (let i = 0; i < reached; i++) columns[i] = Math.max(columns[i] as number, columns[i + span] as number);
  }
  const rest = count - span;
  for (let i = 0; i < width; i++) out[at + i] = Math.max(columns[i] as number, columns[i + rest] as number);
}
