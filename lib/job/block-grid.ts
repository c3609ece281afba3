/** Where the blocks of an image lie on the grid. */
import { bytesPerSample } from '../raster/dtype.ts';
import type { Window } from '../raster/window.ts';
import { blockWindow, type BlockLayout } from '../tiff/layout.ts';

/** Bytes of a sample of a decoded block. */
export function sampleBytes({ mask, dtype }: BlockLayout): number {
  return mask ? 1 : bytesPerSample(dtype);
}

/** The pixels of the grid that a block has. */
export function blockOnGrid(layout: BlockLayout, index: number, { column, row }: { readonly column: number; readonly row: number }): Window {
  const block = blockWindow(layout, index);
  return { ...block, column: block.column + column, row: block.row + row };
}

/** The band whose blocks `index` belongs to, where each band has blocks of its own. */
export function bandOfBlock(layout: BlockLayout, index: number): number | undefined {
  return layout.interleave === 'band' ? Math.floor(index / (layout.blocksAcross * layout.blocksDown)) : undefined;
}
