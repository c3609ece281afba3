/**
 * A correlation: each neighbour times the weight that lies over it, summed row by row from the upper left, the order of
 * scipy.ndimage.correlate. Weights of 0 are not looked at. A missing neighbour under another weight leaves no result.
 */
import type { FocalKernel, Inside } from './kernel.ts';
import type { FocalSize } from './operation.ts';
import type { SlidingRows } from './rows.ts';

interface Tap {
  readonly row: number;
  readonly column: number;
  readonly weight: number;
}

export class Convolution implements FocalKernel {
  private readonly taps: readonly Tap[];
  private inside: Inside = { left: 0, right: 0, top: 0, bottom: 0 };

  /** @param weights row by row, of a window that reaches as far as `reach` */
  constructor(reach: FocalSize, weights: readonly number[]) {
    const columns = 2 * reach.columns + 1;
    this.taps = weights
      .map((weight, i) => ({ weight, row: Math.floor(i / columns) - reach.rows, column: (i % columns) - reach.columns }))
      .filter(({ weight }) => weight !== 0);
  }

  restart(inside: Inside): void {
    this.inside = inside;
  }

  compute(row: number, operand: SlidingRows, out: SlidingRows): void {
    const { left, right, top, bottom } = this.inside;
    const at = out.offset(row);
    const centre = operand.offset(row);
    out.values.fill(0, at, at + out.stride);
    out.validity.set(operand.validity.subarray(centre, centre + out.stride), at);
    out.full[row - out.first] = 0;
    const missing = this.taps.some((tap) => row + tap.row < top || row + tap.row >= bottom);
    if (missing) {
      out.validity.fill(0, at, at + out.stride);
      return;
    }
    for (const tap of this.taps) {
      const from = Math.max(left, left - tap.column);
      const to = Math.min(right, right - tap.column);
      const source = operand.offset(row + tap.row) + tap.column;
      addWeighted(out.values, at, operand.values, source, from, to, tap.weight);
      if (from > left) out.validity.fill(0, at + left, Math.min(at + from, at + right));
      if (to < right) out.validity.fill(0, Math.max(at + to, at + left), at + right);
      if (!operand.isFull(row + tap.row)) keepBoth(out.validity, at, operand.validity, source, from, to);
    }
    out.full[row - out.first] = Number(!out.validity.subarray(at + left, at + right).includes(0));
  }
}

function addWeighted(out: Float64Array, at: number, values: Float64Array, source: number, from: number, to: number, weight: number): void {
  for (let i = from; i < to; i++) out[at + i] = (out[at + i] as number) + weight * (values[source + i] as number);
}

function keepBoth(validity: Uint8Array, at: number, other: Uint8Array, source: number, from: number, to: number): void {
  for (let i = from; i < to; i++) validity[at + i] = (validity[at + i] as number) & (other[source + i] as number);
}
