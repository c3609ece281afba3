/** Functions over tiles, cut in every way, against the same function over the whole image. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { withoutGdalPrograms } from '../gdal/oracle.ts';
import { runJob } from '../support/cli.ts';
import { assertNoDifferences, makeFiles } from '../support/raster-oracle.ts';
import { codeEnv } from '../support/user-code.ts';
import { createWorkspace } from '../support/workspace.ts';

const space = createWorkspace('code-pixels');
after(() => space.remove());
const module = (name: string): string => fileURLToPath(new URL(`../support/${name}`, import.meta.url));

const columns = 601;
const rows = 433;

/** What the trial tells of Python's arrays has to be said of those of TypeScript. */
const languages = { python: { module: module('user_code_mix.py'), smooth: {}, taken: 4 }, typescript: { module: module('user-code-mix.ts'), smooth: { dtype: 'float64', bands: 2 }, taken: 2 } };

const variants = [
  { tileSize: 128, tilesPerTask: 8, workers: 2, threads: 1, nodata: 'handle', reach: 2, halo: 3 },
  { tileSize: 256, tilesPerTask: 64, workers: 1, threads: 2, nodata: 'mask', reach: 5, halo: 5 },
  { tileSize: 512, tilesPerTask: 1, workers: 2, threads: 1, nodata: 'mask', reach: 1, halo: 1 },
  { tileSize: 1024, tilesPerTask: 'auto', workers: 1, threads: 1, nodata: 'handle', reach: 0, halo: 0 },
] as const;

/** Makes of the arrays of the whole image, with a margin, what the function has to give. Arguments: folder, reach, halo, nodata rule, then the outputs. */
const wholeImage = `
from user_code_mix import mix
from types import SimpleNamespace
folder, reach, halo, rule = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
smooth, half, small, results = sys.argv[5:9]
like = gdal.Open(folder + '/a.tif')
W, H = like.RasterXSize, like.RasterYSize
t = like.GetGeoTransform()
inside = (slice(None), slice(halo, halo + H), slice(halo, halo + W))
def around(array, fill):
    return np.pad(array, ((0, 0), (halo, halo), (halo, halo)), constant_values=fill)
a = around(like.ReadAsArray(), 0)
te = [t[0] - halo * 10, t[3] - (H + halo) * 10, t[0] + (W + halo) * 10, t[3] + halo * 10]
warped = gdal.Warp('', folder + '/b.tif', format='MEM', dstSRS='EPSG:32633', outputBounds=te, width=W + 2 * halo, height=H + 2 * halo, resampleAlg='near', errorThreshold=0)
b = warped.ReadAsArray()[None]
wide = gdal.Open(folder + '/c.tif')
place = (40 - halo, 30 - halo, W + 2 * halo, H + 2 * halo)
c = wide.ReadAsArray(*place)[None]
mask = wide.GetRasterBand(1).GetMaskBand().ReadAsArray(*place)
outputs = SimpleNamespace()
mix(None, SimpleNamespace(a=a, b=b, c=c), outputs, SimpleNamespace(reach=reach))
valid = (a != 0).all(0) & (b[0] != -5) & (mask != 0) if rule == 'mask' else np.ones(mask.shape, bool)
differences = []
for path, array, dtype, nodata, method in (
    (smooth, outputs.smooth, 'float64', np.nan, 'average'), (small, outputs.bytes, 'uint8', 255, 'nearest'), (half, outputs.half[None], 'int16', -1, 'none')):
    wanted = np.stack([to_dtype(each, valid, dtype, nodata) for each in array])[inside]
    differences += check_header(path, folder + '/a.tif', len(wanted), dtype, nodata, 128) + check_levels(path, np.ascontiguousarray(wanted), method, nodata, 128) + check_statistics(path, wanted, nodata) + ([] if method == 'none' else check_cog(path))
tile = int(sys.argv[9])
for line in open(results):
    row = json.loads(line)
    x, y = row['column'] * tile, row['row'] * tile
    part = a[:, y:y + min(tile, H - y) + 2 * halo, x:x + min(tile, W - x) + 2 * halo]
    if row['value'] != {'sum': int(part.sum()), 'shape': list(part.shape)}: differences.append('result %s' % line)
answer(differences)`;

