/** Whole runs of `tilefan run` over a folder of images, and the plain loop of sharp over the same files, by turns, each from the start of its process to its end. */
import { linkSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { imagesAtATime } from '../lib/images/sharp-setup.ts';
import { measure, median, type Measurement } from './measure.ts';

export interface ImageRuns {
  /** Different files; the folder has links to them. */
  readonly files: readonly string[];
  /** Images of each run. */
  readonly images: number;
  readonly rounds: number;
  readonly atATime: number;
  readonly variants: object;
}

const path = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
const folder = path('data/image-runs');

export async function compareRuns({ files, images, rounds, atATime, variants }: ImageRuns): Promise<void> {
  rmSync(folder, { recursive: true, force: true });
  const large = linksTo(files, images, 'in');
  const small = linksTo(files, Math.ceil(images / 10), 'in-tenth');
  const tilefan = async (input: string): Promise<Measurement> => {
    rmSync(`${folder}/out`, { recursive: true, force: true });
    rmSync(`${folder}/work`, { recursive: true, force: true });
    writeFileSync(`${folder}/job.json`, JSON.stringify({ name: 'images', items: { prefix: input }, operation: { images: variants }, outputs: { prefix: `${folder}/out/` }, results: { href: `${folder}/table.csv` } }));
    return await measure({ name: 'tilefan', command: [process.execPath, path('../cli/tilefan.mjs'), 'run', `${folder}/job.json`, '--work', `${folder}/work`, '--threads', String(Math.ceil(atATime / imagesAtATime(1)))] });
  };
  const plain = async (): Promise<Measurement> => {
    rmSync(`${folder}/out`, { recursive: true, force: true });
    return await measure({ name: 'plain loop', command: [process.execPath, path('plain-images.ts'), large, `${folder}/out`, String(atATime)] });
  };
  const found = { plain: [] as Measurement[], tilefan: [] as Measurement[] };
  for (let round = 0; round < rounds; round++) {
    // Who begins alternates, so that neither always has the warmer machine.
    for (const who of round % 2 === 0 ? (['plain', 'tilefan'] as const) : (['tilefan', 'plain'] as const)) {
      found[who].push(who === 'plain' ? await plain() : await tilefan(large));
      const made = readdirSync(`${folder}/out/thumbs`).length;
      if (made !== images) throw new Error(`${who} has made ${String(made)} of ${String(images)} thumbs`);
    }
    const [a, b] = [found.plain.at(-1), found.tilefan.at(-1)];
    process.stdout.write(`round ${String(round + 1)}: plain loop ${speed(images, a)}, tilefan run ${speed(images, b)}\n`);
  }
  const tenth = await tilefan(small);
  const ratio = (of: (each: Measurement) => number): string => median(found.plain.map((each, index) => of(each) / of(found.tilefan[index] ?? each))).toFixed(2);
  const megabytes = (each: readonly Measurement[]): string => median(each.map(({ workerMegabytes }) => workerMegabytes)).toFixed(0);
  process.stdout.write(
    `ratio of throughput: ${ratio(({ wallSeconds }) => wallSeconds)} (median of ${String(rounds)} rounds of ${String(images)} images); of processor time: ${ratio(({ cpuSeconds }) => cpuSeconds)}\n` +
      `peak memory: plain loop ${median(found.plain.map(({ peakMegabytes }) => peakMegabytes)).toFixed(0)} MB; worker ${megabytes(found.tilefan)} MB, with a tenth of the images ${megabytes([tenth])} MB\n`,
  );
  rmSync(folder, { recursive: true, force: true });
}

function speed(images: number, measured: Measurement | undefined): string {
  const { wallSeconds = NaN, cpuSeconds = NaN } = measured ?? {};
  return `${(images / wallSeconds).toFixed(1)} images a second (${wallSeconds.toFixed(1)} s, ${cpuSeconds.toFixed(1)} s of processor time)`;
}

/** A folder with so many images, which are the same files again and again. */
function linksTo(files: readonly string[], count: number, name: string): string {
  const made = `${folder}/${name}/`;
  mkdirSync(made, { recursive: true });
  for (const file of files) if (readFileSync(file).length === 0) throw new Error(`${file} is empty`);
  for (let i = 0; i < count; i++) linkSync(files[i % files.length] ?? '', `${made}${String(i).padStart(6, '0')}.jpg`);
  return made;
}
