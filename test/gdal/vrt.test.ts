/** VRTs: what they say, what they read, and what they may. */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { after, describe, it } from 'node:test';

import { readVrt } from '../../lib/gdal/vrt.ts';
import { checkVrt, vrtSources } from '../../lib/gdal/vrt-sources.ts';
import { fileHref, pathOf } from '../../lib/store/href.ts';
import { runPython, withoutGdal } from '../support/gdal.ts';
import { createWorkspace } from '../support/workspace.ts';

const workspace = createWorkspace('vrt');
after(() => workspace.remove());

function vrt(...sources: readonly string[]): string {
  return `<VRTDataset rasterXSize="10" rasterYSize="20"><VRTRasterBand dataType="Byte" band="1">${sources.join('')}</VRTRasterBand></VRTDataset>`;
}

function named(name: string, relative = true): string {
  return `<SimpleSource><SourceFilename relativeToVRT="${relative ? '1' : '0'}">${name}</SourceFilename><SourceBand>1</SourceBand></SimpleSource>`;
}

// Sources of tests are small: the first bytes are the whole.
const readText = async (href: string): Promise<string> => await Promise.resolve(readFileSync(pathOf(href), 'latin1'));

void describe('reading a VRT', () => {
  // Catches facts that GDAL writes and we misread.
  void it('finds what gdalbuildvrt and gdal_translate write', { skip: withoutGdal }, () => {
    const path = workspace.path('made.vrt');
    runPython(`
import sys
from osgeo import gdal
a = gdal.GetDriverByName('GTiff').Create(sys.argv[1] + '.tif', 30, 20, 2, gdal.GDT_Float32)
a.SetGeoTransform((500000, 10, 0, 5000000, 0, -10)); a.GetRasterBand(1).SetNoDataValue(float('nan')); a.GetRasterBand(2).SetDescription('b & <2>')
a.CreateMaskBand(gdal.GMF_PER_DATASET)
from osgeo import osr
s = osr.SpatialReference(); s.ImportFromEPSG(32633); a.SetProjection(s.ExportToWkt()); a = None
gdal.Translate(sys.argv[1], sys.argv[1] + '.tif', format='VRT')
`, [path]);
    const xml = readFileSync(path, 'utf8');
    const facts = readVrt(xml);
    assert.deepEqual([facts.columns, facts.rows, facts.geotransform], [30, 20, [500_000, 10, 0, 5_000_000, 0, -10]]);
    assert.match(facts.srs ?? '', /^PROJCS\["WGS 84 \/ UTM zone 33N"/);
    assert.deepEqual(facts.bands.map(({ dtype, nodata, description }) => [dtype, nodata, description]), [
      ['float32', Number.NaN, ''],
      ['float32', Number.NaN, 'b & <2>'],
    ]);
    assert.equal(facts.hasMask, true);
    assert.deepEqual(vrtSources(xml, fileHref(path)), [fileHref(`${path}.tif`)]);
  });

  // Catches a parser that lets a document grow, or takes anything for a VRT.
  void it('refuses what is no VRT', () => {
    for (const [text, words] of [
      ['<VRTDataset', /VRT/],
      ['{}', /VRT/],
      ['<html/>', /top element is <html>/],
      ['<!DOCTYPE x [<!ENTITY a "b">]><VRTDataset rasterXSize="1" rasterYSize="1"/>', /document type/],
      ['<VRTDataset rasterXSize="0" rasterYSize="1"/>', /rasterXSize is "0"/],
      ['<VRTDataset rasterXSize="1e3" rasterYSize="1"/>', /rasterXSize/],
    ] as const) {
      assert.throws(() => readVrt(text), { code: 'VRT_INVALID', message: words }, text);
    }
  });
});

void describe('what a VRT may read', () => {
  const base = fileHref(workspace.path('folder/a.vrt'));

  // Catches names that GDAL understands as something else than a file.
  void it('understands files and S3 objects, and refuses every other name', () => {
    const s3 = 's3://bucket/some/a.vrt';
    assert.deepEqual(vrtSources(vrt(named('b c.tif'), named('../d.tif'), named('/abs/e.tif', false), named('b c.tif')), base), [
      fileHref(workspace.path('folder/b c.tif')),
      fileHref(workspace.path('d.tif')),
      'file:///abs/e.tif',
    ]);
    assert.deepEqual(vrtSources(vrt(named('b.tif'), named('/vsis3/other/x.tif', false)), s3), ['s3://bucket/some/b.tif', 's3://other/x.tif']);
    for (const name of [
      '/vsicurl/http://169.254.169.254/latest', '/vsizip//data/a.zip/a.tif', '/VSIMEM/x', 'http://host/a.tif', 'https://host/a.tif', 'NETCDF:"/etc/a.nc":v', 'vrt:///etc/passwd', 'WMS:http://host', 'PG:dbname=x', 'GTIFF_DIR:1:a.tif',
      '&lt;VRTDataset rasterXSize="1" rasterYSize="1"/&gt;', '<![CDATA[<VRTDataset/>]]>', '/vsis3/bucket/../x.tif', 'file:///etc/passwd',
    ]) {
      assert.throws(() => vrtSources(vrt(named(name, false)), base), { name: 'DataError', code: 'VRT_SOURCE_NOT_ALLOWED' }, name);
    }
    assert.throws(() => vrtSources(vrt(named('e.tif', false)), s3), { message: /machine that reads it/ });
    assert.throws(() => vrtSources(vrt('<PixelFunctionLanguage>Python</PixelFunctionLanguage>'), base), { message: /holds code/ });
    assert.throws(() => vrtSources(vrt('<pixelfunctioncode>import os</pixelfunctioncode>'), base), { message: /holds code/ });
    assert.throws(() => vrtSources(vrt('<SimpleSource><sourcefilename>http://host/x</sourcefilename></SimpleSource>'), base), { code: 'VRT_SOURCE_NOT_ALLOWED' });
  });

  // Catches ways out of the allowed folders: dots, links, VRTs under other names, documents that name servers.
  void it('allows what lies below the allowed folders only, after links', async () => {
    for (const folder of ['folder', 'outside', 'folder-too']) mkdirSync(workspace.path(folder), { recursive: true });
    for (const name of ['folder/b.tif', 'outside/c.tif', 'folder-too/d.tif']) writeFileSync(workspace.path(name), 'II*');
    symlinkSync(workspace.path('outside/c.tif'), workspace.path('folder/link.tif'));
    writeFileSync(workspace.path('folder/nested.tif'), vrt(named('../outside/c.tif')));
    writeFileSync(workspace.path('folder/good.vrt'), vrt(named('b.tif')));
    writeFileSync(workspace.path('folder/wms.tif'), '<GDAL_WMS/>');
    writeFileSync(workspace.path('folder/loop.vrt'), vrt(named('loop.vrt')));
    assert.deepEqual(await checkVrt(vrt(named('good.vrt')), base, [], readText), [fileHref(workspace.path('folder/good.vrt')), fileHref(workspace.path('folder/b.tif'))]);
    for (const name of ['../outside/c.tif', '../folder-too/d.tif', 'link.tif', 'nested.tif', 'wms.tif']) {
      // oxlint-disable-next-line no-await-in-loop
      await assert.rejects(checkVrt(vrt(named(name)), base, [], readText), { code: 'VRT_SOURCE_NOT_ALLOWED' }, name);
    }
    await assert.rejects(checkVrt(vrt(named('link.tif')), base, [], readText), { message: /link\.tif, which is .*outside\/c\.tif; allowed is .*folder/ });
    assert.equal((await checkVrt(vrt(named('nested.tif')), base, [fileHref(workspace.path('folder')), fileHref(workspace.path('outside'))], readText)).length, 2);
    assert.equal((await checkVrt(vrt(named('loop.vrt')), base, [], readText)).length, 1);
  });
});
