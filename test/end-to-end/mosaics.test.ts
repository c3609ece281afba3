/** Mosaics through whole runs: every rule as numpy computes it of the scenes that GDAL brought onto the grid, and no more scenes opened than lie there. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { after, describe, it } from 'node:test';
import { mosaicRules } from '../../lib/job/spec.ts';
import type { Plan } from '../../lib/job/plan.ts';
import { fileHref } from '../../lib/store/href.ts';
import { withoutGdalPrograms } from '../gdal/oracle.ts';
import { CountingStore } from '../support/counting-store.ts';
import { runInProcess } from '../support/in-process-run.ts';
import { assertNoDifferences, makeFiles } from '../support/raster-oracle.ts';
import { warpScales } from '../support/warp-scales.ts';
import { createWorkspace } from '../support/workspace.ts';

const space = createWorkspace('mosaics');
const store = new CountingStore();
after(async () => {
  await store.close();
  space.remove();
});

/** A run with an output for each input, float64 with not-a-number where there is no data. */
async function runAll(inputs: Readonly<Record<string, object>>, grid: object, tilesPerTask: number | 'auto' = 'auto'): Promise<{ folder: string; plan: Plan }> {
  const folder = space.newFolder();
  const names = Object.keys(inputs);
  const { plan } = await runInProcess({
    store,
    work: folder,
    inFlight: 3,
    // What split has read is of no interest.
    order: (lines) => {
      store.reads.length = 0;
      return lines;
    },
    job: {
      inputs,
      grid: { tileSize: 128, ...grid },
      compute: { tilesPerTask },
      operation: { expression: Object.fromEntries(names.map((name) => [name, `${name}[1]`])) },
      outputs: Object.fromEntries(names.map((name) => [name, { href: `${folder}/${name}.tif`, dtype: 'float64', nodata: 'nan', overviews: 'none', statistics: false, blockSize: 128 }])),
    },
  });
  return { folder, plan };
}

/** Every rule over the same scenes, against numpy. */
async function checkRules(hrefs: readonly string[], options: Readonly<Record<string, unknown>>, grid: object, readings: readonly string[]): Promise<void> {
  const inputs = Object.fromEntries(mosaicRules.map((rule) => [rule, { hrefs, rule, ...options }]));
  const { folder, plan } = await runAll(inputs, grid, 4);
  assert.deepEqual([...new Set(plan.inputs[0]?.scenes.map(({ reading }) => reading.by))].toSorted(), readings);
  // The grid is several times as large as a scene.
  const scales = await warpScales(plan, `${folder}/last.tif`);
  const scenes = hrefs.map((path) => {
    const scene = plan.inputs[0]?.scenes.find(({ href }) => href === fileHref(path));
    return { path, scale: scales[fileHref(path)], resampling: scene?.reading.by === 'warp' ? scene.reading.resampling : 'nearest' };
  });
  const fills = plan.inputs.map(({ name, fill, fillIsData, dtype }) => ({ name, dtype, fill: fillIsData ? Number(fill) : null }));
  assertNoDifferences(
    `
from grid_oracle import *
folder, scenes, fills, nodata = sys.argv[1], *map(json.loads, sys.argv[2:])
out = []
placed = [on_grid(s['path'], folder + '/last.tif', s['resampling'], nodata, s.get('scale')) for s in scenes]
placed = [(values, valid) for values, valid, reached in placed]
if len({v.any(axis=0).tobytes() for _, v in placed}) < len(placed) / 2:
    out.append('the scenes lie on each other')
for f in fills:
    wanted = as_mosaic(mosaic(placed, f['name']), f['dtype'], f['fill'])
    out += differences(folder + '/' + f['name'] + '.tif', wanted[:1], f['name'])
answer(out)`,
    [folder, JSON.stringify(scenes), JSON.stringify(fills), JSON.stringify(options['nodata'] === undefined ? 'file' : options['nodata'])],
  );
}

