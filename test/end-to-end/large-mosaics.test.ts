/** Mosaics of hundreds of scenes, none of which lies on the grid: as a list, as a STAC ItemCollection, as a VRT. What numpy makes of the scenes as GDAL warps each by itself. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { after, describe, it, mock, type TestContext } from 'node:test';
import { GdalPool } from '../../lib/gdal/gdal-pool.ts';
import type { Plan } from '../../lib/job/plan.ts';
import { mosaicRules } from '../../lib/job/spec.ts';
import { FileStore } from '../../lib/store/file-store.ts';
import { fileHref } from '../../lib/store/href.ts';
import { withoutGdalPrograms } from '../gdal/oracle.ts';
import { seededRandom } from '../support/arrays.ts';
import { runInProcess } from '../support/in-process-run.ts';
import { testSeed } from '../support/property-runs.ts';
import { assertNoDifferences, makeFiles } from '../support/raster-oracle.ts';
import { warpScales } from '../support/warp-scales.ts';
import { createWorkspace } from '../support/workspace.ts';

const space = createWorkspace('large-mosaics');
const store = new FileStore();
after(async () => {
  await store.close();
  space.remove();
});

/** 512 x 384 pixels of 10 m at the border of the zones 33 and 34: 4 x 3 tiles. */
const grid = { crs: 'EPSG:32633', resolution: 10, bounds: [735_000, 4_990_000, 740_120, 4_993_840], tileSize: 128 } as const;


interface Scene {
  readonly path: string;
  readonly epsg: number;
  /** Of its middle, in the grid's CRS. */
  readonly at: readonly [x: number, y: number];
  /** Metres, or so. */
  readonly size: number;
  readonly columns: number;
  readonly rows: number;
  readonly part: readonly [number, number];
  readonly dtype: string;
  readonly nodata: number | null;
  readonly mask: 'mask' | null;
}

/** Scenes at random, some of them beside the grid. @param kinds of which each is one */
function drawScenes(count: number, random: () => number, folder: string, kinds: readonly Pick<Scene, 'epsg' | 'dtype' | 'nodata' | 'mask'>[], sizes: readonly number[]): Scene[] {
  const [xmin, ymin, xmax, ymax] = grid.bounds;
  const between = (low: number, high: number): number => low + random() * (high - low);
  const one = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
  return Array.from({ length: count }, (_, n) => ({
    path: `${folder}/s${String(n)}.tif`,
    at: [between(xmin - 300, xmax + 300), between(ymin - 300, ymax + 300)],
    size: one(sizes),
    columns: Math.floor(between(20, 60)),
    rows: Math.floor(between(20, 60)),
    part: [random(), random()],
    ...one(kinds),
  }));
}

function makeScenes(scenes: readonly Scene[]): void {
  writeFileSync(space.path('scenes.json'), JSON.stringify(scenes));
  makeFiles(
    `
from grid_oracle import *
for n, s in enumerate(json.load(open(sys.argv[1]))):
    size = s['size'] / (90000 if s['epsg'] == 4326 else 1)
    gt = place_around(s['at'], ${grid.crs.slice(5)}, s['epsg'], size, s['columns'], s['rows'], s['part'])
    make_raster(s['path'], s['columns'], s['rows'], gt, s['epsg'], s['dtype'], 1, s['nodata'], s['mask'], n, ['COMPRESS=LZW'])`,
    [space.path('scenes.json')],
  );
}

interface Opened {
  readonly path: string;
  readonly window: readonly [column: number, row: number, columns: number, rows: number];
}

/** A run with an output for each input, and what was asked of GDAL for its tiles. */
async function run(inputs: Readonly<Record<string, object>>): Promise<{ folder: string; plan: Plan; opened: Opened[] }> {
  const folder = space.newFolder();
  const names = Object.keys(inputs);
  const opened: Opened[] = [];
  const original = Reflect.get(GdalPool.prototype, 'warp');
  const watched = mock.method(GdalPool.prototype, 'warp', async function watch(this: GdalPool, request: Parameters<typeof original>[0]): Promise<void> {
    const { column, row, columns, rows } = request.window;
    opened.push({ path: request.source.href, window: [column, row, columns, rows] });
    await original.call(this, request);
  });
  try {
    const { plan } = await runInProcess({
      store,
      work: folder,
      inFlight: 2,
      job: {
        inputs,
        grid,
        compute: { tilesPerTask: 4 },
        operation: { expression: Object.fromEntries(names.map((name) => [name, `${name}[1]`])) },
        outputs: Object.fromEntries(names.map((name) => [name, { href: `${folder}/${name}.tif`, dtype: 'float64', nodata: 'nan', overviews: 'none', statistics: false, blockSize: 128 }])),
      },
    });
    return { folder, plan, opened };
  } finally {
    watched.mock.restore();
  }
}

