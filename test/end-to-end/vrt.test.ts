/** VRTs through whole runs: what GDAL reads out of them, on the grid and off it, as the grid's reference; and what they may not read. */
import assert from 'node:assert/strict';
import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { TilefanError } from '../../lib/base/errors.ts';
import type { Plan } from '../../lib/job/plan.ts';
import { FileStore } from '../../lib/store/file-store.ts';
import { fileHref } from '../../lib/store/href.ts';
import { withoutGdalPrograms } from '../gdal/oracle.ts';
import { runInProcess } from '../support/in-process-run.ts';
import { assertNoDifferences, makeFiles } from '../support/raster-oracle.ts';
import { createWorkspace } from '../support/workspace.ts';

const space = createWorkspace('vrt');
const store = new FileStore();
after(async () => {
  await store.close();
  space.remove();
});

async function run(inputs: Readonly<Record<string, object | string>>, grid: object, order?: () => void): Promise<{ folder: string; plan: Plan }> {
  const folder = space.newFolder();
  const names = Object.keys(inputs);
  const { plan } = await runInProcess({
    store,
    work: folder,
    inFlight: 2,
    order: (lines) => {
      order?.();
      return lines;
    },
    job: {
      inputs,
      grid: { tileSize: 128, ...grid },
      operation: { expression: Object.fromEntries(names.map((name) => [name, `${name}[1]`])) },
      outputs: Object.fromEntries(names.map((name) => [name, { href: `${folder}/${name}.tif`, dtype: 'float64', nodata: 'nan', overviews: 'none', statistics: false, blockSize: 128 }])),
    },
  });
  return { folder, plan };
}

async function refused(inputs: Readonly<Record<string, object | string>>, grid: object, ...words: readonly RegExp[]): Promise<void> {
  await assert.rejects(run(inputs, grid), (error: unknown) => {
    assert.ok(error instanceof TilefanError, String(error));
    assert.equal(error.code, 'PLAN_REFUSED');
    for (const word of words) assert.match(error.message, word);
    return true;
  });
}

