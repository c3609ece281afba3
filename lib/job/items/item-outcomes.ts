/** The outcomes of a run's items, each once, in the order of their indexes, whatever was retried. */
import type { ObjectReader, ObjectStat } from '../../store/store.ts';
import { runFiles } from '../plan.ts';
import { readBatchResults } from '../results/read-results.ts';
import { parseSegmentName } from '../segment.ts';
import { itemOutcome, type ItemOutcome } from './item-outcome.ts';
import { itemBatchLine, type ItemRange } from './item.ts';

/** The segments that outcomes lie in, in order. */
export async function outcomeSegments(reader: ObjectReader, run: string): Promise<ObjectStat[]> {
  const segments: ObjectStat[] = [];
  for await (const stat of reader.list(`${run}${runFiles.collected}`)) if (parseSegmentName(stat.href) !== undefined) segments.push(stat);
  return segments;
}

/** Which items each batch has, by its number. */
export async function readItemRanges(reader: ObjectReader, run: string): Promise<ItemRange[]> {
  const lines = new TextDecoder().decode(await reader.readAll(`${run}${runFiles.manifest(0)}`)).trimEnd().split('\n');
  return lines.map((line) => itemBatchLine.parse(JSON.parse(line)).items);
}

/**
 * @returns lists of bounded length; items that have no outcome are in none
 * @throws DataError SEGMENT_BROKEN, RESULT_BROKEN
 */
export async function* readOutcomes(reader: ObjectReader, ranges: readonly ItemRange[], segments: readonly ObjectStat[]): AsyncGenerator<readonly ItemOutcome[], void, undefined> {
  // Items lie in one row, as tiles of a grid that has only one.
  const windowOf = (batch: number): { column: number; row: number; columns: number; rows: number } => {
    const { first, count } = ranges[batch] ?? { first: 0, count: 0 };
    return { column: first, row: 0, columns: count, rows: 1 };
  };
  for await (const results of readBatchResults(reader, windowOf, segments)) yield results.map(({ value }) => itemOutcome.parse(value));
}
