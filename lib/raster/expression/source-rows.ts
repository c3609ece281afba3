/** Rows of a source as focal operations want them: float64 or whole numbers, with validity. */
import { allocateSamples, bytesPerSample, type Dtype, type SampleArray } from '../dtype.ts';
import type { Inside } from '../focal/kernel.ts';
import type { SlidingRows } from '../focal/rows.ts';
import type { SourcePlane } from './step-runner.ts';

/** Samples that are taken at once, through private memory: the engine converts and searches shared memory sample by sample. */
const stagedSamples = 16_384;

export class SourceRows {
  private readonly staged: SampleArray;
  private readonly stagedMask: Uint8Array | undefined;
  private readonly nodata: number | undefined;

  constructor(dtype: Dtype, nodata: number | undefined, masked: boolean) {
    this.staged = allocateSamples(dtype, stagedSamples);
    this.stagedMask = masked ? new Uint8Array(stagedSamples) : undefined;
    this.nodata = nodata;
  }

  static bytes(dtype: Dtype): number {
    return stagedSamples * (bytesPerSample(dtype) + 1);
  }

  /** Reads the rows from `rows.last` to before `to`. */
  read({ array, validity }: SourcePlane, rows: SlidingRows, to: number, inside: Inside): void {
    const { stride } = rows;
    const from = rows.last;
    if (to <= from) return;
    let full = true;
    for (let start = from * stride; start < to * stride; start += stagedSamples) {
      const n = Math.min(stagedSamples, to * stride - start);
      const [piece, mask] = [array.subarray(start, start + n), validity?.subarray(start, start + n)];
      if (!this.readPiece(piece, mask, rows, start - rows.first * stride, n)) full = false;
    }
    if (full) rows.full.fill(1, from - rows.first, to - rows.first);
    else rows.markRows(from, to, inside.left, inside.right);
    rows.last = to;
  }

  /** Answers whether all of the piece is valid. */
  private readPiece(piece: SampleArray, mask: Uint8Array | undefined, rows: SlidingRows, at: number, n: number): boolean {
    const staged = n === stagedSamples ? this.staged : this.staged.subarray(0, n);
    staged.set(piece);
    if (rows.values.length > 0) rows.values.set(staged, at);
    if (rows.whole.length > 0) rows.whole.set(staged, at);
    const { nodata } = this;
    // Array.includes finds NaN.
    let full = nodata === undefined || !staged.includes(nodata);
    if (full || nodata === undefined) rows.validity.fill(1, at, at + n);
    else if (rows.whole.length > 0) markOtherWhole(rows.validity, rows.whole, at, n, nodata);
    else if (nodata === nodata) markOthers(rows.validity, rows.values, at, n, nodata);
    else markNumbers(rows.validity, rows.values, at, n);
    if (mask === undefined || this.stagedMask === undefined) return full;
    const stagedMask = n === stagedSamples ? this.stagedMask : this.stagedMask.subarray(0, n);
    stagedMask.set(mask);
    if (!stagedMask.includes(0)) return full;
    full = false;
    clearMasked(rows.validity, stagedMask, at, n);
    return full;
  }
}

function markOthers(validity: Uint8Array, values: Float64Array, at: number, n: number, nodata: number): void {
  for (let i = at; i < at + n; i++) validity[i] = Number(values[i] !== nodata);
}

function markOtherWhole(validity: Uint8Array, whole: Int32Array, at: number, n: number, nodata: number): void {
  for (let i = at; i < at + n; i++) validity[i] = Number(whole[i] !== nodata);
}

function markNumbers(validity: Uint8Array, values: Float64Array, at: number, n: number): void {
  for (let i = at; i < at + n; i++) {
    const value = values[i] as number;
    validity[i] = Number(value === value);
  }
}

function clearMasked(validity: Uint8Array, mask: Uint8Array, at: number, n: number): void {
  for (let i = 0; i < n; i++) validity[at + i] = (validity[at + i] as number) & Number(mask[i] !== 0);
}
