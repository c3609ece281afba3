/** Inputs and grids that can't be: each is refused at split, with what was wanted and what was found; and odd ones that can be equal gdalwarp. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { TilefanError } from '../../lib/base/errors.ts';
import type { Plan } from '../../lib/job/plan.ts';
import { split } from '../../lib/job/split.ts';
import { FileStore } from '../../lib/store/file-store.ts';
import { fileHref } from '../../lib/store/href.ts';
import { withoutGdalPrograms } from '../gdal/oracle.ts';
import { extentsHere } from '../../local/extents-here.ts';
import { runCli } from '../support/cli.ts';
import { runPythonJson } from '../support/gdal.ts';
import { runInProcess } from '../support/in-process-run.ts';
import { assertNoDifferences, makeFiles } from '../support/raster-oracle.ts';
import { createWorkspace } from '../support/workspace.ts';

const space = createWorkspace('bad-grids');
const store = new FileStore();
after(async () => {
  await store.close();
  space.remove();
});

function jobOf(inputs: Readonly<Record<string, string | object>>, grid: object, folder: string): Readonly<Record<string, unknown>> {
  const names = Object.keys(inputs);
  const hrefs = Object.fromEntries(Object.entries(inputs).map(([name, input]) => [name, typeof input === 'string' ? space.path(input) : input]));
  return {
    inputs: hrefs,
    grid: { tileSize: 128, ...grid },
    operation: { expression: Object.fromEntries(names.map((name) => [name, `${name}[1]`])) },
    outputs: Object.fromEntries(names.map((name) => [name, { href: `${folder}/${name}.tif`, dtype: 'float64', nodata: 'nan', overviews: 'none', statistics: false, blockSize: 128 }])),
  };
}

/** Refused by split, with these words. */
async function refused(inputs: Readonly<Record<string, string | object>>, grid: object, ...words: readonly RegExp[]): Promise<void> {
  const work = space.newFolder();
  const job = jobOf(inputs, grid, work);
  await assert.rejects(split({ input: { job, run: 'r' }, execution: 'r' }, { store, env: { TILEFAN_WORK: fileHref(`${work}/`), TILEFAN_LOCAL_THREADS: '1' }, findExtents: extentsHere() }), (error: unknown) => {
    assert.ok(error instanceof TilefanError, String(error));
    assert.match(error.code, /^(PLAN_REFUSED|JOB_INVALID)$/);
    for (const word of words) assert.match(error.message, word);
    return true;
  });
}

/** A run whose every output equals gdalwarp's answer on its grid. */
async function equalsGdalwarp(inputs: Readonly<Record<string, string>>, grid: object): Promise<Plan['grid']> {
  const folder = space.newFolder();
  const { plan } = await runInProcess({ store, work: folder, inFlight: 2, job: jobOf(inputs, grid, folder) });
  assertNoDifferences(
    `
from grid_oracle import *
folder, out = sys.argv[1], []
for name, href in json.loads(sys.argv[2]).items():
    path = folder + '/' + name + '.tif'
    values, valid, reached = on_grid(href, path)
    if not reached.any():
        out.append('nothing of %s lies on the grid' % name)
    out += differences(path, as_input(values, valid, reached, 0, True)[:1], name)
answer(out)`,
    [folder, JSON.stringify(Object.fromEntries(Object.entries(inputs).map(([name, file]) => [name, space.path(file)])))],
  );
  return plan.grid;
}

const unknownProjection = 'PROJCS["nowhere",GEOGCS["WGS 84",DATUM["WGS_1984",SPHEROID["WGS 84",6378137,298.257223563]],PRIMEM["Greenwich",0],UNIT["degree",0.0174532925199433]],PROJECTION["Nonsense_Method"],PARAMETER["central_meridian",15],UNIT["metre",1]]';

