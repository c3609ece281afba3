/** The batches of an execution: the counts of its latest Map Run, and those that failed. */
import {
  DescribeExecutionCommand,
  DescribeMapRunCommand,
  ListExecutionsCommand,
  ListMapRunsCommand,
  type DescribeMapRunOutput,
  type ExecutionListItem,
  type ListExecutionsCommandOutput,
  type MapRunListItem,
  type SFNClient,
} from '@aws-sdk/client-sfn';
import * as z from 'zod';

export interface BatchCounts {
  readonly total: number;
  readonly succeeded: number;
  readonly running: number;
  /** Failed, timed out or aborted. */
  readonly failed: number;
  readonly pending: number;
}

export interface MapRun {
  readonly arn: string;
  readonly status: string;
  readonly counts: BatchCounts;
}

/** Undefined while the execution hasn't come to its Map. An overview pass is a Map Run of its own. */
export async function latestMapRun(sfn: SFNClient, executionArn: string): Promise<MapRun | undefined> {
  let latest: MapRunListItem | undefined;
  let nextToken: string | undefined;
  do {
    const page = await sfn.send(new ListMapRunsCommand({ executionArn, ...(nextToken === undefined ? {} : { nextToken }) }));
    for (const item of page.mapRuns ?? []) {
      if (latest === undefined || (item.startDate?.getTime() ?? 0) > (latest.startDate?.getTime() ?? 0)) latest = item;
    }
    nextToken = page.nextToken;
  } while (nextToken !== undefined);
  const arn = latest?.mapRunArn;
  if (arn === undefined) return undefined;
  const described = await sfn.send(new DescribeMapRunCommand({ mapRunArn: arn }));
  return { arn, status: described.status ?? 'UNKNOWN', counts: countsOf(described) };
}

function countsOf({ itemCounts }: DescribeMapRunOutput): BatchCounts {
  const { total = 0, succeeded = 0, running = 0, failed = 0, timedOut = 0, aborted = 0, pending = 0, pendingRedrive = 0 } = itemCounts ?? {};
  return { total, succeeded, running, failed: failed + timedOut + aborted, pending: pending + pendingRedrive };
}

export interface FailedBatch {
  /** Undefined when the child's input can't be read. */
  readonly batch: number | undefined;
  readonly error: string;
  readonly cause: string;
  readonly execution: string;
}

const childInput = z.looseObject({ batch: z.looseObject({ batch: z.int() }) });
const lambdaError = z.looseObject({ errorMessage: z.string() });

/** What a function has thrown: Lambda reports it as JSON, of which only the message is for people. */
export function readCause(cause: string | undefined): string {
  try {
    const parsed = lambdaError.safeParse(JSON.parse(cause ?? ''));
    if (parsed.success) return parsed.data.errorMessage;
  } catch {
    // Plain text already.
  }
  return cause ?? 'no cause is given';
}

/** Executions that a page can have at most (ListExecutions). */
const largestPage = 1000;

async function* failedChildren(sfn: SFNClient, mapRunArn: string): AsyncGenerator<ExecutionListItem[], void, undefined> {
  let nextToken: string | undefined;
  do {
    const page: ListExecutionsCommandOutput = await sfn.send(
      new ListExecutionsCommand({ mapRunArn, statusFilter: 'FAILED', maxResults: largestPage, ...(nextToken === undefined ? {} : { nextToken }) }),
    );
    yield page.executions ?? [];
    nextToken = page.nextToken;
  } while (nextToken !== undefined);
}

async function describeChild(sfn: SFNClient, executionArn: string): Promise<FailedBatch> {
  const { input, error, cause } = await sfn.send(new DescribeExecutionCommand({ executionArn }));
  let batch: number | undefined;
  try {
    const parsed = childInput.safeParse(JSON.parse(input ?? ''));
    if (parsed.success) batch = parsed.data.batch.batch;
  } catch {
    // Then the cause names the batch.
  }
  return { batch, error: error ?? 'States.TaskFailed', cause: readCause(cause), execution: executionArn };
}

/** The batches that failed first, in the order of their failing; `limit` of them at most. */
export async function failedBatches(sfn: SFNClient, mapRunArn: string, limit: number): Promise<FailedBatch[]> {
  const items: ExecutionListItem[] = [];
  for await (const page of failedChildren(sfn, mapRunArn)) items.push(...page);
  const firsts = items.toSorted((a, b) => (a.stopDate?.getTime() ?? Infinity) - (b.stopDate?.getTime() ?? Infinity)).slice(0, limit);
  const found: FailedBatch[] = [];
  for (const { executionArn } of firsts) if (executionArn !== undefined) found.push(await describeChild(sfn, executionArn));
  return found;
}

/** The failed child execution of one batch; each has to be looked at, since their names say nothing. */
export async function failureOfBatch(sfn: SFNClient, mapRunArn: string, batch: number): Promise<FailedBatch | undefined> {
  for await (const page of failedChildren(sfn, mapRunArn)) {
    for (const { executionArn } of page) {
      if (executionArn === undefined) continue;
      const child = await describeChild(sfn, executionArn);
      if (child.batch === batch) return child;
    }
  }
  return undefined;
}
