/** However a grid is cut into tiles, batches, blocks and passes, each overview level is what numpy, and where GDAL's is defined alike GDAL, makes of the level below. */
import { after, describe, it } from 'node:test';
import fc from 'fast-check';
import { FileStore } from '../../lib/store/file-store.ts';
import { withoutGdal } from '../support/gdal.ts';
import { runInProcess } from '../support/in-process-run.ts';
import { propertyRuns } from '../support/property-runs.ts';
import { assertNoDifferences, makeFiles } from '../support/raster-oracle.ts';
import { createWorkspace } from '../support/workspace.ts';

const space = createWorkspace('pyramids');
const store = new FileStore();
after(async () => {
  await store.close();
  space.remove();
});

/** Values of each type with their nodata, which no average comes near to unless `near`: then GDAL, which compares before it rounds, has others. */
const types = {
  uint8: { low: 1, high: 250, nodata: 0, near: 128 },
  int8: { low: -120, high: 120, nodata: -128, near: 3 },
  uint16: { low: 1, high: 60_000, nodata: 0, near: 30_000 },
  int16: { low: -3000, high: 3000, nodata: -32_768, near: 1 },
  int32: { low: -2_000_000_000, high: 2_000_000_000, nodata: -2_147_483_648, near: 0 },
  uint32: { low: 1, high: 4_000_000_000, nodata: 0, near: 7 },
  float32: { low: -50, high: 900, nodata: -9999, near: 425 },
  float64: { low: -50, high: 900, nodata: -9999, near: 425 },
} as const;
const dtypes = Object.keys(types) as (keyof typeof types)[];

const output = fc.record({
  dtype: fc.constantFrom(...dtypes),
  bands: fc.integer({ min: 1, max: 3 }),
  nodata: fc.constantFrom('far', 'far', 'near', 'none'),
  overviews: fc.constantFrom('nearest', 'average', 'mode'),
  blockSize: fc.constantFrom(128, 128, 256),
  compression: fc.constantFrom('deflate', 'zstd', 'lzw', 'lerc', 'none'),
});

const image = fc.record({
  columns: fc.integer({ min: 130, max: 1500 }),
  rows: fc.integer({ min: 130, max: 1500 }),
  /** Sides that are even at every level, where GDAL's overviews are defined alike. */
  even: fc.boolean(),
  /** How many values there are: few make ties of the mode. */
  values: fc.constantFrom(3, 40, 100_000),
  holes: fc.constantFrom(0, 0.1, 0.7),
  seed: fc.nat({ max: 100_000 }),
});

const cut = fc.record({
  tileFactor: fc.constantFrom(1, 2, 4),
  tilesPerTask: fc.constantFrom('auto' as const, 1, 2, 4, 16),
  inFlight: fc.integer({ min: 1, max: 3 }),
  /** Blocks that reduce takes upon itself; what is more is for passes of workers. */
  reduceBlocks: fc.constantFrom(undefined, 1, 4),
});

const makeImage = `
w, o = json.loads(sys.argv[2]), json.loads(sys.argv[3])
rng = np.random.default_rng(w['seed'])
shape = (o['bands'], w['rows'], w['columns'])
low, high = o['low'], o['high']
levels = low + (high - low) * rng.random(w['values'])
a = levels[rng.integers(0, w['values'], shape)]
a = a.astype(o['source']) if o['source'].startswith('float') else np.rint(a).astype(o['source'])
# A hole that whole blocks lie in, and single pixels in all bands or in one.
ds = gdal.GetDriverByName('GTiff').Create(sys.argv[1], w['columns'], w['rows'], o['bands'], GDAL_TYPES[o['source']], ['TILED=YES', 'BLOCKXSIZE=192', 'BLOCKYSIZE=160'])
ds.SetGeoTransform((5e5, 10, 0, 5e6, 0, -10)); ds.SetProjection('EPSG:32633')
if o['nodata'] is not None:
    a[rng.random(shape) < w['holes']] = o['nodata']
    y, x = (int(rng.integers(0, n)) for n in shape[1:])
    a[:, y // 2:y, x // 3:x] = o['nodata']
    for b in range(o['bands']): ds.GetRasterBand(b + 1).SetNoDataValue(o['nodata'])
ds.WriteArray(a)
ds = None`;

const compare = `
source, path, o = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
ds = gdal.Open(source)
image = np.stack([ds.GetRasterBand(b + 1).ReadAsArray() for b in range(o['bands'])]).astype(o['dtype'])
out = check_levels(path, image, o['overviews'], o['nodata'], o['blockSize']) + check_cog(path) + check_statistics(path, image, o['nodata'])
if o['gdal']: out += check_gdal_overviews(path, o['overviews'])
answer(out)`;

void describe('overviews, however the work is cut', { skip: withoutGdal }, () => {
  // Catches: a level that depends on tiles, batches, blocks or passes, bands of a level mixed up, nodata that one level averages in or another loses, edges of odd sides, ties of
  // the mode that the place in a block decides; for every type, and against two programs that know nothing of tiles.
  void it('are those of the whole image at each level', async (t) => {
    let levelsByPasses = 0;
    await fc.assert(
      fc.asyncProperty(image, output, cut, async (drawn, { dtype, bands, nodata, overviews, blockSize, compression }, { tileFactor, tilesPerTask, inFlight, reduceBlocks }) => {
        const sides = drawn.even ? { columns: Math.ceil(drawn.columns / 128) * 128, rows: Math.ceil(drawn.rows / 128) * 128 } : {};
        const { low, high, nodata: far, near } = types[dtype];
        const value = { far, near, none: null }[nodata];
        const folder = space.newFolder();
        // GDAL 3.6 has no int8 of its own, and nodata of what it takes for one is unsigned.
        const facts = {
          dtype, bands, overviews, blockSize, low, high, nodata: value, source: dtype === 'int8' ? 'int16' : dtype,
          // GDAL 3.6 takes float64 and 32-bit integers through float32, and averages float32 so without nodata (docs/decisions/strict-pyramid.md): there numpy is the only judge.
          gdal: drawn.even && ['uint8', 'uint16', 'int16', 'float32'].includes(dtype) && (overviews !== 'average' || (nodata !== 'near' && (dtype !== 'float32' || nodata === 'far'))),
        };
        makeFiles(makeImage, [`${folder}/a.tif`, JSON.stringify({ ...drawn, ...sides }), JSON.stringify(facts)]);
        const { passes } = await runInProcess({
          store,
          work: folder,
          inFlight,
          ...(reduceBlocks === undefined ? {} : { reduceBlocks }),
          job: {
            inputs: { a: `${folder}/a.tif` },
            grid: { tileSize: blockSize * tileFactor },
            compute: { tilesPerTask },
            operation: { expression: { o: Array.from({ length: bands }, (_, band) => `a[${String(band + 1)}]`) } },
            outputs: { o: { href: `${folder}/o.tif`, dtype, nodata: value, overviews, compression, blockSize } },
          },
        });
        levelsByPasses += passes;
        assertNoDifferences(compare, [`${folder}/a.tif`, `${folder}/o.tif`, JSON.stringify(facts)]);
      }),
      propertyRuns(t, 10),
    );
    t.diagnostic(`${String(levelsByPasses)} passes of workers made upper levels`);
  });
});
