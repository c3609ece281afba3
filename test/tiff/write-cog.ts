/** Writes a whole COG out of planes: the encoder and the header of the product, put together in the simplest way. */
import { BlockEncoder } from '../../lib/tiff/block-encoder.ts';
import type { BlockEncoding } from '../../lib/tiff/block-encoding.ts';
import { blockGrid, cogHeaderBytes, createBlockTable, writeCogHeader, type CogImage } from '../../lib/tiff/cog-header.ts';
import type { GeoTags } from '../../lib/tiff/geo.ts';
import type { IfdFormat } from '../../lib/tiff/tag-writer.ts';
import { allocateSamples } from '../../lib/raster/dtype.ts';
import { halve, pyramidLevels, type Plane, type Resampling } from '../../lib/raster/pyramid.ts';

export interface CogOptions extends BlockEncoding {
  readonly geo?: GeoTags;
  readonly metadata?: string;
  readonly overviews?: Resampling;
  readonly format?: IfdFormat;
  readonly photometric?: CogImage['photometric'];
  readonly alpha?: boolean;
  readonly colorTable?: CogImage['colorTable'];
}

export interface WrittenCog {
  readonly bytes: Uint8Array;
  /** The planes of every level as they are stored, the image first; with a lossy codec the planes that were given are changed. */
  readonly levels: readonly (readonly Plane[])[];
  /** Blocks that were left out. */
  readonly sparse: number;
}

/** The smallest level first, as a COG wants them. */
export async function writeCog(planes: readonly Plane[], options: CogOptions): Promise<WrittenCog> {
  const { dtype, bands, blockSize, codec, predictor, nodata, geo = {}, metadata = '', overviews, format = 'classic', photometric = 'gray', alpha = false, colorTable } = options;
  const { columns, rows } = planes[0] as Plane;
  const sizes = overviews === undefined ? [{ columns, rows }] : pyramidLevels(columns, rows, blockSize);
  const image: CogImage = { dtype, bands, blockSize, compression: codec.compression, lercInZstd: codec.compression === 'lerc' && codec.level !== undefined, predictor, nodata, photometric, alpha, colorTable, geo, metadata, levels: sizes };
  const encoder = new BlockEncoder(options);
  const levels: (readonly Plane[])[] = [];
  const blocks: (Uint8Array | undefined)[][] = [];
  for (const size of sizes) {
    const below = levels.at(-1);
    const level = below === undefined ? planes : below.map((plane) => halve(plane, overviews ?? 'nearest', dtype, nodata, allocateSamples(dtype, size.columns * size.rows)));
    const { across, down } = blockGrid(size, blockSize);
    const encoded: (Uint8Array | undefined)[] = [];
    for (let index = 0; index < across * down; index++) {
      encoded.push((await encoder.encode(level, (index % across) * blockSize, Math.floor(index / across) * blockSize, true))?.slice());
    }
    levels.push(level);
    blocks.push(encoded);
  }
  const tables = sizes.map((size) => createBlockTable(size, blockSize));
  let at = cogHeaderBytes(image, format);
  for (let level = sizes.length - 1; level >= 0; level--) {
    const table = tables[level];
    if (table === undefined) throw new Error('a table for each level');
    for (const [index, block] of (blocks[level] ?? []).entries()) {
      if (block === undefined) continue;
      table.offsets[index] = at;
      table.lengths[index] = block.length;
      at += block.length;
    }
  }
  const pieces = blocks.toReversed().flat().filter((block) => block !== undefined);
  return { bytes: Buffer.concat([writeCogHeader(image, format, tables), ...pieces]), levels, sparse: blocks.flat().length - pieces.length };
}
