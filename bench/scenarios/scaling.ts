/**
 * What a tile more costs, from a hundred tiles to a million: split, a worker, and reduce, each as a process of its own, on an empty raster with small tiles, so that
 * nothing but the machinery is measured. The plot goes to docs/scaling.svg.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { ReduceResult } from '../../lib/job/events.ts';
import { cogHeaderBytes, createBlockTable, writeCogHeader, type CogImage } from '../../lib/tiff/cog-header.ts';
import { workerCommand } from '../../local/standby.ts';
import { measure, type Measurement } from '../measure.ts';
import { plotScaling, type ScalingPoint } from '../plot.ts';
import type { Figures, Results, Scenario, Step, Verdict } from '../scenario.ts';
import { outFolder, path } from '../setting.ts';

const tilePx = 128;
/** Sides of the grids in tiles. */
const grids: readonly (readonly [number, number])[] = [[10, 10], [40, 25], [100, 100], [400, 250], [1000, 1000]];
const parts = ['split', 'engine', 'reduce'] as const;

const folder = `${outFolder}scaling`;

/** A header alone: all blocks are absent. */
function makeSparse(across: number, down: number): void {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const size = { columns: across * tilePx, rows: down * tilePx };
  const image: CogImage = { dtype: 'uint8', bands: 1, blockSize: 512, compression: 'none', predictor: 1, nodata: 0, geo: {}, metadata: '', levels: [size] };
  const header = writeCogHeader(image, 'big', [createBlockTable(size, 512)]);
  if (header.length !== cogHeaderBytes(image, 'big')) throw new Error('the header has another length than was said');
  writeFileSync(`${folder}/sparse.tif`, header);
}

async function part(...args: readonly string[]): Promise<Measurement> {
  return await measure({ name: args.join(' '), command: [process.execPath, path('scaling-step.ts'), ...args] });
}

/** All tasks of a pass, one after another, as one. */
async function work(pass: number): Promise<{ wall: number; peak: number; tasks: number }> {
  const run = `${folder}/runs/scaling/`;
  const lines = readFileSync(`${run}${pass === 0 ? 'manifest' : `manifest-${String(pass)}`}.jsonl`, 'utf8').split('\n').filter(Boolean);
  let [wall, peak] = [0, 0];
  for (const line of lines) {
    const env = { TILEFAN_RUN: `file://${run}`, TILEFAN_BATCH: line, TILEFAN_ATTEMPT: '1', TILEFAN_LOCAL_THREADS: '2', MALLOC_ARENA_MAX: '2' };
    const measured = await measure({ name: `worker on ${line}`, command: workerCommand, env });
    wall += measured.wallSeconds;
    peak = Math.max(peak, measured.peakMegabytes);
  }
  return { wall, peak, tasks: lines.length };
}

/** Split with as many batches as there may be; then with as few, worked on and reduced. */
async function once(across: number, down: number): Promise<Figures> {
  makeSparse(across, down);
  const split = await part('split', folder, '1');
  makeSparse(across, down);
  await part('split', folder, '1000000');
  const engine = await work(0);
  let [reduceSeconds, reducePeak, passSeconds] = [0, 0, 0];
  for (let pass = 1; ; pass++) {
    const reduce = await part('reduce', folder);
    reduceSeconds += reduce.wallSeconds;
    reducePeak = Math.max(reducePeak, reduce.peakMegabytes);
    if ((JSON.parse(readFileSync(`${folder}/state.json`, 'utf8')) as ReduceResult).status === 'DONE') break;
    passSeconds += (await work(pass)).wall;
  }
  rmSync(folder, { recursive: true, force: true });
  return {
    tiles: across * down,
    split: split.wallSeconds,
    splitPeak: split.peakMegabytes,
    engine: engine.wall,
    enginePeak: engine.peak,
    engineTasks: engine.tasks,
    reduce: reduceSeconds,
    reducePeak,
    ...(passSeconds === 0 ? {} : { passes: passSeconds }),
  };
}

/** Microseconds for each tile that a grid has more than the one before. */
function pointsOf(results: Results, what: (typeof parts)[number]): ScalingPoint[] {
  const measured = results.steps
    .map((step) => ({ tiles: results.median(step, 'tiles') ?? NaN, seconds: results.median(step, what) ?? NaN, peak: results.largest(step, `${what}Peak`) ?? NaN }))
    .toSorted((a, b) => a.tiles - b.tiles);
  return measured.map(({ tiles, seconds, peak }, i) => {
    const before = measured[i - 1];
    return { tiles, peakMegabytes: peak, microseconds: before === undefined ? NaN : ((seconds - before.seconds) / (tiles - before.tiles)) * 1e6 };
  });
}

export const scaling: Scenario = {
  name: 'scaling',
  title: 'What a tile more costs',
  columns: parts.flatMap((name) => [
    { title: `${name}, s`, figure: name, digits: 2 },
    { title: `${name}, peak MB`, figure: `${name}Peak`, digits: 0, largest: true },
  ]),
  prepare({ tiles }) {
    const steps = grids
      .filter(([across, down]) => across * down <= tiles)
      .map(([across, down]): Step => {
        const count = across * down;
        return { name: `${count.toLocaleString('en')} tiles`, runs: count >= 1e6 ? 1 : 3, run: () => once(across, down) };
      });
    return Promise.resolve({ steps, checks: [], absent: [] });
  },
  judge(results: Results) {
    return parts.map((name): Verdict => {
      // The first steps are mostly start-up; what is asked is whether the last ones cost more than those before.
      const costs = pointsOf(results, name).map(({ microseconds }) => microseconds);
      const [before, last] = costs.slice(-2);
      const value = costs.length < 4 || before === undefined || last === undefined ? undefined : last / before;
      return { what: `${name}: a tile of the last tenfold against one of the tenfold before`, value, bound: '<=', target: 1.25 };
    });
  },
  comment(results: Results) {
    const series = parts.map((name) => ({ name, points: pointsOf(results, name) }));
    if (results.steps.length === grids.length) writeFileSync(path('../docs/scaling.svg'), plotScaling(series));
    const rows = (series[0]?.points ?? []).flatMap(({ tiles }, i) =>
      i === 0 ? [] : [`| ${tiles.toLocaleString('en')} | ${series.map(({ points }) => (points[i]?.microseconds ?? NaN).toFixed(1)).join(' | ')} |`],
    );
    return ['| microseconds a tile, up to | split | engine | reduce |', '|---|---|---|---|', ...rows].join('\n');
  },
};
