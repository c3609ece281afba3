/** What functions keep from tile to tile: RIOS's accumulators, which get lost where tiles are computed at the same time, unless the job says serial. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { recordOf, runCli, runJob, startCli, until, workersOf } from '../support/cli.ts';
import { withoutGdal } from '../support/gdal.ts';
import { makeFiles, oracle } from '../support/raster-oracle.ts';
import { codeEnv } from '../support/user-code.ts';
import { createWorkspace } from '../support/workspace.ts';

const space = createWorkspace('code-state');
after(() => space.remove());
const work = space.path('work');

interface Row {
  readonly column: number;
  readonly row: number;
  readonly value: { readonly total: number; readonly seen: number };
}

/** Row by row; the file has them batch by batch. */
const rowsOf = (path: string): Row[] =>
  readFileSync(path, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Row)
    .toSorted((a, b) => a.row - b.row || a.column - b.column);

function jobFor(name: string, source: string, operation: object, more: object = {}): string {
  writeFileSync(space.path(`${name}.py`), source);
  return space.job(`${name}.json`, { inputs: { a: 'a.tif' }, grid: { tileSize: 128 }, compute: { tilesPerTask: 4 }, operation: { module: `${name}.py`, function: 'f', ...operation }, results: { href: `${name}.jsonl` }, ...more });
}

void describe('state from tile to tile', { skip: withoutGdal }, () => {
  before(() => {
    makeFiles(
      `
ds = gdal.GetDriverByName('GTiff').Create(sys.argv[1], 500, 400, 1, gdal.GDT_UInt16, ['TILED=YES'])
ds.SetGeoTransform((5e5, 10, 0, 5e6, 0, -10))
ds.WriteArray(np.random.default_rng(2).integers(0, 5000, (1, 400, 500)).astype(np.uint16))
ds = None`,
      [space.path('a.tif')],
    );
  });

  const accumulates = `
import os
def f(info, inputs, outputs, otherargs):
    otherargs.total = otherargs.total + int(inputs.a.sum())
    otherargs.seen = otherargs.seen + 1
    marker = getattr(otherargs, 'marker', None)
    if marker and info.yblock == 2 and not os.path.exists(marker):
        open(marker, 'w').write('x')
        while True: pass
    return {'total': otherargs.total, 'seen': otherargs.seen}
`;
  const parameters = { total: 0, seen: 0 };
  const wholeSums = (): number[] => oracle(`a = gdal.Open(sys.argv[1]).ReadAsArray()\nanswer([int(a[y:y + 128, x:x + 128].sum()) for y in range(0, 400, 128) for x in range(0, 500, 128)])`, [space.path('a.tif')]) as number[];

  // Catches: otherargs that one tile leaves to the next, or to the tile of another thread, where nothing promises an order.
  void it('gives each tile its own otherargs', async () => {
    const job = jobFor('own', accumulates, { parameters });
    await runJob([job, '--work', work, '--workers', '2', '--threads', '2'], { env: codeEnv });
    const sums = wholeSums();
    assert.deepEqual(rowsOf(space.path('own.jsonl')).map(({ value }) => value), sums.map((total) => ({ total, seen: 1 })));
  });

  const running = (): { total: number; seen: number }[] => {
    let total = 0;
    return wholeSums().map((sum, i) => ({ total: (total += sum), seen: i + 1 }));
  };

  // Catches: a serial run that is shared out among workers or threads, tiles out of order, and a trial that leaves something.
  void it('keeps otherargs in a serial run, row by row', async () => {
    const job = jobFor('serial', accumulates, { parameters, serial: true });
    await runJob([job, '--work', work, '--workers', '2', '--threads', '2'], { env: codeEnv });
    assert.deepEqual(rowsOf(space.path('serial.jsonl')).map(({ value }) => value), running());
  });

  // Catches: a serial run that goes on in the middle after its worker was lost, with the first half of its state gone.
  void it('begins a serial run anew when its worker is lost', { skip: process.platform === 'linux' ? false : 'needs /proc to find workers' }, async () => {
    const marker = space.path('marker');
    const job = jobFor('lost', accumulates, { parameters: { ...parameters, marker }, serial: true });
    const cli = startCli(['run', job, '--work', space.path('lost'), '--run', 'lost', '--workers', '1', '--json'], { env: codeEnv });
    await until('the tile that hangs', () => existsSync(marker), 60);
    const [worker] = workersOf(space.path('lost'));
    assert.ok(worker !== undefined);
    process.kill(worker.pid, 'SIGKILL');
    assert.deepEqual(recordOf(await cli.ended).batches.retried, [{ batch: 0, attempts: 2 }]);
    assert.deepEqual(rowsOf(space.path('lost.jsonl')).map(({ value }) => value), running());
  });

  // Catches: a serial function in TypeScript whose process is lost between two tiles, and that goes on with what a fresh one has: nothing.
  void it('begins a serial run anew when what kept its state is lost between tiles', async () => {
    const died = space.path('died-between');
    const source = `
import { existsSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers';
let total = 0;
let seen = 0;
export function f({ inputs, info, parameters }: any) {
  for (const value of inputs.a) total += value;
  seen++;
  if (info.tile.column === 1 && info.tile.row === 2 && !existsSync(parameters.died)) {
    writeFileSync(parameters.died, 'x');
    sleep(() => process.kill(process.pid, 'SIGKILL'), 1);
  }
  return { total, seen };
}
`;
    writeFileSync(space.path('between.ts'), source);
    const job = space.job('between.json', { inputs: { a: 'a.tif' }, grid: { tileSize: 128 }, operation: { module: 'between.ts', function: 'f', serial: true, parameters: { died } }, results: { href: 'between.jsonl' } });
    await runJob([job, '--work', work, '--run', 'between', '--workers', '1'], { env: codeEnv });
    assert.ok(existsSync(died));
    assert.deepEqual(rowsOf(space.path('between.jsonl')).map(({ value }) => value), running());
  });

  // Catches: a serial function whose process has died, and that goes on with what is left as if nothing had happened.
  void it('ends a serial run where its code dies, and begins it anew', async () => {
    const source = accumulates.replace('    return', '    if (info.xblock, info.yblock) == (1, 2) and not os.path.exists(otherargs.died):\n        open(otherargs.died, "w").write("x")\n        os._exit(4)\n    return');
    const died = space.path('died');
    const job = jobFor('dies', source, { parameters: { ...parameters, died }, serial: true }, { tolerateFailures: { percentage: 100 } });
    const args = ['run', job, '--work', work, '--run', 'dies', '--workers', '1', '--keep', '--json'];
    const first = recordOf(await runCli(args, { env: codeEnv }));
    const there = rowsOf(space.path('dies.jsonl')).map(({ value }) => value);
    assert.deepEqual([first.tiles.done, first.batches.failed], [there.length, [0]]);
    assert.match(first.errors[0]?.error.message ?? '', /^tile 1,2 .*exit code 4/);
    assert.ok(there.length <= 9, 'nothing comes after the tile that failed');
    assert.deepEqual(there, running().slice(0, there.length));
    recordOf(await runCli(args, { env: codeEnv }));
    assert.deepEqual(rowsOf(space.path('dies.jsonl')).map(({ value }) => value), running());
  });
});
