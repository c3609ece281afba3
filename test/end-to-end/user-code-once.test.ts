/** Results of ten thousand tiles while workers, code processes and the run itself are killed: none is lost, none counts twice, and what is committed is not computed again. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { batchRecord } from '../../lib/job/records.ts';
import { recordOf, runCli, startCli, until, workersOf } from '../support/cli.ts';
import { withoutGdal } from '../support/gdal.ts';
import { assertNoDifferences, makeFiles } from '../support/raster-oracle.ts';
import { codeEnv } from '../support/user-code.ts';
import { createWorkspace } from '../support/workspace.ts';

const skip = process.platform === 'linux' ? withoutGdal : 'needs /proc to find workers';
const space = createWorkspace('code-once');
after(() => space.remove());
const work = space.path('work');

/** Tiles on each side, and tiles on each side of a batch. */
const side = 100;
const batchSide = 32;
const batches = Math.ceil(side / batchSide) ** 2;

/** What goes wrong at a tile, call by call. The parent of a code process is its worker. */
type Fault = 'kill-worker' | 'stop-worker' | 'kill-self' | 'exit' | 'raise' | 'hang';
const ofCode: ReadonlySet<Fault> = new Set(['kill-self', 'exit', 'raise', 'hang']);

/** By batch, in places that differ from one to the next. No batch has faults of both kinds, nor a worker that is killed twice (which is too much for a batch), so that it is known which tiles are missing at last. */
const script: Readonly<Record<number, readonly (readonly Fault[])[]>> = {
  0: [['raise']],
  1: [['kill-worker']],
  2: [['raise'], ['kill-self'], ['exit']],
  3: [['kill-worker']],
  5: [['stop-worker'], ['stop-worker']],
  6: [['hang']],
  7: [['stop-worker']],
  8: [['kill-worker']],
  9: [['kill-self'], ['kill-self']],
  10: [['exit'], ['raise'], ['raise'], ['exit']],
  12: [['kill-worker']],
  13: [['raise']],
  14: [['kill-self', 'exit']],
  15: [['stop-worker']],
};

function tileOf(batch: number, index: number): string {
  const across = Math.ceil(side / batchSide);
  const place = (37 * batch + 5 * index + 3) % 16;
  return `${String((batch % across) * batchSide + (place % 4))},${String(Math.floor(batch / across) * batchSide + (Math.floor(place / 4) % 4))}`;
}

function batchOf(tile: string): number {
  const [column = 0, row = 0] = tile.split(',').map(Number);
  return Math.floor(row / batchSide) * Math.ceil(side / batchSide) + Math.floor(column / batchSide);
}

const faults = new Map(Object.entries(script).flatMap(([batch, each]) => each.map((calls, index): [string, readonly Fault[]] => [tileOf(Number(batch), index), calls])));

const source = `
import os, signal, time

def f(info, inputs, outputs, otherargs):
    at = '%d,%d' % (info.xblock, info.yblock)
    log = os.open(otherargs.folder + '/calls', os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(log, (at + '\\n').encode())
    os.close(log)
    for number, fault in enumerate(otherargs.faults.get(at, [])):
        try:
            os.close(os.open('%s/faults/%s.%d' % (otherargs.folder, at, number), os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            continue
        if fault == 'kill-worker':
            os.kill(os.getppid(), signal.SIGKILL)
            time.sleep(60)
        elif fault == 'stop-worker':
            os.kill(os.getppid(), signal.SIGTERM)
            time.sleep(0.2)
            break
        elif fault == 'kill-self':
            os.kill(os.getpid(), signal.SIGKILL)
        elif fault == 'exit':
            os._exit(0)
        elif fault == 'hang':
            while True: pass
        else:
            raise RuntimeError('scripted')
    return {'sum': int(inputs.a.sum()), 'first': int(inputs.a[0, 0, 0])}
`;

/** How often the function was called for each tile. */
function callsOf(folder: string): Map<string, number> {
  const counts = new Map<string, number>();
  for (const tile of readFileSync(`${folder}/calls`, 'utf8').trim().split('\n')) counts.set(tile, (counts.get(tile) ?? 0) + 1);
  return counts;
}

const callCount = (folder: string): number => (existsSync(`${folder}/calls`) ? readFileSync(`${folder}/calls`, 'utf8').split('\n').length - 1 : 0);

