/** Coordinates as PROJ computes them. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, describe, it } from 'node:test';
import { FileStore } from '../../lib/store/file-store.ts';
import { fileHref } from '../../lib/store/href.ts';
import type { Crs } from '../../lib/tiff/crs.ts';
import { datumRanges, datumShifts } from '../../lib/tiff/datums.generated.ts';
import { openTiff } from '../../lib/tiff/open.ts';
import { crsOfEpsg, datumShiftBetween, datumSlack, fullTurn, isPlaceable, pointTransform } from '../../lib/tiff/projection.ts';
import { runPythonJson, withoutGdal } from '../support/gdal.ts';
import { createWorkspace } from '../support/workspace.ts';

/** CRSs of all kinds of projections, units and axes; those that the libraries get wrong among them. All of EPSG's take PROJ minutes. */
const tried = [
  4326, 4258, 4269, 4283, 4674, 4314, 4275, 4807, 3857, 32601, 32633, 32660, 32733, 25832, 26915, 28355, 31467, 2154, 3035, 3034, 3031, 3032, 3413, 3976, 3995, 3996,
  32661, 32761, 5041, 5042, 2056, 21781, 27700, 29902, 28992, 31370, 3577, 5070, 3310, 6933, 3410, 3408, 6931, 6932, 3832, 3395, 3994, 3388, 2193, 27200, 2326, 2263,
  2229, 3078, 3167, 3375, 3468, 2046, 2055, 22275, 29371, 2065, 5513, 5514, 24370, 24382, 5472, 6244, 6808, 8044, 9354, 3275, 22234, 3338, 3347, 3979, 102100,
];

/** A place within the area of use of each of them, in degrees and in the CRS. */
const places = `
import json, sys
tried = set(json.loads(sys.argv[1]))
from osgeo import osr
osr.UseExceptions()
world = osr.SpatialReference(); world.ImportFromEPSG(4326); world.SetAxisMappingStrategy(osr.OAMS_TRADITIONAL_GIS_ORDER)
found = []
for i in osr.GetCRSInfoListFromDatabase('EPSG'):
    if not i.code.isdigit() or int(i.code) not in tried:
        continue
    try:
        crs = osr.SpatialReference(); crs.ImportFromEPSG(int(i.code)); crs.SetAxisMappingStrategy(osr.OAMS_TRADITIONAL_GIS_ORDER)
        east = i.east_lon_degree + (360 if i.east_lon_degree < i.west_lon_degree else 0)
        lon = i.west_lon_degree + (east - i.west_lon_degree) * 0.4
        lat = i.south_lat_degree + (i.north_lat_degree - i.south_lat_degree) * 0.4
        lon -= 360 if lon > 180 else 0
        x, y, _ = osr.CoordinateTransformation(world, crs).TransformPoint(lon, lat)
        found.append([int(i.code), i.name, lon, lat, x, y])
    except RuntimeError:
        pass
print(json.dumps(found))`;

/**
 * CRSs as people have them in their rasters, nearly all without a code of EPSG's: a definition, a place, and whether our own coordinates are taken for it; else GDAL alone knows where such a
 * raster lies.
 */
