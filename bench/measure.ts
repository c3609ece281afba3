/** Runs whole programs and measures each: wall time, processor time, and the peak memory of all its processes together. */
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

export interface Contestant {
  readonly name: string;
  readonly command: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Its result, whose size is reported, and which is removed before each run. */
  readonly output?: string;
  /** Told each line that the program prints, and when. */
  readonly onLine?: (line: string, seconds: number) => void;
  /** Called with each sample of memory, to look at what the program has done so far. */
  readonly onSample?: (seconds: number) => void;
}

export interface Measurement {
  readonly wallSeconds: number;
  readonly cpuSeconds: number;
  /** Sum of the resident sizes of all processes at the worst moment; pages that they share count for each. */
  readonly peakMegabytes: number;
  /** The same of the largest worker with what it has started; 0 where there was none. */
  readonly workerMegabytes: number;
}

const samplingMs = 50;
const ticksPerSecond = 100;
const pageBytes = 4096;
/** No program here takes half as long; one that does hangs, and would take the whole round with it. */
const patienceMs = 2 * 3_600_000;
const keptChars = 4000;

/** The process and all below it. */
function processTree(pid: number): number[] {
  return [pid, ...childrenOf(pid).flatMap(processTree)];
}

function childrenOf(pid: number): number[] {
  try {
    const threads = readdirSync(`/proc/${String(pid)}/task`);
    return threads.flatMap((thread) => readFileSync(`/proc/${String(pid)}/task/${thread}/children`, 'utf8').split(' ').filter(Boolean).map(Number));
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

function isWorker(pid: number): boolean {
  try {
    return readFileSync(`/proc/${String(pid)}/cmdline`, 'utf8').match(/containers\/worker\/main\.ts|local\/programs\/worker\.cjs/) !== null;
  } catch {
    return false;
  }
}

function treeBytes(pid: number): number {
  return processTree(pid).reduce((sum, each) => sum + residentBytes(each), 0);
}

/** @throws Error with what the program printed, when it fails */
export async function measure({ name, command, env, onLine, onSample }: Contestant): Promise<Measurement> {
  const [program = '', ...args] = command;
  const started = performance.now();
  const elapsed = (): number => (performance.now() - started) / 1000;
  const before = childrenSeconds();
  const child = spawn(program, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  let printed = '';
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', (line) => {
      printed = `${printed}${line}\n`.slice(-keptChars);
      onLine?.(line, elapsed());
    });
  }
  let peak = 0;
  let workerPeak = 0;
  const workers = new Map<number, boolean>();
  const sample = (): void => {
    onSample?.(elapsed());
    if (child.pid === undefined) return;
    const tree = processTree(child.pid);
    peak = Math.max(peak, tree.reduce((sum, pid) => sum + residentBytes(pid), 0));
    for (const pid of tree) {
      // A process that has just begun may still look like its parent.
      if (workers.get(pid) !== true) workers.set(pid, isWorker(pid));
      if (workers.get(pid) === true) workerPeak = Math.max(workerPeak, treeBytes(pid));
    }
  };
  const sampling = setInterval(sample, samplingMs);
  const patience = setTimeout(() => {
    if (child.pid === undefined) return;
    for (const pid of processTree(child.pid)) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It has ended by itself.
      }
    }
  }, patienceMs);
  const exitCode = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  }).finally(() => {
    clearInterval(sampling);
    clearTimeout(patience);
  });
  const wallSeconds = elapsed();
  onSample?.(wallSeconds);
  if (exitCode !== 0) throw new Error(`${name} has ended with ${String(exitCode)}:\n${printed}`);
  return { wallSeconds, cpuSeconds: childrenSeconds() - before, peakMegabytes: peak / 1e6, workerMegabytes: workerPeak / 1e6 };
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
