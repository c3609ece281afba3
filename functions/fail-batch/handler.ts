/**
 * Fails a batch with the error and cause that the state machine worked out.
 *
 * A Fail state would do but for redrive: Step Functions enters the state that failed once more, and a Fail state fails again. This
 * function succeeds when its execution has been redriven since the batch last began, and the batch starts over. It needs no
 * more than the language gives, so that it starts fast and cannot fail in another way.
 */
import * as z from 'zod';
import { taskSubject } from '../../lib/job/task-numbers.ts';

const failBatchEvent = z.object({
  /** Its number. An execution that was begun by an older definition has none here, and names it in the cause. */
  batch: z.int().optional(),
  error: z.string(),
  /** What happened to the batch, as the rest of a sentence that begins with it. */
  cause: z.string(),
  /** How often the execution had been redriven when the batch last began. */
  redrives: z.number(),
  /** The context object's. RedriveCount may be absent in an execution that was never redriven. */
  execution: z.object({ RedriveCount: z.number().default(0) }),
});

/** @throws an Error whose name is the event's `error`, which is what Lambda reports as errorType. */
export function handler(event: unknown): Promise<{ readonly redrives: number }> {
  const { batch, error, cause, redrives, execution } = failBatchEvent.parse(event);
  if (execution.RedriveCount > redrives) return Promise.resolve({ redrives: execution.RedriveCount });
  const failure = new Error(batch === undefined ? cause : `${taskSubject(batch)} ${cause}`);
  failure.name = error;
  // The stack of this function says nothing about the batch, and would stand in the way of reading the cause.
  failure.stack = '';
  return Promise.reject(failure);
}
