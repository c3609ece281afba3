/** Workers and whole runs killed at a bad moment: nothing committed is lost or computed twice, nothing keeps running. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { readSegmentIndex } from '../../lib/job/segment.ts';
import { batchRecord } from '../../lib/job/records.ts';
import { FileStore } from '../../lib/store/file-store.ts';
import { fileHref } from '../../lib/store/href.ts';
import { recordOf, runCli, runJob, startCli, until, workersOf } from '../support/cli.ts';
import { withoutGdal } from '../support/gdal.ts';
import { assertNoDifferences, makeFiles } from '../support/raster-oracle.ts';
import { createWorkspace } from '../support/workspace.ts';

const skip = process.platform === 'linux' ? withoutGdal : 'needs /proc to find workers';
const space = createWorkspace('crash');
after(() => space.remove());
const scene = space.path('scene.tif');
const side = 3072;
const tiles = 144;
/** Float64 without compression: 96 MiB of blocks, which is about six segments. */
const outputs = { v: { dtype: 'float64', nodata: -1, compression: 'none', blockSize: 256 } };

function jobFor(folder: string, tilesPerTask: number): string {
  return space.job(`${folder.split('/').at(-1) ?? ''}.json`, {
    inputs: { a: scene },
    grid: { tileSize: 256 },
    compute: { tilesPerTask },
    operation: { expression: { v: '(a[1] * a[1] - 3) / (a[1] + 1)' } },
    outputs: { v: { ...outputs.v, href: `${folder}/v.tif` } },
  });
}

interface Segment {
  readonly name: string;
  readonly modified: number;
  readonly tiles: readonly string[];
}

/** Segments of a run, each with the tiles that it holds. */
async function segmentsOf(work: string, run: string): Promise<Segment[]> {
  const folder = `${work}/runs/${run}/segments/v`;
  if (!existsSync(folder)) return [];
  const store = new FileStore();
  const names = readdirSync(folder).filter((name) => name.endsWith('.seg')).toSorted((a, b) => (a < b ? -1 : 1));
  const segments = await Promise.all(
    names.map(async (name) => {
      const index = await readSegmentIndex(store, await store.stat(fileHref(join(folder, name))));
      return { name, modified: statSync(join(folder, name)).mtimeMs, tiles: index.tiles.map(({ column, row }) => `${String(column)},${String(row)}`) };
    }),
  );
  await store.close();
  return segments;
}

const countSegments = (work: string, run: string): number => {
  const folder = `${work}/runs/${run}/segments/v`;
  return existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith('.seg')).length : 0;
};

const tilesIn = (segments: readonly Segment[]): string[] => segments.flatMap((segment) => segment.tiles);

function assertPixels(file: string): void {
  assertNoDifferences(
    `
source, path = sys.argv[1:]
a, valid = band_values(source)
image = to_dtype((a * a - 3) / (a + 1), valid, 'float64', -1)[None]
answer(check_header(path, source, 1, 'float64', -1, 256) + check_levels(path, image, 'average', -1, 256) + check_statistics(path, image, -1) + check_cog(path))`,
    [scene, file],
  );
}

function attemptsOf(work: string, run: string, batch: number): { state: string; tilesComputed: number; tilesReused: number }[] {
  return batchRecord.parse(JSON.parse(readFileSync(`${work}/runs/${run}/results/${String(batch)}.json`, 'utf8'))).attempts;
}