void describe('VRTs', { skip: withoutGdalPrograms }, () => {
  before(() => {
    mkdirSync(space.path('elsewhere'));
    makeFiles(
      `
from grid_oracle import *
folder = sys.argv[1]
north = [500000.0, 10.0, 0, 5000000.0, 0, -10.0]
make_raster(folder + '/v0.tif', 200, 180, north, 32633, nodata=7, seed=1)
make_raster(folder + '/v1.tif', 150, 150, [501500.0, 10.0, 0, 4999000.0, 0, -10.0], 32633, nodata=7, seed=2)
make_raster(folder + '/like.tif', 260, 240, [499900.0, 10.0, 0, 5000100.0, 0, -10.0], 32633, seed=3)
make_raster(folder + '/off.tif', 230, 220, [499903.0, 11.0, 0, 5000100.0, 0, -11.0], 32633, seed=4)
make_raster(folder + '/masked.tif', 200, 180, north, 32633, mask='mask', seed=5)
make_raster(folder + '/alpha.tif', 200, 180, north, 32633, mask='alpha', seed=6, dtype='uint8')
make_raster(folder + '/own.tif', 50, 50, [0, 10.0, 0, 0, 0, -10.0], '+proj=laea +lat_0=46 +lon_0=15 +datum=WGS84 +units=m', seed=7)
make_raster(folder + '/elsewhere/far.tif', 200, 180, north, 32633, seed=8)
run(['gdalbuildvrt', '-q', folder + '/both.vrt', folder + '/v0.tif', folder + '/v1.tif'])
for name in ('masked', 'alpha', 'own'):
    run(['gdal_translate', '-q', '-of', 'VRT', folder + '/' + name + '.tif', folder + '/' + name + '.vrt'])
run(['gdalbuildvrt', '-q', '-separate', folder + '/separate.vrt', folder + '/v0.tif', folder + '/masked.tif'])
run(['gdalbuildvrt', '-q', folder + '/outside.vrt', folder + '/elsewhere/far.tif'])`,
      [space.folder],
    );
  });

  // Catches: a VRT that is placed wrongly, a mask or nodata value of it that is lost, an edge where it ends within a tile, GDAL's pixels out of place.
  void it('are read where they lie on the grid, and warped where they do not', async () => {
    const names = ['both', 'masked', 'alpha'];
    const inputs = Object.fromEntries(names.map((name) => [name, space.path(`${name}.vrt`)]));
    const places = [{ like: space.path('like.tif'), by: 'window' }, { like: space.path('off.tif'), by: 'warp' }];
    for (const { like, by } of places) {
      const resampled = Object.fromEntries(Object.entries(inputs).map(([name, href]) => [name, { href, resampling: 'bilinear' }]));
      // oxlint-disable-next-line no-await-in-loop
      const { folder, plan } = await run({ like, ...resampled }, { like: 'like', footprint: 'reference' });
      assert.deepEqual(plan.inputs.map(({ scenes: [scene] }) => scene?.reading.by), ['blocks', by, by, by]);
      const facts = plan.inputs.slice(1).map(({ name, fill, fillIsData }) => ({ name, fill, fillIsData, href: inputs[name], resampling: by === 'warp' ? 'bilinear' : 'nearest' }));
      assertNoDifferences(
        `
from grid_oracle import *
folder, out = sys.argv[1], []
for f in json.loads(sys.argv[2]):
    path = folder + '/' + f['name'] + '.tif'
    values, valid, reached = on_grid(f['href'], path, f['resampling'])
    out += differences(path, as_input(values, valid, reached, float(f['fill']), f['fillIsData'])[:1], f['name'])
answer(out)`,
        [folder, JSON.stringify(facts)],
      );
    }
  });

  // Catches: outputs without a CRS, or with another one, where the grid is that of a VRT.
  void it('can be what the grid is like, if their CRS is WKT', async () => {
    const { folder } = await run({ both: space.path('both.vrt') }, {});
    assertNoDifferences(`answer(check_header(sys.argv[1] + '/both.tif', sys.argv[2], 1, 'float64', float('nan')))`, [folder, space.path('both.vrt')]);
    const own = await run({ own: space.path('own.vrt') }, {});
    assertNoDifferences(`answer(check_header(sys.argv[1] + '/own.tif', sys.argv[2], 1, 'float64', float('nan')))`, [own.folder, space.path('own.vrt')]);
    await run({ own: space.path('own.vrt') }, { crs: 'EPSG:3035', resolution: 10 });
    // Of a text that only PROJ reads no GeoTIFF can be made here.
    writeFileSync(space.path('text.vrt'), readFileSync(space.path('own.vrt'), 'utf8').replace(/<SRS[^]*<\/SRS>/, '<SRS>+proj=moll</SRS>'));
    await refused({ own: space.path('text.vrt') }, {}, /text\.vrt is a VRT whose CRS is said as "\+proj=moll"/, /wanted WKT or an EPSG code there, or crs and resolution/);
  });

  // Catches: a VRT as a way to files that the job doesn't name; bands that can't be told apart; a VRT that changes under a run.
  void it('read nothing but what the job allows, and no change of theirs goes unseen', async () => {
    const href = space.path('outside.vrt');
    const moved = space.path('elsewhere/inner.vrt');
    makeFiles(`from grid_oracle import *\nrun(['gdalbuildvrt', '-q', sys.argv[2], sys.argv[1] + '/v0.tif'])`, [space.folder, moved]);
    await refused({ a: moved }, {}, /\$\.inputs\.a/, /inner\.vrt/, /v0\.tif/, /allowed is what lies at or below/);
    await refused({ a: { href, sources: [space.path('nowhere')] } }, {}, /far\.tif/);
    await run({ a: { href: moved, sources: [space.folder] } }, {});
    await refused({ a: space.path('separate.vrt') }, {}, /several nodata values, 7 and none/);
    await run({ a: { href: space.path('separate.vrt'), nodata: 7 } }, {});
    writeFileSync(space.path('bad.vrt'), '<VRTDataset rasterXSize="10" rasterYSize="10"><VRTRasterBand dataType="CFloat32" band="1"/></VRTDataset>');
    await refused({ a: space.path('bad.vrt') }, {}, /bad\.vrt/, /CFloat32/);
    writeFileSync(space.path('none.vrt'), '<VRTDataset rasterXSize="10" rasterYSize="10"></VRTDataset>');
    await refused({ a: space.path('none.vrt') }, {}, /none\.vrt/, /no bands/);
    await assert.rejects(
      run({ a: href }, {}, () => {
        appendFileSync(href, '\n');
      }),
      (error: unknown) => error instanceof TilefanError && error.code === 'INPUT_CHANGED' && error.message.includes(fileHref(href).slice('file://'.length)),
    );
  });

  // Catches: a copy of a VRT that loses what a copy of the TIFF behind it keeps.
  void it('are copied with colours, names, scales and offsets, as TIFFs are', async () => {
    makeFiles(
      `
from grid_oracle import *
folder = sys.argv[1]
make_raster(folder + '/classes.tif', 200, 180, [500000.0, 10.0, 0, 5000000.0, 0, -10.0], 32633, 'uint8', nodata=0, seed=1)
ds = gdal.Open(folder + '/classes.tif', gdal.GA_Update)
table = gdal.ColorTable()
for i in range(256): table.SetColorEntry(i, (i, 255 - i, i // 2, 255))
ds.GetRasterBand(1).SetColorTable(table)
ds.GetRasterBand(1).SetDescription('land <cover>')
ds = None
make_raster(folder + '/scaled.tif', 200, 180, [500000.0, 10.0, 0, 5000000.0, 0, -10.0], 32633, 'int16', 2, seed=2)
ds = gdal.Open(folder + '/scaled.tif', gdal.GA_Update)
for i in (1, 2):
    ds.GetRasterBand(i).SetScale(0.5 * i); ds.GetRasterBand(i).SetOffset(-3.25 * i); ds.GetRasterBand(i).SetDescription('band %d' % i)
ds = None
make_raster(folder + '/rgba.tif', 200, 180, [500000.0, 10.0, 0, 5000000.0, 0, -10.0], 32633, 'uint8', 3, seed=2)
gdal.Translate(folder + '/rgb.tif', folder + '/rgba.tif', creationOptions=['PHOTOMETRIC=RGB'])
for name in ('classes', 'scaled', 'rgb'): run(['gdal_translate', '-q', '-of', 'VRT', folder + '/' + name + '.tif', folder + '/' + name + '.vrt'])`,
      [space.folder],
    );
    const folder = space.newFolder();
    const names = ['classes', 'scaled', 'rgb'];
    await runInProcess({
      store,
      work: folder,
      job: {
        inputs: Object.fromEntries(names.map((name) => [name, { href: space.path(`${name}.vrt`) }])),
        operation: { copy: Object.fromEntries(names.map((name) => [`o${name}`, name])) },
        outputs: Object.fromEntries(names.map((name) => [`o${name}`, { href: `${folder}/${name}.tif`, overviews: 'none' }])),
      },
    });
    assertNoDifferences(
      `
def facts(path):
    ds = gdal.Open(path)
    bands = [ds.GetRasterBand(i + 1) for i in range(ds.RasterCount)]
    tables = [b.GetColorTable() for b in bands]
    # Nodata is transparent in the table of a TIFF, and only there.
    return [(b.GetDescription(), b.GetScale(), b.GetOffset(), b.GetColorInterpretation(), b.GetNoDataValue(), b.DataType, None if t is None else [t.GetColorEntry(i)[:3] for i in range(t.GetCount())]) for b, t in zip(bands, tables)]
out = []
for name in ('classes', 'scaled', 'rgb'):
    wanted, found = facts('%s/%s.tif' % (sys.argv[1], name)), facts('%s/%s.tif' % (sys.argv[2], name))
    if wanted != found: out.append('%s: wanted %s, found %s' % (name, wanted, found))
    out += same_pixels(gdal.Open('%s/%s.tif' % (sys.argv[2], name)).ReadAsArray(), gdal.Open('%s/%s.tif' % (sys.argv[1], name)).ReadAsArray(), name)
answer(out)`,
      [space.folder, folder],
    );
  });
});
