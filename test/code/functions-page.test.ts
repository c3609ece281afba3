/** The examples of docs/functions.md: taken out of the page, run as jobs, and compared with numpy. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';

import { projectFolder, runCli } from '../support/cli.ts';
import { runPython, withoutGdal } from '../support/gdal.ts';
import { createWorkspace } from '../support/workspace.ts';

const workspace = createWorkspace('functions-page');
after(() => workspace.remove());

const page = readFileSync(join(projectFolder, 'docs/functions.md'), 'utf8');
/** Name and text of each module. */
const modules = [...page.matchAll(/`(\w+\.ts)`:\n\n```ts\n(.*?)```/gs)].map(([, name = '', text = '']) => ({ name, text }));
const jobs = [...page.matchAll(/```json\n(.*?)```/gs)].map(([, text = '']) => JSON.parse(text) as { readonly name: string; readonly operation: { readonly module: string } });

/** Rasters of more than one tile: 1300 x 1100 pixels. */
const scenes = `
import numpy as np, sys
from osgeo import gdal, osr
gdal.UseExceptions()
random = np.random.default_rng(3)
def write(name, bands, kind):
    file = gdal.GetDriverByName('GTiff').Create(sys.argv[1] + '/' + name, bands.shape[2], bands.shape[1], bands.shape[0], kind, ['TILED=YES'])
    file.SetGeoTransform([600000, 10, 0, 5000000, 0, -10])
    crs = osr.SpatialReference(); crs.ImportFromEPSG(32633); file.SetProjection(crs.ExportToWkt())
    file.WriteArray(bands)
    file = None
shape = (1100, 1300)
write('scene.tif', random.integers(0, 3000, (4, *shape)).astype('uint16') // random.choice([1, 1000], shape).astype('uint16'), gdal.GDT_UInt16)
write('dem.tif', random.integers(-300, 3000, (1, *shape)).astype('int16'), gdal.GDT_Int16)
write('classes.tif', random.integers(0, 5, (1, *shape)).astype('uint8'), gdal.GDT_Byte)
for name in ('first', 'second', 'third'): write(name + '.tif', random.integers(0, 9, (1, *shape)).astype('uint16'), gdal.GDT_UInt16)
`;

/** What each job should come to; prints the number of pixels that differ, or the result. */
const judges: Readonly<Record<string, string>> = {
  ndvi: `s = read('scene').astype('float64'); t = s[3] + s[2]
with np.errstate(all='ignore'): wanted = np.where(t < 10, -9999, (s[3] - s[2]) / t).astype('float32')
print(int((read('ndvi') != wanted).sum()), int((t < 10).sum() > 0))`,
  steps: `d = read('dem').astype('int32'); e = np.pad(d, 1, constant_values=0)
c = e[1:-1, 1:-1]; wanted = np.max([abs(c - n) for n in (e[:-2, 1:-1], e[2:, 1:-1], e[1:-1, :-2], e[1:-1, 2:])], axis=0)
print(int((read('steps') != wanted).sum()), 1)`,
  histogram: `v, n = np.unique(read('classes'), return_counts=True); got = json.load(open('histogram.json'))
wanted = {'pixels': 1300 * 1100, 'counts': {str(a): int(b) for a, b in zip(v, n)}}
print(int((got.get('value', got) if isinstance(got, dict) else got) != wanted), 1)`,
  highest: `a = np.stack([read(n) for n in ('first', 'second', 'third')])
print(int((read('highest') != a.max(0)).sum() + (read('year') != a.argmax(0)).sum()), 1)`,
};

void describe('the page on functions', { skip: withoutGdal }, () => {
  before(() => {
    runPython(scenes, [workspace.folder]);
    for (const { name, text } of modules) writeFileSync(workspace.path(name), text);
  });

  // Catches an example that was forgotten here.
  void it('has a module and a judge for each job', () => {
    assert.deepEqual(jobs.map(({ name }) => name).sort(), Object.keys(judges).sort());
    assert.deepEqual(jobs.map(({ operation }) => operation.module).sort(), modules.map(({ name }) => name).sort());
  });

  for (const job of jobs) {
    // Catches an example that doesn't do what the page says of it, and margins, types or names that went wrong on the way.
    void it(`computes ${job.name} as numpy does`, async () => {
      const { exitCode, stderr } = await runCli(['run', workspace.job(`${job.name}-job.json`, job)], { cwd: workspace.folder });
      assert.equal(exitCode, 0, stderr);
      const program = `
import json, os, sys
import numpy as np
from osgeo import gdal
gdal.UseExceptions()
os.chdir(sys.argv[1])
def read(name): return gdal.Open(name + '.tif').ReadAsArray()
${judges[job.name] ?? ''}`;
      assert.deepEqual(runPython(program, [workspace.folder]).trim(), '0 1');
    });
  }

  // Catches examples that an editor marks red.
  void it('has the right types', () => {
    const installed = workspace.path('node_modules/tilefan');
    for (const file of ['package.json', 'client/types.ts', 'lib/code/item-function.ts', 'lib/code/tile-function.ts']) cpSync(join(projectFolder, file), join(installed, file));
    writeFileSync(workspace.path('package.json'), '{ "type": "module" }');
    const { stdout } = spawnSync(join(projectFolder, 'node_modules/.bin/tsc'), ['--ignoreConfig', '--noEmit', '--strict', '--target', 'es2022', '--module', 'nodenext', '--types', '', ...modules.map(({ name }) => name)], { cwd: workspace.folder, encoding: 'utf8' });
    assert.equal(stdout, '');
  });
});
