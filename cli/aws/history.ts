/** What an execution's history tells: the run prefix out of what Split handed on, and which function failed. */
import { GetExecutionHistoryCommand, type GetExecutionHistoryCommandOutput, type HistoryEvent, type SFNClient } from '@aws-sdk/client-sfn';
import * as z from 'zod';
import type { Execution } from './executions.ts';
import { readCause } from './map-run.ts';

async function* historyOf(sfn: SFNClient, executionArn: string): AsyncGenerator<HistoryEvent, void, undefined> {
  let nextToken: string | undefined;
  do {
    const page: GetExecutionHistoryCommandOutput = await sfn.send(
      new GetExecutionHistoryCommand({ executionArn, maxResults: 1000, ...(nextToken === undefined ? {} : { nextToken }) }),
    );
    yield* page.events ?? [];
    nextToken = page.nextToken;
  } while (nextToken !== undefined);
}

const withRun = z.looseObject({ run: z.looseObject({ href: z.string() }) });

function hrefIn(output: string | undefined): string | undefined {
  try {
    return withRun.parse(JSON.parse(output ?? '')).run.href;
  } catch {
    return undefined;
  }
}

/** The run prefix, an href that ends in `/`; undefined when Split hasn't come to its end. */
export async function runPrefixOf(sfn: SFNClient, { executionArn, output }: Execution): Promise<string | undefined> {
  const handedOut = hrefIn(output);
  if (handedOut !== undefined || executionArn === undefined) return handedOut;
  for await (const { stateExitedEventDetails: exited } of historyOf(sfn, executionArn)) {
    if (exited?.name === 'Split') return hrefIn(exited.output);
  }
  return undefined;
}

export interface FunctionFailure {
  /** Name of the state: Split or Reduce. */
  readonly state: string;
  readonly error: string;
  readonly cause: string;
  readonly at: Date | undefined;
}

/** The last failure of a function that the execution itself called. */
export async function lastFunctionFailure(sfn: SFNClient, executionArn: string): Promise<FunctionFailure | undefined> {
  let state = '';
  let failure: FunctionFailure | undefined;
  for await (const { timestamp, stateEnteredEventDetails: entered, taskFailedEventDetails: failed, taskTimedOutEventDetails: timedOut } of historyOf(sfn, executionArn)) {
    if (entered?.name !== undefined) state = entered.name;
    const details = failed ?? timedOut;
    if (details !== undefined) failure = { state, error: details.error ?? 'States.TaskFailed', cause: readCause(details.cause), at: timestamp };
  }
  return failure;
}
