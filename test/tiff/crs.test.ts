/** CRSs told apart. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { crsName, epsgOfWkt, hasCrs, sameCrs, type Crs } from '../../lib/tiff/crs.ts';
import { crsOfEpsg } from '../../lib/tiff/projection.ts';

void describe('coordinate reference systems', () => {
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
    // What GeoKeys have no code for, a citation says.
    assert.ok(!sameCrs(own(15, 'ESRI PE String = PROJCS["a",PROJECTION["Mollweide"]]'), own(15, 'ESRI PE String = PROJCS["a",PROJECTION["Eckert_IV"]]')));
    assert.ok(sameCrs({ epsg: 32_633, keys: {}, wkt: 'PROJCS["zone"]' }, utm));
    assert.ok(!sameCrs({ epsg: null, keys: {}, wkt: 'PROJCS["zone"]' }, utm));
    assert.equal(crsName({ epsg: null, keys: {}, wkt: 'PROJCS["zone"]' }), '"zone"');
    assert.ok(!hasCrs({ epsg: null, keys: { 1025: 1 }, wkt: null }));
  });
});
