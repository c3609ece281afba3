/** Writes a whole COG out of planes: the encoder and the header of the product, put together in the simplest way. */
import { BlockEncoder, type BlockEncoding } from '../../lib/tiff/block-encoder.ts';
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
}

export interface WrittenCog {
  readonly bytes: Uint8Array;
  /** The planes of every level, the image first. */
  readonly levels: readonly (readonly Plane[])[];
  /** Blocks that were left out. */
  readonly sparse: number;
}

/** The smallest level first, as a COG wants them. */
export function writeCog(planes: readonly Plane[], options: CogOptions): WrittenCog {
  const { dtype, bands, blockSize, codec, predictor, nodata, geo = {}, metadata = '', overviews, format = 'classic' } = options;
  const { columns, rows } = planes[0] as Plane;
  const sizes = overviews === undefined ? [{ columns, rows }] : pyramidLevels(columns, rows, blockSize);
  const levels: (readonly Plane[])[] = [planes];
  for (let level = 1; level < sizes.length; level++) {
    const below = levels[level - 1] as readonly Plane[];
    levels.push(below.map((plane) => halve(plane, overviews ?? 'nearest', dtype, nodata, allocateSamples(dtype, Math.ceil(plane.columns / 2) * Math.ceil(plane.rows / 2)))));
  }
  const image: CogImage = { dtype, bands, blockSize, compression: codec.compression, predictor, nodata, geo, metadata, levels: sizes };
  const tables = sizes.map((size) => createBlockTable(size, blockSize));
  const encoder = new BlockEncoder(options);
  const pieces: Uint8Array[] = [];
  let at = cogHeaderBytes(image, format);
  let sparse = 0;
  for (let level = sizes.length - 1; level >= 0; level--) {
    const { across, down } = blockGrid(sizes[level] as { columns: number; rows: number }, blockSize);
    for (let index = 0; index < across * down; index++) {
      const encoded = encoder.encode(levels[level] as readonly Plane[], (index % across) * blockSize, Math.floor(index / across) * blockSize);
      if (encoded === undefined) {
        sparse++;
        continue;
      }
      const table = tables[level];
      if (table === undefined) throw new Error('a table for each level');
      table.offsets[index] = at;
      table.lengths[index] = encoded.length;
      pieces.push(encoded.slice());
      at += encoded.length;
    }
  }
  return { bytes: Buffer.concat([writeCogHeader(image, format, tables), ...pieces]), levels, sparse };
}
