/** What the functions share: events parsed at the edge, errors reported by class, one log line at the start and at the end. */
import type { MiddlewareObj } from '@middy/core';
import type * as z from 'zod';
import { describeError, OperationError, restoreError, TilefanError } from '../lib/base/errors.ts';
import { createLogger } from '../lib/base/log.ts';
import { checkSchema, problemsLine } from '../lib/base/schema-problems.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

/** The part of Lambda's context that the functions read; a local run gives the same. */
export interface FunctionContext {
  readonly awsRequestId: string;
  getRemainingTimeInMillis(): number;
}

/** Step Functions cuts a cause at 32,768 characters, and what is cut is no JSON any more; room is left for the stack trace. */
const longestMessage = 16_000;

/** Parses an event. A wrong one is a defect or a mix of versions, not the user's fault. @throws OperationError EVENT_INVALID */
export function parseEvent<T extends z.ZodType>(schema: T, event: unknown, name: string): z.output<T> {
  const checked = checkSchema(schema, event);
  if (checked.success) return checked.data;
  throw new OperationError('EVENT_INVALID', `The event of ${name} is not what it should be: ${problemsLine(checked.problems, 'the event')}`, { cause: checked.cause });
}

/**
 * Logs how a call goes, and lets only errors of the tree out: Lambda reports the class name as `errorType`, which is what Retry and
 * Catch of the state machine go by.
 */
export function reporting(name: string): MiddlewareObj<unknown, unknown, Error, FunctionContext> {
  const noun = `${name.charAt(0).toUpperCase()}${name.slice(1)}`;
  return {
    async before({ context }) {
      const log = await createLogger({ requestId: context.awsRequestId });
      log.info({}, `${noun}:Start`);
    },
    async after({ context }) {
      const log = await createLogger({ requestId: context.awsRequestId });
      log.info({}, `${noun}:Done`);
    },
    async onError(request) {
      const record = describeError(request.error);
      const log = await createLogger({ requestId: request.context.awsRequestId });
      log.error({ error: record }, `${noun}:Failed`);
      const ours = request.error instanceof TilefanError && record.message.length <= longestMessage;
      if (!ours) request.error = restoreError({ ...record, message: shorten(record.message) });
    },
  };
}

function shorten(message: string): string {
  if (message.length <= longestMessage) return message;
  return `${message.slice(0, longestMessage)} … (cut, ${message.length} characters; the log has all)`;
}
