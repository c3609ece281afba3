/** The folder of a code process: its own, empty when it starts, gone when it ends. */
import { chmod, lstat, mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';

import { messageOf, OutputError } from '../base/errors.ts';

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
    await rm(path, { recursive: true, force: true });
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
