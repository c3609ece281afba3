/** Whether results are right: compared at full resolution by GDAL and numpy, sample by sample. */
import { execute, path, python } from './setting.ts';
import type { Check, Differences } from './scenario.ts';

function compare(name: string, tolerance: number | undefined, args: readonly string[]): Check {
  return {
    name,
    ...(tolerance === undefined ? {} : { tolerance }),
    run: () => Promise.resolve(JSON.parse(execute(python, [path('peers/compare.py'), ...args])) as Differences),
  };
}

/** Two files, all bands; without a tolerance the differences are only told. */
export function compareFiles(name: string, a: string, b: string, tolerance?: number): Check {
  return compare(name, tolerance, ['files', a, b]);
}

/** An NDVI against what numpy makes of bands 3 and 4 of its scene. */
export function compareNdvi(name: string, scene: string, result: string): Check {
  return compare(`${name}, numpy`, 0, ['ndvi', scene, result]);
}

/**
 * A mean of 5 x 5 pixels of band 4 against scipy: with nodata and edges left out of the mean, or only `inner` pixels, which have neither near. Sums of float32
 * may round a mean to the other side of a half.
 */
export function compareFocal(name: string, scene: string, result: string, part: 'whole' | 'inner'): Check {
  return compare(name, part === 'whole' ? 0 : 1, ['focal', scene, result, part]);
}
