/** What checkers complain of and what stays all the same, by the exact id of the rule and the resource, with the reason. One that matches nothing any more fails. */
import type { Acknowledgement } from './findings.ts';

const names = ['Start', 'Split', 'Reduce', 'FailBatch', 'Tidy'];
const functions = names.map((name) => `${name}LambdaFunction`);

/** The id under which cdk-nag complains of a resource with a `*` in it. */
const wildcard = (resource: string): string => `AwsSolutions-IAM5[Resource::${resource}]`;
const objects = (bucket: string, keys: string): string => wildcard(`arn:<AWS::Partition>:s3:::${bucket}/${keys}`);
const arn = (service: string, rest: string): string => wildcard(`arn:<AWS::Partition>:${service}:<AWS::Region>:<AWS::AccountId>:${rest}`);

/** Objects of one deployment: what test/stack/iam.test.ts proves to be needed, and no more. */
function objectsOf({ input, work, output }: { readonly input: string; readonly work: string; readonly output: string }): Acknowledgement['findings'] {
  return {
    [objects(input, '*')]: ['SplitRole', 'WorkerRole'],
    [objects(input, 'templates/*')]: ['StartRole'],
    [objects(work, 'runs/*')]: ['SplitRole', 'WorkerRole', 'ReduceRole', 'PipelineRole'],
    [objects(work, 'runs/*/pyramids/*')]: ['ReduceRole'],
    [objects(output, '*')]: ['SplitRole', 'WorkerRole', 'ReduceRole'],
  };
}

const own = (what: string): string => `tilefan-dev-${what}-<AWS::AccountId>-<AWS::Region>`;

