/** The parameters of a deployment: what is taken, what is refused and with which words. What each of them does is in derive.test.ts. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { suite, test } from 'node:test';
import { architectureOfType } from '../../stack/capacities.ts';
import { dashboardBody } from '../../stack/dashboard.ts';
import { derive } from '../../stack/derive.ts';
import { parametersPage } from '../../stack/parameters-page.ts';
import { factsOf, parameterNames, parameters, type ParameterName, type Parameters } from '../../stack/parameters.ts';
import { deploymentFileOf, ParametersError, readParameters } from '../../stack/read-parameters.ts';

const root = new URL('../../', import.meta.url);

type Given = Readonly<Record<string, unknown>>;

function read(content: Given = {}, options: readonly string[] = [], stage = 'dev'): Parameters {
  return readParameters({ stage, file: { name: `deployments/${stage}.yml`, content }, options });
}

/** What is said of a file's content. */
function problemsOf(content: Given, options: readonly string[] = [], stage = 'dev'): readonly string[] {
  try {
    read(content, options, stage);
  } catch (error) {
    assert.ok(error instanceof ParametersError);
    return error.problems;
  }
  return [];
}

suite('defaults and sources', () => {
  test('a deployment that chooses nothing is right, with or without a file', () => {
    const defaults = readParameters({ stage: 'dev', options: [] });
    assert.deepEqual(defaults, parameters.parse({}));
    assert.deepEqual(read(), defaults);
    // A file of comments only.
    assert.deepEqual(readParameters({ stage: 'dev', file: { name: 'x.yml', content: null }, options: [] }), defaults);
  });

  test('the command line goes over the file, and the file over the defaults', () => {
    const found = read({ maxConcurrency: 7, memory: '16 GiB', timeout: '2h' }, ['memory=12 GiB', 'cpu=4', 'cpu=2']);
    assert.deepEqual([found.maxConcurrency, found.memory, found.timeout, found.cpu, found.zones], [7, '12 GiB', '2h', 2, 2]);
  });

  test('text of the command line becomes what it says, and nothing else', () => {
    const found = read({}, ['zones=3', 'cpu=0.5', 'memory=1 GiB', 'retainBuckets=false', 'readBuckets=alpha, beta', 'kmsKeyArn=']);
    assert.deepEqual([found.zones, found.cpu, found.retainBuckets, found.readBuckets, found.kmsKeyArn], [3, 0.5, false, ['alpha', 'beta'], '']);
    for (const option of ['zones=3.0', 'zones=0x2', 'zones= ', 'maxConcurrency=1e3', 'retainBuckets=yes', 'retainBuckets=1', 'retainBuckets=toString']) {
      assert.equal(problemsOf({}, [option]).length, 1, option);
    }
  });

  test("a name with nothing behind it is YAML's null, and means the default", () => assert.equal(read({ alarmTopicArn: null }).alarmTopicArn, ''));

  test('--param deployment names the file, and is no parameter', () => {
    assert.equal(deploymentFileOf(['cpu=4', 'deployment=a.yml', 'deployment= b.yml']), 'b.yml');
    assert.equal(deploymentFileOf(['cpu=4']), undefined);
    assert.deepEqual(problemsOf({}, ['deployment=b.yml']), []);
  });
});

const existing = { network: 'existing', subnetIds: ['subnet-0a0b0c0d'], securityGroupIds: ['sg-0a0b0c0d'] };
const ec2 = { ec2MaxInstances: 4 };

