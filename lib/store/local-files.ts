/**
 * Files on disks of this machine, by synchronous calls. There a file goes into the system's memory first, and handing each call to a thread costs more than most calls do
 * (docs/performance.md). A file system on a network would keep the whole process waiting: there this isn't used.
 */
import { closeSync, constants, lstatSync, openSync, readSync, renameSync, unlinkSync, type Stats } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { mostPieceBytes, takeTurns, writeHere } from './file-pieces.ts';

/** Bytes of a file that is put in one piece, at most: they are copied in well under a millisecond. */
export const mostSmallBytes = 1024 ** 2;

/** Magic numbers of Linux's file systems that lie on a disk of the machine, or in its memory (statfs(2)). */
const localTypes: ReadonlySet<number> = new Set([
  0xef53, // ext2 to ext4
  0x5846_5342, // XFS
  0x9123_683e, // Btrfs
  0xf2f5_2010, // F2FS
  0x2fc1_2fc1, // ZFS
  0x0102_1994, // tmpfs
  0x794c_7630, // overlayfs, as containers have it
]);

/** Folders whose file system is remembered, at most. */
const mostFolders = 1000;
const folders = new Map<string, Promise<boolean>>();

/** Whether a file of this path would lie on a disk of this machine. Where that can't be told it wouldn't. */
export async function isLocal(path: string): Promise<boolean> {
  const folder = dirname(path);
  const known = folders.get(folder);
  if (known !== undefined) return await known;
  if (folders.size >= mostFolders) folders.clear();
  const asked = statfs(folder).then(
    ({ type }) => process.platform === 'linux' && localTypes.has(type),
    () => {
      // The folder may be made in a moment.
      folders.delete(folder);
      return false;
    },
  );
  folders.set(folder, asked);
  return await asked;
}

/** What lies at `path`, links not followed. */
export function factsAt(path: string): Stats | undefined {
  return lstatSync(path, { throwIfNoEntry: false });
}

/**
 * Writes a file under a name that nobody has, and gives it its own when it is whole.
 * @throws the system's errors; nothing stays behind then
 */
export function replaceFile(temporary: string, path: string, pieces: readonly Uint8Array[]): void {
  const descriptor = openSync(temporary, 'wx');
  try {
    try {
      let position = 0;
      for (const piece of pieces) {
        writeHere(descriptor, piece, position);
        position += piece.length;
      }
    } finally {
      closeSync(descriptor);
    }
    renameSync(temporary, path);
  } catch (error) {
    try {
      unlinkSync(temporary);
    } catch {
      // A failure to clean up must not hide the first one.
    }
    throw error;
  }
}

/** Bytes copied at once: they stay in a processor's cache between being read and written. */
const copyChunkBytes = mostPieceBytes;
let spare: Uint8Array | undefined;

/**
 * Copies a range of a file into another one. Node has no copy_file_range for a range (copyFile takes whole files only).
 * @param target descriptor that is open for writing
 * @returns the bytes that were copied: fewer than wanted where the source ends before
 * @throws the system's errors, those of the source as `cause` of a SourceError
 */
export async function copyRange(source: string, offset: number, length: number, target: number, position: number): Promise<number> {
  const buffer = spare ?? new Uint8Array(copyChunkBytes);
  spare = undefined;
  const descriptor = ofSource(() => openSync(source, constants.O_RDONLY | constants.O_NONBLOCK));
  try {
    let done = 0;
    while (done < length) {
      const read = ofSource(() => readSync(descriptor, buffer, 0, Math.min(buffer.length, length - done), offset + done));
      if (read === 0) break;
      writeHere(target, buffer.subarray(0, read), position + done);
      done += read;
      await takeTurns(read);
    }
    return done;
  } finally {
    closeSync(descriptor);
    spare = buffer;
  }
}

/** What went wrong with the file that is read, told apart from what went wrong with the one that is written. */
export class SourceError extends Error {}

function ofSource<T>(work: () => T): T {
  try {
    return work();
  } catch (cause) {
    throw new SourceError('', { cause });
  }
}
