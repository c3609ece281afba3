/** How much memory each process with user code may take. */

/** A limit below this keeps interpreters from starting, and tells nobody anything. */
const leastBytes = 512 * 2 ** 20;

/** On a machine that nobody has set aside for it, what all processes may have together. The rest is the workers', and other programs'. */
const shareOfMachine = 3 / 4;
/** Large libraries reserve about as much, also where they don't use it. */
const leastShareBytes = 2 ** 30;
/** What Node itself takes for its heap on a large machine. A heap of 20 GiB takes minutes to fill up, and arrays don't lie in it. */
const mostHeapBytes = 4 * 2 ** 30;

export interface CodeMemory {
  /** Of the task, or of the machine. */
  readonly limit: number;
  /** Bytes of it that the plan has for the worker and its other processes. */
  readonly others: number;
  /** Bytes that the plan has for this process. */
  readonly planned: number;
  readonly runtime: 'node' | 'python' | null;
  /** How many processes share this machine; undefined for a task, and where the job says how much memory there is. */
  readonly sharing: number | undefined;
}

/** @returns bytes: RLIMIT_DATA of Python, --max-old-space-size of Node */
export function codeMemoryBytes({ limit, others, planned, runtime, sharing }: CodeMemory): number {
  // What the task has, without what the others need by the plan.
  if (sharing === undefined) return Math.max(leastBytes, Math.floor(limit - others));
  const share = Math.max(leastShareBytes, planned, (shareOfMachine * limit) / sharing);
  return Math.floor(runtime === 'node' ? Math.min(share, mostHeapBytes) : share);
}

/** Worker processes at a time, of a run on this machine. @param env that of the run; `try` and `replay` have one process, which counts as one worker */
export function localWorkers({ TILEFAN_LOCAL_WORKERS: text }: NodeJS.ProcessEnv): number {
  const workers = Number(text);
  return Number.isInteger(workers) && workers > 0 ? workers : 1;
}
