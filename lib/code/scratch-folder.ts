/** The folder of a code process: its own, empty when it starts, gone when it ends. */
import { chmod, lstat, mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { messageOf, OutputError } from '../base/errors.ts';

function codeFolderPrefix(pid: number): string {
  return `tilefan-code-${String(pid)}-`;
}

/** A folder of this process, for code and the scratch folders of those that run it, or for files that another process reads. Its name says whose it is, so that it goes when that was killed. @throws OutputError SCRATCH_UNUSABLE */
export async function makeCodeFolder(): Promise<string> {
  return await inTemporaryFolder(async () => await mkdtemp(join(tmpdir(), codeFolderPrefix(process.pid))));
}

/** Does something in the folder for temporary files. @throws OutputError SCRATCH_UNUSABLE that names the folder, whatever of the system's keeps it from being done */
export async function inTemporaryFolder<Result>(work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (cause) {
    throw temporaryFolderFault(messageOf(cause), cause);
  }
}

export function temporaryFolderFault(reason: string, cause: unknown): OutputError {
  const folder = tmpdir();
  return new OutputError('SCRATCH_UNUSABLE', `The folder for temporary files, ${folder}, cannot be used: ${reason}. Make room in it, or name another one in TMPDIR`, { cause, where: { path: folder } });
}

/** Removes such folders of a process that was killed and could not do it itself. Never throws. */
export async function removeCodeFolders(pid: number): Promise<void> {
  const names = await readdir(tmpdir()).catch(() => []);
  await Promise.all(names.filter((name) => name.startsWith(codeFolderPrefix(pid))).map((name) => removeScratchFolder(join(tmpdir(), name))));
}

/**
 * Makes the folder, or empties the one that is there; nobody else can look into it.
 * @throws OutputError SCRATCH_UNUSABLE
 */
export async function makeScratchFolder(path: string): Promise<void> {
  try {
    await removeTree(path);
    await mkdir(path, { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw new OutputError('SCRATCH_UNUSABLE', `The scratch folder ${path} for user code cannot be made: ${messageOf(cause)}`, { cause, where: { path } });
  }
}

/** Removes the folder and all that is in it. Never throws: what can't be removed is left to whoever cleans the machine. */
export async function removeScratchFolder(path: string): Promise<void> {
  await removeTree(path).catch(() => undefined);
}

/** Removes a tree even where a program has taken the rights to its own folders away. */
async function removeTree(path: string): Promise<void> {
  try {
    // What was killed a moment ago may still write.
    await rm(path, { recursive: true, force: true, maxRetries: 5 });
  } catch {
    await openUp(path);
    await rm(path, { recursive: true, force: true });
  }
}

async function openUp(folder: string): Promise<void> {
  // A link is not followed: what it points to is none of ours.
  if (!(await lstat(folder)).isDirectory()) return;
  await chmod(folder, 0o700);
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    // One after another: rare, and the order doesn't matter.
    // oxlint-disable-next-line no-await-in-loop
    if (entry.isDirectory()) await openUp(join(folder, entry.name));
  }
}
