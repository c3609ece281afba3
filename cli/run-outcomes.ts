/** What became of each item of a run, whether the run has come to its end or not: what `tilefan results` prints, and what the clients give back. */
import { InputUnavailableError } from '../lib/base/errors.ts';
import type { FailedItem, ItemOutcome } from '../lib/job/items/item-outcome.ts';
import { outcomeSegments, readItemRanges, readOutcomes } from '../lib/job/items/item-outcomes.ts';
import { isItemPlan } from '../lib/job/items/item-documents.ts';
import { itemPlan, type ItemPlan } from '../lib/job/items/item-plan.ts';
import { itemsFile, readItems, type ItemRange } from '../lib/job/items/item.ts';
import { runFiles } from '../lib/job/plan.ts';
import { batchRecord, readDocument, type BatchRecord } from '../lib/job/records.ts';
import { displayHref } from '../lib/store/href.ts';
import type { ObjectReader } from '../lib/store/store.ts';
import * as z from 'zod';

/** The plan of a run over items; undefined for a raster job. @throws InputUnavailableError RUN_UNKNOWN when there is no plan */
export async function findItemPlan(reader: ObjectReader, prefix: string): Promise<ItemPlan | undefined> {
  const document = await readDocument(reader, `${prefix}${runFiles.plan}`, z.unknown());
  if (document === undefined) throw new InputUnavailableError('RUN_UNKNOWN', `there is no run under ${displayHref(prefix)}, or it has not been planned`, { where: { prefix } });
  return isItemPlan(document) ? itemPlan.parse(document) : undefined;
}

/**
 * Every item of the run once, in order. One whose batch has ended without it has failed with what the batch failed with; with ITEM_MISSING where that isn't on record, or the batch was only stopped.
 * @throws DataError SEGMENT_BROKEN, RESULT_BROKEN; what the store throws
 */
export async function* runOutcomes(reader: ObjectReader, plan: ItemPlan): AsyncGenerator<ItemOutcome, void, undefined> {
  const prefix = plan.state.run.href;
  const [ranges, segments] = await Promise.all([readItemRanges(reader, prefix), outcomeSegments(reader, prefix)]);
  let next = 0;
  for await (const chunk of readOutcomes(reader, ranges, segments)) {
    for (const outcome of chunk) {
      if (outcome.index > next) yield* missing(reader, plan, ranges, next, outcome.index);
      yield outcome;
      next = outcome.index + 1;
    }
  }
  if (next < plan.items.count) yield* missing(reader, plan, ranges, next, plan.items.count);
}

/** Items from `first` up to `end`, which is not one of them. */
async function* missing(reader: ObjectReader, plan: ItemPlan, ranges: readonly ItemRange[], first: number, end: number): AsyncGenerator<ItemOutcome, void, undefined> {
  const prefix = plan.state.run.href;
  for (const [batch, range] of ranges.entries()) {
    if (range.first >= end || range.first + range.count <= first) continue;
    const record = await readDocument(reader, `${prefix}${runFiles.result(batch)}`, batchRecord);
    const { code, message, where } = whyMissing(batch, record);
    for await (const { index, href, path, parameters } of readItems(reader, `${prefix}${itemsFile}`, range, plan.items.version)) {
      if (index >= first && index < end) yield { index, item: href, path, parameters, ok: false, error: { code, message, where } };
    }
  }
}

/** Code of an item of which nothing is on record: no outcome, and no error of its batch. */
export const itemMissing = 'ITEM_MISSING';

function whyMissing(batch: number, record: BatchRecord | undefined): FailedItem['error'] {
  const error = record?.error ?? undefined;
  if (error !== undefined && error.code !== 'WORKER_STOPPED') return error;
  const what = error !== undefined ? 'was stopped before it was done' : record?.state === 'RUNNING' || record === undefined ? 'has not come to its end' : 'has ended without it';
  return { code: itemMissing, message: `its batch ${String(batch)} ${what}`, where: {} };
}
