/** Grids whose extents only GDAL knows, as on AWS: split has no GDAL, so a worker finds them before the run is planned. On one machine: bad-grids.test.ts. */
import assert from 'node:assert/strict';
import { copyFileSync, readFileSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { after, describe, it } from 'node:test';
import { createHandler as createReduce } from '../../functions/reduce/handler.ts';
import { createHandler as createSplit } from '../../functions/split/handler.ts';
import { runExtents } from '../../lib/job/find-extents.ts';
import { runRecord, type RunRecord } from '../../lib/job/records.ts';
import { split } from '../../lib/job/split.ts';
import { FileStore } from '../../lib/store/file-store.ts';
import { fileHref } from '../../lib/store/href.ts';
import { runLocally, type LocalRunResult } from '../../local/run-locally.ts';
import { withoutGdalPrograms } from '../gdal/oracle.ts';
import { runCli } from '../support/cli.ts';
import { assertNoDifferences, makeFiles, oracle } from '../support/raster-oracle.ts';
import { startS3Server, whyNoS3Server } from '../support/s3-server.ts';
import { createWorkspace } from '../support/workspace.ts';

const space = createWorkspace('extents');
after(() => space.remove());

/** Two scenes of one raster in CH1903+, 10 m to a pixel, which PROJ moves by 140 m. */
function makeScenes(folder: string): void {
  makeFiles(
    `
from grid_oracle import *
for name, x in (('west', 2600000.0), ('east', 2601500.0)):
    make_raster(sys.argv[1] + '/' + name + '.tif', 200, 160, [x, 10.0, 0, 1200000.0, 0, -10.0], 2056, nodata=-1)`,
    [folder],
  );
}

const grid = { crs: 'EPSG:32632', resolution: 10, footprint: 'union', tileSize: 128 };

function jobOver(inputs: Readonly<Record<string, string>>, output: string): { readonly [key: string]: string | object } {
  return { inputs, grid, operation: { expression: { o: 'max(west[1], east[1])' }, nodata: 'handle' }, outputs: { o: { href: output, dtype: 'int16', nodata: -1, blockSize: 128 } } };
}

/** The columns and rows that gdalwarp makes of both scenes, give or take one. */
function assertSize(path: string): void {
  const [found, wanted] = oracle(
    `
from grid_oracle import *
folder = sys.argv[1]
run(['gdalwarp', '-q', '-overwrite', '-of', 'VRT', '-t_srs', 'EPSG:32632', '-tap', '-tr', '10', '10', folder + '/west.tif', folder + '/east.tif', folder + '/both.vrt'])
def place(path):
    ds = gdal.Open(path)
    return [ds.RasterXSize, ds.RasterYSize] + [ds.GetGeoTransform()[i] / 10 for i in (0, 3)]
answer([place(sys.argv[2]), place(folder + '/both.vrt')])`,
    [space.folder, path],
  ) as [number[], number[]];
  for (const [i, value] of found.entries()) assert.ok(Math.abs(value - (wanted[i] ?? NaN)) <= 1, `found ${found.join(', ')}; wanted ${wanted.join(', ')}`);
}

/** As on AWS: split is given nothing of this machine. */
async function runAsOnAws(job: { readonly [key: string]: string | object }, work: string): Promise<LocalRunResult> {
  return await runLocally({
    input: { job, run: 'r' } as never,
    runId: 'r',
    workers: 2,
    work,
    env: { TILEFAN_LOCAL_THREADS: '1' },
    functions: { split: (env) => createSplit(env), reduce: (env) => createReduce(env) },
  });
}

void describe('extents that only GDAL knows', { skip: withoutGdalPrograms }, () => {
  const store = new FileStore();
  after(async () => {
    await store.close();
  });

  // Catches: a pass that nobody asks for, whose answer nobody takes, or that is asked for again and again; a record that calls it a batch of tiles.
  void it('are found by a worker before the run is planned', async () => {
    makeScenes(space.folder);
    const inputs = { west: fileHref(space.path('west.tif')), east: fileHref(space.path('east.tif')) };
    const work = fileHref(`${space.newFolder()}/`);
    const result = await runAsOnAws(jobOver(inputs, fileHref(space.path('o.tif'))), work);
    assert.equal(result.state, 'SUCCEEDED', JSON.stringify(result));
    const record = JSON.parse(readFileSync(fileURLToPath(`${work}runs/r/run.json`), 'utf8')) as RunRecord;
    assert.deepEqual(runRecord.parse(record).passes.map(({ pass, tasks }) => [pass, tasks]), [['extents', 1]]);
    assertSize(space.path('o.tif'));
    // One machine finds the same by itself, without a task.
    const here = space.job('here.json', jobOver({ west: space.path('west.tif'), east: space.path('east.tif') }, space.path('here.tif')));
    const { exitCode, stderr } = await runCli(['run', here, '--work', space.path('work')]);
    assert.equal(exitCode, 0, stderr);
    assertNoDifferences(`from grid_oracle import *\nanswer(differences(sys.argv[1], gdal.Open(sys.argv[2]).ReadAsArray()[None]))`, [space.path('o.tif'), space.path('here.tif')]);
  });

  // Catches: an extent of a file that has been replaced; one of another grid.
  void it('are found again when a scene has changed, or another grid is wanted', async () => {
    const inputs = { west: space.path('west.tif'), east: space.path('copy.tif') };
    copyFileSync(space.path('east.tif'), inputs.east);
    const [work, signal] = [fileHref(`${space.newFolder()}/`), new AbortController().signal];
    const status = async (more: object = {}): Promise<string | undefined> => {
      const job = { ...jobOver(inputs, space.path('again.tif')), ...more };
      return (await split({ input: { job, run: 'again', try: [0, 0] }, execution: 'again' }, { store, env: { TILEFAN_WORK: work, TILEFAN_LOCAL_THREADS: '1' } })).status;
    };
    const run = `${work}runs/again/`;
    assert.equal(await status(), 'CONVERT');
    await runExtents(store, run, signal);
    assert.equal(await status(), 'TRY');
    assert.equal(await status({ grid: { ...grid, crs: 'EPSG:4326', resolution: 0.0001 } }), 'CONVERT', 'another CRS');
    await runExtents(store, run, signal);
    assert.equal(await status(), 'CONVERT', 'the first one, which is not on record any more');
    utimesSync(inputs.east, 1, 1);
    await assert.rejects(runExtents(store, run, signal), { code: 'INPUT_CHANGED', message: /copy\.tif has changed/ });
    assert.equal(await status(), 'CONVERT');
    await runExtents(store, run, signal);
    assert.equal(await status(), 'TRY');
  });

  // Catches: a job that is wrong otherwise, for which a worker is started; a failure that doesn't say which scene.
  void it('are not looked for where the job is wrong, and a failure names the scene', async () => {
    const work = fileHref(`${space.newFolder()}/`);
    const inputs = { west: space.path('west.tif'), east: space.path('east.tif') };
    const job = { ...jobOver(inputs, space.path('wrong.tif')), operation: { expression: { o: 'west[2]' } } };
    await assert.rejects(split({ input: { job, run: 'wrong' }, execution: 'wrong' }, { store, env: { TILEFAN_WORK: work, TILEFAN_LOCAL_THREADS: '1' } }), { code: 'PLAN_REFUSED', message: /input "west" has 1 band/ });
    const result = await runLocally({
      input: { job: jobOver({ ...inputs, west: space.path('west.tif') }, space.path('none.tif')), run: 'r' } as never,
      runId: 'r',
      workers: 1,
      work,
      env: { TILEFAN_LOCAL_THREADS: '1', TILEFAN_PYTHON: '/nothing/python3' },
      functions: { split: (env) => createSplit(env), reduce: (env) => createReduce(env) },
    });
    assert.equal(result.state, 'FAILED');
    assert.match(JSON.stringify(result), /Finding where .*west\.tif lies in the CRS of the grid needs GDAL/);
  });

  // Catches: GDAL without the keys to the bucket.
  void it('are found of scenes in S3', { skip: whyNoS3Server() ?? false }, async () => {
    const server = await startS3Server('tilefan-extents');
    try {
      makeScenes(join(server.root, server.bucket));
      const at = `s3://${server.bucket}/`;
      const job = space.job('s3.json', jobOver({ west: `${at}west.tif`, east: `${at}east.tif` }, `${at}o.tif`));
      const { exitCode, stderr } = await runCli(['run', job, '--work', at], { env: server.env });
      assert.equal(exitCode, 0, stderr);
      assertSize(join(server.root, server.bucket, 'o.tif'));
    } finally {
      await server.stop();
    }
  });
});