/** For each parameter one value that is wrong by itself, and what is said of it behind its name. */
const wrong: Readonly<Record<ParameterName, readonly [unknown, RegExp]>> = {
  imageTag: [1.2, /as text.*found 1\.2$/],
  architecture: ['arm64', /wanted ARM64 or X86_64, found "arm64"/],
  capacity: ['SPOT', /wanted FARGATE, FARGATE_SPOT, EC2 or MANAGED_INSTANCES, found "SPOT"/],
  cpu: ['many', /a number of vCPUs from 0\.25 to 192, found "many"/],
  memory: ['8', /a number and a unit, for example "16 GiB", found "8"/],
  ephemeralStorage: ['10 GB of disk', /a number and a unit/],
  maxConcurrency: [0, /a whole number from 1 to 10000, found 0/],
  timeout: ['an hour', /a whole number and s, m or h, for example "1h", found "an hour"/],
  imageRepositories: [['models'], /ARNs of ECR repositories.*found "models"/],
  taskDefinitionDays: [14, /a whole number from 15 to 3650, found 14/],
  inputBucket: ['My_Bucket', /the name of a bucket.*found "My_Bucket"/],
  uploadEvents: ['sns', /notification or eventbridge, found "sns"/],
  workBucket: ['s3://work', /the name of a bucket.*found "s3:\/\/work"/],
  outputBucket: ['ab', /the name of a bucket.*found "ab"/],
  readBuckets: [['fine', 'Not Fine'], /names of buckets, found "Not Fine"/],
  writeBuckets: ['*', /names of buckets, found "\*"/],
  kmsKeyArn: ['alias/key', /the ARN of a KMS key.*found "alias\/key"/],
  furtherKeyArns: [['key'], /ARNs of KMS keys, found "key"/],
  retainBuckets: ['maybe', /true or false, found "maybe"/],
  runRetentionDays: [-1, /a whole number from 1 to 3650, found -1/],
  logRetentionDays: [31, /a number of days that CloudWatch Logs knows \(1, 3, 5, .*\), found 31/],
  network: ['default', /own or existing, found "default"/],
  zones: [1, /2 or 3, found 1/],
  endpoints: ['private', /public or interface, found "private"/],
  vpcCidr: ['10.0.0.256/16', /an IPv4 range of \/16 to \/26.*found "10\.0\.0\.256\/16"/],
  subnetIds: [['vpc-0a'], /ids of subnets.*found "vpc-0a"/],
  securityGroupIds: [['default'], /ids of security groups.*found "default"/],
  assignPublicIp: [true, /ENABLED or DISABLED, found true/],
  gpus: [17, /a whole number from 0 to 16, found 17/],
  ec2MaxInstances: ['lots', /a whole number from 0 to 1000, found "lots"/],
  ec2InstanceTypes: [['large'], /EC2 instance types.*found "large"/],
  ec2Architecture: ['amd64', /wanted nothing, ARM64 or X86_64, found "amd64"/],
  ec2TaskCpu: [-4, /a number of vCPUs from 0 to 192, found -4/],
  ec2TaskMemory: ['14', /a number and a unit/],
  ec2AmiParameter: ['ami-0123', /the name of an SSM parameter, beginning with \/, found "ami-0123"/],
  ec2SpotPercentage: [101, /a whole number from 0 to 100, found 101/],
  ec2TargetCapacity: [0, /a whole number from 1 to 100, found 0/],
  ec2VolumeGib: [8, /a whole number from 30 to 16384, found 8/],
  managedInstances: ['on', /true or false, found "on"/],
  managedArchitecture: ['x86', /wanted nothing, ARM64 or X86_64, found "x86"/],
  managedCapacity: ['spot', /ON_DEMAND or SPOT, found "spot"/],
  managedMinCpu: [0.5, /a whole number from 1 to 192, found 0\.5/],
  managedMinMemory: ['some', /a number and a unit/],
  managedVolumeGib: [1, /a whole number from 30 to 16384, found 1/],
  schedule: ['daily', /an expression of EventBridge Scheduler.*found "daily"/],
  scheduleTimezone: ['2 hours', /IANA time zone database.*found "2 hours"/],
  scheduleJob: ['nightly.json', /the href of a job spec.*found "nightly\.json"/],
  alarmTopicArn: ['ops@example.org', /the ARN of an SNS topic.*found "ops@example\.org"/],
  containerInsights: [true, /enabled, enhanced or disabled, found true/],
};

