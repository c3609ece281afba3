/** The record of an object job's run as people read it. */
import type { ItemRunRecord } from '../lib/job/items/item-records.ts';
import { displayHref } from '../lib/store/href.ts';
import { attemptsText } from './run-record-text.ts';
import { bytesText, countText, secondsText } from './text.ts';

/** Items that failed, at most; all of them are in the list. */
const namedFailures = 5;

/** @param seconds that this took */
export function itemRecordText({ run, items, batches, files, results, failures, errors }: ItemRunRecord, seconds: number): string {
  const lines = [`run ${run}: ${String(items.done)} of ${String(items.total)} items in ${secondsText(seconds)} (${attemptsText(items, batches.retried.length)})`];
  if (files !== null) lines.push(`files: ${countText(files.count, 'file')}, ${bytesText(files.bytes)}, listed in ${displayHref(files.href)}`);
  if (results !== null) lines.push(`results: ${displayHref(results.href)} (${results.format}, ${countText(results.rows, 'row')}, ${bytesText(results.bytes)})`);
  if (failures !== null) {
    lines.push(`failed: ${countText(failures.count, 'item')}${failures.href === null ? '' : `, listed in ${displayHref(failures.href)}`}`);
    for (const { item, index, message } of errors.slice(0, namedFailures)) lines.push(`  ${item === null ? `item ${String(index)}` : displayHref(item)}: ${message}`);
  }
  return `${lines.join('\n')}\n`;
}
