/**
 * Everything that can be chosen about a deployment. This schema is the single source of the types, the checks, the defaults and
 * docs/parameters.md (made by `npm run generate`). What several parameters must be together is in checks.ts.
 */
import * as z from 'zod';
import { architectures, capacityNames } from '../lib/job/capacity.ts';
import { durationPattern, memoryPattern } from '../lib/job/quantities.ts';

/** Days that CloudWatch Logs can keep a log group for (API reference, PutRetentionPolicy). */
export const logRetentionDays = [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653] as const;

/** Amazon S3 user guide, "General purpose bucket naming rules"; an existing bucket may have dots in its name. */
const bucketName = '[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]';
const arn = (service: string, rest: string): string => `arn:aws[a-z-]*:${service}:${rest}`;
const instanceType = '[a-z][a-z0-9-]*\\.[a-z0-9-]+';
const wholeWord = (pattern: string): RegExp => new RegExp(`^(?:${pattern})$`);

/** A parameter: its type with its default, what a wrong one is told (after "wanted"), and its line in the docs. */
function parameter<Type extends z.ZodType>(type: Type, wanted: string, says: string): Type {
  return type.meta({ description: says, wanted });
}

function whole(least: number, most: number, normal: number, says: string): z.ZodDefault<z.ZodInt> {
  return parameter(z.int().min(least).max(most).default(normal), `a whole number from ${String(least)} to ${String(most)}`, says);
}

function choice<const Values extends readonly [string, ...string[]]>(values: Values, normal: Values[number], says: string): z.ZodDefault<z.ZodEnum<{ [Value in Values[number]]: Value }>> {
  const type = z.enum(values) as z.ZodEnum<{ [Value in Values[number]]: Value }>;
  const shown = values.map((value) => (value === '' ? 'nothing' : value));
  return parameter(type.default(normal as never), `${shown.slice(0, -1).join(', ')} or ${shown.at(-1) ?? ''}`, says);
}

function text(pattern: RegExp, normal: string, wanted: string, says: string): z.ZodDefault<z.ZodString> {
  return parameter(z.string().regex(pattern).default(normal), wanted, says);
}

/** Text that may be empty, which then means: none. */
function optionalText(pattern: string, wanted: string, says: string): z.ZodDefault<z.ZodString> {
  return text(wholeWord(`|${pattern}`), '', wanted, says);
}

function list(pattern: string, wanted: string, says: string): z.ZodDefault<z.ZodArray<z.ZodString>> {
  return parameter(z.array(z.string().regex(wholeWord(pattern))).default([]), wanted, says);
}

function flag(normal: boolean, says: string): z.ZodDefault<z.ZodBoolean> {
  return parameter(z.boolean().default(normal), 'true or false', says);
}

const memory = 'a number and a unit, for example "16 GiB"';
const bucket = (says: string): z.ZodDefault<z.ZodString> => optionalText(bucketName, 'the name of a bucket: 3 to 63 lower-case letters, digits, - and .', says);

/** What a task gets when the job doesn't say. */
const tasks = {
  imageTag: text(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/, 'latest', "a tag of an image, as text: letters, digits, _, . and - (128 at most; in YAML a number wants quotes)", "Tag of the worker's image in the stack's own repository."),
  architecture: choice(architectures, 'ARM64', "Processors of the functions, and of tasks whose job doesn't say. ARM64 costs less. Where `capacity` is EC2 or MANAGED_INSTANCES, tasks have the processors of these instances."),
  capacity: choice(capacityNames, 'FARGATE_SPOT', "Where tasks run whose job doesn't say. EC2 wants `ec2MaxInstances`, MANAGED_INSTANCES wants `managedInstances`."),
  cpu: parameter(z.number().min(0.25).max(192).default(2), 'a number of vCPUs from 0.25 to 192', "vCPUs of a task whose job doesn't say."),
  memory: text(memoryPattern, '8 GiB', memory, "Memory of a task whose job doesn't say. Fargate has certain pairs of `cpu` and `memory` only."),
  ephemeralStorage: text(memoryPattern, '20 GiB', memory, 'Storage of a Fargate task: 20 GiB, which cost nothing, to 200 GiB.'),
  maxConcurrency: whole(1, 10_000, 100, "Tasks of one run at a time, when the job doesn't say. An account's quotas of Fargate vCPUs may be lower."),
  timeout: text(durationPattern, '1h', 'a whole number and s, m or h, for example "1h"', "How long one task may take, when the job doesn't say."),
  imageRepositories: list(
    arn('ecr', '[a-z0-9-]+:\\d{12}:repository/.+'),
    'ARNs of ECR repositories, for example arn:aws:ecr:eu-west-1:111122223333:repository/models',
    "Further ECR repositories from which a job's own image (`compute.image`) may come. Images of public registries need no entry, but a way to the internet.",
  ),
  taskDefinitionDays: whole(15, 3650, 30, "Days after which task definitions that are not used any more are deregistered: those of jobs' own images, and those that a deployment has replaced. Executions can be redriven for 14 days."),
} as const;

