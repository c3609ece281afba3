/** Whole runs with results, as a user starts them: through the state machine, with workers. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { runRecord } from '../../../lib/job/records.ts';
import { runCli, type CliResult } from '../../support/cli.ts';
import { withoutGdal } from '../../support/gdal.ts';
import { makeFiles, oracle } from '../../support/raster-oracle.ts';
import { assertSays, batchRecordOf, codeEnv } from '../../support/user-code.ts';
import { createWorkspace } from '../../support/workspace.ts';

const space = createWorkspace('results');
const work = space.path('work');

const modules = {
  'zones.ts': `
import type { TileFunction } from 'tilefan';
interface Zones { pixels: number; sum: number; tiles: string[] }
export const zones: TileFunction = ({ inputs, info }): Zones => {
  let sum = 0;
  for (const value of (inputs as any).a) sum += value;
  return { pixels: (inputs as any).a.length, sum, tiles: [String(info.tile.column) + ',' + String(info.tile.row)] };
};
export function merge(a: Zones, b: Zones): Zones {
  return { pixels: a.pixels + b.pixels, sum: a.sum + b.sum, tiles: [...a.tiles, ...b.tiles] };
}
`,
  'zones.py': `
import os

def zones(info, inputs, outputs):
    return {'pixels': inputs.a.size, 'sum': int(inputs.a.sum()), 'tiles': ['%d,%d' % (info.xblock, info.yblock)]}
def merge(a, b):
    return {'pixels': a['pixels'] + b['pixels'], 'sum': a['sum'] + b['sum'], 'tiles': a['tiles'] + b['tiles']}
def dies(a, b):
    # The trial has three results at most.
    if len(a['tiles']) > 3:
        os._exit(3)
    return merge(a, b)
`,
} as const;

/** 5 x 4 tiles of 128 px in batches of 2 x 2. */
function job(module: keyof typeof modules, name: string, merge: unknown): string {
  return space.job(`${name}.json`, {
    inputs: { a: 'a.tif' },
    grid: { tileSize: 128 },
    operation: { module, function: 'zones' },
    results: { href: name, merge },
    compute: { tilesPerTask: 4 },
  });
}

