/** Finds extents with the GDAL of this machine: by the map that brings the pixels onto the grid. */
import { availableParallelism } from 'node:os';
import { findGdal, gdalMissing } from '../gdal/find-gdal.ts';
import { GdalPool } from '../gdal/gdal-pool.ts';
import { gdalS3Environment } from '../gdal/s3-environment.ts';
import type { Extent } from '../raster/affine.ts';
import { displayHref, parseHref } from '../store/href.ts';
import type { Store } from '../store/store.ts';
import { TryAgainError } from '../base/errors.ts';
import { readExtents, writeExtents, type ExtentLattice, type ExtentScene } from './gdal-extents.ts';
import { gridHeader } from './gdal-windows.ts';
import { extentOfPlaces, steps } from './lattice.ts';
import { checkVersion } from './scene-files.ts';

/**
 * @returns the extents of the scenes, in pixels of the lattice; null for one without a bounded place
 * @throws InputUnavailableError GDAL_MISSING; DataError GDAL_FAILED, GDAL_REFUSED with the scene's name; TryAgainError WORKER_STOPPED
 */
export async function findExtents({ geo, geotransform, turn }: ExtentLattice, scenes: readonly ExtentScene[], signal: AbortSignal): Promise<(Extent | null)[]> {
  const [first] = scenes;
  if (first === undefined) return [];
  const python = (await findGdal())?.python;
  if (python === undefined) throw gdalMissing(`Finding where ${displayHref(first.convertedFrom ?? first.href)} lies in the CRS of the grid`);
  const inS3 = scenes.some(({ href }) => parseHref(href).scheme === 's3');
  const pool = await GdalPool.start({ processes: availableParallelism(), python, grid: gridHeader({ columns: 1, rows: 1, geo }), ...(inS3 ? { environment: gdalS3Environment() } : {}) });
  const stop = (): void => void pool.close();
  signal.addEventListener('abort', stop, { once: true });
  try {
    return await Promise.all(
      scenes.map(async ({ href, subdataset, convertedFrom }) => {
        const places = await pool.place({ href, ...(subdataset === null ? {} : { subdataset }), ...(convertedFrom === undefined ? {} : { convertedFrom }) }, steps);
        return extentOfPlaces(places, geotransform, turn ?? undefined) ?? null;
      }),
    );
  } catch (error) {
    if (signal.aborted) throw new TryAgainError('WORKER_STOPPED', 'stopped while the extents of inputs were looked for', { cause: error });
    throw error;
  } finally {
    signal.removeEventListener('abort', stop);
    await pool.close();
  }
}

/**
 * The work of a task: what split has asked for is found, and written down. Doing it again is harmless.
 * @param run the run prefix
 * @throws what findExtents throws; DataError INPUT_CHANGED
 */
export async function runExtents(store: Store, run: string, signal: AbortSignal): Promise<void> {
  const wanted = await readExtents(store, run);
  if (wanted === undefined) throw new Error(`what extents are wanted is not written down under ${run}`);
  const extents = await findExtents(wanted.lattice, wanted.scenes, signal);
  // GDAL opens files by name.
  await Promise.all(wanted.scenes.map(async (scene) => checkVersion(scene, (await store.stat(scene.href)).version)));
  await writeExtents(store, run, { ...wanted, scenes: wanted.scenes.map((scene, i) => ({ ...scene, extent: extents[i] ?? null })) });
}
