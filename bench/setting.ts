/** What all scenarios share: options, the folders of a round, and which peers this machine has. */
import { spawnSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export const python = '/usr/bin/python3';

export function path(name: string): string {
  return fileURLToPath(new URL(name, import.meta.url));
}

/** Where results and work of a round lie; emptied by nobody but its own steps. */
export const outFolder = path('out/');

export interface Peers {
  /** A checkout of RIOS, by RIOS_DIR. */
  readonly rios: string | undefined;
  readonly rasterio: boolean;
  readonly scipy: boolean;
  /** GDAL's programs, and its Python module. */
  readonly gdal: boolean;
}

export interface Setting {
  /** Side of the scene that is made where none is given. */
  readonly size: number;
  readonly runs: number;
  /** Scenes that the user has named. */
  readonly sceneDeflate: string | undefined;
  readonly sceneZstd: string | undefined;
  /** Tiles of the largest grid in the scenario about scaling. */
  readonly tiles: number;
  readonly peers: Peers;
}

export function findPeers(): Peers {
  const has = (module: string): boolean => spawnSync(python, ['-c', `import ${module}`]).status === 0;
  const rios = process.env['RIOS_DIR'];
  const gdal = has('osgeo.gdal, numpy') && spawnSync('gdalwarp', ['--version']).status === 0;
  return { rios: rios !== undefined && rios !== '' && gdal ? rios : undefined, rasterio: has('rasterio'), scipy: has('scipy.ndimage'), gdal };
}

export const noRios = 'RIOS: RIOS_DIR does not name a checkout of it, or GDAL is not there';
export const noGdal = `GDAL: its programs are not in PATH, or ${python} has no osgeo and numpy`;

/** Bytes of a file; 0 when there is none. */
export function fileBytes(file: string): number {
  return existsSync(file) ? statSync(file).size : 0;
}

/** Runs a program to its end, for what is not measured. @throws Error with what it printed */
export function execute(program: string, args: readonly string[]): string {
  const { status, stdout, stderr, error } = spawnSync(program, args, { encoding: 'utf8', maxBuffer: 2 ** 26 });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`${program} ${args.join(' ')} has ended with ${String(status)}:\n${stderr.slice(-2000)}`);
  return stdout;
}
