/**
 * What one more tile costs in reduce, from 10^2 to 10^6 tiles: segments with real indexes and tiny blocks, as workers leave them, merged by the real reduce in a process of its own.
 *
 *     node bench/reduce.ts [tiles ...]
 *
 * once with batches of 128 tiles, of which a million tiles have as many as a run may, and once with as many batches as there may be.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { measure } from './measure.ts';

const folder = new URL('out/reduce/', import.meta.url);
const tileSize = 128;
const tilesPerBatch = '128';

if (process.argv[2] === 'make') {
  await makeRun(Number(process.argv[3]), process.argv[4] ?? tilesPerBatch);
} else if (process.argv[2] === 'reduce') {
  const { reduce } = await import('../lib/job/reduce.ts');
  const { createStore } = await import('../lib/store/routing-store.ts');
  const state = JSON.parse(readFileSync(new URL('state.json', folder), 'utf8')) as Parameters<typeof reduce>[0];
  const { status } = await reduce(state, { store: createStore() });
  if (status !== 'DONE') throw new Error(status);
} else {
  const given = process.argv.slice(2).map(Number);
  const rows: string[] = ['tiles      segments  wall s    us a tile  peak MB'];
  for (const tiles of given.length > 0 ? given : [100, 1000, 10_000, 100_000, 1_000_000]) {
    for (const perBatch of [tilesPerBatch, '1']) {
      rmSync(folder, { recursive: true, force: true });
      mkdirSync(folder, { recursive: true });
      const made = await measure({ name: 'make', command: [process.execPath, fileURLToPath(import.meta.url), 'make', String(tiles), perBatch] });
      const segments = readdirSync(new URL('runs/r/segments/out/', folder)).length;
      const { wallSeconds, peakMegabytes } = await measure({ name: 'reduce', command: [process.execPath, fileURLToPath(import.meta.url), 'reduce'] });
      rows.push(`${String(tiles).padEnd(10)} ${String(segments).padEnd(9)} ${wallSeconds.toFixed(2).padEnd(9)} ${((wallSeconds / tiles) * 1e6).toFixed(1).padEnd(10)} ${peakMegabytes.toFixed(0)}   (made in ${made.wallSeconds.toFixed(0)} s)`);
      process.stdout.write(`${rows.at(-1) ?? ''}\n`);
    }
  }
  rmSync(folder, { recursive: true, force: true });
  process.stdout.write(`\n${rows.join('\n')}\n`);
}

/** Splits a job of so many tiles, and writes the segments of all its batches: every level of every batch, a few bytes a block. */
async function makeRun(tiles: number, tilesPerTask: string): Promise<void> {
  const { split } = await import('../lib/job/split.ts');
  const { createStore } = await import('../lib/store/routing-store.ts');
  const { readPlan, encodingOf, levelOwners, levelsOf, tilingOf } = await import('../lib/job/plan.ts');
  const { batchCount, batchWindow } = await import('../lib/job/tiling.ts');
  const { encodeIndex, segmentName } = await import('../lib/job/segment.ts');
  const { BlockEncoder } = await import('../lib/tiff/block-encoder.ts');
  const { blockGrid, cogHeaderBytes, createBlockTable, writeCogHeader } = await import('../lib/tiff/cog-header.ts');
  const { allocateSamples } = await import('../lib/raster/dtype.ts');
  const side = Math.round(Math.sqrt(tiles)) * tileSize;
  const size = { columns: side, rows: side };
  const image = { dtype: 'uint8', bands: 1, blockSize: 512, compression: 'none', predictor: 1, nodata: 0, geo: {}, metadata: '', levels: [size] } as unknown as Parameters<typeof writeCogHeader>[0];
  const header = writeCogHeader(image, 'big', [createBlockTable(size, 512)]);
  if (header.length !== cogHeaderBytes(image, 'big')) throw new Error('the header has another length than was said');
  writeFileSync(new URL('sparse.tif', folder), header);
  const job = {
    inputs: { scene: fileURLToPath(new URL('sparse.tif', folder)) },
    grid: { tileSize },
    operation: { expression: { out: 'scene[1] * 2' } },
    outputs: { out: { href: fileURLToPath(new URL('out.tif', folder)), dtype: 'uint8', nodata: 0, blockSize: tileSize, compression: 'deflate', overviews: 'average' } },
    compute: { cpu: 2, memory: '16 GiB', tilesPerTask: Number(tilesPerTask) },
  };
  const store = createStore();
  const env = { TILEFAN_WORK: folder.href, TILEFAN_LOCAL_THREADS: '1', TILEFAN_REDUCE_BLOCKS: '100000000' };
  const state = await split({ input: { job }, execution: 'r' }, { store, env });
  writeFileSync(new URL('state.json', folder), JSON.stringify(state));
  const plan = await readPlan(store, state.run.href);
  const [output] = plan.outputs;
  if (output === undefined) throw new Error('no output');
  const encoder = new BlockEncoder(encodingOf(output));
  const samples = allocateSamples('uint8', tileSize ** 2).fill(7);
  const encoded = await encoder.encode([{ samples, columns: tileSize, rows: tileSize }], 0, 0);
  if (encoded === undefined) throw new Error('no block');
  const block = encoded.slice();
  const owners = levelOwners(plan, output);
  const levels = levelsOf(plan, output).map((level) => blockGrid(level, tileSize));
  const tiling = tilingOf(plan);
  mkdirSync(new URL('runs/r/segments/out/', folder), { recursive: true });
  for (let batch = 0; batch < batchCount(tiling); batch++) {
    const window = batchWindow(tiling, batch);
    const tilesOf = Array.from({ length: window.columns * window.rows }, (_, i) => ({
      column: window.column + (i % window.columns),
      row: window.row + Math.floor(i / window.columns),
      statistics: [{ count: tileSize ** 2, minimum: 7, maximum: 7, mean: 7, squares: 0 }],
    }));
    const blocks: { level: number; column: number; row: number; offset: number; length: number }[] = [];
    for (let level = owners.batch; level >= 0; level--) {
      const scale = 2 ** level;
      const grid = levels[level];
      for (let row = window.row / scale; row * scale < window.row + window.rows && row < (grid?.down ?? 0); row++) {
        for (let column = window.column / scale; column * scale < window.column + window.columns; column++) blocks.push({ level, column, row, offset: blocks.length * block.length, length: block.length });
      }
    }
    const dataBytes = blocks.length * block.length;
    const body = Buffer.concat([...blocks.map(() => block), encodeIndex({ complete: true, tiles: tilesOf, blocks, dataBytes })]);
    writeFileSync(new URL(`runs/r/segments/out/${segmentName(batch, 0)}`, folder), body);
  }
  await store.close();
  process.stdout.write(`${pathToFileURL(fileURLToPath(folder)).href}\n`);
}
