/**
 * A large file in the making: `.NAME.TOKEN.part` beside its destination takes the bytes, each part at its offset; `.NAME.TOKEN.parts` takes one
 * line for each part that is stored whole. Lines are appended after the bytes, in one write each, so that a process killed
 * at any instant leaves at worst a part that is stored again, and several processes may store parts of one assembly. A line begins
 * with its newline and ends with a semicolon: one that was cut off neither counts nor spoils the next.
 */
import { appendFile, open, readFile, rename, stat, truncate, unlink, type FileHandle } from 'node:fs/promises';

import { DataError, OutputError } from '../base/errors.ts';
import { errnoOf, readError, truncated, writeError } from './file-errors.ts';
import { displayHref, parseHref, pathOf } from './href.ts';
import { SourceError, copyRange, isLocal } from './local-files.ts';
import { checkPart, checkParts, someNumbers } from './parts.ts';
import type { Assembly, ObjectReader, ObjectStat, Part } from './store.ts';
import { temporaryPath } from './temporary-name.ts';
import { writePieces } from './write-pieces.ts';

/**
 * Bytes copied at once, through two buffers. The best of a few runs on a busy machine (350 MB, page cache); smaller and much larger chunks
 * were slower.
 */
const copyChunkBytes = 1024 * 1024;

/** Makes the two files of a new assembly. Throws the system's errors. */
export async function createAssembly(path: string, token: string): Promise<void> {
  const partPath = temporaryPath(path, token, 'part');
  await (await open(partPath, 'wx')).close();
  try {
    await (await open(temporaryPath(path, token, 'parts'), 'wx')).close();
  } catch (error) {
    await unlink(partPath).catch(() => undefined);
    throw error;
  }
}

export class FileAssembly implements Assembly {
  readonly token: string;
  readonly parallelParts = 1;
  readonly #href: string;
  readonly #path: string;
  readonly #partPath: string;
  readonly #listPath: string;
  readonly #reader: ObjectReader;
  readonly #files: Pick<ObjectReader, 'stat'>;
  readonly #whenDone: () => Promise<void>;
  /** Buffers that no copy is using: new ones for each part cost more than the copy. */
  readonly #spare: Uint8Array[] = [];

  constructor(href: string, token: string, reader: ObjectReader, files: Pick<ObjectReader, 'stat'>, whenDone: () => Promise<void>) {
    this.token = token;
    this.#href = href;
    this.#path = pathOf(href);
    this.#partPath = temporaryPath(this.#path, token, 'part');
    this.#listPath = temporaryPath(this.#path, token, 'parts');
    this.#reader = reader;
    this.#files = files;
    this.#whenDone = whenDone;
  }

