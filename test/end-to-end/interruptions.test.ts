/** Ctrl-C, and runs that get into each other's way. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, rmSync, statSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { recordOf, runCli, runJob, startCli, until, workersOf } from '../support/cli.ts';
import { withoutGdal } from '../support/gdal.ts';
import { assertNoDifferences, makeFiles } from '../support/raster-oracle.ts';
import { createWorkspace } from '../support/workspace.ts';

const skip = process.platform === 'linux' ? withoutGdal : 'needs /proc to find workers';
const space = createWorkspace('interrupt');
after(() => space.remove());
const scene = space.path('scene.tif');
const tiles = 64;

/** Seconds in which an interrupted run must have ended: 2 are promised, and a busy machine gets as much again. */
const interruptSeconds = 4;

function jobFor(folder: string, tilesPerTask: number): string {
  return space.job(`${folder.split('/').at(-1) ?? ''}.json`, {
    name: 'nd',
    inputs: { a: scene },
    grid: { tileSize: 256 },
    compute: { tilesPerTask },
    operation: { expression: { v: '(a[1] - 4000) / (a[1] + 4000)' } },
    outputs: { v: { href: `${folder}/v.tif`, compression: 'zstd', blockSize: 256 } },
  });
}

function assertResult(file: string): void {
  assertNoDifferences(
    `
source, path = sys.argv[1:]
a, valid = band_values(source)
image = to_dtype((a - 4000) / (a + 4000), valid, 'float32', np.nan)[None]
answer(check_levels(path, image, 'average', np.nan, 256) + check_statistics(path, image, np.nan) + check_cog(path))`,
    [scene, file],
  );
}

void describe('interruptions', { skip }, () => {
  before(() => {
    makeFiles(
      `
ds = gdal.GetDriverByName('GTiff').Create(sys.argv[1], 2048, 2048, 1, gdal.GDT_UInt16, ['TILED=YES', 'SPARSE_OK=TRUE'])
ds.SetGeoTransform((5e5, 10, 0, 5e6, 0, -10))
ds.GetRasterBand(1).SetNoDataValue(0)
ds.GetRasterBand(1).WriteArray(np.random.default_rng(6).integers(0, 9000, (2048, 2048), np.uint16))
ds = None`,
      [scene],
    );
  });

  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    // Catches: a run that ignores Ctrl-C, waits for its batches, leaves workers behind, or can't be continued.
    void it(`ends soon on ${signal}, leaves no process, and can be continued`, async () => {
      const folder = space.newFolder(signal);
      const work = `${folder}/work`;
      const args = [jobFor(folder, 16), '--work', work, '--run', 'r', '--workers', '2', '--threads', '1'];
      const cli = startCli(['run', ...args, '--json']);
      await until('two workers, and a batch that is done', () => workersOf(work).length === 2 && existsSync(`${work}/runs/r/segments/v`), 60);
      const start = performance.now();
      process.kill(cli.pid, signal);
      const { exitCode, stdout, stderr } = await cli.ended;
      const seconds = (performance.now() - start) / 1000;
      assert.equal(exitCode, 130, stderr);
      assert.ok(seconds < interruptSeconds, `it took ${String(seconds)} s`);
      assert.deepEqual(workersOf(work), []);
      assert.deepEqual(JSON.parse(stdout), { run: 'r', state: 'ABORTED', prefix: `file://${work}/runs/r/` });
      assert.match(stderr, /tilefan: stopped; what is finished is kept under .*\n {2}continue with: .*--run r/);
      assert.ok(!existsSync(`${folder}/v.tif`));
      if (signal === 'SIGTERM') return;
      const record = await runJob(args);
      assert.deepEqual([record.tiles.done, record.tiles.computed], [tiles, tiles], 'each tile was computed once');
      assertResult(`${folder}/v.tif`);
      assert.deepEqual(readdirSync(folder).toSorted(), ['v.tif', 'work']);
    });
  }

  // Catches: Ctrl-C before there is anything to stop: an error instead of an end.
  void it('ends on SIGINT while the job is planned', async () => {
    const folder = space.newFolder('early');
    const cli = startCli(['run', jobFor(folder, 16), '--work', `${folder}/work`, '--run', 'r']);
    await until('the first line of progress', () => cli.stderr().includes('Run:Progress'));
    process.kill(cli.pid, 'SIGINT');
    const { exitCode } = await cli.ended;
    assert.equal(exitCode, 130);
    assert.deepEqual(workersOf(folder), []);
  });

  // Catches: two processes on one run that take each other's segments or unfinished files away.
  void it('bears the same run twice at once', async () => {
    const folder = space.newFolder('twins');
    const args = ['run', jobFor(folder, 16), '--work', `${folder}/work`, '--run', 'r', '--threads', '1', '--json'];
    const twins = await Promise.all([runCli(args), runCli(args)]);
    // The one that ends first takes the segments away; the other must then find that the run is finished.
    for (const twin of twins) assert.deepEqual(recordOf(twin).tiles.done, tiles);
    assertResult(`${folder}/v.tif`);
    assert.deepEqual(readdirSync(folder).toSorted(), ['v.tif', 'work']);
  });

  // Catches: a finished run that is computed once more, or that can't be because its segments are gone.
  void it('does nothing for a run that is finished, and does it again when the output is gone', async () => {
    const folder = space.newFolder('again');
    const work = `${folder}/work`;
    const args = [jobFor(folder, 16), '--work', work, '--run', 'r', '--workers', '2', '--threads', '1'];
    const first = await runJob(args);
    const { mtimeMs } = statSync(`${folder}/v.tif`);
    assert.deepEqual(readdirSync(`${work}/runs/r`).filter((name) => name === 'segments'), [], 'segments of a finished run are taken away');
    assert.deepEqual(await runJob(args), first);
    assert.equal(statSync(`${folder}/v.tif`).mtimeMs, mtimeMs);
    rmSync(`${folder}/v.tif`);
    const again = await runJob(args);
    assert.deepEqual([again.tiles.done, again.tiles.computed], [tiles, 2 * tiles]);
    assertResult(`${folder}/v.tif`);
  });

  // Catches: runs of the same job that share more than the output, which the last one wins, whole.
  void it('bears two runs of one job at once', async () => {
    const folder = space.newFolder('rivals');
    const path = jobFor(folder, 32);
    const rivals = await Promise.all(['a', 'b'].map((id) => runCli(['run', path, '--work', `${folder}/work`, '--run', id, '--threads', '1', '--json'])));
    for (const [i, rival] of rivals.entries()) {
      const record = recordOf(rival);
      assert.deepEqual([record.run, record.tiles.computed], [['a', 'b'][i], tiles]);
    }
    assertResult(`${folder}/v.tif`);
    assert.deepEqual(readdirSync(folder).toSorted(), ['v.tif', 'work']);
  });
});
