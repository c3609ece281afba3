/**
 * Small files, written by synchronous calls. On a disk of this machine a file goes into the system's memory first, and handing each of the five calls of a put to a thread costs more
 * than the calls do (docs/performance.md). A file system on a network would keep the whole process waiting: there this isn't used.
 */
import { closeSync, lstatSync, openSync, renameSync, unlinkSync, writeSync, type Stats } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { dirname } from 'node:path';

/** Bytes of such a file, at most: they are copied in well under a millisecond. */
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
      for (const piece of pieces) for (let done = 0; done < piece.length; ) done += writeSync(descriptor, piece, done);
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
