/** From planes of samples to the finished blocks of a TIFF: interleave, pad, predict, compress. */
import { endianness } from 'node:os';
import { bytesPerSample, type Dtype, type SampleArray } from '../raster/dtype.ts';
import { KernelSpace } from '../raster/kernels.ts';
import type { Plane } from '../raster/pyramid.ts';
import { isLossy, type BlockEncoding, type Codec } from './block-encoding.ts';
import { BlockReader } from './block-reader.ts';
import { createCompressor, type Compressor, type Room } from './compressor.ts';
import { encodedLayout } from './encoded-layout.ts';
import { differenceHorizontally, predictFloats } from './predictor.ts';

/** Encodes blocks one after another; all buffers are allocated once. */
export class BlockEncoder {
  readonly encoding: BlockEncoding;
  readonly #samples: SampleArray;
  readonly #bytes: Uint8Array;
  readonly #predicted: Uint8Array;
  readonly #compressor: Compressor;
  /** Reads back what a lossy codec has made. */
  readonly #reader: BlockReader | undefined;

  /** @param space where the planes lie that will be encoded, with room for `BlockEncoder.arrays` */
  constructor(encoding: BlockEncoding, space = new KernelSpace(KernelSpace.bytes(BlockEncoder.arrays(encoding)))) {
    if (endianness() !== 'LE') throw new Error('blocks are encoded on little-endian machines only');
    this.encoding = encoding;
    const [samples, predicted] = BlockEncoder.arrays(encoding).map(({ dtype, length }) => space.allocate(dtype, length));
    this.#samples = samples as SampleArray;
    this.#bytes = new Uint8Array(this.#samples.buffer, this.#samples.byteOffset, this.#samples.byteLength);
    this.#predicted = (predicted as Uint8Array | undefined) ?? this.#bytes;
    this.#compressor = createCompressor(encoding.codec, encoding);
    const image = { href: 'a new block', directory: 0, columns: encoding.blockSize, rows: encoding.blockSize };
    this.#reader = isLossy(encoding.codec, encoding.dtype) ? new BlockReader(encodedLayout(encoding, image)) : undefined;
  }

  /** What an encoder allocates. */
  static arrays({ dtype, bands, blockSize, predictor }: Pick<BlockEncoding, 'dtype' | 'bands' | 'blockSize' | 'predictor'>): { readonly dtype: Dtype; readonly length: number }[] {
    const length = blockSize ** 2 * bands;
    const samples = { dtype, length };
    return predictor === 3 ? [samples, { dtype: 'uint8', length: length * bytesPerSample(dtype) }] : [samples];
  }