  async stored(): Promise<ReadonlySet<number>> {
    return new Set((await this.#storedParts()).keys());
  }

  async put(part: Part): Promise<void> {
    checkPart(this.#href, part);
    try {
      await using handle = await open(this.#partPath, 'r+');
      let position = part.offset;
      for (const piece of part.pieces) {
        if (piece.kind === 'bytes') {
          await writePieces(handle, this.#partPath, [piece.bytes], position);
          position += piece.bytes.length;
        } else {
          await this.#copy(piece.href, piece.offset, piece.length, handle, position);
          position += piece.length;
        }
      }
      await appendFile(this.#listPath, `\n${part.number} ${extentOf(part)};`);
    } catch (error) {
      throw errnoOf(error) === 'ENOENT' ? this.#gone(error) : writeError(error, this.#href);
    }
  }

  async complete(parts: readonly Part[]): Promise<ObjectStat> {
    const size = checkParts(this.#href, parts);
    try {
      const stored = await this.#storedParts();
      const missing = parts.filter((part) => stored.get(part.number) !== extentOf(part)).map((part) => part.number);
      const { size: found } = await stat(this.#partPath);
      if (missing.length > 0 || found < size) throw this.#incomplete(missing, found, size);
      // A part stored earlier under another layout may have reached further.
      if (found > size) await truncate(this.#partPath, size);
      await rename(this.#partPath, this.#path);
      await this.#whenDone();
    } catch (error) {
      const gone = errnoOf(error) === 'ENOENT' || (error instanceof OutputError && error.code === 'STORE_ASSEMBLY_GONE');
      if (!gone) throw writeError(error, this.#href);
      if (!(await this.#isFinished(size))) throw this.#gone(error);
    }
    await unlink(this.#listPath).catch(() => undefined);
    return await this.#files.stat(this.#href);
  }

  async abort(): Promise<void> {
    for (const path of [this.#partPath, this.#listPath]) {
      await unlink(path).catch((error: unknown) => {
        if (errnoOf(error) !== 'ENOENT') throw writeError(error, this.#href);
      });
    }
  }

  /** Extent by number of each part that is stored. The last line of a number counts. */
  async #storedParts(): Promise<ReadonlyMap<number, string>> {
    const parts = new Map<number, string>();
    let text: string;
    try {
      text = await readFile(this.#listPath, 'utf8');
      await stat(this.#partPath);
    } catch (error) {
      throw errnoOf(error) === 'ENOENT' ? this.#gone(error) : writeError(error, this.#href);
    }
    for (const [, number, extent] of text.matchAll(/^(\d+) (\d+ \d+);/gm)) {
      if (number !== undefined && extent !== undefined) parts.set(Number(number), extent);
    }
    return parts;
  }

  async #copy(source: string, offset: number, length: number, target: FileHandle, position: number): Promise<void> {
    const location = parseHref(source);
    if (location.scheme === 'file' && (await isLocal(location.path)) && (await isLocal(this.#partPath))) await this.#copyHere(source, location.path, offset, length, target, position);
    else await this.#copyThrough(source, offset, length, target, position);
  }

  /** From one disk of this machine to another. */
  async #copyHere(href: string, path: string, offset: number, length: number, target: FileHandle, position: number): Promise<void> {
    let copied: number;
    try {
      copied = await copyRange(path, offset, length, target.fd, position);
    } catch (error) {
      throw error instanceof SourceError ? readError(error.cause, href) : error;
    }
    if (copied < length) throw truncated(href, offset, length, copied);
  }

  /** Through two buffers, reading one while the other is written. */
  async #copyThrough(source: string, offset: number, length: number, target: FileHandle, position: number): Promise<void> {
    const buffers = [this.#spare.pop() ?? new Uint8Array(copyChunkBytes), this.#spare.pop() ?? new Uint8Array(copyChunkBytes)] as const;
    let [filling, emptying] = buffers;
    let writing: Promise<void> = Promise.resolve();
    try {
      for (let done = 0; done < length; done += copyChunkBytes) {
        const chunk = filling.subarray(0, Math.min(copyChunkBytes, length - done));
        await this.#reader.readInto(source, offset + done, chunk);
        await writing;
        writing = writePieces(target, this.#partPath, [chunk], position + done);
        // It is awaited after the next chunk has been read; until then an error must not count as unhandled.
        writing.catch(() => undefined);
        [filling, emptying] = [emptying, filling];
      }
    } finally {
      // Whatever went wrong: nothing may write into the file, or use the buffers, after this.
      await writing.finally(() => this.#spare.push(...buffers));
    }
  }

  async #isFinished(size: number): Promise<boolean> {
    try {
      return (await this.#files.stat(this.#href)).size === size;
    } catch {
      return false;
    }
  }

  #gone(cause: unknown): OutputError {
    return new OutputError('STORE_ASSEMBLY_GONE', `Cannot go on writing ${displayHref(this.#href)}: the unfinished file ${this.#partPath} is gone; it was completed, given up or removed`, {
      cause,
      where: { href: this.#href, token: this.token },
    });
  }

  #incomplete(missing: readonly number[], found: number, size: number): DataError {
    const what = missing.length > 0 ? `these parts are not stored: ${someNumbers(missing)}` : `the unfinished file has ${found} bytes; wanted ${size}`;
    return new DataError('STORE_INCOMPLETE', `Cannot complete ${displayHref(this.#href)}: ${what}`, { where: { href: this.#href, token: this.token, missing: missing.slice(0, 100) } });
  }
}

function extentOf(part: Part): string {
  return `${part.offset} ${part.length}`;
}
