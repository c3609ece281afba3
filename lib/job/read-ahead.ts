/** How many bytes of an input a tile can need at once, and how many of decoded blocks tiles can share, for the memory projection. */
import { bytesPerSample } from '../raster/dtype.ts';
import { intersect, type Window } from '../raster/window.ts';
import { blockBytes, blockCount, type BlockLayout } from '../tiff/layout.ts';
import type { Tiff } from '../tiff/open.ts';
import { blockOnGrid } from './block-grid.ts';

/** Blocks whose lengths are read for an exact answer; beyond, blocks count as large as they are decoded. */
const maxMeasuredBlocks = 262_144;

/** A file of a job, and the lengths of its blocks, if they aren't too many. */
export interface MeasuredFile {
  readonly tiff: Tiff;
  readonly lengths: readonly number[] | undefined;
}

/** Where a file's first pixel lies on the grid, and the pixels of the grid that are wanted of it. */
export interface FilePlace {
  readonly column: number;
  readonly row: number;
  readonly window: Window;
}

/** Reads the lengths of the blocks of a file's image. */
export async function measureFile(tiff: Tiff): Promise<MeasuredFile> {
  const count = blockCount(tiff.main.layout);
  if (count > maxMeasuredBlocks) return { tiff, lengths: undefined };
  const ranges = await tiff.blockRanges(tiff.main, Array.from({ length: count }, (_, block) => block));
  return { tiff, lengths: ranges.map(({ length }) => length) };
}

/** Compressed bytes under the tile that has most of them. All bands count: those that aren't wanted may lie between those that are. */
export function largestTileBytes({ tiff, lengths }: MeasuredFile, place: FilePlace, tileSize: number, halo: number): number {
  const { layout } = tiff.main;
  if (lengths === undefined) return Math.min(tiff.size, blocksUnder(layout, tileSize + 2 * halo, tileSize + 2 * halo) * blockBytes(layout));
  const { window } = place;
  const firstColumn = Math.floor((window.column - halo) / tileSize);
  const firstRow = Math.floor((window.row - halo) / tileSize);
  const across = Math.floor((window.column + window.columns - 1 + halo) / tileSize) - firstColumn + 1;
  const tiles = new Map<number, number>();
  let most = 0;
  for (const [block, length] of lengths.entries()) {
    if (length === 0) continue;
    const { column, row, columns, rows } = intersect(blockOnGrid(layout, block, place), window);
    if (columns === 0 || rows === 0) continue;
    for (let y = Math.floor((row - halo) / tileSize); y * tileSize < row + rows + halo; y++) {
      for (let x = Math.floor((column - halo) / tileSize); x * tileSize < column + columns + halo; x++) {
        const key = (y - firstRow) * across + x - firstColumn;
        const bytes = (tiles.get(key) ?? 0) + length;
        tiles.set(key, bytes);
        most = Math.max(most, bytes);
      }
    }
  }
  return most;
}

/** Blocks that a rectangle of pixels can touch, wherever it lies. */
function blocksUnder(layout: BlockLayout, columns: number, rows: number): number {
  const across = Math.min(layout.blocksAcross, Math.ceil(columns / layout.blockWidth) + 1);
  const down = Math.min(layout.blocksDown, Math.ceil(rows / layout.blockHeight) + 1);
  return across * down * (layout.interleave === 'band' ? layout.bands : 1);
}

/** Whether a block of a file can lie under more than one tile. */
export function sharesBlocks(layout: BlockLayout, { column, row }: Pick<FilePlace, 'column' | 'row'>, tileSize: number, halo: number): boolean {
  const aligned = (size: number, begin: number): boolean => tileSize % size === 0 && begin % size === 0;
  const across = layout.blocksAcross > 1 || layout.blockWidth > tileSize ? aligned(layout.blockWidth, column) : layout.width + column <= tileSize;
  return halo > 0 || !across || !aligned(layout.blockHeight, row);
}

/**
 * Bytes of decoded blocks that are kept for other tiles, at most, when tiles are worked through row by row: a block lives from the first tile that
 * needs it to the last, so at any time those that live lie under one row of tiles.
 * @param bands that are wanted
 */
export function sharedBytes(layout: BlockLayout, bands: number, tileSize: number, halo: number, batchColumns: number): number {
  const count = blocksUnder({ ...layout, interleave: 'pixel' }, batchColumns * tileSize + 2 * halo, tileSize + 2 * halo);
  return count * layout.blockWidth * layout.blockHeight * bands * bytesPerSample(layout.dtype);
}

/** How many windows lie under the tile that has most of them. */
export function deepestOverlap(windows: readonly Window[], tileSize: number, halo: number): number {
  if (windows.length < 2) return windows.length;
  const depth = new Map<number, number>();
  let most = 0;
  let looked = 0;
  for (const { column, row, columns, rows } of windows) {
    for (let y = Math.floor(Math.max(0, row - halo) / tileSize); y * tileSize < row + rows + halo; y++) {
      for (let x = Math.floor(Math.max(0, column - halo) / tileSize); x * tileSize < column + columns + halo; x++) {
        // Of a mosaic with so many tiles nobody can tell in time; all scenes in one place is the worst there is.
        if (looked++ > maxMeasuredBlocks) return Math.min(windows.length, most * 2);
        const key = y * 2 ** 24 + x;
        const count = (depth.get(key) ?? 0) + 1;
        depth.set(key, count);
        most = Math.max(most, count);
      }
    }
  }
  return most;
}

