/**
 * Every way in which a task can fail, and what the child machine makes of it: how often it ran, where, with how much memory, and what
 * the user is told. Would catch a rule in the wrong order, a counter that is not kept, a path that is missing in ECS's answer.
 */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { exited, failedTask, runBatch, spotLost } from '../support/scripted-ecs.ts';
import type { Answer } from '../support/scripted-ecs.ts';
import type { Json } from '../../local/engine.ts';

const spot = 'FARGATE_SPOT';
const onDemand = 'FARGATE';

interface Case {
  readonly what: string;
  readonly answers: readonly Answer[];
  readonly record?: Json;
  /** What the line of the manifest has beside its number. */
  readonly line?: Readonly<Record<string, Json>>;
  /** Capacity of each call. */
  readonly ran: readonly string[];
  /** Memory of each call, where it changes. */
  readonly memory?: readonly string[];
  /** TILEFAN_ATTEMPT of each call; default 1, 2, 3 … */
  readonly attempts?: readonly number[];
  /** Error and words of the cause; absent: the batch succeeds. */
  readonly fails?: readonly [string, RegExp];
}

const many = (count: number, what: string): string[] => Array.from({ length: count }, () => what);
const timeout: Answer = { error: 'States.Timeout', cause: '' };
const noCapacity: Answer = { error: 'AmazonECS.Unknown', cause: '{"Failures":[{"Reason":"RESOURCE:MEMORY"}],"Tasks":[]}' };
const throttled: Answer = { error: 'ECS.AmazonECSException', cause: 'Rate exceeded (Service: AmazonECS; Status Code: 400)' };
const killed = exited(137);
const again = exited(75);
const ofItems = { items: { first: 0, count: 10, offset: 0, length: 1000 } };
const pullFailed = failedTask({ StopCode: 'TaskFailedToStart', StoppedReason: 'CannotPullContainerError: pull access denied', Containers: [] });
const recordOf = (name: string, exitCode: number): Json => ({
  batch: 12,
  state: 'FAILED',
  error: { name, code: 'TIFF_NOT_A_TIFF', message: 'a.tif is not a TIFF', exitCode, where: { tile: [3, 4] }, stack: 'x' },
});

