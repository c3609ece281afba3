/**
 * With a margin around each tile the answer is still that of the whole image, which is that of scipy and gdaldem, and every block is read and decoded once a batch, however
 * tiles, blocks and batches lie.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it, mock } from 'node:test';
import fc from 'fast-check';
import { DataError, OperationError } from '../../lib/base/errors.ts';
import { FileStore } from '../../lib/store/file-store.ts';
import { fileHref } from '../../lib/store/href.ts';
import { BlockReader } from '../../lib/tiff/block-reader.ts';
import { openTiff } from '../../lib/tiff/open.ts';
import { withoutGdalPrograms } from '../gdal/oracle.ts';
import { CountingStore } from '../support/counting-store.ts';
import { withoutGdal } from '../support/gdal.ts';
import { runInProcess, type InProcessOptions } from '../support/in-process-run.ts';
import { propertyRuns } from '../support/property-runs.ts';
import { assertNoDifferences, makeFiles } from '../support/raster-oracle.ts';
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

/** How often each block is decoded from here on, by file, mask or image, and number. */
function countDecodes(): Disposable & { readonly times: Map<string, number> } {
  const times = new Map<string, number>();
  const decode = Reflect.get(BlockReader.prototype, 'decode');
  const counting = mock.method(BlockReader.prototype, 'decode', function count(this: BlockReader, bytes: Uint8Array, index: number): ReturnType<typeof decode> {
    const key = `${this.layout.href} ${String(this.layout.mask)} ${String(index)}`;
    times.set(key, (times.get(key) ?? 0) + 1);
    return decode.call(this, bytes, index);
  });
  return { times, [Symbol.dispose]: () => counting.mock.restore() };
}

const odd = (max: number): fc.Arbitrary<number> => fc.nat({ max: (max - 1) / 2 }).map((half) => 2 * half + 1);

const neighbourhood = fc.record({
  columns: fc.integer({ min: 150, max: 640 }),
  rows: fc.integer({ min: 150, max: 640 }),
  dtype: fc.constantFrom('int16', 'uint16', 'float32'),
  nodata: fc.constantFrom(null, 7),
  /** So large that between two blocks that a tile wants lies more than a request reads for nothing. */
  block: fc.constantFrom([192, 192], [256, 144], [160, 256], [640, 64]),
  pixel: fc.constantFrom([10, 10], [25, 40.5]),
  /** Of sums, whose windows may be wide, and of medians, over which numpy sorts. */
  window: fc.tuple(odd(91), odd(91)),
  small: fc.tuple(odd(9), odd(9)),
  statistic: fc.constantFrom('mean', 'min', 'max', 'std'),
  kernel: fc.tuple(odd(7), odd(7)).chain(([width, height]) => fc.array(fc.array(fc.constantFrom(0, 1, -2, 0.25, 3), { minLength: width, maxLength: width }), { minLength: height, maxLength: height })),
  scale: fc.constantFrom(1, 2.5),
  seed: fc.nat({ max: 100_000 }),
});

const makeGround = `
from grid_oracle import *
w = json.loads(sys.argv[2])
rng = np.random.default_rng(w['seed'])
y, x = np.mgrid[:w['rows'], :w['columns']]
# Eighths, of which sums are exact in any order; with flat ground, a cliff, and a lake and single pixels without data.
a = np.round(8 * (900 + 300 * np.sin(x / 17) * np.cos(y / 11) + rng.normal(0, 20, x.shape) + 500 * (y > 100))) / 8
a[(x > 60) & (y < 50)] = 812
if w['dtype'] != 'float32': a = np.round(a)
if w['nodata'] is not None: a[(np.hypot(x - 130, y - 128) < 25) | (rng.random(x.shape) < 0.003)] = w['nodata']
ds = gdal.GetDriverByName('GTiff').Create(sys.argv[1], w['columns'], w['rows'], 1, TYPES[w['dtype']], ['TILED=YES', 'BLOCKXSIZE=%d' % w['block'][0], 'BLOCKYSIZE=%d' % w['block'][1]])
ds.SetGeoTransform((500000, w['pixel'][0], 0, 5000000, 0, -w['pixel'][1]))
ds.SetProjection(crs(32633).ExportToWkt())
if w['nodata'] is not None: ds.GetRasterBand(1).SetNoDataValue(w['nodata'])
ds.GetRasterBand(1).WriteArray(a.astype(w['dtype']))
ds = None`;

