/**
 * The levels of the pyramid above those that lie within one tile (in a worker) or one batch (in the reducer). Each block of such a level is
 * made of up to four quarters, one from each block below it. A block is finished when its last quarter has come; it is then encoded, and
 * halved into a quarter of the next level. Fed in Z order, few blocks are unfinished at a time, whatever the size of the grid.
 */
import { allocateSamples, type SampleArray } from '../raster/dtype.ts';
import { halve, type Plane, type Resampling } from '../raster/pyramid.ts';
import type { BlockEncoder } from '../tiff/block-encoder.ts';
import type { BlockEncoding } from '../tiff/block-encoding.ts';

/** The pixels of one level over what one block below covers, one plane a band; undefined when all of them are nodata. */
export type Quarter = readonly Plane[] | undefined;

export interface FinishedBlock {
  readonly level: number;
  readonly column: number;
  readonly row: number;
  /** Encoded; undefined when all pixels are nodata. */
  readonly bytes: Uint8Array | undefined;
}

/** What becomes of a block whose pixels are there. */
export interface MadeBlock {
  /** Encoded, the caller's own; undefined when all pixels are nodata. */
  readonly bytes: Uint8Array | undefined;
  /** The quarter of the next level; undefined where none is wanted. */
  readonly half: Quarter;
}

/** Encodes a block, one plane a band, and halves it where there is a level above it. May use up the planes. */
export type MakeBlock = (planes: readonly Plane[], halve: boolean) => Promise<MadeBlock>;

/** Makes blocks here and now. */
export async function makeBlock(encoder: BlockEncoder, resampling: Resampling, planes: readonly Plane[], wanted: boolean): Promise<MadeBlock> {
  const { dtype, nodata } = encoder.encoding;
  const encoded = encoder.encode(planes, 0, 0, wanted);
  // The encoder's own buffer is copied at once: another block may be encoded while this one's receiver is at work.
  const bytes = encoded instanceof Promise ? await encoded : encoded?.slice();
  if (!wanted) return { bytes, half: undefined };
  const half = planes.map((plane) => halve(plane, resampling, dtype, nodata, allocateSamples(dtype, Math.ceil(plane.columns / 2) * Math.ceil(plane.rows / 2))));
  return { bytes, half };
}

interface UnfinishedBlock {
  planes: readonly Plane[] | undefined;
  missing: number;
}

export class UpperLevels {
  readonly #encoding: BlockEncoding;
  readonly #make: MakeBlock;
  readonly #levels: readonly { readonly columns: number; readonly rows: number }[];
  readonly #last: number;
  readonly #unfinished = new Map<string, UnfinishedBlock>();

  /**
   * @param make what encodes and halves: this thread, or another one
   * @param levels sides of every level of the image, level 0 first
   * @param last the highest level to make; quarters of levels above it are dropped
   */
  constructor(
    encoding: BlockEncoding,
    make: MakeBlock,
    levels: readonly { readonly columns: number; readonly rows: number }[],
    last: number,
  ) {
    this.#encoding = encoding;
    this.#make = make;
    this.#levels = levels;
    this.#last = last;
  }

  /** Blocks that wait for more quarters. */
  get unfinished(): number {
    return this.#unfinished.size;
  }

  /**
   * Takes the quarter that the block (column, row) of level `level - 1` makes, and gives the blocks that it finishes, lowest level first.
   * Further quarters may be added while this goes on.
   */
  async *add(level: number, column: number, row: number, quarter: Quarter): AsyncGenerator<FinishedBlock, void, undefined> {
    if (level > this.#last) return;
    const size = this.#levels[level] as { columns: number; rows: number };
    const { blockSize } = this.#encoding;
    const blockColumn = column >> 1;
    const blockRow = row >> 1;
    const columns = Math.min(blockSize, size.columns - blockColumn * blockSize);
    const rows = Math.min(blockSize, size.rows - blockRow * blockSize);
    const key = `${String(level)}/${String(blockColumn)}/${String(blockRow)}`;
    const half = blockSize / 2;
    const block = this.#unfinished.get(key) ?? { planes: undefined, missing: (columns > half ? 2 : 1) * (rows > half ? 2 : 1) };
    if (quarter !== undefined) {
      block.planes ??= this.#emptyPlanes(columns, rows);
      for (const [band, plane] of block.planes.entries()) copyQuarter(quarter[band] as Plane, plane, (column & 1) * half, (row & 1) * half);
    }
    block.missing--;
    if (block.missing > 0) {
      this.#unfinished.set(key, block);
      return;
    }
    this.#unfinished.delete(key);
    const { planes } = block;
    const made = planes && (await this.#make(planes, level < this.#last));
    yield { level, column: blockColumn, row: blockRow, bytes: made?.bytes };
    if (level < this.#last) yield* this.add(level + 1, blockColumn, blockRow, made?.half);
  }

  #emptyPlanes(columns: number, rows: number): Plane[] {
    const { bands, dtype, nodata } = this.#encoding;
    return Array.from({ length: bands }, () => {
      const samples: SampleArray = allocateSamples(dtype, columns * rows);
      if (nodata !== undefined) samples.fill(nodata);
      return { samples, columns, rows };
    });
  }
}

function copyQuarter(quarter: Plane, block: Plane, column: number, row: number): void {
  for (let r = 0; r < quarter.rows; r++) {
    const from = r * quarter.columns;
    block.samples.set(quarter.samples.subarray(from, from + quarter.columns), (row + r) * block.columns + column);
  }
}