export const acknowledged: readonly Acknowledgement[] = [
  {
    tool: 'cdk-nag',
    reason: 'Keys are what jobs and runs make them: the roles have the prefix that is theirs, and the actions on it that iam.test.ts derives.',
    findings: {
      ...objectsOf({ input: own('input'), work: own('work'), output: own('output') }),
      ...objectsOf({ input: 'acme-raster-inbox', work: 'acme-raster-work', output: 'acme-raster-products' }),
      [objects('acme-raster-archive', '*')]: ['SplitRole', 'WorkerRole'],
      [objects('acme-raster-catalogue', '*')]: ['SplitRole', 'WorkerRole', 'ReduceRole'],
    },
  },
  {
    tool: 'cdk-nag',
    reason: 'Ids that AWS gives when something begins (log streams, tasks, instances, executions) or by counting (revisions), and hashes of images, are not known before.',
    findings: {
      ...Object.fromEntries(['start', 'split', 'reduce', 'fail-batch', 'tidy'].map((name, index) => [arn('logs', `log-group:/aws/lambda/tilefan-dev-${name}:*`), [`${names[index] ?? ''}Role`]])),
      [arn('ecs', 'task/<Cluster>/*')]: ['PipelineRole'],
      [arn('ecs', 'task-definition/tilefan-dev-worker-*:*')]: ['PipelineRole'],
      [arn('ecs', 'task-definition/tilefan-dev-image-*:*')]: ['PipelineRole', 'SplitRole'],
      [arn('ecs', 'container-instance/<Cluster>/*')]: ['Ec2InstanceRole'],
      [arn('states', 'execution:tilefan-dev:*')]: ['PipelineRole'],
      [arn('states', 'execution:tilefan-dev/Batches:*')]: ['PipelineRole'],
    },
  },
  {
    tool: 'cdk-nag',
    reason: 'Actions for which AWS knows no resource; iam.test.ts holds them against the Service Authorization Reference.',
    findings: { [wildcard('*')]: ['Ec2InstanceRole', 'PipelineRole', 'SplitRole', 'TidyRole', 'WorkerExecutionRole'] },
  },
  {
    tool: 'cdk-nag',
    reason: 'What ECS must do to keep Managed Instances changes with the service, and AWS keeps these two policies for it.',
    findings: {
      'AwsSolutions-IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/AmazonECSInfrastructureRolePolicyForManagedInstances]': ['ManagedInfrastructureRole'],
      'AwsSolutions-IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/AmazonECSInstanceRolePolicyForManagedInstances]': ['ManagedInstanceRole'],
    },
  },
  {
    tool: 'cdk-nag',
    reason: 'ECS starts and stops instances with every run: a message for each would say nothing. The dashboard shows tasks that fail.',
    findings: { 'AwsSolutions-AS3': ['Ec2Group'] },
  },
  {
    tool: 'cdk-nag',
    reason: 'The rule cannot follow a group to its launch template, and says that it failed. assertions/compute.ts asserts that disks are encrypted.',
    findings: { 'AwsSolutions-EC26': ['Ec2Group'] },
  },
  {
    tool: 'cdk-nag',
    reason: 'The Serverless Framework makes this bucket, for its own packages, and has no setting for access logs.',
    findings: { 'AwsSolutions-S1': ['ServerlessDeploymentBucket'] },
  },
  {
    tool: 'cfn-lint',
    reason: 'The Serverless Framework writes the dependency of a function on its role twice, which changes nothing.',
    findings: { W3005: functions.map((name) => `Resources/${name}/DependsOn/1`) },
  },
  {
    tool: 'checkov',
    reason: 'Limits of concurrency would be taken from the account’s for good. Start is limited by its queue’s mapping, the others by the runs, tidy by its clock.',
    findings: { CKV_AWS_115: functions },
  },
  {
    tool: 'checkov',
    reason: 'Start’s dead letters are its queue’s; the state machine waits for split, reduce and failBatch, and sees their errors; tidy comes again the next day, and its errors raise an alarm.',
    findings: { CKV_AWS_116: functions },
  },
  {
    tool: 'checkov',
    reason: 'The functions speak to AWS only, over TLS. In the network of the workers they would want endpoints or a NAT, which cost by the hour.',
    findings: { CKV_AWS_117: functions },
  },
  {
    tool: 'checkov',
    reason: 'No variable is secret: names, sizes and ARNs. Lambda encrypts them with a key of its own.',
    findings: { CKV_AWS_173: functions },
  },
  {
    tool: 'checkov',
    reason: 'Logs hold names of objects and messages, no pixels; CloudWatch encrypts them with a key of its own.',
    findings: { CKV_AWS_158: [...names.map((name) => `${name}LogGroup`), 'FlowLogGroup', 'PipelineLogGroup', 'WorkerLogGroup'] },
  },
  {
    tool: 'checkov',
    reason: 'The image is this project’s own code, encrypted with ECR’s key.',
    findings: { CKV_AWS_136: ['WorkerRepository'] },
  },
  {
    tool: 'checkov',
    reason: 'The tag that the task definitions name moves with every push; a deployment that wants to pin one sets imageTag.',
    findings: { CKV_AWS_51: ['WorkerRepository'] },
  },
  {
    tool: 'checkov',
    reason: 'The queues are encrypted with SQS’s own keys (SqsManagedSseEnabled); the rule knows KMS only. Messages are names of objects.',
    findings: { CKV_AWS_27: ['DeadLetterQueue', 'UploadQueue'] },
  },
  {
    tool: 'checkov',
    reason: 'Logs of access to the bucket of access logs would log themselves; the other is the Serverless Framework’s.',
    findings: { CKV_AWS_18: ['AccessLogBucket', 'ServerlessDeploymentBucket'] },
  },
  {
    tool: 'checkov',
    reason: 'Runs, outputs and logs can be made again or are never overwritten, and old versions of rasters cost much. Inputs, which cannot, are versioned.',
    findings: { CKV_AWS_21: ['AccessLogBucket', 'OutputBucket', 'ServerlessDeploymentBucket', 'WorkBucket'] },
  },
  {
    tool: 'checkov',
    reason: 'In public subnets without NAT, instances reach ECS, ECR and CloudWatch Logs by addresses of their own. Nothing comes in: the group has no inbound rule. `endpoints: interface` does without.',
    findings: { CKV_AWS_88: ['Ec2LaunchTemplate'] },
  },
];
