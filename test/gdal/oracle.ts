/** Rasters, vectors and grids for the tests, and GDAL's own programs as oracles, by oracle.py. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { gdalPython, withoutGdal } from '../support/gdal.ts';

export interface TestGrid {
  readonly columns: number;
  readonly rows: number;
  readonly bounds: readonly [number, number, number, number];
}

/** Why tests with GDAL's programs can't run here; false where they can. */
export const withoutGdalPrograms: string | false = withoutGdal !== false ? withoutGdal : spawnSync('gdalwarp', ['--version']).status === 0 ? false : 'needs gdalwarp (apt-get install gdal-bin)';

/** Runs steps of oracle.py in one process and gives their results. */
export function oracle(steps: readonly Readonly<Record<string, unknown>>[]): unknown[] {
  const done = spawnSync(gdalPython, ['-W', 'ignore', join(import.meta.dirname, 'oracle.py'), JSON.stringify(steps)], { encoding: 'utf8', maxBuffer: 2 ** 28 });
  if (done.status !== 0) throw new Error(`oracle.py: ${done.stderr}`);
  return JSON.parse(done.stdout) as unknown[];
}

export function bytesOf(path: string): Uint8Array {
  return new Uint8Array(readFileSync(path));
}
