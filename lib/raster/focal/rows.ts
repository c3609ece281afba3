/**
 * A window of rows that slides down a plane: the rows that focal operations still need lie in one piece of memory, as float64 or as
 * whole numbers (or both), with a validity byte each, and those above are given up.
 */

/** In which forms rows keep their samples. */
export interface RowForms {
  readonly float64: boolean;
  /** Only for numbers of at most 16 bits: kernels count on having room for sums and differences. */
  readonly whole: boolean;
}

export class SlidingRows {
  /** Samples of a row. */
  readonly stride: number;
  /** Rows from `first` to before `last` are there, at offset (row - first) * stride. */
  readonly values: Float64Array;
  /** The same as whole numbers. What is not kept has no samples. */
  readonly whole: Int32Array;
  /** 1 where there is data, 0 where not. */
  readonly validity: Uint8Array;
  /** For each row whether all its pixels have data. */
  readonly full: Uint8Array;
  first = 0;
  last = 0;

  constructor(stride: number, capacityRows: number, forms: RowForms) {
    this.stride = stride;
    this.values = new Float64Array(forms.float64 ? stride * capacityRows : 0);
    this.whole = new Int32Array(forms.whole ? stride * capacityRows : 0);
    this.validity = new Uint8Array(stride * capacityRows);
    this.full = new Uint8Array(capacityRows);
  }

  /** Bytes of one with these measures. */
  static bytes(stride: number, capacityRows: number, { float64, whole }: RowForms): number {
    return capacityRows * ((8 * Number(float64) + 4 * Number(whole) + 1) * stride + 1);
  }

  /** Begins anew at `row`. */
  restart(row: number): void {
    this.first = row;
    this.last = row;
  }

  /** Gives up the rows above `row`. */
  dropAbove(row: number): void {
    const dropped = Math.min(row, this.last) - this.first;
    if (dropped <= 0) return;
    const { stride } = this;
    const kept = this.last - this.first;
    this.values.copyWithin(0, dropped * stride, kept * stride);
    this.whole.copyWithin(0, dropped * stride, kept * stride);
    this.validity.copyWithin(0, dropped * stride, kept * stride);
    this.full.copyWithin(0, dropped, kept);
    this.first += dropped;
  }

  /** Where a row begins. */
  offset(row: number): number {
    return (row - this.first) * this.stride;
  }

  isFull(row: number): boolean {
    return this.full[row - this.first] === 1;
  }

  /** Whether all rows from `from` to before `to` are full. */
  areFull(from: number, to: number): boolean {
    for (let row = from; row < to; row++) if (this.full[row - this.first] !== 1) return false;
    return true;
  }

  /** Marks rows as full or not, after validity was written, by their pixels from column `from` to before column `to`. */
  markRows(fromRow: number, toRow: number, from: number, to: number): void {
    for (let row = fromRow; row < toRow; row++) {
      const start = this.offset(row);
      this.full[row - this.first] = Number(!this.validity.subarray(start + from, start + to).includes(0));
    }
  }
}