describe('runs with results', { skip: withoutGdal }, () => {
  before(() => {
    makeFiles(`ds = gdal.GetDriverByName('GTiff').Create(sys.argv[1], 600, 450, 1, gdal.GDT_Int16, ['TILED=YES'])\nds.GetRasterBand(1).WriteArray(np.arange(450 * 600).reshape(450, 600) % 1009)\nds = None`, [space.path('a.tif')]);
    for (const [name, source] of Object.entries(modules)) writeFileSync(space.path(name), source);
  });
  after(() => space.remove());

  /** In the order that is promised: batch by batch, and row by row in each. */
  const order = ['0,0', '1,0', '0,1', '1,1', '2,0', '3,0', '2,1', '3,1', '4,0', '4,1', '0,2', '1,2', '0,3', '1,3', '2,2', '3,2', '2,3', '3,3', '4,2', '4,3'];

  for (const module of ['zones.ts', 'zones.py'] as const) {
    it(`are merged by the user's own function of ${module}, in order`, async () => {
      const run = module.replace('.', '-');
      const { exitCode, stderr, stdout } = await runCli(['run', job(module, `${run}.out.json`, { function: 'merge' }), '--work', work, '--run', run], { env: codeEnv });
      assert.equal(exitCode, 0, stderr);
      const sum = oracle("answer(int(gdal.Open(sys.argv[1]).ReadAsArray().astype('int64').sum()))", [space.path('a.tif')]);
      assert.deepEqual(JSON.parse(readFileSync(space.path(`${run}.out.json`), 'utf8')), { pixels: 600 * 450, sum, tiles: order });
      const record = runRecord.parse(JSON.parse(readFileSync(`${work}/runs/${run}/run.json`, 'utf8')));
      assert.deepEqual({ rows: record.results?.rows, missing: record.results?.missing, outputs: record.outputs, passes: record.passes.map(({ pass, tasks }) => [pass, tasks]), done: record.tiles.done }, {
        rows: 1,
        missing: { tiles: 0, first: [] },
        outputs: [],
        passes: [['results', 1]],
        done: 20,
      });
      assert.match(`${stdout}${stderr}`, /results: .*\.out\.json \(1 row/);
    });
  }

  // Catches: documents of the run that have one name.
  it('may come with an output of the same name', async () => {
    writeFileSync(space.path('both.py'), "def both(info, inputs, outputs):\n    outputs.results = inputs.a\n    return int(inputs.a.sum())\n");
    const path = space.job('both.json', {
      inputs: { a: 'a.tif' },
      operation: { module: 'both.py', function: 'both' },
      outputs: { results: { href: 'both.tif', dtype: 'int16' } },
      results: { href: 'both.out.json', merge: 'sum' },
    });
    for (let i = 0; i < 2; i++) {
      const { exitCode, stderr } = await runCli(['run', path, '--work', work, '--run', 'both'], { env: codeEnv });
      assert.equal(exitCode, 0, stderr);
    }
    const [sum, same] = oracle("a = gdal.Open(sys.argv[1]).ReadAsArray(); answer([int(a.astype('int64').sum()), bool((a == gdal.Open(sys.argv[2]).ReadAsArray()).all())])", [space.path('a.tif'), space.path('both.tif')]) as [number, boolean];
    assert.deepEqual([JSON.parse(readFileSync(space.path('both.out.json'), 'utf8')), same], [sum, true]);
  });

  /** Tiles that the last attempt of the first batch has computed. */
  function computedLast(run: string): number | undefined {
    return batchRecordOf(`${work}/runs/${run}`).attempts.at(-1)?.tilesComputed;
  }

  it('of which the merge dies say so, and are gone on with by the same run id', async () => {
    const path = job('zones.py', 'dies.csv', { function: 'dies' });
    for (let i = 0; i < 2; i++) {
      const { exitCode, stderr } = await runCli(['run', path, '--work', work, '--run', 'dies'], { env: codeEnv });
      assert.equal(exitCode, 70, stderr);
      assert.match(stderr, /function dies.*exit code 3/);
    }
    assert.equal(computedLast('dies'), 0, 'tiles were computed again, though only the merge failed');
  });

  // Catches: hours of tiles that are lost for a merge that can't be changed any more; the value that another merge has made; a finished run that becomes another.
  it('can become something else as long as they are not written', async () => {
    const run = async (name: string, merge: unknown, more: object = {}): Promise<CliResult> => {
      const path = job('zones.py', 'changing.json', merge);
      writeFileSync(path, JSON.stringify({ ...(JSON.parse(readFileSync(path, 'utf8')) as object), results: { href: name, merge }, ...more }));
      return await runCli(['run', path, '--work', work, '--run', 'changing'], { env: codeEnv });
    };
    assertSays(await run('changing.json', { function: 'dies' }), 70, [/function dies.*exit code 3/, '"merge": "list"', '--run changing']);
    // Not a folder that is there, and not another operation: the run stays as it is.
    assertSays(await run('none/changing.json', 'list'), 73, ['$.results.href', 'none']);
    assertSays(await run('changing.json', 'list', { grid: { tileSize: 256 } }), 64, ['(grid, results differ)']);
    const merged = await run('changing.out.json', { function: 'merge' });
    assert.equal(merged.exitCode, 0, merged.stderr);
    assert.deepEqual((JSON.parse(readFileSync(space.path('changing.out.json'), 'utf8')) as { tiles: unknown }).tiles, order);
    assert.equal(computedLast('changing'), 0, 'tiles were computed again');
    assertSays(await run('changing.json', 'list'), 64, ['its results are written']);
  });
});
