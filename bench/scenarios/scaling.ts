/**
 * What a tile more costs, from a hundred tiles to a million: split, a worker, and reduce, each as a process of its own, on an empty raster with small tiles, so that
 * nothing but the machinery is measured. The plot goes to docs/scaling.svg.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { ReduceResult } from '../../lib/job/events.ts';
import { cogHeaderBytes, createBlockTable, writeCogHeader, type CogImage } from '../../lib/tiff/cog-header.ts';
import { workerCommand } from '../../local/standby.ts';
import { measure, type Measurement } from '../measure.ts';
import { plotScaling, type ScalingPoint } from '../plot.ts';
import { type Figures, type Results, type Scenario, type Step, type Verdict } from '../scenario.ts';
import { outFolder, path } from '../setting.ts';

const tilePx = 128;
/** Sides of the grids in tiles. */
const grids: readonly (readonly [number, number])[] = [10, 32, 100, 316, 1000].map((side) => [side, side] as const);
const parts = ['split', 'engine', 'reduce', 'reduceEmpty'] as const;
const titles = { split: 'split', engine: 'engine', reduce: 'reduce', reduceEmpty: 'reduce, empty' };
/** Of the batches that reduce merges; a million tiles have as many of them as a run may. */
const tilesPerBatch = 128;
/** Seconds by which two starts of a program differ. What a grid's tiles cost less than that isn't seen. */
const noise = 0.05;

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

/** Reduce of batches with blocks in every tile. */
async function fullReduce(tiles: number, tilesPerTask: number): Promise<Measurement & { readonly segments: number }> {
  const full = `${outFolder}reduce`;
  const command = (...args: readonly string[]): readonly string[] => [process.execPath, path('reduce.ts'), ...args];
  rmSync(full, { recursive: true, force: true });
  mkdirSync(full, { recursive: true });
  await measure({ name: 'make segments', command: command('make', String(tiles), String(tilesPerTask)) });
  const segments = readdirSync(`${full}/runs/r/segments/out`).length;
  const measured = await measure({ name: 'reduce', command: command('reduce') });
  rmSync(full, { recursive: true, force: true });
  return { ...measured, segments };
}

/** Split with as many batches as there may be; then with as few, worked on and reduced; then reduce of batches with blocks in all tiles (reduce.ts): of one size, and as many as there may be. */
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
  const reduce = await fullReduce(across * down, tilesPerBatch);
  const most = await fullReduce(across * down, 1);
  return {
    tiles: across * down,
    split: split.wallSeconds,
    splitPeak: split.peakMegabytes,
    engine: engine.wall,
    enginePeak: engine.peak,
    engineTasks: engine.tasks,
    reduce: reduce.wallSeconds,
    reducePeak: reduce.peakMegabytes,
    reduceMost: most.wallSeconds,
    reduceMostPeak: most.peakMegabytes,
    segments: most.segments,
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
  columns: [
    ...parts.flatMap((name) => [
      { title: `${titles[name]}, s`, figure: name, digits: 2 },
      { title: `${titles[name]}, peak MB`, figure: `${name}Peak`, digits: 0, largest: true },
    ]),
    { title: 'most batches', figure: 'segments', digits: 0 },
    { title: 'reduce of them, s', figure: 'reduceMost', digits: 2 },
    { title: 'reduce of them, peak MB', figure: 'reduceMostPeak', digits: 0, largest: true },
  ],
  prepare({ tiles }) {
    const steps = grids
      .filter(([across, down]) => across * down <= tiles)
      .map(([across, down]): Step => {
        const count = across * down;
        return { name: `${count.toLocaleString('en')} tiles`, runs: 3, run: () => once(across, down) };
      });
    return Promise.resolve({ steps, checks: [], absent: [] });
  },
  judge(results: Results) {
    return parts.map((name): Verdict => {
      const [first, ...points] = pointsOf(results, name);
      const steps = points.slice(1).map(({ tiles, microseconds }, i) => {
        const before = points[i] as ScalingPoint;
        const seen = (noise / (before.tiles - (first?.tiles ?? 0))) * 1e6;
        const cost = Number.isNaN(microseconds) ? 0 : microseconds;
        return { what: `${before.tiles.toLocaleString('en')} to ${tiles.toLocaleString('en')}`, value: cost / Math.max(seen, Number.isNaN(before.microseconds) ? 0 : before.microseconds) };
      });
      const worst = steps.toSorted((a, b) => b.value - a.value)[0];
      return { what: `${titles[name]}: cost of a tile, by the step where it grows most${worst === undefined ? '' : `, ${worst.what}`}`, value: steps.length < 3 ? undefined : worst?.value, bound: '<=', target: 1.25 };
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
