import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { allocateSamples, dtypeFacts, dtypes, isFloat, type Dtype, type SampleArray } from '../../lib/raster/dtype.ts';
import { mergeStatistics, noStatistics, standardDeviation, windowStatistics, type Statistics } from '../../lib/raster/statistics.ts';
import { runWithArrays, seededRandom, type NumpyArray } from '../support/arrays.ts';
import { withoutGdal } from '../support/gdal.ts';

interface Case {
  readonly name: string;
  readonly dtype: Dtype;
  readonly columns: number;
  readonly rows: number;
  readonly nodata: number | undefined;
  readonly samples: SampleArray;
}

function make(name: string, dtype: Dtype, columns: number, rows: number, nodata: number | undefined, value: (i: number, random: () => number) => number): Case {
  const random = seededRandom(name.length * 1000 + columns);
  const samples = allocateSamples(dtype, columns * rows);
  for (let i = 0; i < samples.length; i++) samples[i] = value(i, random);
  return { name, dtype, columns, rows, nodata, samples };
}

const cases: readonly Case[] = [
  ...dtypes.map((dtype) =>
    make(`full range ${dtype}`, dtype, 97, 61, undefined, (_, random) => {
      const { min, max } = isFloat(dtype) ? { min: -1e6, max: 1e6 } : dtypeFacts(dtype);
      return min + random() * (max - min);
    }),
  ),
  make('large offset, small noise', 'float64', 300, 200, undefined, (_, random) => 1e9 + random()),
  make('large offset, integers', 'uint32', 300, 200, undefined, (_, random) => 4_000_000_000 + Math.floor(random() * 3)),
  make('an outlier first', 'float64', 256, 256, undefined, (i, random) => (i === 0 ? 65_535 : random())),
  make('NaN in places', 'float32', 100, 100, undefined, (i, random) => (i % 7 < 3 ? Number.NaN : random() - 0.5)),
  make('NaN is nodata', 'float64', 50, 50, Number.NaN, (i, random) => (i < 120 ? Number.NaN : random() * 1e-9)),
  make('nodata in places', 'int16', 81, 33, -32_768, (i, random) => (i % 5 === 0 ? -32_768 : Math.floor(random() * 200) - 100)),
  make('nodata and NaN', 'float32', 64, 64, -9999, (i, random) => (i % 5 === 0 ? -9999 : i % 11 === 0 ? Number.NaN : random() * 100)),
  make('one value', 'uint8', 40, 40, undefined, () => 7),
  make('one pixel', 'float64', 1, 1, undefined, () => -3.25),
  make('one valid pixel at the end', 'float32', 9, 9, 0, (i) => (i === 80 ? 5 : 0)),
];

function whole({ samples, columns, rows, nodata }: Case): Statistics {
  return windowStatistics(samples, 0, columns, rows, columns, nodata);
}

function near(found: number, wanted: number, scale: number, message: string): void {
  const tolerance = 1e-12 * Math.max(Math.abs(wanted), scale);
  assert.ok(Math.abs(found - wanted) <= tolerance, `${message}: wanted ${wanted}, found ${found}`);
}

