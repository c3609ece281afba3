/** How pixels of warped scenes compare in size with those of the grid: gdalwarp is told the same (-wo XSCALE, YSCALE), or its kernels would depend on its chunks. */
import { readFileSync } from 'node:fs';
import { GdalPool } from '../../lib/gdal/gdal-pool.ts';
import type { Plan } from '../../lib/job/plan.ts';

/** By href. @param output a file that has the grid */
export async function warpScales(plan: Plan, output: string): Promise<Record<string, readonly [number, number]>> {
  const hrefs = new Set(plan.inputs.flatMap(({ scenes }) => scenes.filter(({ reading }) => reading.by === 'warp' && reading.resampling !== 'nearest').map(({ href }) => href)));
  if (hrefs.size === 0) return {};
  const pool = await GdalPool.start({ processes: 1, grid: readFileSync(output) });
  try {
    return Object.fromEntries(await Promise.all([...hrefs].map(async (href) => [href, await pool.warpScale({ href }, 'bilinear')] as const)));
  } finally {
    await pool.close();
  }
}
