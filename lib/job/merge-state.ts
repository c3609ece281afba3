/** What is kept of a merge between calls of the reducer, and how to tell from it that a run is finished. */
import * as z from 'zod';
import type { Store } from '../store/store.ts';
import { isThere } from './finished-object.ts';
import { runFiles, type Plan } from './plan.ts';
import { readDocument, runRecord, type RunRecord } from './records.ts';
import { resultsFinished } from './results/results-state.ts';

export const mergeState = z.object({
  /** Of the assembly; null before it has begun. */
  token: z.string().nullable(),
  /** Segments that the file is made of, in order; late ones, of a worker that was given up, are not in it. */
  segments: z.array(z.string()),
  /** The pass that workers were last asked for to make levels of these segments: which one of this output, and of the run. */
  asked: z.object({ pass: z.int(), runPass: z.int() }).nullable().default(null),
  /** Segments of the levels that reduce makes itself. */
  pyramid: z.array(z.string()),
  /** Blocks, in Z order, that these levels are made from so far; null when they are finished. */
  pyramidCells: z.int().nullable().default(null),
  /** The finished file; null while it is in the making. */
  done: z.object({ bytes: z.number(), version: z.string(), bigTiff: z.boolean() }).nullable(),
});
export type MergeState = z.infer<typeof mergeState>;

/**
 * The record of a run that has nothing left to do: every batch succeeded, and every output, and its results, lie where this run has put them. Undefined for any
 * other. The segments of such a run may be gone.
 */
export async function finishedRecord(store: Store, plan: Plan): Promise<RunRecord | undefined> {
  const { href } = plan.state.run;
  const record = await readDocument(store, `${href}${runFiles.record}`, runRecord);
  if (record === undefined || record.batches.failed.length > 0) return undefined;
  for (const output of plan.outputs) {
    const merge = await readDocument(store, `${href}${runFiles.merge(output.name)}`, mergeState);
    if (merge === undefined || !(await isThere(store, output.href, merge))) return undefined;
  }
  return (await resultsFinished(store, plan)) ? record : undefined;
}