suite('what is wrong by itself', () => {
  for (const name of parameterNames) {
    test(`${name} is refused in one sentence that names it`, () => {
      const [value, says] = wrong[name];
      const [problem, ...more] = problemsOf({ [name]: value }).filter((each) => each.startsWith(`${name}: wanted`));
      assert.match(problem ?? '', says);
      assert.deepEqual(more, []);
    });
  }

  for (const [name, nearest] of [['maxConcurency', 'maxConcurrency'], ['Cpu', 'cpu'], ['deploymnt', 'deployment'], ['subnets', 'subnetIds'], ['logRetentionInDays', 'logRetentionDays']] as const) {
    test(`${name} is not known, but ${nearest} is`, () => assert.deepEqual(problemsOf({}, [`${name}=1`]), [`${name}: there is no such parameter; did you mean ${nearest}?`]));
  }

  test('what is like nothing known gets no suggestion', () => assert.deepEqual(problemsOf({ constructor: 1 }), ['constructor: there is no such parameter']));

  test('an option without a value is told how it is written', () => assert.deepEqual(problemsOf({}, ['cpu']), [`cpu: wanted --param 'cpu=value', found "cpu"`]));

  test('a file that holds no parameters is named', () => {
    assert.throws(() => readParameters({ stage: 'dev', file: { name: 'my.yml', content: ['cpu'] }, options: [] }), /my\.yml: wanted parameters, one a line/);
  });

  for (const stage of ['Dev', '1st', 'a-very-long-stage-name', 'dev-', '']) {
    test(`the stage ${JSON.stringify(stage)} can't name buckets`, () => assert.match(problemsOf({}, [], stage)[0] ?? '', /^stage: wanted 1 to 20 lower-case letters/));
  }

  test('names of buckets stay within the 63 characters that S3 takes, for the longest stage and region', () => {
    const stage = 'abcdefghijklmnopqrst';
    const { buckets } = derive(read({}, [], stage), { service: 'tilefan', stage });
    for (const name of Object.values(buckets)) assert.ok(name.replace('${AWS::AccountId}', '111122223333').replace('${AWS::Region}', 'ap-southeast-1').length <= 63, name);
  });

  test('everything that is wrong is said at once', () => {
    assert.throws(
      () => read({ cpu: 'x', zone: 3 }, ['gpus=1', 'timeout=soon']),
      (error: Error) => error.message.startsWith('4 things are wrong with the parameters (stage dev, deployments/dev.yml, --param):\n') && ['cpu', 'zone', 'gpus', 'timeout'].every((name) => error.message.includes(`\n  ${name}: `)),
    );
  });
});

/** What is wrong only together: the parameters, and all that is said of them. */
const together: readonly (readonly [Given, readonly string[]])[] = [
  [{ capacity: 'EC2' }, ['ec2MaxInstances: wanted 1 or more, since capacity is EC2, found 0']],
  [{ capacity: 'MANAGED_INSTANCES' }, ['managedInstances: wanted true, since capacity is MANAGED_INSTANCES, found false']],
  [{ cpu: 1, memory: '9 GiB' }, ['memory: Fargate has no task of 1 vCPU with 9 GiB; with 1 vCPU wanted 2 to 8 GiB, in steps of 1 GiB']],
  [{ cpu: 3, memory: '9 GiB' }, ['memory: Fargate has no task of 3 vCPU with 9 GiB; wanted 0.25, 0.5, 1, 2, 4, 8 or 16 vCPU']],
  [{ ephemeralStorage: '201 GiB' }, ['ephemeralStorage: wanted 20 GiB to 200 GiB, found 201 GiB']],
  [{ ephemeralStorage: '19 GiB' }, ['ephemeralStorage: wanted 20 GiB to 200 GiB, found 19 GiB']],
  [{ network: 'existing' }, ['subnetIds: wanted at least one, since network is existing, found none', 'securityGroupIds: wanted at least one, since network is existing, found none']],
  [{ scheduleTimezone: 'Europe/Berln' }, ['scheduleTimezone: wanted a name of the IANA time zone database, for example Europe/Berlin, found "Europe/Berln"']],
  [{ subnetIds: ['subnet-0a0b0c0d'] }, ['subnetIds: wanted none, since network is own, found subnet-0a0b0c0d']],
  [{ assignPublicIp: 'ENABLED' }, ['assignPublicIp: wanted with network existing only; in the own network endpoints decides it']],
  [{ vpcCidr: '10.0.0.0/24', maxConcurrency: 200 }, ['vpcCidr: wanted a range with addresses for 200 tasks (maxConcurrency), found 10.0.0.0/24, which has 106 in 2 zones']],
  [{ vpcCidr: '10.0.1.0/16' }, ['vpcCidr: wanted the first address of a range, found 10.0.1.0/16']],
  [{ ...ec2, ec2InstanceTypes: ['m7g.large', 'm7i.large'], ec2TaskCpu: 2, ec2TaskMemory: '7 GiB' }, ['ec2InstanceTypes: wanted types with ARM64 processors (ec2Architecture), found m7i.large, which has X86_64']],
  [{ ...ec2, ec2InstanceTypes: ['m7g.large'] }, ['ec2TaskCpu: wanted the vCPUs of the largest task that fits on the smallest of m7g.large, found none', 'ec2TaskMemory: wanted the memory of the largest task that fits on the smallest of m7g.large, found none']],
  [{ ...ec2, capacity: 'EC2', cpu: 16 }, ['cpu: wanted 8 at most, which fits on an instance (ec2TaskCpu), found 16']],
  [{ ...ec2, capacity: 'EC2', cpu: 4, memory: '15 GiB' }, ['memory: wanted 14 GiB at most, which fits on an instance (ec2TaskMemory), found 15 GiB']],
  [{ gpus: 1 }, ['gpus: wanted 0, since Fargate has none, or ec2MaxInstances or managedInstances; found 1']],
  [{ ...ec2, gpus: 1 }, ['ec2AmiParameter: wanted the parameter of an AMI for GPUs and ARM64, since there is no ECS-optimised one, found none', 'ec2InstanceTypes: wanted types that have GPUs, since gpus is not 0, found none']],
  [{ uploadEvents: 'eventbridge' }, ['uploadEvents: wanted notification, since the input bucket is an own one, found eventbridge']],
  [{ schedule: 'rate(1 day)' }, ['scheduleJob: wanted the href of a job spec, since there is a schedule, found none']],
  [{ scheduleJob: 's3://tilefan-dev-input-111122223333-eu-west-1/a.json' }, ['schedule: wanted an expression such as rate(1 day), since there is a scheduleJob, found none']],
  [{ schedule: 'rate(1 day)', scheduleJob: 's3://elsewhere/a.json' }, ['scheduleJob: wanted a job in a bucket that jobs may read (readBuckets), found s3://elsewhere/a.json']],
];