void describe('functions over tiles', { skip: withoutGdalPrograms }, () => {
  before(() => {
    makeFiles(
      `
folder, W, H = sys.argv[1], ${String(columns)}, ${String(rows)}
rng = np.random.default_rng(3)
def make(name, array, x, y, size, epsg, nodata=None, options=()):
    ds = gdal.GetDriverByName('GTiff').Create(folder + '/' + name, array.shape[2], array.shape[1], array.shape[0], {'uint16': gdal.GDT_UInt16, 'int16': gdal.GDT_Int16, 'uint8': gdal.GDT_Byte}[array.dtype.name], list(options))
    ds.SetGeoTransform((x, size, 0, y, 0, -size))
    srs = osr.SpatialReference(); srs.ImportFromEPSG(epsg); ds.SetProjection(srs.ExportToWkt())
    if nodata is not None: ds.GetRasterBand(1).SetNoDataValue(nodata)
    return ds
def close(ds, array):
    ds.WriteArray(array); ds.FlushCache()
a = rng.integers(1, 4000, (2, H, W)).astype(np.uint16)
a[:, 100:180, 90:300] = 0
a[1, a[1] % 13 == 0] = 0
ds = make('a.tif', a, 5e5, 5e6, 10, 32633, 0, ['TILED=YES', 'BLOCKXSIZE=128', 'BLOCKYSIZE=128', 'COMPRESS=DEFLATE']); close(ds, a); ds = None
# Another zone, other pixels; it doesn't reach the lower right of the grid.
b = rng.integers(-4, 30, (1, 420, 560)).astype(np.int16)
b[:, 60:90] = -5
ds = make('b.tif', b, 27000, 5018500, 15, 32634, -5, ['TILED=YES']); close(ds, b); ds = None
# Wider than the grid, so its margin has pixels everywhere.
c = rng.integers(0, 255, (1, H + 60, W + 80)).astype(np.uint8)
ds = make('c.tif', c, 5e5 - 400, 5e6 + 300, 10, 32633)
ds.CreateMaskBand(gdal.GMF_PER_DATASET)
close(ds, c)
mask = np.full((H + 60, W + 80), 255, np.uint8)
mask[200:260, 300:] = 0
ds.GetRasterBand(1).GetMaskBand().WriteArray(mask)
ds = None`,
      [space.folder],
    );
  });

  for (const [language, { module, smooth, taken }] of Object.entries(languages)) {
    for (const { tileSize, tilesPerTask, workers, threads, nodata, reach, halo } of variants.slice(0, taken)) {
      // Catches: margins cut, shifted or lost at tile edges, inputs or outputs swapped, a wrong mask, types of the first tile not taken, wrong rounding, results of other tiles.
      void it(`gives what it gives over the whole image: ${language}, tiles of ${String(tileSize)}, ${String(workers)} workers, ${nodata}`, async () => {
        const name = `${language}-${String(tileSize)}`;
        const output = (of: string, rest: object): object => ({ href: space.path(`${name}-${of}.tif`), blockSize: 128, ...rest });
        const job = space.job(`${name}.json`, {
          inputs: { a: 'a.tif', b: { href: 'b.tif', resampling: 'nearest' }, c: 'c.tif' },
          grid: { like: 'a', footprint: 'reference', tileSize, halo },
          compute: { tilesPerTask },
          operation: { module, function: 'mix', parameters: { reach }, nodata },
          outputs: {
            smooth: output('smooth', smooth),
            half: output('half', { dtype: 'int16', nodata: -1, overviews: 'none' }),
            bytes: output('bytes', { dtype: 'uint8', nodata: 255, overviews: 'nearest' }),
          },
          results: { href: space.path(`${name}.jsonl`) },
        });
        const record = await runJob([job, '--work', space.path('work'), '--workers', String(workers), '--threads', String(threads)], { env: codeEnv });
        const total = Math.ceil(columns / tileSize) * Math.ceil(rows / tileSize);
        assert.deepEqual([record.tiles.total, record.tiles.computed, record.results?.rows], [total, total, total]);
        assert.equal(readFileSync(space.path(`${name}.jsonl`), 'utf8').trim().split('\n').length, total);
        assertNoDifferences(wholeImage, [space.folder, String(reach), String(halo), nodata, ...['smooth.tif', 'half.tif', 'bytes.tif'].map((of) => space.path(`${name}-${of}`)), space.path(`${name}.jsonl`), String(tileSize)]);
      });
    }
  }
});
