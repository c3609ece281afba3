/** TypeScript functions over tiles: what they see, what becomes of what they make, and the sentences for what they do wrong. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { describe, it } from 'node:test';

import { JobError, OperationError, OutOfMemoryError, type TilefanError } from '../../lib/base/errors.ts';
import type { CodeReply } from '../../lib/code/code-setup.ts';
import { withFunction, type FunctionFixture } from './function-fixture.ts';

const values = (from: number, count: number): Uint16Array => Uint16Array.from({ length: count }, (_, i) => from + i);
const one = { inputs: { a: { dtype: 'uint16', samples: values(1, 6) } }, outputs: { out: { dtype: 'float32' } } } as const satisfies Partial<FunctionFixture>;

/** Calls once. */
async function run(fixture: FunctionFixture): Promise<{ readonly reply: CodeReply; readonly out: readonly number[] }> {
  return await withFunction(fixture, async (f) => {
    const reply = await f.call();
    return { reply, out: fixture.outputs?.['out'] === undefined ? [] : [...f.output('out')] };
  });
}

async function failure(fixture: FunctionFixture): Promise<TilefanError> {
  return await withFunction(fixture, async (f) => {
    try {
      await f.call();
    } catch (error) {
      if (error instanceof OperationError || error instanceof JobError || error instanceof OutOfMemoryError) return error;
      throw error;
    }
    assert.fail('it did not fail');
  });
}

