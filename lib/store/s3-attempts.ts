/** Repeats what the SDK doesn't: a body that broke off while it was read, a body that was a stream, a conflict that S3 asks to start over. */
import { setTimeout as sleep } from 'node:timers/promises';

import { isPassing, s3FaultOf } from './s3-errors.ts';

const firstDelayMs = 100;
const longestDelayMs = 5_000;

/** Thrown when a body has fewer bytes than its header promised. */
export class BrokenBodyError extends Error {
  override readonly name = 'BrokenBodyError';
  constructor(found: number, wanted: number, cause?: unknown) {
    super(`the answer broke off after ${found} of ${wanted} bytes`, { cause });
  }
}

/** The body broke off: the SDK counts a request as done when the header is there. */
export function bodyBroke(error: unknown): boolean {
  return error instanceof BrokenBodyError;
}

/** Two conditional writes met: S3 asks to start over, and the SDK doesn't. */
export function writesMet(error: unknown): boolean {
  return s3FaultOf(error).name === 'ConditionalRequestConflict';
}

/** Any passing fault: for a body that was a stream, which the SDK sends only once. */
export function passed(error: unknown): boolean {
  return isPassing(s3FaultOf(error));
}

/** Does `work` up to `attempts` times, with back-off and full jitter, while it fails in a way that `again` knows. */
export async function withAttempts<T>(attempts: number, again: (error: unknown) => boolean, work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      if (attempt >= attempts || !again(error)) throw error;
      await sleep(Math.random() * Math.min(longestDelayMs, firstDelayMs * 2 ** attempt));
    }
  }
}
