import assert from 'node:assert/strict';
import { totalmem } from 'node:os';
import { describe, it } from 'node:test';
import { JobError } from '../../lib/base/errors.ts';
import type { Problem } from '../../lib/job/problems.ts';
import { parseDuration, parseMemory, readSettings } from '../../lib/job/settings.ts';
import { jobSpec } from '../../lib/job/spec.ts';
import { fargateSizes, nextLargerSize, toTaskSize } from '../../lib/job/task-size.ts';

const compute = jobSpec.shape.compute;
const deployment = { TILEFAN_WORK: 's3://work/x', TILEFAN_CPU: '4', TILEFAN_MEMORY: '16 GiB', TILEFAN_MAX_CONCURRENCY: '50', TILEFAN_TIMEOUT: '30m' };

function read(env: Record<string, string>, wishes: object = {}) {
  const problems: Problem[] = [];
  return { settings: readSettings(env, compute.parse(wishes), problems), problems };
}

void describe('sizes of tasks', () => {
  void it('are those of the table in the AWS documentation', () => {
    const range = (from: number, to: number, step: number): number[] => Array.from({ length: (to - from) / step + 1 }, (_, i) => (from + i * step) * 1024);
    assert.deepEqual(fargateSizes(0.25), [512, 1024, 2048]);
    assert.deepEqual(fargateSizes(0.5), range(1, 4, 1));
    assert.deepEqual(fargateSizes(1), range(2, 8, 1));
    assert.deepEqual(fargateSizes(2), range(4, 16, 1));
    assert.deepEqual(fargateSizes(4), range(8, 30, 1));
    assert.deepEqual(fargateSizes(8), range(16, 60, 4));
    assert.deepEqual(fargateSizes(16), range(32, 120, 8));
    assert.deepEqual(fargateSizes(3), []);
  });

  void it('grow to twice the memory at least, to a pair that Fargate has, up to the largest', () => {
    for (const cpu of [0.25, 0.5, 1, 2, 4, 8, 16]) {
      for (const memoryMiB of fargateSizes(cpu)) {
        const larger = nextLargerSize({ cpu, memoryMiB });
        assert.ok(fargateSizes(larger.cpu).includes(larger.memoryMiB), JSON.stringify(larger));
        assert.ok(larger.cpu >= cpu);
        if (2 * memoryMiB <= 120 * 1024) assert.ok(larger.memoryMiB >= 2 * memoryMiB, JSON.stringify({ cpu, memoryMiB, larger }));
        else assert.deepEqual(larger, { cpu: 16, memoryMiB: 120 * 1024 });
      }
    }
    assert.deepEqual(nextLargerSize({ cpu: 2, memoryMiB: 8192 }), { cpu: 2, memoryMiB: 16_384 });
    assert.deepEqual(nextLargerSize({ cpu: 2, memoryMiB: 16_384 }), { cpu: 8, memoryMiB: 32_768 });
    assert.deepEqual(nextLargerSize({ cpu: 16, memoryMiB: 122_880 }), { cpu: 16, memoryMiB: 122_880 });
    // A machine of one's own can't grow.
    assert.deepEqual(nextLargerSize({ cpu: 6, memoryMiB: 9999 }), { cpu: 6, memoryMiB: 9999 });
  });

  void it('are written as ECS wants them', () => {
    assert.deepEqual(toTaskSize({ cpu: 0.25, memoryMiB: 512 }), { cpu: '256', memory: '512' });
    assert.deepEqual(toTaskSize({ cpu: 16, memoryMiB: 122_880 }), { cpu: '16384', memory: '122880' });
  });
});

void describe('settings', () => {
  void it('understand memory and durations', () => {
    assert.deepEqual(['16 GiB', '16GiB', '0.5 GiB', '512 MiB', '2 GB', '1.5MB'].map(parseMemory), [2 ** 34, 2 ** 34, 2 ** 29, 2 ** 29, 2e9, 1.5e6]);
    assert.deepEqual(['90s', '90 m', '2h'].map(parseDuration), [90, 5400, 7200]);
  });

  void it('are the deployment\'s, unless the job says otherwise', () => {
    const { settings, problems } = read(deployment);
    assert.deepEqual(problems, []);
    assert.deepEqual(settings, {
      work: 's3://work/x/',
      taskDefinition: 'local',
      startupSeconds: 60,
      capacity: 'FARGATE_SPOT',
      maxConcurrency: 50,
      timeoutSeconds: 1800,
      size: { cpu: 4, memoryMiB: 16_384 },
      larger: { cpu: 8, memoryMiB: 32_768 },
      threads: 4,
      local: false,
    });
    const wishes = { capacity: 'FARGATE', cpu: 0.5, memory: '2 GiB', maxConcurrency: 7, timeout: '2h' };
    const own = read(deployment, wishes).settings;
    assert.deepEqual([own.capacity, own.size, own.maxConcurrency, own.timeoutSeconds], ['FARGATE', { cpu: 0.5, memoryMiB: 2048 }, 7, 7200]);
    assert.equal(own.threads, 1, 'half a processor runs one thread');
  });

  void it('of a machine of one\'s own have its memory and the threads that were asked for', () => {
    const { settings, problems } = read({ TILEFAN_WORK: '/tmp/w', TILEFAN_LOCAL_THREADS: '3' });
    assert.deepEqual(problems, []);
    assert.equal(settings.work, 'file:///tmp/w/');
    assert.equal(settings.threads, 3);
    assert.equal(settings.size.memoryMiB, Math.floor(totalmem() / 2 ** 20));
  });

  void it('refuse a pair that Fargate does not have, also when the other half comes from the deployment', () => {
    const { problems } = read(deployment, { cpu: 2, memory: '17 GiB' });
    assert.deepEqual(problems.map(({ path }) => path), ['$.compute']);
    assert.match(problems[0]?.message ?? '', /no task of 2 vCPU with 17408 MiB; with 2 vCPU wanted 4 to 16 GiB, in steps of 1 GiB/);
    assert.equal(read(deployment, { cpu: 16 }).problems.length, 1);
    assert.match(read(deployment, { cpu: 0.25, memory: '1.5 GiB' }).problems[0]?.message ?? '', /0\.25 vCPU wanted 0\.5, 1 or 2 GiB/);
    assert.equal(read({ TILEFAN_WORK: '/w', TILEFAN_LOCAL_THREADS: '2' }, { cpu: 1, memory: '64 GiB' }).problems.length, 1, 'tried at home, the job would fail on AWS');
  });

  void it('refuse an environment that is not set up, naming the variable', () => {
    const broken: [Record<string, string>, RegExp][] = [
      [{}, /TILEFAN_WORK/],
      [{ ...deployment, TILEFAN_CPU: 'two' }, /TILEFAN_CPU/],
      [{ ...deployment, TILEFAN_CAPACITY: 'SPOT' }, /TILEFAN_CAPACITY/],
      [{ ...deployment, TILEFAN_MAX_CONCURRENCY: '-1' }, /TILEFAN_MAX_CONCURRENCY/],
      [{ ...deployment, TILEFAN_MEMORY: 'lots' }, /TILEFAN_MEMORY/],
      [{ ...deployment, TILEFAN_TIMEOUT: '1 day' }, /TILEFAN_TIMEOUT/],
      [{ ...deployment, TILEFAN_TIMEOUT: '0s' }, /TILEFAN_TIMEOUT/],
    ];
    for (const [env, words] of broken) {
      assert.throws(() => read(env), (error) => error instanceof JobError && error.code === 'SETTINGS_INVALID' && words.test(error.message), words.source);
    }
  });
});
