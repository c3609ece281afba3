/** How many tiles one task works through. */
import { batchCount, floorPowerOfTwo, tileGrid, type Tiling } from './tiling.ts';

/** Start-up should be a small part of a task's life. */
const workPerStartup = 5;
/** A task that is lost has at most so much work to repeat that wasn't committed, and runs well within its time limit. */
const longestTaskSeconds = 1800;
/** Segments of one output, at most: S3's 10,000 parts, with room for those that several attempts write. */
export const maxSegments = 9000;
/** Pixels of one band that one thread works through in a second, roughly: reading, computing, encoding (docs/performance.md). */
const bandPixelsPerSecond = 15e6;

/** Batches times tasks for which it is found out who has to wait for whom; among thousands it evens out. */
const mostCompared = 2 ** 24;

export interface BatchWishes {
  readonly tilesPerTask: number | 'auto';
  readonly maxConcurrency: number;
  readonly threads: number;
  readonly startupSeconds: number;
  /** Bands read and written for each pixel. */
  readonly bands: number;
  /** Tiles side by side, at most; default: any number. */
  readonly maxColumns?: number;
  /** What user code takes for a tile besides, as its trial has shown; default 0. */
  readonly codeSeconds?: number;
}

/** All tiles in one batch. */
export function wholeBatch(tiling: Omit<Tiling, 'batchColumns' | 'batchRows'>): { readonly batchColumns: number; readonly batchRows: number } {
  const { across, down } = tileGrid({ ...tiling, batchColumns: 1, batchRows: 1 });
  return { batchColumns: ceilPowerOfTwo(across), batchRows: ceilPowerOfTwo(down) };
}

/**
 * Sides of a batch in tiles: powers of two, as square as they can be. Automatic: as few tiles as give every task that may run at a time one
 * batch, but enough that starting a task is small beside its work, and not so many that a lost task is dear.
 */
export function chooseBatch(
  tiling: Omit<Tiling, 'batchColumns' | 'batchRows'>,
  wishes: BatchWishes,
): { readonly batchColumns: number; readonly batchRows: number } {
  const { across, down } = tileGrid({ ...tiling, batchColumns: 1, batchRows: 1 });
  const widest = Math.min(across, wishes.maxColumns ?? across);
  const tiles = across * down;
  const wanted = wishes.tilesPerTask === 'auto' ? automatic(tiles, tiling.tileSize, wishes) : wishes.tilesPerTask;
  const area = floorPowerOfTwo(Math.max(1, Math.min(Math.max(wanted, 1), ceilPowerOfTwo(across) * ceilPowerOfTwo(down))));
  let { batchColumns, batchRows } = toSides(area, widest, down);
  // Small batches at the edges begin one more worker each, or let one of them begin twice: unless larger ones leave workers with nothing to do for longer.
  const most = wishes.tilesPerTask === 'auto' ? affordable(tiling.tileSize, wishes) : 0;
  while (batchCount({ ...tiling, batchColumns, batchRows }) > wishes.maxConcurrency && 2 * batchColumns * batchRows <= most) {
    const larger = batchColumns <= batchRows && batchColumns < widest ? { batchColumns: 2 * batchColumns, batchRows } : { batchColumns, batchRows: 2 * batchRows };
    if (larger.batchRows > batchRows && batchRows >= down) break;
    const batches = batchCount({ ...tiling, batchColumns, batchRows });
    if (batches * wishes.maxConcurrency <= mostCompared && allSeconds({ ...tiling, ...larger }, wishes) >= allSeconds({ ...tiling, batchColumns, batchRows }, wishes)) break;
    ({ batchColumns, batchRows } = larger);
  }
  // Whatever was asked, there may not be more batches than parts of an upload; those at the edges may be small, and count all the same.
  while (batchCount({ ...tiling, batchColumns, batchRows }) > maxSegments) {
    if (batchColumns <= batchRows && batchColumns < widest) batchColumns *= 2;
    else batchRows *= 2;
  }
  return { batchColumns, batchRows };
}

/** Seconds until all batches are done, if each is taken by the first task that is free, in their order. */
function allSeconds(tiling: Tiling, wishes: BatchWishes): number {
  const { across, down } = tileGrid(tiling);
  const each = tileSeconds(tiling.tileSize, wishes);
  const ends = new Float64Array(Math.min(wishes.maxConcurrency, batchCount(tiling)));
  for (let row = 0; row < down; row += tiling.batchRows) {
    for (let column = 0; column < across; column += tiling.batchColumns) {
      let first = 0;
      for (let i = 1; i < ends.length; i++) if ((ends[i] as number) < (ends[first] as number)) first = i;
      const tiles = Math.min(tiling.batchColumns, across - column) * Math.min(tiling.batchRows, down - row);
      ends[first] = (ends[first] as number) + wishes.startupSeconds + tiles * each;
    }
  }
  return Math.max(...ends);
}

function automatic(tiles: number, tileSize: number, wishes: BatchWishes): number {
  const worthwhile = (workPerStartup * wishes.startupSeconds) / tileSeconds(tileSize, wishes);
  return Math.min(affordable(tileSize, wishes), Math.max(worthwhile, ceilPowerOfTwo(Math.ceil(tiles / wishes.maxConcurrency))));
}

/** Tiles that a task may have, at most, so that little is lost with it. */
function affordable(tileSize: number, wishes: BatchWishes): number {
  return Math.max(1, longestTaskSeconds / tileSeconds(tileSize, wishes));
}

function tileSeconds(tileSize: number, { threads, bands, codeSeconds = 0 }: BatchWishes): number {
  return ((tileSize ** 2 * bands) / bandPixelsPerSecond + codeSeconds) / threads;
}

function toSides(area: number, across: number, down: number): { batchColumns: number; batchRows: number } {
  let batchColumns = 1;
  let batchRows = 1;
  while (batchColumns * batchRows < area) {
    if (batchColumns <= batchRows && batchColumns < across) batchColumns *= 2;
    else if (batchRows < down) batchRows *= 2;
    else break;
  }
  return { batchColumns, batchRows };
}

function ceilPowerOfTwo(value: number): number {
  return 2 ** Math.ceil(Math.log2(value));
}
