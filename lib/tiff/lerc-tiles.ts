/**
 * The micro-blocks of LERC2: 8 x 8 or 16 x 16 pixels of one band whose values are counted from their minimum in steps of twice the error, and packed into as few
 * bits as the largest needs (Esri/lerc: Lerc2::WriteTiles, WriteTile and NumBytesTile in its reference implementation).
 */
import { allocateSamples, bytesPerSample, isFloat, type Dtype, type SampleArray } from '../raster/dtype.ts';
import { bitsFor, packedBytes, packedTableBytes, writePacked, writePackedTable } from './lerc-bits.ts';
import { reducedType, writeNumber } from './lerc-numbers.ts';

export interface LercEncoding {
  readonly dtype: Dtype;
  readonly bands: number;
  readonly columns: number;
  readonly rows: number;
  /** How far a value may be from the true one. For integers 0 and less than 1 are lossless, and fractions are dropped. */
  readonly maxError: number;
  readonly nodata: number | undefined;
}

/** Samples by pixel of one blob: (rows, columns, depth). */
export interface BlobSamples {
  readonly samples: SampleArray;
  readonly depth: number;
  /** One bit a pixel, the highest first; undefined when all are valid. */
  readonly mask: Uint8Array | undefined;
  readonly valid: number;
}

/** Of the values of a band. */
export interface BandRange {
  readonly min: number;
  readonly max: number;
}

/** Whether the bit of a pixel is set. */
export function isValid(mask: Uint8Array, pixel: number): boolean {
  return ((mask[pixel >> 3] as number) & (0x80 >> (pixel & 7))) !== 0;
}

/** Largest quantised value: more would not be read (Lerc2::GetMaxValToQuantize). */
function largestQuantised(dtype: Dtype): number {
  return bytesPerSample(dtype) <= 2 ? 2 ** 15 - 1 : 2 ** 30 - 1;
}

/** Writes the micro-blocks of a blob. */
export class TileWriter {
  readonly #dtype: Dtype;
  readonly #columns: number;
  readonly #rows: number;
  readonly #maxError: number;
  readonly #largest: number;
  /** Set where quantising could change which pixels are nodata. */
  readonly #nodata: number | undefined;
  readonly #values = new Float64Array(256);
  readonly #steps = new Uint32Array(256);
  readonly #plain: SampleArray;

  constructor({ dtype, columns, rows, nodata }: LercEncoding, maxError: number) {
    this.#dtype = dtype;
    this.#columns = columns;
    this.#rows = rows;
    this.#maxError = maxError;
    this.#largest = largestQuantised(dtype);
    const lossy = maxError > 0 && (isFloat(dtype) || maxError > 0.5);
    this.#nodata = lossy && nodata !== undefined && !Number.isNaN(nodata) ? nodata : undefined;
    this.#plain = allocateSamples(dtype, 256);
  }

  /** @returns bytes written */
  write(target: Uint8Array<ArrayBuffer>, start: number, blob: BlobSamples, ranges: readonly BandRange[], side: 8 | 16): number {
    const view = new DataView(target.buffer);
    let at = start;
    for (let row = 0; row < this.#rows; row += side) {
      for (let column = 0; column < this.#columns; column += side) {
        for (let band = 0; band < blob.depth; band++) at = this.#writeTile(target, view, at, blob, band, column, row, side, (ranges[band] as BandRange).max);
      }
    }
    return at - start;
  }

