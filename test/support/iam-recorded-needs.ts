/** What the roles of the functions and of the worker must allow: from what they asked of AWS in a recorded run, and from what Lambda does for them. */
import type { Json } from '../../local/engine.ts';
import { covers, type Need } from './iam-compare.ts';
import { needsOf, type S3Need } from './iam-s3-actions.ts';
import { account, region } from './iam-template-values.ts';
import type { Recorded } from './recording-run.ts';
import type { Buckets } from './recording-stage.ts';
import type { SdkCall } from './recording-sdk.ts';
import { canonical } from './template-roles.ts';

/** The places that a deployment's parts may go to. */
export interface Places {
  readonly buckets: Buckets;
  /** Name of the deployment, which begins the families of its task definitions. */
  readonly name: string;
  /** Keys of KMS that encrypt buckets; which of them encrypts which is not known of buckets that were there before. */
  readonly keys: readonly string[];
}

/**
 * The patterns under which single objects are granted, the narrowest first. A request beyond them fails the test: then either the code went where it must not, or a
 * place is to be added here, with its reason.
 */
function patternsOf({ buckets: { input, work, output, read, write }, name }: Places): readonly string[] {
  return [
    // Jobs name inputs anywhere in the input bucket; only the start function can do with less.
    `arn:aws:s3:::${input}/templates/*`,
    `arn:aws:s3:::${input}/*`,
    // All that a run removes of its own; runs have any id.
    `arn:aws:s3:::${work}/runs/*/pyramids/*`,
    // A run keeps to its prefix.
    `arn:aws:s3:::${work}/runs/*`,
    // Jobs name outputs anywhere in the output bucket, and both in the further ones.
    `arn:aws:s3:::${output}/*`,
    `arn:aws:s3:::${read}/*`,
    `arn:aws:s3:::${write}/*`,
    // One family for each image that a job brings.
    `arn:aws:ecs:${region}:${account}:task-definition/${name}-image-*:*`,
  ];
}

/** Grants are for whole buckets, names of state machines and the like as they are. */
function placeOf(resource: string, places: Places): string {
  const pattern = patternsOf(places).find((each) => covers(each, resource));
  if (pattern !== undefined) return pattern;
  if (Object.values(places.buckets).some((bucket) => resource === `arn:aws:s3:::${bucket}`) || !resource.startsWith('arn:aws:s3:::')) return resource;
  throw new Error(`${resource} lies in no place that a part of the stack may go to`);
}

/** A key is used by S3, for objects, and not by the role itself. */
export const viaS3: Json = { StringEquals: { 'kms:ViaService': `s3.${region}.amazonaws.com` } };

/** Conditions are exact, so that a grant without its condition, or with another, is a difference. */
export function recordedNeeds(part: string, { requests, calls }: Recorded, places: Places): Need[] {
  const needs = new Map<string, Need>();
  const add = (action: string, resource: string, why: string, condition?: Json): void => {
    const need: Need = { action, resource: placeOf(resource, places), why: `${part}: ${why}`, ...(condition === undefined ? {} : { condition: canonical(condition) }) };
    needs.set(JSON.stringify([need.action, need.resource, need.condition]), need);
  };
  const all = requests.flatMap(needsOf);
  /** Telling missing objects from denied ones takes the leave to list anything; otherwise that of the one folder will do. */
  const listing = ({ action, bucket, prefix }: S3Need): Json | undefined => {
    if (action !== 's3:ListBucket' || all.some((each) => each.action === action && each.bucket === bucket && each.prefix === undefined)) return undefined;
    return { StringLike: { 's3:prefix': `${prefix?.split('/')[0] ?? ''}/*` } };
  };
  for (const request of requests) {
    const asked = `${request.method} s3://${request.bucket}/${request.key}`;
    for (const need of needsOf(request)) {
      const { action, bucket, key, kms } = need;
      add(action, `arn:aws:s3:::${bucket}${key === undefined ? '' : `/${key}`}`, asked, listing(need));
      // Only S3 may use a key for it.
      for (const encryptedBy of places.keys) for (const each of kms) add(each, encryptedBy, asked, viaS3);
    }
  }
  for (const call of calls) for (const { action, resource, condition } of commandNeeds(call)) add(action, resource, call.command, condition);
  return [...needs.values()];
}

type CommandNeed = Pick<Need, 'action' | 'resource'> & { readonly condition?: Json };

/**
 * Commands of ECS and Step Functions, by the Service Authorization Reference (list_amazonelasticcontainerservice.html, list_awsstepfunctions.html). Describing, registering, listing and
 * deregistering task definitions know no resource there, so `*` is the least.
 * @throws Error for a command that is not in the table: look it up, and add it
 */
export function commandNeeds({ command, input }: SdkCall): CommandNeed[] {
  const text = (name: string): string => (typeof input[name] === 'string' ? input[name] : '');
  switch (command) {
    case 'StartExecutionCommand': return [{ action: 'states:StartExecution', resource: text('stateMachineArn') }];
    case 'DescribeTaskDefinitionCommand':
    case 'ListTaskDefinitionFamiliesCommand':
    case 'ListTaskDefinitionsCommand':
    case 'DeregisterTaskDefinitionCommand': return [{ action: `ecs:${command.replace(/Command$/, '')}`, resource: '*' }];
    case 'TagResourceCommand': return [{ action: 'ecs:TagResource', resource: text('resourceArn') }];
    case 'RegisterTaskDefinitionCommand': return [
      { action: 'ecs:RegisterTaskDefinition', resource: '*' },
      // Tags of a new resource are checked as if they were set afterwards (developerguide/supported-iam-actions-tagging.html).
      ...('tags' in input ? [{ action: 'ecs:TagResource', resource: `arn:aws:ecs:${region}:${account}:task-definition/${text('family')}:1` }] : []),
      // Whoever registers a definition hands its roles to ECS (developerguide/security_iam_id-based-policy-examples.html, iam:PassRole).
      ...['taskRoleArn', 'executionRoleArn'].filter((name) => text(name) !== '').map((name) => ({
        action: 'iam:PassRole',
        resource: text(name),
        condition: { StringEquals: { 'iam:PassedToService': 'ecs-tasks.amazonaws.com' } },
      })),
    ];
    default: throw new Error(`the table of permissions does not know ${command}`);
  }
}

/** What Lambda does under a function's role: its log (dg/lambda-intro-execution-role.html; the group is the stack's, so it is not created). */
export function logNeeds(functionName: string): Need[] {
  return ['logs:CreateLogStream', 'logs:PutLogEvents'].map((action) => ({ action, resource: `arn:aws:logs:${region}:${account}:log-group:/aws/lambda/${functionName}:*`, why: `the log of ${functionName}` }));
}

/** What Lambda's poller does under the role of the function that a queue feeds (dg/services-sqs-configure.html#events-sqs-permissions). */
export function queueNeeds(queue: string, key?: string): Need[] {
  const why = `reading ${queue}`;
  return [
    ...['sqs:ReceiveMessage', 'sqs:DeleteMessage', 'sqs:GetQueueAttributes'].map((action) => ({ action, resource: queue, why })),
    ...(key === undefined ? [] : [{ action: 'kms:Decrypt', resource: key, why }]),
  ];
}
