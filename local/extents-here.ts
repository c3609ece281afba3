/** Extents by the GDAL of this machine, which few jobs need: what speaks to it is loaded for these only. */
import type { FindExtents } from '../lib/job/gdal-extents.ts';

export function extentsHere(signal: AbortSignal = new AbortController().signal): FindExtents {
  return async (lattice, scenes) => {
    const { findExtents } = await import('../lib/job/find-extents.ts');
    return await findExtents(lattice, scenes, signal);
  };
}
