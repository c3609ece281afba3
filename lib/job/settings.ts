/** What the deployment decides: where runs lie, and what a task gets when the job doesn't say. Parsed once from the environment. */
import { totalmem } from 'node:os';
import * as z from 'zod';
import { JobError } from '../base/errors.ts';
import { checkSchema, problemsLine } from '../base/schema-problems.ts';
import { folderHref } from '../store/href.ts';
import { architectures, capacityNames, checkFargateSize, isFargate, localCapacity, parseCapacities, placeTasks, type Place, type TaskWishes } from './capacity.ts';
import type { TaskCompute } from './events.ts';
import { mallocArenas, type WorkerKind } from './malloc-arenas.ts';
import type { Problem } from './problems.ts';
import { durationPattern, memoryPattern, parseDuration, parseMemory } from './quantities.ts';
import type { JobSpec } from './spec.ts';
import { describeSizes, fargateSizes, nextLargerSize, toTaskSize, type TaskSize } from './task-size.ts';

const memoryText = z.string().regex(memoryPattern, 'wanted a number and a unit, for example "16 GiB"');

const environment = z.object({
  TILEFAN_WORK: z.string().min(1),
  /** The deployment's capacities, their task definitions and limits, as JSON; see capacity.ts. A run on this machine has none. */
  TILEFAN_CAPACITIES: z.string().optional(),
  TILEFAN_CAPACITY: z.enum(capacityNames).default('FARGATE_SPOT'),
  TILEFAN_ARCHITECTURE: z.enum(architectures).default('ARM64'),
  TILEFAN_CPU: z.coerce.number().positive().default(2),
  TILEFAN_MEMORY: memoryText.default('8 GiB'),
  TILEFAN_EPHEMERAL_STORAGE: memoryText.optional(),
  TILEFAN_MAX_CONCURRENCY: z.coerce.number().int().positive().default(100),
  TILEFAN_TIMEOUT: z.string().regex(durationPattern, 'wanted a whole number and s, m or h, for example "1h"').default('1h'),
  /** Hrefs, separated by commas, under which a new object starts a run: an output there would start the next one. */
  TILEFAN_TRIGGERS: z.string().default(''),
  /** How long a task takes to begin working: about a minute on Fargate. Decides how much work a batch should have. */
  TILEFAN_STARTUP_SECONDS: z.coerce.number().positive().default(60),
  /** As the metrics of the functions themselves; workers take over the names. */
  POWERTOOLS_METRICS_NAMESPACE: z.string().default(''),
  POWERTOOLS_SERVICE_NAME: z.string().default(''),
  /** Workers take it over where it is set. */
  MALLOC_ARENA_MAX: z.string().optional(),
  /** Set for a run on this machine: threads of a worker. Tasks then have this machine's memory. */
  TILEFAN_LOCAL_THREADS: z.coerce.number().int().positive().optional(),
});
type Environment = z.infer<typeof environment>;

export interface Settings {
  /** The href under which `runs/` lies; ends in `/`. */
  readonly work: string;
  readonly startupSeconds: number;
  readonly maxConcurrency: number;
  /** What the plan has to fit into. */
  readonly size: TaskSize;
  readonly threads: number;
  /** What RunTask is given. */
  readonly compute: TaskCompute;
  /** Folders that no output may lie in. */
  readonly triggers: readonly string[];
}

/**
 * The settings for one job: its own wishes over the deployment's.
 * @param problems gets what no task can be, for example a pair of cpu and memory that Fargate doesn't have
 * @param kind of work that the tasks do
 * @throws JobError SETTINGS_INVALID when the deployment itself is wrong
 */
