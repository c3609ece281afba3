/** `tilefan ls`: the runs of a stage, the latest first. */
import { ListExecutionsCommand, type ExecutionListItem, type ExecutionStatus, type ListExecutionsCommandOutput } from '@aws-sdk/client-sfn';
import { secondsText } from '../text.ts';
import { nameInArn } from './arn.ts';
import type { RunContext } from './context.ts';
import { findPipeline, type PipelineOptions } from './find-pipeline.ts';
import { momentText } from './run-report.ts';

export interface LsOptions extends PipelineOptions {
  readonly status?: ExecutionStatus;
  readonly limit: number;
  readonly json?: boolean;
}

/** Executions that a page can have at most (ListExecutions). */
const largestPage = 1000;

export async function ls(options: LsOptions, { sfn, streams }: Pick<RunContext, 'sfn' | 'streams'>): Promise<number> {
  const stateMachineArn = await findPipeline(sfn, options);
  const found: ExecutionListItem[] = [];
  let nextToken: string | undefined;
  do {
    const page: ListExecutionsCommandOutput = await sfn.send(
      new ListExecutionsCommand({
        stateMachineArn,
        maxResults: Math.min(largestPage, options.limit - found.length),
        ...(options.status === undefined ? {} : { statusFilter: options.status }),
        ...(nextToken === undefined ? {} : { nextToken }),
      }),
    );
    found.push(...(page.executions ?? []));
    nextToken = page.nextToken;
  } while (nextToken !== undefined && found.length < options.limit);
  const listed = found.slice(0, options.limit);
  if (options.json === true) {
    const rows = listed.map(({ name, status, startDate, stopDate, executionArn }) => ({
      run: name,
      state: status,
      startedAt: startDate?.toISOString() ?? null,
      endedAt: stopDate?.toISOString() ?? null,
      execution: executionArn,
    }));
    streams.stdout.write(rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
    return 0;
  }
  if (listed.length === 0) streams.stderr.write(`${nameInArn(stateMachineArn)} has no ${options.status === undefined ? '' : `${options.status} `}runs\n`);
  const width = Math.max(0, ...listed.map(({ name = '' }) => name.length));
  for (const item of listed) streams.stdout.write(`${rowText(item, width)}\n`);
  return 0;
}

function rowText({ name = '', status, startDate, stopDate }: ExecutionListItem, width: number): string {
  const seconds = startDate === undefined ? 0 : ((stopDate ?? new Date()).getTime() - startDate.getTime()) / 1000;
  return `${name.padEnd(width)}  ${(status ?? 'UNKNOWN').padEnd(9)}  ${momentText(startDate)}  ${secondsText(seconds)}`;
}
