/** Tiles of a grid, batches of tiles, and the order in which they are worked through. All of it is arithmetic on a few numbers. */
import { intersect, type Window } from '../raster/window.ts';

/** How a grid is cut. Batches are rectangles of tiles whose sides are powers of two, counted from the upper left. */
export interface Tiling {
  /** Pixels of the grid. */
  readonly columns: number;
  readonly rows: number;
  /** Side of a tile in pixels. */
  readonly tileSize: number;
  /** Sides of a batch in tiles. */
  readonly batchColumns: number;
  readonly batchRows: number;
}

/** Number of tiles across and down. */
export function tileGrid({ columns, rows, tileSize }: Tiling): { across: number; down: number } {
  return { across: Math.ceil(columns / tileSize), down: Math.ceil(rows / tileSize) };
}

export function batchGrid(tiling: Tiling): { across: number; down: number } {
  const { across, down } = tileGrid(tiling);
  return { across: Math.ceil(across / tiling.batchColumns), down: Math.ceil(down / tiling.batchRows) };
}

export function tileCount(tiling: Tiling): number {
  const { across, down } = tileGrid(tiling);
  return across * down;
}

export function batchCount(tiling: Tiling): number {
  const { across, down } = batchGrid(tiling);
  return across * down;
}

/** The pixels of a tile; right and lower tiles end with the grid. */
export function tileWindow(tiling: Tiling, column: number, row: number): Window {
  const { tileSize, columns, rows } = tiling;
  return intersect(
    { column: column * tileSize, row: row * tileSize, columns: tileSize, rows: tileSize },
    { column: 0, row: 0, columns, rows },
  );
}

/** The tiles of a batch, as a window of the grid of tiles. */
export function batchWindow(tiling: Tiling, batch: number): Window {
  const tiles = tileGrid(tiling);
  const { across } = batchGrid(tiling);
  const { batchColumns, batchRows } = tiling;
  return intersect(
    { column: (batch % across) * batchColumns, row: Math.floor(batch / across) * batchRows, columns: batchColumns, rows: batchRows },
    { column: 0, row: 0, columns: tiles.across, rows: tiles.down },
  );
}

/** The batch that a tile belongs to. */
export function batchOfTile(tiling: Tiling, column: number, row: number): number {
  return Math.floor(row / tiling.batchRows) * batchGrid(tiling).across + Math.floor(column / tiling.batchColumns);
}

/**
 * The cells of a window in Z order (Morton order from its upper left corner): the four cells that make one of the next pyramid level
 * follow each other, so that few unfinished ones are held at a time.
 */
export function* zOrder(window: Window): Generator<{ column: number; row: number }, void, undefined> {
  let side = 1;
  while (side < window.columns || side < window.rows) side *= 2;
  yield* zOrderSquare(window, 0, 0, side);
}

/** The cells of a window row by row. */
export function* rowOrder({ column, row, columns, rows }: Window): Generator<{ column: number; row: number }, void, undefined> {
  for (let y = row; y < row + rows; y++) for (let x = column; x < column + columns; x++) yield { column: x, row: y };
}

function* zOrderSquare(window: Window, column: number, row: number, side: number): Generator<{ column: number; row: number }, void, undefined> {
  if (column >= window.columns || row >= window.rows) return;
  if (side === 1) {
    yield { column: window.column + column, row: window.row + row };
    return;
  }
  const half = side / 2;
  yield* zOrderSquare(window, column, row, half);
  yield* zOrderSquare(window, column + half, row, half);
  yield* zOrderSquare(window, column, row + half, half);
  yield* zOrderSquare(window, column + half, row + half, half);
}

/** Largest power of two that is at most `value` (which is at least 1). */
export function floorPowerOfTwo(value: number): number {
  return 2 ** Math.floor(Math.log2(value));
}
