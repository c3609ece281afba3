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
import { quotient, type Figures, type Results, type Scenario, type Step, type Verdict } from '../scenario.ts';
import { outFolder, path } from '../setting.ts';

const tilePx = 128;
/** Sides of the grids in tiles. */
const grids: readonly (readonly [number, number])[] = [10, 32, 100, 316, 1000].map((side) => [side, side] as const);
const parts = ['split', 'engine', 'reduce', 'reduceEmpty'] as const;
const titles = { split: 'split', engine: 'engine', reduce: 'reduce', reduceEmpty: 'reduce, empty' };

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

async function fullReduce(tiles: number): Promise<Measurement> {
  const full = `${outFolder}reduce`;
  const command = (...args: readonly string[]): readonly string[] => [process.execPath, path('reduce.ts'), ...args];
  rmSync(full, { recursive: true, force: true });
  mkdirSync(full, { recursive: true });
  await measure({ name: 'make segments', command: command('make', String(tiles)) });
  const measured = await measure({ name: 'reduce', command: command('reduce') });
  rmSync(full, { recursive: true, force: true });
  return measured;
}

/** Split with as many batches as there may be; then with as few, worked on and reduced; then reduce of as many batches, with blocks in all of them (reduce.ts). */
async function once(across: number, down: number): Promise<Figures> {
  makeSparse(across, down);
  const split = await part('split', folder, '1');
  makeSparse(across, down);
  await part('split', folder, '1000000');
  const engine = await work(0);
  let [emptySeconds, emptyPeak, passSeconds] = [0, 0, 0];
  for (let pass = 1; ; pass++) {
    const empty = await part('reduce', folder);
    emptySeconds += empty.wallSeconds;
    emptyPeak = Math.max(emptyPeak, empty.peakMegabytes);
    if ((JSON.parse(readFileSync(`${folder}/state.json`, 'utf8')) as ReduceResult).status === 'DONE') break;
    passSeconds += (await work(pass)).wall;
  }
  rmSync(folder, { recursive: true, force: true });
  const reduce = await fullReduce(across * down);
  return {
    tiles: across * down,
    split: split.wallSeconds,
    splitPeak: split.peakMegabytes,
    engine: engine.wall,
    enginePeak: engine.peak,
    engineTasks: engine.tasks,
    reduce: reduce.wallSeconds,
    reducePeak: reduce.peakMegabytes,
    reduceEmpty: emptySeconds,
    reduceEmptyPeak: emptyPeak,
    ...(passSeconds === 0 ? {} : { passes: passSeconds }),
  };
}

/** Microseconds for each tile that a grid has more than the smallest, whose time is start-up; undefined where noise was larger. */
function pointsOf(results: Results, what: (typeof parts)[number]): ScalingPoint[] {
  const measured = results.steps
    .map((step) => ({ tiles: results.median(step, 'tiles') ?? NaN, seconds: results.median(step, what) ?? NaN, peak: results.largest(step, `${what}Peak`) ?? NaN }))
    .toSorted((a, b) => a.tiles - b.tiles);
  const [first] = measured;
  return measured.map(({ tiles, seconds, peak }) => {
    const cost = first === undefined || tiles <= first.tiles ? NaN : ((seconds - first.seconds) / (tiles - first.tiles)) * 1e6;
    return { tiles, peakMegabytes: peak, microseconds: cost > 0 ? cost : NaN };
  });
}

function costText(microseconds = NaN): string {
  return Number.isNaN(microseconds) ? '' : microseconds.toFixed(1);
}

export const scaling: Scenario = {
  name: 'scaling',
  title: 'What a tile more costs',
  columns: parts.flatMap((name) => [
    { title: `${titles[name]}, s`, figure: name, digits: 2 },
    { title: `${titles[name]}, peak MB`, figure: `${name}Peak`, digits: 0, largest: true },
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
      // What is below a microsecond, or below the noise of start-up, counts as one.
      const costs = pointsOf(results, name).map(({ microseconds }) => (microseconds > 1 ? microseconds : 1));
      const value = costs.length < 4 ? undefined : quotient(costs.at(-1), costs.at(-2));
      const { steps } = results;
      return { what: `${titles[name]}: cost of a tile, ${steps.at(-1) ?? ''} against ${steps.at(-2) ?? ''}`, value, bound: '<=', target: 1.25 };
    });
  },
  comment(results: Results) {
    const series = parts.map((name) => ({ name: titles[name], points: pointsOf(results, name) }));
    if (results.steps.length === grids.length) writeFileSync(path('../docs/scaling.svg'), plotScaling(series));
    const rows = (series[0]?.points ?? []).flatMap(({ tiles }, i) =>
      i === 0 ? [] : [`| ${tiles.toLocaleString('en')} | ${series.map(({ points }) => costText(points[i]?.microseconds)).join(' | ')} |`],
    );
    return [`| microseconds for a tile more than the first hundred | ${series.map(({ name }) => name).join(' | ')} |`, `|${'---|'.repeat(series.length + 1)}`, ...rows].join('\n');
  },
};
