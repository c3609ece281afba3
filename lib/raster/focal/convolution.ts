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

/** Taps beside each other in one row: five, three or one, from column `from` to `to`. */
interface Run {
  readonly taps: readonly Tap[];
  readonly from: number;
  readonly to: number;
}

export class Convolution implements FocalKernel {
  private readonly taps: readonly Tap[];
  private readonly runs: readonly Run[];
  private inside: Inside = { left: 0, right: 0, top: 0, bottom: 0 };

  /** @param weights row by row, of a window that reaches as far as `reach` */
  constructor(reach: FocalSize, weights: readonly number[]) {
    const columns = 2 * reach.columns + 1;
    this.taps = weights
      .map((weight, i) => ({ weight, row: Math.floor(i / columns) - reach.rows, column: (i % columns) - reach.columns }))
      .filter(({ weight }) => weight !== 0);
    this.runs = runsOf(this.taps);
  }

  /** The taps with the same sums as one by one, but with the values of several neighbours at hand; what is missing is not told apart. */
  private addRun({ taps, from, to }: Run, row: number, operand: SlidingRows, out: SlidingRows): void {
    const [left, right] = [Math.max(this.inside.left, this.inside.left - from), Math.min(this.inside.right, this.inside.right - to)];
    const [at, first] = [out.offset(row) + left, taps[0]];
    if (first === undefined || left >= right) return;
    const start = operand.offset(row + first.row) + left + first.column;
    const [a, b, c, d, e] = taps.map(({ weight }) => weight);
    const { values } = operand;
    if (a !== undefined && b !== undefined && c !== undefined && d !== undefined && e !== undefined) {
      addWeighted5(out.values, at, values, start, right - left, a, b, c, d, e);
    } else if (a !== undefined && b !== undefined && c !== undefined) {
      addWeighted3(out.values, at, values, start, right - left, a, b, c);
    } else {
      for (const { column, weight } of taps) addWeighted(out.values, at, values, start + column - first.column, right - left, weight);
    }
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
    for (const run of this.runs) this.addRun(run, row, operand, out);
    for (const tap of this.taps) {
      const from = Math.max(left, left - tap.column);
      const to = Math.min(right, right - tap.column);
      const source = operand.offset(row + tap.row) + tap.column;
      if (from > left) out.validity.fill(0, at + left, Math.min(at + from, at + right));
      if (to < right) out.validity.fill(0, Math.max(at + to, at + left), at + right);
      if (!operand.isFull(row + tap.row)) keepBoth(out.validity, at, operand.validity, source, from, to);
    }
    out.full[row - out.first] = Number(!out.validity.subarray(at + left, at + right).includes(0));
  }
}

function runsOf(taps: readonly Tap[]): Run[] {
  const runs: Run[] = [];
  const isRun = (list: readonly Tap[]): boolean => list.every(({ row, column }, i) => row === list[0]?.row && column === list[0].column + i);
  for (let i = 0; i < taps.length; ) {
    const length = [5, 3].find((count) => i + count <= taps.length && isRun(taps.slice(i, i + count))) ?? 1;
    const run = taps.slice(i, i + length);
    runs.push({ taps: run, from: run[0]?.column ?? 0, to: run.at(-1)?.column ?? 0 });
    i += length;
  }
  return runs;
}

function addWeighted(out: Float64Array, at: number, values: Float64Array, start: number, width: number, a: number): void {
  for (let i = 0; i < width; i++) out[at + i] = (out[at + i] as number) + a * (values[start + i] as number);
}

function addWeighted3(out: Float64Array, at: number, values: Float64Array, start: number, width: number, a: number, b: number, c: number): void {
  for (let i = 0; i < width; i++) {
    const j = start + i;
    out[at + i] = (out[at + i] as number) + a * (values[j] as number) + b * (values[j + 1] as number) + c * (values[j + 2] as number);
  }
}

function addWeighted5(
  out: Float64Array,
  at: number,
  values: Float64Array,
  start: number,
  width: number,
  a: number,
  b: number,
  c: number,
  d: number,
  e: number,
): void {
  for (let i = 0; i < width; i++) {
    const j = start + i;
    const three = (out[at + i] as number) + a * (values[j] as number) + b * (values[j + 1] as number) + c * (values[j + 2] as number);
    out[at + i] = three + d * (values[j + 3] as number) + e * (values[j + 4] as number);
  }
}

function keepBoth(validity: Uint8Array, at: number, other: Uint8Array, source: number, from: number, to: number): void {
  for (let i = from; i < to; i++) validity[at + i] = (validity[at + i] as number) & (other[source + i] as number);
}
