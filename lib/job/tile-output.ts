/** What becomes of a computed tile in one output: encoded blocks of its pixels and of the levels within it, and its statistics. */
import type { Dtype, SampleArray } from '../raster/dtype.ts';
import type { KernelSpace } from '../raster/kernels.ts';
import { halve, type Plane, type Resampling } from '../raster/pyramid.ts';
import { mergeStatistics, noStatistics, windowStatistics, type Statistics } from '../raster/statistics.ts';
import type { Window } from '../raster/window.ts';
import { BlockEncoder } from '../tiff/block-encoder.ts';
import type { BlockEncoding } from '../tiff/block-encoding.ts';
import { makeBlock, type MadeBlock } from './upper-levels.ts';

/** How one output is made of tiles. Plain data. */
export interface TileOutput {
  readonly encoding: BlockEncoding;
  /** Of no effect when there are no levels to make. */
  readonly resampling: Resampling;
  /** The highest level that lies within a tile. */
  readonly tileLevel: number;
  /** Whether one more level is wanted as pixels, for the levels above the tile. */
  readonly remainder: boolean;
  readonly statistics: boolean;
}

/** An encoded block and its place; `offset` counts from the beginning of the tile's bytes. */
export interface EncodedBlock {
  readonly level: number;
  readonly column: number;
  readonly row: number;
  readonly offset: number;
  readonly length: number;
}

export interface TileOutputResult {
  /** In shared memory; empty where there are no blocks. */
  readonly bytes: Uint8Array;
  readonly blocks: readonly EncodedBlock[];
  readonly statistics: readonly Statistics[];
  /** The pixels of level `tileLevel + 1`, one plane a band; empty unless wanted, undefined where all of the tile is nodata. */
  readonly remainder: readonly Plane[] | undefined;
}

/** Encodes the tiles of one output, one after another; buffers are allocated once. */
export class TileOutputWriter {
  readonly #output: TileOutput;
  readonly #targets: readonly SampleArray[];
  readonly #encoder: BlockEncoder;
  /** Pixels of the odd and the even levels, one array a band; a level is made from the one below, so two sets are enough. */
  readonly #levels: readonly (readonly SampleArray[])[];
  readonly #bytes = new GrowingBytes();

  /**
   * @param targets one array a band, each with room for a whole tile, rows of the tile's window close together
   * @param space where they lie, with room for `TileOutputWriter.arrays`
   */
  constructor(output: TileOutput, targets: readonly SampleArray[], tileSize: number, space: KernelSpace) {
    this.#output = output;
    this.#targets = targets;
    this.#encoder = new BlockEncoder(output.encoding, space);
    this.#levels = levelArrays(output, tileSize).map((level) => level.map(({ dtype, length }) => space.allocate(dtype, length)));
  }

  /** What a writer allocates. */
  static arrays(output: TileOutput, tileSize: number): { readonly dtype: Dtype; readonly length: number }[] {
    return [...BlockEncoder.arrays(output.encoding), ...levelArrays(output, tileSize).flat()];
  }