const storage = {
  inputBucket: bucket('An existing bucket in which uploads start runs; `uploadEvents` says how it is connected to the queue. Default: a bucket of its own.'),
  uploadEvents: choice(
    ['notification', 'eventbridge'],
    'notification',
    'How an existing input bucket tells of uploads. notification: `npm run attach` adds the queue to those that it has. eventbridge: by a rule, for a bucket whose events go to EventBridge already.',
  ),
  workBucket: bucket('An existing bucket for `runs/`. Default: a bucket of its own.'),
  outputBucket: bucket('An existing bucket for outputs. Default: a bucket of its own.'),
  readBuckets: list(bucketName, 'names of buckets', 'Further buckets that jobs may read.'),
  writeBuckets: list(bucketName, 'names of buckets', 'Further buckets that jobs may write their outputs to.'),
  kmsKeyArn: optionalText(arn('kms', '[a-z0-9-]+:\\d{12}:key/[A-Za-z0-9-]+'), 'the ARN of a KMS key, for example arn:aws:kms:eu-west-1:111122223333:key/…', "The key that encrypts the stack's own buckets, and that the roles may use. Default: keys of S3 (SSE-S3)."),
  furtherKeyArns: list(arn('kms', '[a-z0-9-]+:\\d{12}:key/[A-Za-z0-9-]+'), 'ARNs of KMS keys', 'Keys of existing and further buckets that have others than `kmsKeyArn`.'),
  retainBuckets: flag(true, 'Keep the own buckets, and what is in them, when the stack is removed. With false they have to be empty by then.'),
  runRetentionDays: whole(1, 3650, 30, 'Days after which a run prefix is deleted, and old versions of inputs. A run can be continued for so long.'),
  logRetentionDays: parameter(
    z.union(logRetentionDays.map((days) => z.literal(days))).default(30),
    `a number of days that CloudWatch Logs knows (${logRetentionDays.join(', ')})`,
    'Days for which logs are kept, access logs of buckets too.',
  ),
} as const;

const network = {
  network: choice(['own', 'existing'], 'own', 'own: a VPC for workers only, without NAT. existing: `subnetIds` and `securityGroupIds`, which must reach S3, ECR and CloudWatch Logs.'),
  zones: parameter(z.union([z.literal(2), z.literal(3)]).default(2), '2 or 3', 'Availability zones of the own network. More zones have more Spot capacity.'),
  endpoints: choice(
    ['public', 'interface'],
    'public',
    'How workers reach ECR and CloudWatch Logs in the own network. public: subnets with an internet gateway, tasks with addresses of their own. interface: private subnets and interface endpoints, which cost by the hour, and whose own group takes HTTPS from the workers: the one inbound rule that a deployment can have.',
  ),
  vpcCidr: text(
    /^(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)\/(?:1[6-9]|2[0-6])$/,
    '10.64.0.0/18',
    'an IPv4 range of /16 to /26, for example 10.64.0.0/18',
    'Addresses of the own network, of which each zone gets a quarter. Every task takes one.',
  ),
  subnetIds: list('subnet-(?:[0-9a-f]{8}|[0-9a-f]{17})', 'ids of subnets, for example subnet-0a1b2c3d', 'Subnets of an existing network.'),
  securityGroupIds: list('sg-(?:[0-9a-f]{8}|[0-9a-f]{17})', 'ids of security groups, for example sg-0a1b2c3d', 'Security groups of workers in an existing network. They need no inbound rule.'),
  assignPublicIp: choice(['ENABLED', 'DISABLED'], 'DISABLED', 'ENABLED for an existing network of public subnets without NAT, where a Fargate task needs an address of its own.'),
} as const;

