/**
 * Sees to it that a program doesn't outlive the worker, not even when the worker is killed and can't do anything about it: a shell waits at a
 * pipe, is told which process group is at work, and kills it when the pipe ends. Only the system closes that pipe: at the worker's death.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { Socket } from 'node:net';

const script = 'g=; while read -r line; do g=$line; done; [ -n "$g" ] && kill -s KILL -- "-$g"';

export class GroupWatch {
  readonly #shell: ChildProcess;

  constructor() {
    // A group of its own: the terminal's Ctrl-C, which ends the worker, must not end it first.
    this.#shell = spawn('/bin/sh', ['-c', script], { detached: true, cwd: '/', env: {}, stdio: ['pipe', 'ignore', 'ignore'] });
    // Without a shell, or when somebody has killed it, programs run unwatched; nothing else is lost.
    this.#shell.on('error', () => undefined);
    this.#shell.stdin?.on('error', () => undefined);
    this.#shell.unref();
    if (this.#shell.stdin instanceof Socket) this.#shell.stdin.unref();
  }

  /** The process group to end together with the worker; undefined when none is at work any more. */
  watch(group: number | undefined): void {
    this.#shell.stdin?.write(`${group === undefined ? '' : String(group)}\n`);
  }

  close(): void {
    this.#shell.kill('SIGKILL');
    this.#shell.stdin?.destroy();
  }
}
