/** Runs raster_oracle.py: what numpy and GDAL say that a run should have made. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { runPythonJson } from './gdal.ts';

const prelude = `
import sys
sys.dont_write_bytecode = True
sys.path.insert(0, ${JSON.stringify(import.meta.dirname)})
from raster_oracle import *
`;

/** Runs a Python program in which everything of raster_oracle.py is at hand; it ends with \`answer(value)\`. */
export function oracle(program: string, args: readonly string[] = []): unknown {
  return runPythonJson(`${prelude}${program}`, args);
}

/** Runs a program that answers with a list of differences, and fails with them. */
export function assertNoDifferences(program: string, args: readonly string[] = []): void {
  assert.deepEqual(oracle(program, args), []);
}

/** Makes files; the program needs no answer. */
export function makeFiles(program: string, args: readonly string[] = []): void {
  oracle(`${program}\nanswer([])`, args);
}

const rio = findRio();

/** Why rio-cogeo can't judge here, for `skip`; false where it can. */
export const withoutRio: string | false = rio === undefined ? 'no rio with rio-cogeo: set TILEFAN_RIO, or put rio into .tools/venv/bin or PATH' : false;

/** rio-cogeo's judgement of a file. @throws AssertionError with its errors and warnings */
export function assertValidForRioCogeo(path: string): void {
  const { stdout, stderr } = spawnSync(rio ?? '', ['cogeo', 'validate', '--strict', path], { encoding: 'utf8' });
  assert.match(stdout, /is a valid cloud optimized GeoTIFF/, `${stdout}${stderr}`);
}

function findRio(): string | undefined {
  const named = process.env['TILEFAN_RIO'];
  const candidates = [
    ...(named === undefined || named === '' ? [] : [named]),
    join(import.meta.dirname, '../../.tools/venv/bin/rio'),
    ...(process.env['PATH'] ?? '').split(delimiter).map((folder) => join(folder, 'rio')),
  ];
  return candidates.find((path) => {
    try {
      accessSync(path, constants.X_OK);
    } catch {
      return false;
    }
    return spawnSync(path, ['cogeo', '--help'], { stdio: 'ignore' }).status === 0;
  });
}