const own: readonly (readonly [definition: string, lon: number, lat: number, placeable: boolean])[] = [
  // MODIS, on its sphere.
  ['+proj=sinu +lon_0=0 +R=6371007.181', 16, 47, true],
  ['+proj=sinu +lon_0=0 +datum=WGS84', -60, -20, true],
  ['ESRI:54009', -120, -40, true],
  ['+proj=moll +lon_0=90 +datum=WGS84', 100, 20, true],
  ['ESRI:54034', 16, 47, true],
  ['ESRI:54030', 16, 47, true],
  ['ESRI:102003', -95, 40, true],
  ['ESRI:102009', -95, 40, true],
  ['ESRI:102010', -95, 40, true],
  ['ESRI:102013', 15, 47, true],
  ['ESRI:102017', 20, 80, true],
  ['ESRI:102020', 20, -80, true],
  ['+proj=laea +lat_0=45 +lon_0=-100 +R=6370997', -95, 40, true],
  // Daymet; HRRR; in kilometres; around Paris.
  ['+proj=lcc +lat_1=25 +lat_2=60 +lat_0=42.5 +lon_0=-100 +datum=WGS84', -95, 40, true],
  ['+proj=lcc +lat_1=38.5 +lat_2=38.5 +lat_0=38.5 +lon_0=-97.5 +R=6371229', -95, 40, true],
  ['+proj=lcc +lat_1=38.5 +lat_0=38.5 +lon_0=-97.5 +datum=NAD83 +units=km', -95, 40, true],
  ['+proj=lcc +lat_1=46.8 +lat_0=46.8 +lon_0=0 +k_0=0.99987742 +x_0=600000 +y_0=2200000 +a=6378249.2 +b=6356515 +towgs84=-168,-60,320 +pm=paris', 3, 47, true],
  // Sea ice of the NSIDC; other poles.
  ['+proj=stere +lat_0=90 +lat_ts=70 +lon_0=-45 +a=6378273 +b=6356889.449', -40, 75, true],
  ['+proj=stere +lat_0=-90 +lat_ts=-71 +lon_0=40 +datum=WGS84', 40, -75, true],
  ['+proj=stere +lat_0=-90 +k=0.97 +lon_0=30 +datum=WGS84', 40, -75, true],
  ['+proj=stere +lat_0=47 +lon_0=15 +datum=WGS84', 16, 47, true],
  ['+proj=sterea +lat_0=47 +lon_0=15 +k=0.9999 +ellps=bessel', 16, 47, true],
  ['+proj=aea +lat_1=29.5 +lat_2=45.5 +lat_0=23 +lon_0=-96 +datum=NAD83', -95, 40, true],
  ['+proj=tmerc +lat_0=0 +lon_0=15.5 +k=0.9996 +x_0=500000 +ellps=GRS80', 16, 47, true],
  ['+proj=tmerc +lat_0=40 +lon_0=-95 +k=0.9999 +x_0=200000 +datum=NAD83 +units=us-ft', -95, 40, true],
  ['+proj=utm +zone=33 +ellps=intl', 16, 47, true],
  // With a code, in feet, which GDAL writes into the keys besides.
  ['EPSG:2277', -98, 30, true],
  ['+proj=merc +lon_0=100 +datum=WGS84', 110, 20, true],
  ['+proj=merc +lon_0=100 +k=0.997 +x_0=3900000 +y_0=900000 +ellps=bessel', 110, 3, true],
  ['+proj=merc +lat_ts=41 +ellps=bessel', 50, 42, true],
  ['+proj=eqc +lat_ts=30 +datum=WGS84', 16, 47, true],
  ['+proj=eqc +R=6371000', 16, 47, true],
  // EASE-Grid.
  ['+proj=cea +lat_ts=30 +R=6371228', 16, 47, true],
  // Equi7.
  ['+proj=aeqd +lat_0=53 +lon_0=24 +x_0=5837287.81977 +y_0=2121415.69617 +datum=WGS84', 16, 47, true],
  ['+proj=gnom +lat_0=40 +lon_0=10 +datum=WGS84', 16, 47, true],
  ['+proj=poly +lon_0=-54 +x_0=5000000 +y_0=10000000 +ellps=GRS80', -50, -12, true],
  ['+proj=vandg +R=6371000', 16, 47, true],
  ['+proj=longlat +R=6371229', 16, 47, true],
  ['ESRI:54012', 16, 47, false],
  ['ESRI:54052', 16, 47, false],
  ['+proj=mill +datum=WGS84', 16, 47, false],
  ['+proj=tmerc +axis=wsu +lon_0=19 +ellps=WGS84', 19.5, -30, false],
  ['+proj=geos +h=35785831 +sweep=y +datum=WGS84', 16, 47, false],
  ['+proj=omerc +lat_0=4 +lonc=102.25 +alpha=323.0257905 +gamma=323.130102361111 +k=0.99984 +ellps=evrstSS', 102, 4, false],
];

/** A GeoTIFF in each of them, the WKT that a VRT would have, a point of it, and where GDAL says that this is. */
const ownPlaces = `
import json, sys
from osgeo import gdal, osr
gdal.UseExceptions(); osr.UseExceptions()
world = osr.SpatialReference(); world.ImportFromEPSG(4326); world.SetAxisMappingStrategy(osr.OAMS_TRADITIONAL_GIS_ORDER)
found = []
for n, (text, lon, lat, placeable) in enumerate(json.loads(sys.argv[2])):
    crs = osr.SpatialReference(); crs.SetFromUserInput(text); crs.SetAxisMappingStrategy(osr.OAMS_TRADITIONAL_GIS_ORDER)
    x, y, _ = osr.CoordinateTransformation(world, crs).TransformPoint(lon, lat)
    path = '%s/%d.tif' % (sys.argv[1], n)
    made = gdal.GetDriverByName('GTiff').Create(path, 1, 1)
    made.SetGeoTransform([x, 1, 0, y, 0, -1])
    made.SetProjection(crs.ExportToWkt())
    made = None
    read = gdal.Open(path).GetSpatialRef()
    read.SetAxisMappingStrategy(osr.OAMS_TRADITIONAL_GIS_ORDER)
    lon, lat, _ = osr.CoordinateTransformation(read, world).TransformPoint(x, y)
    found.append([text, path, crs.ExportToWkt(), x, y, lon, lat, placeable])
print(json.dumps(found))`;