void describe('statistics', () => {
  void it('equal numpy\'s to 1e-12, with large offsets, NaN and nodata', { skip: withoutGdal }, () => {
    const arrays: Record<string, NumpyArray> = {};
    for (const [i, { dtype, columns, rows, samples }] of cases.entries()) arrays[String(i)] = { dtype, shape: [rows, columns], samples };
    // Long doubles (64-bit mantissas), so that the oracle's own rounding doesn't count.
    const program = `
for name, a in arrays.items():
    nodata = facts[int(name)]
    v = a.ravel()
    keep = ~np.isnan(v) if v.dtype.kind == 'f' else np.ones(v.shape, bool)
    if nodata is not None: keep &= v != v.dtype.type(nodata)
    v = v[keep].astype(np.longdouble)
    m = v.mean()
    out[name] = np.array([len(v), v.min(), v.max(), m, np.sqrt(((v - m) ** 2).mean())], dtype=np.float64)
`;
    const facts = cases.map(({ nodata }) => (nodata === undefined || Number.isNaN(nodata) ? null : nodata));
    const wanted = runWithArrays(program, arrays, facts);
    for (const [i, each] of cases.entries()) {
      const [count = 0, minimum = 0, maximum = 0, mean = 0, deviation = 0] = wanted[String(i)]?.samples ?? [];
      const found = whole(each);
      assert.equal(found.count, count, each.name);
      assert.equal(found.minimum, minimum, each.name);
      assert.equal(found.maximum, maximum, each.name);
      // A mean near 0 is the difference of large sums: its digits are those of the spread.
      near(found.mean, mean, deviation, `mean of ${each.name}`);
      near(standardDeviation(found), deviation, 0, `deviation of ${each.name}`);
    }
  });

  void it('of nothing valid are those of nothing', () => {
    assert.deepEqual(windowStatistics(new Uint8Array(100).fill(9), 0, 10, 10, 10, 9), noStatistics);
    assert.deepEqual(windowStatistics(new Float32Array(100).fill(Number.NaN), 0, 10, 10, 10, undefined), noStatistics);
    assert.deepEqual(windowStatistics(new Float64Array([Number.NaN, -1]), 0, 2, 1, 2, -1), noStatistics);
    assert.equal(standardDeviation(noStatistics), 0);
    assert.deepEqual(mergeStatistics(noStatistics, noStatistics), noStatistics);
  });

  // Catches: an extreme whose sign depends on the order, and so on how samples are added up.
  void it('of zeros with either sign are those of zeros', () => {
    for (const zeros of [[0, -0], [-0, 0], [0, 0, 0, 0, -0], [-0, -0, -0]]) {
      assert.deepEqual(windowStatistics(new Float32Array(zeros), 0, zeros.length, 1, zeros.length, undefined), { count: zeros.length, minimum: 0, maximum: 0, mean: 0, squares: 0 });
    }
  });

  void it('look at the window only', () => {
    const samples = new Int16Array([99, 99, 99, 99, 1, 2, 99, 3, 4]);
    assert.deepEqual(windowStatistics(samples, 4, 2, 2, 3, undefined), { count: 4, minimum: 1, maximum: 4, mean: 2.5, squares: 5 });
  });

  void it('of the pieces of any partition merge to those of the whole', () => {
    const cuts = fc.record(
      { across: fc.integer({ min: 1, max: 40 }), down: fc.integer({ min: 1, max: 40 }), columns: fc.integer({ min: 1, max: 70 }), rows: fc.integer({ min: 1, max: 50 }), offset: fc.constantFrom(0, 1e9, -5e5), holes: fc.double({ min: 0, max: 1, noNaN: true }), seed: fc.nat() },
      { noNullPrototype: true },
    );
    fc.assert(
      fc.property(cuts, ({ across, down, columns, rows, offset, holes, seed }) => {
        const random = seededRandom(seed);
        const samples = Float64Array.from({ length: columns * rows }, () => (random() < holes ? Number.NaN : offset + random()));
        let merged = noStatistics;
        for (let row = 0; row < rows; row += down) {
          for (let column = 0; column < columns; column += across) {
            const part = windowStatistics(samples, row * columns + column, Math.min(across, columns - column), Math.min(down, rows - row), columns, undefined);
            merged = mergeStatistics(merged, part);
          }
        }
        const once = windowStatistics(samples, 0, columns, rows, columns, undefined);
        assert.deepEqual([merged.count, merged.minimum, merged.maximum], [once.count, once.minimum, once.maximum]);
        near(merged.mean, once.mean, 1, 'mean');
        assert.ok(Math.abs(standardDeviation(merged) - standardDeviation(once)) <= 1e-12 * Math.max(1, Math.abs(offset) * 1e-3), 'deviation');
      }),
      { seed: 21, numRuns: 200 },
    );
  });

  void it('merge with nothing to themselves, bit for bit', () => {
    const some = windowStatistics(new Float32Array([1, 2, 4]), 0, 3, 1, 3, undefined);
    assert.deepEqual(mergeStatistics(some, noStatistics), some);
    assert.deepEqual(mergeStatistics(noStatistics, some), some);
  });
});
