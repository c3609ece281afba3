/** One thread against two, and against two workers of one thread. */
import { availableParallelism } from 'node:os';
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
  // One thread has the main thread and V8's beside it, so that it keeps more than one core busy: two can't be twice as fast where there are only two.
  comment(results: Results) {
    const cores = availableParallelism();
    const [one, two] = [results.median('1 thread', 'wall'), results.median('2 threads', 'cpu')];
    if (one === undefined || two === undefined) return '';
    return `Two threads take ${two.toFixed(2)} s of processor time, so ${String(cores)} cores that were busy from beginning to end would be ${(one / (two / cores)).toFixed(2)} times as fast as one thread.`;
  },
};
