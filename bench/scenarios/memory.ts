/** What a worker needs, with the GDAL processes that it has started, against what its plan has projected. */
import { coarseRaster, made, pieces, subset, wideRaster } from '../inputs.ts';
import { quotient, type Results, type Scenario, type Step } from '../scenario.ts';
import { execute, noGdal, type Setting } from '../setting.ts';
import { tilefanStep, type TilefanRun } from '../steps.ts';
import { ndviOperation, ndviOutput, zstd1 } from './ndvi.ts';

/** 3 x 3 tiles: more than threads, so that all of them are at work while the next tile is read. */
const side = 6144;

type Job = Omit<TilefanRun, 'name'>;

function jobs(setting: Setting): Readonly<Record<string, Job>> {
  const scene = subset(setting, side);
  const wide = wideRaster(setting, side);
  const hrefs = pieces(setting, scene, 'memory-piece');
  const vrt = made(`memory-${String(setting.size)}.vrt`, (part) => { execute('gdalbuildvrt', ['-q', part, ...hrefs]); });
  const coarse = coarseRaster(setting, side);
  const mercator = { crs: 'EPSG:3857', resolution: 14 };
  const ndvi = { inputs: { scene }, operation: ndviOperation };
  const average = { overviews: 'average' };
  const bytes = ['(scene[3] / 20)', '(scene[2] / 20)', '(scene[1] / 20)'];
  return {
    'NDVI, deflate': { ...ndvi, output: ndviOutput },
    'NDVI, zstd 1': { ...ndvi, output: { ...ndviOutput, ...zstd1 } },
    'NDVI, no compression': { ...ndvi, output: { ...ndviOutput, compression: 'none' } },
    'NDVI, tiles of 512': { ...ndvi, output: ndviOutput, grid: { tileSize: 512 } },
    'NDVI, tiles of 4096': { ...ndvi, output: ndviOutput, grid: { tileSize: 4096 } },
    'focal mean 5': { inputs: { scene }, operation: { expression: { out: 'focal_mean(scene[4], 5)' } }, output: { dtype: 'uint16', nodata: 0, ...average } },
    'focal median 15': { inputs: { scene }, operation: { expression: { out: 'focal_median(scene[4], 15)' } }, output: { dtype: 'uint16', nodata: 0, ...average } },
    'copy, 4 bands uint16': { inputs: { scene }, operation: { copy: { out: 'scene' } }, output: average },
    'copy, 10 bands float64, zstd 1': { inputs: { wide }, operation: { copy: { out: 'wide' } }, output: { ...zstd1, ...average } },
    'three bands uint8, JPEG': { inputs: { scene }, operation: { expression: { out: bytes }, nodata: 'handle' }, output: { dtype: 'uint8', compression: 'jpeg', ...average } },
    '4 bands, LERC': { inputs: { scene }, operation: { copy: { out: 'scene' } }, output: { compression: 'lerc', ...average } },
    'mosaic of 16, last': { inputs: { scene: { hrefs } }, operation: ndviOperation, output: ndviOutput },
    'mosaic of 16, median': { inputs: { scene: { hrefs, rule: 'median' } }, operation: ndviOperation, output: ndviOutput },
    'five on each other, median': { inputs: { scene: { hrefs: Array.from({ length: 5 }, () => scene), rule: 'median' } }, operation: ndviOperation, output: ndviOutput },
    'VRT of 16': { inputs: { scene: vrt }, operation: ndviOperation, output: ndviOutput },
    'warp, bilinear': { inputs: { scene: { href: scene, resampling: 'bilinear' } }, grid: mercator, operation: ndviOperation, output: ndviOutput },
    'warp of 16, 4 bands': { inputs: { scene: { hrefs, resampling: 'bilinear' } }, grid: mercator, operation: { copy: { out: 'scene' } }, output: { nodata: 0, ...average } },
    'NDVI beside a coarse, warped one': {
      inputs: { scene, coarse: { href: coarse, resampling: 'cubic' } },
      grid: { like: 'scene', footprint: 'reference' },
      operation: { expression: { out: '(scene[4] - scene[3]) / (scene[4] + scene[3]) + coarse[1]' } },
      output: ndviOutput,
    },
  };
}

export const memory: Scenario = {
  name: 'memory',
  title: 'Memory of a worker, two threads, beside what its plan projects',
  columns: [
    { title: 'worker, peak MB', figure: 'worker', digits: 0, largest: true },
    { title: 'projected MB', figure: 'projected', digits: 0 },
    { title: 'measured / projected', figure: 'share', digits: 2, largest: true },
    { title: 'wall s', figure: 'wall', digits: 1 },
  ],
  prepare(setting) {
    if (!setting.peers.gdal) return Promise.resolve({ steps: [], checks: [], absent: [noGdal] });
    const steps = Object.entries(jobs(setting)).map(([name, job], i): Step => {
      const step = tilefanStep({ ...job, name: `memory-${String(i)}` }, name);
      const run = async (): Promise<Record<string, number>> => {
        const figures = await step.run();
        return { ...figures, share: quotient(figures['worker'], figures['projected']) ?? NaN };
      };
      return { name, runs: 2, run };
    });
    return Promise.resolve({ steps, checks: [], absent: [] });
  },
  judge(results: Results) {
    const shares = results.steps.flatMap((step) => results.largest(step, 'share') ?? []);
    return [
      { what: 'memory of a worker against its projection, the job that is worst', value: shares.length === 0 ? undefined : Math.max(...shares), bound: '<=', target: 1.25 },
      { what: 'the same, the job that needs least of it', value: shares.length === 0 ? undefined : Math.min(...shares), bound: '>=', target: 0.5 },
    ];
  },
};
