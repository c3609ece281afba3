import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { allocateSamples, dtypeFacts, dtypes, isFloat, type Dtype, type SampleArray } from '../../lib/raster/dtype.ts';
import { halve, pyramidLevels, type Resampling } from '../../lib/raster/pyramid.ts';
import { bitsOf, runWithArrays, seededRandom, type NumpyArray } from '../support/arrays.ts';
import { withoutGdal } from '../support/gdal.ts';
import { strictPyramid } from '../support/strict-pyramid.ts';

const methods: readonly Resampling[] = ['nearest', 'average', 'mode'];

interface Case {
  readonly name: string;
  readonly dtype: Dtype;
  readonly columns: number;
  readonly rows: number;
  readonly nodata: number | undefined;
  readonly samples: SampleArray;
}

/** Few different values, so that ties, holes and averages that meet nodata are frequent; and the ends of the range. */
function values(dtype: Dtype, nodata: number | undefined): number[] {
  const near = nodata === undefined || Number.isNaN(nodata) ? 5 : nodata;
  if (isFloat(dtype)) return [near, near, near - 1, near + 1, near + 0.5, near - 0.5, -3.25, 1e-3, 0, -0, 1 / 3, 12_345.678];
  const { min, max } = dtypeFacts(dtype);
  return [near, near, near + 1, near - 1, near + 2, near - 2, min, max, 0, 3].map((value) => Math.min(max, Math.max(min, value)));
}

function make(dtype: Dtype, columns: number, rows: number, nodata: number | undefined, extra: readonly number[] = []): Case {
  const random = seededRandom(columns * 131 + rows);
  const choices = [...values(dtype, nodata), ...extra];
  const samples = allocateSamples(dtype, columns * rows);
  for (let i = 0; i < samples.length; i++) samples[i] = choices[Math.floor(random() * choices.length)] ?? 0;
  return { name: `${dtype} ${columns}x${rows} nodata ${nodata}`, dtype, columns, rows, nodata, samples };
}

const shapes: readonly (readonly [number, number])[] = [[1, 1], [1, 9], [8, 1], [2, 2], [33, 21], [64, 48]];

const strictCases: readonly Case[] = dtypes.flatMap((dtype) => {
  const { min, max } = dtypeFacts(dtype);
  const nodatas = isFloat(dtype) ? [undefined, Number.NaN, -9999, 0, -3.4028234663852886e38] : [undefined, 0, 7, min, max];
  return nodatas.flatMap((nodata) => shapes.map(([columns, rows]) => make(dtype, columns, rows, nodata, isFloat(dtype) ? [Number.NaN, Number.NaN, Infinity] : [])));
});

/** All NaN alike: which bits a sum of infinities has is the processor's business. */
function canonical(samples: SampleArray): Buffer {
  if (samples instanceof Float32Array || samples instanceof Float64Array) {
    for (let i = 0; i < samples.length; i++) if (Number.isNaN(samples[i])) samples[i] = Number.NaN;
  }
  return bitsOf(samples);
}

function halved({ dtype, columns, rows, nodata, samples }: Case, method: Resampling): SampleArray {
  const target = allocateSamples(dtype, Math.ceil(columns / 2) * Math.ceil(rows / 2));
  const plane = halve({ samples, columns, rows }, method, dtype, nodata, target);
  assert.deepEqual([plane.columns, plane.rows], [Math.ceil(columns / 2), Math.ceil(rows / 2)]);
  return target;
}

function given(cases: readonly Case[]): Record<string, NumpyArray> {
  return Object.fromEntries(cases.map(({ dtype, columns, rows, samples }, i) => [String(i), { dtype, shape: [rows, columns], samples }]));
}

function nodataFacts(cases: readonly Case[]): (number | string | null)[] {
  return cases.map(({ nodata }) => (nodata === undefined ? null : Number.isNaN(nodata) ? 'nan' : nodata));
}

const strict = `${strictPyramid}
for name, a in arrays.items():
    nodata = facts[int(name)]
    nodata = None if nodata is None else float(nodata) if a.dtype.kind == 'f' else int(nodata)
    for method in ['nearest', 'average', 'mode']:
        r = strict(a, method, nodata)
        if r.dtype.kind == 'f': r[np.isnan(r)] = np.nan
        out[name + method] = r
`;

/** What GDAL makes of the same image, level after level. */
const gdalOverviews = `
from osgeo import gdal
gdal.UseExceptions()
types = {'uint8': gdal.GDT_Byte, 'uint16': gdal.GDT_UInt16, 'int16': gdal.GDT_Int16, 'float32': gdal.GDT_Float32}
for name, a in arrays.items():
    for method in ['nearest', 'average', 'mode']:
        ds = gdal.GetDriverByName('GTiff').Create('/vsimem/x.tif', a.shape[1], a.shape[0], 1, types[str(a.dtype)], ['TILED=YES', 'BLOCKXSIZE=16', 'BLOCKYSIZE=16'])
        if facts[int(name)] is not None: ds.GetRasterBand(1).SetNoDataValue(float(facts[int(name)]))
        ds.GetRasterBand(1).WriteArray(a)
        ds.FlushCache()
        ds.BuildOverviews(method, [2, 4, 8])
        for level in range(3): out[name + method + str(level)] = ds.GetRasterBand(1).GetOverview(level).ReadAsArray()
        ds = None
        gdal.Unlink('/vsimem/x.tif')
`;

