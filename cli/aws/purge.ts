/**
 * `tilefan purge`: what a removed stack leaves behind and what goes on costing money, or is in the way. It looks for names that only this stage's
 * stack gives, never for existing resources that were given to it by parameter.
 */
import type { CloudFormationClient } from '@aws-sdk/client-cloudformation';
import type { CloudWatchLogsClient } from '@aws-sdk/client-cloudwatch-logs';
import type { ECRClient } from '@aws-sdk/client-ecr';
import type { ECSClient } from '@aws-sdk/client-ecs';
import type { S3Client } from '@aws-sdk/client-s3';
import { JobError, messageOf } from '../../lib/base/errors.ts';
import type { Streams } from '../streams.ts';
import { countText } from '../text.ts';
import { awsError } from './aws-errors.ts';
import { deploymentName } from './find-pipeline.ts';
import { findStack } from './find-stack.ts';
import { leftoverBuckets } from './leftover-buckets.ts';
import { leftoverLogs } from './leftover-logs.ts';
import { leftoverRepository } from './leftover-repository.ts';
import { leftoverTaskDefinitions } from './leftover-task-definitions.ts';
import type { Leftover } from './leftover.ts';

export interface PurgeOptions {
  readonly stage: string;
  /** Don't ask. */
  readonly yes?: boolean;
  /** Only list. */
  readonly dryRun?: boolean;
}

export interface PurgeContext {
  readonly cloudFormation: CloudFormationClient;
  readonly s3: S3Client;
  readonly ecr: ECRClient;
  readonly ecs: ECSClient;
  readonly logs: CloudWatchLogsClient;
  readonly streams: Streams;
  /** Asks at the terminal; undefined where there is none. */
  readonly ask: ((question: string) => Promise<string>) | undefined;
}

/** Something couldn't be removed (sysexits.h EX_CANTCREAT, as for all that can't be written). */
const incompleteExitCode = 73;
const usageExitCode = 64;

/** @throws JobError STACK_EXISTS */
export async function purge({ stage, yes = false, dryRun = false }: PurgeOptions, context: PurgeContext): Promise<number> {
  const { cloudFormation, streams, ask } = context;
  const name = deploymentName(stage);
  const stack = await findStack(cloudFormation, name);
  if (stack !== undefined) {
    throw new JobError('STACK_EXISTS', `The stack ${name} is still there (${stack.StackStatus ?? 'unknown'}): remove it first, with "npx sls remove --stage ${stage}"`);
  }
  const { found, problems } = await find(stage, name, context);
  for (const problem of problems) streams.stderr.write(`tilefan: ${problem}\n`);
  if (found.length === 0) {
    const region = await cloudFormation.config.region();
    streams.stdout.write(`${name} has left nothing behind in ${region}${problems.length === 0 ? '' : ' of what could be looked for'}\n`);
    return problems.length === 0 ? 0 : incompleteExitCode;
  }
  const width = Math.max(...found.map(({ kind }) => kind.length));
  streams.stderr.write(`left by ${name} in ${await cloudFormation.config.region()}:\n`);
  for (const { kind, name: each, detail } of found) streams.stdout.write(`${kind.padEnd(width)}  ${each}  (${detail})\n`);
  if (dryRun) return problems.length === 0 ? 0 : incompleteExitCode;
  if (!yes) {
    if (ask === undefined) {
      streams.stderr.write('tilefan: nothing has been removed: --yes removes all of this for good\n');
      return usageExitCode;
    }
    const answer = await ask(`This is removed for good, with all that is in it. Type ${name} to go on: `);
    if (answer.trim() !== name) {
      streams.stderr.write('tilefan: nothing has been removed\n');
      return usageExitCode;
    }
  }
  const failed = await removeAll(found, streams);
  streams.stdout.write(`${countText(found.length - failed, 'thing')} removed${failed === 0 ? '' : `, ${String(failed)} not`}\n`);
  return failed + problems.length === 0 ? 0 : incompleteExitCode;
}

/** What one service refuses to list doesn't keep the others from being looked at. */
async function find(stage: string, name: string, { s3, ecr, ecs, logs }: PurgeContext): Promise<{ readonly found: Leftover[]; readonly problems: string[] }> {
  const searches: readonly [string, () => Promise<Leftover[]>][] = [
    ['buckets', () => leftoverBuckets(s3, name)],
    ['the repository', () => leftoverRepository(ecr, name)],
    ['task definitions', () => leftoverTaskDefinitions(ecs, name)],
    ['log groups', () => leftoverLogs(logs, stage, name)],
  ];
  const found: Leftover[] = [];
  const problems: string[] = [];
  for (const [what, search] of searches) {
    try {
      found.push(...(await search()));
    } catch (error) {
      problems.push(messageOf(awsError(error, `Cannot look for ${what}`)));
    }
  }
  return { found, problems };
}

/** @returns how many couldn't be removed */
async function removeAll(found: readonly Leftover[], { stderr }: Streams): Promise<number> {
  let failed = 0;
  for (const { kind, name, remove } of found) {
    try {
      await remove();
      stderr.write(`removed ${kind} ${name}\n`);
    } catch (error) {
      failed++;
      stderr.write(`tilefan: ${messageOf(awsError(error, `Cannot remove ${kind} ${name}`))}\n`);
    }
  }
  return failed;
}
