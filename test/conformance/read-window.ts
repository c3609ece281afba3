/** Reads any window of one band as a worker does for a tile: the blocks under it, decoded whole, and of each the part that is wanted. */

import { allocateSamples, type SampleArray } from '../../lib/raster/dtype.ts';
import { intersect, type Window } from '../../lib/raster/window.ts';
import { BlockReader } from '../../lib/tiff/block-reader.ts';
import { fillSparse } from '../../lib/tiff/extract.ts';
import { blockIndex, blockWindow } from '../../lib/tiff/layout.ts';
import { type Tiff, type TiffImage, type TiffSource } from '../../lib/tiff/open.ts';

/** The window's samples by rows; sparse blocks give `sparse`. */
export async function readWindow(source: TiffSource, tiff: Tiff, image: TiffImage, band: number, window: Window, sparse: number): Promise<SampleArray> {
  const { layout } = image;
  const target = allocateSamples(layout.dtype, window.columns * window.rows);
  const decoder = new BlockReader(layout);
  const indices: number[] = [];
  const from = { column: Math.floor(window.column / layout.blockWidth), row: Math.floor(window.row / layout.blockHeight) };
  for (let row = from.row; row * layout.blockHeight < window.row + window.rows; row++) {
    for (let column = from.column; column * layout.blockWidth < window.column + window.columns; column++) indices.push(blockIndex(layout, column, row, band));
  }
  const ranges = await tiff.blockRanges(image, indices);
  for (const [i, index] of indices.entries()) {
    const range = ranges[i] ?? { offset: 0, length: 0 };
    const block = blockWindow(layout, index);
    const part = intersect(block, window);
    const options = {
      band,
      window: { ...part, column: part.column - block.column, row: part.row - block.row },
      targetOffset: (part.row - window.row) * window.columns + part.column - window.column,
      targetStride: window.columns,
    };
    if (range.length === 0) {
      fillSparse(target, options, sparse);
      continue;
    }
    // At an odd place, as a block within a longer range may lie.
    const bytes = new Uint8Array(new SharedArrayBuffer(range.length + 1), 1);
    await source.readInto(tiff.href, range.offset, bytes, tiff.version);
    decoder.extract(await decoder.decode(bytes, index), target, options);
  }
  return target;
}