const instances = {
  gpus: whole(0, 16, 0, 'GPUs of every task on EC2 or Managed Instances.'),
  ec2MaxInstances: whole(0, 1000, 0, "Instances of an Auto Scaling group of one's own (capacity EC2), at most; it grows from none and shrinks to none. 0: there is no such group."),
  ec2InstanceTypes: list(instanceType, 'EC2 instance types, for example c7g.2xlarge', 'Types that the group may take, the best first. Default: c7g, c6g, m7g and m6g.2xlarge for ARM64; c7i, c6i, m7i and m6i.2xlarge for X86_64.'),
  ec2Architecture: choice(['', ...architectures], '', 'Processors of these types. Default: those of `architecture`.'),
  ec2TaskCpu: parameter(z.number().min(0).max(192).default(0), 'a number of vCPUs from 0 to 192', 'vCPUs of the largest task that fits on the smallest of the types. Wanted with `ec2InstanceTypes`; 8 with the default types.'),
  ec2TaskMemory: text(wholeWord(`|${memoryPattern.source.slice(1, -1)}`), '', memory, "Memory of the largest task that fits on the smallest of the types: about 10 % less than it has. A job that wants more is refused, since nothing would ever start for it. 14 GiB with the default types."),
  ec2AmiParameter: optionalText('/[A-Za-z0-9_./-]+', 'the name of an SSM parameter, beginning with /', "SSM parameter that holds the AMI's id. The AMI must have the ECS agent, and its root on /dev/xvda. Default: the newest ECS-optimised Amazon Linux 2023 for the architecture, or for GPUs."),
  ec2SpotPercentage: whole(0, 100, 0, 'Share of Spot instances in the group.'),
  ec2TargetCapacity: whole(1, 100, 100, 'How full the instances shall be, in percent. Below 100 some wait for the next task.'),
  ec2VolumeGib: whole(30, 16_384, 100, "Volume of an instance: its tasks' images, logs and scratch files."),
  managedInstances: flag(false, 'Offer ECS Managed Instances (capacity MANAGED_INSTANCES): ECS chooses, starts and patches the instances.'),
  managedArchitecture: choice(['', ...architectures], '', 'Processors of Managed Instances. Default: those of `architecture`.'),
  managedCapacity: choice(['ON_DEMAND', 'SPOT'], 'ON_DEMAND', 'How Managed Instances are bought.'),
  managedMinCpu: whole(1, 192, 2, 'vCPUs of a managed instance, at least.'),
  managedMinMemory: text(memoryPattern, '8 GiB', memory, 'Memory of a managed instance, at least.'),
  managedVolumeGib: whole(30, 16_384, 100, 'Data volume of a managed instance.'),
} as const;

const operations = {
  schedule: optionalText(
    '(?:rate|cron|at)\\(.+\\)',
    'an expression of EventBridge Scheduler: rate(1 day), cron(0 3 * * ? *) or at(2027-01-31T03:00:00)',
    'When to run `scheduleJob` by itself.',
  ),
  scheduleTimezone: text(/^[A-Za-z][A-Za-z0-9_+/-]*$/, 'UTC', 'a name of the IANA time zone database, for example Europe/Berlin', 'The time zone of `schedule`.'),
  scheduleJob: optionalText(`s3://${bucketName}/.+\\.json`, 'the href of a job spec, for example s3://bucket/jobs/nightly.json', 'The job that `schedule` starts; it lies in a bucket that jobs may read.'),
  alarmTopicArn: optionalText(arn('sns', '[a-z0-9-]+:\\d{12}:[A-Za-z0-9_-]+'), 'the ARN of an SNS topic, for example arn:aws:sns:eu-west-1:111122223333:ops', 'The topic that alarms go to. Default: they show in CloudWatch only.'),
  containerInsights: choice(['enabled', 'enhanced', 'disabled'], 'enabled', 'CloudWatch Container Insights of the cluster; its metrics cost by their number, and enhanced has one set a task.'),
} as const;

/** The groups in the order of the reference page. */
export const parameterGroups = { Tasks: tasks, Storage: storage, Network: network, Instances: instances, Operations: operations } as const;

export const parameters = z.strictObject({ ...tasks, ...storage, ...network, ...instances, ...operations });
export type Parameters = z.infer<typeof parameters>;
export type ParameterName = keyof Parameters;

export const parameterNames = Object.keys(parameters.shape) as readonly ParameterName[];

/** The schema's own description of a parameter, for coercion, messages and docs. */
export interface ParameterFacts {
  readonly type: 'integer' | 'number' | 'boolean' | 'array' | 'string';
  readonly default: Parameters[ParameterName];
  readonly description: string;
  readonly wanted: string;
  readonly enum?: readonly string[] | undefined;
}

export function factsOf(name: ParameterName): ParameterFacts {
  const schema = z.toJSONSchema(parameters.shape[name]);
  // Unions are of numbers only.
  const type = (schema.type ?? 'integer') as ParameterFacts['type'];
  const { default: normal, description = '', enum: values } = schema;
  return { type, default: normal as ParameterFacts['default'], description, wanted: String(schema['wanted']), enum: values?.map(String) };
}
