/**
 * Task definitions of jobs with an image of their own, against scripted answers of ECS: registered once, found again, taken away when nobody
 * has used them for long. Would catch a definition that is made for every run, one that loses a field of the deployment's own, and one that is
 * taken away under a run.
 */
import assert from 'node:assert/strict';
import { beforeEach, suite, test } from 'node:test';
import {
  DeregisterTaskDefinitionCommand,
  DescribeTaskDefinitionCommand,
  ECSClient,
  ListTaskDefinitionFamiliesCommand,
  ListTaskDefinitionsCommand,
  RegisterTaskDefinitionCommand,
  TagResourceCommand,
  type TaskDefinition,
} from '@aws-sdk/client-ecs';
import { mockClient } from 'aws-sdk-client-mock';
import { EcsTaskDefinitions } from '../../functions/split/task-definitions.ts';
import { createHandler as createTidy } from '../../functions/tidy/handler.ts';
import { JobError, OperationError, TryAgainError } from '../../lib/base/errors.ts';
import { imageFamily } from '../../lib/job/image-definitions.ts';

const arnOf = (family: string, revision: number): string => `arn:aws:ecs:eu-west-1:111122223333:task-definition/${family}:${String(revision)}`;
const base = arnOf('tilefan-dev-worker-fargate-arm64', 3);
const image = '111122223333.dkr.ecr.eu-west-1.amazonaws.com/mine:7';
const family = imageFamily('tilefan-dev', base, image);
const today = new Date('2026-11-22T10:00:00Z');

/** As DescribeTaskDefinition answers, with fields that RegisterTaskDefinition does not take. */
const described: TaskDefinition = {
  taskDefinitionArn: base,
  family: 'tilefan-dev-worker-fargate-arm64',
  revision: 3,
  status: 'ACTIVE',
  registeredAt: new Date('2026-10-01T00:00:00Z'),
  registeredBy: 'arn:aws:sts::111122223333:assumed-role/deploy/me',
  compatibilities: ['EC2', 'FARGATE'],
  requiresAttributes: [{ name: 'ecs.capability.task-eni' }],
  taskRoleArn: 'arn:aws:iam::111122223333:role/worker',
  executionRoleArn: 'arn:aws:iam::111122223333:role/execution',
  networkMode: 'awsvpc',
  requiresCompatibilities: ['FARGATE'],
  cpu: '2048',
  memory: '8192',
  runtimePlatform: { cpuArchitecture: 'ARM64', operatingSystemFamily: 'LINUX' },
  ephemeralStorage: { sizeInGiB: 30 },
  volumes: [{ name: 'scratch', host: {} }],
  placementConstraints: [],
  containerDefinitions: [
    {
      name: 'worker',
      image: '111122223333.dkr.ecr.eu-west-1.amazonaws.com/tilefan-dev-worker:latest',
      essential: true,
      stopTimeout: 120,
      readonlyRootFilesystem: true,
      user: '1000:1000',
      mountPoints: [{ sourceVolume: 'scratch', containerPath: '/scratch' }],
      logConfiguration: { logDriver: 'awslogs', options: { 'awslogs-group': '/tilefan/dev/worker' } },
    },
  ],
};

function fault(name: string, message: string): Error {
  return Object.assign(new Error(message), { name });
}

const ecs = mockClient(ECSClient);

beforeEach(() => {
  ecs.reset();
  ecs.onAnyCommand().rejects(fault('NotScripted', 'this call has no answer in the test'));
});

function definitions(): EcsTaskDefinitions {
  return new EcsTaskDefinitions('tilefan-dev', { now: () => today });
}