void describe('a TypeScript function', () => {
  // Catches arrays in another order, margins that are lost, bands that count from 0, and types that are not the raster's.
  void it('sees its inputs with their shape, bands and validity', async () => {
    const samples = Int16Array.from({ length: 2 * 4 * 5 }, (_, i) => i - 7);
    const valid = Uint8Array.from({ length: 20 }, (_, i) => i % 2);
    const { reply } = await run({
      source: `export function f({ inputs: { a, b } }) {
        return { type: a.constructor.name, shape: [a.bands, a.rows, a.cols], second: a.band(2), view: a.band(1).buffer === a.buffer, valid: a.valid, none: b.valid === undefined, all: a, listed: Object.keys(a).length };
      }`,
      rows: 2,
      columns: 3,
      halo: 1,
      inputs: { a: { dtype: 'int16', bands: 2, samples, valid }, b: { dtype: 'float64', samples: new Float64Array(20) } },
    });
    assert.deepEqual(reply.result, { type: 'Int16Array', shape: [2, 4, 5], second: Array.from(samples.slice(20)), view: true, valid: [...valid], none: true, all: [...samples], listed: 40 });
  });

  // Catches nodata that counts as data, one band of several, NaN that is compared as a number, float32 that is compared as float64, values of nodata that no
  // pixel has, and a mask that is left out where there is nodata too; numpy is the judge.
  void it('sees which pixels have data in all bands', async () => {
    const big = -3.4e38;
    const valid = Uint8Array.of(1, 1, 1, 0, 1, 1);
    const inputs = {
      a: { dtype: 'uint8', bands: 2, nodata: 9, samples: Uint8Array.of(9, 1, 2, 3, 4, 5, 6, 7, 9, 0, 1, 2) },
      n: { dtype: 'float32', bands: 2, nodata: NaN, samples: Float32Array.of(1, NaN, 2, 3, 4, 5, 0, 0, 0, 0, Infinity, NaN) },
      b: { dtype: 'float32', nodata: big, samples: Float32Array.of(big, 0, NaN, -3.3e38, 4, 5) },
      m: { dtype: 'int16', nodata: -1, samples: Int16Array.of(-1, 0, 1, 2, 3, -1), valid },
      x: { dtype: 'uint8', nodata: -9999, samples: Uint8Array.of(0, 1, 2, 3, 4, 5) },
      u: { dtype: 'uint8', nodata: NaN, samples: Uint8Array.of(0, 1, 2, 3, 4, 5) },
    } as const;
    const source = `export const f = ({ inputs }) => Object.fromEntries(Object.keys(inputs).map((name) => {
      const { valid } = inputs[name];
      return [name, [valid.constructor.name, [...valid], inputs[name].valid === valid]];
    }));`;
    const told = Object.entries(inputs).map(([name, { dtype, nodata, samples }]) => [name, dtype, String(nodata), Array.from(samples, String), name === 'm' ? [...valid] : null]);
    const program = `
import json, sys, numpy as np
answer = {}
for name, dtype, nodata, samples, mask in json.loads(sys.argv[1]):
    values = np.array([float(s) for s in samples]).astype(dtype).reshape(-1, 6)
    nodata = float(nodata)
    kind = np.dtype(dtype).type
    bad = np.isnan(values) if np.isnan(nodata) else values == (kind(nodata) if values.dtype.kind == 'f' else nodata)
    good = ~bad.any(axis=0) & (True if mask is None else np.array(mask, bool))
    answer[name] = ['Uint8Array', [int(v) for v in good], True]
print(json.dumps(answer))`;
    const wanted: unknown = JSON.parse(execFileSync('/usr/bin/python3', ['-c', program, JSON.stringify(told)], { encoding: 'utf8' }));
    await withFunction({ source, inputs }, async (f) => {
      assert.deepEqual((await f.call()).result, wanted);
      // Of each tile its own.
      f.input('a', Uint8Array.of(1, 1, 1, 1, 1, 9, 1, 1, 1, 1, 1, 1));
      assert.deepEqual(((await f.call({ column: 1 })).result as { readonly a: unknown }).a, ['Uint8Array', [1, 1, 1, 1, 1, 0], true]);
    });
  });

  // Catches an origin without the margin, half a pixel's shift, and rows that grow upwards.
  void it('is told where the tile is', async () => {
    const source = `export function f({ info, outputs }) {
      outputs.out.fill(1);
      const { tile, tiles, blockCount, isFirst, isLast, window, halo, grid, geotransform, epsg, crs } = info;
      return { tile, tiles, blockCount, isFirst, isLast, window, halo, grid, geotransform, epsg, crs, centres: info.pixelCentres(), one: info.centreOf(1, 2),
        file: info.fileOf('a'), files: info.filesOf('a'), written: info.fileOf('out'), nodata: info.nodataOf('a'), none: info.nodataOf('out') ?? 'none' };
    }`;
    const inputs = { a: { dtype: 'uint8', nodata: 9, files: ['/in/1.tif', '/in/2.tif'], samples: new Uint8Array(20) } } as const;
    const window = { column: 12, row: 6, columns: 3, rows: 2 };
    const { result } = await withFunction({ source, halo: 1, inputs, outputs: { out: { dtype: 'uint8' } } }, async (f) => await f.call({ column: 4, row: 3, window }));
    assert.deepEqual(result, {
      tile: { column: 4, row: 3 },
      tiles: { across: 5, down: 4 },
      blockCount: 20,
      isFirst: false,
      isLast: true,
      window,
      halo: 1,
      grid: { columns: 100, rows: 80, geotransform: [600_000, 10, 0, 5_000_000, 0, -20], crs: 'EPSG:32633' },
      geotransform: [600_110, 10, 0, 4_999_900, 0, -20],
      epsg: 32633,
      crs: 'EPSG:32633',
      centres: { x: [600_115, 600_125, 600_135, 600_145, 600_155], y: [4_999_890, 4_999_870, 4_999_850, 4_999_830] },
      one: { x: 600_135, y: 4_999_870 },
      file: '/in/1.tif',
      files: ['/in/1.tif', '/in/2.tif'],
      written: '/out/out.tif',
      nodata: 9,
      none: 'none',
    });
  });

  // Catches the formula of north-up grids on rotated ones; osgeo's ApplyGeoTransform is the judge.
  void it('knows the centres of pixels on a rotated grid', async () => {
    const geotransform = [1000, 3, 0.5, 2000, -0.25, -2];
    const { reply } = await run({ source: 'export const f = ({ info }) => info.pixelCentres();', setup: { grid: { columns: 3, rows: 2, geotransform, crs: null } } });
    const program = `from osgeo import gdal; import json; g=${JSON.stringify(geotransform)}; p=[gdal.ApplyGeoTransform(g, c+.5, r+.5) for r in range(2) for c in range(3)]; print(json.dumps({'x':[a for a,b in p],'y':[b for a,b in p]}))`;
    assert.deepEqual(reply.result, JSON.parse(execFileSync('/usr/bin/python3', ['-c', program], { encoding: 'utf8' })));
  });

  // Catches outputs that begin with what the tile before has left in them.
  void it('gets outputs filled with nodata, each time anew', async () => {
    await withFunction(
      { source: 'export const f = ({ outputs, info }) => { if (info.tile.column === 0) outputs.out[1] = 7; else outputs.out[0] = 1; };', outputs: { out: { dtype: 'int16', nodata: -9 } } },
      async (f) => {
        await f.call();
        assert.deepEqual([...f.output('out')], [-9, 7, -9, -9, -9, -9]);
        await f.call({ column: 1 });
        assert.deepEqual([...f.output('out')], [1, -9, -9, -9, -9, -9]);
      },
    );
  });

  // Catches truncation, wrapping, rounding half up, and NaN that becomes 0 where there is nodata; numpy's rint and clip are the judge.
  for (const assigned of ['Float64Array.from(v)', 'v', 'Float32Array.from(v)'] as const) {
    void it(`has its values stored in the output's type (${assigned})`, async () => {
      const given = [0.5, 1.5, 2.5, -0.5, -1.5, 254.5, 255.5, 300, -1e9, 1e20, 127.5, -128.5];
      const source = `export const f = ({ outputs, parameters: { v } }) => { const w = [...v, NaN, Infinity, -Infinity]; outputs.u8 = ${assigned.replace('v', 'w')}; outputs.i8 = ${assigned.replace('v', 'w')}; outputs.f32 = ${assigned.replace('v', 'w')}; };`;
      const outputs = { u8: { dtype: 'uint8', nodata: 99 }, i8: { dtype: 'int8' }, f32: { dtype: 'float32', nodata: 5 } } as const;
      await withFunction({ source, parameters: { v: given }, outputs, rows: 3, columns: 5 }, async (f) => {
        await f.call();
        const program = `
import numpy as np, json
v = np.array(${JSON.stringify(given)} + [np.nan, np.inf, -np.inf], dtype='float64')
if ${assigned.startsWith('Float32') ? 'True' : 'False'}: v = v.astype('float32').astype('float64')
def whole(lo, hi, nodata): return [int(x) for x in np.where(np.isnan(v), nodata, np.clip(np.rint(v), lo, hi))]
print(json.dumps([whole(0, 255, 99), whole(-128, 127, 0), [str(x) for x in v.astype('float32').astype('float64')]]))`;
        const [u8, i8, f32] = JSON.parse(execFileSync('/usr/bin/python3', ['-W', 'ignore', '-c', program], { encoding: 'utf8' })) as [number[], number[], string[]];
        assert.deepEqual([...f.output('u8')], u8);
        assert.deepEqual([...f.output('i8')], i8);
        assert.deepEqual([...f.output('f32')], f32.map((text) => Number(text.replace('inf', 'Infinity'))));
      });
    });
  }

  // Catches values of the other kinds of arrays that are read as bytes.
  void it('may assign arrays of any kind', async () => {
    for (const [array, wanted] of [
      ['new BigInt64Array([1n, 2n, 300n, -4n, 5n, 6n])', [1, 2, 255, 0, 5, 6]],
      ['new Uint8ClampedArray([1, 2, 300, -4, 5, 6])', [1, 2, 255, 0, 5, 6]],
      ['new Float16Array([1, 2.5, 300, -4, 5, 6])', [1, 2, 255, 0, 5, 6]],
      ['new Int32Array([1, 2, 300, -4, 5, 6])', [1, 2, 255, 0, 5, 6]],
    ] as const) {
      const { out } = await run({ source: `export const f = ({ outputs }) => { outputs.out = ${array}; };`, outputs: { out: { dtype: 'uint8' } } });
      assert.deepEqual(out, wanted, array);
    }
  });

  // Catches lists whose members are mixed up, and those that can't be assigned.
  void it('gets and gives lists', async () => {
    const source = `export const f = ({ inputs: { scenes }, outputs }) => {
      outputs.both[1].fill(scenes.length);
      outputs.both[0] = scenes[1].map((v, i) => v + scenes[0][i]);
      return outputs.both.length;
    };`;
    const fixture: FunctionFixture = {
      source,
      lists: { scenes: ['s1', 's2'], both: ['o1', 'o2'] },
      inputs: { s1: { dtype: 'uint8', samples: Uint8Array.of(1, 2, 3, 4, 5, 6) }, s2: { dtype: 'uint8', samples: Uint8Array.of(10, 20, 30, 40, 50, 60) } },
      outputs: { o1: { dtype: 'uint8' }, o2: { dtype: 'uint8' } },
    };
    await withFunction(fixture, async (f) => {
      assert.equal((await f.call()).result, 2);
      assert.deepEqual([[...f.output('o1')], [...f.output('o2')]], [[11, 22, 33, 44, 55, 66], [2, 2, 2, 2, 2, 2]]);
    });
    assert.match((await failure({ ...fixture, source: 'export const f = ({ outputs }) => { outputs.both = [1]; };' })).message, /output both is a list: wanted 2 arrays, got 1/);
  });

  // Catches results that JSON.stringify would drop, turn into null or into objects with numbered keys.
  void it('returns results as JSON', async () => {
    const returned = '{ n: NaN, i: [Infinity, 1], t: new Float32Array([1.5, NaN]), b: 12n, m: new Map([["x", 1]]), s: new Set([3]), big: new BigInt64Array([4n]), u: undefined, d: null }';
    const { reply } = await run({ source: `export const f = async () => (${returned});` });
    assert.deepEqual(reply.result, { n: 'nan', i: ['inf', 1], t: [1.5, 'nan'], b: 12, m: { x: 1 }, s: [3], big: [4], d: null });
    assert.equal('result' in (await run({ source: 'export const f = () => {};' })).reply, false);
    for (const [value, words] of [
      ['(() => 1)', /returned a function, which JSON cannot hold/],
      ['(() => { const a = {}; a.a = a; return a; })()', /returned something that JSON cannot hold: .*circular/],
      ['"x".repeat(70 * 2 ** 20)', /returned 70 MiB of JSON; wanted 64 MiB at most for one tile: pixels belong into an output/],
      ['2n ** 70n + 1n', /more digits than a JSON number keeps/],
    ] as const) {
      const error = await failure({ source: `export const f = () => ${value};` });
      assert.match(error.message, words);
      assert.equal(error.code, 'FUNCTION_NO_OUTPUT');
    }
  });

  // Catches a trial that writes pixels, or that holds a function to the number of bands that is to be found out.
  void it('tells a probe what it makes', async () => {
    const fixture: FunctionFixture = { source: 'export const f = ({ outputs }) => { outputs.out = new Uint8Array(18); outputs.other[0] = 1; };', outputs: { out: { dtype: 'float32' }, other: { dtype: 'int16' } } };
    await withFunction(fixture, async (f) => {
      assert.deepEqual((await f.call({ probe: true })).outputs, [
        { dtype: 'uint8', bands: 3 },
        { dtype: 'int16', bands: 1 },
      ]);
      assert.deepEqual([...f.output('other')], [0, 0, 0, 0, 0, 0]);
      await assert.rejects(f.call(), { code: 'FUNCTION_SHAPE' });
    });
  });

  // Catches parameters that carry something from tile to tile, which would depend on who computes which.
  void it('cannot change its parameters, but in a serial run', async () => {
    const source = 'export const f = ({ parameters }) => { parameters.n.v += 1; return parameters.n.v; };';
    const error = await failure({ source, parameters: { n: { v: 1 } } });
    assert.match(error.message, /read only property 'v'/);
    await withFunction({ source, parameters: { n: { v: 1 } }, setup: { serial: true } }, async (f) => {
      await f.call();
      assert.equal((await f.call()).result, 3);
    });
  });

  // Catches merges that drop the first or begin with nothing.
  void it('merges results', async () => {
    await withFunction({ source: 'export const f = async (a, b) => ({ list: [...a.list, ...b.list] });', setup: { merges: true } }, async (f) => {
      assert.deepEqual(await f.process.merge({ id: 5, values: [{ list: [1] }, { list: [2] }, { list: [3] }] }), { list: [1, 2, 3] });
    });
    await withFunction({ source: 'export const f = (a, b, c) => 1;', setup: { merges: true } }, async (f) => {
      await assert.rejects(f.process.merge({ id: 1, values: [1, 2] }), { code: 'FUNCTION_SIGNATURE', message: /takes 3 arguments; wanted a function merge\(a, b\)/ });
    });
  });
});

