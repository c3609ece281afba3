/** What the deployment decides: where runs lie, and what a task gets when the job doesn't say. Parsed once from the environment. */
import { availableParallelism, totalmem } from 'node:os';
import * as z from 'zod';
import { JobError } from '../base/errors.ts';
import { folderHref } from '../store/href.ts';
import { fargateSizes, nextLargerSize, type TaskSize } from './task-size.ts';
import { durationPattern, memoryPattern, type JobSpec } from './spec.ts';
import type { Problem } from './problems.ts';

const environment = z.object({
  TILEFAN_WORK: z.string().min(1),
  TILEFAN_TASK_DEFINITION: z.string().min(1).default('local'),
  TILEFAN_CAPACITY: z.enum(['FARGATE', 'FARGATE_SPOT']).default('FARGATE_SPOT'),
  TILEFAN_CPU: z.coerce.number().positive().default(2),
  TILEFAN_MEMORY: z.string().regex(memoryPattern, 'wanted a number and a unit, for example "16 GiB"').default('8 GiB'),
  TILEFAN_MAX_CONCURRENCY: z.coerce.number().int().positive().default(100),
  TILEFAN_TIMEOUT: z.string().regex(durationPattern, 'wanted a whole number and s, m or h, for example "1h"').default('1h'),
  /** How long a task takes to begin working: about a minute on Fargate. Decides how much work a batch should have. */
  TILEFAN_STARTUP_SECONDS: z.coerce.number().positive().default(60),
  /** Set for a run on this machine: threads of a worker. Tasks then have this machine's memory. */
  TILEFAN_LOCAL_THREADS: z.coerce.number().int().positive().optional(),
});

export interface Settings {
  /** The href under which `runs/` lies; ends in `/`. */
  readonly work: string;
  readonly taskDefinition: string;
  readonly startupSeconds: number;
  readonly capacity: string;
  readonly maxConcurrency: number;
  readonly timeoutSeconds: number;
  readonly size: TaskSize;
  /** For the attempt after running out of memory. */
  readonly larger: TaskSize;
  readonly threads: number;
  readonly local: boolean;
}

const bytesPerUnit: Readonly<Record<string, number>> = { MiB: 2 ** 20, GiB: 2 ** 30, MB: 1e6, GB: 1e9 };

/** Bytes of a text such as `16 GiB`, which the schema has checked. */
export function parseMemory(text: string): number {
  const match = /^([\d.]+) ?([A-Za-z]+)$/.exec(text);
  return Number(match?.[1]) * (bytesPerUnit[match?.[2] ?? ''] ?? NaN);
}

/** Seconds of a text such as `1h`, which the schema has checked. */
export function parseDuration(text: string): number {
  const match = /^(\d+) ?([smh])$/.exec(text);
  return Number(match?.[1]) * ({ s: 1, m: 60, h: 3600 }[match?.[2] ?? ''] ?? NaN);
}

/**
 * The settings for one job: its own wishes over the deployment's.
 * @param problems gets what no task can be, for example a pair of cpu and memory that Fargate doesn't have
 * @throws JobError SETTINGS_INVALID when the deployment itself is wrong
 */
export function readSettings(env: Readonly<Record<string, string | undefined>>, compute: JobSpec['compute'], problems: Problem[]): Settings {
  const parsed = environment.safeParse(env);
  if (!parsed.success) {
    throw new JobError('SETTINGS_INVALID', `the environment is not set up for tilefan: ${z.prettifyError(parsed.error)}`, { cause: parsed.error });
  }
  const { TILEFAN_LOCAL_THREADS: localThreads, ...settings } = parsed.data;
  const local = localThreads !== undefined;
  const cpu = compute.cpu ?? (local ? localThreads : settings.TILEFAN_CPU);
  const memoryBytes = compute.memory === undefined ? (local ? totalmem() : parseMemory(settings.TILEFAN_MEMORY)) : parseMemory(compute.memory);
  const size = { cpu, memoryMiB: Math.floor(memoryBytes / 2 ** 20) };
  checkCompute(compute, problems);
  // A machine of one's own may have any size; a deployment's defaults have to exist on Fargate together with what the job names.
  if (!local && (compute.cpu === undefined || compute.memory === undefined)) checkPair(size, problems);
  const threads = local ? localThreads : Math.max(1, Math.floor(cpu));
  return {
    work: folderHref(settings.TILEFAN_WORK),
    taskDefinition: settings.TILEFAN_TASK_DEFINITION,
    startupSeconds: settings.TILEFAN_STARTUP_SECONDS,
    capacity: compute.capacity ?? settings.TILEFAN_CAPACITY,
    maxConcurrency: compute.maxConcurrency ?? settings.TILEFAN_MAX_CONCURRENCY,
    timeoutSeconds: parseDuration(compute.timeout ?? settings.TILEFAN_TIMEOUT),
    size,
    larger: nextLargerSize(size),
    threads,
    local,
  };
}

/** What the job itself names has to exist on Fargate, wherever it is tried first. */
export function checkCompute({ cpu, memory }: JobSpec['compute'], problems: Problem[]): void {
  if (cpu !== undefined && memory !== undefined) checkPair({ cpu, memoryMiB: Math.floor(parseMemory(memory) / 2 ** 20) }, problems);
}

function checkPair({ cpu, memoryMiB }: TaskSize, problems: Problem[]): void {
  const allowed = fargateSizes(cpu);
  if (allowed.includes(memoryMiB)) return;
  problems.push({
    path: '$.compute',
    message: `Fargate has no task of ${String(cpu)} vCPU with ${String(memoryMiB)} MiB; ${describeSizes(cpu, allowed)}`,
  });
}

function describeSizes(cpu: number, allowed: readonly number[]): string {
  const gib = allowed.map((memoryMiB) => String(memoryMiB / 1024));
  const [first = '', second = ''] = gib;
  const last = gib.at(-1) ?? '';
  if (allowed.length === 0) return 'wanted 0.25, 0.5, 1, 2, 4, 8 or 16 vCPU';
  const even = allowed.length > 3 ? `${first} to ${last} GiB, in steps of ${String(Number(second) - Number(first))} GiB` : `${gib.slice(0, -1).join(', ')} or ${last} GiB`;
  return `with ${String(cpu)} vCPU wanted ${even}`;
}

/** What a laptop gives a worker when nobody says otherwise: a thread for each processor. */
export function defaultLocalThreads(): number {
  return availableParallelism();
}
