/**
 * `tilefan attach`: lets an existing bucket tell the stack of uploads. A stack owns the notifications of the buckets that it makes; those of another bucket
 * are one document, which S3 only replaces as a whole, so what others have put there is read first and put back as it was.
 */
import { isDeepStrictEqual } from 'node:util';
import type { CloudFormationClient } from '@aws-sdk/client-cloudformation';
import {
  GetBucketNotificationConfigurationCommand,
  PutBucketNotificationConfigurationCommand,
  type NotificationConfiguration,
  type NotificationConfigurationFilter,
  type QueueConfiguration,
  type S3Client,
} from '@aws-sdk/client-s3';
import { InputUnavailableError, JobError, OutputError } from '../../lib/base/errors.ts';
import { s3FaultOf } from '../../lib/store/s3-errors.ts';
import type { Streams } from '../streams.ts';
import { countText } from '../text.ts';
import { deploymentName } from './find-pipeline.ts';
import { findStack, outputOf } from './find-stack.ts';

export interface AttachOptions {
  readonly stage: string;
  /** Default: the input bucket of the stack. */
  readonly bucket?: string | undefined;
  readonly detach?: boolean;
}

export interface AttachContext {
  readonly cloudFormation: CloudFormationClient;
  readonly s3: S3Client;
  readonly streams: Streams;
}

/** @throws InputUnavailableError STACK_NOT_FOUND, STACK_OUTPUT_MISSING; JobError ATTACH_OTHER_BUCKET; OutputError NOTIFICATION_REFUSED */
export async function attach({ stage, bucket: named, detach = false }: AttachOptions, { cloudFormation, s3, streams }: AttachContext): Promise<number> {
  const name = deploymentName(stage);
  const bucket = named ?? (await inputBucketOf(cloudFormation, name));
  // A bucket that an earlier stack of this stage has made and left has notifications of other ids to the same queue.
  const ids = [`${name}-jobs`, `${name}-incoming`];
  const queue = detach ? undefined : await uploadQueue(cloudFormation, name, bucket);
  const { $metadata: _metadata, ...before } = await s3.send(new GetBucketNotificationConfigurationCommand({ Bucket: bucket }));
  const isOurs = ({ Id = '', QueueArn = '' }: QueueConfiguration): boolean => ids.includes(Id) || QueueArn.endsWith(`:${name}-uploads`);
  const others = (before.QueueConfigurations ?? []).filter((each) => !isOurs(each));
  const ours = (before.QueueConfigurations ?? []).filter((each) => isOurs(each));
  const wanted = queue === undefined ? [] : notifications(name, queue);
  if (sameConfigurations(ours, wanted)) {
    streams.stdout.write(`s3://${bucket} is ${detach ? 'not attached to' : 'attached already to'} ${name}: nothing to do\n`);
    return 0;
  }
  const configuration: NotificationConfiguration = { ...before, QueueConfigurations: [...others, ...wanted] };
  try {
    await s3.send(new PutBucketNotificationConfigurationCommand({ Bucket: bucket, NotificationConfiguration: configuration }));
  } catch (error) {
    throw refused(error, bucket, { ...before, QueueConfigurations: others });
  }
  const kept = othersOf({ ...before, QueueConfigurations: others }).length + (before.EventBridgeConfiguration === undefined ? 0 : 1);
  streams.stdout.write(
    detach
      ? `s3://${bucket} is no longer attached to ${name}`
      : `s3://${bucket} is attached to ${name}: objects under jobs/ that end in .json, and those under incoming/, start runs`,
  );
  streams.stdout.write(kept === 0 ? '\n' : `; ${countText(kept, 'notification')} of others stay\n`);
  return 0;
}