const compareNeighbours = `
from grid_oracle import *
from scipy import ndimage
from numpy.lib.stride_tricks import sliding_window_view
import warnings
warnings.simplefilter('ignore')
source, folder, w = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
a, valid = band_values(source)
out = []
def compare(name, wanted, relative=0.0):
    found = gdal.Open(folder + '/' + name + '.tif').ReadAsArray()
    good = (found == wanted) | (np.isnan(found) & np.isnan(wanted)) | (np.abs(found - wanted) <= relative * np.maximum(1000, np.abs(wanted)))
    if not good.all():
        at = tuple(int(i) for i in np.argwhere(~good)[0])
        out.append('%s: %d pixels differ, the first at (row, column) %s: wanted %r, found %r' % (name, (~good).sum(), at, float(wanted[at]), float(found[at])))
width, height = w['window']
def total(values):
    rows = ndimage.correlate1d(np.where(valid, values, 0), np.ones(height), axis=0, mode='constant')
    return ndimage.correlate1d(rows, np.ones(width), axis=1, mode='constant')
n, first, second = total(np.ones_like(a)), total(a), total(a * a)
statistic = {
    'mean': lambda: first / n,
    'std': lambda: np.sqrt(np.maximum(n * second - first * first, 0)) / n,
    'min': lambda: ndimage.minimum_filter(np.where(valid, a, np.inf), (height, width), mode='constant', cval=np.inf),
    'max': lambda: ndimage.maximum_filter(np.where(valid, a, -np.inf), (height, width), mode='constant', cval=-np.inf),
}[w['statistic']]()
exact = w['statistic'] in ('min', 'max') or (w['statistic'] == 'mean' and w['dtype'] != 'float32')
compare('statistic', np.where(valid, statistic, np.nan), 0 if exact else 1e-12 if w['statistic'] == 'mean' else 1e-10)
width, height = w['small']
windows = sliding_window_view(np.pad(np.where(valid, a, np.nan), ((height // 2,) * 2, (width // 2,) * 2), constant_values=np.nan), (height, width))
median = np.concatenate([np.nanmedian(part.reshape(*part.shape[:2], -1), axis=-1) for part in np.array_split(windows, 8)])
compare('median', np.where(valid, median, np.nan))
weights = np.array(w['kernel'], float)
missing = ndimage.correlate((~valid).astype(float), np.abs(weights), mode='constant', cval=1) > 0
compare('convolution', np.where(missing | ~valid, np.nan, ndimage.correlate(np.where(valid, a, 0), weights, mode='constant')))
for name, options in (('slope', ['slope', '-s', str(w['scale'])]), ('aspect', ['aspect']), ('hillshade', ['hillshade', '-s', str(w['scale'])])):
    made = folder + '/gdaldem.tif'
    run(['gdaldem', options[0], '-q', source, made] + options[1:])
    wanted, found = gdal.Open(made).ReadAsArray(), gdal.Open(folder + '/' + name + '.tif').ReadAsArray()
    if name == 'hillshade':
        # A few pixels of ten thousand are off by 1 (docs/expressions.md): gdaldem's square root is approximate.
        near = (found != wanted) & (found != 0) & (wanted != 0) & (np.abs(found.astype(int) - wanted) == 1)
        if near.mean() <= 0.0008: wanted = np.where(near, found, wanted)
    out += same_pixels(found[None], wanted[None], name)
answer(out)`;