void describe('a TypeScript function that is wrong', () => {
  const cases: readonly (readonly [string, Partial<FunctionFixture>, string, RegExp])[] = [
    ['throws', { source: '// one\nexport function f({ inputs }: { inputs: object }) {\n  throw new TypeError("bad pixels");\n}' }, 'FUNCTION_FAILED', /^function f at user\.ts:3: TypeError: bad pixels$/],
    ['throws in a callback of a method', { ...one, source: 'export const f = ({ inputs }) =>\n  inputs.a.map((v) => {\n    return v.nothing.at;\n  });' }, 'FUNCTION_FAILED', /^function f at user\.ts:3: TypeError: Cannot read properties of undefined/],
    ['throws deep in something else', { source: 'const deep = (n) => { if (n === 0) throw new Error("deep"); [0].forEach(() => deep(n - 1)); };\nexport const f = () => deep(9);' }, 'FUNCTION_FAILED', /^function f at user\.ts:1: Error: deep$/],
    ['throws in a package', { source: 'import jsep from "jsep";\n\nexport const f = () => {\n  jsep("1 + (");\n};' }, 'FUNCTION_FAILED', /^function f at user\.ts:4: Error: Unclosed \(/],
    ['throws what is no Error', { source: 'export const f = () => { throw "no"; };' }, 'FUNCTION_FAILED', /^function f: threw no; an Error would say where$/],
    ['rejects later', { source: 'export async function f() {\n  await null;\n  throw new RangeError("late");\n}' }, 'FUNCTION_FAILED', /^function f at user\.ts:3: RangeError: late$/],
    ['asks for another input', { ...one, source: 'export const f = ({ inputs }) => {\n  return inputs.b.length;\n};' }, 'FUNCTION_FAILED', /user\.ts:2: there is no input b; did you mean a\? the job's inputs are a$/],
    ['fills another output', { ...one, source: 'export const f = ({ outputs }) => {\n  outputs.ou = [1];\n};' }, 'FUNCTION_FAILED', /user\.ts:2: there is no output ou; did you mean out\? the job's outputs are out$/],
    ['asks for a band that is not there', { ...one, source: 'export const f = ({ inputs }) => inputs.a.band(0);' }, 'FUNCTION_FAILED', /user\.ts:1: RangeError: there is no band 0: bands count from 1 to 1$/],
    ['asks for the file of nothing', { ...one, source: 'export const f = ({ info }) => info.fileOf("aa");' }, 'FUNCTION_FAILED', /there is no input or output aa; did you mean a\?/],
    ['asks for coordinates where there are none', { source: 'export const f = ({ info }) => info.pixelCentres();', setup: { grid: { columns: 3, rows: 2, geotransform: null, crs: null } } }, 'FUNCTION_FAILED', /no georeference/],
    ['writes nothing', { ...one, source: 'export const f = () => {};' }, 'FUNCTION_NO_OUTPUT', /^function f: wrote no output out; it has to fill or assign outputs\.out$/],
    ['gives too few', { ...one, halo: 1, inputs: {}, source: 'export const f = ({ outputs }) => {\n  outputs.out = new Float32Array(6);\n};' }, 'FUNCTION_SHAPE', /user\.ts:2: output out: wanted 20 values, \(bands, rows, cols\) = \(1, 4, 5\), the margin \(halo\) of 1 on each side included; got 6$/],
    ['gives the shape of something else', { ...one, source: 'export const f = ({ inputs, outputs }) => { outputs.out = inputs.b; };', inputs: { b: { dtype: 'uint8', bands: 2, samples: new Uint8Array(12) } } }, 'FUNCTION_SHAPE', /wanted 6 values, .* got 12, \(2, 2, 3\)$/],
    ['gives a word', { ...one, source: 'export const f = ({ outputs }) => { outputs.out = "x"; };' }, 'FUNCTION_SHAPE', /output out: wanted a typed array or an array of numbers .* got a string$/],
    ['gives an array of bands', { ...one, source: 'export const f = ({ outputs }) => { outputs.out = [new Float32Array(6)]; };' }, 'FUNCTION_SHAPE', /got an array of a Float32Array$/],
    ['gives text among numbers', { ...one, source: 'export const f = ({ outputs }) => {\n  outputs.out = [1, 2, "3", 4, 5, 6];\n};' }, 'FUNCTION_SHAPE', /user\.ts:2: output out: wanted a number at index 2 of its 6 values, found "3"$/],
    ['gives text first', { ...one, source: 'export const f = ({ outputs }) => {\n  outputs.out = ["", 2, 3, 4, 5, 6];\n};' }, 'FUNCTION_SHAPE', /user\.ts:2: output out: wanted a number at index 0 of its 6 values, found ""$/],
    ['gives nothing among numbers', { ...one, source: 'export const f = ({ inputs, outputs }) => {\n  outputs.out = Array.from(inputs.a, (_, i) => [1][i]);\n};' }, 'FUNCTION_SHAPE', /user\.ts:2: output out: wanted a number at index 1 of its 6 values, found undefined$/],
    ['gives null among numbers', { ...one, source: 'export const f = ({ outputs }) => {\n  outputs.out = [1, 2, 3, 4, 5, null];\n};' }, 'FUNCTION_SHAPE', /user\.ts:2: output out: wanted a number at index 5 of its 6 values, found null$/],
    ['gives a hole', { ...one, source: 'export const f = ({ outputs }) => {\n  outputs.out = [1, 2, 3, , 5, 6];\n};' }, 'FUNCTION_SHAPE', /wanted a number at index 3 of its 6 values, found undefined$/],
    ['puts text among the numbers later', { ...one, source: 'export const f = ({ outputs }) => {\n  outputs.out = [1, 2, 3, 4, 5, 6];\n  outputs.out[4] = true;\n};' }, 'FUNCTION_SHAPE', /wanted a number at index 4 of its 6 values, found true$/],
    ['is a default export without a name', { source: 'export default () => {\n  throw new Error("no");\n};', function: null }, 'FUNCTION_FAILED', /^the default export at user\.ts:2: Error: no$/],
    ['is a default export that is a declaration without a name', { source: 'export default function () {\n  throw new Error("no");\n}', function: null }, 'FUNCTION_FAILED', /^the default export at user\.ts:2: Error: no$/],
    ['is a default export with a name', { source: 'export default function ndvi() {\n  throw new Error("no");\n}', function: null }, 'FUNCTION_FAILED', /^function ndvi at user\.ts:2: Error: no$/],
    ['gives memory away', { ...one, source: 'export const f = ({ outputs }) => { structuredClone(outputs.out, { transfer: [outputs.out.buffer] }); };' }, 'FUNCTION_SHAPE', /wanted 6 values, .* got 0/],
    ['has another name', { source: 'export const ndvi = () => {}; export const evi = () => {};', function: 'ndwi' }, 'FUNCTION_MISSING', /^function ndwi: the module has no export ndwi; did you mean ndvi\? it exports evi, ndvi$/],
    ['has no default', { source: 'export const ndvi = () => {};', function: null }, 'FUNCTION_MISSING', /^the function: the module has no default export; name one of its functions in "function": it exports ndvi$/],
    ['is a number', { source: 'export const f = 3;' }, 'FUNCTION_SIGNATURE', /f is a value of type number; wanted a function of one argument, the object \{ inputs, outputs, info, parameters \}$/],
    // As of functions in Python: nothing in it would ever run.
    ['is a generator', { source: 'export function* f() {}' }, 'FUNCTION_SIGNATURE', /f is a generator \(function\*\), which nothing runs to its end; wanted a function of one argument/],
    ['is an async generator', { source: 'export async function* f() {}' }, 'FUNCTION_SIGNATURE', /f is a generator/],
    ['says more than a line', { source: 'export function f() {\n  throw new Error("a\\nb\\n");\n}' }, 'FUNCTION_FAILED', /^function f at user\.ts:2: Error: a\nb$/],
    ['is a class', { source: 'export class f {}' }, 'FUNCTION_SIGNATURE', /f is a class/],
    ['wants what functions in Python get', { source: 'export function f(info, inputs, outputs, otherargs) {}' }, 'FUNCTION_SIGNATURE', /f takes 4 arguments; wanted a function of one argument/],
    ['fails when it is loaded', { source: '\nconst x = undefined;\nx.y;\nexport const f = () => {};' }, 'FUNCTION_LOAD', /^function f at user\.ts:3: .*Cannot read properties of undefined/],
    ['ends the process when it is loaded', { source: '\nprocess.exit(4);\nexport const f = () => {};' }, 'FUNCTION_LOAD', /user\.ts:2: called process\.exit\(4\)/],
    ['calls process.exit', { source: 'export const f = () => {\n  process.exit(3);\n};' }, 'FUNCTION_FAILED', /^function f at user\.ts:2: called process\.exit\(3\); a function ends with return, or throws an Error$/],
    ['leaves a promise that fails', { source: 'export const f = async () => {\n  void (async () => { throw new Error("alone"); })();\n  await new Promise((r) => setTimeout(r, 5000));\n};' }, 'FUNCTION_FAILED', /user\.ts:2: Error: alone \(in a promise that nothing waits for\)$/],
    ['throws in a timer', { source: 'export const f = async () => {\n  setTimeout(() => { throw new Error("alone"); }, 1);\n  await new Promise((r) => setTimeout(r, 5000));\n};' }, 'FUNCTION_FAILED', /user\.ts:2: Error: alone \(outside of the function, in a callback\)$/],
    ['waits for nothing', { source: 'export const f = () => new Promise(() => {});' }, 'FUNCTION_FAILED', /^function f: waits for a promise that nothing will ever settle$/],
    ['asks for more memory than there is', { source: 'export const f = () => {\n  const all = [];\n  for (;;) all.push(new ArrayBuffer(2 ** 45));\n};' }, 'FUNCTION_MEMORY', /user\.ts:3: Array buffer allocation failed; make tiles smaller/],
  ];
  for (const [what, fixture, code, words] of cases) {
    // Catches a sentence that doesn't say what is wrong and where in the user's own source, and a code that hides whose fault it is.
    void it(what, async () => {
      const error = await failure({ source: '', ...fixture });
      assert.equal(error.code, code, error.message);
      assert.match(error.message, words);
      const ofTheJob = ['FUNCTION_LOAD', 'FUNCTION_MISSING', 'FUNCTION_SIGNATURE'].includes(code);
      const wanted = ofTheJob ? ['JobError', 64] : code === 'FUNCTION_MEMORY' ? ['OutOfMemoryError', 137] : ['OperationError', 70];
      assert.deepEqual([error.name, error.exitCode], wanted);
    });
  }

  // Catches a process that is spoilt by one bad tile, and failures whose details are lost.
  void it('can go on after each of them', async () => {
    const source = `export function f({ info, outputs }) {
      console.log('tile', info.tile.column);
      if (info.tile.column === 1) throw new Error('first\\nsecond', { cause: new Error('underneath') });
      if (info.tile.column === 2) process.exit(9);
      if (info.tile.column === 3) return;
      outputs.out.fill(4);
    }`;
    await withFunction({ source, outputs: { out: { dtype: 'uint8' } } }, async (f) => {
      await f.call();
      const first = f.process.pid;
      await assert.rejects(f.call({ column: 1 }), (error: OperationError) => {
        assert.equal(error.message, 'function f at user.ts:3: Error: first\nsecond');
        assert.deepEqual([error.where['file'], error.where['line'], error.where['function'], error.where['stdout'], error.where['type']], ['user.ts', 3, 'f', 'tile 1\n', 'Error']);
        assert.match(String(error.where['traceback']), /^Error: first\nsecond\n\s+at f \(user\.ts:3:\d+\)\ncaused by Error: underneath/);
        assert.doesNotMatch(String(error.where['traceback']), /node-host|node:internal/);
        return true;
      });
      await assert.rejects(f.call({ column: 3 }), { code: 'FUNCTION_NO_OUTPUT' });
      assert.equal(f.process.pid, first);
      await assert.rejects(f.call({ column: 2 }), /process\.exit\(9\)/);
      await f.call();
      assert.notEqual(f.process.pid, first);
      assert.deepEqual([...f.output('out')], [4, 4, 4, 4, 4, 4]);
      assert.equal(f.printed().stdout, 'tile 0\n');
    });
  });

  // Catches a promise that fails after its tile is done, and is never heard of.
  void it('is told of what it left behind', async () => {
    const source = 'export const f = ({ info }) => { if (info.tile.column === 0) setTimeout(() => { throw new Error("behind"); }, 1); };';
    await withFunction({ source }, async (f) => {
      await f.call();
      await new Promise((resolve) => setTimeout(resolve, 500));
      await assert.rejects(f.call({ column: 1 }), { message: /Error: behind .*, left over from an earlier tile$/ });
      await f.call({ column: 1 });
    });
  });
});