const cases: readonly Case[] = [
  { what: 'success', answers: ['ok'], ran: [spot] },

  { what: 'exit 75 once', answers: [again, 'ok'], ran: many(2, spot) },
  { what: 'exit 75 four times, then success', answers: [again, again, again, again, 'ok'], ran: many(5, spot) },
  { what: 'exit 75 for ever', answers: [again], ran: many(5, spot), fails: ['Batch.GaveUp', /^Batch 12 gave up after 5 attempts.*exit code 75.*task\/tiles\/0123/] },
  { what: 'an unknown exit code', answers: [exited(1), 'ok'], ran: many(2, spot) },
  { what: 'stopped by somebody', answers: [exited(143, { StopCode: 'UserInitiated', StoppedReason: 'Task stopped by user' }), 'ok'], ran: many(2, spot) },

  { what: 'Spot lost twice', answers: [spotLost, spotLost, 'ok'], ran: many(3, spot) },
  { what: 'Spot lost three times, then on demand', answers: [spotLost, spotLost, spotLost, 'ok'], ran: [...many(3, spot), onDemand] },
  {
    what: 'capacity lost for ever',
    answers: [spotLost],
    ran: [...many(3, spot), onDemand],
    fails: ['Batch.CapacityLost', /^Batch 12 lost its capacity 4 times, the last time on the fallback capacity \(SpotInterruption/],
  },
  { what: 'Spot, as older platforms name it', answers: [exited(137, { StopCode: 'TerminationNotice' }), 'ok'], ran: many(2, spot), memory: ['16384', '16384'] },
  { what: 'killed with its Spot instance: lost, not out of memory', answers: [exited(137, { StopCode: 'SpotInterruption' }), 'ok'], ran: many(2, spot), memory: ['16384', '16384'] },
  { what: 'an EC2 instance is gone', answers: [failedTask({ StoppedReason: 'Host EC2 (instance i-0) terminated.', Containers: [{ Name: 'worker' }] }), 'ok'], ran: many(2, spot) },
  {
    what: 'no Spot capacity when starting',
    answers: [failedTask({ StopCode: 'TaskFailedToStart', StoppedReason: 'Capacity is unavailable at this time. Please try again later' })],
    ran: [...many(3, spot), onDemand],
    fails: ['Batch.CapacityLost', /Capacity is unavailable/],
  },

  { what: 'out of memory once', answers: [killed, 'ok'], ran: many(2, spot), memory: ['16384', '30720'] },
  { what: 'out of memory twice', answers: [killed], ran: many(2, spot), memory: ['16384', '30720'], fails: ['Batch.OutOfMemory', /^Batch 12 ran out of memory, or was killed, in attempt 2, with 30720 MiB too \(exit code 137.*\. If nobody killed it, give the job more memory, .* smaller tiles where it has tiles\. Task/] },
  { what: 'a batch of items that is killed four times', line: ofItems, answers: [killed, killed, killed, killed, 'ok'], ran: many(5, spot), memory: ['16384', ...many(4, '30720')] },
  { what: 'a batch of items that is killed for ever', line: ofItems, answers: [killed], ran: many(5, spot), fails: ['Batch.OutOfMemory', /in attempt 5, with 30720 MiB too/] },
  { what: 'out of memory by its reason alone', answers: [exited(1, {}, { Reason: 'OutOfMemoryError: container killed due to memory usage' }), 'ok'], ran: many(2, spot), memory: ['16384', '30720'] },
  { what: 'the heap of Node is full (SIGABRT)', answers: [exited(134), 'ok'], ran: many(2, spot), memory: ['16384', '30720'] },

  { what: 'timeout once', answers: [timeout, 'ok'], ran: many(2, spot) },
  { what: 'timeout twice', answers: [timeout], ran: many(2, spot), fails: ['Batch.TimedOut', /^Batch 12 did not end within 3600 s, twice/] },

  { what: 'the image cannot be pulled: no containers', answers: [pullFailed], ran: many(5, spot), fails: ['Batch.GaveUp', /exit code none, TaskFailedToStart: CannotPullContainerError/] },
  { what: 'ECS says next to nothing', answers: [failedTask({}), 'ok'], ran: many(2, spot) },
  { what: 'ECS says next to nothing, for ever', answers: [failedTask({})], ran: many(5, spot), fails: ['Batch.GaveUp', /no stop code: no reason given/] },
  { what: 'the worker has no exit code', answers: [failedTask({ StopCode: 'TaskFailedToStart', Containers: [{ Name: 'worker' }] }), 'ok'], ran: many(2, spot) },

  { what: 'RESOURCE:MEMORY for a while', answers: [noCapacity, noCapacity, 'ok'], ran: many(3, spot), attempts: [1, 1, 1] },
  { what: 'never placed on Spot: on demand', answers: [...Array.from({ length: 7 }, () => noCapacity), 'ok'], ran: [...many(7, spot), onDemand], attempts: [1, 1, 1, 1, 1, 1, 1, 2] },
  { what: 'never placed at all', answers: [noCapacity], ran: [...many(7, spot), ...many(7, onDemand)], attempts: [...Array.from({ length: 7 }, () => 1), ...Array.from({ length: 7 }, () => 2)], fails: ['Batch.NotStarted', /RESOURCE:MEMORY/] },
  { what: 'throttled for a while', answers: [throttled, throttled, throttled, 'ok'], ran: many(4, spot), attempts: [1, 1, 1, 1] },
  { what: 'throttled for ever', answers: [throttled], ran: many(13, spot), attempts: Array.from({ length: 13 }, () => 1), fails: ['Batch.NotStarted', /^Batch 12 could not be started \(attempt 1\): ECS.AmazonECSException: Rate exceeded/] },
  { what: 'refused: not repeated', answers: [{ error: 'ECS.InvalidParameterException', cause: 'TaskDefinition is inactive' }], ran: [spot], fails: ['Batch.NotStarted', /TaskDefinition is inactive/] },
  { what: 'failed with a cause that is no JSON', answers: [{ error: 'States.TaskFailed', cause: 'strange' }], ran: [spot], fails: ['Batch.NotStarted', /strange/] },

  { what: 'another container failed, the worker did its work', answers: [exited(0, { Containers: [{ Name: 'agent', ExitCode: 137 }, { Name: 'worker', ExitCode: 0 }] })], ran: [spot] },
  { what: 'another container is all that ECS describes', answers: [failedTask({ StopCode: 'TaskFailedToStart', Containers: [{ Name: 'agent', ExitCode: 1 }] }), 'ok'], ran: many(2, spot) },
  { what: 'another container failed first', answers: [exited(0, { Containers: [{ Name: 'agent', ExitCode: 137 }, { Name: 'worker', ExitCode: 75 }] }), 'ok'], ran: many(2, spot), memory: ['16384', '16384'] },

  { what: 'one thing after the other: each has its own count', answers: [spotLost, killed, again, timeout, spotLost, 'ok'], ran: many(6, spot), memory: ['16384', '16384', '30720', '30720', '30720', '30720'] },
  { what: 'permanent after repeats: the record of that attempt counts', answers: [again, exited(65)], record: recordOf('DataError', 65), ran: many(2, spot), fails: ['DataError', /in attempt 2/] },
  { what: 'permanent on a Spot instance that went away', answers: [exited(65, { StopCode: 'SpotInterruption' })], record: recordOf('DataError', 65), ran: [spot], fails: ['DataError', /a\.tif/] },
  { what: 'permanent, with the record of an earlier failure', answers: [again, exited(65)], record: recordOf('TryAgainError', 75), ran: many(2, spot), fails: ['Batch.Failed', /left no record/] },
  { what: 'permanent, with a record that is no JSON', answers: [exited(70)], record: '{"batch":', ran: [spot], fails: ['Batch.Failed', /left no record/] },
  { what: 'permanent, with a record that it runs', answers: [exited(70)], record: { batch: 12, state: 'RUNNING', error: null }, ran: [spot], fails: ['Batch.Failed', /exit code 70/] },
];

for (const [exitCode, name] of [[64, 'JobError'], [65, 'DataError'], [69, 'InputUnavailableError'], [70, 'OperationError'], [73, 'OutputError']] as const) {
  test(`exit ${exitCode} is permanent and names the tile`, async () => {
    const { outcome, calls, reads } = await runBatch({ answers: [exited(exitCode)], record: recordOf(name, exitCode) });
    assert.deepEqual(outcome, {
      state: 'FAILED',
      error: name,
      cause: `Batch 12 failed for good in attempt 1 (exit code ${exitCode}, TIFF_NOT_A_TIFF): a.tif is not a TIFF. Task: arn:aws:ecs:eu-west-1:111122223333:task/tiles/0123.`,
    });
    assert.equal(calls.length, 1);
    assert.equal(reads, 1);
  });

  test(`exit ${exitCode} without a record still names batch, task and place`, async () => {
    const { outcome, calls } = await runBatch({ answers: [exited(exitCode)] });
    assert.ok(outcome.state === 'FAILED');
    assert.equal(outcome.error, 'Batch.Failed');
    assert.match(outcome.cause, new RegExp(`^Batch 12 failed for good in attempt 1 \\(exit code ${exitCode}: Essential.*no record at runs/run-1/results/12.json.*task/tiles/0123`));
    assert.equal(calls.length, 1);
  });
}

suite('what a task meets, attempt by attempt', () => {
  for (const { what, answers, record, line, ran, memory, attempts, fails } of cases) {
    test(what, async () => {
      const { outcome, calls } = await runBatch({ answers, ...(record === undefined ? {} : { record }), ...(line === undefined ? {} : { line }) });
      assert.deepEqual(calls.map(({ capacity }) => capacity), ran);
      assert.deepEqual(calls.map(({ attempt }) => attempt), attempts ?? ran.map((_, index) => index + 1));
      if (memory !== undefined) assert.deepEqual(calls.map((call) => call.memory), memory);
      if (fails === undefined) {
        assert.deepEqual(outcome, { state: 'SUCCEEDED', output: { batch: 12, ...line } });
      } else {
        assert.ok(outcome.state === 'FAILED', JSON.stringify(outcome));
        assert.equal(outcome.error, fails[0]);
        assert.match(outcome.cause, fails[1]);
        assert.match(outcome.cause, /Batch 12/);
      }
    });
  }
});

test('RunTask is told the place, the size and the batch, as ECS wants it', async () => {
  const { calls } = await runBatch({ answers: [killed, 'ok'], compute: { publicIp: 'DISABLED', metrics: { namespace: 'tilefan', service: 'tilefan-dev' }, mallocArenas: '2', larger: { Cpu: '8192', Memory: '61440', EphemeralStorage: { SizeInGiB: 56 } } } });
  assert.deepEqual(calls[1]?.arguments, {
    Cluster: '#{Cluster.Arn}',
    TaskDefinition: 'local',
    CapacityProviderStrategy: [{ CapacityProvider: spot, Weight: 1 }],
    PropagateTags: 'TASK_DEFINITION',
    NetworkConfiguration: { AwsvpcConfiguration: { Subnets: ['#{WorkerSubnets.Value}'], SecurityGroups: ['#{WorkerSecurityGroups.Value}'], AssignPublicIp: 'DISABLED' } },
    Overrides: {
      Cpu: '8192',
      Memory: '61440',
      EphemeralStorage: { SizeInGiB: 56 },
      ContainerOverrides: [
        {
          Name: 'worker',
          Environment: [
            { Name: 'TILEFAN_RUN', Value: 's3://work/runs/run-1/' },
            { Name: 'TILEFAN_BATCH', Value: '{"batch":12}' },
            { Name: 'TILEFAN_ATTEMPT', Value: '2' },
            { Name: 'TILEFAN_TIMEOUT_SECONDS', Value: '3600' },
            { Name: 'MALLOC_ARENA_MAX', Value: '2' },
            { Name: 'POWERTOOLS_METRICS_NAMESPACE', Value: 'tilefan' },
            { Name: 'POWERTOOLS_SERVICE_NAME', Value: 'tilefan-dev' },
          ],
        },
      ],
    },
  });
});

test('redrive lets a failed batch start over, as often as it is redriven, with all its attempts', async () => {
  const { outcome, calls } = await runBatch({ answers: [spotLost], redrives: 2 });
  assert.ok(outcome.state === 'FAILED');
  assert.equal(outcome.error, 'Batch.CapacityLost');
  const once = [...many(3, spot), onDemand];
  assert.deepEqual(calls.map(({ capacity }) => capacity), [...once, ...once, ...once]);
  assert.deepEqual(calls.map(({ attempt }) => attempt), Array.from({ length: 12 }, (_, index) => index + 1));
});

test('redrive after a permanent failure whose reason is gone succeeds', async () => {
  const { outcome, calls } = await runBatch({ answers: [exited(69), 'ok'], redrives: 1 });
  assert.equal(outcome.state, 'SUCCEEDED');
  assert.equal(calls.length, 2);
});