void describe('ten thousand tiles', { skip }, () => {
  const scene = space.path('scene.tif');
  before(() => {
    makeFiles(
      `
n = ${String(side * 128)}
ds = gdal.GetDriverByName('GTiff').Create(sys.argv[1], n, n, 1, gdal.GDT_Byte, ['TILED=YES', 'BLOCKXSIZE=128', 'BLOCKYSIZE=128', 'COMPRESS=ZSTD', 'ZSTD_LEVEL=1'])
ds.SetGeoTransform((5e5, 10, 0, 5e6, 0, -10))
x = np.arange(n)
for top in range(0, n, 128):
    y = np.arange(top, top + 128)[:, None]
    ds.GetRasterBand(1).WriteArray(((31 * x + 17 * y + (x // 128) * (y // 128)) & 255).astype(np.uint8), 0, top)
ds = None`,
      [scene],
    );
  });

  // Catches: a result that is lost with its worker, one that counts twice, tiles that are computed again though they are committed, a failure that takes others along, and a record that doesn't tell.
  void it('gives each result once, whatever is killed', async (test) => {
    const folder = space.newFolder('once');
    mkdirSync(`${folder}/faults`);
    writeFileSync(`${folder}/code.py`, source);
    const job = `${folder}/job.json`;
    writeFileSync(
      job,
      JSON.stringify({
        inputs: { a: scene },
        grid: { tileSize: 128 },
        compute: { tilesPerTask: batchSide ** 2 },
        operation: { module: 'code.py', function: 'f', parameters: { folder, faults: Object.fromEntries(faults) }, tileTimeout: '4s' },
        results: { href: 'results.jsonl' },
        tolerateFailures: { percentage: 50 },
      }),
    );
    const args = ['run', job, '--work', work, '--run', 'r', '--workers', '2', '--threads', '1', '--keep', '--json'];

    // The run itself is killed once.
    const first = startCli(args, { env: codeEnv });
    await until('some tiles', () => callCount(folder) > 3500, 100);
    first.child.kill('SIGKILL');
    await first.ended;
    await until('the end of the workers', () => workersOf(work).length === 0, 30);
    const before = callCount(folder);
    assert.ok(before < 9000, 'there is something left to do');

    // Then it goes on. Tiles that the function fails on are missing; workers that are lost are not, their batches are done again.
    const occurred = new Set(readdirSync(`${folder}/faults`));
    const failing = [...faults].filter(([tile, calls]) => calls.some((fault, number) => ofCode.has(fault) && !occurred.has(`${tile}.${String(number)}`))).map(([tile]) => tile);
    const second = recordOf(await runCli(args, { env: codeEnv }));
    assert.ok(failing.length >= 4);
    assert.deepEqual([second.tiles.total, second.tiles.done], [side ** 2, side ** 2 - failing.length]);
    assert.deepEqual([second.results?.rows, second.results?.missing.tiles], [side ** 2 - failing.length, failing.length]);
    assert.deepEqual(second.batches.failed, [...new Set(failing.map(batchOf))].toSorted((a, b) => a - b));
    const named = second.errors.flatMap(({ error: { where } }) => (where['failedTiles'] as { tile: number[] }[] | undefined)?.map(({ tile }) => tile.join()) ?? [(where['tile'] as number[]).join()]);
    assert.deepEqual(named.toSorted((a, b) => a.localeCompare(b)), failing.toSorted((a, b) => a.localeCompare(b)));

    // And again, until all of them are there: a tile that fails twice needs it twice.
    const callsBefore = callsOf(folder);
    const third = recordOf(await runCli(args, { env: codeEnv }));
    const again = [...callsOf(folder)].filter(([tile, count]) => count > (callsBefore.get(tile) ?? 0)).map(([tile]) => tile);
    assert.deepEqual(again.toSorted((a, b) => a.localeCompare(b)), failing.toSorted((a, b) => a.localeCompare(b)), 'only what had failed is computed again');
    const last = third.tiles.done === side ** 2 ? third : recordOf(await runCli(args, { env: codeEnv }));
    assert.deepEqual([last.tiles.done, last.results?.rows, last.results?.missing.tiles, last.batches.failed], [side ** 2, side ** 2, 0, []], JSON.stringify(last.errors));
    assert.equal(readdirSync(`${folder}/faults`).length, [...faults.values()].flat().length, 'everything has gone wrong that was to');

    assertNoDifferences(
      `
scene, path = sys.argv[1:]
a = gdal.Open(scene).ReadAsArray()
n = a.shape[0] // 128
sums = a.reshape(n, 128, n, 128).sum((1, 3), dtype=np.int64)
rows = [json.loads(line) for line in open(path)]
out = []
if len(rows) != n * n: out.append('%d rows' % len(rows))
if len({(row['column'], row['row']) for row in rows}) != n * n: out.append('rows that are twice there')
if sum(row['value']['sum'] for row in rows) != a.sum(dtype=np.int64): out.append('the sum of all is wrong')
for row in rows:
    x, y = row['column'], row['row']
    if row['value'] != {'sum': int(sums[y, x]), 'first': int(a[128 * y, 128 * x])}: out.append('%d,%d: %s' % (x, y, row))
answer(out[:5])`,
      [scene, `${folder}/results.jsonl`],
    );

    // Where no worker was killed, each tile was computed once, and once more for each time that it failed.
    const killed = new Set([...faults].filter(([, calls]) => calls.includes('kill-worker')).map(([tile]) => batchOf(tile)));
    const calls = callsOf(folder);
    assert.equal(calls.size, side ** 2);
    const wrong = [...calls].flatMap(([tile, count]) => {
      const failed = (faults.get(tile) ?? []).filter((fault) => ofCode.has(fault)).length;
      const trial = tile === '0,0' ? 1 : 0;
      const most = killed.has(batchOf(tile)) ? 4 : 1 + failed + trial;
      return count > most || count < 1 + failed + trial ? [`${tile}: ${String(count)} calls`] : [];
    });
    assert.deepEqual(wrong.slice(0, 10), []);

    // The records of the batches say the same.
    const records = Array.from({ length: batches }, (_, batch) => batchRecord.parse(JSON.parse(readFileSync(`${work}/runs/r/results/${String(batch)}.json`, 'utf8'))));
    assert.ok(records.every(({ state }) => state === 'SUCCEEDED'));
    for (const { batch, tiles, attempts } of records) {
      const computed = attempts.reduce((sum, { tilesComputed }) => sum + tilesComputed, 0);
      assert.equal(computed, tiles, `batch ${String(batch)}`);
    }
    test.diagnostic(`${String([...calls.values()].reduce((sum, count) => sum + count, 0))} calls for ${String(side ** 2)} tiles, ${String(records.reduce((sum, { attempts }) => sum + attempts.length, 0))} attempts for ${String(batches)} batches`);
  });
});
