/** The same job cut in different ways, through the command line: real workers, real threads. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { runJob } from '../support/cli.ts';
import { withoutGdal } from '../support/gdal.ts';
import { assertNoDifferences, makeFiles } from '../support/raster-oracle.ts';
import { createWorkspace } from '../support/workspace.ts';

const space = createWorkspace('tiling');
after(() => space.remove());
const scene = space.path('scene.tif');

const variants = [
  { tileSize: 256, tilesPerTask: 1, workers: 4, threads: 1 },
  { tileSize: 256, tilesPerTask: 64, workers: 1, threads: 2 },
  { tileSize: 512, tilesPerTask: 4, workers: 4, threads: 2 },
  { tileSize: 512, tilesPerTask: 'auto', workers: 1, threads: 1 },
  { tileSize: 2048, tilesPerTask: 1, workers: 2, threads: 1 },
] as const;

void describe('one job, cut in different ways', { skip: withoutGdal }, () => {
  before(() => {
    makeFiles(
      `
w, h = 1150, 900
ds = gdal.GetDriverByName('GTiff').Create(sys.argv[1], w, h, 2, gdal.GDT_Int16, ['TILED=YES', 'BLOCKXSIZE=256', 'BLOCKYSIZE=256', 'COMPRESS=LZW', 'INTERLEAVE=BAND'])
ds.SetGeoTransform((5e5, 10, 0, 5e6, 0, -10))
a = np.random.default_rng(4).integers(-50, 3000, (2, h, w), np.int16)
a[:, 150:700, 250:600] = -1
a[0, a[0] % 17 == 0] = -1
ds.WriteArray(a)
for i in (1, 2): ds.GetRasterBand(i).SetNoDataValue(-1)
ds = None`,
      [scene],
    );
  });

  // Catches: a result that depends on tile size, batch size, workers or threads: pixels at any level, or digits of statistics.
  void it('gives the same pixels and statistics', async () => {
    const files: string[] = [];
    const statistics: unknown[] = [];
    for (const [i, { tileSize, tilesPerTask, workers, threads }] of variants.entries()) {
      const output = (name: string, rest: object): object => ({ href: space.path(`${name}-${String(i)}.tif`), blockSize: 128, compression: 'zstd', ...rest });
      const job = space.job(`job-${String(i)}.json`, {
        inputs: { a: scene },
        grid: { tileSize },
        compute: { tilesPerTask },
        operation: { expression: { f: ['a[1] / (a[2] + 51)', 'a[2]'], m: 'abs(a[1]) / 100' } },
        outputs: { f: output('f', {}), m: output('m', { dtype: 'uint8', nodata: 255, overviews: 'mode' }) },
      });
      const record = await runJob([job, '--work', space.path('work'), '--workers', String(workers), '--threads', String(threads)]);
      const across = Math.ceil(1150 / tileSize) * Math.ceil(900 / tileSize);
      assert.deepEqual([record.tiles.total, record.tiles.computed], [across, across]);
      if (tilesPerTask === 1) assert.equal(record.batches.total, across);
      files.push(space.path(`f-${String(i)}.tif`), space.path(`m-${String(i)}.tif`));
      statistics.push(record.outputs.map(({ bands }) => bands));
    }
    const digits = (value: unknown): unknown => JSON.parse(JSON.stringify(value), (_, inner: unknown) => (typeof inner === 'number' ? Number(inner.toPrecision(12)) : inner)) as unknown;
    for (const other of statistics.slice(1)) assert.deepEqual(digits(other), digits(statistics[0]));
    assertNoDifferences(
      `
source, f0, m0, *others = sys.argv[1:]
(a, va), (b, vb) = band_values(source, 1), band_values(source, 2)
with np.errstate(all='ignore'): f = np.stack([to_dtype(a / (b + 51), va & vb, 'float32', np.nan), to_dtype(b, vb, 'float32', np.nan)])
m = to_dtype(np.abs(a) / 100, va, 'uint8', 255)[None]
out = check_levels(f0, f, 'average', np.nan, 128) + check_levels(m0, m, 'mode', 255, 128) + check_statistics(f0, f, np.nan) + check_statistics(m0, m, 255)
first = {'f': read_levels(f0), 'm': read_levels(m0)}
for path in others:
    wanted, found = first[os.path.basename(path)[0]], read_levels(path)
    if len(wanted) != len(found): out.append('%s: %d levels' % (path, len(found)))
    for n, (one, other) in enumerate(zip(wanted, found)): out += same_pixels(other, one, '%s level %d' % (path, n))
    out += check_cog(path)
answer(out)`,
      [scene, ...files],
    );
  });
});
