/**
 * How pixels of warped scenes compare in size with those of the grid (-wo XSCALE, YSCALE), for grids that gdalwarp would cut into chunks: its kernels differ from chunk to
 * chunk unless it is told. Elsewhere a test has no need of this: gdalwarp finds the same by itself.
 */
import { readFileSync } from 'node:fs';
import { GdalPool } from '../../lib/gdal/gdal-pool.ts';
import type { Plan } from '../../lib/job/plan.ts';

/** By href; scenes that aren't warped have none. @param output a file that has the grid */
export async function warpScales(plan: Plan, output: string): Promise<Record<string, readonly [number, number]>> {
  const warped = new Map(plan.inputs.flatMap(({ scenes }) => scenes.flatMap(({ href, reading }) => (reading.by === 'warp' && reading.resampling !== 'nearest' ? [[href, reading.resampling] as const] : []))));
  if (warped.size === 0) return {};
  const pool = await GdalPool.start({ processes: 1, grid: readFileSync(output) });
  try {
    return Object.fromEntries(await Promise.all([...warped].map(async ([href, resampling]) => [href, await pool.warpScale({ href }, resampling)] as const)));
  } finally {
    await pool.close();
  }
}
