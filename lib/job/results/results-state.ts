/** What is kept under the run prefix while results are merged and written, so that the next call goes on, and nothing is done twice. */
import * as z from 'zod';
import type { ObjectReader } from '../../store/store.ts';
import type { Plan } from '../plan.ts';
import { readFinishedObject } from '../finished-object.ts';
import { readDocument } from '../records.ts';
import type { JobResults } from '../spec.ts';

/** Where it lies; no output can be called like that. */
export const resultFiles = {
  state: 'merge/results-state.json',
  /** What came of it, in a document that no merge under way writes. */
  finished: 'merge/results-finished.json',
  /** What the user's own function made of all results. */
  value: 'merge/results-value.json',
} as const;

export const resultsState = z.object({
  /** Names of the segments that count, in order; late ones, of a worker that was given up, are not in it. */
  segments: z.array(z.string()),
  /** The pass of the run in which a worker was last asked to merge these; null when none was. */
  asked: z.int().nullable(),
  /** Of an assembly under way. */
  token: z.string().nullable(),
  /** Calls that were too short to write everything, one after another. */
  tooShort: z.int(),
});
export type ResultsState = z.infer<typeof resultsState>;

export const finishedResults = z.object({
  bytes: z.number(),
  version: z.string(),
  rows: z.int(),
  tilesDone: z.int(),
  /** Names of the segments that it is made from, in order. */
  segments: z.array(z.string()),
});
export type FinishedResults = z.infer<typeof finishedResults>;

/** The one value, and which choice of segments it was made from. */
export const resultsValue = z.object({
  generation: z.string(),
  /** Tiles that gave a value. */
  tiles: z.int(),
  value: z.unknown(),
});

export async function readResultsState(reader: ObjectReader, plan: Plan): Promise<ResultsState | undefined> {
  return await readDocument(reader, `${plan.state.run.href}${resultFiles.state}`, resultsState);
}

/** The results that an earlier call has written; undefined when they aren't there any more. */
export async function readFinishedResults(reader: ObjectReader, plan: Plan, { href }: Pick<JobResults, 'href'>): Promise<FinishedResults | undefined> {
  return await readFinishedObject(reader, `${plan.state.run.href}${resultFiles.finished}`, finishedResults, href);
}

/** Whether a job has no results, or an earlier call has finished them and they are still there. */
export async function resultsFinished(reader: ObjectReader, plan: Plan): Promise<boolean> {
  const { results } = plan.job;
  return results === undefined || (await readFinishedResults(reader, plan, results)) !== undefined;
}
