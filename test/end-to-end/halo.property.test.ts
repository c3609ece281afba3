/** With a margin around each tile the answer is still that of the whole image, and every block is decoded once a batch, however tiles, blocks and batches lie. */
import assert from 'node:assert/strict';
import { after, before, describe, it, mock } from 'node:test';
import fc from 'fast-check';
import { DataError, OperationError } from '../../lib/base/errors.ts';
import { FileStore } from '../../lib/store/file-store.ts';
import { fileHref } from '../../lib/store/href.ts';
import { BlockReader } from '../../lib/tiff/block-reader.ts';
import { openTiff } from '../../lib/tiff/open.ts';
import { withoutGdal } from '../support/gdal.ts';
import { runInProcess, type InProcessOptions } from '../support/in-process-run.ts';
import { makeFiles } from '../support/raster-oracle.ts';
import { createWorkspace } from '../support/workspace.ts';
import { readImage } from '../tiff/read-image.ts';

const space = createWorkspace('halo');
const store = new FileStore();
after(async () => {
  await store.close();
  space.remove();
});

/** Layouts whose blocks don't end where tiles do, at offsets from the grid. */
const kinds = {
  tiled: { options: ['TILED=YES', 'BLOCKXSIZE=64', 'BLOCKYSIZE=64', 'COMPRESS=DEFLATE'] },
  odd: { at: [-13, 5], options: ['TILED=YES', 'BLOCKXSIZE=48', 'BLOCKYSIZE=80', 'COMPRESS=ZSTD', 'PREDICTOR=2'] },
  strips: { at: [7, -31], options: ['BLOCKYSIZE=11', 'COMPRESS=LZW'], nodata: 9 },
  onestrip: { at: [0, 0], options: ['BLOCKYSIZE=310'] },
  bands: { at: [20, 20], bands: 2, options: ['INTERLEAVE=BAND', 'TILED=YES', 'BLOCKXSIZE=96', 'BLOCKYSIZE=32'] },
  pixels: { at: [-5, -5], bands: 2, options: ['TILED=YES', 'BLOCKXSIZE=96', 'BLOCKYSIZE=64', 'COMPRESS=LZW'] },
  jpeg: { at: [3, 4], dtype: 'uint8', options: ['TILED=YES', 'BLOCKXSIZE=64', 'BLOCKYSIZE=64', 'COMPRESS=JPEG'] },
  masked: { at: [-9, 11], mask: 'mask', options: ['TILED=YES', 'BLOCKXSIZE=80', 'BLOCKYSIZE=48', 'COMPRESS=DEFLATE'] },
  alpha: { at: [11, -2], mask: 'alpha', dtype: 'uint8', options: ['TILED=YES', 'BLOCKXSIZE=48', 'BLOCKYSIZE=48', 'COMPRESS=LZW'] },
  floats: { at: [1, 1], dtype: 'float32', nodata: -1, options: ['TILED=YES', 'BLOCKXSIZE=112', 'BLOCKYSIZE=112', 'COMPRESS=DEFLATE', 'PREDICTOR=3'] },
} as const;
const names = Object.keys(kinds) as (keyof typeof kinds)[];

before(() => {
  if (withoutGdal !== false) return;
  makeFiles(
    `
from grid_oracle import *
for n, (name, k) in enumerate(json.loads(sys.argv[2]).items()):
    x, y = k.get('at', [0, 0])
    make_raster(sys.argv[1] + '/' + name + '.tif', 330, 310, [500000.0 + 10 * x, 10.0, 0, 5000000.0 - 10 * y, 0, -10.0], 32633, k.get('dtype', 'int16'), k.get('bands', 1), k.get('nodata'), k.get('mask'), n, k['options'])`,
    [space.folder, JSON.stringify(kinds)],
  );
});

const expressions = [
  (a: string, b: string) => `focal_mean(${a}[1], 5) + ${b}[1]`,
  (a: string, b: string) => `focal_median(${a}[1], 3, 7) - focal_max(${b}[1], 9)`,
  (a: string, b: string) => `focal_std(${a}[1] - ${b}[1], 11)`,
  (a: string, b: string) => `convolve(${a}[1], k) + slope(${b}[1])`,
  (a: string, b: string) => `focal_min(focal_mean(${a}[1], 3), 5) * hillshade(${b}[1])`,
  (a: string, b: string) => `coalesce(focal_mean(${a}[1], 41), 0) + ${b}[1]`,
  (a: string, b: string) => `${a}[1] * 2 + ${b}[1]`,
];

const job = fc.record({
  a: fc.constantFrom(...names),
  b: fc.constantFrom(...names),
  mosaic: fc.boolean(),
  expression: fc.nat({ max: expressions.length - 1 }),
  halo: fc.constantFrom(0, 0, 1, 17, 70, 150),
  footprint: fc.constantFrom('intersection', 'union'),
});

const cut = fc.record({
  tileSize: fc.constantFrom(128, 256),
  tilesPerTask: fc.oneof(fc.constant('auto' as const), fc.constantFrom(1, 2, 4, 16)),
  inFlight: fc.integer({ min: 1, max: 4 }),
  stopAfter: fc.option(fc.integer({ min: 1, max: 5 }), { nil: undefined }),
});

type Job = typeof job extends fc.Arbitrary<infer T> ? T : never;

