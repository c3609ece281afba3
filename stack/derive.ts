/**
 * What serverless.yml and resources/*.yml need to know of a deployment: its parameters, and what follows from them. Names of AWS's own variables
 * (`${AWS::AccountId}`) stay in the texts: they are put into `Fn::Sub`.
 */
import { capacitiesOf, fargateTask, instanceTask } from './deployed-capacities.ts';
import { ec2Architecture, ec2InstanceTypes, managedArchitecture, subnetBits } from './capacities.ts';
import { dashboardBody } from './dashboard.ts';
import type { Parameters } from './parameters.ts';
import { parseMemory } from '../lib/job/quantities.ts';

/** A value of a template: text, or an intrinsic function. */
export type Value = string | { readonly 'Fn::Sub': string } | { readonly Ref: string };

/** Only what has something to replace: CloudFormation's linters complain of a Fn::Sub without. */
export function sub(text: string): Value {
  return text.includes('${') ? { 'Fn::Sub': text } : text;
}

export const noValue: Value = { Ref: 'AWS::NoValue' };

/** A file with nothing in it stands for a part that a deployment doesn't have, so that the template holds no conditions. */
const nothing = 'resources/nothing.yml';
const when = (on: boolean, file: string): string => (on ? `resources/${file}.yml` : nothing);
const unique = (names: readonly string[]): string[] => [...new Set(names)];

export interface Deployment {
  readonly service: string;
  readonly stage: string;
}

