/** A run whose code has failed, and is continued: what the user is told to do next, and that mended code is not what runs. */
import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { runCli, type CliResult } from '../support/cli.ts';
import { withoutGdal } from '../support/gdal.ts';
import { makeFiles } from '../support/raster-oracle.ts';
import { assertSays, codeEnv, messageOfCli } from '../support/user-code.ts';
import { createWorkspace } from '../support/workspace.ts';

const space = createWorkspace('continued-code');
const work = space.path('work');
const sources = {
  py: (wrong: string) => `def f(info, inputs, outputs):\n    if info.xblock == 1: ${wrong}\n    outputs.o = inputs.a\n`,
  ts: (wrong: string) => `import { check } from './check.ts';\nexport const f = ({ inputs, outputs, info }: any) => {\n  check(info);\n  outputs.o = inputs.a;\n};\n// ${wrong}\n`,
} as const;

async function run(ending: string, id: string): Promise<CliResult> {
  const job = space.job(`${id}.json`, { inputs: { a: 'a.tif' }, grid: { tileSize: 128 }, operation: { module: `f.${ending}`, function: 'f' }, outputs: { o: { href: `${id}.tif`, dtype: 'uint8', blockSize: 128 } } });
  return await runCli(['run', job, '--work', work, '--run', id], { env: codeEnv });
}

describe('a run that is continued', { skip: withoutGdal }, () => {
  before(() => {
    makeFiles(`ds = gdal.GetDriverByName('GTiff').Create(sys.argv[1], 300, 100, 1, gdal.GDT_Byte)\nds = None`, [space.path('a.tif')]);
  });
  after(() => space.remove());

  for (const ending of ['py', 'ts'] as const) {
    // Catches: an error about a line that is there no more, which nothing explains; a message that says to continue what can only fail again; a note where nothing has changed.
    it(`goes on with the code that it began with, and says so: ${ending}`, async () => {
      const check = (wrong: string): void => writeFileSync(space.path('check.ts'), `export const check = (info: any): void => { if (info.tile.column === 1) ${wrong}; };\n`);
      writeFileSync(space.path(`f.${ending}`), sources[ending]("raise ValueError('wrong')"));
      check("throw new RangeError('wrong')");
      const next = [`replay ${ending} --tile 1,0 --work ${work}`, `--run ${ending} continues it with the code that it began with; changed code takes a new run`];
      const first = await run(ending, ending);
      assertSays(first, 70, ['wrong', ...next]);
      const again = await run(ending, ending);
      assertSays(again, 70, ['wrong', ...next]);
      assert.doesNotMatch(messageOfCli(again), /since this run began/);
      // Of the bundle the module alone stays the same.
      if (ending === 'py') writeFileSync(space.path('f.py'), sources.py('pass'));
      else check('return');
      const note = `tilefan: f.${ending} has changed since this run began; the run goes on with the code that it began with, and a new run takes the new code`;
      assertSays(await run(ending, ending), 70, ['wrong', note]);
      rmSync(space.path(`f.${ending}`));
      assertSays(await run(ending, ending), 70, ['wrong', `tilefan: f.${ending} is gone since this run began; the run goes on with the code that it began with`]);
    });
  }

  // Catches: a failed trial that says how to go on with a run that there is none of, or nothing at all.
  it('has a trial that can be replayed', async () => {
    writeFileSync(space.path('f.py'), "def f(info, inputs, outputs):\n    raise ValueError('wrong')\n");
    const failed = await run('py', 'trial');
    assertSays(failed, 70, ['wrong', `replay trial --tile 0,0 --work ${work}`]);
    assert.doesNotMatch(messageOfCli(failed), /continues it/);
    const replayed = await runCli(['replay', 'trial', '--tile', '0,0', '--work', work], { env: codeEnv });
    assert.equal(replayed.exitCode, 70);
    assert.match(replayed.stdout, /ValueError: wrong/);
    writeFileSync(space.path('f.py'), sources.py('pass'));
    const mended = await run('py', 'trial');
    assert.equal(mended.exitCode, 0, mended.stderr);
    assert.doesNotMatch(mended.stderr, /since this run began/);
    assert.match(mended.stderr, /"event":"Trial:Started","code":"f","tile":\[0,0\],"run":"trial"/);
  });
});
