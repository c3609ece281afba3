/**
 * The median of whole numbers of 8 or 16 bits over a window, from a histogram that moves along the row (Huang, Yang and Tang, A fast
 * two-dimensional median filtering algorithm, 1979): a column enters, a column leaves, and the median moves from where it was. Counts of
 * 16 and of 256 neighbouring values together let it move far in few steps.
 */
import { copyValidity, type FocalKernel, type Inside, rowsAround } from './kernel.ts';
import type { FocalSize } from './operation.ts';
import { fractionRemover } from '../quantize.ts';
import type { SlidingRows } from './rows.ts';

export class HistogramMedian implements FocalKernel {
  private readonly reach: FocalSize;
  private readonly lowest: number;
  private readonly histogram: Histogram;
  private readonly result: 'float64' | 'whole';
  private inside: Inside = { left: 0, right: 0, top: 0, bottom: 0 };

  /** For values from `lowest` to `lowest` + `values` - 1. */
  constructor(reach: FocalSize, lowest: number, values: number, result: 'float64' | 'whole') {
    this.result = result;
    this.reach = reach;
    this.lowest = lowest;
    this.histogram = new Histogram(values);
  }

  static bytes(values: number): number {
    return 2 * (values + values / 16 + values / 256);
  }

  restart(inside: Inside): void {
    this.inside = inside;
  }

  compute(row: number, operand: SlidingRows, out: SlidingRows): void {
    this.fill(row, operand, out, this.inside.left, this.inside.right);
    copyValidity(row, operand, out);
  }

  /** The columns from `first` to before `last` of a row; validity is not written. */
  fill(row: number, operand: SlidingRows, out: SlidingRows, first: number, last: number): void {
    const { left, right } = this.inside;
    const [from, to] = rowsAround(row, this.reach.rows, this.inside);
    const { columns: reach } = this.reach;
    const { histogram, lowest } = this;
    const { whole, stride } = operand;
    const validity = operand.areFull(from, to) ? undefined : operand.validity;
    const [start, at, rows] = [operand.offset(from), out.offset(row), to - from];
    for (let c = Math.max(left, first - reach); c < Math.min(first + reach, right); c++) histogram.add(whole, validity, start + c, stride, rows, lowest);
    for (let c = first; c < last; c++) {
      if (c + reach < right) histogram.add(whole, validity, start + c + reach, stride, rows, lowest);
      if (c - reach > left && c > first) histogram.remove(whole, validity, start + c - reach - 1, stride, rows, lowest);
      const median = histogram.median() + lowest;
      if (this.result === 'whole') out.whole[at + c] = median + fractionRemover - fractionRemover;
      else out.values[at + c] = median;
    }
    // Taking out what is left costs less than clearing all counts.
    for (let c = Math.max(left, last - reach - 1); c < Math.min(last + reach, right); c++) histogram.remove(whole, validity, start + c, stride, rows, lowest);
  }
}

/** Counts of whole numbers from 0 on. */
class Histogram {
  private readonly ones: Uint16Array;
  private readonly sixteens: Uint16Array;
  private readonly hundreds: Uint16Array;
  private total = 0;
  /** Where the last median was, and how many counted numbers are smaller. */
  private place = 0;
  private below = 0;

  constructor(values: number) {
    this.ones = new Uint16Array(values);
    this.sixteens = new Uint16Array(Math.max(1, values >> 4));
    this.hundreds = new Uint16Array(Math.max(1, values >> 8));
  }

  add(values: Int32Array, validity: Uint8Array | undefined, start: number, stride: number, rows: number, lowest: number): void {
    const { ones, sixteens, hundreds, place } = this;
    let below = 0;
    let count = 0;
    for (let k = 0, i = start; k < rows; k++, i += stride) {
      if (validity !== undefined && validity[i] === 0) continue;
      const value = ((values[i] as number) - lowest) | 0;
      ones[value] = (ones[value] as number) + 1;
      sixteens[value >> 4] = (sixteens[value >> 4] as number) + 1;
      hundreds[value >> 8] = (hundreds[value >> 8] as number) + 1;
      below += Number(value < place);
      count++;
    }
    this.below += below;
    this.total += count;
  }

  remove(values: Int32Array, validity: Uint8Array | undefined, start: number, stride: number, rows: number, lowest: number): void {
    const { ones, sixteens, hundreds, place } = this;
    let below = 0;
    let count = 0;
    for (let k = 0, i = start; k < rows; k++, i += stride) {
      if (validity !== undefined && validity[i] === 0) continue;
      const value = ((values[i] as number) - lowest) | 0;
      ones[value] = (ones[value] as number) - 1;
      sixteens[value >> 4] = (sixteens[value >> 4] as number) - 1;
      hundreds[value >> 8] = (hundreds[value >> 8] as number) - 1;
      below += Number(value < place);
      count++;
    }
    this.below -= below;
    this.total -= count;
  }

  /** The middle number, or the mean of the middle two; NaN where there is none. */
  median(): number {
    if (this.total === 0) return NaN;
    const low = this.find((this.total - 1) >> 1);
    if ((this.total & 1) === 1) return low;
    const high = this.find(this.total >> 1);
    return (low + high) / 2;
  }

  /** The number that has exactly `rank` others before it. */
  private find(rank: number): number {
    const { ones, sixteens, hundreds } = this;
    let { place, below } = this;
    while (below > rank) {
      if ((place & 255) === 0 && below - (hundreds[(place >> 8) - 1] as number) > rank) {
        place -= 256;
        below -= hundreds[place >> 8] as number;
      } else if ((place & 15) === 0 && below - (sixteens[(place >> 4) - 1] as number) > rank) {
        place -= 16;
        below -= sixteens[place >> 4] as number;
      } else {
        place--;
        below -= ones[place] as number;
      }
    }
    for (;;) {
      if ((place & 255) === 0 && below + (hundreds[place >> 8] as number) <= rank) {
        below += hundreds[place >> 8] as number;
        place += 256;
      } else if ((place & 15) === 0 && below + (sixteens[place >> 4] as number) <= rank) {
        below += sixteens[place >> 4] as number;
        place += 16;
      } else if (below + (ones[place] as number) <= rank) {
        below += ones[place] as number;
        place++;
      } else {
        break;
      }
    }
    this.place = place;
    this.below = below;
    return place;
  }
}
