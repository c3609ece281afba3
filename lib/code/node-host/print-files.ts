/** Where prints go: file descriptors 1 and 2 are pipes to the worker, until the user's code closes them or puts other files in their places. */
import { fstatSync } from 'node:fs';

export class PrintFiles {
  readonly #remembered = filesOf();

  /** Whether they are what they were when this was made: in a process where they aren't, the next call would fail, or print into somebody's file. */
  areIntact(): boolean {
    return filesOf() === this.#remembered;
  }
}

function filesOf(): string {
  return [1, 2].map(fileOf).join();
}

function fileOf(fd: number): string {
  try {
    const { dev, ino } = fstatSync(fd);
    return `${String(dev)}:${String(ino)}`;
  } catch {
    return 'none';
  }
}