void describe('strict pyramid', () => {
  void it('is what numpy makes of 2 x 2 cells, for all types, sizes and nodata values', { skip: withoutGdal }, () => {
    const wanted = runWithArrays(strict, given(strictCases), nodataFacts(strictCases));
    for (const [i, each] of strictCases.entries()) {
      for (const method of methods) {
        const found = halved(each, method);
        const oracle = wanted[`${i}${method}`];
        assert.ok(oracle);
        if (canonical(found).equals(canonical(oracle.samples))) continue;
        const at = found.findIndex((value, k) => !Object.is(value, oracle.samples[k]));
        assert.fail(`${method} ${each.name}: pixel ${at}: wanted ${oracle.samples[at]}, found ${found[at]}`);
      }
    }
  });

  void it('equals GDAL\'s overviews where sides are even', { skip: withoutGdal }, () => {
    const cases = (['uint8', 'uint16', 'int16', 'float32'] as const).flatMap((dtype) => {
      const { max } = dtypeFacts(dtype);
      // GDAL averages float32 without nodata in float32, so there only nearest and mode can be compared.
      const nodatas = dtype === 'float32' ? [-9999, 0, -12_800, Math.fround(1.99), Number.NaN, undefined] : [undefined, 0, 7, max];
      return nodatas.map((nodata) => make(dtype, 64, 48, nodata, Number.isNaN(nodata) ? [Number.NaN, Number.NaN] : []));
    });
    const wanted = runWithArrays(gdalOverviews, given(cases), nodataFacts(cases));
    const differing: string[] = [];
    let compared = 0;
    for (const [i, each] of cases.entries()) {
      const { dtype, nodata } = each;
      for (const method of dtype === 'float32' && nodata === undefined ? (['nearest', 'mode'] as const) : methods) {
        let { columns, rows, samples } = each;
        for (let level = 0; level < 3; level++) {
          samples = halved({ ...each, columns, rows, samples }, method);
          columns /= 2;
          rows /= 2;
          const oracle = wanted[`${i}${method}${level}`];
          assert.ok(oracle);
          let different = 0;
          let lost = 0;
          for (const [k, value] of Array.from(samples).entries()) {
            const theirs = oracle.samples[k];
            if (Object.is(value, theirs) || value === theirs) continue;
            // GDAL compares averages of int16 and float32 with nodata before it rounds them, so that some become nodata.
            if (method === 'average' && (dtype === 'int16' || dtype === 'float32') && theirs === nodata) lost++;
            else different++;
          }
          if (different > 0) differing.push(`${method} level ${level + 1} ${each.name}: ${different} of ${samples.length}`);
          compared++;
          // From there on the levels differ, also where a value was moved away from nodata: GDAL's comparison with nodata is approximate.
          const moved = dtype === 'float32' && nodata !== undefined && samples.some((value) => value !== nodata && Math.abs(value - nodata) < Math.abs(nodata) * 3e-7);
          if (lost > 0 || moved) break;
        }
      }
    }
    assert.deepEqual(differing, []);
    assert.ok(compared > 100, `only ${compared} levels`);
  });

  void it('never turns an average of valid pixels into nodata, nor nodata into anything else', () => {
    const some = fc.constantFrom(...dtypes);
    fc.assert(
      fc.property(some, fc.integer({ min: -130, max: 300 }), fc.array(fc.integer({ min: -3, max: 3 }), { minLength: 9, maxLength: 9 }), (dtype, base, steps) => {
        const { min, max } = isFloat(dtype) ? { min: -1e9, max: 1e9 } : dtypeFacts(dtype);
        const clamp = (value: number): number => Math.min(max, Math.max(min, value));
        const nodata = clamp(base);
        const samples = allocateSamples(dtype, 9);
        for (const [i, step] of steps.entries()) samples[i] = clamp(nodata + step);
        const target = allocateSamples(dtype, 4);
        halve({ samples, columns: 3, rows: 3 }, 'average', dtype, nodata, target);
        for (const [t, cells] of [[0, 1, 3, 4], [2, 5], [6, 7], [8]].entries()) {
          assert.equal(target[t] === nodata, cells.every((cell) => samples[cell] === nodata), `${dtype} ${samples.join(' ')}`);
        }
      }),
      { seed: 31, numRuns: 2000 },
    );
    // Nodata at the ends of the range and next to nothing: the neighbour is a value of the type, and another one.
    const tiny = 1e-40;
    for (const [dtype, nodata] of [['float32', Math.fround(tiny)], ['float64', 5e-324], ['float64', 1e308], ['float32', 3.4028234663852886e38], ['uint8', 255], ['int32', 2_147_483_647]] as const) {
      const samples = allocateSamples(dtype, 2);
      samples[0] = isFloat(dtype) ? nodata * 0.5 : nodata - 1;
      samples[1] = isFloat(dtype) ? nodata * 1.5 : nodata - 1;
      const target = allocateSamples(dtype, 1);
      halve({ samples, columns: 2, rows: 1 }, 'average', dtype, nodata, target);
      assert.notEqual(target[0], nodata, `${dtype} ${nodata}`);
    }
  });

  void it('has levels down to the first that fits into one block', () => {
    assert.deepEqual(pyramidLevels(512, 512, 512), [{ columns: 512, rows: 512 }]);
    assert.deepEqual(pyramidLevels(513, 1, 512), [{ columns: 513, rows: 1 }, { columns: 257, rows: 1 }]);
    const levels = pyramidLevels(10_980, 7001, 256);
    assert.deepEqual(levels.map(({ columns, rows }) => `${columns}x${rows}`), ['10980x7001', '5490x3501', '2745x1751', '1373x876', '687x438', '344x219', '172x110']);
  });
});
