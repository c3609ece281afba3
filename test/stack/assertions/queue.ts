/** The queue of uploads, its dead letters, who may send, and the function that it feeds. */
import { at, breaking, list, type Assertion, type StackView } from './assertion.ts';
import type { Json } from '../../../local/engine.ts';
import { account } from '../../support/iam-template-values.ts';
import type { JsonObject } from '../../support/packaged-stack.ts';
import { statementsOf } from '../../support/template-roles.ts';
import { deniesPlainHttp } from './storage.ts';

const queue = 'AWS::SQS::Queue';
const mapping = 'AWS::Lambda::EventSourceMapping';

/** The policy statements of a queue, over all policies that name it. */
function policiesOf(stack: StackView, id: string): readonly JsonObject[] {
  const url = stack.resolve({ Ref: id });
  return stack.all('AWS::SQS::QueuePolicy').filter(([, { Queues }]) => list(Queues).includes(url ?? '')).map(([, { PolicyDocument }]) => PolicyDocument as JsonObject);
}

function arnOf(stack: StackView, id: string): string {
  return stack.resolve({ 'Fn::GetAtt': [id, 'Arn'] }) as string;
}

/** Queues that feed a function, with both. */
function feeding(stack: StackView): { readonly id: string; readonly queue: JsonObject; readonly fn: JsonObject; readonly mapping: JsonObject }[] {
  return stack.all(mapping).map(([id, properties]) => {
    const [queueId, found] = stack.all(queue).find(([each]) => arnOf(stack, each) === properties['EventSourceArn']) ?? [];
    const [, fn] = stack.all('AWS::Lambda::Function').find(([each]) => [arnOf(stack, each), stack.resolve({ Ref: each })].includes(properties['FunctionName'] as string)) ?? [];
    if (queueId === undefined || found === undefined || fn === undefined) throw new Error(`${id} feeds a function of the stack from a queue of the stack: ${JSON.stringify(properties)}`);
    return { id: queueId, queue: found, fn, mapping: properties };
  });
}

const isDead = (stack: StackView, id: string): boolean => stack.all(queue).some(([, properties]) => redrive(properties)['deadLetterTargetArn'] === arnOf(stack, id));

function redrive(properties: JsonObject): JsonObject {
  const policy = properties['RedrivePolicy'] ?? {};
  return (typeof policy === 'string' ? JSON.parse(policy) : policy) as JsonObject;
}