void describe('grids', { skip: withoutGdalPrograms }, () => {
  before(() => {
    makeFiles(
      `
from grid_oracle import *
folder = sys.argv[1]
def make(name, columns, rows, gt, epsg, **more):
    make_raster(folder + '/' + name + '.tif', columns, rows, gt, epsg, **more)
make('here', 100, 90, [500000.0, 10.0, 0, 5000000.0, 0, -10.0], 32633)
make('off', 100, 90, [500003.0, 10.0, 0, 5000000.0, 0, -10.0], 32633)
make('far', 100, 90, [700000.0, 10.0, 0, 5000000.0, 0, -10.0], 32633)
make('zone34', 100, 90, [200000.0, 10.0, 0, 5000000.0, 0, -10.0], 32634)
make('plain', 100, 90, None, None)
make('nocrs', 100, 90, [500003.0, 10.0, 0, 5000000.0, 0, -10.0], None)
make('twobands', 100, 90, [500300.0, 10.0, 0, 5000000.0, 0, -10.0], 32633, bands=2)
make('engineering', 100, 90, [500003.0, 10.0, 0, 5000000.0, 0, -10.0], 'LOCAL_CS["nowhere",UNIT["metre",1]]')
make('nowhere', 100, 90, [500000.0, 10.0, 0, 5000000.0, 0, -10.0], sys.argv[2])
make('degrees', 100, 90, [500000.0, 10.0, 0, 5000000.0, 0, -10.0], 4326)
make('beyond', 200, 100, [170.05, 0.1, 0, 10.02, 0, -0.1], 4326)
make('world', 360, 180, [-180.0, 1.0, 0, 90.0, 0, -1.0], 4326)
make('utm60', 120, 100, [829000.0, 1000.0, 0, 100500.0, 0, -1000.0], 32660)
make('utm1', 120, 100, [100000.0, 1000.0, 0, 100500.0, 0, -1000.0], 32601)
make('south', 200, 200, [-2000000.0, 20000.0, 0, 2000000.0, 0, -20000.0], 3031)
make('sinusoidal', 100, 100, [1160000.0, 463.3, 0, 5040000.0, 0, -463.3], '+proj=sinu +lon_0=0 +x_0=0 +y_0=0 +R=6371007.181 +units=m +no_defs')
# On the same numbers, in two CRSs whose GeoKeys differ in a citation only.
make('mollweide', 100, 90, [1200000.0, 500.0, 0, 5600000.0, 0, -500.0], 'ESRI:54009')
make('eckert', 100, 90, [1200000.0, 500.0, 0, 5600000.0, 0, -500.0], 'ESRI:54012')
make('strip', 300, 100, [-180.0, 0.0001, 0, 0.005, 0, -0.0001], 4326)
make('turn', 200, 100, [-352.6, 0.0001, 0, 46.91, 0, -0.0001], 4326)
make('turned', 270, 146, [-132.433, 0, 1.33333, 90.57, -0.0092, 0], 4326)
make('bern', 200, 160, [2600000.0, 1.0, 0, 1200000.0, 0, -1.0], 2056)
make('coarse', 40, 30, [2600000.0, 1000.0, 0, 1200000.0, 0, -1000.0], 2056)
make('britain', 200, 160, [400000.0, 1.0, 0, 300000.0, 0, -1.0], 27700)
make('shifted', 100, 100, [1160000.0, 463.3, 0, 5040000.0, 0, -463.3], '+proj=sinu +lon_0=0 +R=6371007.181 +units=m +towgs84=0,0,0')
make('pole', 200, 200, [-2000000.0, 20000.0, 0, 2000000.0, 0, -20000.0], '+proj=stere +lat_0=90 +lat_ts=70 +ellps=intl +towgs84=-87,-98,-121')
make('north', 200, 200, [-2000000.0, 20000.0, 0, 2000000.0, 0, -20000.0], 3413)
ds = gdal.GetDriverByName('GTiff').Create(folder + '/gcps.tif', 100, 90, 1, gdal.GDT_Byte)
ds.SetGCPs([gdal.GCP(15 + x / 1e4, 45 - y / 1e4, 0, x, y) for x, y in ((0, 0), (99, 0), (0, 89), (99, 89))], crs(4326).ExportToWkt())
ds = None`,
      [space.folder, unknownProjection],
    );
  });

  // Catches: a grid made of inputs that nobody said how to put together; a message that names neither input nor difference.
  void it('that inputs do not share are refused with both sides', async () => {
    await refused({ a: 'here.tif', b: 'far.tif' }, {}, /don't overlap/, /a covers \[500000, 4999100, 501000, 5000000\]/, /b covers \[700000,/, /"footprint": "union"/);
    await refused({ a: 'here.tif', b: 'off.tif' }, {}, /\$\.inputs\.b/, /off\.tif is on another pixel grid than a/, /wanted pixels of geotransform \[500000,.*found \[500003,/, /like/);
    await refused({ a: 'here.tif', b: 'zone34.tif' }, {}, /\$\.inputs\.b/, /wanted CRS EPSG:32633, found EPSG:32634/);
    await refused({ a: 'here.tif', b: 'plain.tif' }, {}, /\$\.inputs\.b/, /plain\.tif/, /found none/);
    await refused({ a: 'plain.tif', b: 'here.tif' }, {}, /\$\.inputs\.b/, /wanted CRS none, found EPSG:32633/);
    await refused({ a: 'here.tif', b: 'plain.tif' }, { like: 'a', footprint: 'reference' }, /\$\.inputs\.b/, /plain\.tif has no georeference/);
    await refused({ a: 'here.tif', b: 'nocrs.tif' }, { like: 'a', footprint: 'reference' }, /\$\.inputs\.b/, /nocrs\.tif has no CRS/, /EPSG:32633/);
    await refused({ a: 'nocrs.tif', b: 'here.tif' }, { like: 'a', footprint: 'reference' }, /\$\.inputs\.b/, /here\.tif is in EPSG:32633, and the grid has no CRS/);
    // Where the footprint is looked for, too, and not bounds are what is wanted.
    await refused({ a: 'plain.tif' }, { crs: 'EPSG:3857', resolution: 10 }, /\$\.inputs\.a: .*plain\.tif has no georeference/);
    await refused({ a: 'here.tif', b: 'nocrs.tif' }, { like: 'a' }, /\$\.inputs\.b: .*nocrs\.tif has no CRS, so it can't be brought into EPSG:32633/);
    await refused({ a: 'nocrs.tif', b: 'here.tif' }, { like: 'a' }, /\$\.inputs\.b: .*here\.tif is in EPSG:32633, and the grid has no CRS/);
    await refused({ a: 'here.tif', b: 'gcps.tif' }, { like: 'a', footprint: 'reference' }, /\$\.inputs\.b/, /gcps\.tif has 4 ground control points and no geotransform/, /gdalwarp/);
    await refused({ a: { hrefs: [space.path('here.tif'), space.path('twobands.tif')] } }, {}, /\$\.inputs\.a/, /twobands\.tif has 2 bands, and .*here\.tif has 1/);
  });

  // Catches: a CRS that isn't one, found out by a worker.
  void it('of unknown CRSs are refused', async () => {
    await refused({ a: 'here.tif' }, { crs: 'EPSG:99999', resolution: 10 }, /EPSG:99999 isn't known/);
    await refused({ a: 'here.tif', b: 'engineering.tif' }, { like: 'a', footprint: 'union' }, /engineering\.tif|"nowhere"/);
    await refused({ a: 'plain.tif' }, { resolution: 10 }, /\$\.grid\.crs/, /no input has a CRS/);
  });

  // Catches: a projection that nobody knows, with which GDAL writes an output of nothing but nodata and calls it a success.
  void it('of unknown projections are refused', async () => {
    const run = async (a: string, grid: object): Promise<unknown> => {
      const folder = space.newFolder();
      return await runInProcess({ store, work: folder, inFlight: 2, job: jobOf({ a }, grid, folder) });
    };
    const place = { resolution: 10, bounds: [500_000, 4_999_100, 501_000, 5_000_000] };
    await assert.rejects(run('here.tif', { crs: unknownProjection, ...place }), /Cannot warp .*here\.tif at column 0, row 0 .*: the CRS of the output grid, "nowhere", has a projection .*; wanted one that PROJ knows: .*Nonsense_Method/);
    await assert.rejects(run('nowhere.tif', { crs: 'EPSG:32633', ...place }), /Cannot warp .*nowhere\.tif .*: its CRS, "nowhere", has a projection .*Nonsense_Method/);
    // Without a warp there is nothing to compute.
    await equalsGdalwarp({ a: 'nowhere.tif' }, { like: 'a' });
  });

  // Catches: a grid of a size that no machine has, planned; an input far from the grid read as if there were something.
  void it('of absurd size, and of places where an input has nothing, are refused', async () => {
    await refused({ a: 'here.tif' }, { crs: 'EPSG:32633', resolution: 0.001 }, /1,000,000 x 900,000 = 9\.00e\+11 pixels/, /wanted 1\.00e\+11 at most/, /EPSG:32633/);
    for (const alignedPixels of [true, false]) {
      await refused({ a: 'here.tif' }, { crs: 'EPSG:4326', resolution: 10, alignedPixels }, /\$\.grid\.resolution/, /makes pixels of 10 x 10, one of which has room for all inputs, \[15, 45\.\d+, 15\.0\d+, 45\.\d+\]/, /in units of EPSG:4326/, /or bounds in grid/);
    }
    const { columns, rows } = await equalsGdalwarp({ a: 'here.tif' }, { resolution: 1000, alignedPixels: false });
    assert.deepEqual([columns, rows], [1, 1], 'one pixel for all of it is no mistake');
    await refused({ a: 'here.tif' }, { resolution: 1e-300 }, /\$\.grid\.resolution/, /found 1e-300 x 1e-300/);
    await refused({ a: 'here.tif' }, { bounds: [0, 0, 1e9, 10], maxPixels: 1e300, resolution: [0.1, 10] }, /2\^31 - 1 on a side/);
    await refused({ a: 'here.tif' }, { bounds: [10, 0, 10, 10] }, /\$\.grid\.bounds/, /xmin < xmax/);
    await refused({ a: 'here.tif', b: 'far.tif' }, { like: 'a', bounds: [500000, 4999500, 500500, 5000000] }, /\$\.inputs\.b/, /far\.tif \(EPSG:32633\) has nothing on the grid of the outputs, which covers \[500000, 4999500, 500500, 5000000\]/, /it covers \[700000, 4999100, 701000, 5000000\] there/);
    await refused({ a: 'here.tif', b: 'zone34.tif' }, { like: 'a', bounds: [100000, 4999500, 100500, 5000000] }, /\$\.inputs\.a/, /\$\.inputs\.b/, /zone34\.tif \(EPSG:32634\)/);
    await refused({ a: 'here.tif', b: 'degrees.tif' }, { like: 'a', footprint: 'union' }, /degrees\.tif/);
    await refused({ a: 'plain.tif' }, { bounds: [0, 0, 10, 10] }, /no georeference, so bounds have no meaning/);
  });

  // Catches: NaN that gets as far as the grid.
  void it('of NaN and infinity are refused', async () => {
    for (const value of ['nan', 'inf', '1e400']) {
      writeFileSync(space.path('wild.vrt'), `<VRTDataset rasterXSize="10" rasterYSize="10"><SRS>EPSG:32633</SRS><GeoTransform>${value}, 10, 0, 0, 0, -10</GeoTransform><VRTRasterBand dataType="Byte" band="1"/></VRTDataset>`);
      // oxlint-disable-next-line no-await-in-loop
      await refused({ a: 'here.tif', b: 'wild.vrt' }, { like: 'a', footprint: 'union' }, /wild\.vrt/);
    }
    writeFileSync(space.path('flat.vrt'), '<VRTDataset rasterXSize="10" rasterYSize="10"><SRS>EPSG:32633</SRS><GeoTransform>0, 10, 10, 0, 10, 10</GeoTransform><VRTRasterBand dataType="Byte" band="1"/></VRTDataset>');
    await refused({ b: 'flat.vrt' }, {}, /flat\.vrt/, /no area/);
    await refused({ a: 'here.tif' }, { bounds: [0, 0, Infinity, 10] }, /\$\.grid\.bounds/);
    await refused({ a: 'here.tif' }, { bounds: [0, Number.NaN, 10, 10] }, /\$\.grid\.bounds/);
    await refused({ a: 'here.tif' }, { resolution: 0 }, /\$\.grid\.resolution/);
    await refused({ a: 'here.tif' }, { resolution: -1 }, /\$\.grid\.resolution/);
  });

  // Catches: an input across the seam of the map that is cut, mirrored, or taken for one around the whole Earth.
  void it('across the dateline equal gdalwarp', async () => {
    const beyond = await equalsGdalwarp({ a: 'beyond.tif' }, {});
    assert.deepEqual([beyond.columns, beyond.rows], [200, 100]);
    await equalsGdalwarp({ a: 'beyond.tif', world: 'world.tif' }, { like: 'a', footprint: 'reference' });
    await equalsGdalwarp({ a: 'utm60.tif', b: 'utm1.tif', c: 'beyond.tif', world: 'world.tif' }, { crs: 'EPSG:4326', resolution: 0.02, bounds: [178, -1, 182, 1] });
    await equalsGdalwarp({ a: 'utm60.tif', b: 'utm1.tif' }, { like: 'a', footprint: 'reference' });
  });

  // Catches: a raster in degrees that is left out, or cut, where a grid in metres goes beyond the seam of its map.
  void it('beyond the seam of their own map equal gdalwarp', async () => {
    await equalsGdalwarp({ a: 'strip.tif' }, { crs: 'EPSG:3857', resolution: 10, bounds: [20_036_508, -500, 20_039_508, 500] });
  });

  // Catches: a raster in degrees that is looked for kilometres away, because its longitudes are a turn from those that a projection takes.
  void it('find rasters whose longitudes are whole turns away', async () => {
    await equalsGdalwarp({ a: 'turn.tif' }, { crs: 'EPSG:2056', resolution: 10, bounds: [2_597_000, 1_194_000, 2_599_000, 1_195_000] });
  });

  // Catches: a raster that is left out, or refused, because of a CRS that only GDAL can place; one taken for the geographic CRS under its projection, or for one of another projection.
  void it('of projections without a code equal gdalwarp, also where only GDAL knows them', async () => {
    for (const a of ['sinusoidal.tif', 'mollweide.tif']) {
      // oxlint-disable-next-line no-await-in-loop
      const { columns, rows } = await equalsGdalwarp({ a }, { crs: 'EPSG:4326', resolution: 0.01 });
      assert.ok(columns > 60 && rows > 30, `${String(columns)} x ${String(rows)}`);
    }
    await equalsGdalwarp({ a: 'here.tif', b: 'sinusoidal.tif' }, { like: 'a', footprint: 'reference' });
    await equalsGdalwarp({ a: 'mollweide.tif', b: 'eckert.tif', c: 'sinusoidal.tif' }, { like: 'a', bounds: [1170000, 5330000, 1260000, 5610000] });
    await equalsGdalwarp({ a: 'eckert.tif' }, { crs: 'EPSG:4326', resolution: 0.01, bounds: [13, 43, 16, 46] });
    const { columns, rows } = await equalsGdalwarp({ a: 'eckert.tif' }, { crs: 'EPSG:4326', resolution: 0.01 });
    assert.ok(columns > 60 && rows > 30, `${String(columns)} x ${String(rows)}`);
    await refused({ a: 'mollweide.tif', b: 'eckert.tif' }, {}, /wanted CRS "World_Mollweide", found "World_Eckert_IV"/);
  });

  // Catches: a strip of a raster that is lost where its datum is moved against that of the grid, by more than a pixel.
  void it('of another datum equal gdalwarp, by its extent or within bounds', async () => {
    for (const [a, epsg, bounds] of [['bern.tif', 32_632, [381_000, 5_200_600, 381_700, 5_201_100]], ['britain.tif', 32_630, [567_500, 5_827_700, 568_000, 5_828_200]]] as const) {
      // oxlint-disable-next-line no-await-in-loop
      const { columns, rows } = await equalsGdalwarp({ a }, { crs: `EPSG:${String(epsg)}`, resolution: 1 });
      assert.ok(columns > 200 && columns < 220 && rows > 160 && rows < 180, `${String(columns)} x ${String(rows)}`);
      // oxlint-disable-next-line no-await-in-loop
      await equalsGdalwarp({ a }, { crs: `EPSG:${String(epsg)}`, resolution: 1, bounds });
    }
    await equalsGdalwarp({ a: 'coarse.tif' }, { crs: 'EPSG:32632', resolution: 1000 });
    // A sphere with a datum, as GDAL writes it to ERDAS Imagine's files: 21 km.
    await equalsGdalwarp({ a: 'shifted.tif' }, { crs: 'EPSG:4326', resolution: 0.01, bounds: [13.5, 44.5, 15.5, 46] });
    await equalsGdalwarp({ a: 'shifted.tif' }, { crs: 'EPSG:4326', resolution: 0.01 });
    await refused({ a: 'pole.tif' }, { crs: 'EPSG:4326', resolution: 0.5 }, /\$\.inputs\.a: .*pole\.tif .*has no bounded place in EPSG:4326; wanted bounds in grid/);
  });

  // Catches: a grid that takes codes only, and a CRS that the outputs don't have, or that GDAL reads in another way than it was said.
  void it('of any CRS can be said as WKT', async () => {
    const [mollweide = '', eckert = '', utm = ''] = runPythonJson(
      `
import json
from osgeo import osr
def wkt(text, form):
    crs = osr.SpatialReference(); crs.SetFromUserInput(text)
    return crs.ExportToWkt(['FORMAT=' + form, 'MULTILINE=YES'])
print(json.dumps([wkt('ESRI:54009', 'WKT1_GDAL'), wkt('ESRI:54012', 'WKT2_2019'), wkt('EPSG:32633', 'WKT1_GDAL')]))`,
    ) as string[];
    await equalsGdalwarp({ a: 'here.tif', b: 'sinusoidal.tif' }, { crs: mollweide, resolution: 70, footprint: 'union' });
    await equalsGdalwarp({ a: 'mollweide.tif' }, { crs: mollweide, resolution: 130 });
    await equalsGdalwarp({ a: 'eckert.tif', b: 'mollweide.tif' }, { crs: eckert, resolution: 500, bounds: [1190000, 5550000, 1300000, 5820000] });
    const { epsg, wkt } = await equalsGdalwarp({ a: 'here.tif' }, { crs: utm, resolution: 10 });
    assert.deepEqual([epsg, wkt], [32_633, undefined]);
    // A function is told the WKT.
    writeFileSync(space.path('crs.mjs'), `export function zone({ info, inputs, outputs }) {\n  if (!/^PROJCS\\["World_Mollweide",/.test(info.crs) || info.epsg !== undefined) throw new Error(info.crs);\n  outputs.a = inputs.a;\n}\n`);
    writeFileSync(space.path('crs.json'), JSON.stringify({ ...jobOf({ a: 'mollweide.tif' }, {}, space.newFolder()), operation: { module: 'crs.mjs', function: 'zone' } }));
    const told = await runCli(['run', space.path('crs.json')]);
    assert.equal(told.exitCode, 0, told.stderr);
    assert.match((await runCli(['plan', space.path('crs.json')])).stdout, /^grid +100 x 90 px, "World_Mollweide"$/m);
    await refused({ a: 'here.tif' }, { crs: mollweide.slice(0, -3), resolution: 10 }, /\$\.grid\.crs: wanted the WKT of a projected or geographic CRS, to its last bracket/);
    await refused({ a: 'here.tif' }, { crs: 'LOCAL_CS["a",UNIT["metre",1]]', resolution: 10 }, /\$\.grid\.crs: wanted the WKT of a projected or geographic CRS/);
    await refused({ a: 'here.tif' }, { crs: 'ESRI:54009', resolution: 10 }, /\$\.grid\.crs: wanted an EPSG code, for example "EPSG:32633", or WKT/);
  });

  // Catches: a raster around a pole that is looked for where its corners are.
  void it('around poles equal gdalwarp within bounds, and have no footprint of their own', async () => {
    await equalsGdalwarp({ a: 'south.tif' }, { crs: 'EPSG:4326', resolution: 0.5, bounds: [-180, -90, 180, -75] });
    await equalsGdalwarp({ a: 'north.tif' }, { crs: 'EPSG:4326', resolution: 0.5, bounds: [-180, 75, 180, 90] });
    // Its columns go to the pole and beyond. Half a tile from the next place that is looked at, the pixel at the pole has data.
    await equalsGdalwarp({ a: 'turned.tif' }, { crs: 'EPSG:3995', resolution: 900, bounds: [-121_500, -61_200, 121_500, 61_200], tileSize: 512 });
    await equalsGdalwarp({ a: 'south.tif', world: 'world.tif' }, { like: 'a', footprint: 'reference' });
    await refused({ a: 'south.tif' }, { crs: 'EPSG:4326', resolution: 0.5, footprint: 'union' }, /\$\.inputs\.a/, /south\.tif \(EPSG:3031\) has no bounded place in EPSG:4326/, /wanted bounds in grid/);
    await refused({ a: 'utm60.tif' }, { crs: 'EPSG:4326', resolution: 0.5 }, /utm60\.tif \(EPSG:32660\) has no bounded place in EPSG:4326/);
  });
});
