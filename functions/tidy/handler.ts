/** Tidy: once a day, deregisters task definitions that no run has used for a while. */
import { ECSClient } from '@aws-sdk/client-ecs';
import middy from '@middy/core';
import * as z from 'zod';
import { createLogger } from '../../lib/base/log.ts';
import { reporting } from '../middleware.ts';
import type { Environment, FunctionContext } from '../middleware.ts';
import { tidyDefinitions } from './definitions.ts';

const environment = z.object({
  TILEFAN_NAME: z.string().min(1),
  /** More than the 14 days within which an execution can be redriven. */
  TILEFAN_TASK_DEFINITION_DAYS: z.coerce.number().min(15),
});

const dayMs = 86_400_000;
/** Left over when the next call might not come back in time. */
const reserveMs = 10_000;

export interface TidyResult {
  readonly deregistered: number;
}

export function createHandler(env: Environment): (event: unknown, context: FunctionContext) => Promise<TidyResult> {
  const handle = async (_event: unknown, context: FunctionContext): Promise<TidyResult> => {
    const { TILEFAN_NAME: deployment, TILEFAN_TASK_DEFINITION_DAYS: days } = environment.parse(env);
    const log = await createLogger({ requestId: context.awsRequestId });
    const client = new ECSClient({});
    let deregistered = 0;
    try {
      await tidyDefinitions({
        client,
        deployment,
        before: new Date(Date.now() - days * dayMs),
        goesOn: () => context.getRemainingTimeInMillis() > reserveMs,
        onDeregistered(definition, unusedSince) {
          deregistered++;
          log.info({ definition, unusedSince }, 'Definition:Deregistered');
        },
      });
    } finally {
      client.destroy();
    }
    return { deregistered };
  };
  return middy<unknown, TidyResult, Error, FunctionContext>().use(reporting('tidy')).handler(handle);
}

export const handler = createHandler(process.env);
