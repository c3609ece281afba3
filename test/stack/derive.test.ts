/** What follows from parameters: that each of them changes the stack, and that the YAML of the stack reads nothing that isn't there. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { suite, test } from 'node:test';
import { parseCapacities } from '../../lib/job/capacity.ts';
import { derive } from '../../stack/derive.ts';
import { factsOf, parameterNames, type ParameterName, type Parameters } from '../../stack/parameters.ts';
import { readParameters } from '../../stack/read-parameters.ts';

const root = new URL('../../', import.meta.url);

type Given = Readonly<Record<string, unknown>>;

function read(content: Given = {}): Parameters {
  return readParameters({ stage: 'dev', file: { name: 'deployments/dev.yml', content }, options: [] });
}

const key = 'arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab';
const existing = { network: 'existing', subnetIds: ['subnet-0a0b0c0d'], securityGroupIds: ['sg-0a0b0c0d'] };
const ec2 = { ec2MaxInstances: 4 };

/** Another right value for each parameter, with what it needs. */
const changes: Readonly<Record<ParameterName, Given>> = {
  imageTag: { imageTag: '1.2.0' },
  architecture: { architecture: 'X86_64' },
  capacity: { capacity: 'FARGATE' },
  cpu: { cpu: 4 },
  memory: { memory: '16 GiB' },
  ephemeralStorage: { ephemeralStorage: '21 GiB' },
  maxConcurrency: { maxConcurrency: 99 },
  timeout: { timeout: '30m' },
  imageRepositories: { imageRepositories: ['arn:aws:ecr:eu-west-1:111122223333:repository/models'] },
  taskDefinitionDays: { taskDefinitionDays: 60 },
  inputBucket: { inputBucket: 'inbox' },
  uploadEvents: { inputBucket: 'inbox', uploadEvents: 'eventbridge' },
  workBucket: { workBucket: 'workshop' },
  outputBucket: { outputBucket: 'outbox' },
  readBuckets: { readBuckets: ['archive'] },
  writeBuckets: { writeBuckets: ['catalogue'] },
  kmsKeyArn: { kmsKeyArn: key },
  furtherKeyArns: { furtherKeyArns: [key] },
  retainBuckets: { retainBuckets: false },
  runRetentionDays: { runRetentionDays: 7 },
  logRetentionDays: { logRetentionDays: 7 },
  network: existing,
  zones: { zones: 3 },
  endpoints: { endpoints: 'interface' },
  vpcCidr: { vpcCidr: '10.1.0.0/16' },
  subnetIds: { ...existing, subnetIds: ['subnet-0b0b0c0d'] },
  securityGroupIds: { ...existing, securityGroupIds: ['sg-0b0b0c0d'] },
  assignPublicIp: { ...existing, assignPublicIp: 'ENABLED' },
  gpus: { managedInstances: true, gpus: 1 },
  ec2MaxInstances: { ec2MaxInstances: 5 },
  ec2InstanceTypes: { ...ec2, ec2InstanceTypes: ['r7g.large'], ec2TaskCpu: 2, ec2TaskMemory: '14 GiB' },
  ec2Architecture: { ...ec2, ec2Architecture: 'X86_64' },
  ec2TaskCpu: { ...ec2, ec2TaskCpu: 4 },
  ec2TaskMemory: { ...ec2, ec2TaskMemory: '13 GiB' },
  ec2AmiParameter: { ...ec2, ec2AmiParameter: '/team/ami' },
  ec2SpotPercentage: { ...ec2, ec2SpotPercentage: 80 },
  ec2TargetCapacity: { ...ec2, ec2TargetCapacity: 90 },
  ec2VolumeGib: { ...ec2, ec2VolumeGib: 200 },
  managedInstances: { managedInstances: true },
  managedArchitecture: { managedInstances: true, managedArchitecture: 'X86_64' },
  managedCapacity: { managedInstances: true, managedCapacity: 'SPOT' },
  managedMinCpu: { managedInstances: true, managedMinCpu: 4 },
  managedMinMemory: { managedInstances: true, managedMinMemory: '32 GiB' },
  managedVolumeGib: { managedInstances: true, managedVolumeGib: 300 },
  schedule: { schedule: 'rate(2 days)', scheduleJob: 's3://archive/a.json', readBuckets: ['archive'] },
  scheduleTimezone: { schedule: 'rate(1 day)', scheduleJob: 's3://archive/a.json', readBuckets: ['archive'], scheduleTimezone: 'Europe/Berlin' },
  scheduleJob: { schedule: 'rate(1 day)', scheduleJob: 's3://archive/b.json', readBuckets: ['archive'] },
  alarmTopicArn: { alarmTopicArn: 'arn:aws:sns:eu-west-1:111122223333:ops' },
  containerInsights: { containerInsights: 'disabled' },
};

