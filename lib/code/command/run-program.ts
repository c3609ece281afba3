/** Runs one program to its end, in a process group of its own, and keeps what it printed last. */
import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { killGroup } from '../process-group.ts';

export interface ProgramOptions {
  /** Absolute. */
  readonly path: string;
  /** What it is to know as its own name. */
  readonly name: string;
  readonly args: readonly string[];
  readonly folder: string;
  readonly env: NodeJS.ProcessEnv;
  readonly timeoutSeconds: number;
  /** Take what it prints. */
  readonly stdout: (chunk: Buffer) => void;
  readonly stderr: (chunk: Buffer) => void;
  /** Told of the process group while it is at work. */
  readonly watch: (group: number | undefined) => void;
}

/** How a program ended. */
export type ProgramEnd =
  | { readonly kind: 'exit'; readonly code: number }
  | { readonly kind: 'signal'; readonly signal: NodeJS.Signals }
  | { readonly kind: 'timeout' }
  /** It couldn't be started at all. */
  | { readonly kind: 'unstartable'; readonly cause: Error };

/** Node's timers end at 2^31 milliseconds, 25 days. */
const longestTimerMs = 2 ** 31 - 1;

/**
 * How long pipes may stay open after the program has ended and its group was killed. Only a process that has left the group can hold them then.
 */
const pipesMs = 1000;

/** Linux's measure of who goes first when memory ends, from 0 to 1000: the program, and not the worker that reports it. */
const oomScore = '500';

/** Never throws. Whatever the program has left running in its group is killed when it ends. */
export async function runProgram(options: ProgramOptions): Promise<ProgramEnd> {
  const { path, name, args, folder, env, timeoutSeconds, stdout, stderr, watch } = options;
  let child: ChildProcessByStdio<null, Readable, Readable>;
  try {
    // stdin is /dev/null: nobody would ever answer a question.
    child = spawn(path, args, { argv0: name, cwd: folder, env, detached: true, shell: false, stdio: ['ignore', 'pipe', 'pipe'] });
  } catch (cause) {
    // Arguments of more bytes than the system takes, for example.
    return { kind: 'unstartable', cause: cause instanceof Error ? cause : new Error(String(cause)) };
  }
  child.stdout.on('data', stdout);
  child.stderr.on('data', stderr);
  const { pid } = child;
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    killGroup(pid);
  }, Math.min(timeoutSeconds * 1000, longestTimerMs));
  if (pid !== undefined) {
    watch(pid);
    // Not Linux, or gone already.
    void writeFile(`/proc/${String(pid)}/oom_score_adj`, oomScore).catch(() => undefined);
  }
  try {
    return await new Promise<ProgramEnd>((resolve) => {
      let pipes: NodeJS.Timeout | undefined;
      child.once('error', (cause) => resolve({ kind: 'unstartable', cause }));
      child.once('exit', () => {
        clearTimeout(timer);
        killGroup(pid);
        pipes = setTimeout(() => {
          child.stdout.destroy();
          child.stderr.destroy();
        }, pipesMs);
      });
      child.once('close', (code, signal) => {
        clearTimeout(pipes);
        if (late) resolve({ kind: 'timeout' });
        else if (signal !== null) resolve({ kind: 'signal', signal });
        else resolve({ kind: 'exit', code: code ?? 0 });
      });
    });
  } finally {
    clearTimeout(timer);
    watch(undefined);
  }
}
