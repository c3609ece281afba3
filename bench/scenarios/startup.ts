/** What a run takes before its first tile: the NDVI job on a scene of one small tile. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { makeScene } from '../../examples/make-scene.ts';
import { measure, median } from '../measure.ts';
import type { Results, Scenario } from '../scenario.ts';
import { outFolder, path } from '../setting.ts';
import { ndviOperation, ndviOutput } from './ndvi.ts';

const sizePx = 512;
/** Runs that one step takes the median of: they are short, and vary. */
const times = 5;

export const startup: Scenario = {
  name: 'startup',
  title: `Start-up: NDVI of ${String(sizePx)} x ${String(sizePx)} px`,
  columns: [
    { title: 'first tile done, s', figure: 'firstTile', digits: 3 },
    { title: 'wall s', figure: 'wall', digits: 3 },
    { title: 'CPU s', figure: 'cpu', digits: 2 },
  ],
  prepare() {
    const scene = path(`data/scene-${String(sizePx)}.tif`);
    mkdirSync(path('data/'), { recursive: true });
    if (!existsSync(scene)) makeScene(scene, sizePx);
    const job = `${outFolder}startup.json`;
    writeFileSync(job, JSON.stringify({ name: 'bench', inputs: { scene }, operation: ndviOperation, outputs: { out: { href: `${outFolder}startup.tif`, ...ndviOutput } } }));
    const once = async (): Promise<{ readonly firstTile: number; readonly wall: number; readonly cpu: number }> => {
      let firstTile = NaN;
      // Progress is a line at each change of state, and when all tiles are done.
      const onLine = (line: string, seconds: number): void => {
        if (Number.isNaN(firstTile) && line.includes('"tilesDone":1')) firstTile = seconds;
      };
      const { wallSeconds, cpuSeconds } = await measure({ name: 'tilefan', command: [process.execPath, path('../cli/tilefan.mjs'), 'run', job, '--work', `${outFolder}work/`], onLine });
      return { firstTile, wall: wallSeconds, cpu: cpuSeconds };
    };
    const run = async (): Promise<Record<string, number>> => {
      const all: Awaited<ReturnType<typeof once>>[] = [];
      for (let i = 0; i < times; i++) all.push(await once());
      const middle = (figure: 'firstTile' | 'wall' | 'cpu'): number => median(all.map((each) => each[figure]));
      return { firstTile: middle('firstTile'), wall: middle('wall'), cpu: middle('cpu') };
    };
    return Promise.resolve({ steps: [{ name: 'tilefan', run }], checks: [], absent: [] });
  },
  judge(results: Results) {
    return [{ what: 'from the command to the first tile, done', value: results.median('tilefan', 'firstTile'), bound: '<=', target: 0.5, unit: ' s' }];
  },
};
