/** What a local run tells while it goes on: for progress bars and JSON lines. */

export type RunEvent =
  /** The run's machine entered a state: Split, ProcessBatches, Reduce. */
  | { readonly type: 'StateEntered'; readonly state: string }
  /** User code is about to be tried on a tile, before the fan-out. `code` is its name: the function, else the file or program. */
  | { readonly type: 'TrialStarted'; readonly code: string; readonly tile: { readonly column: number; readonly row: number } }
  /** A Map begins: so many batches. `pass` is 0 for tiles and for conversions before them, from 1 on for overview passes. */
  | { readonly type: 'BatchesStarted'; readonly pass: number; readonly batches: number }
  | { readonly type: 'BatchStarted'; readonly batch: number; readonly attempt: number }
  /** A further attempt begins. `reason`: capacity lost, out of memory, timed out, try again. */
  | { readonly type: 'BatchRetried'; readonly batch: number; readonly attempt: number; readonly reason: string }
  /** One attempt failed; whether another follows is for the state machine to say. `log` is the href of the worker's output. */
  | {
      readonly type: 'AttemptFailed';
      readonly batch: number;
      readonly attempt: number;
      /** Absent when the worker never started. */
      readonly exitCode?: number;
      readonly reason: string;
      readonly log: string;
    }
  | { readonly type: 'BatchSucceeded'; readonly batch: number }
  | { readonly type: 'BatchFailed'; readonly batch: number; readonly error: string; readonly cause: string }
  /** A line of JSON with an `event` that a worker printed, for example `Tile:Done`. */
  | { readonly type: 'WorkerEvent'; readonly batch: number; readonly attempt: number; readonly event: string; readonly fields: Readonly<Record<string, unknown>> };

export type RunEventListener = (event: RunEvent) => void;

/** What a worker has told of tiles or items: how many are done now, and how many of them had been done before, or have failed. */
export interface WorkDone {
  readonly done: number;
  readonly reused: number;
  readonly failed: number;
}

/** @returns undefined for events that tell nothing of that */
export function workDone(event: RunEvent): WorkDone | undefined {
  if (event.type !== 'WorkerEvent') return undefined;
  const { fields } = event;
  const count = (name: string): number => (typeof fields[name] === 'number' ? fields[name] : 0);
  if (event.event === 'Tile:Done') return { done: 1, reused: fields['reused'] === true ? 1 : 0, failed: 0 };
  return event.event === 'Items:Done' ? { done: count('done'), reused: count('reused'), failed: count('failed') } : undefined;
}
