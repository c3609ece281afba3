/** `tilefan try`: one tile of a job, before anything is started. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { runCli } from '../support/cli.ts';
import { withoutGdal } from '../support/gdal.ts';
import { makeFiles, oracle } from '../support/raster-oracle.ts';
import { codeEnv, messageOfCli } from '../support/user-code.ts';
import { createWorkspace } from '../support/workspace.ts';

const space = createWorkspace('try');
after(() => space.remove());

const functions = {
  py: `
import sys
def f(info, inputs, outputs, otherargs):
    print('column', info.xblock)
    print('careful', file=sys.stderr)
    if info.xblock == otherargs.bad:
        raise LookupError('no tile like this')
    outputs.o = inputs.a * 2.5
    return {'sum': int(inputs.a.sum()), 'shape': inputs.a.shape}
`,
  ts: `
export function f({ inputs, outputs, info, parameters }: any) {
  console.log('column', info.tile.column);
  console.error('careful');
  if (info.tile.column === parameters.bad) throw new RangeError('no tile like this');
  outputs.o.forEach((_: number, i: number) => (outputs.o[i] = inputs.a[i] * 2.5));
  return { sum: inputs.a.reduce((a: number, b: number) => a + b, 0), shape: [inputs.a.bands, inputs.a.rows, inputs.a.cols] };
}
`,
};

function job(ending: 'py' | 'ts', bad = -1, more: object = {}): string {
  writeFileSync(space.path(`code.${ending}`), functions[ending]);
  return space.job(`${ending}.json`, {
    inputs: { a: 'a.tif' },
    grid: { tileSize: 128, halo: 1 },
    operation: { module: `code.${ending}`, function: 'f', parameters: { bad } },
    outputs: { o: { href: 'o.tif', dtype: 'float64', nodata: 0, blockSize: 128 } },
    results: { href: 'results.jsonl' },
    ...more,
  });
}

void describe('tilefan try', { skip: withoutGdal }, () => {
  before(() => {
    makeFiles(
      `
ds = gdal.GetDriverByName('GTiff').Create(sys.argv[1], 300, 200, 1, gdal.GDT_UInt16)
ds.SetGeoTransform((5e5, 10, 0, 5e6, 0, -10))
ds.WriteArray(np.random.default_rng(2).integers(0, 5000, (1, 200, 300)).astype(np.uint16))
ds = None`,
      [space.path('a.tif')],
    );
  });

  for (const ending of ['py', 'ts'] as const) {
    // Catches: another tile than the one asked for, pixels with the margin, prints that are lost, and outputs that are written.
    void it(`shows pixels, prints and result of a tile: ${ending}`, async () => {
      const { exitCode, stdout, stderr } = await runCli(['try', job(ending), '--tile', '2,1', '--json'], { env: codeEnv });
      assert.equal(exitCode, 0, stderr);
      const report = JSON.parse(stdout) as { window: object; state: string; outputs: { dtype: string; bands: { valid: number; minimum: number; maximum: number; mean: number; corner: number[][] }[] }[]; result: unknown; printed: object };
      const wanted = oracle(
        `
a = gdal.Open(sys.argv[1]).ReadAsArray()
part, around = a[128:200, 256:300] * 2.5, np.pad(a, 1)[128:202, 256:302]
answer({'valid': int((part != 0).sum()), 'minimum': part[part != 0].min(), 'maximum': part.max(), 'corner': [[v or None for v in row] for row in part[:4, :4].tolist()], 'sum': int(around.sum())})`,
        [space.path('a.tif')],
      ) as { sum: number };
      const { sum, ...numbers } = wanted;
      assert.deepEqual([report.state, report.window, report.result], ['SUCCEEDED', { column: 256, row: 128, columns: 44, rows: 72 }, { sum, shape: [1, 74, 46] }]);
      const [band] = report.outputs[0]?.bands ?? [];
      assert.ok(band !== undefined && report.outputs.length === 1);
      const { mean, ...rest } = band;
      assert.deepEqual(rest, numbers);
      assert.ok(mean > 0);
      assert.deepEqual(report.printed, { stdout: 'column 2\n', stderr: 'careful\n', stdoutBytes: 9, stderrBytes: 8 });
      assert.deepEqual(['o.tif', 'results.jsonl'].filter((name) => existsSync(space.path(name))), [], 'nothing is written');
    });

    // Catches: a failure that is shown as a success, or without the place in the user's source.
    void it(`shows how a tile fails: ${ending}`, async () => {
      const { exitCode, stdout } = await runCli(['try', job(ending, 1), '--tile', '1,0'], { env: codeEnv });
      assert.equal(exitCode, 70);
      assert.match(stdout, /^tile 1,0 \(columns 128 to 255, rows 0 to 127\): failed after/);
      assert.match(stdout, /stdout:\n {2}column 1\nstderr:\n {2}careful\nFUNCTION_FAILED: tile 1,0 .*(LookupError|RangeError): no tile like this/);
      assert.match(stdout, ending === 'py' ? /File ".*code\.py", line 7, in f/ : /code\.ts:5/);
    });
  }

  // Catches: a plan that needs more than the trial has: text in place of JSON, the wrong file, a tile that isn't there.
  void it('says what it cannot try', async () => {
    const far = await runCli(['try', job('py'), '--tile', '3,0'], { env: codeEnv });
    assert.equal(far.exitCode, 64);
    assert.match(messageOfCli(far), /there is no tile 3,0: columns are 0 to 2, rows 0 to 1/);
    // Catches: another tile that is tried before the one that was asked for.
    const asked = await runCli(['try', job('py', 0), '--tile', '2,1'], { env: codeEnv });
    assert.equal(asked.exitCode, 0, asked.stderr);
    assert.match(asked.stdout, /^tile 2,1 /);
    const first = await runCli(['try', job('py', 0)], { env: codeEnv });
    assert.equal(first.exitCode, 70);
    assert.match(`${first.stdout}${first.stderr}`, /tile 0,0 .*LookupError: no tile like this/);
    const text = await runCli(['try', job('py'), '--tile', 'x'], { env: codeEnv });
    assert.equal(text.exitCode, 64);
    assert.match(messageOfCli(text), /--tile/);
  });

  // Catches: a command that is of use for functions only.
  void it('takes expressions, too', async () => {
    const path = space.job('expression.json', { inputs: { a: 'a.tif' }, grid: { tileSize: 128 }, operation: { expression: { o: 'a * 2' } }, outputs: { o: { href: 'o.tif', blockSize: 128 } } });
    const { exitCode, stdout, stderr } = await runCli(['try', path, '--tile', '0,1']);
    assert.equal(exitCode, 0, stderr);
    assert.match(stdout, /^tile 0,1 .*\no band 1 \(float32\): 9216 valid, min /);
    assert.ok(!existsSync(space.path('o.tif')));
    assert.deepEqual(readdirSync(space.folder).filter((name) => /tmp|partial/.test(name)), []);
  });
});
