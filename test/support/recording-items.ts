/** The part of the recorded scenario that has code of users and items: what they read and write beyond runs of rasters. */
import assert from 'node:assert/strict';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { crc32, deflateSync } from 'node:zlib';
import type { MakeJob, Stage } from './recording-stage.ts';
import { linesOf, reduceAll, workAll } from './recording-steps.ts';

const tileCode = `
export default ({ inputs }) => ({ pixels: inputs.a.length });
export const merge = (a, b) => ({ pixels: a.pixels + b.pixels });
`;

/** Code that is tried by a worker, results of tiles, and a merge of them by a worker; each step twice, as after a lost answer. */
export async function runCode(stage: Stage, job: MakeJob): Promise<void> {
  const { at, split, buckets: { input, output, write } } = stage;
  mkdirSync(at(input, 'code'), { recursive: true });
  writeFileSync(at(input, 'code/tiles.mjs'), tileCode);
  for (const bucket of [output, write]) {
    const name = `coded-${bucket}`;
    const coded = job(name, { operation: { module: `s3://${input}/code/tiles.mjs` }, outputs: {}, results: { href: `s3://${bucket}/pixels.json`, merge: { function: 'merge' } } });
    const tile = await split({ job: coded, try: [0, 0] }, `${name}-tile`);
    for (const _ of ['tried', 'tried again']) await workAll(stage, tile, linesOf(stage, tile));
    const trial = await split(coded, name);
    for (const _ of ['tried', 'tried before']) await workAll(stage, trial, linesOf(stage, trial));
    const state = await split(coded, name);
    const lines = linesOf(stage, state);
    await workAll(stage, state, lines);
    await workAll(stage, state, lines.slice(0, 1));
    await reduceAll(stage, state);
  }
}

/** One pixel. */
function png(): Buffer {
  const chunk = (type: string, data: Buffer): Buffer => {
    const body = Buffer.concat([Buffer.from(type), data]);
    const whole = Buffer.alloc(body.length + 8);
    whole.writeUInt32BE(data.length, 0);
    body.copy(whole, 4);
    whole.writeUInt32BE(crc32(body), body.length + 4);
    return whole;
  };
  const header = Buffer.from([0, 0, 0, 1, 0, 0, 0, 1, 8, 2, 0, 0, 0]);
  return Buffer.concat([Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]), chunk('IHDR', header), chunk('IDAT', deflateSync(Buffer.from([0, 1, 2, 3]))), chunk('IEND', Buffer.alloc(0))]);
}

/** Images in every place that may be read, their copies in every place that may be written; an upload; lists that don't fit into one request; items of another run; functions with files. */
export async function runItems(stage: Stage): Promise<void> {
  const { buckets: { input, output, read, write } } = stage;
  await copyImages(stage, 'input', input, output);
  await copyImages(stage, 'read', read, write);
  await copyUpload(stage);
  await listMany(stage);
  await callFunction(stage);
}

async function copyImages(stage: Stage, name: string, from: string, to: string): Promise<void> {
  const { at, split } = stage;
  mkdirSync(at(from, 'photos/a'), { recursive: true });
  writeFileSync(at(from, 'photos/a/b c.png'), png());
  writeFileSync(at(from, 'photos/broken.png'), 'no image');
  writeFileSync(at(from, 'photos/gone.png'), png());
  const run = `items-${name}`;
  const job = {
    name: run,
    items: { prefix: `s3://${from}/photos/` },
    operation: { images: { thumbs: { width: 8, height: 8 } } },
    outputs: { prefix: `s3://${to}/copies/` },
    results: { href: `s3://${to}/table.csv` },
    tolerateFailures: { percentage: 100 },
  };
  await split(job, run);
  const state = await split(job, run);
  rmSync(at(from, 'photos/gone.png'));
  for (const _ of ['done', 'done before']) await workAll(stage, state, linesOf(stage, state));
  for (const _ of ['done', 'done before']) await reduceAll(stage, state);
}

/** By the template that is built in. What this run made is the next one's input. */
async function copyUpload(stage: Stage): Promise<void> {
  const { at, split, buckets: { input, output } } = stage;
  mkdirSync(at(input, 'incoming/photos'), { recursive: true });
  writeFileSync(at(input, 'incoming/photos/a b.png'), png());
  const state = await split({ job: `s3://${input}/templates/photos.json`, object: `s3://${input}/incoming/photos/a b.png` }, 'upload');
  await workAll(stage, state, linesOf(stage, state));
  await reduceAll(stage, state);
  const next = await split({ name: 'next', items: { from: 'run:upload' }, operation: { images: { small: { width: 4, height: 4 } } }, outputs: { prefix: `s3://${output}/next/` } }, 'next');
  await workAll(stage, next, linesOf(stage, next));
  await reduceAll(stage, next);
}

/** Lines that make more than one part of an upload (object-sink.ts). */
const manyLines = 120_000;

/** A list of items is written down while it is read: as an upload in parts, which is given up where the last line is wrong. */
async function listMany({ at, split, buckets: { input, output } }: Stage): Promise<void> {
  const line = (i: number): string => `${JSON.stringify({ href: `s3://${input}/photos/a/b c.png`, path: `${String(i).padStart(40, '0')}.png`, size: 70 })}\n`;
  const lines = Array.from({ length: manyLines }, (_, i) => line(i)).join('');
  writeFileSync(at(input, 'many.jsonl'), lines);
  writeFileSync(at(input, 'wrong.jsonl'), `${lines}no JSON\n`);
  const job = (list: string): Record<string, unknown> => ({ name: list, items: { manifest: `s3://${input}/${list}.jsonl` }, operation: { images: { thumbs: { width: 8, height: 8 } } }, outputs: { prefix: `s3://${output}/${list}/` } });
  await split(job('many'), 'many');
  await assert.rejects(split(job('wrong'), 'wrong'));
}

const itemCode = `
import { writeFile } from 'node:fs/promises';
export default async ({ folder, parameters }) => {
  await writeFile(folder + '/a b.txt', 'made');
  return parameters ?? null;
};
`;

/** A function that is looked at by a worker, called, and leaves a file for each item. */
async function callFunction(stage: Stage): Promise<void> {
  const { at, split, buckets: { input, output } } = stage;
  writeFileSync(at(input, 'code/items.mjs'), itemCode);
  const job = { name: 'calls', items: { hrefs: [`s3://${input}/photos/a/b c.png`] }, operation: { module: `s3://${input}/code/items.mjs` }, outputs: { prefix: `s3://${output}/calls/` }, results: { href: `s3://${output}/calls.parquet` } };
  const first = await split(job, 'calls');
  for (const _ of ['looked at', 'looked at before']) await workAll(stage, first, linesOf(stage, first));
  const state = await split(job, 'calls');
  for (const _ of ['called', 'called before']) await workAll(stage, state, linesOf(stage, state));
  await reduceAll(stage, state);
}
