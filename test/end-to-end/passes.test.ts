/** Overview passes with real workers: two passes, a worker killed in the middle of one, one that is told to stop. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { batchRecord } from '../../lib/job/records.ts';
import { recordOf, runCli, startCli, until, workersOf } from '../support/cli.ts';
import { withoutGdal } from '../support/gdal.ts';
import { assertNoDifferences, makeFiles } from '../support/raster-oracle.ts';
import { createWorkspace } from '../support/workspace.ts';

const skip = process.platform === 'linux' ? withoutGdal : 'needs /proc to find workers';
const space = createWorkspace('passes');
after(() => space.remove());
const scene = space.path('scene.tif');
const side = 2048;

interface Shape {
  readonly blockSize: number;
  readonly tilesPerTask: number;
}

function jobFor(name: string, { blockSize, tilesPerTask }: Shape): string {
  return space.job(`${name}.json`, {
    inputs: { a: scene },
    grid: { tileSize: blockSize },
    compute: { tilesPerTask },
    operation: { expression: { v: ['a[1] * 1.1', 'a[1] / 7'] } },
    outputs: { v: { href: space.path(`${name}.tif`), dtype: 'float64', compression: 'deflate', level: 6, blockSize } },
  });
}

function assertPixels(name: string, blockSize: number): void {
  assertNoDifferences(
    `
b = gdal.Open(sys.argv[1]).ReadAsArray().astype(np.float64)
a = np.stack([b * 1.1, b / 7])
answer(check_levels(sys.argv[2], a, 'average', np.nan, ${String(blockSize)}) + check_cog(sys.argv[2]))`,
    [scene, space.path(`${name}.tif`)],
  );
}

/** Segments of upper levels that workers have written, with when. */
function upperSegments(work: string, run: string): string[] {
  const folder = `${work}/runs/${run}/pyramids`;
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => /1\d{6}-\d{5}\.seg$/.test(name))
    .map((name) => `${name} ${String(statSync(join(folder, name)).mtimeMs)}`);
}

void describe('overview passes', { skip }, () => {
  before(() => {
    makeFiles(
      `
rng = np.random.default_rng(8)
ds = gdal.GetDriverByName('GTiff').Create(sys.argv[1], ${String(side)}, ${String(side)}, 1, gdal.GDT_UInt16, ['TILED=YES'])
ds.SetGeoTransform((5e5, 10, 0, 5e6, 0, -10))
srs = osr.SpatialReference(); srs.ImportFromEPSG(32633); ds.SetProjection(srs.ExportToWkt())
ds.GetRasterBand(1).WriteArray(rng.integers(0, 60000, (${String(side)}, ${String(side)}), np.uint16))
ds = None`,
      [scene],
    );
  });

  // Catches: a state machine, manifest, worker or record that doesn't know the passes, and levels that depend on them.
  void it('make the levels in two passes', async () => {
    // 16 batches of 4 x 4 tiles; a pass of 2 x 2 blocks leaves 4, the next the last one.
    const shape = { blockSize: 128, tilesPerTask: 16 };
    const args = ['--work', space.path('work'), '--keep', '--threads', '1', '--workers', '2'];
    const two = recordOf(await runCli(['run', jobFor('two', shape), ...args, '--run', 'two', '--json'], { env: { TILEFAN_REDUCE_BLOCKS: '1' } }));
    assert.deepEqual(two.passes, [{ pass: 'overviews-1', tasks: 4, retried: [] }, { pass: 'overviews-2', tasks: 1, retried: [] }]);
    assert.deepEqual([two.batches.total, two.batches.failed, two.tiles.computed], [16, [], two.tiles.total]);
    const record = batchRecord.parse(JSON.parse(readFileSync(space.path('work/runs/two/results/1000003.json'), 'utf8')));
    assert.deepEqual([record.state, record.tiles, record.task], ['SUCCEEDED', 0, 'levels 3 to 3 of v, above blocks 2,2 to 3,3']);
    assertPixels('two', shape.blockSize);
  });

  // Catches: a killed or stopped task that ends the run, that isn't repeated, or whose finished blocks are lost or written twice.
  for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
    void it(`go on when a worker gets ${signal}`, async () => {
      const name = signal.toLowerCase();
      const work = space.path(`work-${name}`);
      // 16 batches of one tile, whose blocks are so large that the one task of the pass commits on the way.
      const shape = { blockSize: 512, tilesPerTask: 1 };
      const args = ['run', jobFor(name, shape), '--work', work, '--run', 'r', '--threads', '1', '--keep', '--json'];
      const cli = startCli(args, { env: { TILEFAN_REDUCE_BLOCKS: '16' } });
      // One is killed when it has committed something, the other is told to stop when it has begun.
      const begun = signal === 'SIGKILL' ? () => upperSegments(work, 'r').length > 0 : () => existsSync(`${work}/runs/r/results/1000000.json`);
      await until('the task of the pass', begun, 120);
      const worker = workersOf(work).find(({ environment }) => environment.includes('"pyramid"'));
      assert.ok(worker !== undefined, 'the task is at work');
      process.kill(worker.pid, 'SIGSTOP');
      const committed = upperSegments(work, 'r');
      process.kill(worker.pid, signal);
      // SIGKILL doesn't wait for it, and may leave nobody to send it to.
      if (signal !== 'SIGKILL') process.kill(worker.pid, 'SIGCONT');
      const record = recordOf(await cli.ended);
      assert.deepEqual(record.passes, [{ pass: 'overviews-1', tasks: 1, retried: [{ batch: 1_000_000, attempts: 2 }] }]);
      const { attempts } = batchRecord.parse(JSON.parse(readFileSync(`${work}/runs/r/results/1000000.json`, 'utf8')));
      assert.deepEqual(attempts.map(({ state }) => state), [signal === 'SIGKILL' ? 'RUNNING' : 'FAILED', 'SUCCEEDED']);
      assert.deepEqual(upperSegments(work, 'r').filter((segment) => committed.includes(segment)), committed, 'what was committed stays');
      assertPixels(name, shape.blockSize);
    });
  }
});
