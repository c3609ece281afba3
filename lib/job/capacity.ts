/**
 * Where a task runs, and what it gets there: the capacities of a deployment, as the stack tells them in TILEFAN_CAPACITIES, and the one
 * that a job takes. Fargate has a table of sizes (task-size.ts); instances have whatever fits on one.
 */
import * as z from 'zod';
import { JobError, messageOf } from '../base/errors.ts';
import { checkSchema, problemsLine } from '../base/schema-problems.ts';
import type { TaskCompute } from './events.ts';
import type { Problem } from './problems.ts';
import { memoryPattern, parseMemory } from './quantities.ts';
import { describeSizes, fargateSizes, nextLargerSize, toTaskSize, type TaskSize } from './task-size.ts';

export const capacityNames = ['FARGATE', 'FARGATE_SPOT', 'EC2', 'MANAGED_INSTANCES'] as const;
export const architectures = ['ARM64', 'X86_64'] as const;
/** Stands for the capacity of a run on this machine. */
export const localCapacity = 'local';
export type CapacityName = (typeof capacityNames)[number];
export type Architecture = (typeof architectures)[number];

const capacity = z.strictObject({
  /** Name of the ECS capacity provider. */
  provider: z.string().min(1),
  /** Where the last attempt after lost capacity runs; absent: in the same place. */
  fallback: z.enum(capacityNames).optional(),
  /** Only Fargate can give a task an address of its own. */
  publicIp: z.enum(['ENABLED', 'DISABLED']),
  /** ARNs, by processor architecture. */
  taskDefinitions: z.partialRecord(z.enum(architectures), z.string().min(1)),
  /** The largest task that fits on one instance. */
  largest: z.strictObject({ cpu: z.number().positive(), memory: z.string().regex(memoryPattern) }).optional(),
});
type Capacity = z.infer<typeof capacity>;

const capacities = z.partialRecord(z.enum(capacityNames), capacity);
export type Capacities = z.infer<typeof capacities>;

/** Parses TILEFAN_CAPACITIES. @throws JobError SETTINGS_INVALID */
export function parseCapacities(text: string): Capacities {
  const wrong = (problem: string, cause: unknown): JobError => new JobError('SETTINGS_INVALID', `the environment is not set up for tilefan: TILEFAN_CAPACITIES: ${problem}`, { cause });
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (cause) {
    throw wrong(messageOf(cause), cause);
  }
  const checked = checkSchema(capacities, document);
  if (checked.success) return checked.data;
  throw wrong(problemsLine(checked.problems, 'it'), checked.cause);
}

/** Everything of RunTask that depends on where it runs. */
export type Place = Omit<TaskCompute, 'timeoutSeconds' | 'metrics' | 'mallocArenas'>;

/** What a job wants of its tasks, the deployment's defaults filled in. */
export interface TaskWishes {
  readonly capacity: CapacityName;
  /** What the job itself names; undefined: `usual`, or what the capacity has. */
  readonly architecture: Architecture | undefined;
  /** The deployment's own. */
  readonly usual: Architecture;
  readonly size: TaskSize;
  /** Bytes; undefined: what the capacity gives without asking. */
  readonly ephemeralStorage: number | undefined;
}

/** Storage that a Fargate task has anyway, the least and the most that it can be given, in GiB (AWS documentation, "Fargate task ephemeral storage"). */
const fargateStorageGib = { free: 20, least: 21, most: 200 } as const;

export function isFargate(name: CapacityName): boolean {
  return name === 'FARGATE' || name === 'FARGATE_SPOT';
}

/**
 * Finds the place for a job's tasks in a deployment.
 * @param problems gets what this deployment or its capacity doesn't have
 */
export function placeTasks(deployed: Capacities, wishes: TaskWishes, problems: Problem[]): Place | undefined {
  const { capacity: name, size } = wishes;
  const found = deployed[name];
  if (found === undefined) {
    problems.push({ path: '$.compute.capacity', message: `this deployment has no ${name}; it has ${Object.keys(deployed).join(', ')}` });
    return undefined;
  }
  const architecture = wishes.architecture ?? (wishes.usual in found.taskDefinitions ? wishes.usual : architectures.find((each) => each in found.taskDefinitions)) ?? wishes.usual;
  const taskDefinition = found.taskDefinitions[architecture];
  if (taskDefinition === undefined) {
    problems.push({ path: '$.compute.architecture', message: `${name} of this deployment runs ${Object.keys(found.taskDefinitions).join(', ')}, found ${architecture}` });
  }
  const storage = checkStorage(name, wishes.ephemeralStorage, problems);
  if (isFargate(name)) checkFargateSize(size, problems);
  else checkInstanceSize(name, size, found, problems);
  return {
    taskDefinition: taskDefinition ?? '',
    size: { ...toTaskSize(size), ...storage },
    larger: { ...toTaskSize(isFargate(name) ? nextLargerSize(size) : largerOnInstance(size, found)), ...storage },
    strategy: [{ CapacityProvider: found.provider, Weight: 1 }],
    fallback: [{ CapacityProvider: (found.fallback === undefined ? undefined : deployed[found.fallback]?.provider) ?? found.provider, Weight: 1 }],
    publicIp: found.publicIp,
  };
}

/** Whether Fargate has tasks of this size. */
export function checkFargateSize({ cpu, memoryMiB }: TaskSize, problems: Problem[]): void {
  const allowed = fargateSizes(cpu);
  if (allowed.includes(memoryMiB)) return;
  problems.push({
    path: '$.compute',
    message: `Fargate has no task of ${String(cpu)} vCPU with ${String(memoryMiB)} MiB; ${describeSizes(cpu, allowed)}`,
  });
}

/** A task that fits on no instance would wait for ever: nothing starts an instance for it. */
function checkInstanceSize(name: CapacityName, size: TaskSize, { largest }: Capacity, problems: Problem[]): void {
  if (largest === undefined) return;
  if (size.cpu <= largest.cpu && size.memoryMiB <= mebibytes(largest.memory)) return;
  problems.push({
    path: '$.compute',
    message: `a task of ${String(size.cpu)} vCPU with ${String(size.memoryMiB)} MiB fits on no instance of ${name}; wanted ${String(largest.cpu)} vCPU and ${String(mebibytes(largest.memory))} MiB at most`,
  });
}

/** Twice the memory for the attempt after running out of it, as far as an instance has that. */
function largerOnInstance({ cpu, memoryMiB }: TaskSize, { largest }: Capacity): TaskSize {
  return { cpu, memoryMiB: Math.max(memoryMiB, Math.min(2 * memoryMiB, largest === undefined ? Infinity : mebibytes(largest.memory))) };
}

function checkStorage(name: CapacityName, bytes: number | undefined, problems: Problem[]): { EphemeralStorage?: { SizeInGiB: number } } {
  if (bytes === undefined) return {};
  const path = '$.compute.ephemeralStorage';
  if (!isFargate(name)) {
    problems.push({ path, message: `only Fargate gives a task storage of its own size; on ${name} it is the instance's volume, which the deployment decides` });
    return {};
  }
  const { free, least, most } = fargateStorageGib;
  const gib = Math.ceil(bytes / 2 ** 30);
  if (gib <= free) return {};
  if (gib > most) problems.push({ path, message: `Fargate gives a task ${String(least)} to ${String(most)} GiB (and ${String(free)} GiB without asking), found ${String(gib)} GiB` });
  return { EphemeralStorage: { SizeInGiB: gib } };
}

function mebibytes(memory: string): number {
  return Math.floor(parseMemory(memory) / 2 ** 20);
}