void describe('processes that are killed', { skip }, () => {
  before(() => {
    makeFiles(
      `
rng = np.random.default_rng(5)
ds = gdal.GetDriverByName('GTiff').Create(sys.argv[1], ${String(side)}, ${String(side)}, 1, gdal.GDT_UInt16, ['TILED=YES'])
ds.SetGeoTransform((5e5, 10, 0, 5e6, 0, -10))
srs = osr.SpatialReference(); srs.ImportFromEPSG(32633); ds.SetProjection(srs.ExportToWkt())
ds.GetRasterBand(1).SetNoDataValue(0)
ds.GetRasterBand(1).WriteArray(rng.integers(0, 9000, (${String(side)}, ${String(side)}), np.uint16))
ds = None`,
      [scene],
    );
  });

  // Catches: a killed worker that ends the run, one that is not seen, tiles lost or made twice, a record that doesn't tell.
  void it('goes on in a second attempt when a worker is killed', async () => {
    const folder = space.newFolder('worker');
    const work = `${folder}/work`;
    const cli = startCli(['run', jobFor(folder, 256), '--work', work, '--run', 'r', '--threads', '1', '--keep', '--json']);
    await until('the first segment', () => countSegments(work, 'r') >= 2);
    const [worker, ...others] = workersOf(work);
    assert.ok(worker !== undefined && others.length === 0);
    // Stopped first, so that nothing is committed between the count and the kill.
    process.kill(worker.pid, 'SIGSTOP');
    const committed = await segmentsOf(work, 'r');
    process.kill(worker.pid, 'SIGKILL');
    const result = await cli.ended;
    const record = recordOf(result);
    const done = tilesIn(committed).length;
    assert.ok(done > 0 && done < tiles, `${String(done)} tiles were committed`);
    assert.deepEqual(record.batches, { total: 1, failed: [], retried: [{ batch: 0, attempts: 2 }] });
    assert.deepEqual(record.tiles, { total: tiles, done: tiles, computed: tiles - done, reused: done });
    assert.deepEqual(
      attemptsOf(work, 'r', 0).map(({ state, tilesComputed, tilesReused }) => [state, tilesComputed, tilesReused]),
      [['RUNNING', 0, 0], ['SUCCEEDED', tiles - done, done]],
    );
    assert.match(result.stderr, /"event":"Attempt:Failed","batch":0,"attempt":1,"exitCode":137,"reason":"[^"]*SIGKILL/);
    assert.match(result.stderr, /"event":"Batch:Retried","batch":0,"attempt":2/);
    const all = await segmentsOf(work, 'r');
    assert.deepEqual(all.slice(0, committed.length), committed, 'segments that were there stay as they are');
    assert.equal(new Set(tilesIn(all)).size, tilesIn(all).length, 'no tile lies in two segments');
    assertPixels(`${folder}/v.tif`);
  });

  // Catches: workers that outlive their run, a run that begins anew instead of going on, or that can't go on because of what was left behind.
  void it('continues a run that was killed as a whole', async () => {
    const folder = space.newFolder('whole');
    const work = `${folder}/work`;
    // Two workers on batches of 64 tiles: when it is killed some batches are finished, some begun, some not.
    const args = [jobFor(folder, 64), '--work', work, '--run', 'r', '--workers', '2', '--threads', '1', '--keep'];
    const cli = startCli(['run', ...args]);
    await until('segments', () => countSegments(work, 'r') >= 3);
    cli.child.kill('SIGKILL');
    await cli.ended;
    await until('the end of the workers', () => workersOf(work).length === 0, 10);
    assert.ok(!existsSync(`${folder}/v.tif`), 'nothing unfinished lies at the output');
    const committed = await segmentsOf(work, 'r');
    const done = tilesIn(committed).length;
    assert.ok(done > 0 && done < tiles, `${String(done)} tiles were committed`);

    const record = await runJob(args);
    assert.deepEqual([record.run, record.tiles.total, record.tiles.done, record.batches.failed], ['r', tiles, tiles, []]);
    const all = await segmentsOf(work, 'r');
    assert.deepEqual(all.filter(({ name }) => committed.some((segment) => segment.name === name)), committed, 'segments that were there stay as they are');
    assert.equal(tilesIn(all).length, tiles, 'each tile was committed once');
    assert.equal(new Set(tilesIn(all)).size, tiles);
    // Workers that found their parent gone had time to say what they had computed, so each tile counts once.
    assert.equal(record.tiles.computed, tiles);
    assert.ok(record.tiles.reused > 0 && record.tiles.reused <= done);
    assertPixels(`${folder}/v.tif`);
    assert.deepEqual(readdirSync(folder).toSorted(), ['v.tif', 'work'], 'no temporary file is left beside the output');

    // Once more: all is done, nothing is computed, the result is the same file.
    const { mtimeMs } = statSync(`${folder}/v.tif`);
    const again = await runJob(args);
    assert.equal(again.tiles.computed, tiles);
    assert.equal(statSync(`${folder}/v.tif`).mtimeMs, mtimeMs);
  });

  // Catches: a run that can't go on when its workers, too, had no time to say anything.
  void it('continues a run whose workers were killed with it', async () => {
    const folder = space.newFolder('both');
    const work = `${folder}/work`;
    const args = [jobFor(folder, 256), '--work', work, '--run', 'r', '--threads', '2', '--keep'];
    const cli = startCli(['run', ...args]);
    await until('the first segment', () => countSegments(work, 'r') >= 1);
    for (const { pid } of workersOf(work)) process.kill(pid, 'SIGSTOP');
    const committed = await segmentsOf(work, 'r');
    cli.child.kill('SIGKILL');
    for (const { pid } of workersOf(work)) process.kill(pid, 'SIGKILL');
    await cli.ended;
    await until('the end of the workers', () => workersOf(work).length === 0, 10);
    const result = await runCli(['run', ...args, '--json']);
    const record = recordOf(result);
    const done = tilesIn(committed).length;
    assert.deepEqual(record.tiles, { total: tiles, done: tiles, computed: tiles - done, reused: done });
    assert.deepEqual(record.batches.retried, [{ batch: 0, attempts: 2 }]);
    assertPixels(`${folder}/v.tif`);
  });

  // Catches: a merge that can't be gone on with, or that leaves its unfinished file for good.
  void it('continues a run that was killed while it merged', async () => {
    const folder = space.newFolder('merge');
    const work = `${folder}/work`;
    const args = [jobFor(folder, 256), '--work', work, '--run', 'r', '--threads', '2'];
    const cli = startCli(['run', ...args]);
    await until('the merge', () => existsSync(`${work}/runs/r/merge/v.json`), 60);
    cli.child.kill('SIGKILL');
    await cli.ended;
    const record = await runJob(args);
    assert.deepEqual([record.tiles.done, record.tiles.computed], [tiles, tiles]);
    assertPixels(`${folder}/v.tif`);
    assert.deepEqual(readdirSync(folder).toSorted(), ['v.tif', 'work'], 'no temporary file is left beside the output');
  });
});
