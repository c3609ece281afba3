import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { after, describe, it } from 'node:test';
import { JobError } from '../../lib/base/errors.ts';
import { makePlan } from '../../lib/job/make-plan.ts';
import { plan as planSchema, tilingOf, type Plan } from '../../lib/job/plan.ts';
import type { PreparedCode } from '../../lib/job/prepared-code.ts';
import type { Problem } from '../../lib/job/problems.ts';
import { resolveJob } from '../../lib/job/resolve.ts';
import { readSettings } from '../../lib/job/settings.ts';
import { batchCount } from '../../lib/job/tiling.ts';
import { parseJobSpec } from '../../lib/job/validate.ts';
import { allocateSamples, type Dtype } from '../../lib/raster/dtype.ts';
import type { NumpyArray } from '../support/arrays.ts';
import { withoutGdal } from '../support/gdal.ts';
import { Bench, hrefOfFile, writeInputs } from './pipeline.ts';

function zeros(dtype: Dtype, bands: number, rows: number, columns: number): NumpyArray {
  return { dtype, shape: [bands, rows, columns], samples: allocateSamples(dtype, bands * rows * columns) };
}

const bench = new Bench();
after(() => bench[Symbol.asyncDispose]());

if (withoutGdal === false) {
  const arrays = { byte: zeros('uint8', 3, 200, 300), small: zeros('uint8', 1, 200, 299), short: zeros('int16', 1, 200, 300), float: zeros('float32', 1, 200, 300) };
  writeInputs(bench.folder, arrays, [
    { name: 'rgb.tif', array: 'byte' },
    { name: 'same.tif', array: 'short', nodata: -32_768 },
    { name: 'zero.tif', array: 'byte', nodata: 0 },
    { name: 'minus.tif', array: 'short', nodata: -1 },
    { name: 'float.tif', array: 'float', nodata: Number.NaN },
    { name: 'masked.tif', array: 'byte', script: 'ds.CreateMaskBand(gdal.GMF_PER_DATASET)' },
    { name: 'narrow.tif', array: 'small' },
    { name: 'shifted.tif', array: 'byte', script: 'ds.SetGeoTransform((300015, 30, 0, 4500000, 0, -30))' },
    { name: 'nearly.tif', array: 'byte', script: 'ds.SetGeoTransform((300000.1, 30, 0, 4500000, 0, -30))' },
    { name: 'mercator.tif', array: 'byte', script: 'srs2 = osr.SpatialReference(); srs2.ImportFromEPSG(3857); ds.SetSpatialRef(srs2)' },
    { name: 'bare.tif', array: 'byte', script: "ds = gdal.GetDriverByName('GTiff').Create(facts['folder'] + '/bare.tif', 300, 200)" },
  ]);
  writeFileSync(bench.file('empty.tif'), '');
  writeFileSync(bench.file('text.tif'), 'this is no TIFF at all, whatever its name says');
  mkdirSync(bench.file('folder.tif'));
  copyFileSync(bench.file('rgb.tif'), bench.file('copy.tif'));
}

interface Wishes {
  readonly inputs: Record<string, unknown>;
  readonly expression?: Record<string, string | string[]>;
  readonly output?: object;
  readonly outputs?: Record<string, object>;
  readonly grid?: object;
  readonly compute?: object;
  readonly env?: Record<string, string>;
}

async function planned({ inputs, expression, output, outputs, grid, compute, env = {} }: Wishes): Promise<Plan> {
  const first = Object.keys(inputs)[0] ?? '';
  const document = {
    inputs,
    operation: { expression: expression ?? { out: `${first}[1]` } },
    outputs: outputs ?? { out: { href: 'out.tif', blockSize: 128, ...output } },
    grid: { tileSize: 256, ...grid },
    ...(compute && { compute }),
  };
  const problems: Problem[] = [];
  const job = resolveJob(parseJobSpec(document), { base: `${hrefOfFile(bench.folder)}/`, runId: 'r' }, problems);
  return await makePlan(bench.store, job, 'r', readSettings({ ...bench.env, ...env }, job.compute, problems), problems);
}

