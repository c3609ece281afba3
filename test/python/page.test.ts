/** The page on Python: its programs and its job are taken out of the text, and run. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';

import { runCli } from '../support/cli.ts';
import { withoutGdal } from '../support/gdal.ts';
import { withoutCloudpickle } from './support/host.ts';
import { pythonJson, runScript } from './support/rios.ts';

const page = readFileSync(new URL('../../docs/python.md', import.meta.url), 'utf8');
const blocks = (language: string): string[] => [...page.matchAll(new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``, 'g'))].map(([, text = '']) => text);

describe('the page on Python', { skip: withoutGdal === false ? withoutCloudpickle : withoutGdal }, () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'tilefan-python-page-'));
    pythonJson(
      `
import numpy
from osgeo import gdal, osr
sr = osr.SpatialReference(); sr.ImportFromEPSG(32633)
for seed, name in enumerate(('scene.tif', 'a.tif', 'b.tif')):
    ds = gdal.GetDriverByName('GTiff').Create(name, 1100, 300, 2, gdal.GDT_UInt16)
    ds.SetGeoTransform((500000, 10, 0, 6000000, 0, -10)); ds.SetProjection(sr.ExportToWkt())
    for band in (1, 2): ds.GetRasterBand(band).WriteArray(numpy.random.default_rng(seed * 2 + band).integers(0, 1000, (300, 1100)).astype('uint16'))
    ds = None
print(1)`,
      {},
      folder,
    );
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  it('has a job with a function that does what it says', async () => {
    writeFileSync(join(folder, 'ndvi.py'), blocks('python')[0] ?? '');
    writeFileSync(join(folder, 'job.json'), blocks('json')[0] ?? '');
    const { exitCode, stderr } = await runCli(['run', 'job.json'], { cwd: folder });
    assert.equal(exitCode, 0, stderr);
    const [same, green] = pythonJson(
      `
import json, numpy
from osgeo import gdal
red, nir = gdal.Open('scene.tif').ReadAsArray().astype('float32')
with numpy.errstate(all='ignore'): wanted = (nir - red) / (nir + red)
print(json.dumps([bool(numpy.array_equal(gdal.Open('ndvi.tif').ReadAsArray(), wanted, equal_nan=True)), int((wanted > numpy.float32(0.4)).sum())]))`,
      {},
      folder,
    ) as [boolean, number];
    assert.equal(same, true);
    assert.deepEqual(JSON.parse(readFileSync(join(folder, 'green.json'), 'utf8')), { green });
  });

  it('has scripts that run', async () => {
    const [, script = '', counting = ''] = blocks('python');
    for (const [name, text, wanted] of [['add.py', script, 1100 * 300 * 2], ['count.py', counting, undefined]] as const) {
      writeFileSync(join(folder, name), text);
      const { exitCode, stdout, stderr } = await runScript(name, [], folder);
      assert.equal(exitCode, 0, stderr);
      assert.equal(Number(stdout), wanted ?? pythonJson("from osgeo import gdal\nprint(int((gdal.Open('a.tif').ReadAsArray() > 500).sum()))", {}, folder));
    }
  });
});