function announce(t: TestContext): () => number {
  t.diagnostic(`seed ${String(testSeed)} (TILEFAN_TEST_SEED)`);
  return seededRandom(testSeed);
}

void describe('mosaics of hundreds of scenes off the grid', { skip: withoutGdalPrograms }, () => {
  // Catches, for each rule: scenes in another order where many lie over each other, gaps and masks that count, a scene of another CRS or type left out, found by a window that
  // is too small, or opened for tiles that it doesn't touch; items of a STAC document that are taken in another order than that of the document.
  void it('of several CRSs, types, nodata values and masks follow every rule, as a list and as items, and each tile opens only those that touch it', async (t) => {
    const random = announce(t);
    const crsCodes = [32_633, 32_634, 4326] as const;
    const kinds = crsCodes.flatMap((epsg) => [
      { epsg, dtype: 'int16', nodata: 7, mask: null },
      { epsg, dtype: 'uint8', nodata: null, mask: 'mask' as const },
      { epsg, dtype: 'uint16', nodata: 9, mask: null },
      { epsg, dtype: 'uint8', nodata: null, mask: null },
    ]);
    const scenes = drawScenes(200, random, space.newFolder('scenes'), kinds, [6.3, 8.9, 11, 17]);
    makeScenes(scenes);
    const items = space.path('items.json');
    const item = ({ path }: Scene, n: number): object => ({ type: 'Feature', stac_version: '1.0.0', id: `i${String(n)}`, geometry: null, properties: {}, links: [], assets: { data: { href: path } } });
    writeFileSync(items, JSON.stringify({ type: 'FeatureCollection', features: scenes.map(item) }));
    const hrefs = scenes.map(({ path }) => path);
    const list = Object.fromEntries(mosaicRules.map((rule) => [rule, { hrefs, rule, resampling: 'bilinear' }]));
    const stac = Object.fromEntries((['first', 'median'] as const).map((rule) => [`stac_${rule}`, { stac: { href: items, asset: 'data' }, rule, resampling: 'nearest' }]));
    const { folder, plan, opened } = await run({ ...list, ...stac });
    assert.deepEqual([...new Set(plan.inputs.flatMap(({ scenes: of }) => of.map(({ reading }) => reading.by)))], ['warp']);
    writeFileSync(`${folder}/opened.json`, JSON.stringify(opened.map(({ path, window }) => [hrefs.findIndex((href) => fileHref(href) === path), window])));
    const facts = plan.inputs.map(({ name, fill, fillIsData, dtype, rule }) => ({ name, rule, dtype, fill: fillIsData ? Number(fill) : null, resampling: name.startsWith('stac') ? 'nearest' : 'bilinear' }));
    writeFileSync(`${folder}/scales.json`, JSON.stringify(await warpScales(plan, `${folder}/last.tif`)));
    assertNoDifferences(
      `
from grid_oracle import *
import grid_oracle
grid_oracle.run = run_here
folder, facts, scenes = sys.argv[1], json.loads(sys.argv[2]), json.load(open(sys.argv[3]))
scales = json.load(open(folder + '/scales.json'))
out, boxes = [], {}
like = folder + '/last.tif'
columns, rows = gdal.Open(like).RasterXSize, gdal.Open(like).RasterYSize
for resampling in ('bilinear', 'nearest'):
    placed = []
    for n, s in enumerate(scenes):
        values, valid, reached = on_grid(s['path'], like, resampling, 'file', scales.get('file://' + s['path']))
        box = x0, y0, x1, y1 = box_of(reached)
        placed.append((values[:, y0:y1, x0:x1], valid[:, y0:y1, x0:x1], box))
        was = boxes.get(n, box)
        boxes[n] = (min(box[0], was[0]), min(box[1], was[1]), max(box[2], was[2]), max(box[3], was[3]))
    count = large_mosaic(placed, 'count', columns, rows)
    if count.max() < 6 or count.min() > 0: out.append('the scenes lie %d to %d deep' % (count.min(), count.max()))
    for f in facts:
        if f['resampling'] == resampling:
            wanted = as_mosaic(large_mosaic(placed, f['rule'], columns, rows), f['dtype'], f['fill'])
            out += differences(folder + '/' + f['name'] + '.tif', wanted, f['name'])
# Where a scene lies, by its corners and places on its edges, also beside the grid. Some pixels more may be asked for: edges bulge between such places, and kernels reach over them.
reach = 8
def bounds(path):
    ds, goal = gdal.Open(path), gdal.Open(like)
    change = osr.CoordinateTransformation(ds.GetSpatialRef(), goal.GetSpatialRef())
    source, inverse = ds.GetGeoTransform(), gdal.InvGeoTransform(goal.GetGeoTransform())
    edge = [(u, v) for t in np.linspace(0, 1, 9) for u, v in ((t, 0), (t, 1), (0, t), (1, t))]
    at = [gdal.ApplyGeoTransform(inverse, *change.TransformPoint(*gdal.ApplyGeoTransform(source, u * ds.RasterXSize, v * ds.RasterYSize))[:2]) for u, v in edge]
    return min(p[0] for p in at), min(p[1] for p in at), max(p[0] for p in at), max(p[1] for p in at)
where = [bounds(s['path']) for s in scenes]
opened = json.load(open(folder + '/opened.json'))
for n, (x, y, w, h) in opened:
    x0, y0, x1, y1 = where[n]
    if x >= x1 + reach or y >= y1 + reach or x + w <= x0 - reach or y + h <= y0 - reach:
        out.append('scene %d lies at %s, and was opened for %s' % (n, where[n], (x, y, w, h)))
tiles = lambda low, high: (high - 1) // 128 - low // 128 + 1
least = sum(tiles(x0, x1) * tiles(y0, y1) for x0, y0, x1, y1 in boxes.values() if x1 > x0) * len(facts)
if len(opened) > least * 1.25: out.append('opened %d times, where %d would do' % (len(opened), least))
answer(out[:20])`,
      [folder, JSON.stringify(facts), space.path('scenes.json')],
    );
  });

  // Catches: a VRT of many sources whose windows are read at other places than the whole, and sources of which a tile sees a part only.
  void it('of one CRS are as a VRT what gdalwarp makes of it', async (t) => {
    const random = announce(t);
    const scenes = drawScenes(200, random, space.newFolder('sources'), [{ epsg: 32_634, dtype: 'int16', nodata: 7, mask: null }], [11]);
    makeScenes(scenes);
    const vrt = space.path('all.vrt');
    makeFiles(`gdal.BuildVRT(sys.argv[1], [s['path'] for s in json.load(open(sys.argv[2]))]).FlushCache()`, [vrt, space.path('scenes.json')]);
    const { folder, plan } = await run({ near: { href: vrt }, smooth: { href: vrt, resampling: 'bilinear' } });
    assert.deepEqual(plan.inputs.map(({ scenes: [scene] }) => [scene?.reading.by, scene?.sources.length]), [['warp', 200], ['warp', 200]]);
    assertNoDifferences(
      `
from grid_oracle import *
import grid_oracle
# The whole grid in one chunk: the VRT has holes, and gdalwarp would cut the grid for them and find other kernels in each chunk.
grid_oracle.run = lambda arguments: run_here(arguments[:1] + ['-wo', 'SRC_FILL_RATIO_HEURISTICS=NO'] + arguments[1:])
out = []
for name, resampling in (('near', 'nearest'), ('smooth', 'bilinear')):
    path = '%s/%s.tif' % (sys.argv[1], name)
    wanted = as_input(*on_grid(sys.argv[2], path, resampling), 7, False)
    if not 0.02 < np.isnan(wanted).mean() < 0.8: out.append('%s: %r of the grid is empty' % (name, np.isnan(wanted).mean()))
    out += differences(path, wanted, name)
answer(out)`,
      [folder, vrt],
    );
  });
});
