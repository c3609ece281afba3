/** Whether this machine has GDAL with its Python module, which everything in this folder needs. */
import { execFile } from 'node:child_process';

import { InputUnavailableError } from '../base/errors.ts';

export interface GdalVersion {
  /** The interpreter that has osgeo. */
  readonly python: string;
  /** As GDAL gives it, for example `3.6.2`. */
  readonly version: string;
}

/** Another interpreter than `python3`. */
const interpreterVariable = 'TILEFAN_PYTHON';

/** Starting Python and loading GDAL takes a tenth of a second; a machine that needs so long has other troubles. */
const timeoutMs = 60_000;

/** The interpreters to try, in this order. PATH's may be one of pyenv or of a project, which doesn't see the system's packages. */
function interpreters(environment: NodeJS.ProcessEnv): readonly string[] {
  const named = environment[interpreterVariable];
  return named === undefined || named === '' ? ['python3', '/usr/bin/python3'] : [named];
}

/** GDAL's version and the interpreter that has it, or undefined where there is none. Never throws. */
export async function findGdal(environment: NodeJS.ProcessEnv = process.env): Promise<GdalVersion | undefined> {
  for (const python of interpreters(environment)) {
    // One after another: the first is nearly always the right one.
    // oxlint-disable-next-line no-await-in-loop
    const version = await gdalVersion(python, environment);
    if (version !== undefined) return { python, version };
  }
  return undefined;
}

async function gdalVersion(python: string, environment: NodeJS.ProcessEnv): Promise<string | undefined> {
  const program = 'from osgeo import gdal, ogr, osr; print(gdal.__version__)';
  return await new Promise((resolve) => {
    execFile(python, ['-W', 'ignore', '-c', program], { env: environment, timeout: timeoutMs, encoding: 'utf8' }, (error, output) => {
      const version = output.trim();
      resolve(error === null && /^\d+\.\d+/.test(version) ? version : undefined);
    });
  });
}

/** The error for something that can't be done without GDAL. @param what the subject of the sentence, for example `input b04 (NetCDF)` */
export function gdalMissing(what: string): InputUnavailableError {
  return new InputUnavailableError(
    'GDAL_MISSING',
    `${what} needs GDAL with its Python module, which is not on this machine: install it (Debian and Ubuntu: apt install gdal-bin python3-gdal; ` +
      `conda-forge: conda install gdal; Homebrew: brew install gdal), or name the Python that has it in ${interpreterVariable}. The worker's image has it`,
    { where: { what } },
  );
}
