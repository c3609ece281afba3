/**
 * What is kept of a merge between calls of the reducer, and how to tell that a run is finished. Where the same run is merged twice at once, each call writes the state that it
 * knows: what is finished is therefore said in a document of its own, which no merge under way writes.
 */
import { isDeepStrictEqual } from 'node:util';
import * as z from 'zod';
import type { Store } from '../store/store.ts';
import { readFinishedObject } from './finished-object.ts';
import { runFiles, type Plan, type PlanOutput } from './plan.ts';
import { encodeDocument, readDocument, runRecord, type RunRecord } from './records.ts';
import { readFinishedResults } from './results/results-state.ts';

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
});
export type MergeState = z.infer<typeof mergeState>;

const finishedOutput = z.object({
  bytes: z.number(),
  version: z.string(),
  bigTiff: z.boolean(),
  tilesDone: z.int(),
  /** That the file is made of, in order. */
  segments: z.array(z.string()),
});
export type FinishedOutput = z.infer<typeof finishedOutput>;

/** The output's file that an earlier call has finished; undefined when it isn't there any more. */
export async function readFinished(store: Store, plan: Plan, { name, href }: Pick<PlanOutput, 'name' | 'href'>): Promise<FinishedOutput | undefined> {
  return await readFinishedObject(store, `${plan.state.run.href}${runFiles.finished(name)}`, finishedOutput, href);
}

/** What is finished, unless a merge of other segments has begun since: of tiles that came later. */
export function notReplaced<T extends { readonly segments: readonly string[] }>(finished: T | undefined, underWay: { readonly segments: readonly string[] } | undefined): T | undefined {
  return finished === undefined || underWay === undefined || isDeepStrictEqual(finished.segments, underWay.segments) ? finished : undefined;
}

export async function writeFinished(store: Store, plan: Plan, { name }: Pick<PlanOutput, 'name'>, finished: FinishedOutput): Promise<void> {
  await store.put(`${plan.state.run.href}${runFiles.finished(name)}`, encodeDocument(finished), { contentType: 'application/json', createFolders: true });
}

/**
 * The record of a run that has nothing left to do: every batch succeeded, and every output, and its results, lie where this run has put them. Undefined for any
 * other. The segments of such a run may be gone.
 */
export async function finishedRecord(store: Store, plan: Plan): Promise<RunRecord | undefined> {
  const { href } = plan.state.run;
  const record = await readDocument(store, `${href}${runFiles.record}`, runRecord);
  if (record === undefined || record.batches.failed.length > 0) return undefined;
  // Where failures are tolerated, what another call has put there may have fewer tiles than the record says.
  const isOfRecord = (finished: { readonly tilesDone: number } | undefined): boolean => finished !== undefined && finished.tilesDone >= record.tiles.done;
  for (const output of plan.outputs) if (!isOfRecord(await readFinished(store, plan, output))) return undefined;
  const { results } = plan.job;
  return results === undefined || isOfRecord(await readFinishedResults(store, plan, results)) ? record : undefined;
}
