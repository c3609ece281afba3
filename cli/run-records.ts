/** Run records of both kinds of jobs: over rasters and over items. */
import * as z from 'zod';
import { itemRunRecord, type ItemRunRecord } from '../lib/job/items/item-records.ts';
import { runFiles } from '../lib/job/plan.ts';
import { readDocument, runRecord, type RunRecord } from '../lib/job/records.ts';
import type { ObjectReader } from '../lib/store/store.ts';
import { itemRecordText } from './item-record-text.ts';
import { runRecordText } from './run-record-text.ts';

export type AnyRunRecord = RunRecord | ItemRunRecord;

const anyRecord = z.union([itemRunRecord, runRecord]);

/** The record under a run prefix; undefined where there is none. @throws DataError for one that can't be read */
export async function readRunRecord(reader: ObjectReader, prefix: string): Promise<AnyRunRecord | undefined> {
  return await readDocument(reader, `${prefix}${runFiles.record}`, anyRecord);
}

export function isItemRecord(record: AnyRunRecord): record is ItemRunRecord {
  return 'kind' in record;
}

/** @param seconds that the run took */
export function recordText(record: AnyRunRecord, seconds: number): string {
  return isItemRecord(record) ? itemRecordText(record, seconds) : runRecordText(record, seconds);
}
