/** Stores rows of a focal stage into a target, in the target's type: saturated, rounded half to even, NaN and missing as nodata. */
import { fromJsonNumber } from '../../base/json-number.ts';
import { dtypeFacts, isFloat, type SampleArray } from '../dtype.ts';
import { fractionRemover, quantize } from '../quantize.ts';
import type { SlidingRows } from '../focal/rows.ts';
import type { ProgramTarget } from './program.ts';
import { store } from './store-kernels.ts';

/** A constant of this module is one in its compiled loops; an import would be read again for every pixel. */
const remover = fractionRemover;

export class RowStore {
  private readonly nodata: number;
  private readonly bounds: { readonly min: number; readonly max: number } | undefined;
  private readonly fits: boolean;
  private readonly masked: boolean;
  private readonly outgoing: Float64Array;
  private readonly outgoingWhole: Int32Array;

  /**
   * @param columns of the longest row
   * @param masked whether pixels without data are looked for
   * @param fits whether all results are known to fit the target
   */
  constructor({ dtype, nodata }: ProgramTarget, columns: number, masked: boolean, fits: boolean) {
    this.nodata = nodata === undefined ? 0 : fromJsonNumber(nodata);
    this.bounds = isFloat(dtype) ? undefined : dtypeFacts(dtype);
    this.masked = masked;
    this.fits = fits;
    this.outgoing = new Float64Array(columns);
    this.outgoingWhole = new Int32Array(columns);
  }

  static bytes(columns: number): number {
    return 12 * columns;
  }

  /** `columns` pixels of a row from offset `start` on, of which `full` says that all have data. */
  store(target: SampleArray, first: number, rows: SlidingRows, start: number, columns: number, full: boolean): void {
    const validity = full || !this.masked ? undefined : rows.validity;
    if (rows.whole.length > 0) this.storeWhole(target, first, rows.whole, start, columns, validity);
    else this.storeFloat64(target, first, rows.values, start, columns, validity);
  }

  private storeWhole(target: SampleArray, first: number, whole: Int32Array, start: number, columns: number, validity: Uint8Array | undefined): void {
    const { outgoingWhole: outgoing, nodata, bounds } = this;
    const row = whole.subarray(start, start + columns);
    if (this.fits && validity === undefined) {
      target.set(row, first);
      return;
    }
    outgoing.set(row);
    if (!this.fits && bounds !== undefined) clamp(outgoing, columns, bounds.min, bounds.max);
    if (validity !== undefined) fillMissing(outgoing, validity, start, columns, nodata);
    target.set(outgoing.subarray(0, columns), first);
  }

  private storeFloat64(target: SampleArray, first: number, values: Float64Array, start: number, columns: number, validity: Uint8Array | undefined): void {
    const { outgoing, nodata, bounds } = this;
    if (validity === undefined && target instanceof Float32Array) {
      storeFloat32(target, first, values, start, columns);
      return;
    }
    if (bounds === undefined) outgoing.set(values.subarray(start, start + columns));
    else if (!round(outgoing, values, start, columns, bounds.min, bounds.max)) quantize(outgoing, 0, values, start, columns, bounds.min, bounds.max, nodata);
    if (validity !== undefined) fillMissingFloat64(outgoing, validity, start, columns, nodata);
    store(target, first, outgoing, columns);
  }
}

function storeFloat32(target: Float32Array, first: number, values: Float64Array, start: number, n: number): void {
  for (let i = 0; i < n; i++) target[first + i] = values[start + i] as number;
}

function clamp(out: Int32Array, n: number, lo: number, hi: number): void {
  for (let i = 0; i < n; i++) {
    const x = out[i] as number;
    if (x < lo) out[i] = lo;
    else if (x > hi) out[i] = hi;
  }
}

function fillMissing(out: Int32Array, validity: Uint8Array, start: number, n: number, nodata: number): void {
  for (let i = 0; i < n; i++) if (validity[start + i] === 0) out[i] = nodata;
}

function fillMissingFloat64(out: Float64Array, validity: Uint8Array, start: number, n: number, nodata: number): void {
  for (let i = 0; i < n; i++) if (validity[start + i] === 0) out[i] = nodata;
}

/** Answers whether all rounded values lie from `lo` to `hi`; if not, `quantize` has to do it again with care. */
function round(out: Float64Array, values: Float64Array, start: number, n: number, lo: number, hi: number): boolean {
  let within = 1;
  for (let i = 0; i < n; i++) {
    const x = (values[start + i] as number) + remover - remover;
    out[i] = x;
    within &= Number(x >= lo) & Number(x <= hi);
  }
  return within === 1;
}
