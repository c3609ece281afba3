/** Whole programs as steps of a scenario. */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { measure, type Contestant } from './measure.ts';
import type { Figures, Step } from './scenario.ts';
import { fileBytes, outFolder, path } from './setting.ts';

/** A whole program as a step. */
export function contest(contestant: Contestant, { runs, figures }: { readonly runs?: number; readonly figures?: () => Figures } = {}): Step {
  return {
    name: contestant.name,
    ...(runs === undefined ? {} : { runs }),
    async run() {
      const { output } = contestant;
      if (output !== undefined) rmSync(output, { force: true });
      const { wallSeconds, cpuSeconds, peakMegabytes, workerMegabytes } = await measure(contestant);
      const measured = { wall: wallSeconds, cpu: cpuSeconds, peak: peakMegabytes, worker: workerMegabytes };
      return { ...measured, ...(output === undefined ? {} : { output: fileBytes(output) / 1e6 }), ...figures?.() };
    },
  };
}

export interface TilefanRun {
  /** Unique over all scenarios. */
  readonly name: string;
  /** The job without the href of its output, whose name is `out`. */
  readonly inputs: object;
  readonly operation: object;
  readonly output: object;
  readonly grid?: object;
  readonly compute?: object;
  readonly args?: readonly string[];
  /** Where it lies, if not in files. */
  readonly place?: Place;
}

/** Where runs and outputs lie, and what that is on the disk. */
export interface Place {
  readonly href: string;
  readonly folder: string;
  readonly env: Readonly<Record<string, string>>;
}

const onDisk: Place = { href: outFolder, folder: outFolder, env: {} };

/** A step of `tilefan run`, and the file that it makes. Beside the process it tells how long it took from the first finished tile to the last. */
export function tilefanStep(run: TilefanRun, step = run.name): Step & { readonly file: string } {
  const { name, inputs, operation, output, grid = {}, compute = {}, args = [], place = onDisk } = run;
  const folder = `${place.folder}work/runs/${name}/`;
  const file = `${place.folder}${name}.tif`;
  const job = `${outFolder}${name}.json`;
  const clock = new TileClock(`${folder}logs/`);
  const command = [process.execPath, path('../cli/tilefan.mjs'), 'run', job, '--work', `${place.href}work/`, '--run', name, ...args];
  const whole = contest(
    { name: step, command, env: place.env, output: file, onSample: (seconds) => { clock.look(seconds); } },
    { figures: () => ({ tiles: clock.tiles, tilesSeconds: clock.seconds, projected: projectedMegabytes(folder) }) },
  );
  return {
    ...whole,
    file,
    run() {
      mkdirSync(outFolder, { recursive: true });
      rmSync(folder, { recursive: true, force: true });
      writeFileSync(job, JSON.stringify({ name: 'bench', inputs, grid, operation, compute, outputs: { out: { href: `${place.href}${name}.tif`, ...output } } }));
      clock.reset();
      return whole.run();
    },
  };
}

/** What the plan of a run says that a worker needs. */
function projectedMegabytes(folder: string): number {
  const plan = JSON.parse(readFileSync(`${folder}plan.json`, 'utf8')) as { readonly memory: { readonly total: number } };
  return plan.memory.total / 1e6;
}

/** When tiles were finished, as the logs of the workers have it, which grow line by line. */
export class TileClock {
  readonly #folder: string;
  #first = NaN;
  #last = NaN;
  tiles = 0;

  constructor(folder: string) {
    this.#folder = folder;
  }

  reset(): void {
    this.tiles = 0;
    this.#first = NaN;
    this.#last = NaN;
  }

  look(seconds: number): void {
    if (!existsSync(this.#folder)) return;
    const tiles = readdirSync(this.#folder).reduce((sum, name) => sum + readFileSync(`${this.#folder}${name}`, 'utf8').split('"Tile:Done"').length - 1, 0);
    if (tiles === this.tiles) return;
    this.tiles = tiles;
    this.#last = seconds;
    if (Number.isNaN(this.#first)) this.#first = seconds;
  }

  /** From the first finished tile to the last. */
  get seconds(): number {
    return this.#last - this.#first;
  }
}
