/** What a `tilefan.config.json` may say, and which of its fields a user of other tools would look for here. */
import * as z from 'zod';
import { jobSpec } from '../lib/job/spec.ts';

const compute = jobSpec.shape.compute.unwrap().shape;

export const configFile = z.strictObject({
  $schema: z.string().optional(),
  where: z.enum(['local', 'aws']).optional(),
  region: z.string().regex(/^[a-z]{2,}(?:-[a-z]+)+-\d+$/, 'wanted a region such as eu-west-1').optional(),
  profile: z.string().min(1).optional(),
  stage: z.string().regex(/^[a-z][a-z0-9-]{0,19}$/, 'wanted small letters, digits and -, beginning with a letter, 20 at most').optional(),
  stateMachine: z.string().regex(/^arn:[^:]+:states:[^:]+:\d+:stateMachine:/, 'wanted arn:aws:states:REGION:ACCOUNT:stateMachine:NAME').optional(),
  folder: z.string().regex(/^s3:\/\/[^/]+(\/|$)/, 'wanted s3://bucket/folder').optional(),
  work: z.string().min(1).optional(),
  workers: z.int().min(1).optional(),
  threads: z.int().min(1).optional(),
  capacity: compute.capacity,
  cpu: compute.cpu,
  memory: compute.memory,
  ephemeralStorage: compute.ephemeralStorage,
  architecture: compute.architecture,
  image: compute.image,
  maxConcurrency: compute.maxConcurrency,
});
export type Config = z.output<typeof configFile>;

const decided = (parameter: string): string => `the deployment decides it (${parameter} in docs/parameters.md)`;

/** Names that other executors have for what is decided elsewhere, or called otherwise; small letters without `_` and `-`. */
const elsewhere: Readonly<Record<string, string>> = {
  cluster: 'the stack has a cluster of its own',
  ecsclustername: 'the stack has a cluster of its own',
  ecstaskexecutionrolename: 'the stack makes the roles of its tasks (docs/deploy.md)',
  ecstaskrolename: 'the stack makes the roles of its tasks (docs/deploy.md)',
  executionrole: 'the stack makes the roles of its tasks (docs/deploy.md)',
  taskrole: 'the stack makes the roles of its tasks (docs/deploy.md)',
  ecstasksubnetid: decided('network and subnetIds'),
  subnet: decided('network and subnetIds'),
  subnetids: decided('network and subnetIds'),
  ecstasksecuritygroupid: decided('network and securityGroupIds'),
  securitygroup: decided('network and securityGroupIds'),
  securitygroupids: decided('network and securityGroupIds'),
  loggroup: 'the stack has a log group for its tasks, which "tilefan logs" finds by itself; how long it keeps them, logRetentionDays decides (docs/parameters.md)',
  ecstaskloggroupname: 'the stack has a log group for its tasks, which "tilefan logs" finds by itself; how long it keeps them, logRetentionDays decides (docs/parameters.md)',
  bucket: 'wanted "folder", s3://bucket/folder, for functions on their way to AWS; by default they go into the stack\'s work bucket',
  s3bucketname: 'wanted "folder", s3://bucket/folder, for functions on their way to AWS; by default they go into the stack\'s work bucket',
  vcpu: 'wanted "cpu", a number of vCPUs',
  credentials: 'wanted "profile"; keys have no place in this file',
  credentialsfile: 'wanted "profile"; AWS_SHARED_CREDENTIALS_FILE says where profiles are, as for all tools of AWS',
  pollfreq: 'how often AWS is asked follows from how long a run has taken (2 to 10 seconds)',
  retryattempts: 'lost tasks are tried again by the state machine (docs/state-machine.md)',
  timelimit: 'how long an item may take, operation.timeout of the job says; a task, compute.timeout',
  cachedir: 'wanted "work", the folder that keeps runs',
  timeout: 'how long an item may take, operation.timeout of the job says; a task, compute.timeout',
};

/** Why a field isn't known, where it has a place elsewhere. */
export function placeElsewhere(field: string): string | undefined {
  return elsewhere[field.toLowerCase().replaceAll(/[_-]/g, '')];
}
