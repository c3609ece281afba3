/**
 * Encodes blocks as LERC2 blobs of version 4, which is what libtiff writes and every LERC2 reader since 2019 can read. The format is defined by its
 * reference implementation (Esri/lerc, LercLib/Lerc2.h and Lerc2.cpp): header, mask, range of each band, and micro-blocks of 8 x 8 or 16 x 16 pixels
 * whose values are counted from their minimum in steps of twice the error and packed into as few bits as the largest needs.
 *
 * Not-a-number is kept out of the samples of a single band by the mask, as libtiff does it. With several bands by pixel libtiff 4.5 writes masks that it
 * can't read itself; there not-a-number is a value like others, and micro-blocks that have some are stored as they are. So are those in which
 * quantising would change which pixels have the nodata value of the output.
 */
import { allocateSamples, bytesPerSample, isFloat, type Dtype, type SampleArray } from '../raster/dtype.ts';
import { bitsFor, fletcher32, packedBytes, packedTableBytes, writeMask, writePacked, writePackedTable } from './lerc-bits.ts';
import { planHuffman, writeHuffman, type ByteBlock } from './lerc-huffman.ts';
import { reducedType, writeNumber, lercTypes } from './lerc-numbers.ts';

export interface LercEncoding {
  readonly dtype: Dtype;
  readonly bands: number;
  readonly columns: number;
  readonly rows: number;
  /** How far a value may be from the true one. For integers 0 and less than 1 are lossless, and fractions are dropped. */
  readonly maxError: number;
  readonly nodata: number | undefined;
}

const headerBytes = 66;
/** Micro-blocks are doubled in size where the blob has less than so many bits a sample. */
const fewBits = 1.5;

/** Samples by pixel of one blob: (rows, columns, depth). */
interface Samples {
  readonly samples: SampleArray;
  readonly depth: number;
  /** One bit a pixel, the highest first; undefined when all are valid. */
  readonly mask: Uint8Array | undefined;
  readonly valid: number;
}

export class LercEncoder {
  readonly #encoding: LercEncoding;
  /** Half a step of the quantised values; 0 stores floats as they are. */
  readonly #maxError: number;
  readonly #out: Uint8Array<ArrayBuffer>;
  readonly #view: DataView<ArrayBuffer>;
  readonly #tiles: TileWriter;
  /** For micro-blocks of the other size. */
  readonly #other: Uint8Array<ArrayBuffer>;

  constructor(encoding: LercEncoding) {
    const { dtype, bands, columns, rows, maxError } = encoding;
    const pixels = columns * rows;
    const tileBytes = pixels * bands * bytesPerSample(dtype) + Math.ceil(columns / 8) * Math.ceil(rows / 8) * bands;
    // A mask that doesn't pack well takes little more than its bits.
    const most = tileBytes + headerBytes + 64 + 16 * bands + Math.ceil(pixels / 8) * 1.01;
    this.#encoding = encoding;
    this.#maxError = isFloat(dtype) ? maxError : Math.max(0.5, Math.floor(maxError));
    this.#out = new Uint8Array(Math.ceil(most));
    this.#view = new DataView(this.#out.buffer);
    this.#other = new Uint8Array(tileBytes);
    this.#tiles = new TileWriter(encoding, this.#maxError);
  }

  /**
   * @param samples by pixel: (rows, columns, bands)
   * @returns a view that the next call overwrites
   */
  encode(samples: SampleArray): Uint8Array {
    const { dtype, bands, columns, rows } = this.#encoding;
    const pixels = columns * rows;
    const masked = isFloat(dtype) && bands === 1 ? maskOf(samples, pixels) : { mask: undefined, valid: pixels };
    return this.#out.subarray(0, this.#writeBlob({ samples, depth: bands, ...masked }));
  }

