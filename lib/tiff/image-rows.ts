/** Reads an image of a GeoTIFF from top to bottom, a group of rows at a time: for images that are wanted whole, and not block by block on threads. */
import { allocateSamples, bytesPerSample, type SampleArray } from '../raster/dtype.ts';
import { BlockReader } from './block-reader.ts';
import { fillSparse } from './extract.ts';
import { blockIndex, blockWindow, type BlockLayout, type BlockRange } from './layout.ts';
import type { Tiff, TiffImage, TiffSource } from './open.ts';

/** Rows of all bands. */
export interface ImageRows {
  /** The first of them. */
  readonly row: number;
  readonly rows: number;
  /** (bands, rows, columns); validity for a mask, 0 and 1. */
  readonly samples: SampleArray;
}

/** About how many bytes of samples a group of rows has; a row of blocks is not divided. */
const groupBytes = 4 * 1024 * 1024;

/**
 * The rows of the image, in groups.
 * @param sparse what blocks that were never written hold
 * @throws DataError TIFF_* for a file that is damaged
 */
export async function* readImageRows(source: TiffSource, tiff: Tiff, image: TiffImage, sparse: number): AsyncGenerator<ImageRows, void, undefined> {
  const { layout } = image;
  const { width, height, bands, blockHeight, blocksDown } = layout;
  const rowBytes = width * bands * bytesPerSample(layout.dtype);
  const down = Math.max(1, Math.floor(groupBytes / (rowBytes * blockHeight)));
  const reader = new BlockReader(layout);
  for (let first = 0; first < blocksDown; first += down) {
    const row = first * blockHeight;
    const rows = Math.min(height - row, down * blockHeight);
    const samples = allocateSamples(layout.dtype, bands * rows * width);
    const blocks = blocksOf(layout, first, Math.min(down, blocksDown - first));
    // A group after the other, so that little memory is needed.
    // oxlint-disable-next-line no-await-in-loop
    const ranges = await tiff.blockRanges(image, blocks);
    // oxlint-disable-next-line no-await-in-loop
    const bytes = await readRanges(source, tiff, ranges);
    for (const [i, index] of blocks.entries()) {
      const part = blockWindow(layout, index);
      const window = { column: 0, row: 0, columns: part.columns, rows: part.rows };
      const raw = bytes[i];
      // oxlint-disable-next-line no-await-in-loop
      const decoded = raw === undefined ? undefined : await reader.decode(raw, index);
      for (const band of bandsOf(layout, index)) {
        const place = { window, targetOffset: (band * rows + part.row - row) * width + part.column, targetStride: width };
        if (decoded === undefined) fillSparse(samples, place, sparse);
        else reader.extract(decoded, samples, { ...place, band });
      }
    }
    yield { row, rows, samples };
  }
}

/** Indices of the blocks in some rows of blocks, all bands. */
function blocksOf(layout: BlockLayout, first: number, down: number): number[] {
  const blocks: number[] = [];
  const planes = layout.interleave === 'band' ? layout.bands : 1;
  for (let plane = 0; plane < planes; plane++) {
    for (let row = first; row < first + down; row++) {
      for (let column = 0; column < layout.blocksAcross; column++) blocks.push(blockIndex(layout, column, row, plane));
    }
  }
  return blocks;
}

function bandsOf(layout: BlockLayout, index: number): readonly number[] {
  if (layout.interleave === 'band') return [Math.floor(index / (layout.blocksAcross * layout.blocksDown))];
  return Array.from({ length: layout.bands }, (_, band) => band);
}

/** The bytes of each range, undefined for sparse blocks. Ranges that follow one another, as strips do, are read at once. */
async function readRanges(source: TiffSource, tiff: Tiff, ranges: readonly BlockRange[]): Promise<(Uint8Array | undefined)[]> {
  const found = new Array<Uint8Array | undefined>(ranges.length).fill(undefined);
  for (let from = 0; from < ranges.length; ) {
    const first = ranges[from] as BlockRange;
    let to = from + 1;
    let end = first.offset + first.length;
    if (first.length > 0) {
      for (let next = ranges[to]; next !== undefined && next.length > 0 && next.offset === end; next = ranges[++to]) end += next.length;
      const run = new Uint8Array(end - first.offset);
      // oxlint-disable-next-line no-await-in-loop
      await source.readInto(tiff.href, first.offset, run, tiff.version);
      for (let i = from; i < to; i++) {
        const { offset, length } = ranges[i] as BlockRange;
        found[i] = run.subarray(offset - first.offset, offset - first.offset + length);
      }
    }
    from = to;
  }
  return found;
}
