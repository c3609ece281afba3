/** Results that can't be merged: what the run says of it, and that what is finished is said to be there. */
import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { runCli, type CliResult } from '../support/cli.ts';
import { withoutGdal } from '../support/gdal.ts';
import { makeFiles } from '../support/raster-oracle.ts';
import { assertSays, codeEnv, messageOfCli } from '../support/user-code.ts';
import { createWorkspace } from '../support/workspace.ts';

const space = createWorkspace('merge-failures');
after(() => space.remove());

const modules = {
  'merge.py': `def f(info, inputs, outputs):
    outputs.o = inputs.a
    return {'at': [info.xblock, info.yblock]}

def g(info, inputs, outputs):
    outputs.o = inputs.a
    return {'n': [1] if (info.xblock, info.yblock) == (1, 1) else 1}

def merge(a, b):
    if b['at'] == [1, 1]:
        raise KeyError('no such class')
    return b
`,
  'merge.ts': `export function f({ inputs, outputs, info }: any) {
  outputs.o = inputs.a;
  return { at: [info.tile.column, info.tile.row] };
}
export function merge(a: any, b: any) {
  if (b.at[0] === 1 && b.at[1] === 1) throw new RangeError('no such class');
  return b;
}
`,
} as const;

async function runMerge(name: string, module: string, called: string, merge: unknown): Promise<CliResult> {
  const job = space.job(`${name}.json`, {
    inputs: { a: 'a.tif' },
    grid: { tileSize: 128 },
    operation: { module, function: called },
    outputs: { o: { href: `${name}.tif`, dtype: 'uint8', nodata: null, blockSize: 128, statistics: false } },
    results: { href: `${name}-results.json`, merge },
    compute: { tilesPerTask: 64 },
  });
  return await runCli(['run', job, '--work', space.path('work'), '--run', name, '--workers', '1', '--threads', '1'], { env: codeEnv });
}

void describe('results that can\'t be merged', { skip: withoutGdal }, () => {
  before(() => {
    // 3 x 2 tiles.
    makeFiles(`
ds = gdal.GetDriverByName('GTiff').Create(sys.argv[1], 384, 256, 1, gdal.GDT_Byte, ['TILED=YES', 'BLOCKXSIZE=128', 'BLOCKYSIZE=128'])
ds.SetGeoTransform((5e5, 10, 0, 5e6, 0, -10))
ds.WriteArray(np.full((1, 256, 384), 7, np.uint8))
ds = None`, [space.path('a.tif')]);
    for (const [file, source] of Object.entries(modules)) writeFileSync(space.path(file), source);
  });

  for (const ending of ['py', 'ts'] as const) {
    // Catches: the number of a task where words are wanted, values that met of which nobody knows whose they are, and finished files that nobody knows of.
    void it(`says what failed, on which tiles' values, and what is there all the same: ${ending}`, async () => {
      const name = `own-${ending}`;
      const result = await runMerge(name, `merge.${ending}`, 'f', { function: 'merge' });
      assertSays(result, 70, [
        /^\s*Merging the results failed for good in attempt 1 \(exit code 70, FUNCTION_FAILED\)/m,
        `function merge at merge.${ending}:${ending === 'py' ? '11' : '6'}`,
        'no such class',
        'the value of tile 1,1, and what the values of 4 tiles before it had come to',
        `finished and there all the same: o (${space.path(`${name}.tif`)})`,
      ]);
      assert.doesNotMatch(messageOfCli(result), /[Bb]atch 999999/);
      assert.ok(existsSync(space.path(`${name}.tif`)));
      const replay = await runCli(['replay', name, '--work', space.path('work')], { env: codeEnv });
      assertSays(replay, 64, ['no tile of', 'is on record as failed']);
    });
  }

  // Catches: the same of a merge that is ours.
  void it('says what is there when a merge of ours refuses a value', async () => {
    assertSays(await runMerge('ours', 'merge.py', 'g', 'histogram'), 70, ['the result of tile 1,1', 'n is an array of 1', `finished and there all the same: o (${space.path('ours.tif')})`]);
  });
});
