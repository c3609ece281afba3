/** The trial of code before the fan-out: what it fixes in the plan, that it is done once, and what it leaves when it fails. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { TilefanError } from '../../lib/base/errors.ts';
import { OneTile } from '../../lib/job/one-tile.ts';
import { manifestLine, trialNumber } from '../../lib/job/manifest.ts';
import { readPlan, type Plan } from '../../lib/job/plan.ts';
import { prepareCode, readTrialPlan } from '../../lib/job/prepare-code.ts';
import { readPrepared } from '../../lib/job/prepared-code.ts';
import { batchRecord } from '../../lib/job/records.ts';
import { split } from '../../lib/job/split.ts';
import { gdalPython, withoutGdal } from '../support/gdal.ts';
import { makeFiles, oracle } from '../support/raster-oracle.ts';
import { Bench } from './pipeline.ts';

const bench = new Bench();
after(() => bench[Symbol.asyncDispose]());
const env = { ...process.env, TILEFAN_PYTHON: gdalPython };
const { signal } = new AbortController();

const source = `
import numpy as np
def f(info, inputs, outputs, otherargs):
    open(otherargs.log, 'a').write('%d,%d\\n' % (info.xblock, info.yblock))
    print('tile', info.xblock, info.yblock)
    if otherargs.log.endswith('bad'): raise ValueError('bad')
    outputs.plain = np.concatenate([inputs.a, inputs.a, inputs.a]).astype(np.int16)
    outputs.asked = inputs.a * 1.5
    return info.xblock
`;

function jobFor(name: string, outputs: object = { plain: {}, asked: { dtype: 'uint8', nodata: 7 } }): Record<string, unknown> {
  return {
    inputs: { a: bench.file('a.tif') },
    grid: { tileSize: 128 },
    operation: { module: bench.file('f.py'), function: 'f', parameters: { log: bench.file(`log-${name}`) } },
    outputs: Object.fromEntries(Object.entries(outputs).map(([output, rest]) => [output, { href: bench.file(`${name}-${output}.tif`), blockSize: 128, ...(rest as object) }])),
    results: { href: bench.file(`${name}.json`) },
  };
}

const calls = (name: string): string[] => readFileSync(bench.file(`log-${name}`), 'utf8').trim().split('\n');

async function preparedPlan(name: string, job: Record<string, unknown>): Promise<Plan> {
  const state = await split({ input: { job, run: name }, execution: 'unused' }, { store: bench.store, env: bench.env, prepareCode: (store, plan) => prepareCode(store, plan, { env, signal }) });
  return await readPlan(bench.store, state.run.href);
}

void describe('the trial of code', { skip: withoutGdal }, () => {
  before(() => {
    writeFileSync(bench.file('f.py'), source);
    makeFiles(
      `
ds = gdal.GetDriverByName('GTiff').Create(sys.argv[1], 300, 200, 1, gdal.GDT_UInt16)
ds.SetGeoTransform((5e5, 10, 0, 5e6, 0, -10))
ds.WriteArray(np.random.default_rng(2).integers(0, 160, (1, 200, 300)).astype(np.uint16))
ds = None`,
      [bench.file('a.tif')],
    );
  });

  // Catches: types and bands of the first tile that don't reach the plan, or overrule the job; code that isn't kept as it was.
  void it('decides on types and bands that the job leaves open, and keeps the code by its content', async () => {
    const plan = await preparedPlan('here', jobFor('here'));
    assert.deepEqual(plan.outputs.map(({ name, dtype, bands, nodata }) => ({ name, dtype, bands, nodata })), [
      { name: 'plain', dtype: 'int16', bands: 3, nodata: null },
      { name: 'asked', dtype: 'uint8', bands: 1, nodata: 7 },
    ]);
    const sha256 = createHash('sha256').update(source).digest('hex');
    assert.deepEqual(plan.code, { kind: 'module', runtime: 'python', href: `${plan.state.run.href}code/${sha256}.py`, sha256 });
    assert.equal(readFileSync(fileURLToPath(plan.code?.href ?? ''), 'utf8'), source);
    assert.deepEqual(calls('here'), ['0,0'], 'one tile, once');
    const asked = await preparedPlan('asked', jobFor('asked', { plain: { dtype: 'float64', bands: 3 }, asked: {} }));
    assert.deepEqual(asked.outputs.map(({ dtype, bands }) => [dtype, bands]), [['float64', 3], ['float64', 1]]);
  });

  // Catches: on AWS, a split that runs user code itself, or plans without the trial; a trial for each call of split.
  void it('is asked of a worker where split has not what the code needs, and is done once', async () => {
    const job = jobFor('there');
    const environment = { store: bench.store, env: bench.env };
    const asks = await split({ input: { job, run: 'there' }, execution: 'unused' }, environment);
    assert.equal(asks.status, 'CONVERT');
    assert.equal(asks.limits.toleratedFailurePercentage, 0);
    const lines = readFileSync(asks.manifest.key, 'utf8').trim().split('\n').map((line) => manifestLine.parse(JSON.parse(line)));
    assert.deepEqual(lines, [{ batch: trialNumber, prepare: true }]);
    assert.equal(await readPrepared(bench.store, asks.run.href), undefined);
    const prepared = await prepareCode(bench.store, (await readTrialPlan(bench.store, asks.run.href)) ?? assert.fail(), { env, signal });
    // The code of another day: what was tried is what runs.
    writeFileSync(bench.file('f.py'), 'raise RuntimeError()');
    assert.deepEqual(await prepareCode(bench.store, (await readTrialPlan(bench.store, asks.run.href)) ?? assert.fail(), { env, signal }), prepared);
    const done = await split({ input: { job, run: 'there' }, execution: 'unused' }, environment);
    writeFileSync(bench.file('f.py'), source);
    assert.notEqual(done.status, 'CONVERT');
    const plan = await readPlan(bench.store, done.run.href);
    assert.deepEqual(plan.outputs.map(({ dtype, bands }) => [dtype, bands]), [['int16', 3], ['uint8', 1]]);
    assert.equal(plan.code?.sha256, createHash('sha256').update(source).digest('hex'));
    assert.deepEqual(calls('there'), ['0,0']);
  });

  // Catches: a failed trial that counts as one, leaves a plan behind, or loses what the code has said.
  void it('leaves a record and no plan when the code fails', async () => {
    const failing = preparedPlan('bad', jobFor('bad'));
    await assert.rejects(failing, (error: unknown) => {
      assert.ok(error instanceof TilefanError);
      assert.equal(error.code, 'FUNCTION_FAILED');
      assert.match(error.message, /^tile 0,0 \(columns 0 to 127, rows 0 to 127\): function f at f\.py:6: ValueError: bad/);
      return true;
    });
    const run = `${bench.folder}/work/runs/bad`;
    const record = batchRecord.parse(JSON.parse(readFileSync(`${run}/results/${String(trialNumber)}.json`, 'utf8')));
    assert.deepEqual([record.state, record.error?.code, record.error?.where['stdout'], record.error?.where['line']], ['FAILED', 'FUNCTION_FAILED', 'tile 0 0\n', 6]);
    assert.ok(!readdirSync(run).includes('plan.json'));
    assert.ok(!readdirSync(`${run}/code`).includes('prepared.json'));
  });

  // Catches: a tile by itself that differs from that of a run, and descriptors that are closed twice.
  void it('computes one tile by itself', async () => {
    const plan = await preparedPlan('one', jobFor('one'));
    const tile = await OneTile.open(bench.store, plan, { column: 2, row: 1 }, env);
    assert.deepEqual((await tile.probe()).outputs, [{ dtype: 'int16', bands: 3 }, { dtype: 'float64', bands: 1 }]);
    const { window, outputs, value } = await tile.compute();
    assert.deepEqual([window, value, tile.printed], [{ column: 256, row: 128, columns: 44, rows: 72 }, 2, { stdout: 'tile 2 1\n', stderr: '', stdoutBytes: 9, stderrBytes: 0 }]);
    const wanted = oracle(`a = gdal.Open(sys.argv[1]).ReadAsArray()[128:, 256:]\nanswer([a.ravel().tolist(), np.rint(a * 1.5).clip(0, 255).ravel().tolist()])`, [bench.file('a.tif')]) as number[][];
    const [plain, asked] = outputs;
    assert.deepEqual(plain?.bands.map((band) => [...band]), [wanted[0], wanted[0], wanted[0]]);
    assert.deepEqual([...(asked?.bands[0] ?? [])], wanted[1]);
    await Promise.all([tile.close(), tile.close()]);
    await tile.close();
  });
});
