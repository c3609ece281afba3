/** Which tiles or items the batches of a run have. */
import * as z from 'zod';
import { JobError } from '../../lib/base/errors.ts';
import { readItemRanges } from '../../lib/job/items/item-outcomes.ts';
import { isItemPlan } from '../../lib/job/items/item-documents.ts';
import type { ItemRange } from '../../lib/job/items/item.ts';
import { readPlan, runFiles, tilingOf, type Plan } from '../../lib/job/plan.ts';
import { readDocument } from '../../lib/job/records.ts';
import { batchCount, batchOfTile, batchWindow, tileGrid } from '../../lib/job/tiling.ts';
import type { ObjectReader } from '../../lib/store/store.ts';
import { countText } from '../text.ts';

export interface Batches {
  readonly count: number;
  /** @throws JobError TILE_OUTSIDE */
  withTile(tile: { readonly column: number; readonly row: number }): number;
  /** @throws JobError ITEM_OUTSIDE */
  withItem(index: number): number;
  /** What a batch has to do, for people. @param count tiles or items of the batch, as its record has them */
  contents(batch: number, count: number): string;
}

/** @throws DataError for a plan that can't be read; whatever the store throws when there is none */
export async function readBatches(reader: ObjectReader, prefix: string): Promise<Batches> {
  const document = await readDocument(reader, `${prefix}${runFiles.plan}`, z.unknown());
  return isItemPlan(document) ? new ItemBatches(await readItemRanges(reader, prefix)) : new TileBatches(await readPlan(reader, prefix));
}

class TileBatches implements Batches {
  readonly count: number;
  readonly #plan: Plan;

  constructor(plan: Plan) {
    this.#plan = plan;
    this.count = batchCount(tilingOf(plan));
  }

  withTile({ column, row }: { readonly column: number; readonly row: number }): number {
    const tiling = tilingOf(this.#plan);
    const { across, down } = tileGrid(tiling);
    if (column < across && row < down) return batchOfTile(tiling, column, row);
    throw new JobError('TILE_OUTSIDE', `--tile ${String(column)},${String(row)} lies outside of the grid: wanted a column from 0 to ${String(across - 1)} and a row from 0 to ${String(down - 1)}`);
  }

  withItem(): number {
    throw new JobError('ITEM_OUTSIDE', 'this run has tiles and no items: wanted --tile COLUMN,ROW or --batch N');
  }

  contents(batch: number, count: number): string {
    if (batch >= this.count) return countText(count, 'tile');
    const { column, row, columns, rows } = batchWindow(tilingOf(this.#plan), batch);
    return `${countText(count, 'tile')} from ${String(column)},${String(row)} to ${String(column + columns - 1)},${String(row + rows - 1)}`;
  }
}

class ItemBatches implements Batches {
  readonly count: number;
  readonly #ranges: readonly ItemRange[];

  constructor(ranges: readonly ItemRange[]) {
    this.#ranges = ranges;
    this.count = ranges.length;
  }

  withTile(): number {
    throw new JobError('TILE_OUTSIDE', 'this run has items and no tiles: wanted --item N or --batch N');
  }

  withItem(index: number): number {
    const found = this.#ranges.findIndex(({ first, count }) => index >= first && index < first + count);
    if (found >= 0) return found;
    const last = this.#ranges.at(-1);
    throw new JobError('ITEM_OUTSIDE', `the run has no item ${String(index)}: wanted 0 to ${String((last?.first ?? 0) + (last?.count ?? 0) - 1)}`);
  }

  contents(batch: number, count: number): string {
    const range = this.#ranges[batch];
    if (range === undefined) return countText(count, 'item');
    return `${countText(range.count, 'item')} from ${String(range.first)} to ${String(range.first + range.count - 1)}`;
  }
}
