/** The AWS clients of the commands, each made and loaded when it is needed: the standard environment, profiles, and the SDK's retries. */
import type { CloudFormationClient } from '@aws-sdk/client-cloudformation';
import type { CloudWatchLogsClient } from '@aws-sdk/client-cloudwatch-logs';
import type { ECRClient } from '@aws-sdk/client-ecr';
import type { ECSClient } from '@aws-sdk/client-ecs';
import type { S3Client } from '@aws-sdk/client-s3';
import type { SFNClient } from '@aws-sdk/client-sfn';
import { InputUnavailableError } from '../../lib/base/errors.ts';

/** Throttled requests are repeated with back-off; a person who waits at a terminal has some patience. */
const maxAttempts = 6;

interface Regional {
  readonly config: { readonly region: () => Promise<string> };
}

/** @throws InputUnavailableError AWS_NO_REGION when neither option, environment nor profile names one */
async function inRegion<Client extends Regional>(client: Client): Promise<Client> {
  try {
    await client.config.region();
  } catch (cause) {
    throw new InputUnavailableError('AWS_NO_REGION', 'No AWS region is known: give --region, or set AWS_REGION or a profile that has one', { cause });
  }
  return client;
}

function options(region?: string): { maxAttempts?: number; region?: string } {
  return { ...(process.env['AWS_MAX_ATTEMPTS'] === undefined ? { maxAttempts } : {}), ...(region === undefined ? {} : { region }) };
}

export async function sfnClient(): Promise<SFNClient> {
  const { SFNClient } = await import('@aws-sdk/client-sfn');
  return await inRegion(new SFNClient(options()));
}

/** @param region of the log, where it is another than that of the session */
export async function logsClient(region?: string): Promise<CloudWatchLogsClient> {
  const { CloudWatchLogsClient } = await import('@aws-sdk/client-cloudwatch-logs');
  return await inRegion(new CloudWatchLogsClient(options(region)));
}

export async function ecrClient(): Promise<ECRClient> {
  const { ECRClient } = await import('@aws-sdk/client-ecr');
  return await inRegion(new ECRClient(options()));
}

export async function ecsClient(): Promise<ECSClient> {
  const { ECSClient } = await import('@aws-sdk/client-ecs');
  return await inRegion(new ECSClient(options()));
}

export async function cloudFormationClient(): Promise<CloudFormationClient> {
  const { CloudFormationClient } = await import('@aws-sdk/client-cloudformation');
  return await inRegion(new CloudFormationClient(options()));
}

/** For what the store can't do: versions, notifications, whole buckets. */
export async function s3Client(): Promise<S3Client> {
  const { createS3Client } = await import('../../lib/store/s3-client.ts');
  return await inRegion(createS3Client());
}
