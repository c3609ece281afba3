/**
 * Takes one band's window out of a decoded block, undoing predictor and byte order on the way.
 *
 * Samples are moved as unsigned words of their width, whatever they mean: sums of predictor 2 wrap the same way for signed and unsigned
 * integers, libtiff sums floating point samples as integers too, and a NaN keeps its bits.
 */

import { bytesPerSample, type SampleArray } from '../raster/dtype.ts';
import { KernelSpace, chunkRows } from '../raster/kernels.ts';
import { type Window } from '../raster/window.ts';
import { widenFloat16 } from './float16.ts';
import { tiffError } from './fault.ts';
import { blockRowBytes, type BlockLayout, blockWindow, samplesPerBlockPixel } from './layout.ts';
import { copyPairs, copyWords } from './copy-words.ts';
import { integerAt, isWideInteger, largestExact, widenToFloats } from './wide-integers.ts';

/** What part of a block goes where. */
export interface ExtractOptions {
  /** 0-based band of the image; of no effect with interleave `band`, where the block holds one band. */
  readonly band: number;
  /** Part of the block: column and row count from the block's upper left corner. */
  readonly window: Window;
  /** Index in `target` of the window's first sample. */
  readonly targetOffset: number;
  /** Samples from one row of `target` to the next. */
  readonly targetStride: number;
}

type Words = Uint8Array | Uint16Array | Uint32Array;

const machineOrder = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1 ? 'little' : 'big';

/** Holds what is the same for all blocks of an image, and scratch rows that are used again. */
export class Extractor {
  readonly #layout: BlockLayout;
  /** Samples of one pixel in a block. */
  readonly #pixelSamples: number;
  readonly #rowBytes: number;
  /** Bytes of a sample in the file. */
  readonly #wordBytes: number;
  readonly #swap: boolean;
  /** One row, aligned and in the machine's order, where the block's own bytes are not. */
  readonly #row: Buffer;
  /** One row of float16 before they are widened. */
  readonly #halves: Uint16Array;
  readonly #wideInteger: boolean;
  readonly #wideNodata: bigint | null;

  constructor(layout: BlockLayout) {
    this.#layout = layout;
    this.#pixelSamples = samplesPerBlockPixel(layout);
    this.#rowBytes = blockRowBytes(layout);
    this.#wordBytes = Math.max(1, layout.bitsPerSample / 8);
    // LERC too, although its samples have no byte order in the blob: libtiff swaps them before it encodes and after it decodes.
    this.#swap = layout.byteOrder !== machineOrder && this.#wordBytes > 1;
    this.#row = Buffer.from(new ArrayBuffer(this.#rowBytes));
    this.#halves = new Uint16Array(isFloat16(layout) ? layout.blockWidth : 0);
    this.#wideInteger = isWideInteger(layout);
    this.#wideNodata = !this.#wideInteger || layout.wideNodata === null ? null : BigInt(layout.wideNodata);
  }