suite('what is wrong only together', () => {
  for (const [given, says] of together) test(`${JSON.stringify(given)} is refused`, () => assert.deepEqual(problemsOf(given), says));

  test('and what is right together is taken', () => {
    for (const given of [
      existing,
      { ...existing, assignPublicIp: 'ENABLED' },
      { ...ec2, capacity: 'EC2', cpu: 3, memory: '5 GiB' },
      { ...ec2, ec2Architecture: 'X86_64', gpus: 1, ec2InstanceTypes: ['g5.xlarge', 'g6.xlarge'], ec2TaskCpu: 4, ec2TaskMemory: '14 GiB' },
      { managedInstances: true, gpus: 2 },
      { schedule: 'rate(1 day)', scheduleJob: 's3://elsewhere/a.json', readBuckets: ['elsewhere'] },
      { vpcCidr: '10.0.0.0/26', maxConcurrency: 10 },
    ]) assert.deepEqual(problemsOf(given), [], JSON.stringify(given));
  });

  test('a parameter that is wrong by itself is not blamed twice', () => assert.equal(problemsOf({ cpu: 'x', memory: '9 GiB' }).length, 1));

  test('processors are known by the names of types', () => {
    for (const type of ['c7g.large', 'm6gd.metal', 't4g.micro', 'g5g.xlarge', 'x2gd.large', 'im4gn.large', 'hpc7g.4xlarge', 'a1.large']) assert.equal(architectureOfType(type), 'ARM64', type);
    for (const type of ['g5.xlarge', 'g4dn.xlarge', 'g6e.xlarge', 'm7i.large', 'c6a.large', 'p5.48xlarge', 'u7i-12tb.224xlarge', 'inf2.xlarge', 'gr6.4xlarge']) assert.equal(architectureOfType(type), 'X86_64', type);
  });
});

suite('what is written from them', () => {
  test('the page is what the schema says', () => {
    assert.ok(readFileSync(new URL('docs/parameters.md', root), 'utf8') === parametersPage(), 'docs/parameters.md is stale: run `npm run generate`');
  });

  test('every parameter has a line, a default and a description', () => {
    const page = parametersPage();
    for (const name of parameterNames) {
      assert.ok(page.includes(`\n| \`${name}\` | `), name);
      const { description, wanted, default: normal } = factsOf(name);
      assert.ok(description.length > 10 && wanted.length > 3 && normal !== undefined, name);
    }
  });

  test('the dashboard shows every metric that is emitted, in widgets that do not overlap', () => {
    const { widgets } = dashboardBody('tilefan-dev');
    assert.equal(new Set(widgets.map(({ x, y }) => `${String(x)},${String(y)}`)).size, widgets.length);
    const shown = JSON.stringify(widgets);
    const emitted = [...readFileSync(new URL('docs/metrics.md', root), 'utf8').matchAll(/^\| `([A-Z]\w+)`/gm)].map(([, metric = '']) => metric);
    assert.ok(emitted.length > 10, 'docs/metrics.md lists metrics');
    for (const metric of emitted) assert.ok(shown.includes(`"tilefan","${metric}"`), metric);
  });
});
