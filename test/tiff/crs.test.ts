/** Coordinates as PROJ computes them; and CRSs told apart. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { crsName, crsOfEpsg, datumSlack, epsgOfWkt, fullTurn, hasCrs, isPlaceable, pointTransform, sameCrs, type Crs } from '../../lib/tiff/crs.ts';
import { runPythonJson, withoutGdal } from '../support/gdal.ts';

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

void describe('coordinate reference systems', () => {
  // Catches: a projection that the libraries get wrong, with which rasters would be looked for where they aren't, and be missing from the output.
  void it('place points where PROJ does, or own up that they cannot', { skip: withoutGdal }, async () => {
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

  // Catches: a code of a part of the CRS (its datum, its unit) taken for that of the whole.
  void it('are known by the code at the end of their WKT', () => {
    const base = 'GEOGCS["WGS 84",DATUM["WGS_1984",SPHEROID["WGS 84",6378137,298.257223563]],AUTHORITY["EPSG","4326"]]';
    assert.equal(epsgOfWkt(base), 4326);
    assert.equal(epsgOfWkt(`PROJCS["own",${base},PROJECTION["Transverse_Mercator"],UNIT["metre",1,AUTHORITY["EPSG","9001"]]]`), null);
    assert.equal(epsgOfWkt(`PROJCS["zone",${base},PROJECTION["Transverse_Mercator"],UNIT["metre",1],AUTHORITY["EPSG","32633"]]\n`), 32_633);
    assert.equal(epsgOfWkt('PROJCRS["zone",BASEGEOGCRS["WGS 84"],ID["EPSG",32633]]'), 32_633);
  });

  // Catches: two CRSs of one's own taken for one, and one written twice taken for two.
  void it('are the same when their codes are, or all that they say but their names', async () => {
    const { crs: utm } = await crsOfEpsg(32_633);
    const own = (meridian: number, name: string): Crs => ({ epsg: null, keys: { 1024: 1, 3072: 32_767, 3080: meridian, 3073: name }, wkt: null });
    assert.ok(sameCrs(own(15, 'a'), own(15, 'b')));
    assert.ok(!sameCrs(own(15, 'a'), own(16, 'a')));
    assert.ok(!sameCrs(own(15, 'a'), utm));
    assert.ok(sameCrs({ epsg: 32_633, keys: {}, wkt: 'PROJCS["zone"]' }, utm));
    assert.ok(!sameCrs({ epsg: null, keys: {}, wkt: 'PROJCS["zone"]' }, utm));
    assert.equal(crsName({ epsg: null, keys: {}, wkt: 'PROJCS["zone"]' }), '"zone"');
    assert.ok(!hasCrs({ epsg: null, keys: { 1025: 1 }, wkt: null }));
    await assert.rejects(crsOfEpsg(99_999), { code: 'CRS_UNKNOWN', message: /EPSG:99999/ });
  });
});
