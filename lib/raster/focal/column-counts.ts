/** How many pixels with data each column of a window has. Means ask for it only while some row in reach is not full. */
import { type Inside, rowsAround } from './kernel.ts';
import type { FocalSize } from './operation.ts';
import type { SlidingRows } from './rows.ts';

export class ColumnCounts {
  /** With room of a reach on both sides, and one more on the left, which stays 0. */
  readonly values: Int32Array;
  private readonly reach: FocalSize;
  private inside: Inside = { left: 0, right: 0, top: 0, bottom: 0 };
  /** The row that the counts are for, while they are kept. */
  private row: number | undefined;

  constructor(reach: FocalSize, stride: number) {
    this.reach = reach;
    this.values = new Int32Array(stride + 2 * reach.columns + 1);
  }

  static bytes(reach: FocalSize, stride: number): number {
    return 4 * (stride + 2 * reach.columns + 1);
  }

  restart(inside: Inside): void {
    this.inside = inside;
    this.row = undefined;
    this.values.fill(0);
  }

  /** Rows are passed over that need no counts. */
  rest(): void {
    this.row = undefined;
  }

  /** Counts for the window around `row`: by what enters and leaves, where those of the row above are kept. */
  moveTo(row: number, operand: SlidingRows): void {
    const [from, to] = rowsAround(row, this.reach.rows, this.inside);
    const follows = this.row === row - 1;
    this.row = row;
    if (!follows) {
      this.values.fill(0);
      for (let r = from; r < to; r++) this.add(r, operand, 1);
      return;
    }
    const [oldFrom, oldTo] = rowsAround(row - 1, this.reach.rows, this.inside);
    if (to > oldTo) this.add(to - 1, operand, 1);
    if (from > oldFrom) this.add(oldFrom, operand, -1);
  }

  private add(row: number, operand: SlidingRows, sign: 1 | -1): void {
    const { left, right } = this.inside;
    countRow(this.values, this.reach.columns + 1, operand.validity, operand.offset(row) + left, right - left, sign);
  }
}

function countRow(counts: Int32Array, first: number, validity: Uint8Array, at: number, width: number, sign: number): void {
  for (let i = 0; i < width; i++) counts[first + i] = ((counts[first + i] as number) + sign * (validity[at + i] as number)) | 0;
}
