/**
 * The smallest or the largest of whole numbers of at most 16 bits over a window: down each column, then across the columns.
 *
 * The smaller one of two is found by arithmetic: comparisons, and the language's min and max, compile to branches, which on noisy
 * samples are guessed wrong half of the time. The largest of x is what the smallest of ~x is the complement of.
 */
import { copyValidity, type FocalKernel, type Inside, rowsAround } from './kernel.ts';
import type { FocalSize } from './operation.ts';
import type { SlidingRows } from './rows.ts';

/** More than any sample, and their difference fits 32 bits. */
const none = 1 << 20;

export class WholeExtreme implements FocalKernel {
  private readonly reach: FocalSize;
  /** 0, or all bits, which are flipped on the way in and out to find the largest. */
  private readonly flip: number;
  private readonly result: 'float64' | 'whole';
  private readonly columns: Int32Array;
  private inside: Inside = { left: 0, right: 0, top: 0, bottom: 0 };

  constructor(name: 'min' | 'max', reach: FocalSize, stride: number, result: 'float64' | 'whole') {
    this.reach = reach;
    this.flip = name === 'min' ? 0 : -1;
    this.result = result;
    this.columns = new Int32Array(stride + 2 * reach.columns);
  }

  static bytes(reach: FocalSize, stride: number): number {
    return 4 * (stride + 2 * reach.columns);
  }

  restart(inside: Inside): void {
    this.inside = inside;
  }

  compute(row: number, operand: SlidingRows, out: SlidingRows): void {
    const { left, right } = this.inside;
    const { columns, flip } = this;
    const { columns: reach } = this.reach;
    const [width, at] = [right - left, out.offset(row) + left];
    columns.fill(none);
    this.lowerAll(row, operand, width);
    smallestAcross(columns, width, 2 * reach + 1, flip);
    const found = columns.subarray(0, width);
    if (this.result === 'whole') out.whole.set(found, at);
    else out.values.set(found, at);
    copyValidity(row, operand, out);
  }

  private lowerAll(row: number, operand: SlidingRows, width: number): void {
    const [from, to] = rowsAround(row, this.reach.rows, this.inside);
    const { columns, flip } = this;
    const { columns: reach } = this.reach;
    for (let r = from; r < to; r++) {
      const start = operand.offset(r) + this.inside.left;
      if (r + 5 <= to && operand.areFull(r, r + 5)) {
        lowerColumns5(columns, reach, operand.whole, start, operand.stride, width, flip);
        r += 4;
      } else if (r + 3 <= to && operand.areFull(r, r + 3)) {
        lowerColumns3(columns, reach, operand.whole, start, operand.stride, width, flip);
        r += 2;
      } else lowerColumns(columns, reach, operand.whole, operand.validity, start, width, flip);
    }
  }
}

function lower(a: number, b: number): number {
  return (b + ((a - b) & ((a - b) >> 31))) | 0;
}

function lowerColumns(columns: Int32Array, first: number, whole: Int32Array, validity: Uint8Array, at: number, width: number, flip: number): void {
  for (let i = 0; i < width; i++) {
    const missing = 1 ^ (validity[at + i] as number);
    columns[first + i] = lower(columns[first + i] as number, (((whole[at + i] as number) ^ flip) + missing * none) | 0);
  }
}

function lowerColumns3(columns: Int32Array, first: number, whole: Int32Array, a: number, stride: number, width: number, flip: number): void {
  const [b, c] = [a + stride, a + 2 * stride];
  for (let i = 0; i < width; i++) {
    const two = lower((whole[a + i] as number) ^ flip, (whole[b + i] as number) ^ flip);
    columns[first + i] = lower(lower(columns[first + i] as number, (whole[c + i] as number) ^ flip), two);
  }
}

function lowerColumns5(columns: Int32Array, first: number, whole: Int32Array, a: number, stride: number, width: number, flip: number): void {
  const [b, c, d, e] = [a + stride, a + 2 * stride, a + 3 * stride, a + 4 * stride];
  for (let i = 0; i < width; i++) {
    const two = lower((whole[a + i] as number) ^ flip, (whole[b + i] as number) ^ flip);
    const other = lower((whole[c + i] as number) ^ flip, (whole[d + i] as number) ^ flip);
    columns[first + i] = lower(lower(columns[first + i] as number, (whole[e + i] as number) ^ flip), lower(two, other));
  }
}

/** columns[i] = the smallest of `count` columns from the i-th on, flipped back; by doubling, with as many passes as `count` has binary digits. */
function smallestAcross(columns: Int32Array, width: number, count: number, flip: number): void {
  let span = 1;
  for (; 4 * span <= count; span *= 4) {
    const reached = width + count - 4 * span;
    for (let i = 0; i < reached; i++) {
      const two = lower(columns[i] as number, columns[i + span] as number);
      columns[i] = lower(two, lower(columns[i + 2 * span] as number, columns[i + 3 * span] as number));
    }
  }
  if (2 * span <= count) {
    const reached = width + count - 2 * span;
    for (let i = 0; i < reached; i++) columns[i] = lower(columns[i] as number, columns[i + span] as number);
    span *= 2;
  }
  const rest = count - span;
  for (let i = 0; i < width; i++) columns[i] = lower(columns[i] as number, columns[i + rest] as number) ^ flip;
}
