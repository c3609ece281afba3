/** Start: takes uploads and schedules from the queue, names their runs, and starts them. What fails goes back to the queue, message by message. */
import middy from '@middy/core';
import * as z from 'zod';
import { OperationError } from '../../lib/base/errors.ts';
import { createLogger } from '../../lib/base/log.ts';
import { createMetrics } from '../../lib/base/metrics.ts';
import type { Inbox } from '../../lib/job/uploads.ts';
import { folderHref } from '../../lib/store/href.ts';
import { createStore } from '../../lib/store/routing-store.ts';
import { parseEvent, reporting } from '../middleware.ts';
import type { Environment, FunctionContext } from '../middleware.ts';
import { createExecutions } from './executions.ts';
import { handleMessage, type Executions, type Report } from './handle-message.ts';

const sqsEvent = z.object({
  Records: z.array(z.object({ messageId: z.string(), body: z.string(), attributes: z.object({ ApproximateReceiveCount: z.string().optional() }).optional() })),
});

/** What Lambda hands back to the queue: the messages named here are delivered again, the others are done. */
export interface BatchResponse {
  readonly batchItemFailures: readonly { readonly itemIdentifier: string }[];
}

export interface StartPorts {
  /** Default: Step Functions, with TILEFAN_STATE_MACHINE. */
  readonly executions?: Executions;
  /** Default: the function's log. */
  readonly report?: Report;
}

/** A message that is begun must be ended: with less time than this the rest goes back, rather than the whole batch by a timeout. */
const leastTimeMs = 15_000;

/** Makes the handler for an environment: Lambda's own, or that of a local watch. */
export function createHandler(env: Environment, ports: StartPorts = {}): (event: unknown, context: FunctionContext) => Promise<BatchResponse> {
  let executions = ports.executions;
  const handle = async (event: unknown, context: FunctionContext): Promise<BatchResponse> => {
    const { Records } = parseEvent(sqsEvent, event, 'start');
    const inbox = readInbox(env);
    executions ??= createExecutions(setting(env, 'TILEFAN_STATE_MACHINE'));
    const metrics = await createMetrics(env);
    const store = createStore();
    const failed: string[] = [];
    try {
      for (const { messageId, body, attributes } of Records) {
        const log = await createLogger({ requestId: context.awsRequestId, messageId, delivery: Number(attributes?.ApproximateReceiveCount ?? 1) });
        const report: Report = ports.report ?? ((level, name, fields) => log[level](fields, name));
        if (context.getRemainingTimeInMillis() < leastTimeMs) report('warn', 'Message:Postponed', { reason: 'the function has too little time left' });
        else if (await handleMessage(body, { inbox, store, executions, metrics, report })) continue;
        failed.push(messageId);
      }
    } finally {
      metrics.flush();
      await store.close();
    }
    return { batchItemFailures: failed.map((itemIdentifier) => ({ itemIdentifier })) };
  };
  return middy<unknown, BatchResponse, Error, FunctionContext>().use(reporting('start')).handler(handle);
}

function readInbox(env: Environment): Inbox {
  const ownRoles = (env['TILEFAN_OWN_ROLES'] ?? '').split(',').map((id) => id.trim()).filter((id) => id !== '');
  return { href: folderHref(setting(env, 'TILEFAN_INPUT')), ownRoles: new Set(ownRoles) };
}

function setting(env: Environment, name: string): string {
  const value = env[name];
  if (value === undefined || value === '') throw new OperationError('ENVIRONMENT_MISSING', `${name} is not set; the deployment gives it to the start function`);
  return value;
}

export const handler = createHandler(process.env);
