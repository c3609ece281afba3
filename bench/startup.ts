/**
 * What a run takes besides its tiles: the NDVI job on a scene of one tile, from the command to the first tile done, and to the end.
 *
 *     node bench/startup.ts [--runs 15]
 *
 * The tile, 512 px, takes some 40 ms of it.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { makeScene } from '../examples/make-scene.ts';
import { median } from './measure.ts';

const path = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
const sizePx = 512;

const { values } = parseArgs({ options: { runs: { type: 'string', default: '15' } } });
mkdirSync(path('out/'), { recursive: true });
mkdirSync(path('data/'), { recursive: true });
const scene = path(`data/scene-${String(sizePx)}.tif`);
if (!existsSync(scene)) makeScene(scene, sizePx);
const output = path('out/startup.tif');
const job = path('out/startup.json');
writeFileSync(
  job,
  JSON.stringify({
    name: 'startup',
    inputs: { scene },
    operation: { expression: { ndvi: '(scene[4] - scene[3]) / (scene[4] + scene[3])' } },
    outputs: { ndvi: { href: output, dtype: 'float32', nodata: -9999 } },
  }),
);

const firstTile: number[] = [];
const whole: number[] = [];
for (let run = 0; run < Number(values.runs); run++) {
  rmSync(output, { force: true });
  const { tile, end } = await once();
  firstTile.push(tile);
  whole.push(end);
}
process.stdout.write(`first tile done: ${summary(firstTile)}\nend: ${summary(whole)}\n`);

async function once(): Promise<{ readonly tile: number; readonly end: number }> {
  const started = performance.now();
  const child = spawn(process.execPath, [path('../cli/tilefan.mjs'), 'run', job, '--work', path('out/work/')], { stdio: ['ignore', 'ignore', 'pipe'] });
  let tile = NaN;
  // Progress is a line at each change of state, and when all tiles are done.
  createInterface(child.stderr).on('line', (line) => {
    if (Number.isNaN(tile) && line.includes('"tilesDone":1')) tile = performance.now() - started;
  });
  const exitCode = await new Promise((resolve) => child.on('close', resolve));
  if (exitCode !== 0) throw new Error(`the run has ended with ${String(exitCode)}; ${job} says what was run`);
  return { tile, end: performance.now() - started };
}

function summary(values: readonly number[]): string {
  return `${median(values).toFixed(0)} ms, median of ${String(values.length)} (${Math.min(...values).toFixed(0)}–${Math.max(...values).toFixed(0)})`;
}
