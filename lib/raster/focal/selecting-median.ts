/**
 * The median of any numbers over a window: the window's pixels are gathered and the middle one selected (Hoare's quickselect). NaN
 * among them makes the result NaN, as in numpy.median.
 */
import { copyValidity, type FocalKernel, type Inside, rowsAround } from './kernel.ts';
import type { FocalSize } from './operation.ts';
import type { SlidingRows } from './rows.ts';

export class SelectingMedian implements FocalKernel {
  private readonly reach: FocalSize;
  private readonly gathered: Float64Array;
  private inside: Inside = { left: 0, right: 0, top: 0, bottom: 0 };

  constructor(reach: FocalSize) {
    this.reach = reach;
    this.gathered = new Float64Array(SelectingMedian.pixels(reach));
  }

  static bytes(reach: FocalSize): number {
    return 8 * SelectingMedian.pixels(reach);
  }

  private static pixels({ columns, rows }: FocalSize): number {
    return (2 * columns + 1) * (2 * rows + 1);
  }

  restart(inside: Inside): void {
    this.inside = inside;
  }

  compute(row: number, operand: SlidingRows, out: SlidingRows): void {
    const { left, right } = this.inside;
    const [from, to] = rowsAround(row, this.reach.rows, this.inside);
    const { columns: reach } = this.reach;
    const { gathered } = this;
    const full = operand.areFull(from, to);
    const [start, centre, at] = [operand.offset(from), operand.offset(row), out.offset(row)];
    for (let c = left; c < right; c++) {
      if (operand.validity[centre + c] === 0) continue;
      const first = Math.max(c - reach, left);
      const columns = Math.min(c + reach + 1, right) - first;
      const count = full
        ? gather(gathered, operand.values, start + first, operand.stride, columns, to - from)
        : gatherValid(gathered, operand.values, operand.validity, start + first, operand.stride, columns, to - from);
      out.values[at + c] = median(gathered, count);
    }
    copyValidity(row, operand, out);
  }
}

/** Copies a window, and answers how many pixels it has; 0 where one is NaN. */
function gather(gathered: Float64Array, values: Float64Array, start: number, stride: number, columns: number, rows: number): number {
  let count = 0;
  let sum = 0;
  for (let k = 0, row = start; k < rows; k++, row += stride) {
    for (let i = 0; i < columns; i++) {
      const value = values[row + i] as number;
      gathered[count++] = value;
      // 0 for every finite number, NaN for the others.
      sum += value - value;
    }
  }
  return sum === sum ? count : withoutNaN(gathered, count);
}

function gatherValid(gathered: Float64Array, values: Float64Array, validity: Uint8Array, start: number, stride: number, columns: number, rows: number): number {
  let count = 0;
  for (let k = 0, row = start; k < rows; k++, row += stride) {
    for (let i = 0; i < columns; i++) {
      if (validity[row + i] !== 0) gathered[count++] = values[row + i] as number;
    }
  }
  return withoutNaN(gathered, count);
}

function withoutNaN(gathered: Float64Array, count: number): number {
  for (let i = 0; i < count; i++) if (gathered[i] !== gathered[i]) return 0;
  return count;
}

function median(gathered: Float64Array, count: number): number {
  if (count === 0) return NaN;
  if (count === 9) return medianOf9(gathered);
  const middle = count >> 1;
  const high = select(gathered, count, middle);
  if ((count & 1) === 1) return high;
  let low = gathered[0] as number;
  for (let i = 1; i < middle; i++) low = Math.max(low, gathered[i] as number);
  return (low + high) / 2;
}

/**
 * The middle one of nine without a branch: of three sorted threes it is the middle of the largest low, the middle middle and the smallest
 * high one (Paeth, Median finding on a 3x3 grid, Graphics Gems, 1990).
 */
function medianOf9(n: Float64Array): number {
  for (let i = 0; i < 9; i += 3) {
    exchange(n, i + 1, i + 2);
    exchange(n, i, i + 1);
    exchange(n, i + 1, i + 2);
  }
  const low = Math.max(n[0] as number, n[3] as number, n[6] as number);
  const high = Math.min(n[2] as number, n[5] as number, n[8] as number);
  return middleOf(low, middleOf(n[1] as number, n[4] as number, n[7] as number), high);
}

function exchange(n: Float64Array, i: number, j: number): void {
  const a = n[i] as number;
  const b = n[j] as number;
  n[i] = Math.min(a, b);
  n[j] = Math.max(a, b);
}

/** Moves numbers until the one at `rank` is where sorting would put it, none before it larger and none behind it smaller. */
function select(numbers: Float64Array, count: number, rank: number): number {
  let [low, high] = [0, count - 1];
  while (low < high) {
    const pivot = middleOf(numbers[low] as number, numbers[(low + high) >> 1] as number, numbers[high] as number);
    let [i, j] = [low, high];
    while (i <= j) {
      while ((numbers[i] as number) < pivot) i++;
      while ((numbers[j] as number) > pivot) j--;
      if (i > j) break;
      const other = numbers[i] as number;
      numbers[i++] = numbers[j] as number;
      numbers[j--] = other;
    }
    if (rank <= j) high = j;
    else if (rank >= i) low = i;
    else break;
  }
  return numbers[rank] as number;
}

function middleOf(a: number, b: number, c: number): number {
  return Math.max(Math.min(a, b), Math.min(Math.max(a, b), c));
}
