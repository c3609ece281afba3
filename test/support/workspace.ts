/** A folder of its own for a test file, with jobs, scenes made by GDAL, and results. */
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { projectFolder } from './cli.ts';

export interface Workspace {
  readonly folder: string;
  /** An absolute path in the folder. */
  path(name: string): string;
  /** A new, empty folder in it. */
  newFolder(name?: string): string;
  /** Writes a job and gives its path. */
  job(name: string, job: unknown): string;
  remove(): void;
}

export function createWorkspace(name: string): Workspace {
  const folder = mkdtempSync(join(tmpdir(), `tilefan-${name}-`));
  let count = 0;
  const path = (file: string): string => join(folder, file);
  return {
    folder,
    path,
    newFolder(prefix = 'folder') {
      const made = path(`${prefix}-${String(++count)}`);
      mkdirSync(made);
      return made;
    },
    job(file, job) {
      const made = path(file);
      writeFileSync(made, JSON.stringify(job));
      return made;
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

const sharedData = resolve(projectFolder, '../shared/data');

/** Why tests with real rasters can't run here, for `skip`; false where they can. */
export const withoutRealData: string | false = existsSync(sharedData) ? false : `needs the real rasters in ${sharedData}`;

/** A real raster beside the project. */
export function realFile(name: string): string {
  return join(sharedData, name);
}
