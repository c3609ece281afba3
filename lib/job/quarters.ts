/** Pixels of the next level out of blocks that are committed already: decoded from their segments and halved. */
import { allocateSamples } from '../raster/dtype.ts';
import { halve } from '../raster/pyramid.ts';
import type { ObjectReader } from '../store/store.ts';
import { BlockReader } from '../tiff/block-reader.ts';
import { encodedLayout } from '../tiff/encoded-layout.ts';
import type { BlockLayout } from '../tiff/layout.ts';
import { encodingOf, levelsOf, nodataOf, type Plan, type PlanOutput } from './plan.ts';
import type { Quarter } from './upper-levels.ts';

/** Where a committed block's bytes are. */
export interface StoredBlock {
  readonly href: string;
  readonly offset: number;
  readonly length: number;
}

/** The layout of one level of an output, as our own encoder writes it. */
function layoutOf(plan: Plan, output: PlanOutput, level: number): BlockLayout {
  const size = levelsOf(plan, output)[level] as { columns: number; rows: number };
  return encodedLayout(encodingOf(output), { href: output.href, directory: level, ...size });
}

/** Makes quarters from the blocks of one level of one output. */
export class QuarterReader {
  readonly #reader: ObjectReader;
  readonly #output: PlanOutput;
  readonly #layout: BlockLayout;
  readonly #blocks: BlockReader;

  constructor(reader: ObjectReader, plan: Plan, output: PlanOutput, level: number) {
    this.#reader = reader;
    this.#output = output;
    this.#layout = layoutOf(plan, output, level);
    this.#blocks = new BlockReader(this.#layout);
  }

  /** The encoded bytes of a block; undefined for one that was left out because it is nodata throughout. */
  async fetch(block: StoredBlock | undefined): Promise<Uint8Array | undefined> {
    if (block === undefined) return undefined;
    const bytes = new Uint8Array(block.length);
    await this.#reader.readInto(block.href, block.offset, bytes);
    return bytes;
  }

  /** What the block at (column, row), whose encoded bytes are given, becomes on the next level. */
  async quarter(column: number, row: number, bytes: Uint8Array | undefined): Promise<Quarter> {
    if (bytes === undefined) return undefined;
    const { dtype, bands, blockSize, overviews } = this.#output;
    const { width, height, blocksAcross } = this.#layout;
    const raw = await this.#blocks.decode(bytes, row * blocksAcross + column);
    const columns = Math.min(blockSize, width - column * blockSize);
    const rows = Math.min(blockSize, height - row * blockSize);
    const samples = allocateSamples(dtype, columns * rows);
    return Array.from({ length: bands }, (_, band) => {
      this.#blocks.extract(raw, samples, {
        band,
        window: { column: 0, row: 0, columns, rows },
        targetOffset: 0,
        targetStride: columns,
      });
      const target = allocateSamples(dtype, Math.ceil(columns / 2) * Math.ceil(rows / 2));
      return halve({ samples, columns, rows }, overviews === 'none' ? 'nearest' : overviews, dtype, nodataOf(this.#output), target);
    });
  }
}
