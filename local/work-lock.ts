/** One watch at a time over a work folder: two would start every run twice, and get in each other's way in it. */
import { mkdir, open, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { JobError } from '../lib/base/errors.ts';
import { errnoOf, writeError } from '../lib/store/file-errors.ts';
import { fileHref } from '../lib/store/href.ts';

const lockFile = 'dev.lock';
/** A lock that is taken over may be taken by another at the same moment; then that one has it. */
const attempts = 3;

/**
 * Takes the lock of a work folder, from a process that has died too.
 * @param folder path
 * @returns what gives it back
 * @throws JobError DEV_RUNNING that names the process that has it; OutputError when the folder can't be written
 */
export async function lockWork(folder: string): Promise<() => Promise<void>> {
  const path = join(folder, lockFile);
  for (let attempt = 1; ; attempt++) {
    try {
      await mkdir(folder, { recursive: true });
      const file = await open(path, 'wx');
      await file.writeFile(`${String(process.pid)}\n`);
      await file.close();
      return () => rm(path, { force: true });
    } catch (error) {
      if (errnoOf(error) !== 'EEXIST') throw writeError(error, fileHref(path));
    }
    const pid = Number(await readFile(path, 'utf8').catch(() => ''));
    if (isAlive(pid) || attempt === attempts) {
      throw new JobError('DEV_RUNNING', `tilefan dev runs here already (process ${String(pid)}): end it, or take another --work than ${folder}; if it isn't running, remove ${path}`);
    }
    await rm(path, { force: true });
  }
}

function isAlive(pid: number): boolean {
  if (!Number.isInteger(pid) || pid < 1) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // It is there, and somebody else's.
    return errnoOf(error) === 'EPERM';
  }
}
