/**
 * Encodes blocks as LERC2 blobs of version 4, which is what libtiff writes. The format is defined by its
 * reference implementation (Esri/lerc, LercLib/Lerc2.h and Lerc2.cpp): header, mask, range of each band, and micro-blocks of 8 x 8 or 16 x 16 pixels
 * whose values are counted from their minimum in steps of twice the error and packed into as few bits as the largest needs.
 *
 * Not-a-number is kept out of the samples of a single band by the mask, as libtiff does it. With several bands by pixel libtiff 4.5 writes masks that it
 * can't read itself; there not-a-number is a value like others, and micro-blocks that have some are stored as they are. So are those in which
 * quantising would change which pixels have the nodata value of the output.
 */
import { bytesPerSample, isFloat, type SampleArray } from '../raster/dtype.ts';
import { fletcher32, writeMask } from './lerc-bits.ts';
import { planHuffman, writeHuffman, type ByteBlock } from './lerc-huffman.ts';
import { lercTypes, writeNumber } from './lerc-numbers.ts';
import { isValid, TileWriter, type BandRange, type BlobSamples, type LercEncoding } from './lerc-tiles.ts';

const headerBytes = 66;
/** Micro-blocks are doubled in size where the blob has less than so many bits a sample. */
const fewBits = 1.5;

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
  #writeBlob(blob: BlobSamples): number {
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
  #writeBody(start: number, blob: BlobSamples, ranges: readonly BandRange[], constant: boolean): { bytes: number; side: number } {
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
  #writePlain(start: number, { samples, depth, mask }: BlobSamples): number {
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

/** Where the samples of a single band are numbers. */
function maskOf(samples: SampleArray, pixels: number): Pick<BlobSamples, 'mask' | 'valid'> {
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

/** Least and largest value of each band. Where there is not-a-number besides, they are not the same: a reader would take the band for constant. */
function rangesOf({ samples, depth, mask }: BlobSamples, pixels: number): BandRange[] {
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