export function readSettings(env: Readonly<Record<string, string | undefined>>, compute: JobSpec['compute'], problems: Problem[], kind: WorkerKind = 'usual'): Settings {
  const checked = checkSchema(environment, env);
  if (!checked.success) throw new JobError('SETTINGS_INVALID', `the environment is not set up for tilefan: ${problemsLine(checked.problems, 'it')}`, { cause: checked.cause });
  const settings = checked.data;
  const { TILEFAN_LOCAL_THREADS: localThreads } = settings;
  const cpu = compute.cpu ?? localThreads ?? settings.TILEFAN_CPU;
  const memoryBytes = compute.memory !== undefined ? parseMemory(compute.memory) : localThreads !== undefined ? memoryHere() : parseMemory(settings.TILEFAN_MEMORY);
  const size = { cpu, memoryMiB: Math.floor(memoryBytes / 2 ** 20) };
  const placed = localThreads === undefined ? placeOnAws(settings, compute, size, problems) : placeHere(size, compute, problems);
  return {
    work: folderHref(settings.TILEFAN_WORK),
    startupSeconds: settings.TILEFAN_STARTUP_SECONDS,
    maxConcurrency: compute.maxConcurrency ?? settings.TILEFAN_MAX_CONCURRENCY,
    size,
    threads: localThreads ?? Math.max(1, Math.floor(cpu)),
    compute: {
      ...placed,
      timeoutSeconds: parseDuration(compute.timeout ?? settings.TILEFAN_TIMEOUT),
      metrics: { namespace: settings.POWERTOOLS_METRICS_NAMESPACE, service: settings.POWERTOOLS_SERVICE_NAME },
      mallocArenas: settings.MALLOC_ARENA_MAX ?? mallocArenas[kind],
    },
    triggers: settings.TILEFAN_TRIGGERS.split(',').filter((href) => href !== '').map(folderHref),
  };
}

/** Of this machine, or of the container or control group that this process is in. Where there is none, Node says 0 or 2^64. */
function memoryHere(): number {
  return Math.min(totalmem(), process.constrainedMemory() || Infinity);
}

function placeOnAws(settings: Environment, compute: JobSpec['compute'], size: TaskSize, problems: Problem[]): Place {
  if (settings.TILEFAN_CAPACITIES === undefined) throw new JobError('SETTINGS_INVALID', 'the environment is not set up for tilefan: TILEFAN_CAPACITIES is missing');
  const capacity = compute.capacity ?? settings.TILEFAN_CAPACITY;
  // What the deployment gives tasks on Fargate is no wish of a job that runs on instances.
  const storage = compute.ephemeralStorage ?? (isFargate(capacity) ? settings.TILEFAN_EPHEMERAL_STORAGE : undefined);
  const wishes: TaskWishes = {
    capacity,
    architecture: compute.architecture,
    usual: settings.TILEFAN_ARCHITECTURE,
    size,
    ephemeralStorage: storage === undefined ? undefined : parseMemory(storage),
  };
  // Where there is no place, the problem that says so keeps the plan from being used.
  return placeTasks(parseCapacities(settings.TILEFAN_CAPACITIES), wishes, problems) ?? placeHere(size, compute, []);
}

/** A machine of one's own has one size and no capacity providers; what the job says of Fargate is checked all the same. */
function placeHere(size: TaskSize, compute: JobSpec['compute'], problems: Problem[]): Place {
  checkCompute(compute, problems);
  const strategy = [{ CapacityProvider: localCapacity, Weight: 1 }];
  return { taskDefinition: 'local', size: toTaskSize(size), larger: toTaskSize(nextLargerSize(size)), strategy, fallback: strategy, publicIp: 'DISABLED' };
}

/** What the job itself names has to exist on Fargate, wherever it is tried first, unless it asks for instances. */
export function checkCompute({ capacity = 'FARGATE', cpu, memory }: JobSpec['compute'], problems: Problem[]): void {
  if (!isFargate(capacity) || cpu === undefined) return;
  const sizes = fargateSizes(cpu);
  if (memory !== undefined) checkFargateSize({ cpu, memoryMiB: Math.floor(parseMemory(memory) / 2 ** 20) }, problems);
  else if (sizes.length === 0) problems.push({ path: '$.compute.cpu', message: `Fargate has no task of ${String(cpu)} vCPU; ${describeSizes(cpu, sizes)}, or another capacity` });
}
