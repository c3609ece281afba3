/**
 * The blocks that levels of the pyramid are made from: of the level below, one each; where a batch failed and was tolerated, those of its tiles instead. Reduce finds
 * them among all blocks; for a task of a pass it writes them down, so that the task reads no index and nobody's choice of segments differs.
 */
import type { Window } from '../raster/window.ts';
import { levelOwners, tilingOf, type Plan, type PlanOutput } from './plan.ts';
import type { StoredBlock } from './quarters.ts';
import { parseSegmentName, segmentName } from './segment.ts';
import { batchOfTile, tileGrid, zOrder } from './tiling.ts';

/** A block to begin with. */
export interface StartingBlock {
  readonly level: number;
  readonly column: number;
  readonly row: number;
  /** Undefined where it is nodata throughout, or where there is none. */
  readonly stored: StoredBlock | undefined;
  /** Cells of the window, in Z order, that are done with when this one is; undefined within a cell. */
  readonly cellsDone: number | undefined;
}

/** What can be asked about the blocks of an output. A cell is a block of the level that a pass begins with. */
export interface Sources {
  readonly locate: (level: number, column: number, row: number) => StoredBlock | undefined;
  /** Whether the cell's own block is what to begin with, rather than those of the tiles under it. */
  readonly isWhole: (column: number, row: number) => boolean;
}

/** Where the cells under a batch that isn't complete are looked up. */
export function wholeCells(plan: Plan, output: PlanOutput, from: number, isComplete: (batch: number) => boolean): (column: number, row: number) => boolean {
  const { tile, batch } = levelOwners(plan, output);
  // Above the batches every block has been made by a pass.
  if (from > batch) return () => true;
  const tiling = tilingOf(plan);
  const scale = 2 ** (batch - tile);
  return (column, row) => isComplete(batchOfTile(tiling, column * scale, row * scale));
}

/** The tiles' blocks under a cell: a window of the grid of tiles. */
function tilesUnder(plan: Plan, output: PlanOutput, column: number, row: number): Window {
  const { tile, batch } = levelOwners(plan, output);
  const { across, down } = tileGrid(tilingOf(plan));
  const scale = 2 ** (batch - tile);
  return { column: column * scale, row: row * scale, columns: Math.min(scale, across - column * scale), rows: Math.min(scale, down - row * scale) };
}

/**
 * The blocks to begin with, in Z order of the cells of a window.
 * @param from the cells' level
 * @param cellsDone cells that are done with already, counted in Z order: of these the largest squares stand for all below them, so the window must begin at 0,0
 */
export function* startingBlocks(plan: Plan, output: PlanOutput, from: number, window: Window, sources: Sources, cellsDone = 0): Generator<StartingBlock, void, undefined> {
  const { tile } = levelOwners(plan, output);
  let side = 1;
  while (side < window.columns || side < window.rows) side *= 2;
  function* square(column: number, row: number, length: number, position: number): Generator<StartingBlock, void, undefined> {
    if (column >= window.columns || row >= window.rows) return;
    const end = position + length * length;
    if (end <= cellsDone) {
      const place = { level: from + Math.log2(length), column: column / length, row: row / length };
      yield { ...place, stored: sources.locate(place.level, place.column, place.row), cellsDone: end };
    } else if (length > 1) {
      const half = length / 2;
      for (const [i, [x, y]] of ([[0, 0], [half, 0], [0, half], [half, half]] as const).entries()) yield* square(column + x, row + y, half, position + i * half * half);
    } else {
      yield* cell(window.column + column, window.row + row, end);
    }
  }
  function* cell(column: number, row: number, end: number): Generator<StartingBlock, void, undefined> {
    if (sources.isWhole(column, row)) {
      yield { level: from, column, row, stored: sources.locate(from, column, row), cellsDone: end };
      return;
    }
    const under = tilesUnder(plan, output, column, row);
    let left = under.columns * under.rows;
    for (const place of zOrder(under)) {
      left--;
      yield { level: tile, ...place, stored: sources.locate(tile, place.column, place.row), cellsDone: left === 0 ? end : undefined };
    }
  }
  yield* square(0, 0, side, 0);
}

