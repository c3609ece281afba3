/** What a worker learns from ECS. Would catch a field read under another name than ECS gives it, and a batch that fails or waits because ECS doesn't answer. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readTaskMetadata } from '../../containers/worker/task-metadata.ts';
import { answers, recorded, startMetadataServer } from './metadata-server.ts';

const nothing = { task: null, log: null, vcpu: null, memoryGib: null, begunAt: null };

test('a task on Fargate: ARN, log stream, size, and when it began', async () => {
  const server = await startMetadataServer(answers(recorded.fargate));
  try {
    assert.deepEqual(await readTaskMetadata({ ECS_CONTAINER_METADATA_URI_V4: server.endpoint }), {
      task: 'arn:aws:ecs:us-west-2:111122223333:task/default/cd189a933e5849daa93386466019ab50',
      log: { group: '/ecs/containerlogs', stream: 'ecs/curl/cd189a933e5849daa93386466019ab50', region: 'us-west-2' },
      vcpu: 0.25,
      memoryGib: 0.5,
      begunAt: new Date('2020-10-08T20:47:16.053Z'),
    });
  } finally {
    await server.stop();
  }
});

test('a task on EC2 without limits of its own: no size is made up from the container', async () => {
  const server = await startMetadataServer(answers(recorded.ec2));
  try {
    assert.deepEqual(await readTaskMetadata({ ECS_CONTAINER_METADATA_URI_V4: server.endpoint }), {
      task: 'arn:aws:ecs:us-west-2:111122223333:task/default/8f03e41243824aea923aca126495f665',
      log: { group: '/ecs/metadata', stream: 'ecs/curl/8f03e41243824aea923aca126495f665', region: 'us-west-2' },
      vcpu: null,
      memoryGib: null,
      begunAt: new Date('2020-10-02T00:43:06.202Z'),
    });
  } finally {
    await server.stop();
  }
});

test('another log driver: the task is known, the log is not', async () => {
  const { LogOptions: _options, ...container } = recorded.fargate.container;
  const server = await startMetadataServer(answers({ ...recorded.fargate, container: { ...container, LogDriver: 'splunk' } }));
  try {
    const { task, log } = await readTaskMetadata({ ECS_CONTAINER_METADATA_URI_V4: server.endpoint });
    assert.match(task ?? '', /^arn:aws:ecs:/);
    assert.equal(log, null);
  } finally {
    await server.stop();
  }
});

for (const [what, answer] of [
  ['that is busy', () => ({ status: 429, body: 'Too Many Requests' })],
  ['that answers with something else', () => ({ status: 200, body: '[1, 2]' })],
  ['that answers with broken JSON', () => ({ status: 200, body: '{"Labels":' })],
] as const) {
  test(`an endpoint ${what} is as none`, async () => {
    const server = await startMetadataServer(answer);
    try {
      assert.deepEqual(await readTaskMetadata({ ECS_CONTAINER_METADATA_URI_V4: server.endpoint }), nothing);
      assert.deepEqual(server.asked.toSorted(), ['', '/task'], 'asked once each');
    } finally {
      await server.stop();
    }
  });
}

test('an endpoint that never answers is given up', { timeout: 20_000 }, async () => {
  const server = await startMetadataServer(() => undefined);
  try {
    assert.deepEqual(await readTaskMetadata({ ECS_CONTAINER_METADATA_URI_V4: server.endpoint }), nothing);
  } finally {
    await server.stop();
  }
});

test('an endpoint that is not there, or not named, is as none', async () => {
  const server = await startMetadataServer(() => undefined);
  await server.stop();
  assert.deepEqual(await readTaskMetadata({ ECS_CONTAINER_METADATA_URI_V4: server.endpoint }), nothing);
  assert.deepEqual(await readTaskMetadata({}), nothing);
});
