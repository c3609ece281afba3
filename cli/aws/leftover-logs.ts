/** Log groups: a function, the state machine or the cluster that writes its last line late makes its group again. */
import { DeleteLogGroupCommand, DescribeLogGroupsCommand, ResourceNotFoundException, type CloudWatchLogsClient, type DescribeLogGroupsCommandOutput } from '@aws-sdk/client-cloudwatch-logs';
import { bytesText } from '../text.ts';
import type { Leftover } from './leftover.ts';

/** By name and not by what names begin with: `tilefan-dev-` begins those of a stage `dev-2` too. */
const functions = ['start', 'split', 'reduce', 'fail-batch', 'tidy'];

interface Pattern {
  readonly prefix: string;
  readonly matches: (group: string) => boolean;
}

function patternsOf(stage: string, name: string): Pattern[] {
  const lambda = `/aws/lambda/${name}-`;
  const states = `/aws/vendedlogs/states/${name}`;
  return [
    { prefix: `/tilefan/${stage}/`, matches: () => true },
    { prefix: lambda, matches: (group) => functions.includes(group.slice(lambda.length)) },
    { prefix: states, matches: (group) => group === states },
    { prefix: `/aws/ecs/containerinsights/${name}/`, matches: () => true },
  ];
}

/** Whether a stack of this stage, or what it runs, writes to a log group of this name. */
export function isOwnLogGroup(group: string, stage: string, name: string): boolean {
  return patternsOf(stage, name).some(({ prefix, matches }) => group.startsWith(prefix) && matches(group));
}

export async function leftoverLogs(logs: CloudWatchLogsClient, stage: string, name: string): Promise<Leftover[]> {
  const leftovers: Leftover[] = [];
  for (const { prefix } of patternsOf(stage, name)) {
    let nextToken: string | undefined;
    do {
      const page: DescribeLogGroupsCommandOutput = await logs.send(new DescribeLogGroupsCommand({ logGroupNamePrefix: prefix, ...(nextToken === undefined ? {} : { nextToken }) }));
      for (const { logGroupName = '', storedBytes = 0 } of page.logGroups ?? []) {
        if (isOwnLogGroup(logGroupName, stage, name)) leftovers.push({ kind: 'log group', name: logGroupName, detail: bytesText(storedBytes), remove: () => removeGroup(logs, logGroupName) });
      }
      nextToken = page.nextToken;
    } while (nextToken !== undefined);
  }
  return leftovers;
}

async function removeGroup(logs: CloudWatchLogsClient, logGroupName: string): Promise<void> {
  try {
    await logs.send(new DeleteLogGroupCommand({ logGroupName }));
  } catch (error) {
    if (!(error instanceof ResourceNotFoundException)) throw error;
  }
}
