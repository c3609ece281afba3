/**
 * Copies of many small images: lib/images against a plain loop of sharp over the same files, in turn, in one process.
 *
 *     node bench/images.ts [--images 10000] [--at-a-time 4] [--size 640]
 *     node bench/images.ts --sweep          how many at a time are best on this machine
 *     node bench/images.ts --runs 1         whole runs of `tilefan run` against the plain loop as a program, in so many rounds of --images each
 *
 * The plain loop decodes the file once for each copy, and checks nothing. Both have the same number of images in work, read the files
 * from disk, and drop the copies. Resident memory is printed as it goes.
 */
import { readFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import pLimit from 'p-limit';
import sharp from 'sharp';
import { makeVariants } from '../lib/images/make-variants.ts';
import { imagesAtATime } from '../lib/images/sharp-setup.ts';
import { imageVariants } from '../lib/images/variant-spec.ts';
import { makeImageFiles } from './image-files.ts';
import { compareRuns } from './image-runs.ts';
import { median } from './measure.ts';
import { bothCopies, setUpSharp } from './plain-sharp.ts';

const { values } = parseArgs({
  options: { images: { type: 'string', default: '10000' }, 'at-a-time': { type: 'string', default: String(imagesAtATime()) }, size: { type: 'string', default: '640' }, sweep: { type: 'boolean', default: false }, runs: { type: 'string', default: '0' } },
});
const count = Number(values.images);
const roundImages = Math.min(500, count);
const longSide = Number(values.size);

const variants = imageVariants.parse({ resized: { fit: 'inside', width: 1024, height: 768, quality: 90 }, thumbs: { width: 192, height: 192 } });
const files = await makeImageFiles(longSide);
setUpSharp();

type Maker = (bytes: Buffer) => Promise<unknown>;

const plain: Maker = bothCopies;
const ours: Maker = (bytes) => makeVariants(bytes, variants);

if (values.sweep) await sweep();
else if (Number(values.runs) > 0) await compareRuns({ files, images: count, rounds: Number(values.runs), atATime: Number(values['at-a-time']), variants });
else await compare(Number(values['at-a-time']));

async function compare(atATime: number): Promise<void> {
  process.stdout.write(`${String(count)} images of ${String(longSide)} px, ${String(atATime)} at a time on ${String(availableParallelism())} vCPUs, sharp ${sharp.versions.sharp}\n`);
  await round(plain, 0, 50, atATime);
  await round(ours, 0, 50, atATime);
  const seconds = { plain: [] as number[], ours: [] as number[] };
  /** Which says more than time where others use the machine. */
  const processorSeconds = { plain: [] as number[], ours: [] as number[] };
  for (let first = 0; first < count; first += roundImages) {
    // Who begins alternates, so that neither always has the warmer machine.
    const order = (first / roundImages) % 2 === 0 ? (['plain', 'ours'] as const) : (['ours', 'plain'] as const);
    for (const who of order) {
      const before = process.cpuUsage();
      seconds[who].push(await round(who === 'plain' ? plain : ours, first, roundImages, atATime));
      const { user, system } = process.cpuUsage(before);
      processorSeconds[who].push((user + system) / 1e6);
    }
    if ((first / roundImages) % 4 === 3) process.stdout.write(`${String(first + roundImages)} images: ${(process.memoryUsage.rss() / 1e6).toFixed(0)} MB\n`);
  }
  const speed = (who: 'plain' | 'ours'): number => roundImages / median(seconds[who]);
  const ratiosOf = (each: typeof seconds): number[] => each.plain.map((value, index) => value / (each.ours[index] ?? NaN));
  const ratios = ratiosOf(seconds);
  process.stdout.write(`plain sharp: ${speed('plain').toFixed(1)} images a second\nlib/images:  ${speed('ours').toFixed(1)} images a second\nratio:       ${median(ratios).toFixed(2)} (median of ${String(ratios.length)} rounds, ${Math.min(...ratios).toFixed(2)} to ${Math.max(...ratios).toFixed(2)})\nof processor time: ${median(ratiosOf(processorSeconds)).toFixed(2)}\n`);
}

async function sweep(): Promise<void> {
  const vcpus = availableParallelism();
  const tried = [0.5, 1, 1.5, 2, 3, 4].map((factor) => Math.max(1, Math.round(factor * vcpus)));
  const seconds = new Map<number, number[]>();
  for (let run = 0; run < 5; run++) for (const atATime of tried) seconds.set(atATime, [...(seconds.get(atATime) ?? []), await round(ours, 0, roundImages, atATime)]);
  for (const [atATime, each] of seconds) process.stdout.write(`${String(atATime)} at a time: ${(roundImages / median(each)).toFixed(1)} images a second\n`);
}

/** Seconds for some of the images. */
async function round(make: Maker, first: number, images: number, atATime: number): Promise<number> {
  const limit = pLimit(atATime);
  const started = performance.now();
  await Promise.all(Array.from({ length: images }, (_, index) => limit(async () => make(await readFile(files[(first + index) % files.length] ?? '')))));
  return (performance.now() - started) / 1000;
}
