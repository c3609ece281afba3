/** Looks for programs as the system does when it starts one. */
import { access, constants, stat } from 'node:fs/promises';
import { delimiter, isAbsolute, join } from 'node:path';

/** The absolute path of the file that would run, or undefined. @param name a name that is looked for in PATH, or an absolute path */
export async function findProgram(name: string, env: NodeJS.ProcessEnv): Promise<string | undefined> {
  if (name.includes('/')) return isAbsolute(name) && (await isProgram(name)) ? name : undefined;
  // An empty entry of PATH is the working directory, which is an empty folder here.
  const folders = (env['PATH'] ?? '').split(delimiter).filter((folder) => isAbsolute(folder));
  for (const folder of folders) {
    const path = join(folder, name);
    // In the order of PATH: the first counts.
    // oxlint-disable-next-line no-await-in-loop
    if (await isProgram(path)) return path;
  }
  return undefined;
}

async function isProgram(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
}