/** Blocks that have to be read for the cells of a window. */
export function countSources(plan: Plan, output: PlanOutput, from: number, window: Window, { locate, isWhole }: Sources): number {
  const { tile } = levelOwners(plan, output);
  let count = 0;
  for (let row = window.row; row < window.row + window.rows; row++) {
    for (let column = window.column; column < window.column + window.columns; column++) {
      if (isWhole(column, row)) {
        if (locate(from, column, row) !== undefined) count++;
        continue;
      }
      const under = tilesUnder(plan, output, column, row);
      for (let y = under.row; y < under.row + under.rows; y++) {
        for (let x = under.column; x < under.column + under.columns; x++) if (locate(tile, x, y) !== undefined) count++;
      }
    }
  }
  return count;
}

/** Numbers of a row of a list: level (or -1 for a cell that isn't whole), column, row, and the segment's batch and number, offset and length there. */
const rowValues = 7;
export const sourceRowBytes = rowValues * 8;

/** A list of sources in the making: rows of plain numbers. */
export class SourceList {
  #values = new Float64Array(64 * rowValues);
  rows = 0;

  #add(values: readonly number[]): void {
    if ((this.rows + 1) * rowValues > this.#values.length) {
      const larger = new Float64Array(this.#values.length * 2);
      larger.set(this.#values);
      this.#values = larger;
    }
    this.#values.set(values, this.rows * rowValues);
    this.rows++;
  }

  /** Adds everything that the task on a window needs to know. */
  addWindow(plan: Plan, output: PlanOutput, from: number, window: Window, sources: Sources): void {
    const { tile } = levelOwners(plan, output);
    for (let row = window.row; row < window.row + window.rows; row++) {
      for (let column = window.column; column < window.column + window.columns; column++) {
        if (sources.isWhole(column, row)) {
          this.#addBlock(from, column, row, sources);
          continue;
        }
        this.#add([-1, column, row, 0, 0, 0, 0]);
        // Levels between are there as far as the batch has come; they aren't made twice.
        for (let level = tile; level <= from; level++) {
          const scale = 2 ** (from - level);
          for (let y = row * scale; y < (row + 1) * scale; y++) {
            for (let x = column * scale; x < (column + 1) * scale; x++) this.#addBlock(level, x, y, sources);
          }
        }
      }
    }
  }

  #addBlock(level: number, column: number, row: number, sources: Sources): void {
    const stored = sources.locate(level, column, row);
    const name = stored === undefined ? undefined : parseSegmentName(stored.href);
    if (stored !== undefined && name !== undefined) this.#add([level, column, row, name.batch, name.number, stored.offset, stored.length]);
  }

  /** As it is stored: little-endian, as all machines that run this are. */
  bytes(): Uint8Array {
    return new Uint8Array(this.#values.buffer, 0, this.rows * sourceRowBytes);
  }
}

/**
 * Reads a part of a list again.
 * @param folderOf the folder of a segment, by the number of the batch or task that wrote it; ends in `/`
 */
export function decodeSources(bytes: Uint8Array<ArrayBuffer>, folderOf: (batch: number) => string): Sources & { readonly exists: (level: number, column: number, row: number) => boolean } {
  const values = new Float64Array(bytes.buffer, bytes.byteOffset, bytes.length / 8);
  const blocks = new Map<string, StoredBlock>();
  const torn = new Set<string>();
  for (let at = 0; at < values.length; at += rowValues) {
    const [level = 0, column = 0, row = 0, batch = 0, number = 0, offset = 0, length = 0] = values.subarray(at, at + rowValues);
    if (level < 0) torn.add(`${String(column)}/${String(row)}`);
    else blocks.set(`${String(level)}/${String(column)}/${String(row)}`, { href: `${folderOf(batch)}${segmentName(batch, number)}`, offset, length });
  }
  const key = (level: number, column: number, row: number): string => `${String(level)}/${String(column)}/${String(row)}`;
  return {
    locate: (level, column, row) => blocks.get(key(level, column, row)),
    exists: (level, column, row) => blocks.has(key(level, column, row)),
    isWhole: (column, row) => !torn.has(`${String(column)}/${String(row)}`),
  };
}
