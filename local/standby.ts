/**
 * Workers that are started while the run is still being planned: loading Node, modules and threads takes a worker as long as planning takes this process, and
 * there is more than one core. Imports nothing of the rest, so that it can be begun first.
 */
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { workerFiles } from './worker-files.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** Program and arguments of the worker: this Node; what the options are for is in docs/worker.md. */
export const workerCommand: readonly string[] = [
  process.execPath,
  '--max-semi-space-size=2',
  // For each memory of compiled loops V8 reserves 10 GiB of addresses, so that places needn't be checked; where addresses are few, they are checked.
  ...(hasFewAddresses() ? ['--disable-wasm-trap-handler'] : []),
  ...workerFiles,
];

/** Whether this process may not have as many addresses as it likes (`ulimit -v`, as on clusters). */
function hasFewAddresses(): boolean {
  try {
    return !/^Max address space +unlimited/m.test(readFileSync('/proc/self/limits', 'utf8'));
  } catch {
    return false;
  }
}

/** Starts a worker, which leads a process group of its own. Whatever keeps it from starting comes as its `error` event. */
export function spawnWorker([program = '', ...args]: readonly string[], env: Environment): ChildProcessWithoutNullStreams {
  const child = spawn(program, args, { env: { UV_THREADPOOL_SIZE: '16', ...env, TILEFAN_PARENT_PIPE: '1' }, stdio: ['pipe', 'pipe', 'pipe'], detached: true });
  // The worker may end, and close its end of the pipe, at any time.
  child.stdin.on('error', () => undefined);
  return child;
}

/** Workers that wait for their environment. Those that nobody takes end with this process, or when they are dismissed. */
export class StandbyWorkers {
  readonly #waiting: ChildProcessWithoutNullStreams[] = [];

  /** @param env what a worker has from its start; TILEFAN_LOCAL_THREADS says how many threads it starts */
  constructor(count: number, env: Environment, command: readonly string[] = workerCommand) {
    for (let i = 0; i < count; i++) {
      const child = spawnWorker(command, { ...env, TILEFAN_STANDBY: '1' });
      child.on('error', () => undefined);
      this.#waiting.push(child);
    }
  }

  /** A worker that goes on with this environment; undefined when none waits any more. */
  take(env: Environment): ChildProcessWithoutNullStreams | undefined {
    for (;;) {
      const child = this.#waiting.shift();
      // One that could not start, or has ended, is of no use; a fresh one will say why.
      if (child === undefined || (child.pid !== undefined && child.exitCode === null && child.signalCode === null)) {
        child?.stdin.write(`${JSON.stringify(env)}\n`);
        return child;
      }
    }
  }

  /** Ends the workers beyond the first `wanted` that still wait. */
  dismiss(wanted = 0): void {
    for (const child of this.#waiting.splice(wanted)) {
      child.stdin.destroy();
      child.kill('SIGKILL');
    }
  }
}
