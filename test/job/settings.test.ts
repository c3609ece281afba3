import assert from 'node:assert/strict';
import { totalmem } from 'node:os';
import { describe, it } from 'node:test';
import { JobError } from '../../lib/base/errors.ts';
import type { Problem } from '../../lib/job/problems.ts';
import { parseDuration, parseMemory } from '../../lib/job/quantities.ts';
import { readSettings } from '../../lib/job/settings.ts';
import { jobSpec } from '../../lib/job/spec.ts';
import { fargateSizes, nextLargerSize, toTaskSize } from '../../lib/job/task-size.ts';

const compute = jobSpec.shape.compute;
const capacities = {
  FARGATE: { provider: 'FARGATE', publicIp: 'ENABLED', taskDefinitions: { ARM64: 'arn:arm', X86_64: 'arn:x86' } },
  FARGATE_SPOT: { provider: 'FARGATE_SPOT', fallback: 'FARGATE', publicIp: 'ENABLED', taskDefinitions: { ARM64: 'arn:arm', X86_64: 'arn:x86' } },
  EC2: { provider: 'tilefan-dev-ec2', publicIp: 'DISABLED', taskDefinitions: { X86_64: 'arn:ec2' }, largest: { cpu: 4, memory: '15 GiB' } },
  MANAGED_INSTANCES: { provider: 'tilefan-dev-managed', publicIp: 'DISABLED', taskDefinitions: { ARM64: 'arn:managed' } },
};
const deployment = {
  TILEFAN_WORK: 's3://work/x',
  TILEFAN_CAPACITIES: JSON.stringify(capacities),
  TILEFAN_CPU: '4',
  TILEFAN_MEMORY: '16 GiB',
  TILEFAN_MAX_CONCURRENCY: '50',
  TILEFAN_TIMEOUT: '30m',
  POWERTOOLS_METRICS_NAMESPACE: 'tilefan',
  POWERTOOLS_SERVICE_NAME: 'tilefan-dev',
};

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
    assert.deepEqual(toTaskSize({ cpu: 0.25, memoryMiB: 512 }), { Cpu: '256', Memory: '512' });
    assert.deepEqual(toTaskSize({ cpu: 16, memoryMiB: 122_880 }), { Cpu: '16384', Memory: '122880' });
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
      startupSeconds: 60,
      maxConcurrency: 50,
      size: { cpu: 4, memoryMiB: 16_384 },
      threads: 4,
      compute: {
        taskDefinition: 'arn:arm',
        size: { Cpu: '4096', Memory: '16384' },
        larger: { Cpu: '8192', Memory: '32768' },
        strategy: [{ CapacityProvider: 'FARGATE_SPOT', Weight: 1 }],
        fallback: [{ CapacityProvider: 'FARGATE', Weight: 1 }],
        publicIp: 'ENABLED',
        timeoutSeconds: 1800,
        metrics: { namespace: 'tilefan', service: 'tilefan-dev' },
        mallocArenas: '2',
      },
      triggers: [],
    });
    const wishes = { capacity: 'FARGATE', architecture: 'X86_64', cpu: 0.5, memory: '2 GiB', ephemeralStorage: '60 GB', maxConcurrency: 7, timeout: '2h' };
    const own = read(deployment, wishes).settings;
    assert.deepEqual([own.size, own.maxConcurrency], [{ cpu: 0.5, memoryMiB: 2048 }, 7]);
    assert.deepEqual(own.compute, {
      taskDefinition: 'arn:x86',
      size: { Cpu: '512', Memory: '2048', EphemeralStorage: { SizeInGiB: 56 } },
      larger: { Cpu: '512', Memory: '4096', EphemeralStorage: { SizeInGiB: 56 } },
      strategy: [{ CapacityProvider: 'FARGATE', Weight: 1 }],
      fallback: [{ CapacityProvider: 'FARGATE', Weight: 1 }],
      publicIp: 'ENABLED',
      timeoutSeconds: 7200,
      metrics: { namespace: 'tilefan', service: 'tilefan-dev' },
      mallocArenas: '2',
    });
    assert.equal(own.threads, 1, 'half a processor runs one thread');
  });

  // Catches: images whose threads wait for each other's memory (a sixth slower), others that hold more of it than was projected.
  void it('tell glibc how much freed memory to keep, by what the tasks do, unless somebody has said so', () => {
    const arenas = (env: object, kind: 'usual' | 'images'): string => readSettings({ ...deployment, ...env }, {} as Parameters<typeof readSettings>[1], [], kind).compute.mallocArenas;
    assert.deepEqual([arenas({}, 'usual'), arenas({}, 'images'), arenas({ MALLOC_ARENA_MAX: '8' }, 'images')], ['2', '64', '8']);
  });

  void it('of instances take any size that fits on one, and no address, no storage and no Fargate sizes', () => {
    const { settings, problems } = read({ ...deployment, TILEFAN_EPHEMERAL_STORAGE: '100 GiB' }, { capacity: 'EC2', architecture: 'X86_64', cpu: 3, memory: '9 GiB' });
    assert.deepEqual(problems, []);
    assert.deepEqual(settings.compute, {
      taskDefinition: 'arn:ec2',
      size: { Cpu: '3072', Memory: '9216' },
      larger: { Cpu: '3072', Memory: '15360' },
      strategy: [{ CapacityProvider: 'tilefan-dev-ec2', Weight: 1 }],
      fallback: [{ CapacityProvider: 'tilefan-dev-ec2', Weight: 1 }],
      publicIp: 'DISABLED',
      timeoutSeconds: 1800,
      metrics: { namespace: 'tilefan', service: 'tilefan-dev' },
      mallocArenas: '2',
    });
    const { taskDefinition } = read(deployment, { capacity: 'EC2', cpu: 2, memory: '4 GiB' }).settings.compute;
    assert.equal(taskDefinition, 'arn:ec2', 'a job that names no architecture takes what the capacity has');
    const managed = read(deployment, { capacity: 'MANAGED_INSTANCES', cpu: 24, memory: '200 GiB' });
    assert.deepEqual([managed.problems, managed.settings.compute.larger], [[], { Cpu: '24576', Memory: '409600' }]);
  });

  void it('refuse what the deployment or its capacity does not have', () => {
    const refused: [object, string, RegExp][] = [
      [{ capacity: 'EC2', architecture: 'ARM64', cpu: 2, memory: '4 GiB' }, '$.compute.architecture', /EC2 of this deployment runs X86_64, found ARM64/],
      [{ capacity: 'EC2', architecture: 'X86_64', cpu: 8, memory: '15 GiB' }, '$.compute', /8 vCPU with 15360 MiB fits on no instance of EC2; wanted 4 vCPU and 15360 MiB at most/],
      [{ capacity: 'EC2', architecture: 'X86_64', cpu: 2, memory: '4 GiB', ephemeralStorage: '50 GiB' }, '$.compute.ephemeralStorage', /only Fargate/],
      [{ ephemeralStorage: '201 GiB' }, '$.compute.ephemeralStorage', /21 to 200 GiB .*found 201 GiB/],
    ];
    for (const [wishes, path, words] of refused) {
      const { problems } = read(deployment, wishes);
      assert.deepEqual(problems.map((problem) => problem.path), [path], JSON.stringify(wishes));
      assert.match(problems[0]?.message ?? '', words);
    }
    const { FARGATE, FARGATE_SPOT } = capacities;
    const { problems } = read({ ...deployment, TILEFAN_CAPACITIES: JSON.stringify({ FARGATE, FARGATE_SPOT }) }, { capacity: 'EC2' });
    assert.match(problems[0]?.message ?? '', /this deployment has no EC2; it has FARGATE, FARGATE_SPOT/);
  });

  void it('know the folders where a new object starts a run', () => {
    assert.deepEqual(read({ ...deployment, TILEFAN_TRIGGERS: 's3://in/jobs/,s3://in/incoming' }).settings.triggers, ['s3://in/jobs/', 's3://in/incoming/']);
  });

  void it('of a machine of one\'s own have its memory and the threads that were asked for', () => {
    const { settings, problems } = read({ TILEFAN_WORK: '/tmp/w', TILEFAN_LOCAL_THREADS: '3' });
    assert.deepEqual(problems, []);
    assert.equal(settings.work, 'file:///tmp/w/');
    assert.equal(settings.threads, 3);
    assert.equal(settings.size.memoryMiB, Math.floor(Math.min(totalmem(), process.constrainedMemory() || Infinity) / 2 ** 20));
  });

  // Catches: memory that is the machine's, and not that of the container on it.
  void it('have no more memory than their container', (t) => {
    for (const [limit, wanted] of [[700 * 2 ** 20, 700], [0, Math.floor(totalmem() / 2 ** 20)], [2 ** 64, Math.floor(totalmem() / 2 ** 20)]] as const) {
      t.mock.method(process, 'constrainedMemory', () => limit);
      assert.equal(read({ TILEFAN_WORK: '/tmp/w', TILEFAN_LOCAL_THREADS: '3' }).settings.size.memoryMiB, wanted);
    }
  });

  void it('refuse a pair that Fargate does not have, also when the other half comes from the deployment', () => {
    const { problems } = read(deployment, { cpu: 2, memory: '17 GiB' });
    assert.deepEqual(problems.map(({ path }) => path), ['$.compute']);
    assert.match(problems[0]?.message ?? '', /no task of 2 vCPU with 17408 MiB; with 2 vCPU wanted 4 to 16 GiB, in steps of 1 GiB/);
    assert.equal(read(deployment, { cpu: 16 }).problems.length, 1);
    assert.match(read(deployment, { cpu: 0.25, memory: '1.5 GiB' }).problems[0]?.message ?? '', /0\.25 vCPU wanted 0\.5, 1 or 2 GiB/);
    const home = { TILEFAN_WORK: '/w', TILEFAN_LOCAL_THREADS: '2' };
    assert.equal(read(home, { cpu: 1, memory: '64 GiB' }).problems.length, 1, 'tried at home, the job would fail on AWS');
    assert.match(read(home, { cpu: 3 }).problems[0]?.message ?? '', /no task of 3 vCPU; wanted 0\.25, 0\.5, 1/);
    assert.deepEqual(read(home, { cpu: 3, memory: '64 GiB', capacity: 'EC2' }).problems, []);
  });

  void it('refuse an environment that is not set up, naming the variable', () => {
    const broken: [Record<string, string>, RegExp][] = [
      [{}, /TILEFAN_WORK/],
      [{ ...deployment, TILEFAN_CAPACITIES: '{"FARGATE":{}}' }, /TILEFAN_CAPACITIES[^]*FARGATE\.provider/],
      [{ ...deployment, TILEFAN_CAPACITIES: '{' }, /TILEFAN_CAPACITIES/],
      [{ TILEFAN_WORK: 's3://work/x' }, /TILEFAN_CAPACITIES is missing/],
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
