/** What is kept under the run prefix while results are merged and written, so that the next call goes on, and nothing is done twice. */
import * as z from 'zod';
import type { ObjectReader } from '../../store/store.ts';
import type { Plan } from '../plan.ts';
import { isThere } from '../finished-object.ts';
import { readDocument } from '../records.ts';

/** Where it lies; no output can be called like that. */
export const resultFiles = {
  state: 'merge/results-state.json',
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
  /** The finished object; null while it is in the making. */
  done: z.object({ bytes: z.number(), version: z.string(), rows: z.int() }).nullable(),
});
export type ResultsState = z.infer<typeof resultsState>;

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

/** Whether a job has no results, or an earlier call has finished them and they are still there. */
export async function resultsFinished(reader: ObjectReader, plan: Plan): Promise<boolean> {
  const { results } = plan.job;
  if (results === undefined) return true;
  const state = await readResultsState(reader, plan);
  return state !== undefined && (await isThere(reader, results.href, state));
}