  /**
   * Encodes the block whose upper left pixel is at (column, row) of the planes, one plane a band.
   * @param settle whether the planes get the values that a reader will find, where the codec is lossy
   * @param room where the compressed bytes are wanted; they may come elsewhere
   * @returns the compressed bytes, a view that the next call overwrites; undefined for a block that is nodata throughout. A promise comes only from
   * JPEG and WebP, and where lossy blocks are settled; the bytes are then the caller's own, and the next block may be begun before.
   */
  encode(planes: readonly Plane[], column: number, row: number, settle = false, room?: Room): Uint8Array | Promise<Uint8Array> | undefined {
    const encoded = this.#encode(planes, column, row, room);
    if (!settle || encoded === undefined || this.#reader === undefined) return encoded;
    return settleBlock(this.#reader, encoded instanceof Uint8Array ? encoded.slice() : encoded, planes, column, row);
  }

  #encode(planes: readonly Plane[], column: number, row: number, room: Room | undefined): Uint8Array | Promise<Uint8Array> | undefined {
    const { blockSize, bands, predictor } = this.encoding;
    const [plane] = planes;
    const samples = this.#samples;
    const isFloats = samples instanceof Float32Array || samples instanceof Float64Array;
    if (predictor !== 1 && isFloats !== (predictor === 3)) throw new Error('predictor 2 is for integers, and 3 for floats');
    if (predictor === 3 && bands === 1 && plane !== undefined) return this.#encodeFloats(plane, column, row, room);
    if (!this.#gather(planes, column, row)) return undefined;
    if (predictor === 1) return this.#compressor.compress(this.#bytes, room);
    if (isFloats) predictFloats(samples, 0, blockSize * bands, blockSize, blockSize, bands, this.#predicted);
    else differenceHorizontally(samples, blockSize, blockSize, bands);
    return this.#compressor.compress(this.#predicted, room);
  }

  /** One band of floats, the usual output of a computation: the predictor takes whole blocks right out of the plane. */
  #encodeFloats(plane: Plane, column: number, row: number, room: Room | undefined): Uint8Array | Promise<Uint8Array> | undefined {
    const { blockSize, nodata } = this.encoding;
    const whole = plane.columns - column >= blockSize && plane.rows - row >= blockSize;
    if (whole ? !hasOther(plane, column, row, blockSize, blockSize, nodata ?? 0) : !this.#gather([plane], column, row)) return undefined;
    const [samples, first, stride] = whole ? [plane.samples, row * plane.columns + column, plane.columns] : [this.#samples, 0, blockSize];
    predictFloats(samples as Float32Array | Float64Array, first, stride, blockSize, blockSize, 1, this.#predicted);
    return this.#compressor.compress(this.#predicted, room);
  }

  /** Copies the block's pixels into the sample buffer, interleaved and padded; false when all of them are empty. */
  #gather(planes: readonly Plane[], column: number, row: number): boolean {
    const { blockSize, bands, nodata } = this.encoding;
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
    // What lies beyond the edge is never seen; codecs that look at several pixels at once do best when it goes on as the image ends.
    if (occupied && nodata === undefined && looksAround.has(this.encoding.codec.compression)) repeatEdges(samples, blockSize, bands, columns, rows);
    return occupied;
  }
}

const looksAround: ReadonlySet<Codec['compression']> = new Set(['jpeg', 'webp', 'lerc']);

/** Fills a block whose first columns and rows are set with its last column and row. */
function repeatEdges(samples: SampleArray, blockSize: number, bands: number, columns: number, rows: number): void {
  const rowSamples = blockSize * bands;
  for (let row = 0; row < rows; row++) {
    const end = row * rowSamples + columns * bands;
    for (let i = end; i < (row + 1) * rowSamples; i++) samples[i] = samples[i - bands] as number;
  }
  for (let row = rows; row < blockSize; row++) samples.copyWithin(row * rowSamples, (rows - 1) * rowSamples, rows * rowSamples);
}

/** Gives the planes the values that a reader will find in the block. */
async function settleBlock(reader: BlockReader, encoded: Uint8Array | Promise<Uint8Array>, planes: readonly Plane[], column: number, row: number): Promise<Uint8Array> {
  const bytes = await encoded;
  const raw = await reader.decode(bytes, 0);
  const { blockWidth, blockHeight } = reader.layout;
  for (const [band, { samples, columns, rows }] of planes.entries()) {
    const window = { column: 0, row: 0, columns: Math.min(blockWidth, columns - column), rows: Math.min(blockHeight, rows - row) };
    reader.extract(raw, samples, { band, window, targetOffset: row * columns + column, targetStride: columns });
  }
  return bytes;
}

/** Whether any pixel of the window differs from `empty`. */
function hasOther(plane: Plane, column: number, row: number, columns: number, rows: number, empty: number): boolean {
  const rowHasOther = Number.isNaN(empty) ? rowHasNumber : rowHasOtherThan;
  for (let r = 0; r < rows; r++) if (rowHasOther(plane.samples, (row + r) * plane.columns + column, columns, empty)) return true;
  return false;
}

function rowHasOtherThan(samples: SampleArray, start: number, columns: number, empty: number): boolean {
  for (let i = start; i < start + columns; i++) if (samples[i] !== empty) return true;
  return false;
}

function rowHasNumber(samples: SampleArray, start: number, columns: number): boolean {
  for (let i = start; i < start + columns; i++) if (samples[i] === samples[i]) return true;
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