/** What the YAML of the stack reads, by the files in which it is read. */
function references(): ReadonlyMap<string, readonly string[]> {
  const files = ['serverless.yml', ...readdirSync(new URL('resources/', root)).map((name) => `resources/${name}`)];
  return new Map(files.map((file) => [file, [...readFileSync(new URL(file, root), 'utf8').matchAll(/\$\{self:custom\.stack\.([\w.]+)\}/g)].map(([, path = '']) => path)]));
}

function follow(value: unknown, path: string): unknown {
  return path.split('.').reduce<unknown>((inner, name) => (typeof inner === 'object' && inner !== null ? (inner as Record<string, unknown>)[name] : undefined), value);
}

/** All that a deployment's parameters put into its template: values by the file and path where they are read, of the files that it has. */
function template(given: Given): Record<string, unknown> {
  const stack = derive(read(given), { service: 'tilefan', stage: 'dev' });
  const optional = new Set(['storage-', 'network-', 'capacity-', 'schedule', 'encryption-', 'triggers-'].flatMap((start) => [...references().keys()].filter((file) => file.startsWith(`resources/${start}`))));
  const chosen = new Set<string>(Object.values(stack.files));
  const files = [...references()].filter(([file]) => !optional.has(file) || chosen.has(file));
  return Object.fromEntries(files.flatMap(([file, paths]) => paths.map((path) => [`${file} ${path}`, follow(stack, path)])));
}

suite('what parameters do', () => {
  test('whatever the YAML of the stack reads is there', () => {
    const stack = derive(read(), { service: 'tilefan', stage: 'dev' });
    const missing = [...references()].flatMap(([file, paths]) => paths.filter((path) => follow(stack, path) === undefined).map((path) => `${file} reads ${path}`));
    assert.deepEqual(missing, []);
  });

  for (const name of parameterNames) {
    test(`${name} changes the stack`, () => {
      const change = changes[name];
      const { [name]: _changed, ...needed } = change;
      // The base is the same without this one; where it can't be left out, with another value of its own.
      const others: Partial<Record<ParameterName, Given>> = { subnetIds: existing, securityGroupIds: existing, ec2InstanceTypes: ec2, schedule: { ...needed, schedule: 'rate(1 day)' }, scheduleJob: { ...needed, scheduleJob: 's3://archive/a.json' }, network: {} };
      assert.notDeepEqual(template(change), template(others[name] ?? needed));
      assert.notDeepEqual(read(change)[name], factsOf(name).default);
    });
  }

  test('split is told the capacities that there are, in its own language', () => {
    const { capacities } = derive(read({ ...ec2, managedInstances: true, managedArchitecture: 'X86_64', endpoints: 'interface' }), { service: 'tilefan', stage: 'dev' });
    assert.deepEqual(parseCapacities((capacities as { 'Fn::Sub': string })['Fn::Sub']), {
      FARGATE: { provider: 'FARGATE', publicIp: 'DISABLED', taskDefinitions: { ARM64: '${FargateArm64TaskDefinition}', X86_64: '${FargateX8664TaskDefinition}' } },
      FARGATE_SPOT: { provider: 'FARGATE_SPOT', fallback: 'FARGATE', publicIp: 'DISABLED', taskDefinitions: { ARM64: '${FargateArm64TaskDefinition}', X86_64: '${FargateX8664TaskDefinition}' } },
      EC2: { provider: 'tilefan-dev-ec2', publicIp: 'DISABLED', taskDefinitions: { ARM64: '${Ec2TaskDefinition}' }, largest: { cpu: 8, memory: '14 GiB' } },
      MANAGED_INSTANCES: { provider: 'tilefan-dev-managed', publicIp: 'DISABLED', taskDefinitions: { X86_64: '${ManagedTaskDefinition}' } },
    });
  });

  test('only what exists on Fargate is in its task definitions', () => {
    const sizeOf = (given: Given): unknown => derive(read(given), { service: 'tilefan', stage: 'dev' }).fargateTask;
    assert.deepEqual(sizeOf({ cpu: 4, memory: '30 GiB' }), { cpu: '4096', memory: '30720' });
    assert.deepEqual(sizeOf({ ...ec2, capacity: 'EC2', cpu: 3, memory: '5 GiB' }), { cpu: '2048', memory: '8192' });
  });

  test('tasks whose job names nothing have the processors of the capacity that they get', () => {
    const of = (given: Given): unknown => derive(read(given), { service: 'tilefan', stage: 'dev' }).taskArchitecture;
    assert.equal(of({ ...ec2, ec2Architecture: 'X86_64' }), 'ARM64');
    assert.equal(of({ ...ec2, ec2Architecture: 'X86_64', capacity: 'EC2' }), 'X86_64');
    assert.equal(of({ managedInstances: true, managedArchitecture: 'X86_64', capacity: 'MANAGED_INSTANCES' }), 'X86_64');
  });
});
