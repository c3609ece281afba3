/** Errors of wrong use point at the call, not into our folders. */
import { InputUnavailableError, JobError } from '../lib/base/errors.ts';

/**
 * Does a call's work; what the caller has done wrong is thrown with the stack of the call.
 * @param called the function that the user has called: frames begin below it. This has to be called before it waits for anything
 */
export async function fromCaller<Value>(called: (...parameters: never[]) => unknown, work: () => Promise<Value>): Promise<Value> {
  const here = new Error();
  Error.captureStackTrace(here, called);
  try {
    return await work();
  } catch (error) {
    const frames = /(?:\n {4}at .*)+$/.exec(here.stack ?? '')?.[0] ?? '';
    if (error instanceof JobError || error instanceof InputUnavailableError) error.stack = `${error.name}: ${error.message}${frames}`;
    throw error;
  }
}
