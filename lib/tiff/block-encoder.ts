/** From planes of samples to the finished blocks of a TIFF: interleave, pad, predict, compress. */
import { endianness } from 'node:os';
import { allocateSamples, bytesPerSample, isFloat, type Dtype, type SampleArray } from '../raster/dtype.ts';
import type { Plane } from '../raster/pyramid.ts';
import { createCompressor, type Codec, type Compressor } from './compressor.ts';
import { differenceHorizontally, predictFloat32, predictFloat64 } from './predictor.ts';

/** How the blocks of one output are made. */
export interface BlockEncoding {
  readonly dtype: Dtype;
  readonly bands: number;
  /** Side in pixels. */
  readonly blockSize: number;
  readonly codec: Codec;
  readonly predictor: 1 | 2 | 3;
  /** Pads blocks at the edge, and tells which blocks need not be written at all; without one that is 0. */
  readonly nodata: number | undefined;
}

/** Encodes blocks one after another; all buffers are allocated once. */
export class BlockEncoder {
  readonly #encoding: BlockEncoding;
  readonly #samples: SampleArray;
  readonly #bytes: Uint8Array;
  readonly #predicted: Uint8Array;
  readonly #compressor: Compressor;

  constructor(encoding: BlockEncoding) {
    if (endianness() !== 'LE') throw new Error('blocks are encoded on little-endian machines only');
    this.#encoding = encoding;
    this.#samples = allocateSamples(encoding.dtype, encoding.blockSize ** 2 * encoding.bands);
    this.#bytes = new Uint8Array(this.#samples.buffer);
    this.#predicted = encoding.predictor === 3 ? new Uint8Array(this.#bytes.length) : this.#bytes;
    this.#compressor = createCompressor(encoding.codec);
  }

  /**
   * Encodes the block whose upper left pixel is at (column, row) of the planes, one plane a band.
   * @returns the compressed bytes, a view that the next call overwrites; undefined for a block that is nodata throughout
   */
  encode(planes: readonly Plane[], column: number, row: number): Uint8Array | undefined {
    const { blockSize, dtype, bands, predictor } = this.#encoding;
    if (dtype === 'float32' && bands === 1 && predictor === 3) return this.#encodeFloats(planes[0] as Plane, column, row);
    if (!this.#gather(planes, column, row)) return undefined;
    if (predictor === 2) {
      if (this.#samples instanceof Float32Array || this.#samples instanceof Float64Array) {
        throw new Error('predictor 2 is for integers');
      }
      differenceHorizontally(this.#samples, blockSize, blockSize, bands);
    } else if (predictor === 3) {
      if (dtype === 'float32') predictFloat32(new Uint32Array(this.#samples.buffer), 0, blockSize * bands, blockSize, blockSize, bands, this.#predicted);
      else predictFloat64(this.#bytes, blockSize, blockSize, bands, this.#predicted);
    }
    return this.#compressor.compress(this.#predicted);
  }

  /** One band of float32, the usual output of a computation: the predictor takes whole blocks right out of the plane. */
  #encodeFloats(plane: Plane, column: number, row: number): Uint8Array | undefined {
    const { blockSize } = this.#encoding;
    const whole = plane.columns - column >= blockSize && plane.rows - row >= blockSize;
    if (!whole) {
      if (!this.#gather([plane], column, row)) return undefined;
      predictFloat32(new Uint32Array(this.#samples.buffer), 0, blockSize, blockSize, blockSize, 1, this.#predicted);
    } else {
      if (!hasOther(plane, column, row, blockSize, blockSize, this.#encoding.nodata ?? 0)) return undefined;
      const { buffer, byteOffset, length } = plane.samples;
      predictFloat32(new Uint32Array(buffer, byteOffset, length), row * plane.columns + column, plane.columns, blockSize, blockSize, 1, this.#predicted);
    }
    return this.#compressor.compress(this.#predicted);
  }

  /** Copies the block's pixels into the sample buffer, interleaved and padded; false when all of them are empty. */
  #gather(planes: readonly Plane[], column: number, row: number): boolean {
    const { blockSize, bands, nodata } = this.#encoding;
    const samples = this.#samples;
    const first = planes[0] as Plane;
    const columns = Math.min(blockSize, first.columns - column);
    const rows = Math.min(blockSize, first.rows - row);
    const empty = nodata ?? 0;
    if (columns < blockSize || rows < blockSize) samples.fill(empty);
    let occupied = false;
    for (const [band, plane] of planes.entries()) {
      occupied ||= hasOther(plane, column, row, columns, rows, empty);
      if (bands === 1) copyRows(plane, column, row, columns, rows, samples, blockSize);
      else interleaveRows(plane, column, row, columns, rows, samples, blockSize, bands, band);
    }
    return occupied;
  }
}

/** Whether any pixel of the window differs from `empty`. */
function hasOther(plane: Plane, column: number, row: number, columns: number, rows: number, empty: number): boolean {
  const { samples } = plane;
  const nan = Number.isNaN(empty);
  for (let r = 0; r < rows; r++) {
    const start = (row + r) * plane.columns + column;
    for (let i = start; i < start + columns; i++) {
      const value = samples[i] as number;
      if (nan ? value === value : value !== empty) return true;
    }
  }
  return false;
}

function copyRows(
  plane: Plane,
  column: number,
  row: number,
  columns: number,
  rows: number,
  target: SampleArray,
  stride: number,
): void {
  for (let r = 0; r < rows; r++) {
    const start = (row + r) * plane.columns + column;
    target.set(plane.samples.subarray(start, start + columns), r * stride);
  }
}

function interleaveRows(
  plane: Plane,
  column: number,
  row: number,
  columns: number,
  rows: number,
  target: SampleArray,
  stride: number,
  bands: number,
  band: number,
): void {
  const { samples } = plane;
  for (let r = 0; r < rows; r++) {
    let from = (row + r) * plane.columns + column;
    let to = r * stride * bands + band;
    for (let c = 0; c < columns; c++, to += bands) target[to] = samples[from++] as number;
  }
}

/** The predictor that `auto` stands for: GDAL's advice is 3 for floats and 2 for integers, where a codec gains from it. */
export function defaultPredictor(dtype: Dtype, compression: Codec['compression']): 1 | 2 | 3 {
  if (compression === 'none') return 1;
  return isFloat(dtype) ? 3 : 2;
}

/** Bytes of buffers that an encoder holds, for the memory projection. */
export function encoderBytes(encoding: Omit<BlockEncoding, 'codec' | 'nodata'>): number {
  const block = encoding.blockSize ** 2 * encoding.bands * bytesPerSample(encoding.dtype);
  return block * (encoding.predictor === 3 ? 4 : 3);
}
