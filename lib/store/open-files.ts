/**
 * A bounded set of files that stay open for reading. A worker reads thousands of ranges of few files: opening once saves three system
 * calls a range, and a replaced file goes on being read as it was.
 */
import { constants } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';

import pLimit from 'p-limit';

import { isDirectory, notAFile } from './file-errors.ts';
import { fileHref } from './href.ts';

interface Entry {
  readonly handle: Promise<FileHandle>;
  /** Reads under way. A file is closed only when there are none. */
  users: number;
  /** Out of the set; the last user closes it. */
  dropped: boolean;
}

export class OpenFiles {
  /** By path; in the order of last use, oldest first. */
  readonly #entries = new Map<string, Entry>();
  readonly #max: number;
  readonly #limit: ReturnType<typeof pLimit>;

  constructor(max: number) {
    this.#max = max;
    // As many reads at once as files may be open: so the bound holds even when every read is of another file.
    this.#limit = pLimit(max);
  }

  /** Calls `use` with the open file of `path`. Throws the system's error when it can't be opened. */
  async use<T>(path: string, use: (handle: FileHandle) => Promise<T>): Promise<T> {
    return await this.#limit(async () => {
      const entry = this.#take(path);
      try {
        return await use(await entry.handle);
      } finally {
        entry.users--;
        await this.#closeIfDone(entry);
      }
    });
  }

  /** Forgets the file of `path`, or with a path that ends in `/` all below it: what lies there has been replaced or removed. */
  async drop(path: string): Promise<void> {
    const paths = path.endsWith('/') ? [...this.#entries.keys()].filter((known) => known.startsWith(path)) : [path];
    await Promise.all(paths.map((each) => this.#drop(each)));
  }

  async close(): Promise<void> {
    await Promise.all([...this.#entries.keys()].map((path) => this.#drop(path)));
  }

  #take(path: string): Entry {
    let entry = this.#entries.get(path);
    if (entry === undefined) {
      this.#makeRoom();
      entry = { handle: openFile(path), users: 0, dropped: false };
      entry.handle.catch(() => {
        // Whoever waits for it gets the error; the next caller tries anew.
        if (this.#entries.get(path) === entry) this.#entries.delete(path);
      });
    }
    entry.users++;
    this.#entries.delete(path);
    this.#entries.set(path, entry);
    return entry;
  }

  #makeRoom(): void {
    for (const [path, entry] of this.#entries) {
      if (this.#entries.size < this.#max) return;
      if (entry.users === 0) void this.#drop(path);
    }
  }

  async #drop(path: string): Promise<void> {
    const entry = this.#entries.get(path);
    if (entry === undefined) return;
    this.#entries.delete(path);
    entry.dropped = true;
    await this.#closeIfDone(entry);
  }

  async #closeIfDone(entry: Entry): Promise<void> {
    if (!entry.dropped || entry.users > 0) return;
    // A file that failed to open has nothing to close; one opened for reading has nothing to lose when closing fails.
    await entry.handle.then((handle) => handle.close()).catch(() => undefined);
  }
}

/**
 * Opens a regular file for reading and refuses everything else. O_NONBLOCK, because opening a pipe that nobody writes to
 * would otherwise hang a thread of the pool for ever; regular files don't know the flag.
 */
export async function openFile(path: string): Promise<FileHandle> {
  const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const facts = await handle.stat();
    if (facts.isDirectory()) throw isDirectory(fileHref(path), 'read');
    if (!facts.isFile()) throw notAFile(fileHref(path), 'read');
    return handle;
  } catch (error) {
    await handle.close();
    throw error;
  }
}
