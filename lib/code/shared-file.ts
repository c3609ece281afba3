/** A file that a compute thread and a code process share: pixels go through it without being copied into messages. */
import { randomUUID } from 'node:crypto';
import { closeSync, constants, openSync, statfsSync, unlinkSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { messageOf, OutputError } from '../base/errors.ts';

export interface SharedFile {
  /** Valid on every thread of this process. The file has no name any more: it goes when the last one who has it open ends. */
  readonly fd: number;
  readonly bytes: number;
  /** Where it lies: memory (/dev/shm) or the folder for temporary files. */
  readonly folder: string;
  close(): void;
}

/** Memory where there is some; a container has 64 MiB of it by default, which is less than a large tile. */
export function sharedFileFolders(): readonly string[] {
  return ['/dev/shm', tmpdir()];
}

const zeros = new Uint8Array(1024 * 1024);

/**
 * Makes the file in the first folder that has room for it. Its room is taken at once: a file with holes would be found too large when a program
 * writes to it, which ends a program that has mapped it (SIGBUS).
 * @throws OutputError SHARED_FILE_NO_ROOM
 */
export function makeSharedFile(bytes: number, folders: readonly string[] = sharedFileFolders()): SharedFile {
  const refused: string[] = [];
  for (const folder of folders) {
    const room = roomIn(folder);
    if (typeof room === 'string') refused.push(`${folder} cannot be used (${room})`);
    else if (room < bytes) refused.push(`${folder} has room for ${megabytes(room)}`);
    else {
      const made = tryIn(folder, bytes);
      if (typeof made === 'number') return { fd: made, bytes, folder, close: () => closeSync(made) };
      refused.push(`${folder} cannot be used (${made})`);
    }
  }
  throw new OutputError(
    'SHARED_FILE_NO_ROOM',
    `There is no room for the ${megabytes(bytes)} through which a tile's pixels go to user code and back: ${refused.join('; ')}. Make tiles smaller, let fewer threads work, or give the task more memory or disk`,
    { where: { bytes, folders } },
  );
}

/** Free bytes for this user, or why it can't be known. */
function roomIn(folder: string): number | string {
  try {
    const { bavail, bsize } = statfsSync(folder);
    return bavail * bsize;
  } catch (error) {
    return messageOf(error);
  }
}

/** The fd of the new file, or why there is none. */
function tryIn(folder: string, bytes: number): number | string {
  let fd: number | undefined;
  try {
    const path = join(folder, `tilefan-${randomUUID()}`);
    fd = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL, 0o600);
    unlinkSync(path);
    for (let at = 0; at < bytes; ) at += writeSync(fd, zeros, 0, Math.min(zeros.length, bytes - at), at);
    return fd;
  } catch (error) {
    if (fd !== undefined) closeSync(fd);
    return messageOf(error);
  }
}

function megabytes(bytes: number): string {
  return `${String(Math.ceil(bytes / 1_000_000))} MB`;
}
