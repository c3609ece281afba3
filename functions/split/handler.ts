/** Split: validates the job, reads input headers, fixes the grid, writes plan and manifest. First state of the state machine. */
import middy from '@middy/core';
import { splitEvent } from '../../lib/job/events.ts';
import type { SplitResult } from '../../lib/job/events.ts';
import { split } from '../../lib/job/split.ts';
import { createStore } from '../../lib/store/routing-store.ts';
import { parseEvent, reporting } from '../middleware.ts';
import type { Environment, FunctionContext } from '../middleware.ts';

/** Makes the handler for an environment: Lambda's own, or that of a local run. */
export function createHandler(env: Environment): (event: unknown, context: FunctionContext) => Promise<SplitResult> {
  const handle = async (event: unknown): Promise<SplitResult> => {
    const store = createStore();
    try {
      return await split(parseEvent(splitEvent, event, 'split'), { store, env });
    } finally {
      await store.close();
    }
  };
  return middy<unknown, SplitResult, Error, FunctionContext>().use(reporting('split')).handler(handle);
}

export const handler = createHandler(process.env);
