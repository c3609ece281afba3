/**
 * Objects as files. What S3 gives for free is made here: a write is visible whole or not at all (temporary file and rename), "only if
 * absent" holds between processes (a hard link fails when the name is taken), lists are in the order of hrefs.
 *
 * Nothing is fsynced: a killed process loses nothing, a machine that loses power may. See docs/storage.md.
 */
import { isUtf8 } from 'node:buffer';
import type { BigIntStats, Dirent, Stats } from 'node:fs';
import { link, lstat, mkdir, open, readdir, rename, rm, rmdir, stat, unlink, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';

import { DataError, JobError, OutputError } from '../base/errors.ts';
import { FileAssembly, createAssembly } from './file-assembly.ts';
import { errnoOf, isDirectory, lostNames, notAFile, readError, truncated, writeError } from './file-errors.ts';
import { displayHref, fileHref, pathOf, resolveHref } from './href.ts';
import { OpenFiles, openFile } from './open-files.ts';
import { factsAt, isLocal, mostSmallBytes, replaceFile } from './local-files.ts';
import { defaultMaxBytes, type AssembleOptions, type Assembly, type ClosableStore, type ObjectReader, type ObjectStat, type PutOptions } from './store.ts';
import { isTemporaryName, isToken, newToken, temporaryPath } from './temporary-name.ts';
import { writePieces } from './write-pieces.ts';

export interface FileStoreOptions {
  /** Files kept open for reading, at most (default 64 a store; every worker thread has its own store). */
  readonly maxOpenFiles?: number;
  /** Reads the ranges of an assembly that lie elsewhere; default: this store, which knows only files. */
  readonly reader?: ObjectReader;
}

const defaultMaxOpenFiles = 64;

/** Facts asked for at once in a list: more than the thread pool takes only costs memory. */
const statsAtOnce = 32;

export class FileStore implements ClosableStore {
  readonly #openFiles: OpenFiles;
  readonly #reader: ObjectReader;

  constructor(options: FileStoreOptions = {}) {
    this.#openFiles = new OpenFiles(options.maxOpenFiles ?? defaultMaxOpenFiles);
    this.#reader = options.reader ?? this;
  }

  async stat(href: string): Promise<ObjectStat> {
    try {
      const facts = await stat(pathOf(href), { bigint: true });
      if (facts.isDirectory()) throw isDirectory(href, 'read');
      if (!facts.isFile()) throw notAFile(href, 'read');
      return { href: resolveHref(href), size: Number(facts.size), version: versionOf(facts) };
    } catch (error) {
      throw readError(error, href);
    }
  }

  async readInto(href: string, offset: number, target: Uint8Array, version?: string): Promise<void> {
    const path = pathOf(href);
    try {
      // A descriptor at hand may be of a file that has been replaced since. With a version given that shows, and it is opened anew.
      if (await this.#readIfSame(path, href, offset, target, version)) return;
      await this.#openFiles.drop(path);
      if (!(await this.#readIfSame(path, href, offset, target, version))) throw changed(href);
    } catch (error) {
      throw readError(error, href);
    }
  }

  async readAll(href: string, maxBytes = defaultMaxBytes): Promise<Uint8Array> {
    try {
      // Opened anew, not from the set: small documents are replaced, and are read once.
      await using handle = await openFile(pathOf(href));
      const { size } = await handle.stat();
      if (size > maxBytes) throw tooLarge(href, size, maxBytes);
      const bytes = new Uint8Array(size);
      await readFully(handle, href, 0, bytes);
      return bytes;
    } catch (error) {
      throw readError(error, href);
    }
  }

  async *list(prefix: string): AsyncGenerator<ObjectStat, void, undefined> {
    const canonical = resolveHref(prefix);
    yield* this.#walk(canonical.slice(0, canonical.lastIndexOf('/') + 1), canonical);
  }

  async put(href: string, body: Uint8Array | readonly Uint8Array[], options: PutOptions = {}): Promise<'written' | 'exists'> {
    const path = objectPath(href);
    const pieces = body instanceof Uint8Array ? [body] : body;
    try {
      if (options.ifAbsent !== true && (await this.#putSmall(href, path, pieces))) return 'written';
      if ((await this.#checkDestination(href, path)) && options.ifAbsent === true) return 'exists';
      const temporary = temporaryPath(path, newToken(), 'tmp');
      const handle = await inFolder(path, options.createFolders ?? false, () => open(temporary, 'wx'));
      let renamed = false;
      try {
        try {
          await writePieces(handle, temporary, pieces, 0);
        } finally {
          await handle.close();
        }
        if (options.ifAbsent !== true) {
          await rename(temporary, path);
          renamed = true;
          await this.#openFiles.drop(path);
          return 'written';
        }
        return await linkIfAbsent(href, temporary, path);
      } finally {
        // A failure to clean up must not hide the first one.
        if (!renamed) await unlink(temporary).catch(() => undefined);
      }
    } catch (error) {
      throw writeError(error, href);
    }
  }

  async removePrefix(prefix: string): Promise<number> {
    const path = pathOf(prefix);
    const canonical = resolveHref(prefix);
    if (!canonical.endsWith('/') || canonical === 'file:///') {
      throw new JobError('HREF_NOT_A_PREFIX', `Will not remove everything under ${displayHref(prefix)}: wanted a folder that ends in /, and not the root`, {
        where: { href: prefix },
      });
    }
    try {
      let removed = 0;
      for await (const name of this.#names(canonical, canonical, 'count')) if (name.isFile && !isTemporaryName(name.name)) removed++;
      await this.#openFiles.drop(path);
      for (const name of await readdir(path, { encoding: 'buffer' })) await rm(Buffer.concat([Buffer.from(path), name]), { recursive: true, force: true, maxRetries: 3 });
      // A link to a folder, or one that another process is writing into, stays: it is empty of what was asked to go.
      await rmdir(path).catch(() => undefined);
      return removed;
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return 0;
      throw writeError(error, prefix);
    }
  }

  async assemble(href: string, options: AssembleOptions = {}): Promise<Assembly> {
    const path = objectPath(href);
    const done = (): Promise<void> => this.#openFiles.drop(path);
    const { token } = options;
    if (token !== undefined) {
      if (!isToken(token)) throw new OutputError('STORE_ASSEMBLY_GONE', `Cannot go on writing ${displayHref(href)}: ${JSON.stringify(token)} is not the token of a file's assembly`, { where: { href, token } });
      return new FileAssembly(resolveHref(href), token, this.#reader, this, done);
    }
    try {
      await this.#checkDestination(href, path);
      const fresh = newToken();
      await inFolder(path, options.createFolders ?? false, () => createAssembly(path, fresh));
      return new FileAssembly(resolveHref(href), fresh, this.#reader, this, done);
    } catch (error) {
      throw writeError(error, href);
    }
  }

  async close(): Promise<void> {
    await this.#openFiles.close();
  }

  /** Reads, and says whether the file had `version`. Asked after the read: a file overwritten in place while it was read shows too. */
  async #readIfSame(path: string, href: string, offset: number, target: Uint8Array, version: string | undefined): Promise<boolean> {
    return await this.#openFiles.use(path, async (handle) => {
      const same = async (): Promise<boolean> => version === undefined || versionOf(await handle.stat({ bigint: true })) === version;
      try {
        await readFully(handle, href, offset, target);
      } catch (error) {
        if (await same()) throw error;
        return false;
      }
      return await same();
    });
  }

  /** Puts what is small on a disk of this machine. False when it isn't that, or its folder is missing. */
  async #putSmall(href: string, path: string, pieces: readonly Uint8Array[]): Promise<boolean> {
    if (pieces.reduce((sum, { length }) => sum + length, 0) > mostSmallBytes || !(await isLocal(path))) return false;
    const facts = factsAt(path);
    if (facts !== undefined) checkReplaceable(href, facts);
    try {
      replaceFile(temporaryPath(path, newToken(), 'tmp'), path, pieces);
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return false;
      throw error;
    }
    await this.#openFiles.drop(path);
    return true;
  }

  /** Whether a regular file is there. */
  async #checkDestination(href: string, path: string): Promise<boolean> {
    let facts: Stats;
    try {
      facts = await lstat(path);
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return false;
      throw error;
    }
    checkReplaceable(href, facts);
    return true;
  }

  async *#walk(folder: string, prefix: string): AsyncGenerator<ObjectStat, void, undefined> {
    let waiting: string[] = [];
    for await (const entry of this.#names(folder, prefix, 'refuse')) {
      if (!entry.isFile || isTemporaryName(entry.name)) continue;
      waiting.push(entry.href);
      if (waiting.length < statsAtOnce) continue;
      yield* await this.#stats(waiting);
      waiting = [];
    }
    yield* await this.#stats(waiting);
  }

  async #stats(hrefs: readonly string[]): Promise<ObjectStat[]> {
    const found = await Promise.all(
      hrefs.map(async (href): Promise<ObjectStat | undefined> => {
        try {
          const facts = await stat(pathOf(href), { bigint: true });
          return facts.isFile() ? { href, size: Number(facts.size), version: versionOf(facts) } : undefined;
        } catch (error) {
          // Removed since the folder was read, or a link that leads nowhere: not an object.
          if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ELOOP') return undefined;
          throw readError(error, href);
        }
      }),
    );
    return found.filter((each) => each !== undefined);
  }

  /**
   * Files and links below `folder` whose href begins with `prefix`, in href order. Within one folder a subfolder sorts as its name with `/`:
   * that makes the walk's order the order of whole hrefs. Links to folders are not followed, so there are no circles.
   * @param unnamed what to do with what no href can name: refuse the folder that has it, or take it for a file
   */
  async *#names(folder: string, prefix: string, unnamed: 'refuse' | 'count'): AsyncGenerator<Named, void, undefined> {
    let entries: Dirent<Buffer>[];
    const path = pathOf(folder);
    try {
      entries = await readdir(path, { withFileTypes: true, encoding: 'buffer' });
    } catch (error) {
      if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return;
      throw readError(error, folder);
    }
    const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
    const sorted = entries
      .map((entry) => {
        const name = decoder.decode(entry.name);
        const isLost = !isUtf8(entry.name);
        // A folder whose name can't be said can't be read: it stands for what is in it.
        const isFolder = entry.isDirectory() && !isLost;
        return { href: fileHref(`${path}${name}${isFolder ? '/' : ''}`), name, bytes: entry.name, isLost, isFolder, isFile: entry.isFile() || entry.isSymbolicLink() || (entry.isDirectory() && isLost) };
      })
      // Canonical file hrefs are ASCII, where the order of UTF-16 units is that of bytes.
      .sort((a, b) => (a.href < b.href ? -1 : 1));
    const lost = sorted.filter(({ href, isFile, isLost }) => isLost && isFile && href.startsWith(prefix));
    if (unnamed === 'refuse' && lost.length > 0) throw lostNames(folder, lost.map(({ bytes }) => bytes));
    for (const entry of sorted) {
      if (entry.isFolder && (entry.href.startsWith(prefix) || prefix.startsWith(entry.href))) yield* this.#names(entry.href, prefix, unnamed);
      else if (!entry.isFolder && entry.href.startsWith(prefix)) yield entry;
    }
  }
}

/** A file or link in a folder; or something else that is no object. */
interface Named {
  readonly href: string;
  readonly name: string;
  readonly isFile: boolean;
}

/** A version without inode would miss a replacement of the same size within one tick of the file system's clock (4 ms on ext4). */
function versionOf(facts: BigIntStats): string {
  return `${facts.ino.toString(36)}-${facts.size.toString(36)}-${facts.mtimeNs.toString(36)}`;
}

/** Files and links are replaced, and nothing else: a rename would replace a device or hide a folder. */
function checkReplaceable(href: string, facts: Stats): void {
  if (facts.isDirectory()) throw isDirectory(href, 'write');
  if (!facts.isFile() && !facts.isSymbolicLink()) throw notAFile(href, 'write');
}

function objectPath(href: string): string {
  const path = pathOf(href);
  if (!path.endsWith('/')) return path;
  throw new JobError('HREF_NOT_AN_OBJECT', `Cannot write ${displayHref(href)}: it ends in /, and so names a folder; wanted the path of a file`, { where: { href } });
}

/** Does `work` in the folder of `path`; when the folder is missing and may be made, makes it and does the work again. */
async function inFolder<T>(path: string, createFolders: boolean, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!createFolders || errnoOf(error) !== 'ENOENT') throw error;
    await makeFolders(dirname(path));
    return await work();
  }
}

/** Not mkdir's own `recursive`, which never ends where a folder exists but nothing can be made in it, as under /proc. */
async function makeFolders(folder: string): Promise<void> {
  const make = async (): Promise<void> => {
    await mkdir(folder).catch((error: unknown) => {
      if (errnoOf(error) !== 'EEXIST') throw error;
    });
  };
  try {
    await make();
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT' || dirname(folder) === folder) throw error;
    await makeFolders(dirname(folder));
    await make();
  }
}

async function linkIfAbsent(href: string, temporary: string, path: string): Promise<'written' | 'exists'> {
  try {
    await link(temporary, path);
    return 'written';
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === 'EEXIST') return 'exists';
    if (errno === 'EPERM' || errno === 'ENOTSUP' || errno === 'EOPNOTSUPP' || errno === 'ENOSYS') {
      throw new OutputError('STORE_UNWRITABLE', `Cannot write ${displayHref(href)}: its file system has no hard links (${errno}), without which "write only if absent" isn't safe; put the work folder elsewhere`, {
        cause: error,
        where: { href, errno },
      });
    }
    throw error;
  }
}

/** More than a system call takes, which Node doesn't split. */
const mostReadAtOnce = 2 ** 30;

async function readFully(handle: FileHandle, href: string, offset: number, target: Uint8Array): Promise<void> {
  let done = 0;
  while (done < target.length) {
    const { bytesRead } = await handle.read(target, done, Math.min(mostReadAtOnce, target.length - done), offset + done);
    if (bytesRead === 0) throw truncated(href, offset, target.length, done);
    done += bytesRead;
  }
}

function changed(href: string): DataError {
  return new DataError('STORE_CHANGED', `${displayHref(href)} has changed since this run looked at it first: start a new run`, { where: { href } });
}

function tooLarge(href: string, size: number, maxBytes: number): DataError {
  return new DataError('STORE_TOO_LARGE', `${displayHref(href)} has ${size} bytes: wanted at most ${maxBytes} for a document that is read whole`, { where: { href, size, maxBytes } });
}