suite('an image of its own', () => {
  test('is registered once: everything of the base but the image, and tags that say whose it is', async () => {
    ecs.on(DescribeTaskDefinitionCommand, { taskDefinition: family }).rejects(fault('ClientException', 'Unable to describe task definition.'));
    ecs.on(DescribeTaskDefinitionCommand, { taskDefinition: base }).resolves({
      taskDefinition: described,
      tags: [{ key: 'project', value: 'tilefan' }, { key: 'aws:cloudformation:stack-name', value: 'tilefan-dev' }],
    });
    ecs.on(RegisterTaskDefinitionCommand).resolves({ taskDefinition: { taskDefinitionArn: arnOf(family, 1) } });
    assert.equal(await definitions().withImage(base, image), arnOf(family, 1));
    const [call] = ecs.commandCalls(RegisterTaskDefinitionCommand);
    const { containerDefinitions: [container] = [], tags, ...rest } = call?.args[0].input ?? assert.fail('not registered');
    const { containerDefinitions: [original] = [], taskDefinitionArn: _arn, revision: _revision, status: _status, registeredAt: _at, registeredBy: _by, compatibilities: _compatibilities, requiresAttributes: _attributes, ...kept } = described;
    assert.deepEqual(container, { ...original, image });
    assert.deepEqual(rest, { ...kept, family });
    assert.deepEqual(tags, [{ key: 'project', value: 'tilefan' }, { key: 'tilefan:last-used', value: '2026-11-22' }]);
  });

  test('is found again, and its day of use noted once a day', async () => {
    const known = { taskDefinition: { ...described, taskDefinitionArn: arnOf(family, 1) } };
    ecs.on(DescribeTaskDefinitionCommand, { taskDefinition: family }).resolvesOnce({ ...known, tags: [{ key: 'tilefan:last-used', value: '2026-11-20' }] }).resolves({ ...known, tags: [{ key: 'tilefan:last-used', value: '2026-11-22' }] });
    ecs.on(TagResourceCommand).resolves({});
    assert.equal(await definitions().withImage(base, image), arnOf(family, 1));
    assert.equal(await definitions().withImage(base, image), arnOf(family, 1));
    assert.deepEqual(ecs.commandCalls(TagResourceCommand).map(({ args: [{ input }] }) => input), [{ resourceArn: arnOf(family, 1), tags: [{ key: 'tilefan:last-used', value: '2026-11-22' }] }]);
    assert.equal(ecs.commandCalls(RegisterTaskDefinitionCommand).length, 0);
  });

  test('has another definition for another image, another revision of the base, and another deployment', () => {
    const names = [family, imageFamily('tilefan-dev', base, `${image}x`), imageFamily('tilefan-dev', arnOf('tilefan-dev-worker-fargate-arm64', 4), image), imageFamily('tilefan-prod', base, image)];
    assert.equal(new Set(names).size, 4);
    for (const name of names) assert.match(name, /^tilefan-(dev|prod)-image-[0-9a-f]{16}$/);
  });

  for (const [name, wanted] of [
    ['ClientException', JobError],
    ['InvalidParameterException', JobError],
    ['AccessDeniedException', OperationError],
    ['ThrottlingException', TryAgainError],
    ['ServerException', TryAgainError],
  ] as const) {
    test(`refused with ${name} is a ${wanted.name} that names field and image`, async () => {
      ecs.on(DescribeTaskDefinitionCommand, { taskDefinition: family }).rejects(fault('ClientException', 'Unable to describe task definition.'));
      ecs.on(DescribeTaskDefinitionCommand, { taskDefinition: base }).resolves({ taskDefinition: described });
      ecs.on(RegisterTaskDefinitionCommand).rejects(fault(name, 'because'));
      await assert.rejects(definitions().withImage(base, image), (error) => {
        assert.ok(error instanceof wanted, String(error));
        assert.match(error.message, /\$\.compute\.image.*mine:7.*because/);
        return true;
      });
    });
  }

  test('cannot be made from a base that is gone', async () => {
    ecs.on(DescribeTaskDefinitionCommand).rejects(fault('ClientException', 'Unable to describe task definition.'));
    await assert.rejects(definitions().withImage(base, image), (error) => error instanceof OperationError && error.message.includes(base));
  });
});

