/** Windows by GDAL are those of the files that the run was planned with. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { GdalWindows } from '../../lib/job/gdal-windows.ts';
import { makePlan } from '../../lib/job/make-plan.ts';
import { sceneWindow, sceneWindowBytes } from '../../lib/job/scene-windows.ts';
import { readSettings } from '../../lib/job/settings.ts';
import { parseJobSpec } from '../../lib/job/validate.ts';
import { fileHref } from '../../lib/store/href.ts';
import { createStore } from '../../lib/store/routing-store.ts';
import { withoutGdal } from '../support/gdal.ts';
import { makeFiles } from '../support/raster-oracle.ts';
import { createWorkspace } from '../support/workspace.ts';

const space = createWorkspace('windows');
after(() => space.remove());

void describe('windows of a VRT', { skip: withoutGdal }, () => {
  const store = createStore();
  const source = space.path('source.tif');
  const vrt = space.path('all.vrt');
  const make = (value: number): void => {
    makeFiles(
      `
path, vrt, value = sys.argv[1:]
ds = gdal.GetDriverByName('GTiff').Create(path, 300, 200, 1, gdal.GDT_Byte)
ds.SetGeoTransform((5e5, 10, 0, 5e6, 0, -10))
srs = osr.SpatialReference(); srs.ImportFromEPSG(32633); ds.SetProjection(srs.ExportToWkt())
ds.GetRasterBand(1).Fill(int(value)); ds = None
import os
if not os.path.exists(vrt): gdal.BuildVRT(vrt, [path]).FlushCache()`,
      [source, vrt, String(value)],
    );
  };
  before(() => {
    make(7);
  });
  after(async () => {
    await store.close();
  });

  // Catches: a source that is rewritten while tiles are computed, so that some have the old pixels and some the new, and the run ends well.
  void it('are refused when a file that it names has changed, before a window is read and when all are', async () => {
    const document = { inputs: { v: fileHref(vrt) }, operation: { copy: { o: 'v' } }, outputs: { o: { href: fileHref(space.path('o.tif')) } } };
    const job = parseJobSpec(document);
    const env = { TILEFAN_WORK: fileHref(`${space.folder}/work/`), TILEFAN_LOCAL_THREADS: '1', TILEFAN_MAX_CONCURRENCY: '1', TILEFAN_STARTUP_SECONDS: '0.1' };
    const plan = await makePlan(store, job, 'r', readSettings(env, job.compute, []));
    const [input] = plan.inputs;
    const [scene] = input?.scenes ?? [];
    assert.ok(input !== undefined && scene !== undefined);
    assert.deepEqual(scene.sources.map(({ href }) => href), [fileHref(source)]);
    const windows = await GdalWindows.start(store, plan, 1);
    try {
      const window = sceneWindow(input, scene, [0], { column: 0, row: 0, columns: 20, rows: 10 });
      const bytes = new Uint8Array(sceneWindowBytes(window));
      await windows.read(window, bytes);
      assert.ok(bytes.every((byte) => byte === 7));
      await windows.verify();
      make(9);
      const changed = { code: 'INPUT_CHANGED', message: /source\.tif has changed since the run was planned/ };
      await assert.rejects(windows.verify(), changed);
      await assert.rejects(windows.read(window, bytes), changed);
    } finally {
      await windows.close();
    }
  });
});