/** Problems of a job that must be refused, and the whole message. */
async function refusal(wishes: Wishes): Promise<{ problems: readonly Problem[]; paths: string[]; message: string }> {
  try {
    await planned(wishes);
  } catch (error) {
    assert.ok(error instanceof JobError, String(error));
    assert.equal(error.code, 'PLAN_REFUSED');
    const problems = error.where['problems'] as Problem[];
    return { problems, paths: problems.map(({ path }) => path), message: error.message };
  }
  assert.fail('was planned');
}

void describe('plan', { skip: withoutGdal }, () => {
  void it('takes the grid of its inputs, and is a document that its own schema reads', async () => {
    const made = await planned({ inputs: { a: 'rgb.tif', b: 'same.tif', c: 'nearly.tif' }, expression: { out: ['a[1] + b[1]', 'c[3]'] }, output: { dtype: 'int16' } });
    assert.deepEqual([made.grid.columns, made.grid.rows, made.grid.epsg], [300, 200, 32_618]);
    assert.deepEqual(made.grid.geotransform, [300_000, 30, 0, 4_500_000, 0, -30]);
    assert.deepEqual(made.inputs.map(({ name, dtype, bands, nodata }) => ({ name, dtype, bands, nodata })), [
      { name: 'a', dtype: 'uint8', bands: 3, nodata: null },
      { name: 'b', dtype: 'int16', bands: 1, nodata: -32_768 },
      { name: 'c', dtype: 'uint8', bands: 3, nodata: null },
    ]);
    assert.equal(batchCount(tilingOf(made)), 1);
    assert.deepEqual(planSchema.parse(JSON.parse(JSON.stringify(made))), made);
    // The grid of another input, which is the same within a hundredth of a pixel.
    assert.equal((await planned({ inputs: { a: 'rgb.tif', c: 'nearly.tif' }, grid: { like: 'c' } })).grid.geotransform?.[0], 300_000.1);
    const bare = await planned({ inputs: { a: 'bare.tif' } });
    assert.deepEqual([bare.grid.geotransform, bare.grid.epsg], [null, null]);
  });

  void it('refuses inputs on other grids where nobody says which one is wanted, each by name with what was wanted and found', async () => {
    const { problems, paths, message } = await refusal({ inputs: { ref: 'rgb.tif', shifted: 'shifted.tif', mercator: 'mercator.tif', bare: 'bare.tif', good: 'copy.tif' } });
    assert.deepEqual([...new Set(paths)], ['$.inputs.shifted', '$.inputs.mercator', '$.inputs.bare']);
    assert.ok(problems.every(({ code }) => code === 'GRID_MISMATCH'));
    assert.match(message, /\$\.inputs\.shifted: .*than ref \(.*rgb\.tif\): wanted pixels of geotransform \[300000, 30, 0, 4500000, 0, -30\], found \[300015, 30, 0, 4500000, 0, -30\]/);
    assert.match(message, /\$\.inputs\.mercator: .*wanted CRS EPSG:32618, found EPSG:3857/);
    assert.match(message, /\$\.inputs\.bare: .*wanted CRS EPSG:32618, found none/);
    assert.match(message, /\$\.inputs\.bare: .*found none; say in grid which one the outputs take/);
  });

  void it('reports every input that cannot be read, together with wrong bands, in one message', async () => {
    const { problems, paths, message } = await refusal({
      inputs: { ok: { href: 'rgb.tif', bands: [1, 4, 9] }, missing: 'missing.tif', folder: 'folder.tif', empty: { href: 'empty.tif' }, text: 'text.tif' },
    });
    assert.deepEqual(paths.toSorted(), ['$.inputs.empty.href', '$.inputs.folder', '$.inputs.missing', '$.inputs.ok.bands[1]', '$.inputs.ok.bands[2]', '$.inputs.text']);
    const codeOf = (path: string): string | undefined => problems.find((problem) => problem.path === path)?.code;
    assert.equal(codeOf('$.inputs.missing'), 'STORE_NOT_FOUND');
    assert.equal(codeOf('$.inputs.folder'), 'STORE_IS_DIRECTORY');
    assert.match(codeOf('$.inputs.empty.href') ?? '', /^TIFF_/);
    assert.match(codeOf('$.inputs.text') ?? '', /^TIFF_/);
    assert.match(message, /^the job can't run: 6 problems\n/);
    for (const name of ['missing.tif', 'folder.tif', 'empty.tif', 'text.tif']) assert.ok(message.includes(bench.file(name)), name);
    assert.match(message, /wanted a band from 1 to 3 of .*rgb\.tif, found 4/);
  });

  void it('refuses expressions over bands and names that are not there, with path and column', async () => {
    const { paths, message } = await refusal({ inputs: { a: 'rgb.tif' }, expression: { out: ['a[1]', 'a[1] + a[4]', 'b[1]', 'constructor[1] + toString'] } });
    assert.ok(['$.operation.expression.out[1]', '$.operation.expression.out[2]', '$.operation.expression.out[3]'].every((path) => paths.includes(path)), message);
    assert.ok(!paths.includes('$.operation.expression.out[0]'));
    assert.match(message, /out\[1\]: column 8: .*4/);
  });

  void it('takes nodata from the inputs in use where they agree, and NaN for floats', async () => {
    const nodataOf = async (wishes: Wishes): Promise<unknown> => (await planned(wishes)).outputs[0]?.nodata;
    assert.equal(await nodataOf({ inputs: { a: 'rgb.tif' }, output: { dtype: 'uint8' } }), null);
    assert.equal(await nodataOf({ inputs: { a: 'zero.tif' }, output: { dtype: 'uint8' } }), 0);
    assert.equal(await nodataOf({ inputs: { a: 'rgb.tif', b: 'same.tif' }, expression: { out: 'a[1] + b[1]' }, output: { dtype: 'int32' } }), -32_768);
    assert.equal(await nodataOf({ inputs: { a: 'zero.tif', b: 'same.tif' }, output: { dtype: 'uint8' } }), 0, 'an input that is not used has no say');
    assert.equal(await nodataOf({ inputs: { a: 'same.tif' } }), 'nan');
    assert.equal(await nodataOf({ inputs: { a: 'same.tif' }, output: { nodata: -9999.1 } }), Math.fround(-9999.1));
    assert.equal(await nodataOf({ inputs: { a: { href: 'same.tif', nodata: 5 } }, output: { dtype: 'int16' } }), 5);
  });

  void it('refuses an integer output that can have nodata pixels and no value for them', async () => {
    const needs: Wishes[] = [
      { inputs: { a: 'same.tif', b: 'minus.tif' }, expression: { out: 'a[1] + b[1]' }, output: { dtype: 'int16' } },
      { inputs: { a: 'same.tif' }, output: { dtype: 'uint8' } },
      { inputs: { a: 'rgb.tif' }, expression: { out: 'a[1] / a[2]' }, output: { dtype: 'uint8' } },
      { inputs: { a: 'masked.tif' }, output: { dtype: 'uint8' } },
      { inputs: { a: 'float.tif' }, output: { dtype: 'int32' } },
    ];
    for (const [i, wishes] of needs.entries()) {
      const { paths, message } = await refusal(wishes);
      assert.deepEqual(paths, ['$.outputs.out.nodata'], `case ${i}`);
      assert.match(message, /missing: pixels may turn out nodata/);
      await planned({ ...wishes, output: { ...wishes.output, nodata: 3 } });
    }
    await planned({ inputs: { a: 'masked.tif' }, expression: { out: 'coalesce(a[1], 7)' }, output: { dtype: 'uint8' } });
  });

  void it('refuses nodata, predictors, levels and band names that do not fit, together', async () => {
    const out = (more: object): object => ({ href: `${JSON.stringify(more).replaceAll(/\W/g, '')}.tif`, blockSize: 128, ...more });
    const outputs: Record<string, object> = {
      a: out({ dtype: 'uint8', nodata: 256 }),
      b: out({ dtype: 'int16', nodata: 1.5 }),
      c: out({ dtype: 'uint16', nodata: 'nan' }),
      d: out({ predictor: 2 }),
      e: out({ dtype: 'uint8', predictor: 3 }),
      f: out({ dtype: 'uint8', predictor: 2, compression: 'none' }),
      g: out({ level: 10 }),
      h: out({ level: 3, compression: 'lzw' }),
      i: out({ bandNames: ['x', 'y'] }),
      j: out({ blockSize: 512 }),
      k: out({ nodata: 1e300 }),
      fine: out({ compression: 'zstd', level: 22, predictor: 3, nodata: -3.4e38 }),
    };
    const { paths, message } = await refusal({ inputs: { a: 'rgb.tif' }, outputs, expression: Object.fromEntries(Object.keys(outputs).map((name) => [name, 'a[1]'])) });
    assert.deepEqual(paths.toSorted(), ['$.grid.tileSize', '$.outputs.a.nodata', '$.outputs.b.nodata', '$.outputs.c.nodata', '$.outputs.d.predictor', '$.outputs.e.predictor', '$.outputs.f.predictor', '$.outputs.g.level', '$.outputs.h.level', '$.outputs.i.bandNames', '$.outputs.k.nodata'], message);
    assert.match(message, /uint8 can't hold 256; wanted a whole number from 0 to 255/);
    assert.match(message, /deflate has levels 1 to 9, found 10/);
    assert.match(message, /block size of output j \(512\) times a power of two, found 256; or set \$\.outputs\.j\.blockSize to 256/);
    assert.match((await refusal({ inputs: { a: 'rgb.tif' }, grid: { tileSize: 384 } })).message, /\$\.grid\.tileSize: .*\(128\) times a power of two, found 384/);
  });

  void it('refuses a plan that needs more memory than a task has, and the tile size that it names fits', async () => {
    // Two outputs, of which one is far larger; 0.25 vCPU has at most 2 GiB.
    const wishes: Wishes = {
      inputs: { a: 'rgb.tif' },
      expression: { small: 'a[1]', large: Array.from({ length: 12 }, (_, i) => `a[1] * ${i}`) },
      outputs: { small: { href: 's.tif', dtype: 'uint8', nodata: 0 }, large: { href: 'l.tif', dtype: 'float64' } },
      grid: { tileSize: 8192 },
      compute: { cpu: 1, memory: '2 GiB' },
    };
    const { problems, message } = await refusal(wishes);
    assert.deepEqual(problems.map(({ code }) => code), ['PLAN_MEMORY']);
    const match = /1 threads on tiles of 8192 px needs (\d+) MiB, and a task has 2048 MiB; most of it for output large \((\d+) MiB\); a tile size of (\d+) would fit/.exec(message);
    assert.ok(match, message);
    const tileSize = Number(match[3]);
    const fitting = await planned({ ...wishes, grid: { tileSize } });
    assert.ok(fitting.memory.total <= fitting.memory.limit);
    const { total, limit, ...parts } = fitting.memory;
    assert.equal(Object.values(parts).reduce((sum, bytes) => sum + bytes, 0), total);
    assert.equal(limit, 2 ** 31);
    // A margin is as wide as the task's memory lets it be; where it is too wide, outputs are not what is named.
    const margin = { ...wishes, grid: { tileSize: 512, halo: 5000 } };
    await planned({ ...margin, compute: { cpu: 1, memory: '8 GiB' } });
    const tooWide = await refusal({ ...margin, grid: { tileSize: 512, halo: 60_000 } });
    assert.match(tooWide.message, /needs \d+ MiB, and a task has 2048 MiB; a tile is read with a margin of 60000 px, 120,512 x 120,512 px; no smaller tile size fits either: give the task more memory, or a narrower halo/);
    // Twice as large wouldn't.
    await refusal({ ...wishes, grid: { tileSize: tileSize * 2 } });
    // Where not even one block a tile fits, it says so.
    const wide = Array.from({ length: 256 }, (_, i) => `a[1] * ${i}`);
    const none = await refusal({ ...wishes, expression: { out: wide }, outputs: { out: { href: 's.tif', dtype: 'float64', blockSize: 1024 } }, grid: { tileSize: 2048 }, compute: { cpu: 1, memory: '2 GiB' } });
    assert.match(none.message, /no smaller tile size fits either: give the task more memory/);
  });

  void it('hands the state machine the sizes and limits of the job', async () => {
    const { state } = await planned({ inputs: { a: 'rgb.tif' }, compute: { capacity: 'FARGATE_SPOT', cpu: 2, memory: '8 GiB', maxConcurrency: 7, timeout: '30m' } });
    assert.deepEqual(state.compute, {
      taskDefinition: 'local',
      size: { Cpu: '2048', Memory: '8192' },
      larger: { Cpu: '2048', Memory: '16384' },
      strategy: [{ CapacityProvider: 'local', Weight: 1 }],
      fallback: [{ CapacityProvider: 'local', Weight: 1 }],
      publicIp: 'DISABLED',
      timeoutSeconds: 1800,
      metrics: { namespace: '', service: '' },
      mallocArenas: '2',
    });
    assert.deepEqual(state.limits, { maxConcurrency: 7, toleratedFailurePercentage: 0 });
  });

  // Catches: code planned as an expression: no room for its processes, one band whatever the job says, results that want an output, a serial run that is shared out.
  void it('plans code before and after its trial', async () => {
    const document = (more: object, operation: object = {}): object => ({ inputs: { a: 'rgb.tif', b: 'same.tif' }, grid: { tileSize: 128, halo: 9 }, operation: { module: 'f.py', function: 'f', ...operation }, ...more });
    const plan = async (job: object, prepared?: PreparedCode): Promise<Plan> => {
      const problems: Problem[] = [];
      const resolved = resolveJob(parseJobSpec(job), { base: `${hrefOfFile(bench.folder)}/`, runId: 'r' }, problems);
      return await makePlan(bench.store, resolved, 'r', readSettings(bench.env, resolved.compute, problems), problems, prepared === undefined ? undefined : { conversions: new Map(), tiffs: new Map(), prepared });
    };
    const outputs = { o: { href: 'o.tif', blockSize: 128 }, p: { href: 'p.tif', blockSize: 128, bands: 4, dtype: 'uint8', nodata: 3 } };
    const code = { kind: 'module', runtime: 'python', href: `${hrefOfFile(bench.folder)}/code/x.py`, sha256: 'x' } as const;
    const shapes = ({ outputs: all }: Plan): unknown => all.map(({ dtype, bands, nodata }) => [dtype, bands, nodata]);
    const untried = await plan(document({ outputs }));
    assert.deepEqual(shapes(untried), [['float32', 1, 'nan'], ['uint8', 4, 3]]);
    assert.deepEqual(untried.code, { kind: 'module', runtime: 'python', href: `${hrefOfFile(bench.folder)}/f.py`, sha256: null });
    const tried = await plan(document({ outputs }), { code, outputs: { o: { dtype: 'int16', bands: 2 }, p: { dtype: 'float64', bands: 1 } }, halo: 0, seconds: 2, tile: [0, 0] });
    assert.deepEqual(shapes(tried), [['int16', 2, null], ['uint8', 4, 3]]);
    assert.deepEqual([tried.code, tried.halo], [code, 9]);
    assert.ok(tried.memory.code > 2 ** 25, 'room for an interpreter');
    assert.deepEqual(planSchema.parse(JSON.parse(JSON.stringify(tried))), tried);
    const needs = await plan(document({ outputs }), { code, outputs: {}, halo: 32, seconds: 0, tile: [0, 0] });
    assert.equal(needs.halo, 32, 'the wider of what the job says and the model needs');
    const results = await plan(document({ results: { href: 'r.csv' } }));
    assert.deepEqual([results.outputs, results.inputs.length, batchCount(tilingOf(results))], [[], 2, 1]);
    const serial = await plan(document({ outputs, compute: { tilesPerTask: 1 } }, { serial: true }));
    assert.deepEqual([batchCount(tilingOf(serial)), serial.order, serial.threads], [1, 'rows', 1]);
  });
});
