/** User code and conversions where the folder for temporary files is full. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { truncateSync, writeFileSync } from 'node:fs';
import { after, before, describe, it, type TestContext } from 'node:test';
import { runCli } from '../support/cli.ts';
import { withoutGdal } from '../support/gdal.ts';
import { makeFiles } from '../support/raster-oracle.ts';
import { assertSays, codeEnv } from '../support/user-code.ts';
import { createWorkspace } from '../support/workspace.ts';

const space = createWorkspace('full-temporary');
after(() => space.remove());

/** A file system of 1 MB without room. Undefined, and the test skipped with the reason, where this user may mount none. */
function fullDisk(test: TestContext): string | undefined {
  const path = space.newFolder('disk');
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tilefan-test', path], { stdio: 'ignore' });
  } catch {
    const reason = 'no right to mount a tmpfs here';
    test.diagnostic(`skipped: ${reason}`);
    test.skip(reason);
    return undefined;
  }
  after(() => execFileSync('umount', [path]));
  writeFileSync(`${path}/all`, Buffer.alloc(2 ** 20));
  return path;
}

describe('a full folder for temporary files', { skip: withoutGdal }, () => {
  before(() => {
    makeFiles(`ds = gdal.GetDriverByName('GTiff').Create(sys.argv[1], 200, 150, 1, gdal.GDT_Byte)\nds = None`, [space.path('a.tif')]);
    writeFileSync(space.path('f.py'), 'def f(info, inputs, outputs):\n    outputs.o = inputs.a\n');
    writeFileSync(space.path('f.ts'), 'export const f = ({ inputs, outputs }: any) => { outputs.o = inputs.a; };\n');
  });

  // Catches GDAL's word for it, which names no reason, and an exit code that blames the input.
  it('is named when an input that has to be converted finds no room there', async (test) => {
    const disk = fullDisk(test);
    if (disk === undefined) return;
    // Room for a beginning, and not for the whole.
    truncateSync(`${disk}/all`, 2 ** 19);
    makeFiles(`ds = gdal.GetDriverByName('HFA').Create(sys.argv[1], 2000, 1500, 1, gdal.GDT_Byte)\nds.SetGeoTransform((5e5, 10, 0, 5e6, 0, -10))\nds.WriteArray(np.random.default_rng(1).integers(0, 255, (1500, 2000)).astype(np.uint8))\nds = None`, [space.path('a.img')]);
    const job = space.job('convert.json', { inputs: { a: 'a.img' }, operation: { expression: { o: 'a[1]' } }, outputs: { o: { href: 'o.tif', dtype: 'uint8' } } });
    assertSays(await runCli(['run', job, '--work', space.path('work')], { env: { ...process.env, TMPDIR: disk } }), 73, ['OutputError', `The folder for temporary files, ${disk}, cannot be used: there is no room left for a converted input`, 'TMPDIR']);
  });

  // Catches a message without the folder, an exit code that blames the code, and the module that is said to be wrong.
  it('is named, with the variable that chooses it', async (test) => {
    const disk = fullDisk(test);
    if (disk === undefined) return;
    const env = { ...codeEnv, TMPDIR: disk };
    for (const module of ['f.py', 'f.ts']) {
      const job = space.job(`${module}.json`, { inputs: { a: 'a.tif' }, operation: { module, function: 'f' }, outputs: { o: { href: 'o.tif', dtype: 'uint8' } } });
      // oxlint-disable-next-line no-await-in-loop
      assertSays(await runCli(['run', job, '--work', space.path('work')], { env }), 73, ['OutputError', `The folder for temporary files, ${disk}, cannot be used: ENOSPC`, 'TMPDIR']);
      // oxlint-disable-next-line no-await-in-loop
      const tried = await runCli(['try', job], { env });
      assertSays(tried, 73, [`Cannot write ${disk}/tilefan-try-`, 'no space left on the device']);
      assert.doesNotMatch(tried.stderr, /PLAN_REFUSED|operation\.module/);
    }
  });
});
