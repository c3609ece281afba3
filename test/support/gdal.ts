/**
 * GDAL as an oracle: Debian's Python with osgeo.gdal, rasterio and numpy makes files and says what is in them.
 *
 * Tests that need it skip where it is absent and say so, so that `npm test` works on a machine without GDAL; continuous integration has it.
 */

import { execFileSync, spawnSync } from 'node:child_process';

/** The interpreter that has GDAL; another one may be named in the environment. */
export const gdalPython = process.env['TILEFAN_TEST_PYTHON'] ?? '/usr/bin/python3';

function findProblem(): string | undefined {
  const tried = spawnSync(gdalPython, ['-c', 'import numpy, rasterio; from osgeo import gdal'], { encoding: 'utf8' });
  if (tried.status === 0) return undefined;
  const reason = tried.error?.message ?? tried.stderr.trim().split('\n').at(-1) ?? '';
  return `needs GDAL, rasterio and numpy for ${gdalPython} (apt-get install python3-gdal python3-rasterio, or set TILEFAN_TEST_PYTHON): ${reason}`;
}

/** Why tests with GDAL can't run on this machine, for `test(…, { skip })`; false where they can. */
export const withoutGdal: string | false = findProblem() ?? false;

/**
 * Runs a Python program with arguments and gives what it prints.
 * @throws Error with Python's own message when it fails.
 */
export function runPython(program: string, args: readonly string[] = []): string {
  return execFileSync(gdalPython, ['-W', 'ignore', '-c', program, ...args], {
    encoding: 'utf8',
    maxBuffer: 256 * 1024 * 1024,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

/** The same, for programs that print one JSON document. */
export function runPythonJson(program: string, args: readonly string[] = []): unknown {
  return JSON.parse(runPython(program, args));
}
