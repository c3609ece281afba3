/** Runs whole programs in turn and measures each: wall time, processor time, and the peak memory of all its processes together. */
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

export interface Contestant {
  readonly name: string;
  readonly command: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Its result, whose size is reported, and which is removed before each run. */
  readonly output?: string;
}

export interface Measurement {
  readonly wallSeconds: number;
  readonly cpuSeconds: number;
  /** Sum of the resident sizes of all processes at the worst moment; pages that they share count for each. */
  readonly peakMegabytes: number;
}

const samplingMs = 50;
const ticksPerSecond = 100;
const pageBytes = 4096;

/** The process and all below it. */
function processTree(pid: number): number[] {
  try {
    const threads = readdirSync(`/proc/${String(pid)}/task`);
    const children = threads.flatMap((thread) => readFileSync(`/proc/${String(pid)}/task/${thread}/children`, 'utf8').split(' ').filter(Boolean).map(Number));
    return [pid, ...children.flatMap(processTree)];
  } catch {
    return [];
  }
}

function residentBytes(pid: number): number {
  try {
    return Number(readFileSync(`/proc/${String(pid)}/statm`, 'utf8').split(' ')[1]) * pageBytes;
  } catch {
    return 0;
  }
}

/** @throws Error with what the program printed, when it fails */
export async function measure({ name, command, env }: Contestant): Promise<Measurement> {
  const [program = '', ...args] = command;
  const started = performance.now();
  const before = childrenSeconds();
  const child = spawn(program, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  let printed = '';
  child.stdout.on('data', (data: Buffer) => (printed += data.toString()));
  child.stderr.on('data', (data: Buffer) => (printed += data.toString()));
  let peak = 0;
  const sampling = setInterval(() => {
    if (child.pid !== undefined) peak = Math.max(peak, processTree(child.pid).reduce((sum, pid) => sum + residentBytes(pid), 0));
  }, samplingMs);
  const exitCode = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  }).finally(() => {
    clearInterval(sampling);
  });
  const wallSeconds = (performance.now() - started) / 1000;
  if (exitCode !== 0) throw new Error(`${name} has ended with ${String(exitCode)}:\n${printed.slice(-2000)}`);
  return { wallSeconds, cpuSeconds: childrenSeconds() - before, peakMegabytes: peak / 1e6 };
}

/** Processor time of all children of this process that have ended. */
function childrenSeconds(): number {
  const fields = readFileSync('/proc/self/stat', 'utf8').split(') ')[1]?.split(' ').map(Number) ?? [];
  return ((fields[13] ?? 0) + (fields[14] ?? 0)) / ticksPerSecond;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? (sorted[middle] ?? NaN) : ((sorted[middle - 1] ?? NaN) + (sorted[middle] ?? NaN)) / 2;
}