  /** @param index of the block, for messages */
  extract(raw: Uint8Array, target: SampleArray, options: ExtractOptions, index: number): void {
    this.#check(raw, target, options);
    const { bitsPerSample, predictor } = this.#layout;
    const band = this.#layout.interleave === 'pixel' ? options.band : 0;
    if (bitsPerSample === 1) this.#bits(raw, target, options, band);
    else if (predictor !== 1) this.#sums(raw, target, options, band);
    else this.#words(raw, target, options, band);
    if (this.#layout.mask && bitsPerSample !== 1) toValidity(target, options);
    if (this.#wideInteger) this.#toFloats(target as Float64Array, options, index);
  }

  /** Where samples lie as integers of 64 bits now, floats shall be. */
  #toFloats(target: Float64Array, { band, window, targetOffset, targetStride }: ExtractOptions, index: number): void {
    const signed = this.#layout.sampleFormat === 'int';
    for (let row = 0; row < window.rows; row++) {
      const from = targetOffset + row * targetStride;
      const bad = widenToFloats(target, from, window.columns, signed, this.#wideNodata);
      if (bad >= 0) throw this.#badSample(integerAt(target, bad, signed), index, band, window.column + bad - from, window.row + row);
    }
  }

  #badSample(sample: bigint, index: number, band: number, columnOfBlock: number, rowOfBlock: number): Error {
    const { href, directory, wideNodata } = this.#layout;
    const block = blockWindow(this.#layout, index);
    const [column, row] = [block.column + columnOfBlock, block.row + rowOfBlock];
    const nodata = wideNodata === null ? '' : `, or nodata, ${wideNodata}`;
    const message = `directory ${directory}: block ${index}, band ${band + 1}: the sample at column ${column}, row ${row} is ${sample}; integers of 64 bits are read as float64: wanted one from -${largestExact} to ${largestExact}${nodata}`;
    return tiffError('TIFF_BAD_SAMPLE', href, message, { directory, block: index, band: band + 1, column, row, value: String(sample) });
  }

  /** Without a predictor. */
  #words(raw: Uint8Array, target: SampleArray, options: ExtractOptions, band: number): void {
    const { window, targetOffset, targetStride } = options;
    const half = isFloat16(this.#layout);
    const into = half ? this.#halves : wordsOf(target);
    const direct = !this.#swap && raw.byteOffset % Math.min(4, this.#wordBytes) === 0;
    const whole = direct ? words(raw, this.#wordBytes) : undefined;
    const from = whole ?? words(this.#row, this.#wordBytes);
    const step = this.#pixelSamples;
    const { column, columns } = window;
    for (let row = 0; row < window.rows; row++) {
      const at = (window.row + row) * this.#rowBytes;
      if (whole === undefined) this.#loadRow(raw, at, column + columns);
      const start = whole === undefined ? 0 : at / from.BYTES_PER_ELEMENT;
      const to = targetOffset + row * targetStride;
      if (this.#wordBytes === 8) copyPairs(from as Uint32Array, start + 2 * band, step, column, columns, into as Uint32Array, 2 * to);
      else copyWords(from, start + band, step, column, columns, into, half ? 0 : to);
      if (half) widenFloat16(this.#halves, columns, target as Float32Array, to);
    }
  }

  /** Predictors 2 and 3, summed by compiled loops, from where the block lies if that is their memory. */
  #sums(raw: Uint8Array, target: SampleArray, options: ExtractOptions, band: number): void {
    const { window, targetOffset, targetStride } = options;
    const wordBytes = this.#wordBytes;
    const rowBytes = window.columns * wordBytes;
    const step = Math.min(window.rows, chunkRows(this.#rowBytes));
    // The rows of the block, planes of one band's bytes, and samples.
    const room = step * (2 * this.#rowBytes + rowBytes);
    const own = KernelSpace.of(raw)?.withRoom(room);
    const swaps = this.#swap && this.#layout.predictor === 2;
    const inPlace = own !== undefined && own === KernelSpace.of(raw) && !swaps;
    const space = inPlace ? own : KernelSpace.withRoom(room);
    const half = isFloat16(this.#layout);
    const into = bytesOf(target);
    for (let row = 0; row < window.rows; row += step) {
      const some = Math.min(step, window.rows - row);
      const at = (window.row + row) * this.#rowBytes;
      const from = inPlace ? raw.byteOffset + at : this.#copyRows(raw, at, some, space);
      const sums = this.#layout.predictor === 2 ? this.#sumWords(space, from, some, window, band) : this.#sumFloats(space, from, some, window, band);
      const to = targetOffset + row * targetStride;
      if (!half) space.copyOut(sums, into, to * wordBytes, rowBytes, some, targetStride * wordBytes);
      else for (let i = 0; i < some; i++) widenFloat16(space.view(this.#halves, sums + i * rowBytes, window.columns), window.columns, target as Float32Array, to + i * targetStride);
    }
  }

  /** Rows of a block, in the machine's byte order. @returns where they lie */
  #copyRows(raw: Uint8Array, at: number, rows: number, space: KernelSpace): number {
    const length = rows * this.#rowBytes;
    space.copyIn(raw, at, length, 1, length, space.room);
    // Bytes that are sorted by significance have no order of their own.
    if (this.#swap && this.#layout.predictor === 2) swap(Buffer.from(space.memory.buffer, space.room, length), this.#wordBytes);
    return space.room;
  }

  /** Predictor 2 (TIFF 6.0 section 14). @returns where the samples of some rows lie now */
  #sumWords({ kernels, room }: KernelSpace, from: number, rows: number, { column, columns }: Window, band: number): number {
    const wordBytes = this.#wordBytes as keyof typeof sums;
    const to = room + rows * this.#rowBytes;
    kernels[sums[wordBytes]](from, this.#rowBytes / wordBytes, rows, band, this.#pixelSamples, column, columns, to);
    return to;
  }

  /**
   * Predictor 3 (Adobe Photoshop TIFF Technical Note 3): the bytes of a row's samples are sorted by significance, most significant first whatever the file's byte order,
   * and then kept as differences, each from the byte one pixel before. A plane of bytes goes on where the one before ended, but always within the same band, because its length
   * is a multiple of a pixel's samples. So one band can be summed without the others.
   */
  #sumFloats({ kernels, room }: KernelSpace, from: number, rows: number, { column, columns }: Window, band: number): number {
    const wordBytes = this.#wordBytes;
    const { blockWidth } = this.#layout;
    const planes = room + rows * this.#rowBytes;
    const to = planes + rows * blockWidth * wordBytes;
    kernels.sum_8(from, this.#rowBytes, rows, band, this.#pixelSamples, 0, blockWidth * wordBytes, planes);
    kernels.join_planes(planes, blockWidth, rows, column, columns, wordBytes, to);
    return to;
  }

  /** Samples of one bit, the first in the highest bit of a byte (FillOrder 1). */
  #bits(raw: Uint8Array, target: SampleArray, options: ExtractOptions, band: number): void {
    const { window, targetOffset, targetStride } = options;
    const step = this.#pixelSamples;
    for (let row = 0; row < window.rows; row++) {
      const start = (window.row + row) * this.#rowBytes;
      const to = targetOffset + row * targetStride;
      for (let column = 0; column < window.columns; column++) {
        const bit = (window.column + column) * step + band;
        target[to + column] = ((raw[start + (bit >> 3)] ?? 0) >> (7 - (bit & 7))) & 1;
      }
    }
  }

  /** Copies the first `columns` pixels of a row to the scratch row and turns them into the machine's byte order. */
  #loadRow(raw: Uint8Array, at: number, columns: number): void {
    const length = columns * this.#pixelSamples * this.#wordBytes;
    this.#row.set(raw.subarray(at, at + length));
    if (this.#swap) swap(this.#row.subarray(0, length), this.#wordBytes);
  }

  #check(raw: Uint8Array, target: SampleArray, options: ExtractOptions): void {
    const { window, band, targetOffset, targetStride } = options;
    const { blockWidth, blockHeight, bands, dtype } = this.#layout;
    const rows = Math.min(blockHeight, Math.floor(raw.length / this.#rowBytes));
    const inside = window.column >= 0 && window.row >= 0 && window.column + window.columns <= blockWidth && window.row + window.rows <= rows;
    if (!inside || band < 0 || band >= bands) {
      throw new RangeError(`extract: band ${band}, window ${JSON.stringify(window)} don't fit in a block of ${bands} bands, ${blockWidth} x ${rows} pixels`);
    }
    const end = window.rows === 0 ? 0 : targetOffset + (window.rows - 1) * targetStride + window.columns;
    if (targetOffset < 0 || targetStride < window.columns || end > target.length || target.BYTES_PER_ELEMENT !== bytesPerSample(dtype)) {
      throw new RangeError(`extract: ${window.columns} x ${window.rows} ${dtype} at ${targetOffset}, stride ${targetStride}, don't fit in ${target.constructor.name} of ${target.length}`);
    }
  }
}

const sums = { 1: 'sum_8', 2: 'sum_16', 4: 'sum_32', 8: 'sum_64' } as const;

function swap(bytes: Buffer, wordBytes: number): void {
  if (wordBytes === 2) bytes.swap16();
  else if (wordBytes === 4) bytes.swap32();
  else bytes.swap64();
}

/** Fills the window of a sparse block, which has no bytes, with `value`: nodata, or 0 where there is none (as GDAL does); 0 for a mask. */
export function fillSparse(target: SampleArray, options: Omit<ExtractOptions, 'band'>, value: number): void {
  const { window, targetOffset, targetStride } = options;
  for (let row = 0; row < window.rows; row++) {
    const start = targetOffset + row * targetStride;
    target.fill(value, start, start + window.columns);
  }
}

function isFloat16(layout: BlockLayout): boolean {
  return layout.sampleFormat === 'float' && layout.bitsPerSample === 16;
}

/** Any sample of a mask that is not 0 means valid (GDAL writes 255 into masks of 8 bits). */
function toValidity(target: SampleArray, options: ExtractOptions): void {
  const { window, targetOffset, targetStride } = options;
  for (let row = 0; row < window.rows; row++) {
    const start = targetOffset + row * targetStride;
    for (let i = start; i < start + window.columns; i++) target[i] = target[i] === 0 ? 0 : 1;
  }
}

/** Unsigned words over the same memory; 64-bit samples are seen as pairs of 32 bits. */
function words(bytes: Uint8Array, wordBytes: number): Words {
  if (wordBytes === 1) return bytes;
  if (wordBytes === 2) return new Uint16Array(bytes.buffer, bytes.byteOffset, Math.floor(bytes.length / 2));
  return new Uint32Array(bytes.buffer, bytes.byteOffset, Math.floor(bytes.length / 4));
}

function wordsOf(samples: SampleArray): Words {
  return words(bytesOf(samples), samples.BYTES_PER_ELEMENT);
}

function bytesOf(samples: SampleArray): Uint8Array {
  return new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength);
}
