/** One thread against two, and against two workers of one thread. */
import { compareFiles } from '../compare.ts';
import { deflateScene } from '../inputs.ts';
import { processColumns, quotient, type Results, type Scenario } from '../scenario.ts';
import { noGdal } from '../setting.ts';
import { tilefanStep } from '../steps.ts';
import { ndviOperation, ndviOutput } from './ndvi.ts';

export const threads: Scenario = {
  name: 'threads',
  title: 'NDVI, deflate: threads and workers',
  columns: [...processColumns, { title: 'first to last tile, s', figure: 'tilesSeconds', digits: 2 }],
  prepare(setting) {
    const scene = deflateScene(setting);
    const run = (name: string, args: readonly string[]): ReturnType<typeof tilefanStep> =>
      tilefanStep({ name: `threads-${name.replaceAll(' ', '-')}`, inputs: { scene }, operation: ndviOperation, output: ndviOutput, args }, name);
    const one = run('1 thread', ['--threads', '1']);
    const two = run('2 threads', ['--threads', '2']);
    const workers = run('2 workers', ['--workers', '2', '--threads', '1']);
    const { gdal } = setting.peers;
    return Promise.resolve({
      steps: [one, two, workers],
      checks: gdal ? [two, workers].map((step) => compareFiles(`1 thread, ${step.name}`, one.file, step.file, 0)) : [],
      absent: gdal ? [] : [noGdal],
    });
  },
  judge(results: Results) {
    const speedup = (step: string, figure: string): number | undefined => quotient(results.median('1 thread', figure), results.median(step, figure));
    return [
      { what: 'two threads against one, whole process', value: speedup('2 threads', 'wall'), bound: '>=', target: 1.8 },
      { what: 'two threads against one, first tile to last', value: speedup('2 threads', 'tilesSeconds'), bound: '>=', target: 1.8 },
      { what: 'two workers against one, whole process', value: speedup('2 workers', 'wall'), bound: '>=', target: 1.8 },
    ];
  },
};
