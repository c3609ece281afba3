/** Sizes of Fargate tasks (AWS documentation, "Task CPU and memory"). */

export interface TaskSize {
  /** vCPUs. */
  readonly cpu: number;
  readonly memoryMiB: number;
}

const gib = 1024;

function steps(fromGiB: number, toGiB: number, stepGiB = 1): number[] {
  const sizes: number[] = [];
  for (let size = fromGiB; size <= toGiB; size += stepGiB) sizes.push(size * gib);
  return sizes;
}

const sizes: ReadonlyMap<number, readonly number[]> = new Map([
  [0.25, [512, 1024, 2048]],
  [0.5, steps(1, 4)],
  [1, steps(2, 8)],
  [2, steps(4, 16)],
  [4, steps(8, 30)],
  [8, steps(16, 60, 4)],
  [16, steps(32, 120, 8)],
]);

/** Memory sizes in MiB that go with so many vCPUs, ascending; none for a number that Fargate doesn't have. */
export function fargateSizes(cpu: number): readonly number[] {
  return sizes.get(cpu) ?? [];
}

/**
 * The size to try after running out of memory: twice the memory, with as many vCPUs as that needs at least. The largest task is its own
 * next one, and so is a size that Fargate doesn't have (a machine of one's own).
 */
export function nextLargerSize(size: TaskSize): TaskSize {
  if (!fargateSizes(size.cpu).includes(size.memoryMiB)) return size;
  for (const [cpu, memories] of sizes) {
    if (cpu < size.cpu) continue;
    const memoryMiB = memories.find((memory) => memory >= 2 * size.memoryMiB);
    if (memoryMiB !== undefined) return { cpu, memoryMiB };
  }
  return { cpu: 16, memoryMiB: 120 * gib };
}

/** CPU units and MiB as strings, as RunTask's Overrides want them for a task. */
export function toTaskSize({ cpu, memoryMiB }: TaskSize): { Cpu: string; Memory: string } {
  return { Cpu: String(Math.floor(cpu * 1024)), Memory: String(memoryMiB) };
}

/** Which sizes go with so many vCPUs, in words. */
export function describeSizes(cpu: number, allowed: readonly number[]): string {
  const gib = allowed.map((memoryMiB) => String(memoryMiB / 1024));
  const [first = '', second = ''] = gib;
  const last = gib.at(-1) ?? '';
  if (allowed.length === 0) return 'wanted 0.25, 0.5, 1, 2, 4, 8 or 16 vCPU';
  const even = allowed.length > 3 ? `${first} to ${last} GiB, in steps of ${String(Number(second) - Number(first))} GiB` : `${gib.slice(0, -1).join(', ')} or ${last} GiB`;
  return `with ${String(cpu)} vCPU wanted ${even}`;
}