/** The part of a deployment that serverless.yml reads as `custom.stack`. */
export function derive(given: Parameters, { service, stage }: Deployment) {
  const name = `${service}-${stage}`;
  const ownBucket = (what: string): string => `${name}-${what}-\${AWS::AccountId}-\${AWS::Region}`;
  const buckets = {
    input: given.inputBucket === '' ? ownBucket('input') : given.inputBucket,
    work: given.workBucket === '' ? ownBucket('work') : given.workBucket,
    output: given.outputBucket === '' ? ownBucket('output') : given.outputBucket,
    logs: ownBucket('logs'),
  };
  const bucketArns = (names: readonly string[], keys = ''): Value[] => unique(names).map((bucket) => sub(`arn:\${AWS::Partition}:s3:::${bucket}${keys}`));
  const own = { input: given.inputBucket === '', work: given.workBucket === '', output: given.outputBucket === '' };
  const readable = [buckets.input, buckets.output, ...given.readBuckets];
  const writable = [buckets.output, ...given.writeBuckets];
  const ownNetwork = given.network === 'own';
  const interfaces = ownNetwork && given.endpoints === 'interface';
  const ec2 = given.ec2MaxInstances > 0;
  const instances = ec2 || given.managedInstances;
  const keys = unique([given.kmsKeyArn, ...given.furtherKeyArns].filter((arn) => arn !== ''));

  return {
    ...given,
    name,
    /** Of tasks whose job names neither capacity nor architecture. */
    taskArchitecture: given.capacity === 'EC2' ? ec2Architecture(given) : given.capacity === 'MANAGED_INSTANCES' ? managedArchitecture(given) : given.architecture,
    lambdaArchitecture: given.architecture === 'ARM64' ? 'arm64' : 'x86_64',

    /** One file a part. */
    files: {
      inputBucket: when(own.input, 'storage-input'),
      workBucket: when(own.work, 'storage-work'),
      outputBucket: when(own.output, 'storage-output'),
      accessLogs: when(own.input || own.work || own.output, 'storage-access-logs'),
      encryptionKey: when(keys.length > 0, 'encryption-key'),
      network: when(true, ownNetwork ? 'network-own' : 'network-existing'),
      thirdZone: when(ownNetwork && given.zones === 3, 'network-third-zone'),
      internet: when(ownNetwork && !interfaces, 'network-internet'),
      endpoints: when(interfaces, 'network-endpoints'),
      instanceEndpoints: when(interfaces && instances, 'network-instance-endpoints'),
      ec2: when(ec2, 'capacity-ec2'),
      managedInstances: when(given.managedInstances, 'capacity-managed-instances'),
      uploadEvents: when(given.uploadEvents === 'eventbridge', 'triggers-eventbridge'),
      schedule: when(given.schedule !== '', 'schedule'),
    },

    /** Names of buckets for texts within Fn::Sub, and as values. */
    buckets,
    bucketNames: { input: sub(buckets.input), work: sub(buckets.work), output: sub(buckets.output) },
    hrefs: {
      input: sub(`s3://${buckets.input}/`),
      work: sub(`s3://${buckets.work}/`),
      output: sub(`s3://${buckets.output}/`),
      triggers: sub(['jobs', 'incoming', 'templates'].map((folder) => `s3://${buckets.input}/${folder}/`).join(',')),
    },
    arns: {
      readableObjects: [...bucketArns(readable, '/*'), ...bucketArns([buckets.work], '/runs/*')],
      readableBuckets: bucketArns([...readable, buckets.work]),
      writableObjects: bucketArns(writable, '/*'),
      writableBuckets: bucketArns([...writable, buckets.work]),
      runs: bucketArns([buckets.work], '/runs/*'),
      templates: bucketArns([buckets.input], '/templates/*'),
      inputBucket: bucketArns([buckets.input]),
      keys,
      imageRepositories: [{ 'Fn::GetAtt': ['WorkerRepository', 'Arn'] }, ...given.imageRepositories],
    },
    bucketEncryption: given.kmsKeyArn === '' ? { ServerSideEncryptionByDefault: { SSEAlgorithm: 'AES256' } } : { BucketKeyEnabled: true, ServerSideEncryptionByDefault: { SSEAlgorithm: 'aws:kms', KMSMasterKeyID: given.kmsKeyArn } },
    /** A first deployment that fails takes its empty buckets along, so that the next one finds their names free. */
    bucketDeletion: given.retainBuckets ? 'RetainExceptOnCreate' : 'Delete',
    bucketReplacement: given.retainBuckets ? 'Retain' : 'Delete',

    uploadSender: uploadSender(given, name, buckets.input),
    subnetBits: subnetBits(given.vpcCidr),
    subnets: ownNetwork ? ['A', 'B', 'C'].slice(0, given.zones).map((zone) => ({ Ref: `Subnet${zone}` })) : given.subnetIds,
    securityGroups: ownNetwork ? [{ Ref: 'WorkerSecurityGroup' }] : given.securityGroupIds,
    /** Parameter Store's StringList is one text, which the definition of the state machine takes apart again. */
    subnetList: ownNetwork ? { 'Fn::Join': [',', ['A', 'B', 'C'].slice(0, given.zones).map((zone) => ({ Ref: `Subnet${zone}` }))] } : given.subnetIds.join(','),
    securityGroupList: ownNetwork ? { Ref: 'WorkerSecurityGroup' } : given.securityGroupIds.join(','),
    /** Managed Instances have no setting of their own for a public address: the subnet has to give it. */
    mapPublicIp: ownNetwork && !interfaces && given.managedInstances,
    /** Instances in public subnets reach ECS, ECR and CloudWatch Logs by addresses of their own; their tasks have none and reach S3 by its gateway. */
    instancePublicIp: ownNetwork ? !interfaces : given.assignPublicIp === 'ENABLED',

    capacities: sub(JSON.stringify(capacitiesOf(given, name))),
    capacityProviders: ['FARGATE', 'FARGATE_SPOT', ...(ec2 ? [{ Ref: 'Ec2CapacityProvider' }] : [])],
    fargateTask: fargateTask(given),
    instanceTask: instanceTask(given),
    fargateStorage: parseMemory(given.ephemeralStorage) > 20 * 2 ** 30 ? { SizeInGiB: Math.ceil(parseMemory(given.ephemeralStorage) / 2 ** 30) } : noValue,
    gpuRequirement: given.gpus === 0 ? noValue : [{ Type: 'GPU', Value: String(given.gpus) }],
    ec2: {
      architecture: ec2Architecture(given),
      gpuSupport: String(given.gpus > 0),
      amiParameter: given.ec2AmiParameter === '' ? defaultAmi(given) : given.ec2AmiParameter,
      launchOverrides: ec2InstanceTypes(given).map((type) => ({ InstanceType: type })),
      maxSize: String(given.ec2MaxInstances),
      onDemandPercentage: 100 - given.ec2SpotPercentage,
    },
    managed: {
      architecture: managedArchitecture(given),
      /** The task definition's architecture places a task, but does not choose the instance that is started for it. */
      cpuManufacturers: managedArchitecture(given) === 'ARM64' ? ['amazon-web-services'] : ['intel', 'amd'],
      minMemoryMib: Math.ceil(parseMemory(given.managedMinMemory) / 2 ** 20),
      accelerators: given.gpus === 0 ? noValue : { Min: given.gpus },
      acceleratorTypes: given.gpus === 0 ? noValue : ['gpu'],
      acceleratorManufacturers: given.gpus === 0 ? noValue : ['nvidia'],
    },

    scheduleInput: JSON.stringify({ schedule: name, job: given.scheduleJob, scheduledTime: '<aws.scheduler.scheduled-time>' }),
    alarmActions: given.alarmTopicArn === '' ? [] : [given.alarmTopicArn],
    dashboard: sub(JSON.stringify(dashboardBody(name))),
  };
}

export type Stack = ReturnType<typeof derive>;

/** Who may tell the queue of uploads. A queue has one policy, so that this can't be a file of its own. */
function uploadSender({ uploadEvents }: Parameters, name: string, bucket: string) {
  if (uploadEvents === 'eventbridge') {
    return { service: 'events.amazonaws.com', condition: { ArnEquals: { 'aws:SourceArn': sub(`arn:\${AWS::Partition}:events:\${AWS::Region}:\${AWS::AccountId}:rule/${name}-uploads`) } } };
  }
  // The bucket's name, not the bucket, which waits for the policy; and it may be one that exists already.
  return { service: 's3.amazonaws.com', condition: { StringEquals: { 'aws:SourceAccount': { Ref: 'AWS::AccountId' } }, ArnEquals: { 'aws:SourceArn': sub(`arn:\${AWS::Partition}:s3:::${bucket}`) } } };
}

/** Public parameters of ECS (ECS developer guide, "Retrieving Amazon ECS-optimized Linux AMI metadata"). */
function defaultAmi(given: Parameters): string {
  const variant = given.gpus > 0 ? '/gpu' : ec2Architecture(given) === 'ARM64' ? '/arm64' : '';
  return `/aws/service/ecs/optimized-ami/amazon-linux-2023${variant}/recommended/image_id`;
}
