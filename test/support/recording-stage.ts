/** What the recorded scenario plays on: buckets, and the parts as it calls them. */
import type { BatchResponse } from '../../functions/start/handler.ts';
import type { ReduceResult, RunState } from '../../lib/job/events.ts';

export interface Buckets {
  readonly input: string;
  readonly work: string;
  readonly output: string;
  /** One of the further buckets that jobs may read, and one that they may write. */
  readonly read: string;
  readonly write: string;
}

/** The parts, as the scenario calls them. */
export interface Stage {
  readonly buckets: Buckets;
  /** The file in which the server keeps an object. */
  readonly at: (bucket: string, path: string) => string;
  /** Bodies of messages. */
  readonly start: (bodies: readonly object[]) => Promise<BatchResponse>;
  /** `more` is added to the function's environment. */
  readonly split: (input: Record<string, unknown>, execution: string, more?: Readonly<Record<string, string>>) => Promise<RunState>;
  /** Gives the exit code. */
  readonly work: (state: RunState, line: string) => Promise<number>;
  readonly reduce: (state: RunState, milliseconds?: number) => Promise<ReduceResult>;
  readonly tidy: () => Promise<unknown>;
}

/** Gives a job over the scene, with some of its fields changed. */
export type MakeJob = (name: string, more?: object) => Record<string, unknown>;
