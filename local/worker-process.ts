/**
 * One worker as a child process.
 *
 * It leads a process group of its own: Ctrl-C in a terminal reaches only the parent, which ends its workers in order, and what a worker
 * itself started ends with it. Its standard input is a pipe that, but for the environment of a worker on standby, nobody writes to: it closes when the parent is gone, however
 * that came about, and TILEFAN_PARENT_PIPE=1 tells the worker to exit with code 75 then.
 */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:os';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../lib/base/errors.ts';
import { removeCodeFolders } from '../lib/code/scratch-folder.ts';
import { spawnWorker, type StandbyWorkers } from './standby.ts';

/** How a worker ended. */
export type WorkerEnd =
  | { readonly kind: 'exited'; /** As a shell counts: 128 + signal for a worker that was killed. */ readonly exitCode: number; readonly signal?: string }
  | { readonly kind: 'not-started'; readonly reason: string };

export interface WorkerRun {
  readonly command: readonly string[];
  /** Workers of the same command that have been started already; one of them is taken. */
  readonly standby?: StandbyWorkers | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Every line that the worker prints, on either stream. */
  readonly onLine: (line: string, stream: 'stdout' | 'stderr') => void;
  /** Ends the worker: SIGTERM, and SIGKILL after the grace. */
  readonly signal: AbortSignal;
  /** From SIGTERM to SIGKILL. */
  readonly graceMs: number;
}

/** Longer lines are cut, so that a worker that prints no line ends cannot fill the parent's memory. */
const longestLine = 64 * 1024;

/** Runs one worker to its end and leaves no process of it behind. */
export async function runWorker({ command, standby, env, onLine, signal, graceMs }: WorkerRun): Promise<WorkerEnd> {
  if (command.length === 0) return { kind: 'not-started', reason: 'the worker command is empty' };
  const ready = standby?.take(env);
  const child = ready ?? spawnWorker(command, env);
  if (ready === undefined) {
    try {
      await once(child, 'spawn');
    } catch (error) {
      return { kind: 'not-started', reason: messageOf(error) };
    }
  }
  // A signal that could not be sent: the group's exit is seen all the same.
  child.on('error', () => undefined);

  let kill: NodeJS.Timeout | undefined;
  const stop = (): void => {
    signalGroup(child, 'SIGTERM');
    kill = setTimeout(() => signalGroup(child, 'SIGKILL'), graceMs);
  };
  const exited = once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>;
  const printed = Promise.all([readLines(child.stdout, 'stdout', onLine), readLines(child.stderr, 'stderr', onLine)]);
  // Awaited below, after the worker's end; until then a failure of `onLine` must not count as unhandled.
  printed.catch(() => undefined);
  if (signal.aborted) stop();
  else signal.addEventListener('abort', stop, { once: true });
  try {
    const [code, killedBy] = await exited;
    signalGroup(child, 'SIGKILL');
    // The last lines are still in the pipes; something that left the group could hold them open for ever.
    await Promise.race([printed, sleep(500, undefined, { ref: false })]);
    child.stdin.destroy();
    if (killedBy !== null && child.pid !== undefined) await removeCodeFolders(child.pid);
    if (killedBy === null) return { kind: 'exited', exitCode: code ?? 1 };
    return { kind: 'exited', exitCode: 128 + constants.signals[killedBy], signal: killedBy };
  } finally {
    signal.removeEventListener('abort', stop);
    clearTimeout(kill);
  }
}

/** Signals the worker and everything it started; what is gone already is no error. */
function signalGroup(child: ChildProcess, name: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH' && (error as NodeJS.ErrnoException).code !== 'EPERM') throw error;
  }
}

/** Hands on each line; the part beyond `longestLine` is dropped as it comes. */
async function readLines(stream: Readable, name: 'stdout' | 'stderr', onLine: WorkerRun['onLine']): Promise<void> {
  let line = '';
  for await (const chunk of stream.setEncoding('utf8') as AsyncIterable<string>) {
    const pieces = chunk.split('\n');
    for (const [index, piece] of pieces.entries()) {
      if (line.length < longestLine) line += piece.slice(0, longestLine - line.length);
      if (index === pieces.length - 1) break;
      onLine(line.replace(/\r$/, ''), name);
      line = '';
    }
  }
  if (line !== '') onLine(line, name);
}