function document({ a, b, mosaic, expression, halo, footprint }: Job, folder: string, tileSize: number, tilesPerTask: number | 'auto'): Readonly<Record<string, unknown>> {
  const path = (name: string): string => space.path(`${name}.tif`);
  return {
    // Both may be the same file, and a mosaic may hold it once more.
    inputs: { a: path(a), b: mosaic ? { hrefs: [path(b), path(a)], bands: [1] } : path(b) },
    grid: { tileSize, halo, footprint },
    compute: { tilesPerTask },
    operation: { expression: { o: expressions[expression]?.('a', 'b') }, kernels: { k: [[1, 2, 1], [0, 0, 0], [-1, -2, -1]] } },
    outputs: { o: { href: `${folder}/o.tif`, dtype: 'float64', nodata: 'nan', overviews: 'none', statistics: false, blockSize: 128, compression: 'none' } },
  };
}

async function pixels(options: Pick<InProcessOptions, 'job' | 'work'> & Partial<InProcessOptions>): Promise<Buffer> {
  await runInProcess({ store, ...options });
  const tiff = await openTiff(store, fileHref(`${options.work}/o.tif`));
  const samples = await readImage(store, tiff, tiff.main, Number.NaN);
  return Buffer.from(samples.buffer, samples.byteOffset, samples.byteLength);
}

const runs = Number(process.env['TILEFAN_TEST_RUNS'] ?? 15);
const seed = Number(process.env['TILEFAN_TEST_SEED'] ?? Date.now() % 2 ** 31);

void describe('a margin around tiles', { skip: withoutGdal }, () => {
  // Catches: neighbours that are fill where there are pixels, blocks mixed up between tiles, bands or images, memory of a block given away too early, work done twice.
  void it('gives the answer of the whole image, and decodes each block once a batch', async (t) => {
    t.diagnostic(`seed ${String(seed)} (TILEFAN_TEST_SEED), ${String(runs)} runs (TILEFAN_TEST_RUNS)`);
    await fc.assert(
      fc.asyncProperty(job, cut, async (what, how) => {
        const one = space.newFolder('whole');
        const whole = await pixels({ work: one, job: document(what, one, 512, 'auto') });
        const folder = space.newFolder('cut');
        const decoded = new Map<string, number>();
        const decode = Reflect.get(BlockReader.prototype, 'decode');
        const counting = mock.method(BlockReader.prototype, 'decode', function count(this: BlockReader, bytes: Uint8Array, index: number): ReturnType<typeof decode> {
          const key = `${this.layout.href} ${String(this.layout.mask)} ${String(index)}`;
          decoded.set(key, (decoded.get(key) ?? 0) + 1);
          return decode.call(this, bytes, index);
        });
        try {
          const { tileSize, tilesPerTask, inFlight, stopAfter } = how;
          const found = await pixels({ work: folder, job: document(what, folder, tileSize, tilesPerTask), inFlight, ...(stopAfter === undefined ? {} : { stopAfter }) });
          assert.equal(Buffer.compare(found, whole), 0, 'pixels differ from those of one tile');
        } finally {
          counting.mock.restore();
        }
        if (how.tilesPerTask === 'auto' && how.stopAfter === undefined) {
          const twice = [...decoded].filter(([key, times]) => times > 1 && !key.includes('/o.tif'));
          assert.deepEqual(twice, [], 'blocks decoded more than once');
        }
      }),
      { numRuns: runs, seed },
    );
  });

  // Catches: a tile that waits for ever for a block that another failed to fetch, an error that is lost, and a tile that is committed although a block of it is missing.
  void it('ends with the error when a read fails, and the next attempt finishes', async (t) => {
    t.diagnostic(`seed ${String(seed)} (TILEFAN_TEST_SEED), ${String(runs)} runs (TILEFAN_TEST_RUNS)`);
    await fc.assert(
      fc.asyncProperty(job, cut, fc.integer({ min: 1, max: 60 }), async (what, how, failing) => {
        const folder = space.newFolder('failing');
        const whole = space.newFolder('expected');
        const expected = await pixels({ work: whole, job: document(what, whole, 512, 'auto') });
        let reads = 0;
        let planned = false;
        let failures = 0;
        const faulty = new (class extends FileStore {
          override async readInto(href: string, offset: number, target: Uint8Array, version?: string): Promise<void> {
            if (planned && failures < 2 && !href.includes('/runs/') && ++reads % failing === 0) {
              failures++;
              throw new OperationError('TEST_READ', `${href} could not be read`);
            }
            await super.readInto(href, offset, target, version);
          }
        })();
        try {
          const { tileSize, tilesPerTask, inFlight } = how;
          const attempt = async (): Promise<Buffer> => await pixels({ store: faulty, work: folder, inFlight, job: document(what, folder, tileSize, tilesPerTask), order: (lines) => { planned = true; return lines; } });
          let found: Buffer | undefined;
          for (let tries = 0; tries < 4 && found === undefined; tries++) {
            const before = failures;
            // oxlint-disable-next-line no-await-in-loop
            found = await attempt().catch((error: unknown) => {
              assert.ok(error instanceof OperationError || error instanceof DataError, String(error));
              assert.match(error.message, /could not be read/);
              assert.ok(failures > before);
              return undefined;
            });
            planned = false;
          }
          assert.ok(found !== undefined);
          assert.equal(Buffer.compare(found, expected), 0, 'pixels differ after attempts that failed');
        } finally {
          await faulty.close();
        }
      }),
      { numRuns: runs, seed },
    );
  });
});

