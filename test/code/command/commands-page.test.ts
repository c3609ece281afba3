/** The examples of docs/commands.md are taken out of the page and run, as a user would. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';

import { parseRequirement } from '../../../lib/code/requirements/parse-requirement.ts';
import { runCli } from '../../support/cli.ts';
import { runPython, runPythonJson, withoutGdal } from '../../support/gdal.ts';
import { createWorkspace, type Workspace } from '../../support/workspace.ts';

const page = readFileSync(new URL('../../../docs/commands.md', import.meta.url), 'utf8');
const examples = [...page.matchAll(/```json\n(.*?)```/gs)].map(([, text = '']) => JSON.parse(text) as Record<string, unknown>);

describe('the page about commands', { skip: withoutGdal }, () => {
  let workspace: Workspace;
  before(() => {
    workspace = createWorkspace('commands-page');
    // Patches of 12 pixels, speckle, and some pixels without data; more than one tile.
    runPython(
      `
import sys, numpy as np
from osgeo import gdal, osr
rng = np.random.default_rng(11)
a = np.kron(rng.integers(1, 6, (120, 110)), np.ones((12, 12), int))[:1400, :1300].astype(np.uint8)
speckle = rng.random(a.shape) < 0.04
a[speckle] = rng.integers(1, 6, a.shape)[speckle]
a[1000:1040, 200:260] = 255
d = gdal.GetDriverByName('GTiff').Create(sys.argv[1], 1300, 1400, 1, gdal.GDT_Byte)
d.SetGeoTransform([600000, 10, 0, 5000000, 0, -10]); s = osr.SpatialReference(); s.ImportFromEPSG(32633); d.SetProjection(s.ExportToWkt())
d.GetRasterBand(1).SetNoDataValue(255); d.GetRasterBand(1).WriteArray(a)`,
      [workspace.path('landcover.tif')],
    );
  });
  after(() => workspace.remove());

  async function run(job: unknown): Promise<void> {
    writeFileSync(workspace.path('job.json'), JSON.stringify(job));
    const { exitCode, stderr } = await runCli(['run', 'job.json'], { cwd: workspace.folder });
    assert.equal(exitCode, 0, stderr);
  }

  // Catches: an example that is not valid any more, a margin that is cut off at the wrong place, tiles in each other's place.
  void it('sieves tile by tile as GDAL sieves the whole, but for what it says', async () => {
    await run(examples[0]);
    const [differing, changed, size, nodata] = runPythonJson(
      `
import json, os, subprocess, sys, numpy as np, rasterio
os.chdir(sys.argv[1])
subprocess.run(['gdal_sieve.py', '-q', '-st', '10', '-8', 'landcover.tif', 'whole.tif'], check=True)
read = lambda name: rasterio.open(name).read(1)
whole, tiles, before = read('whole.tif'), read('landcover-clean.tif'), read('landcover.tif')
print(json.dumps([int((whole != tiles).sum()), int((whole != before).sum()), list(tiles.shape), rasterio.open('landcover-clean.tif').nodata]))`,
      [workspace.folder],
    ) as [number, number, number[], number];
    assert.deepEqual([size, nodata], [[1400, 1300], 255]);
    assert.ok(changed > 20_000, `${String(changed)} pixels were sieved`);
    assert.ok(differing <= changed / 200, `${String(differing)} of ${String(changed)} sieved pixels differ`);
  });

  // Catches: a result that is lost, or belongs to another tile.
  void it('collects what programs print', async () => {
    await run(examples[1]);
    const rows = readFileSync(workspace.path('checksums.jsonl'), 'utf8').trim().split('\n').map((line) => JSON.parse(line) as { window: Record<string, number>; value: { bands: { checksum: number }[] } });
    assert.equal(rows.length, 4);
    const expected = runPythonJson(
      `
import json, sys
from osgeo import gdal
file = gdal.Open(sys.argv[1])
band = file.GetRasterBand(1)
print(json.dumps([band.Checksum(w['column'], w['row'], w['columns'], w['rows']) for w in json.loads(sys.argv[2])]))`,
      [workspace.path('landcover.tif'), JSON.stringify(rows.map(({ window }) => window))],
    );
    assert.deepEqual(rows.map(({ value }) => value.bands[0]?.checksum), expected);
  });

  // Catches: anything that differs between a tile and the whole where no margin is needed.
  void it('promises that pixel by pixel it is the same', async () => {
    await run({
      ...examples[0],
      grid: { tileSize: 512 },
      outputs: { clean: { href: 'scaled.tif', dtype: 'float32', nodata: -1 } },
      operation: { command: ['gdal_calc.py', '--quiet', '-A', '{input.landcover}', '--calc=A*{parameter.gain}+sqrt(A)', '--type=Float32', '--NoDataValue=-9', '--outfile={output.clean}'], parameters: { gain: 0.5 } },
    });
    const differing = runPythonJson(
      `
import json, os, subprocess, sys, numpy as np, rasterio
os.chdir(sys.argv[1])
subprocess.run(['gdal_calc.py', '--quiet', '-A', 'landcover.tif', '--calc=A*0.5+sqrt(A)', '--type=Float32', '--NoDataValue=-9', '--outfile=scaled-whole.tif'], check=True)
whole, tiles = rasterio.open('scaled-whole.tif').read(1), rasterio.open('scaled.tif').read(1)
print(json.dumps([int((np.where(whole == -9, -1, whole) != tiles).sum()), int((whole == -9).sum())]))`,
      [workspace.folder],
    );
    assert.deepEqual(differing, [0, 2400]);
  });

  // Catches: a failure whose message doesn't reach the user.
  void it('says what is told when a program fails', async () => {
    writeFileSync(workspace.path('job.json'), JSON.stringify({ ...examples[0], operation: { command: ['gdal_translate', '-q', '-b', '7', '{input.landcover}', '{output.clean}'] } }));
    const { exitCode, stderr } = await runCli(['run', 'job.json'], { cwd: workspace.folder });
    assert.equal(exitCode, 70, stderr);
    assert.match(stderr, /gdal_translate ended with exit code 1; its last words: .*[Bb]and/);
    writeFileSync(workspace.path('job.json'), JSON.stringify({ ...examples[0], operation: { command: ['gdal_translate', '{input.landcovr}', '{output.clean}'], requirements: ['program:no_such'] } }));
    const misspelt = await runCli(['run', 'job.json'], { cwd: workspace.folder });
    assert.equal(misspelt.exitCode, 64, misspelt.stderr);
    assert.match(misspelt.stderr, /\$\.operation\.command\[1\].*did you mean \{input\.landcover\}/);
  });

  void it('writes requirements as they are read', () => {
    const requirements = examples[2]?.['requirements'] as string[];
    assert.ok(requirements.length > 4);
    for (const text of requirements) assert.equal(typeof parseRequirement(text), 'object', text);
  });
});