export const queues: readonly Assertion[] = [
  {
    holds: 'every queue is encrypted',
    problems: (stack) => stack.all(queue).filter(([, properties]) => properties['SqsManagedSseEnabled'] !== true && typeof properties['KmsMasterKeyId'] !== 'string').map(([id]) => `${id} is not encrypted`),
    mistakes: [breaking(queue, (properties) => {
      delete properties['SqsManagedSseEnabled'];
      delete properties['KmsMasterKeyId'];
    })],
  },
  {
    holds: 'every queue refuses requests without TLS',
    problems: (stack) => stack.all(queue).filter(([id]) => !policiesOf(stack, id).some((document) => deniesPlainHttp(document, 'sqs:*', [arnOf(stack, id)]))).map(([id]) => `${id} takes requests without TLS`),
    mistakes: [breaking('AWS::SQS::QueuePolicy', (properties) => Object.assign(properties, { Queues: [] }))],
  },
  {
    holds: 'only S3, for the input bucket of this account, or the rule of the stack, may send, besides roles of the account',
    problems: (stack) => stack.all(queue).flatMap(([id]) => policiesOf(stack, id).flatMap((document) => statementsOf(document)).filter(({ Effect }) => Effect === 'Allow').flatMap(({ Sid, Principal, Action, Condition }) => {
      const source = at(Condition, 'ArnEquals', 'aws:SourceArn');
      const fromBucket = at(Principal, 'Service') === 's3.amazonaws.com' && String(source).startsWith('arn:aws:s3:::') && at(Condition, 'StringEquals', 'aws:SourceAccount') === account;
      // A rule's ARN has the account in it.
      const fromRule = at(Principal, 'Service') === 'events.amazonaws.com' && stack.all('AWS::Events::Rule').some(([rule]) => stack.resolve({ 'Fn::GetAtt': [rule, 'Arn'] }) === source);
      return [
        ...(fromBucket || fromRule ? [] : [`${id}: ${String(Sid)} lets ${JSON.stringify(Principal)} in under ${JSON.stringify(Condition ?? null)}`]),
        ...(list(Action).join() === 'sqs:SendMessage' ? [] : [`${id}: ${String(Sid)} allows ${list(Action).join()}`]),
      ];
    })),
    mistakes: [breaking('AWS::SQS::QueuePolicy', (properties) => {
      for (const statement of list(at(properties, 'PolicyDocument', 'Statement'))) if (at(statement, 'Effect') === 'Allow') delete (statement as Record<string, unknown>)['Condition'];
    }, (_, properties) => JSON.stringify(properties).includes('"Allow"'))],
  },
  {
    holds: 'a message stays hidden for six times as long as its function may run, as Lambda asks for',
    problems: (stack) => feeding(stack).filter(({ queue: { VisibilityTimeout }, fn: { Timeout } }) => Number(VisibilityTimeout ?? 30) < 6 * Number(Timeout ?? 3)).map(({ id, queue: { VisibilityTimeout }, fn: { Timeout } }) => `${id} hides for ${String(VisibilityTimeout)} s what takes up to ${String(Timeout)} s`),
    mistakes: [breaking(queue, (properties) => Object.assign(properties, { VisibilityTimeout: 60 }), (_, properties) => 'RedrivePolicy' in properties)],
  },
  {
    holds: 'a message that fails again and again ends in a queue of dead letters, which keeps it for two weeks, and which only that queue fills',
    problems: (stack) => [
      ...feeding(stack).flatMap(({ id, queue: properties }) => {
        const { deadLetterTargetArn, maxReceiveCount } = redrive(properties);
        // Fewer than five lose messages to throttling (dg/services-sqs-configure.html); many more hide poison for long.
        const fair = Number(maxReceiveCount) >= 3 && Number(maxReceiveCount) <= 10;
        return [
          ...(stack.all(queue).some(([dead]) => arnOf(stack, dead) === deadLetterTargetArn) ? [] : [`${id} has no dead letters`]),
          ...(fair ? [] : [`${id} gives a message ${String(maxReceiveCount)} chances`]),
        ];
      }),
      ...stack.all(queue).filter(([id]) => isDead(stack, id)).flatMap(([id, { MessageRetentionPeriod, RedriveAllowPolicy }]) => [
        ...(Number(MessageRetentionPeriod) >= 1_209_600 ? [] : [`${id} forgets after ${String(MessageRetentionPeriod)} s`]),
        ...(at(RedriveAllowPolicy, 'redrivePermission') === 'byQueue' ? [] : [`any queue may use ${id} for its dead letters`]),
      ]),
    ],
    mistakes: [
      breaking(queue, (properties) => delete properties['RedrivePolicy'], (_, properties) => 'RedrivePolicy' in properties),
      breaking(queue, (properties) => Object.assign(properties, { MessageRetentionPeriod: 345_600 }), (_, properties) => !('RedrivePolicy' in properties)),
    ],
  },
  {
    holds: 'one bad message does not repeat the others of its batch',
    problems: (stack) => {
      const mappings = stack.all(mapping);
      const bad = mappings.filter(([, { FunctionResponseTypes }]) => !list(FunctionResponseTypes).includes('ReportBatchItemFailures')).map(([id]) => `${id} repeats whole batches`);
      return mappings.length === 0 ? ['no queue feeds a function'] : bad;
    },
    mistakes: [breaking(mapping, (properties) => delete properties['FunctionResponseTypes'])],
  },
  {
    holds: 'the input bucket tells the queue of every new job under jobs/ and every new object under incoming/, and of nothing else',
    problems: (stack) => stack.all('AWS::S3::Bucket').filter(([id]) => id.startsWith('Input')).flatMap(([id, properties]) => {
      const told = list(at(properties, 'NotificationConfiguration', 'QueueConfigurations')).map((each) => {
        const filter = list(at(each, 'Filter', 'S3Key', 'Rules')).map((rule) => `${String(at(rule, 'Name')).toLowerCase()}=${String(at(rule, 'Value'))}`).join();
        return `${String(at(each, 'Event'))} ${filter}`;
      }).toSorted();
      const wanted = ['s3:ObjectCreated:* prefix=incoming/', 's3:ObjectCreated:* prefix=jobs/,suffix=.json'];
      return told.join('; ') === wanted.join('; ') ? [] : [`${id} tells of: ${told.join('; ')}`];
    }),
    mistakes: [breaking('AWS::S3::Bucket', (properties) => delete properties['NotificationConfiguration'], (id) => id.startsWith('Input'))],
  },
  {
    holds: 'a rule for an existing input bucket tells the queue of the same, of that bucket only',
    problems: (stack) => stack.all('AWS::Events::Rule').filter(([, properties]) => 'EventPattern' in properties).flatMap(([id, { EventPattern, Targets }]) => {
      const bucket = stack.resolve(at(stack.template as unknown as Json, 'Outputs', 'InputBucket', 'Value'));
      const told = list(at(EventPattern, 'detail', 'object', 'key')).map((key) => String(at(key, 'prefix'))).toSorted().join();
      return [
        ...(list(at(EventPattern, 'detail', 'bucket', 'name')).join() === bucket ? [] : [`${id} listens to ${list(at(EventPattern, 'detail', 'bucket', 'name')).join()}`]),
        ...(list(at(EventPattern, 'source')).join() === 'aws.s3' && list(at(EventPattern, 'detail-type')).join() === 'Object Created' && told === 'incoming/,jobs/' ? [] : [`${id} tells of ${JSON.stringify(EventPattern)}`]),
        ...(list(Targets).every((target) => stack.all(queue).some(([each]) => arnOf(stack, each) === at(target, 'Arn'))) ? [] : [`${id} tells somebody else`]),
      ];
    }),
    mistakes: [breaking('AWS::Events::Rule', (properties) => delete (at(properties, 'EventPattern', 'detail') as Record<string, unknown>)['bucket'], (_, properties) => 'EventPattern' in properties)],
  },
];
