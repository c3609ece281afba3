/**
 * How fast blocks are decoded and extracted: `node bench/tiff-reader.ts FILE.tif…`, MB/s of decoded bytes on one core.
 *
 * Reads blocks of the main image into shared memory first, so that only the work of a compute thread is measured, and takes
 * half of the bands out of each, as an NDVI of a four-band scene does. docs/decisions/tiff-reader.md has numbers.
 */

import { open, stat } from 'node:fs/promises';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { Bench } from 'tinybench';
import { allocateSamples } from '../lib/raster/dtype.ts';
import { type ObjectReader } from '../lib/store/store.ts';
import { BlockReader } from '../lib/tiff/block-reader.ts';
import { blockBytes, blockCount, samplesPerBlockPixel } from '../lib/tiff/layout.ts';
import { openTiff } from '../lib/tiff/open.ts';

/** Decoded bytes that one round works through. */
const roundBytes = 64 * 1024 * 1024;

async function measure(file: string): Promise<Record<string, string>> {
  const handle = await open(file);
  const href = pathToFileURL(path.resolve(file)).href;
  const { size } = await stat(file);
  const reader: Pick<ObjectReader, 'stat' | 'readInto'> = {
    stat: () => Promise.resolve({ href, size, version: '' }),
    readInto: async (_href, offset, target) => void (await handle.read(target, 0, target.length, offset)),
  };
  const tiff = await openTiff(reader, href);
  const { layout } = tiff.main;
  const wanted = Math.max(1, Math.floor(roundBytes / blockBytes(layout)));
  const all = await tiff.blockRanges(tiff.main, Array.from({ length: blockCount(layout) }, (_, i) => i));
  const blocks: { index: number; bytes: Uint8Array }[] = [];
  for (const [index, range] of all.entries()) {
    // Full blocks only; the last of a strip is short.
    if (range.length === 0 || blocks.length === wanted || index >= all.length - 1) continue;
    const bytes = new Uint8Array(new SharedArrayBuffer(range.length));
    await reader.readInto(href, range.offset, bytes);
    blocks.push({ index, bytes });
  }
  await handle.close();

  const decoder = new BlockReader(layout);
  const plane = allocateSamples(layout.dtype, layout.blockWidth * layout.blockHeight);
  const window = { column: 0, row: 0, columns: layout.blockWidth, rows: layout.blockHeight };
  const bands = Array.from({ length: Math.ceil(samplesPerBlockPixel(layout) / 2) }, (_, i) => 2 * i);
  const bench = new Bench({ iterations: 8, warmupIterations: 2, time: 0 });
  bench.add('decode', async () => {
    for (const { index, bytes } of blocks) await decoder.decode(bytes, index);
  });
  bench.add(`decode and extract ${bands.length} of ${layout.bands} bands`, async () => {
    for (const { index, bytes } of blocks) {
      const raw = await decoder.decode(bytes, index);
      for (const band of bands) decoder.extract(raw, plane, { band, window, targetOffset: 0, targetStride: layout.blockWidth });
    }
  });
  await bench.run();
  const decoded = blocks.length * blockBytes(layout);
  const figures = bench.tasks.map(({ name, result }) => {
    const milliseconds = 'latency' in result ? result.latency.min : Number.NaN;
    return [name, `${(decoded / milliseconds / 1000).toFixed(0)} MB/s`] as const;
  });
  return { file: path.basename(file), compression: `${layout.compression}, predictor ${layout.predictor}`, ...Object.fromEntries(figures) };
}

const files = process.argv.slice(2);
if (files.length === 0) {
  process.stderr.write('usage: node bench/tiff-reader.ts FILE.tif…\n');
  process.exitCode = 64;
}
for (const file of files) process.stdout.write(`${JSON.stringify(await measure(file))}\n`);
