/** `tilefan replay`: a tile of a run once more, as it was. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { runCli, runJob } from '../support/cli.ts';
import { withoutGdal } from '../support/gdal.ts';
import { makeFiles } from '../support/raster-oracle.ts';
import { codeEnv, messageOfCli } from '../support/user-code.ts';
import { createWorkspace } from '../support/workspace.ts';

const space = createWorkspace('replay');
after(() => space.remove());
const work = space.path('work');

function makeRaster(seed: number): void {
  makeFiles(
    `
ds = gdal.GetDriverByName('GTiff').Create(sys.argv[1], 400, 300, 1, gdal.GDT_UInt16, ['TILED=YES'])
ds.SetGeoTransform((5e5, 10, 0, 5e6, 0, -10))
ds.WriteArray(np.random.default_rng(int(sys.argv[2])).integers(0, 5000, (1, 300, 400)).astype(np.uint16))
ds = None`,
    [space.path('a.tif'), String(seed)],
  );
}

const filesOf = (folder: string): string => JSON.stringify(readdirSync(folder, { recursive: true }).map(String).toSorted((a, b) => (a < b ? -1 : 1)));

const functions = {
  py: `
def f(info, inputs, outputs, otherargs):
    print('version one')
    if (info.xblock, info.yblock) == (2, 1):
        raise ValueError('parameter is %d' % otherargs.p)
    outputs.o = inputs.a
    return info.xblock
`,
  ts: `
import { word } from './word.ts';
export function f({ inputs, outputs, info, parameters }: any) {
  console.log(word);
  if (info.tile.column === 2 && info.tile.row === 1) throw new TypeError('parameter is ' + parameters.p);
  outputs.o.set(inputs.a);
  return info.tile.column;
}
`,
};

void describe('tilefan replay', { skip: withoutGdal }, () => {
  before(() => {
    makeRaster(1);
  });

  for (const ending of ['py', 'ts'] as const) {
    // Catches: code, parameters or inputs of today in place of the run's own; outputs that are written; a tile that isn't the one that failed.
    void it(`repeats the tile that failed with the code of the run: ${ending}`, async () => {
      const folder = space.newFolder(ending);
      const write = (source: string, word: string): void => {
        writeFileSync(`${folder}/code.${ending}`, source);
        writeFileSync(`${folder}/word.ts`, `export const word = '${word}';\n`);
      };
      write(functions[ending], 'version one');
      const job = `${folder}/job.json`;
      const document = (p: number): string =>
        JSON.stringify({ inputs: { a: space.path('a.tif') }, grid: { tileSize: 128 }, operation: { module: `code.${ending}`, function: 'f', parameters: { p } }, outputs: { o: { href: 'o.tif', dtype: 'uint16', blockSize: 128 } }, results: { href: 'r.json' } });
      writeFileSync(job, document(41));
      const failed = await runCli(['run', job, '--work', work, '--run', ending, '--workers', '1'], { env: codeEnv });
      assert.equal(failed.exitCode, 70, failed.stderr);
      const before = filesOf(`${work}/runs/${ending}`);
      // All that could be taken by mistake is another now.
      write('raise RuntimeError("the new code")', 'version two');
      writeFileSync(job, document(42));

      const replayed = await runCli(['replay', ending, '--work', work], { env: codeEnv });
      assert.equal(replayed.exitCode, 70, replayed.stderr);
      assert.match(replayed.stdout, /^tile 2,1 \(columns 256 to 383, rows 128 to 255\): failed after/);
      assert.match(replayed.stdout, /stdout:\n {2}version one\n/);
      assert.match(replayed.stdout, /FUNCTION_FAILED: tile 2,1 .*(ValueError|TypeError): parameter is 41/);
      assert.match(replayed.stdout, ending === 'py' ? /code\.py", line 5, in f/ : /code\.ts:5/);
      const byHref = await runCli(['replay', `${work}/runs/${ending}/`, '--tile', '2,1', '--json'], { env: codeEnv });
      assert.deepEqual([byHref.exitCode, (JSON.parse(byHref.stdout) as { error: { code: string } }).error.code], [70, 'FUNCTION_FAILED']);

      const good = await runCli(['replay', ending, '--work', work, '--tile', '3,2', '--json'], { env: codeEnv });
      assert.equal(good.exitCode, 0, good.stderr);
      const report = JSON.parse(good.stdout) as { state: string; result: number; window: object };
      assert.deepEqual([report.state, report.result, report.window], ['SUCCEEDED', 3, { column: 384, row: 256, columns: 16, rows: 44 }]);
      assert.deepEqual(filesOf(`${work}/runs/${ending}`), before, 'nothing is written into the run');
      assert.ok(!existsSync(`${folder}/o.tif`) && !existsSync(`${folder}/r.json`));
    });
  }

  // Catches: a tile that is repeated over other pixels than those of the run, and code that was changed under the run.
  void it('refuses inputs and code that have changed', async () => {
    writeFileSync(space.path('plain.py'), functions.py);
    const job = space.job('plain.json', { inputs: { a: 'a.tif' }, grid: { tileSize: 128 }, operation: { module: 'plain.py', function: 'f', parameters: { p: 1 } }, outputs: { o: { href: 'o.tif', blockSize: 128 } } });
    assert.equal((await runCli(['run', job, '--work', work, '--run', 'changed', '--workers', '1'], { env: codeEnv })).exitCode, 70);
    makeRaster(2);
    const input = await runCli(['replay', 'changed', '--work', work, '--tile', '0,0'], { env: codeEnv });
    assert.equal(input.exitCode, 65, `${input.stdout}${input.stderr}`);
    assert.match(`${input.stdout}${input.stderr}`, /a\.tif has changed since the run was planned/);

    const [code = ''] = readdirSync(`${work}/runs/changed/code`).filter((name) => name.endsWith('.py'));
    rmSync(`${work}/runs/changed/code/${code}`);
    writeFileSync(`${work}/runs/changed/code/${code}`, 'print(1)\n');
    const other = await runCli(['replay', 'changed', '--work', work, '--tile', '0,0'], { env: codeEnv });
    assert.equal(other.exitCode, 65, other.stderr);
    assert.match(messageOfCli(other), /is not the code that the run was planned with: wanted SHA-256 [0-9a-f]{64}/);
  });

  // Catches: a run without failures, or none at all, that ends with a defect of ours.
  // Catches: the first failure that everybody meets, which leaves nothing to look at.
  void it('repeats a trial that failed', async () => {
    writeFileSync(space.path('trial.py'), 'def f(info, inputs, outputs):\n    print("so far")\n    raise KeyError("none")\n');
    const job = space.job('trial.json', { inputs: { a: 'a.tif' }, grid: { tileSize: 128 }, operation: { module: 'trial.py', function: 'f' }, outputs: { o: { href: 'trial.tif', blockSize: 128 } } });
    assert.equal((await runCli(['run', job, '--work', work, '--run', 'trial'], { env: codeEnv })).exitCode, 70);
    writeFileSync(space.path('trial.py'), 'mended\n');
    const again = await runCli(['replay', 'trial', '--work', work], { env: codeEnv });
    assert.equal(again.exitCode, 70);
    for (const words of ['tile 0,0', 'so far', "KeyError: 'none'", 'trial.py:3']) assert.ok(again.stdout.includes(words), again.stdout);
  });

  void it('says what there is not to repeat', async () => {
    const job = space.job('fine.json', { inputs: { a: 'a.tif' }, grid: { tileSize: 128 }, operation: { expression: { o: 'a' } }, outputs: { o: { href: 'o.tif', blockSize: 128 } } });
    await runJob([job, '--work', work, '--run', 'fine']);
    const none = await runCli(['replay', 'fine', '--work', work]);
    assert.equal(none.exitCode, 64);
    assert.match(messageOfCli(none), /no tile of .*fine.* is on record as failed; wanted --tile COLUMN,ROW/);
    const far = await runCli(['replay', 'fine', '--work', work, '--tile', '9,9']);
    assert.match(messageOfCli(far), /there is no tile 9,9: columns are 0 to 3, rows 0 to 2/);
    // Of both commands that take a run of this machine.
    for (const command of ['replay', 'results']) {
      const missing = await runCli([command, 'never', '--work', work]);
      assert.equal(missing.exitCode, 69);
      assert.ok(messageOfCli(missing).includes(`there is no run never under ${work}/runs/ (--work says where runs are)`), missing.stderr);
      const folder = await runCli([command, `${work}/never/`]);
      assert.ok(messageOfCli(folder).includes(`there is no run under ${work}/never/`), folder.stderr);
      assert.doesNotMatch(missing.stderr, /\n\s+at /);
    }
  });
});
