/**
 * What tilefan needs of an interpreter of the Amazon States Language. local-stepfunctions-engine.ts is the one implementation; another
 * one can take its place without a change to the rest of local/.
 */

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** One call of a Task state. */
export interface TaskCall {
  readonly state: string;
  /** The state's Parameters, evaluated: what AWS would send to the service. */
  readonly arguments: Json;
  /** The state's input. */
  readonly input: Json;
  /** Aborted when the execution ends early or the state's time is up; the handler must then end soon, or nobody waits for it. */
  readonly signal: AbortSignal;
}

/** Stands in for a service. Fails with a StatesError. */
export type TaskHandler = (call: TaskCall) => Promise<Json>;

/** How an execution ended. Error and cause are those of the Amazon States Language. */
export type Outcome =
  | { readonly state: 'SUCCEEDED'; readonly output: Json }
  | { readonly state: 'FAILED'; readonly error: string; readonly cause: string }
  | { readonly state: 'ABORTED' };

/** What a distributed Map reads: as many items as `total` says. */
export interface Items {
  readonly total: number;
  readonly items: Iterable<Json>;
}

/** What surrounds an execution. */
export interface Surroundings {
  /** Becomes `$$.Execution.Name`. */
  readonly name: string;
  /** Handlers by the `Resource` of the Task states. */
  readonly tasks: Readonly<Record<string, TaskHandler>>;
  /** Reads the manifest of a distributed Map; given the evaluated parameters of its ItemReader. */
  readonly readItems: (parameters: Json) => Promise<Items>;
  /** Child executions at a time, at most; the definition's own limit holds too. */
  readonly maxConcurrency: number;
  /** Waits and retry intervals are multiplied by this. */
  readonly waitScale: number;
  readonly signal: AbortSignal;
  /** A Task or Map of the parent execution begins; again at each retry. */
  readonly onStateEntered?: (state: string, input: Json) => void;
  readonly onItemsStarted?: (state: string, input: Json, total: number) => void;
  readonly onItemEnded?: (item: Json, outcome: Outcome) => void;
  /** Any execution, a child too, goes from one state to the next. The engine's own additions have names with a colon. */
  readonly onTransition?: (from: string, to: string) => void;
}

export interface Engine {
  /** Runs `definition` to its end. Never rejects for what the execution did: that is an outcome. */
  execute(definition: Json, input: Json, surroundings: Surroundings): Promise<Outcome>;
}

/** An error as the Amazon States Language knows it: what Retry, Catch and Fail see. */
export class StatesError extends Error {
  constructor(error: string, cause: string) {
    super(cause);
    this.name = error;
  }
}