const space = createWorkspace('projection');
const store = new FileStore();
after(async () => {
  await store.close();
  space.remove();
});

void describe('coordinates', () => {
  // Catches: codes of another datum than the tables say, and shifts that aren't PROJ's: a raster of which a strip is lost, or that is looked for too near to where formulas place it.
  void it('have the datums and shifts that PROJ knows', { skip: withoutGdal }, () => {
    const { ranges, shifts } = runPythonJson(readFileSync(new URL('datums.py', import.meta.url), 'utf8'), []) as { ranges: [first: number, last: number, base: number][]; shifts: Record<string, number> };
    const codes = (all: typeof datumRanges): Map<number, number> => new Map(all.flatMap(([first, last, base]) => Array.from({ length: last - first + 1 }, (_, i): [number, number] => [first + i, base])));
    const [found, wanted] = [codes(datumRanges), codes(ranges)];
    assert.ok(wanted.size > 5000, String(wanted.size));
    // Other releases of PROJ have other tables of EPSG's.
    const differing = [...wanted].filter(([code, base]) => found.get(code) !== base);
    assert.ok(differing.length < wanted.size / 20, `${String(differing.length)} of ${String(wanted.size)}`);
    for (const code of [4326, 3857, 32_633, 25_832, 3035, 5070, 28_355, 2193, 2154, 2056, 27_700, 28_992, 31_468, 26_714]) assert.equal(found.get(code), wanted.get(code), String(code));
    for (const base of [4258, 4269, 4283, 4167, 4674, 4171, 6668, 4617, 4619]) assert.ok((datumShifts[base] ?? NaN) <= 3 && (shifts[base] ?? NaN) <= 3, String(base));
    for (const base of [4150, 4149, 4277, 4289, 4314, 4267, 4230]) assert.ok(Math.abs((datumShifts[base] ?? NaN) - (shifts[base] ?? NaN)) <= 30 && (shifts[base] ?? 0) > 50, `${String(base)}: ${String(datumShifts[base])}, ${String(shifts[base])}`);
  });

  // Catches: grids that want bounds where there is no shift, as between UTM zones of WGS 84 and ETRS89, and none where there is one.
  void it('of other datums are moved', async () => {
    const shift = async (from: number, to: number): Promise<number> => await datumShiftBetween((await crsOfEpsg(from)).crs, (await crsOfEpsg(to)).crs);
    assert.deepEqual(await Promise.all([shift(32_632, 32_633), shift(25_832, 32_633), shift(4326, 3857), shift(27_700, 4277), shift(31_467, 31_468), shift(2154, 3035), shift(3979, 4326)]), [0, 0, 0, 0, 0, 0, 0]);
    // What a WKT without a code of its own says of the datum: GDAL's, of both versions, and ESRI's.
    const wkt = (base: string, projection = 'PROJECTION["Albers"]'): Crs => ({ epsg: null, keys: {}, wkt: `PROJCS["own",${base},${projection}]` });
    const spheroid = 'SPHEROID["GRS 1980",6378137,298.257222101]';
    const { crs: world } = await crsOfEpsg(4326);
    const shifts = [
      wkt(`GEOGCS["NAD83",DATUM["North_American_Datum_1983",${spheroid}],AUTHORITY["EPSG","4269"]]`),
      wkt(`BASEGEOGCRS["GDA94",DATUM["Geocentric Datum of Australia 1994",ELLIPSOID["GRS 1980",6378137,298.257222101]],ID["EPSG",4283]]`, 'CONVERSION["own",METHOD["Albers Equal Area"]]'),
      wkt(`GEOGCS["GCS_North_American_1983",DATUM["D_North_American_1983",${spheroid}]]`),
      wkt(`GEOGCS["GCS_ETRS_1989",DATUM["D_ETRS_1989",${spheroid}]]`),
      wkt(`GEOGCS["GCS_WGS_1984",DATUM["D_WGS_1984",${spheroid}]]`),
      wkt(`GEOGCS["unknown",DATUM["unknown",${spheroid}]]`),
    ].map(async (crs) => await datumShiftBetween(crs, world));
    assert.deepEqual(await Promise.all(shifts), [0, 0, 0, 0, 0, 0]);
    assert.equal(await datumShiftBetween(wkt(`GEOGCS["unknown",DATUM["unknown",${spheroid},TOWGS84[100,0,0]]]`), world) > 0, true);
    for (const metres of await Promise.all([shift(2056, 32_632), shift(27_700, 32_630), shift(32_633, 31_468)])) assert.ok(metres > 50 && metres < 300, String(metres));
  });

  // Catches: a projection that the libraries get wrong, with which rasters would be looked for where they aren't, and be missing from the output.
  void it("of EPSG's codes lie where PROJ puts them, or it is said that this isn't known", { skip: withoutGdal }, async () => {
    const codes = runPythonJson(places, [JSON.stringify(tried)]) as [code: number, name: string, lon: number, lat: number, x: number, y: number][];
    assert.ok(codes.length > 60, String(codes.length));
    const { crs: world } = await crsOfEpsg(4326);
    const wrong: string[] = [];
    const unplaceable: string[] = [];
    for (const [code, name, lon, lat, x, y] of codes) {
      // oxlint-disable-next-line no-await-in-loop
      const crs = await crsOfEpsg(code).then((found) => found.crs, () => undefined);
      // oxlint-disable-next-line no-await-in-loop
      if (crs === undefined || !(await isPlaceable(crs))) {
        unplaceable.push(name);
        continue;
      }
      // oxlint-disable-next-line no-await-in-loop
      const [transform, slack, turn] = await Promise.all([pointTransform(world, crs), datumSlack(world, crs), fullTurn(crs)]);
      const [[px, py] = [NaN, NaN]] = transform([[lon, lat]]);
      const across = turn === undefined ? 1 : Math.cos((lat * Math.PI) / 180);
      if (!(Math.abs(px - x) * across < slack && Math.abs(py - y) < slack)) wrong.push(`${String(code)} ${name}: wanted ${String(x)}, ${String(y)}; found ${String(px)}, ${String(py)}`);
    }
    assert.deepEqual(wrong, []);
    assert.ok(unplaceable.length < codes.length / 3, `${String(unplaceable.length)} of ${String(codes.length)} can't be placed`);
    for (const common of ['WGS 84 / UTM zone 33N', 'WGS 84 / Antarctic Polar Stereographic', 'CH1903+ / LV95', 'NAD83 / Conus Albers', 'WGS 84 / Pseudo-Mercator']) assert.ok(!unplaceable.includes(common), common);
  });

  // Catches: a projection of one's own that is taken for the geographic CRS under it, or computed in another way than PROJ's: what GeoKeys or a VRT say of it.
  void it("of a user's own projection lie where PROJ puts them, or it is said that this isn't known", { skip: withoutGdal }, async () => {
    const found = runPythonJson(ownPlaces, [space.newFolder(), JSON.stringify(own)]) as [definition: string, path: string, wkt: string, x: number, y: number, lon: number, lat: number, placeable: boolean][];
    const { crs: world } = await crsOfEpsg(4326);
    const wrong: string[] = [];
    for (const [definition, path, wkt, x, y, lon, lat, placeable] of found) {
      // oxlint-disable-next-line no-await-in-loop
      const { geo } = await openTiff(store, fileHref(path));
      const ofTags: Crs = { epsg: geo.epsg, keys: geo.keys, wkt: null };
      // oxlint-disable-next-line no-await-in-loop
      if ((await isPlaceable(ofTags)) !== placeable) wrong.push(`${definition}: placeable ${String(!placeable)}`);
      for (const crs of [ofTags, { epsg: null, keys: {}, wkt }]) {
        // oxlint-disable-next-line no-await-in-loop
        if (!(await isPlaceable(crs))) continue;
        // oxlint-disable-next-line no-await-in-loop
        const [there, back] = await Promise.all([pointTransform(crs, world), pointTransform(world, crs)]);
        const [[px, py] = [NaN, NaN]] = there([[x, y]]);
        // A datum of its own that WKT has, and GeoKeys haven't, moves it by some 100 m.
        if (!(Math.hypot((px - lon) * Math.cos((lat * Math.PI) / 180), py - lat) * 111_320 < 400)) wrong.push(`${definition}: wanted ${String(lon)}, ${String(lat)}; found ${String(px)}, ${String(py)}`);
        const [[bx, by] = [NaN, NaN]] = back([[px, py]]);
        // oxlint-disable-next-line no-await-in-loop
        if (!(Math.hypot(bx - x, by - y) < (await datumSlack(world, crs)) / 100)) wrong.push(`${definition}: back to ${String(bx)}, ${String(by)} from ${String(x)}, ${String(y)}`);
      }
    }
    assert.deepEqual(wrong, []);
  });

  void it('are of no CRS whose code is unknown', async () => {
    await assert.rejects(crsOfEpsg(99_999), { code: 'CRS_UNKNOWN', message: /EPSG:99999/ });
  });
});