  /** @returns the blob's length */
  #writeBlob(blob: Samples): number {
    const { dtype, columns, rows } = this.#encoding;
    const view = this.#view;
    const ranges = rangesOf(blob, columns * rows);
    const min = Math.min(...ranges.map((range) => range.min));
    const max = Math.max(...ranges.map((range) => range.max));
    const { bytes: end, side } = this.#writeBody(headerBytes, blob, ranges, blob.valid === 0 || min === max);
    this.#out.set([0x4c, 0x65, 0x72, 0x63, 0x32, 0x20]);
    const integers = [rows, columns, blob.depth, blob.valid, side, end, lercTypes.indexOf(dtype)];
    view.setInt32(6, 4, true);
    for (const [i, value] of integers.entries()) view.setInt32(14 + 4 * i, value, true);
    const range = blob.valid === 0 ? [0, 0] : [min, max];
    for (const [i, value] of [this.#maxError, ...range].entries()) view.setFloat64(42 + 8 * i, value, true);
    view.setUint32(10, fletcher32(this.#out, 14, end), true);
    return end;
  }

  /** Mask, ranges and data; `side` is that of the micro-blocks. */
  #writeBody(start: number, blob: Samples, ranges: readonly Range[], constant: boolean): { bytes: number; side: number } {
    const { dtype, columns, rows } = this.#encoding;
    const { samples, depth, mask, valid } = blob;
    let at = start + 4;
    if (mask !== undefined && valid > 0) at = writeMask(this.#view, at, mask);
    this.#view.setInt32(start, at - start - 4, true);
    // The header alone says it all.
    if (constant) return { bytes: at, side: 8 };
    for (const key of ['min', 'max'] as const) for (const range of ranges) at = writeNumber(this.#view, at, dtype, range[key]);
    if (ranges.every(({ min, max }) => min === max)) return { bytes: at, side: 8 };

    const plain = valid * depth * bytesPerSample(dtype);
    const coded = bytesPerSample(dtype) === 1 && this.#maxError === 0.5;
    const data = at + (coded ? 2 : 1);
    let size = this.#tiles.write(this.#out, data, blob, ranges, 8);
    let side = 8;
    if (size * 8 < columns * rows * depth * fewBits && columns > 8) {
      const doubled = this.#tiles.write(this.#other, 0, blob, ranges, 16);
      if (doubled <= size) {
        this.#out.set(this.#other.subarray(0, doubled), data);
        size = doubled;
        side = 16;
      }
    }
    let mode = 0;
    if (coded) {
      const block: ByteBlock = { samples: new Uint8Array(samples.buffer, samples.byteOffset, samples.length), signed: dtype === 'int8', columns, rows, depth };
      const plan = planHuffman(block);
      if (plan !== undefined && plan.bytes < size && plan.bytes < plain) {
        mode = plan.mode;
        size = writeHuffman(this.#out, data, plan) - data;
      }
    }
    if (plain <= size) {
      this.#out[at] = 1;
      return { bytes: this.#writePlain(at + 1, blob), side };
    }
    this.#out[at] = 0;
    if (coded) this.#out[at + 1] = mode;
    return { bytes: data + size, side };
  }

  /** All valid samples as they are. */
  #writePlain(start: number, { samples, depth, mask }: Samples): number {
    const pixelBytes = depth * samples.BYTES_PER_ELEMENT;
    const bytes = new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength);
    if (mask === undefined) {
      this.#out.set(bytes, start);
      return start + bytes.length;
    }
    let at = start;
    for (let pixel = 0; pixel < bytes.length / pixelBytes; pixel++) {
      if (!isValid(mask, pixel)) continue;
      for (let i = pixel * pixelBytes; i < (pixel + 1) * pixelBytes; i++) this.#out[at++] = bytes[i] as number;
    }
    return at;
  }
}

function isValid(mask: Uint8Array, pixel: number): boolean {
  return ((mask[pixel >> 3] as number) & (0x80 >> (pixel & 7))) !== 0;
}

/** Where the samples of a single band are numbers. */
function maskOf(samples: SampleArray, pixels: number): Pick<Samples, 'mask' | 'valid'> {
  let mask: Uint8Array | undefined;
  let valid = pixels;
  for (let pixel = 0; pixel < pixels; pixel++) {
    const value = samples[pixel] as number;
    if (value === value) continue;
    mask ??= new Uint8Array(Math.ceil(pixels / 8)).fill(0xff);
    mask[pixel >> 3] = (mask[pixel >> 3] as number) & ~(0x80 >> (pixel & 7));
    valid--;
  }
  return { mask, valid };
}

interface Range {
  readonly min: number;
  readonly max: number;
}

/** Least and largest value of each band. Where there is not-a-number besides, they are not the same: a reader would take the band for constant. */
function rangesOf({ samples, depth, mask }: Samples, pixels: number): Range[] {
  return Array.from({ length: depth }, (_, band) => {
    let min = Infinity;
    let max = -Infinity;
    let missing = false;
    for (let pixel = 0, at = band; pixel < pixels; pixel++, at += depth) {
      const value = samples[at] as number;
      if (value < min) min = value;
      if (value > max) max = value;
      if (value !== value) missing = true;
    }
    const all = min > max;
    return missing && mask === undefined && (all || min === max) ? { min: all ? 0 : Math.min(min, 0), max: all ? 1 : Math.max(max, 1) } : { min, max };
  });
}

/** Largest quantised value: more would not be read (Lerc2::GetMaxValToQuantize). */
function largestQuantised(dtype: Dtype): number {
  return bytesPerSample(dtype) <= 2 ? 2 ** 15 - 1 : 2 ** 30 - 1;
}

/** Writes micro-blocks. */
class TileWriter {
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
  write(target: Uint8Array<ArrayBuffer>, start: number, blob: Samples, ranges: readonly Range[], side: 8 | 16): number {
    const view = new DataView(target.buffer);
    let at = start;
    for (let row = 0; row < this.#rows; row += side) {
      for (let column = 0; column < this.#columns; column += side) {
        for (let band = 0; band < blob.depth; band++) at = this.#writeTile(target, view, at, blob, band, column, row, side, (ranges[band] as Range).max);
      }
    }
    return at - start;
  }

  #writeTile(target: Uint8Array, view: DataView, start: number, { samples, depth, mask }: Samples, band: number, column: number, row: number, side: number, bandMax: number): number {
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
