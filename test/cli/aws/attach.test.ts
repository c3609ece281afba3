/** What `attach` makes of a bucket's notifications: its own beside those of others, and only those away again. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CloudFormationClient, DescribeStacksCommand } from '@aws-sdk/client-cloudformation';
import { GetBucketNotificationConfigurationCommand, PutBucketNotificationConfigurationCommand, S3Client, type NotificationConfiguration } from '@aws-sdk/client-s3';
import { mockClient } from 'aws-sdk-client-mock';
import { attach, type AttachOptions } from '../../../cli/aws/attach.ts';
import { Text } from './fake-aws.ts';

const queue = 'arn:aws:sqs:eu-west-1:123456789012:tilefan-dev-uploads';
const credentials = { accessKeyId: 'a', secretAccessKey: 'b' };

const foreign: NotificationConfiguration = {
  TopicConfigurations: [{ Id: 'alarm', TopicArn: 'arn:aws:sns:eu-west-1:123456789012:t', Events: ['s3:ObjectRemoved:*'] }],
  QueueConfigurations: [{ Id: 'thumbnails', QueueArn: 'arn:aws:sqs:eu-west-1:123456789012:other', Events: ['s3:ObjectCreated:Put'], Filter: { Key: { FilterRules: [{ Name: 'prefix', Value: 'photos/' }] } } }],
  LambdaFunctionConfigurations: [{ Id: 'scan', LambdaFunctionArn: 'arn:aws:lambda:eu-west-1:123456789012:function:scan', Events: ['s3:ObjectCreated:*'], Filter: { Key: { FilterRules: [{ Name: 'suffix', Value: '.zip' }] } } }],
  EventBridgeConfiguration: {},
};

const jobs = { Id: 'tilefan-dev-jobs', QueueArn: queue, Events: ['s3:ObjectCreated:*'], Filter: { Key: { FilterRules: [{ Name: 'prefix', Value: 'jobs/' }, { Name: 'suffix', Value: '.json' }] } } };
const incoming = { Id: 'tilefan-dev-incoming', QueueArn: queue, Events: ['s3:ObjectCreated:*'], Filter: { Key: { FilterRules: [{ Name: 'prefix', Value: 'incoming/' }] } } };

interface Attached {
  readonly put: NotificationConfiguration[];
  readonly out: string;
}

async function attached(before: object, options: Partial<AttachOptions> = {}, { stack = true, input = 'data', error }: { readonly stack?: boolean; readonly input?: string; readonly error?: Error } = {}): Promise<Attached> {
  const cloudFormation = new CloudFormationClient({ region: 'eu-west-1', credentials });
  const s3 = new S3Client({ region: 'eu-west-1', credentials });
  const stacks = mockClient(cloudFormation);
  if (stack) {
    const outputs = [{ OutputKey: 'UploadQueueArn', OutputValue: queue }, { OutputKey: 'InputBucket', OutputValue: input }];
    stacks.on(DescribeStacksCommand, { StackName: 'tilefan-dev' }).resolves({ Stacks: [{ StackName: 'tilefan-dev', StackStatus: 'UPDATE_COMPLETE', CreationTime: new Date(), Outputs: outputs }] });
  } else {
    stacks.on(DescribeStacksCommand).rejects(Object.assign(new Error('Stack with id tilefan-dev does not exist'), { name: 'ValidationError', $metadata: { httpStatusCode: 400 } }));
  }
  const objects = mockClient(s3);
  objects.on(GetBucketNotificationConfigurationCommand, { Bucket: 'data' }).resolves({ ...before, $metadata: { httpStatusCode: 200 } });
  if (error === undefined) objects.on(PutBucketNotificationConfigurationCommand).resolves({});
  else objects.on(PutBucketNotificationConfigurationCommand).rejects(error);
  const stdout = new Text();
  assert.equal(await attach({ stage: 'dev', bucket: 'data', ...options }, { cloudFormation, s3, streams: { stdout, stderr: new Text() } }), 0);
  return { put: objects.commandCalls(PutBucketNotificationConfigurationCommand).map(({ args: [{ input: { NotificationConfiguration: put = {} } }] }) => put), out: stdout.text };
}

void describe('attach', () => {
  // Catches: notifications of others that are lost, since S3 replaces the whole document; EventBridge switched off.
  void it('adds its notifications to those of others', async () => {
    const { put, out } = await attached(foreign);
    assert.deepEqual(put, [{ ...foreign, QueueConfigurations: [...(foreign.QueueConfigurations ?? []), jobs, incoming] }]);
    assert.match(out, /s3:\/\/data is attached to tilefan-dev: .*; 4 notifications of others stay\n$/);
    assert.deepEqual((await attached({})).put, [{ QueueConfigurations: [jobs, incoming] }]);
  });

  // Catches: a worked example that has to be told what the stack knows.
  void it('takes the input bucket of the stack when none is named', async () => {
    assert.deepEqual((await attached({}, { bucket: undefined })).put, [{ QueueConfigurations: [jobs, incoming] }]);
  });

  void it('changes nothing that is right, and mends what is not', async () => {
    // As S3 gives them back: other case, other order.
    const returned = [{ ...incoming, Filter: { Key: { FilterRules: [{ Name: 'Prefix', Value: 'incoming/' }] } } }, { ...jobs, Filter: { Key: { FilterRules: [{ Name: 'Suffix', Value: '.json' }, { Name: 'Prefix', Value: 'jobs/' }] } } }];
    const same = await attached({ QueueConfigurations: returned });
    assert.deepEqual(same.put, []);
    assert.match(same.out, /attached already/);
    const old = await attached({ QueueConfigurations: [{ ...jobs, QueueArn: 'arn:aws:sqs:eu-west-1:1:old' }, incoming] });
    assert.deepEqual(old.put, [{ QueueConfigurations: [jobs, incoming] }]);
    // As CloudFormation named them in a bucket that a removed stack has left: they would overlap.
    const left = await attached({ QueueConfigurations: [{ ...jobs, Id: 'ZDk4' }, ...(foreign.QueueConfigurations ?? []), { ...incoming, Id: 'MTIz' }] });
    assert.deepEqual(left.put, [{ QueueConfigurations: [...(foreign.QueueConfigurations ?? []), jobs, incoming] }]);
  });

  void it('takes away only its own', async () => {
    const { put, out } = await attached({ ...foreign, QueueConfigurations: [jobs, ...(foreign.QueueConfigurations ?? []), incoming] }, { detach: true }, { stack: false });
    assert.deepEqual(put, [foreign]);
    assert.match(out, /no longer attached/);
    assert.deepEqual((await attached(foreign, { detach: true })).put, []);
  });

  // Catches: a bucket that sends to a stack which ignores it, and S3's InvalidArgument, which names neither bucket nor rule.
  void it('says why it can not be', async () => {
    await assert.rejects(attached({}, {}, { stack: false }), { code: 'STACK_NOT_FOUND', exitCode: 69 });
    await assert.rejects(attached({}, {}, { input: 'tilefan-dev-input-123456789012-eu-west-1' }), { code: 'ATTACH_OTHER_BUCKET', exitCode: 64, message: /takes uploads from tilefan-dev-input-123456789012-eu-west-1, not from data: deploy it with the parameter inputBucket=data first/ });
    const error = Object.assign(new Error('Configurations overlap. Configurations on the same bucket cannot share a common event type.'), { name: 'InvalidArgument', $metadata: { httpStatusCode: 400 } });
    await assert.rejects(attached(foreign, {}, { error }), { code: 'NOTIFICATION_REFUSED', exitCode: 73, message: /notifications of data: Configurations overlap.*thumbnails \(s3:ObjectCreated:Put; prefix photos\/\); alarm \(s3:ObjectRemoved:\*; all objects\); scan \(s3:ObjectCreated:\*; suffix \.zip\)/ });
  });
});
