/** One tile that is tried by one task: what split asks for, what the task leaves, and that the state machine does nothing else. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { manifestLine, trialNumber } from '../../lib/job/manifest.ts';
import { split } from '../../lib/job/split.ts';
import type { TileReport } from '../../lib/job/tile-report.ts';
import { readTileReport } from '../../lib/job/try-request.ts';
import type { Json } from '../../local/engine.ts';
import { runLocally } from '../../local/run-locally.ts';
import { gdalPython, withoutGdal } from '../support/gdal.ts';
import { makeFiles, oracle } from '../support/raster-oracle.ts';
import { Bench } from './pipeline.ts';

const bench = new Bench();
after(() => bench[Symbol.asyncDispose]());

const source = `
import numpy as np
def f(info, inputs, outputs, otherargs):
    print('tile', info.xblock, info.yblock)
    if otherargs.bad: raise ValueError('bad luck')
    outputs.o = (inputs.a * 3).astype(np.int16)
    return {'sum': int(inputs.a.sum())}
`;

function jobFor(name: string, bad = 0): Record<string, unknown> {
  return {
    inputs: { a: bench.file('a.tif') },
    grid: { tileSize: 128 },
    operation: { module: bench.file('f.py'), function: 'f', parameters: { bad } },
    outputs: { o: { href: bench.file(`${name}.tif`), blockSize: 128 } },
    results: { href: bench.file(`${name}.json`) },
  };
}

/** Through the state machine, the functions and a worker of its own. */
async function tryThere(name: string, tile: readonly [number, number], job: Record<string, unknown> = jobFor(name)): Promise<{ readonly states: string[]; readonly report: TileReport | undefined; readonly run: string }> {
  const states: string[] = [];
  const work = `file://${bench.folder}/work/`;
  const input = { job, run: name, try: [...tile] } as unknown as Json;
  const result = await runLocally({ input, runId: name, workers: 1, work, env: { TILEFAN_LOCAL_THREADS: '1', TILEFAN_PYTHON: gdalPython }, onEvent: (event) => event.type === 'StateEntered' && states.push(event.state) });
  assert.equal(result.state, 'SUCCEEDED', JSON.stringify(result));
  const run = `${work}runs/${name}/`;
  return { states, report: await readTileReport(bench.store, run), run: `${bench.folder}/work/runs/${name}` };
}

void describe('a tile that is tried by a task', { skip: withoutGdal }, () => {
  before(() => {
    writeFileSync(bench.file('f.py'), source);
    makeFiles(
      `
ds = gdal.GetDriverByName('GTiff').Create(sys.argv[1], 300, 200, 1, gdal.GDT_UInt16)
ds.SetGeoTransform((5e5, 10, 0, 5e6, 0, -10))
ds.WriteArray(np.random.default_rng(2).integers(1, 160, (1, 200, 300)).astype(np.uint16))
ds = None`,
      [bench.file('a.tif')],
    );
  });

  // Catches: a run that goes on with all tiles, another tile than the one asked for, outputs that are written, prints that are lost.
  void it('is computed and reported, and nothing else is done', async () => {
    const { states, report, run } = await tryThere('good', [2, 1]);
    assert.deepEqual(states.filter((state) => ['Split', 'ProcessBatches', 'Reduce'].includes(state)), ['Split', 'ProcessBatches']);
    const wanted = oracle(`a = gdal.Open(sys.argv[1]).ReadAsArray()[128:, 256:].astype(int)\nanswer([a.size, int(a.min()) * 3, int(a.max()) * 3, (a[:4, :4] * 3).tolist(), int(a.sum())])`, [bench.file('a.tif')]) as [number, number, number, number[][], number];
    const [band] = report?.outputs[0]?.bands ?? [];
    assert.deepEqual([report?.state, report?.tile, report?.outputs[0]?.dtype, report?.error, report?.printed?.stdout], ['SUCCEEDED', [2, 1], 'int16', null, 'tile 2 1\n']);
    assert.deepEqual([band?.valid, band?.minimum, band?.maximum, band?.corner, report?.result], [...wanted.slice(0, 4), { sum: wanted[4] }]);
    assert.ok(!existsSync(bench.file('good.tif')) && !existsSync(bench.file('good.json')));
    assert.deepEqual(readdirSync(run).filter((name) => /^plan|^segments|^run\.json/.test(name)), []);
  });

  // Catches: a tile's failure that ends the execution, so that prints and traceback have to be looked for in logs.
  void it('may fail, which is what the report says', async () => {
    const { report } = await tryThere('bad', [1, 0], jobFor('bad', 1));
    assert.deepEqual([report?.state, report?.tile, report?.error?.code, report?.printed?.stdout], ['FAILED', [1, 0], 'FUNCTION_FAILED', 'tile 1 0\n']);
    assert.match(String(report?.error?.message), /bad luck/);
    assert.match(String(report?.error?.where['traceback']), /f\.py/);
  });

  // Catches: expressions, which have no code that would be tried anyway.
  void it('may be one of an expression', async () => {
    const job = { ...jobFor('plain'), operation: { expression: { o: 'a[1] + 1' } }, results: undefined };
    const { report } = await tryThere('plain', [0, 0], job);
    const [least] = oracle(`answer([int(gdal.Open(sys.argv[1]).ReadAsArray()[:128, :128].min()) + 1])`, [bench.file('a.tif')]) as number[];
    assert.equal(report?.outputs[0]?.bands[0]?.minimum, least);
  });

  // Catches: a task that is started for nothing, and a trial that passes for the run of that name.
  void it('is refused before a task is started where there can be none', async () => {
    const environment = { store: bench.store, env: bench.env };
    const asks = await split({ input: { job: jobFor('asks'), run: 'asks', try: [2, 1] }, execution: 'unused' }, environment);
    assert.deepEqual([asks.status, asks.limits.toleratedFailurePercentage], ['TRY', 0]);
    assert.deepEqual(manifestLine.parse(JSON.parse(readFileSync(asks.manifest.key, 'utf8'))), { batch: trialNumber, try: [2, 1] });
    const refused = (job: Record<string, unknown>, run: string, tile: [number, number]): Promise<unknown> => split({ input: { job, run, try: tile }, execution: 'unused' }, environment);
    await assert.rejects(refused(jobFor('out'), 'out', [3, 0]), { code: 'TILE_UNKNOWN', message: /columns are 0 to 2, rows 0 to 1/ });
    await assert.rejects(refused({ ...jobFor('no'), inputs: { a: bench.file('gone.tif') } }, 'no', [0, 0]), { code: 'PLAN_REFUSED', message: /gone\.tif/ });
    await assert.rejects(refused({ items: { parameters: [{ i: 1 }] }, operation: { module: bench.file('f.py'), function: 'f' } }, 'items', [0, 0]), { code: 'JOB_OVER_ITEMS' });
    const { outputs: _, results: __, ...rest } = jobFor('there');
    const whole = { ...rest, operation: { expression: { o: 'a[1]' } }, outputs: { o: { href: bench.file('there.tif'), blockSize: 128 } } };
    await split({ input: { job: whole, run: 'there' }, execution: 'unused' }, environment);
    await assert.rejects(refused(whole, 'there', [0, 0]), { code: 'RUN_EXISTS', message: /an id of its own/ });
  });
});