/** @throws InputUnavailableError STACK_NOT_FOUND, STACK_OUTPUT_MISSING */
async function inputBucketOf(client: CloudFormationClient, name: string): Promise<string> {
  const stack = await findStack(client, name);
  if (stack === undefined) throw new InputUnavailableError('STACK_NOT_FOUND', `There is no stack ${name} in ${await client.config.region()}: deploy it first, or name the bucket with --bucket`);
  const bucket = outputOf(stack, 'InputBucket');
  if (bucket === undefined) throw new InputUnavailableError('STACK_OUTPUT_MISSING', `The stack ${name} has no output InputBucket: deploy it again with this version`);
  return bucket;
}

async function uploadQueue(client: CloudFormationClient, name: string, bucket: string): Promise<string> {
  const stack = await findStack(client, name);
  if (stack === undefined) throw new InputUnavailableError('STACK_NOT_FOUND', `There is no stack ${name} in ${await client.config.region()}: deploy it first`);
  const queue = outputOf(stack, 'UploadQueueArn');
  if (queue === undefined) throw new InputUnavailableError('STACK_OUTPUT_MISSING', `The stack ${name} has no output UploadQueueArn: deploy it again with this version`);
  const own = outputOf(stack, 'InputBucket');
  if (own !== bucket) {
    throw new JobError('ATTACH_OTHER_BUCKET', `The stack ${name} takes uploads from ${own ?? 'no bucket'}, not from ${bucket}: deploy it with the parameter inputBucket=${bucket} first`);
  }
  return queue;
}

function notifications(name: string, queue: string): QueueConfiguration[] {
  const filter = (prefix: string, suffix?: string): NotificationConfigurationFilter => ({
    Key: { FilterRules: [{ Name: 'prefix', Value: prefix }, ...(suffix === undefined ? [] : [{ Name: 'suffix' as const, Value: suffix }])] },
  });
  return [
    { Id: `${name}-jobs`, QueueArn: queue, Events: ['s3:ObjectCreated:*'], Filter: filter('jobs/', '.json') },
    { Id: `${name}-incoming`, QueueArn: queue, Events: ['s3:ObjectCreated:*'], Filter: filter('incoming/') },
  ];
}

/** S3 gives filter names back as `Prefix` and `Suffix`, and lists in an order of its own. */
function sameConfigurations(a: readonly QueueConfiguration[], b: readonly QueueConfiguration[]): boolean {
  const normal = (all: readonly QueueConfiguration[]): unknown =>
    all
      .map(({ Id = '', QueueArn, Events = [], Filter }) => ({ id: Id, queue: QueueArn, events: Events.toSorted(), rules: rulesText(Filter) }))
      .toSorted((one, other) => one.id.localeCompare(other.id));
  return isDeepStrictEqual(normal(a), normal(b));
}

function rulesText(filter: NotificationConfigurationFilter | undefined): string {
  const rules = (filter?.Key?.FilterRules ?? []).map(({ Name = '', Value = '' }) => `${Name.toLowerCase()} ${Value}`).toSorted();
  return rules.length === 0 ? 'all objects' : rules.join(', ');
}

function othersOf({ QueueConfigurations = [], TopicConfigurations = [], LambdaFunctionConfigurations = [] }: NotificationConfiguration): string[] {
  return [...QueueConfigurations, ...TopicConfigurations, ...LambdaFunctionConfigurations].map(({ Id = 'without an id', Events = [], Filter }) => `${Id} (${Events.join(', ')}; ${rulesText(Filter)})`);
}

/** S3 says InvalidArgument both for notifications that overlap and for a queue that it may not send to. */
function refused(error: unknown, bucket: string, foreign: NotificationConfiguration): unknown {
  const fault = s3FaultOf(error);
  if (fault.name !== 'InvalidArgument') return error;
  const others = othersOf(foreign);
  const listed = others.length === 0 ? '' : `; notifications of others there, which must not cover the same objects: ${others.join('; ')}`;
  return new OutputError('NOTIFICATION_REFUSED', `S3 refuses the notifications of ${bucket}: ${fault.message}${listed}`, { cause: error, where: { bucket, others } });
}
