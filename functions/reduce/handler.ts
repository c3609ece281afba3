/** Reduce: merges what the workers wrote. Called again until it answers DONE, or MORE, one more pass of workers first. */
import middy from '@middy/core';
import { createMetrics } from '../../lib/base/metrics.ts';
import { reduceEvent } from '../../lib/job/events.ts';
import type { ReduceResult } from '../../lib/job/events.ts';
import { reduce } from '../../lib/job/reduce.ts';
import { createStore } from '../../lib/store/routing-store.ts';
import { parseEvent, reporting } from '../middleware.ts';
import type { Environment, FunctionContext } from '../middleware.ts';
import { addFinished } from './run-metrics.ts';

/** Makes the handler. `env` is read for metrics only: everything that reduce needs lies in its event and in the run prefix. */
export function createHandler(env: Environment): (event: unknown, context: FunctionContext) => Promise<ReduceResult> {
  const handle = async (event: unknown, context: FunctionContext): Promise<ReduceResult> => {
    const { status: _status, ...state } = parseEvent(reduceEvent, event, 'reduce');
    const metrics = await createMetrics(env);
    const store = createStore();
    try {
      return await reduce(state, { store, deadline: () => context.getRemainingTimeInMillis(), onFinished: (record) => { addFinished(metrics, record); } });
    } finally {
      metrics.flush();
      await store.close();
    }
  };
  return middy<unknown, ReduceResult, Error, FunctionContext>().use(reporting('reduce')).handler(handle);
}

export const handler = createHandler(process.env);