void describe('a margin around tiles', { skip: withoutGdal }, () => {
  // Catches: neighbours that are fill where there are pixels, blocks mixed up between tiles, bands or images, memory of a block given away too early, work done twice.
  void it('gives the answer of the whole image, and decodes each block once a batch', async (t) => {
    await fc.assert(
      fc.asyncProperty(job, cut, async (what, how) => {
        const one = space.newFolder('whole');
        const whole = await pixels({ work: one, job: document(what, one, 512, 'auto') });
        const folder = space.newFolder('cut');
        using counting = countDecodes();
        const { tileSize, tilesPerTask, inFlight, stopAfter } = how;
        const found = await pixels({ work: folder, job: document(what, folder, tileSize, tilesPerTask), inFlight, ...(stopAfter === undefined ? {} : { stopAfter }) });
        assert.equal(Buffer.compare(found, whole), 0, 'pixels differ from those of one tile');
        if (tilesPerTask === 'auto' && stopAfter === undefined) {
          const twice = [...counting.times].filter(([key, times]) => times > 1 && !key.includes('/o.tif'));
          assert.deepEqual(twice, [], 'blocks decoded more than once');
        }
      }),
      propertyRuns(t, 15, true),
    );
  });

  // Catches: neighbours of another place, window or scale than those that were asked for, the same on all tiles; nodata and edges that are counted in; a block whose bytes are
  // fetched or decoded once more by the tile beside, in any layout of blocks, and blocks that no tile wants.
  void it('gives what scipy and gdaldem make of the whole image, and reads each block once a batch', { skip: withoutGdalPrograms }, async (t) => {
    const counted = new CountingStore();
    try {
      await fc.assert(
        fc.asyncProperty(neighbourhood, cut, fc.constantFrom(0, 0, 3, 60, 150), async (ground, { tileSize, inFlight }, halo) => {
          const folder = space.newFolder('ground');
          const input = `${folder}/in.tif`;
          makeFiles(makeGround, [input, JSON.stringify(ground)]);
          const { window, small, statistic, kernel, scale, block, dtype, columns, rows } = ground;
          const expressions = {
            statistic: `focal_${statistic}(a, ${window.join(', ')})`,
            median: `focal_median(a, ${small.join(', ')})`,
            convolution: 'convolve(a, k)',
            slope: `slope(a, ${String(scale)})`,
            aspect: 'aspect(a)',
            hillshade: `hillshade(a, 315, 45, 1, ${String(scale)})`,
          };
          const types: Readonly<Record<string, object>> = { slope: { dtype: 'float32', nodata: -9999 }, aspect: { dtype: 'float32', nodata: -9999 }, hillshade: { dtype: 'uint8', nodata: 0 } };
          const output = (name: string): object => ({ href: `${folder}/${name}.tif`, dtype: 'float64', nodata: 'nan', overviews: 'none', statistics: false, blockSize: 128, ...types[name] });
          // Without compression every block has as many bytes; what else is read is the header.
          const [width = 0, height = 0] = block;
          const blockBytes = width * height * (dtype === 'float32' ? 4 : 2);
          using decodes = countDecodes();
          // Those of each batch.
          const fetched: number[] = [];
          const onBatch = (): void => {
            const read = counted.reads.filter(({ href, length }) => href === fileHref(input) && length % blockBytes === 0).toSorted((one, other) => one.offset - other.offset);
            for (const [i, { offset }] of read.entries()) {
              const before = read[i - 1];
              assert.ok(before === undefined || offset >= before.offset + before.length, `bytes from ${String(offset)} on were fetched twice`);
            }
            fetched.push(read.reduce((sum, { length }) => sum + length, 0) / blockBytes);
            const ofInput = [...decodes.times].filter(([key]) => key.startsWith(fileHref(input)));
            assert.deepEqual([ofInput.length, ofInput.filter(([, times]) => times > 1)], [fetched.at(-1), []], 'all blocks that are fetched are decoded, and none twice');
            counted.reads.length = 0;
            decodes.times.clear();
          };
          await runInProcess({
            store: counted,
            work: folder,
            inFlight,
            order: (lines) => {
              counted.reads.length = 0;
              return lines;
            },
            onBatch,
            job: {
              inputs: { a: input },
              grid: { tileSize, halo },
              compute: { tilesPerTask: 64 },
              operation: { expression: expressions, kernels: { k: kernel } },
              outputs: Object.fromEntries(Object.keys(expressions).map((name) => [name, output(name)])),
            },
          });
          const blocks = Math.ceil(columns / width) * Math.ceil(rows / height);
          if (fetched.length === 1) assert.equal(fetched[0], blocks, 'all blocks are fetched');
          else assert.ok(fetched.every((count) => count <= blocks) && fetched.reduce((sum, count) => sum + count) >= blocks, `fetched ${fetched.join(' + ')} of ${String(blocks)} blocks`);
          assertNoDifferences(compareNeighbours, [input, folder, JSON.stringify(ground)]);
        }),
        propertyRuns(t, 5),
      );
    } finally {
      await counted.close();
    }
  });

  // Catches: a tile that waits for ever for a block that another failed to fetch, an error that is lost, and a tile that is committed although a block of it is missing.
  void it('ends with the error when a read fails, and the next attempt finishes', async (t) => {
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
      propertyRuns(t, 15, true),
    );
  });
});