const makeScenes = `
from grid_oracle import *
def make_scenes(folder, scenes):
    for n, s in enumerate(scenes):
        gt = [500000.0 + s['at'][0] * 10, 10.0, 0, 5000000.0 - s['at'][1] * 10, 0, -10.0]
        if 'epsg' in s:
            gt = place_around((500000 + s['at'][0] * 10 + 700, 5000000 - s['at'][1] * 10 - 600), 32633, s['epsg'], s['size'], 160, 150, (0.3, 0.4))
        make_raster(folder + '/' + s['name'] + '.tif', s.get('columns', 160), s.get('rows', 150), gt, s.get('epsg', 32633), s.get('dtype', 'int16'), 1, s.get('nodata'), s.get('mask'), n + 1, s.get('options', ['TILED=YES', 'BLOCKXSIZE=64', 'BLOCKYSIZE=48']))
`;

function make(scenes: readonly { readonly name: string }[]): string[] {
  makeFiles(`${makeScenes}\nmake_scenes(sys.argv[1], json.loads(sys.argv[2]))`, [space.folder, JSON.stringify(scenes)]);
  return scenes.map(({ name }) => space.path(`${name}.tif`));
}

void describe('mosaics', { skip: withoutGdalPrograms }, () => {
  // Catches, for each rule: gaps that count as data, scenes in another order, data of one scene hidden by another's nodata, sums that round or wrap.
  void it('of scenes with one nodata value follow every rule', async () => {
    const hrefs = make([
      { name: 'a0', at: [0, 0], nodata: 7 },
      { name: 'a1', at: [100, 20], nodata: 7 },
      { name: 'a2', at: [60, 90], nodata: 7, options: ['BLOCKYSIZE=13', 'COMPRESS=LZW'] },
      { name: 'a3', at: [200, 130], nodata: 7 },
      { name: 'a4', at: [50, 50], nodata: 7, columns: 30, rows: 20 },
      { name: 'a5', at: [330, 30], nodata: 7, columns: 40, rows: 40 },
    ] as never);
    await checkRules(hrefs, {}, {}, ['blocks']);
    // Filled where no scene has data, whichever scenes a tile touches.
    await checkRules(hrefs, { fill: 55 }, { footprint: 'union' }, ['blocks']);
  });

  // Catches: validity of scenes that have none, a mask that hides another scene, the type of scenes of several types, scenes off the grid.
  void it('of scenes of several types, masks, nodata values and grids follow every rule', async () => {
    const hrefs = make([
      { name: 'b0', at: [0, 0], dtype: 'uint8' },
      { name: 'b1', at: [90, 10], dtype: 'int16', nodata: 7 },
      { name: 'b2', at: [40, 80], dtype: 'uint16', mask: 'mask' },
      { name: 'b3', at: [150, 100], dtype: 'int16', nodata: -3 },
      { name: 'b4', at: [60, 120], epsg: 32634, size: 10, nodata: 9 },
      { name: 'b5', at: [130, 40], epsg: 4326, size: 0.000_11, dtype: 'uint8', mask: 'alpha' },
      { name: 'b6', at: [200, 0], epsg: 3857, size: 30, dtype: 'uint8' },
    ] as never);
    await checkRules(hrefs, { resampling: 'bilinear', bands: [1] }, { crs: 'EPSG:32633', resolution: 10, bounds: [499_800, 4_997_000, 503_600, 5_000_100] }, ['blocks', 'warp']);
  });

  // Catches: NaN that is nodata counted as data, NaN that is data lost, and a mean of integers that is an integer.
  void it('of floats take NaN for nodata where it is, and means of integers are floats', async () => {
    const hrefs = make([
      { name: 'c0', at: [0, 0], dtype: 'float32', nodata: 'nan' },
      { name: 'c1', at: [70, 30], dtype: 'float32', nodata: 'nan' },
      { name: 'c2', at: [20, 90], dtype: 'float32', nodata: 'nan' },
    ] as never);
    await checkRules(hrefs, {}, { footprint: 'union' }, ['blocks']);
    const integers = make([{ name: 'd0', at: [0, 0] }, { name: 'd1', at: [1, 1] }] as never);
    const { plan } = await runAll(Object.fromEntries(mosaicRules.map((rule) => [rule, { hrefs: integers, rule }])), {});
    assert.deepEqual(Object.fromEntries(plan.inputs.map(({ name, dtype }) => [name, dtype])), { first: 'int16', last: 'int16', min: 'int16', max: 'int16', mean: 'float32', median: 'float32', count: 'uint16' });
  });

  // Catches: an order, an extent, or a treatment of nodata other than GDAL's where scenes are one VRT.
  void it('by the rule last are what gdalbuildvrt makes of the scenes', async () => {
    const hrefs = make([
      { name: 'e0', at: [0, 0], nodata: 7 },
      { name: 'e1', at: [120, -40], nodata: 7 },
      { name: 'e2', at: [-60, 70], nodata: 7 },
    ] as never);
    const folder = space.newFolder();
    await runInProcess({
      store,
      work: folder,
      job: { inputs: { m: { hrefs } }, grid: { footprint: 'union', tileSize: 128 }, operation: { copy: { o: 'm' } }, outputs: { o: { href: `${folder}/o.tif`, overviews: 'none', blockSize: 128 } } },
    });
    assertNoDifferences(
      `
from grid_oracle import *
folder, hrefs = sys.argv[1], sys.argv[2:]
run(['gdalbuildvrt', '-q', folder + '/e.vrt'] + hrefs)
vrt, found = gdal.Open(folder + '/e.vrt'), gdal.Open(folder + '/o.tif')
out = [] if vrt.GetGeoTransform() == found.GetGeoTransform() else ['geotransform: wanted %s, found %s' % (vrt.GetGeoTransform(), found.GetGeoTransform())]
answer(out + same_pixels(found.ReadAsArray()[None], vrt.ReadAsArray()[None], 'mosaic'))`,
      [folder, ...hrefs],
    );
  });

  // Catches: pixels of a scene beyond 180° that are left out of a grid in degrees that begins at -180°, though the scene lies on the grid's own pixels.
  void it('across the dateline are found on both sides of it, as gdalwarp finds them', async () => {
    const hrefs = [space.path('east.tif'), space.path('west.tif')];
    makeFiles(
      `
from grid_oracle import *
make_raster(sys.argv[1] + '/east.tif', 200, 100, [179.0, 0.01, 0, -16.0, 0, -0.01], 4326, seed=1, nodata=7)
make_raster(sys.argv[1] + '/west.tif', 200, 100, [-179.0, 0.01, 0, -16.0, 0, -0.01], 4326, seed=2, nodata=7)
make_raster(sys.argv[1] + '/globe.tif', 360, 100, [-180.0, 1, 0, 50, 0, -1], 4326, seed=3, nodata=7)
make_raster(sys.argv[1] + '/eastward.tif', 360, 100, [0.0, 1, 0, 50, 0, -1], 4326, seed=4, nodata=7)`,
      [space.folder],
    );
    const grid = { crs: 'EPSG:4326', resolution: 0.01, bounds: [-180, -17, -178, -16] };
    const { folder, plan } = await runAll({ m: { hrefs, resampling: 'cubic' } }, grid);
    assert.deepEqual(plan.inputs[0]?.scenes.map(({ reading }) => reading.by), ['warp', 'blocks']);
    // GTModelTypeGeoKey says geographic, and GeographicTypeGeoKey which: GDAL takes other keys for the same CRS, other programs don't.
    assert.deepEqual(plan.grid.geo.geoKeyDirectory, [1, 1, 0, 3, 1024, 0, 1, 2, 1025, 0, 1, 1, 2048, 0, 1, 4326]);
    const globes = await runAll({ g: { href: space.path('globe.tif') }, e: { href: space.path('eastward.tif') } }, { like: 'g', footprint: 'reference' });
    assert.deepEqual(globes.plan.inputs.map(({ scenes: [scene] }) => scene?.reading.by), ['blocks', 'warp']);
    assertNoDifferences(
      `
folder, globes, *hrefs = sys.argv[1:]
out = []
for found, bounds, size, sources in ((folder + '/m.tif', ['-180', '-17', '-178', '-16'], ['200', '100'], hrefs[:2]), (globes + '/e.tif', ['-180', '-50', '180', '50'], ['360', '100'], hrefs[2:])):
    subprocess.run(['gdalwarp', '-q', '-et', '0', '-te', *bounds, '-ts', *size, *sources, found + '-wanted.tif'], check=True)
    wanted = gdal.Open(found + '-wanted.tif').ReadAsArray().astype(float)
    wanted[wanted == 7] = np.nan
    if np.isnan(wanted[:, :50]).mean() > 0.5: out.append('nothing is wanted where it matters')
    out += same_pixels(gdal.Open(found).ReadAsArray()[None], wanted[None], found)
answer(out)`,
      [folder, globes.folder, ...hrefs, space.path('eastward.tif')],
    );
  });

  // Catches: cost that follows the number of scenes: headers or blocks of scenes read that lie elsewhere.
  void it('open only the scenes that touch a tile', async () => {
    makeFiles(
      `
from grid_oracle import *
for n in range(300):
    make_raster('%s/s%d.tif' % (sys.argv[1], n), 64, 64, [500000.0 + n % 20 * 600, 10.0, 0, 5000000.0 - n // 20 * 600, 0, -10.0], 32633, flat=True, seed=n, dtype='uint16')`,
      [space.folder],
    );
    const hrefs = Array.from({ length: 300 }, (_, n) => space.path(`s${String(n)}.tif`));
    // One tile of 128 pixels, from the fifth column and the third row of scenes on.
    const [x, y] = [500_000 + 5 * 600 + 100, 5_000_000 - 3 * 600 - 100];
    const { plan } = await runAll({ m: { hrefs } }, { like: 'm', bounds: [x, y - 1280, x + 1280, y] });
    assert.deepEqual([plan.grid.columns, plan.grid.rows], [128, 128]);
    const wanted = [3, 4, 5].flatMap((row) => [5, 6, 7].map((column) => fileHref(hrefs[row * 20 + column] as string)));
    assert.deepEqual(plan.inputs[0]?.scenes.map(({ href }) => href).toSorted(), wanted.toSorted(), 'the plan leaves out what lies elsewhere');
    // The whole mosaic: every scene is opened once by the batch that it lies in, and by its neighbours at most.
    const { plan: whole } = await runAll({ m: { hrefs } }, { footprint: 'union' }, 16);
    assert.equal(whole.inputs[0]?.scenes.length, 300);
    const files = store.reads.filter(({ href }) => /\/s\d+\.tif$/.test(href));
    const counts = Map.groupBy(files, ({ href }) => href);
    assert.equal(counts.size, 300);
    const batches = Math.ceil(whole.grid.columns / 512) * Math.ceil(whole.grid.rows / 512);
    assert.ok(files.length < 2 * (300 + 4 * batches * 20), `${String(files.length)} requests`);
    assert.ok([...counts.values()].every((reads) => reads.length <= 8), 'no scene is read by batches that it does not touch');
  });

  // Catches: hrefs of a STAC document that are taken relative to something else, assets that are mixed up, items that are left out.
  void it('come from a STAC ItemCollection or an Item', async () => {
    const hrefs = make([{ name: 'f0', at: [0, 0], nodata: 7 }, { name: 'f1', at: [50, 60], nodata: 7 }] as never);
    const item = (id: string, href: string): object => ({ type: 'Feature', stac_version: '1.0.0', id, geometry: null, properties: {}, links: [], assets: { data: { href, type: 'image/tiff' }, other: { href: './nothing.tif' } } });
    writeFileSync(space.path('items.json'), JSON.stringify({ type: 'FeatureCollection', features: [item('same', './f0.tif'), item('same', fileHref(hrefs[1] as string))] }));
    writeFileSync(space.path('item.json'), JSON.stringify(item('one', 'f1.tif')));
    const { folder } = await runAll(
      { stac: { stac: { href: space.path('items.json'), asset: 'data' } }, list: { hrefs }, one: { stac: { href: space.path('item.json'), asset: 'data' } }, plain: hrefs[1] as never },
      { footprint: 'union' },
    );
    assertNoDifferences(
      `
from grid_oracle import *
read = lambda name: gdal.Open(sys.argv[1] + '/' + name + '.tif').ReadAsArray()
answer(['%s differs from %s' % pair for pair in (('stac', 'list'), ('one', 'plain')) if not np.array_equal(read(pair[0]), read(pair[1]), equal_nan=True)])`,
      [folder],
    );
  });
});