suite('tidy', () => {
  const days = (count: number): Date => new Date(Date.now() - count * 86_400_000);
  const day = (count: number): string => days(count).toISOString().slice(0, 10);
  const context = (ms: number): { awsRequestId: string; getRemainingTimeInMillis: () => number } => ({ awsRequestId: 'test', getRemainingTimeInMillis: () => ms });
  const tidy = createTidy({ TILEFAN_NAME: 'tilefan-dev', TILEFAN_TASK_DEFINITION_DAYS: '30' });
  const deregistered = (): unknown[] => ecs.commandCalls(DeregisterTaskDefinitionCommand).map(({ args: [{ input }] }) => input.taskDefinition);

  beforeEach(() => {
    ecs.on(ListTaskDefinitionFamiliesCommand, { familyPrefix: 'tilefan-dev-image-', nextToken: undefined }).resolves({ families: ['tilefan-dev-image-a'], nextToken: 'more' });
    ecs.on(ListTaskDefinitionFamiliesCommand, { familyPrefix: 'tilefan-dev-image-', nextToken: 'more' }).resolves({ families: ['tilefan-dev-image-b', 'tilefan-dev-image-c'] });
    ecs.on(ListTaskDefinitionFamiliesCommand, { familyPrefix: 'tilefan-dev-worker-', nextToken: undefined }).resolves({ families: ['tilefan-dev-worker-ec2'] });
    // A prefix: the family of another one that begins alike is listed, too.
    ecs.on(ListTaskDefinitionsCommand, { familyPrefix: 'tilefan-dev-image-a' }).resolves({ taskDefinitionArns: [arnOf('tilefan-dev-image-a', 1), arnOf('tilefan-dev-image-ab', 1)] });
    ecs.on(ListTaskDefinitionsCommand, { familyPrefix: 'tilefan-dev-image-b' }).resolves({ taskDefinitionArns: [arnOf('tilefan-dev-image-b', 1)] });
    ecs.on(ListTaskDefinitionsCommand, { familyPrefix: 'tilefan-dev-image-c' }).resolves({ taskDefinitionArns: [arnOf('tilefan-dev-image-c', 1)] });
    ecs.on(ListTaskDefinitionsCommand, { familyPrefix: 'tilefan-dev-worker-ec2' }).resolves({ taskDefinitionArns: [5, 4, 3].map((revision) => arnOf('tilefan-dev-worker-ec2', revision)) });
    const used = (arn: string, last: string | undefined, registeredAt: Date): void => {
      ecs.on(DescribeTaskDefinitionCommand, { taskDefinition: arn }).resolves({ taskDefinition: { taskDefinitionArn: arn, registeredAt }, tags: last === undefined ? [] : [{ key: 'tilefan:last-used', value: last }] });
    };
    used(arnOf('tilefan-dev-image-a', 1), day(40), days(100));
    used(arnOf('tilefan-dev-image-b', 1), day(10), days(100));
    used(arnOf('tilefan-dev-image-c', 1), undefined, days(50));
    used(arnOf('tilefan-dev-worker-ec2', 5), undefined, days(20));
    used(arnOf('tilefan-dev-worker-ec2', 4), undefined, days(60));
    used(arnOf('tilefan-dev-worker-ec2', 3), undefined, days(90));
    ecs.on(DeregisterTaskDefinitionCommand).resolves({});
  });

  test('takes away what nobody has used for the days given, and what was replaced before; the newest stays, however old', async () => {
    const result = await tidy({}, context(60_000));
    assert.deepEqual(deregistered(), [arnOf('tilefan-dev-image-a', 1), arnOf('tilefan-dev-image-c', 1), arnOf('tilefan-dev-worker-ec2', 3)]);
    assert.deepEqual(result, { deregistered: 3 });
  });

  test('leaves the rest for the next day when its time is up', async () => {
    assert.deepEqual(await tidy({}, context(5_000)), { deregistered: 0 });
    assert.deepEqual(deregistered(), []);
  });

  test('refuses to take away what can still be redriven', async () => {
    const hasty = createTidy({ TILEFAN_NAME: 'tilefan-dev', TILEFAN_TASK_DEFINITION_DAYS: '14' });
    await assert.rejects(hasty({}, context(60_000)), /TILEFAN_TASK_DEFINITION_DAYS/);
    assert.deepEqual(deregistered(), []);
  });
});
