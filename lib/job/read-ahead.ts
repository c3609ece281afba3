/** How many compressed bytes a tile can need of a file at once, for the memory projection: the largest sum of its blocks under any tile. */
import { blockBytes, blockCount, blockWindow, type BlockLayout } from '../tiff/layout.ts';
import type { Tiff } from '../tiff/open.ts';

/** Blocks whose lengths are read for an exact answer; beyond, blocks count as large as they are decoded. */
const maxMeasuredBlocks = 262_144;

/** A file of a job, and the lengths of its blocks, if they aren't too many. */
export interface MeasuredFile {
  readonly tiff: Tiff;
  readonly lengths: readonly number[] | undefined;
}

/** Reads the lengths of the blocks of a file's image. */
export async function measureFile(tiff: Tiff): Promise<MeasuredFile> {
  const count = blockCount(tiff.main.layout);
  if (count > maxMeasuredBlocks) return { tiff, lengths: undefined };
  const ranges = await tiff.blockRanges(tiff.main, Array.from({ length: count }, (_, block) => block));
  return { tiff, lengths: ranges.map(({ length }) => length) };
}

/** Compressed bytes under the tile that has most of them. All bands count: those that aren't wanted may lie between those that are. */
export function largestTileBytes({ tiff, lengths }: MeasuredFile, tileSize: number): number {
  const { layout } = tiff.main;
  if (lengths === undefined) return Math.min(tiff.size, blocksUnderTile(layout, tileSize) * blockBytes(layout));
  const across = Math.ceil(layout.width / tileSize);
  const tiles = new Float64Array(across * Math.ceil(layout.height / tileSize));
  for (const [block, length] of lengths.entries()) {
    const { column, row, columns, rows } = blockWindow(layout, block);
    for (let y = Math.floor(row / tileSize); y * tileSize < row + rows; y++) {
      for (let x = Math.floor(column / tileSize); x * tileSize < column + columns; x++) {
        const tile = y * across + x;
        tiles[tile] = (tiles[tile] ?? 0) + length;
      }
    }
  }
  return tiles.reduce((most, bytes) => Math.max(most, bytes), 0);
}

function blocksUnderTile(layout: BlockLayout, tileSize: number): number {
  const across = Math.min(layout.blocksAcross, Math.ceil(tileSize / layout.blockWidth) + 1);
  const down = Math.min(layout.blocksDown, Math.ceil(tileSize / layout.blockHeight) + 1);
  return across * down * (layout.interleave === 'band' ? layout.bands : 1);
}
