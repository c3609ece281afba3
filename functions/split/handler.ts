/** Split: validates the job, reads input headers, fixes the grid, writes plan and manifest. First state of the state machine. */
import middy from '@middy/core';
import { createMetrics } from '../../lib/base/metrics.ts';
import { splitEvent } from '../../lib/job/events.ts';
import type { SplitResult } from '../../lib/job/events.ts';
import { split, type SplitEnvironment, type TaskDefinitions } from '../../lib/job/split.ts';
import { createStore } from '../../lib/store/routing-store.ts';
import { parseEvent, reporting } from '../middleware.ts';
import type { Environment, FunctionContext } from '../middleware.ts';
import { addPlanned, addRefused } from './plan-metrics.ts';

/**
 * Makes the handler for an environment: Lambda's own, or that of a local run.
 * @param prepare looks at user code, and asks GDAL, on this machine; a local run brings it along, so that Lambda's package has nothing of it
 */
export function createHandler(env: Environment, prepare: Pick<SplitEnvironment, 'prepareCode' | 'prepareItems' | 'findExtents'> = {}): (event: unknown, context: FunctionContext) => Promise<SplitResult> {
  const handle = async (event: unknown): Promise<SplitResult> => {
    const metrics = await createMetrics(env);
    const store = createStore();
    try {
      return await split(parseEvent(splitEvent, event, 'split'), { store, env, taskDefinitions: definitionsOf(env), ...prepare, onPlan: (plan) => { addPlanned(metrics, plan); } });
    } catch (error) {
      addRefused(metrics, error);
      throw error;
    } finally {
      metrics.flush();
      await store.close();
    }
  };
  return middy<unknown, SplitResult, Error, FunctionContext>().use(reporting('split')).handler(handle);
}

/** Few jobs bring an image, so what speaks to ECS is loaded for these only; a run on this machine has no deployment, and no definitions. */
function definitionsOf({ TILEFAN_NAME: deployment }: Environment): TaskDefinitions | undefined {
  if (deployment === undefined) return undefined;
  return {
    async withImage(base, image) {
      const { EcsTaskDefinitions } = await import('./task-definitions.ts');
      return await new EcsTaskDefinitions(deployment).withImage(base, image);
    },
  };
}

export const handler = createHandler(process.env);