  #writeTile(target: Uint8Array, view: DataView, start: number, { samples, depth, mask }: BlobSamples, band: number, column: number, row: number, side: number, bandMax: number): number {
    const values = this.#values;
    const columns = this.#columns;
    let count = 0;
    let min = Infinity;
    let max = -Infinity;
    let missing = 0;
    let same = 0;
    let before = 0;
    const right = Math.min(columns, column + side);
    const bottom = Math.min(this.#rows, row + side);
    for (let y = row; y < bottom; y++) {
      const first = y * columns;
      for (let x = column, at = (first + column) * depth + band; x < right; x++, at += depth) {
        if (mask !== undefined && !isValid(mask, first + x)) continue;
        const value = samples[at] as number;
        values[count++] = value;
        if (value !== value) missing++;
        if (value < min) min = value;
        if (value > max) max = value;
        if (value === before) same++;
        before = value;
      }
    }
    // Bits 2 to 5 let a reader see whether it is where it thinks.
    const place = ((column >> 3) & 15) << 2;
    if (count === 0 || (min === 0 && max === 0)) {
      target[start] = place | 2;
      return start + 1;
    }
    if (missing > 0) {
      if (missing < count) return this.#writePlain(target, start, place, count);
      target[start] = place | 3;
      return writeNumber(view, start + 1, this.#dtype, Number.NaN);
    }
    const largest = min === max ? 0 : this.#largestStep(min, max);
    const plainBytes = 1 + count * bytesPerSample(this.#dtype);
    const quantised = largest !== undefined && (min === max || this.#quantise(count, min, bandMax, largest));
    if (!quantised) return this.#writePlain(target, start, place, count);
    const reduced = reducedType(this.#dtype, min);
    const head = 1 + reduced.bytes;
    if (largest === 0) {
      if (head >= plainBytes) return this.#writePlain(target, start, place, count);
      target[start] = place | 3 | (reduced.code << 6);
      return writeNumber(view, start + 1, reduced.dtype, min);
    }
    const bits = bitsFor(largest);
    const table = 2 * same > count && count > 4 && max > min + 3 * this.#maxError ? tableOf(this.#steps.subarray(0, count)) : undefined;
    const simple = packedBytes(count, bits);
    const byTable = table === undefined ? Infinity : packedTableBytes(count, bits, table.length);
    if (head + Math.min(simple, byTable) >= plainBytes) return this.#writePlain(target, start, place, count);
    target[start] = place | 1 | (reduced.code << 6);
    const at = writeNumber(view, start + 1, reduced.dtype, min);
    return table !== undefined && byTable < simple ? writePackedTable(target, at, this.#steps, count, table, bits) : writePacked(target, at, this.#steps, count, bits);
  }

  /** The largest quantised value, undefined where values must be stored as they are. */
  #largestStep(min: number, max: number): number | undefined {
    if (this.#maxError === 0) return undefined;
    const steps = (max - min) * (1 / (2 * this.#maxError));
    return steps > this.#largest ? undefined : Math.floor(steps + 0.5);
  }

  /** Counts values in steps from the least one; false where nodata would become data, or data nodata. */
  #quantise(count: number, min: number, bandMax: number, largest: number): boolean {
    const values = this.#values;
    const steps = this.#steps;
    const nodata = this.#nodata;
    const scale = 1 / (2 * this.#maxError);
    if (largest > 0) for (let i = 0; i < count; i++) steps[i] = ((values[i] as number) - min) * scale + 0.5;
    if (nodata === undefined) return true;
    for (let i = 0; i < count; i++) {
      // As a reader computes it.
      const read = largest === 0 ? min : Math.min(min + (steps[i] as number) * (2 * this.#maxError), bandMax);
      this.#plain[0] = read;
      if ((this.#plain[0] === nodata) !== (values[i] === nodata)) return false;
    }
    return true;
  }

  #writePlain(target: Uint8Array, start: number, place: number, count: number): number {
    const plain = this.#plain;
    plain.set(this.#values.subarray(0, count));
    target[start] = place;
    target.set(new Uint8Array(plain.buffer, 0, count * plain.BYTES_PER_ELEMENT), start + 1);
    return start + 1 + count * plain.BYTES_PER_ELEMENT;
  }
}

/** The distinct steps without 0, ascending; undefined when there are more than a table can have. */
function tableOf(steps: Uint32Array): Uint32Array | undefined {
  const distinct = new Set(steps);
  distinct.delete(0);
  return distinct.size > 253 || distinct.size === 0 ? undefined : Uint32Array.from(distinct).sort();
}