  /**
   * Encodes the tile whose pixels lie in the targets. A promise, because some codecs make one; the others wait for nothing.
   * @param room memory for the encoded bytes that nobody uses any more; more is made where it is too little
   */
  async write(window: Window, room: SharedArrayBuffer | undefined): Promise<TileOutputResult> {
    const { encoding, resampling, tileLevel, remainder, statistics } = this.#output;
    const { blockSize, dtype, nodata } = encoding;
    const blocks: EncodedBlock[] = [];
    this.#bytes.begin(room);
    let planes: readonly Plane[] = this.#targets.map((samples) => ({ samples, columns: window.columns, rows: window.rows }));
    const made = tileLevel + (remainder ? 1 : 0);
    await this.#encodeLevel(planes, 0, window, blocks, statistics || made > 0);
    // Where the codec is lossy, the planes have the stored values now, and so have the levels made from them.
    const tileStatistics = statistics ? planes.map((plane) => planeStatistics(plane, blockSize, nodata)) : [];
    for (let level = 1; level <= made; level++) {
      const targets = this.#levels[(level - 1) % 2] as readonly SampleArray[];
      planes = planes.map((plane, band) => halve(plane, resampling, dtype, nodata, targets[band] as SampleArray));
      if (level <= tileLevel) await this.#encodeLevel(planes, level, window, blocks, made > level);
    }
    return { bytes: this.#bytes.take(), blocks, statistics: tileStatistics, remainder: remainder ? planes.map(copyPlane) : [] };
  }

  /** Makes a block of a level above the tiles. */
  async makeBlock(planes: readonly Plane[], halve: boolean): Promise<MadeBlock> {
    return await makeBlock(this.#encoder, this.#output.resampling, planes, halve);
  }

  /** Whether these values of the bands are nodata, all of them. */
  isNodata(pixel: readonly number[]): boolean {
    const { nodata } = this.#output.encoding;
    return nodata !== undefined && pixel.every((value) => value === nodata || (value !== value && nodata !== nodata));
  }

  /** @param settle whether the values of the planes will be used once more */
  async #encodeLevel(planes: readonly Plane[], level: number, window: Window, blocks: EncodedBlock[], settle: boolean): Promise<void> {
    const { blockSize } = this.#output.encoding;
    const { columns, rows } = planes[0] as Plane;
    const firstColumn = window.column / 2 ** level / blockSize;
    const firstRow = window.row / 2 ** level / blockSize;
    const room = (bytes: number): Uint8Array => this.#bytes.room(bytes);
    for (let y = 0; y * blockSize < rows; y++) {
      for (let x = 0; x * blockSize < columns; x++) {
        const encoding = this.#encoder.encode(planes, x * blockSize, y * blockSize, settle, room);
        // Most codecs are synchronous, and a turn for each block would be a waste.
        const encoded = encoding instanceof Promise ? await encoding : encoding;
        if (encoded === undefined) continue;
        const offset = this.#bytes.append(encoded);
        blocks.push({ level, column: firstColumn + x, row: firstRow + y, offset, length: encoded.length });
      }
    }
  }
}

/** Pixels of the first two levels that are made, one array a band. */
function levelArrays({ encoding: { dtype, bands }, tileLevel, remainder }: TileOutput, tileSize: number): { readonly dtype: Dtype; readonly length: number }[][] {
  const made = tileLevel + (remainder ? 1 : 0);
  return [1, 2].map((level) => Array.from({ length: bands }, () => ({ dtype, length: made >= level ? Math.ceil(tileSize / 2 ** level) ** 2 : 0 })));
}

/** Statistics block by block, merged in row order, so that they depend on the block size but not on the tile's place in a thread. */
function planeStatistics({ samples, columns, rows }: Plane, blockSize: number, nodata: number | undefined): Statistics {
  let total = noStatistics;
  for (let row = 0; row < rows; row += blockSize) {
    for (let column = 0; column < columns; column += blockSize) {
      const part = windowStatistics(
        samples,
        row * columns + column,
        Math.min(blockSize, columns - column),
        Math.min(blockSize, rows - row),
        columns,
        nodata,
      );
      total = mergeStatistics(total, part);
    }
  }
  return total;
}

function copyPlane({ samples, columns, rows }: Plane): Plane {
  return { samples: samples.slice(0, columns * rows), columns, rows };
}

/**
 * Bytes appended one piece after another, in memory that all threads see: what a tile took serves another one, when its bytes have been written. New memory for
 * each tile would have to be cleared, and collected, again and again.
 */
class GrowingBytes {
  #bytes: Uint8Array = new Uint8Array(0);
  #length = 0;

  /** Begins anew, in memory that nobody uses any more, if there is any. */
  begin(room: SharedArrayBuffer | undefined): void {
    this.#bytes = room === undefined ? new Uint8Array(0) : new Uint8Array(room);
    this.#length = 0;
  }

  /** Where a piece of at most so many bytes can be made, and appended without a copy. */
  room(bytes: number): Uint8Array {
    const end = this.#length + bytes;
    if (end > this.#bytes.length) {
      const larger = new Uint8Array(new SharedArrayBuffer(Math.ceil(Math.max(end * 1.25, leastRoomBytes))));
      larger.set(this.take());
      this.#bytes = larger;
    }
    return this.#bytes.subarray(this.#length);
  }

  /** @returns where the piece begins */
  append(piece: Uint8Array): number {
    const start = this.#length;
    const room = this.room(piece.length);
    const isThere = piece.buffer === room.buffer && piece.byteOffset === room.byteOffset;
    if (!isThere) room.set(piece);
    this.#length += piece.length;
    return start;
  }

  /** Everything since it began. */
  take(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }
}

const leastRoomBytes = 1 << 20;
