/**
 * Splits a grid of 1,000,000 tiles: wall time and peak memory of the whole process, from the input's header to the written manifest.
 *
 *     node bench/split.ts
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { cogHeaderBytes, createBlockTable, writeCogHeader, type CogImage } from '../lib/tiff/cog-header.ts';
import { measure } from './measure.ts';

const folder = new URL('out/split/', import.meta.url);

if (process.argv[2] === 'split') {
  const { split } = await import('../lib/job/split.ts');
  const { createStore } = await import('../lib/store/routing-store.ts');
  const job = {
    inputs: { scene: fileURLToPath(new URL('sparse.tif', folder)) },
    grid: { tileSize: 128 },
    operation: { expression: { out: 'scene[1] * 2' } },
    outputs: { out: { href: fileURLToPath(new URL('out.tif', folder)), dtype: 'uint8', nodata: 0, blockSize: 128 } },
    compute: { cpu: 2, memory: '16 GiB', tilesPerTask: 1 },
  };
  const state = await split({ input: { job }, execution: 'million' }, { store: createStore(), env: { TILEFAN_WORK: folder.href } });
  process.stdout.write(`${JSON.stringify(state.manifest)}\n`);
} else {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  // 128,000 x 128,000 px and nothing in it: a header of a megabyte stands for 16 GB.
  const size = { columns: 128_000, rows: 128_000 };
  const image: CogImage = { dtype: 'uint8', bands: 1, blockSize: 512, compression: 'none', predictor: 1, nodata: 0, geo: {}, metadata: '', levels: [size] };
  const header = writeCogHeader(image, 'big', [createBlockTable(size, 512)]);
  if (header.length !== cogHeaderBytes(image, 'big')) throw new Error('the header has another length than was said');
  writeFileSync(new URL('sparse.tif', folder), header);
  const { wallSeconds, peakMegabytes } = await measure({ name: 'split', command: [process.execPath, fileURLToPath(import.meta.url), 'split'] });
  const manifest = new URL('runs/million/manifest.jsonl', folder);
  process.stdout.write(`1,000,000 tiles split in ${wallSeconds.toFixed(2)} s, peak ${peakMegabytes.toFixed(0)} MB; manifest ${pathToFileURL(fileURLToPath(manifest)).pathname}\n`);
}
