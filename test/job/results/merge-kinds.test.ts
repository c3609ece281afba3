/** How values become one: against numpy, and what is refused. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { OperationError } from '../../../lib/base/errors.ts';
import { createFold, type FoldName } from '../../../lib/job/results/fold.ts';
import { seededRandom } from '../../support/arrays.ts';
import { runPython, withoutGdal } from '../../support/gdal.ts';
import { writeFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

function merged(name: FoldName, values: readonly unknown[]): unknown {
  const fold = createFold(name);
  // As they come out of segments: parsed from JSON.
  for (const [i, value] of values.entries()) fold.add({ column: i % 10, row: Math.floor(i / 10) }, JSON.parse(JSON.stringify(value)) as unknown);
  return JSON.parse(JSON.stringify(fold.finish()));
}

/** What a Python program says of the values, which it has as `values`, with words for numbers that JSON can't write taken as numbers. */
function python(program: string, values: readonly unknown[]): unknown {
  const folder = mkdtempSync(path.join(tmpdir(), 'tilefan-merge-'));
  try {
    const file = path.join(folder, 'values.json');
    writeFileSync(file, JSON.stringify(values));
    const prelude = `
import json, math, sys
import numpy as np
def numbers(v):
    if isinstance(v, dict): return {k: numbers(x) for k, x in v.items()}
    if isinstance(v, list): return [numbers(x) for x in v]
    return float(v) if isinstance(v, str) and v in ('nan', 'inf', '-inf') else v
def words(v):
    if isinstance(v, dict): return {k: words(x) for k, x in v.items()}
    if isinstance(v, (list, np.ndarray)): return [words(x) for x in v]
    if isinstance(v, (float, np.floating)) and not math.isfinite(v): return 'nan' if math.isnan(v) else 'inf' if v > 0 else '-inf'
    return v.item() if isinstance(v, np.generic) else v
values = numbers(json.load(open(sys.argv[1])))
def answer(v): print(json.dumps(words(v)))
`;
    return JSON.parse(runPython(`${prelude}${program}`, [file]));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function random(count: number, next = seededRandom(7)): number[] {
  // Of very different sizes and both signs: where plain sums go wrong.
  return Array.from({ length: count }, () => (next() - 0.5) * 10 ** Math.floor(next() * 16));
}

describe('merges of results', { skip: withoutGdal }, () => {
  it('sum as exactly as can be: as fsum does, where plain sums lose digits', () => {
    const values = random(20_000);
    assert.notEqual(values.reduce((sum, value) => sum + value, 0), python('answer(math.fsum(values))', values), 'the values are too tame to tell a plain sum from a good one');
    assert.equal(merged('sum', values), python('answer(math.fsum(values))', values));
    assert.equal(merged('sum', [1, 1e100, 1, -1e100]), 2);
  });

  it('sum, min, max and mean of arrays and objects are those of numpy', () => {
    const next = seededRandom(11);
    const values = Array.from({ length: 500 }, () => ({ a: Math.floor(next() * 1000), b: [next(), Math.floor(next() * 100)], c: { d: [[next()]], e: next() > 0.5 } }));
    for (const name of ['sum', 'min', 'max', 'mean'] as const) {
      const found = merged(name, values);
      const wanted = python(
        `f = lambda pick: np.${name}(np.array([pick(v) for v in values], dtype=np.longdouble), axis=0).astype(float)
answer({'a': f(lambda v: v['a']), 'b': f(lambda v: v['b']), 'c': {'d': f(lambda v: v['c']['d']), 'e': f(lambda v: v['c']['e'])}})`,
        values,
      );
      assert.deepEqual(found, wanted, name);
    }
  });

  it('NaN and the infinities do what they do in numpy', () => {
    const values = [[1, 'nan', 'inf', 'inf', 0], [2, 5, 3, '-inf', '-inf'], [-4, 7, 'inf', 1, 2]];
    for (const name of ['sum', 'min', 'max', 'mean'] as const) {
      assert.deepEqual(merged(name, values), python(`import warnings\nwarnings.simplefilter('ignore')\nanswer(np.${name}(np.array(values, dtype=float), axis=0))`, values), name);
    }
  });

  it('null has nothing to say, wherever it stands; what nobody gave is null', () => {
    const values = [null, { a: null, b: [1, null] }, { a: 4, b: null }, { a: 8, b: [3, null] }];
    assert.deepEqual(merged('sum', values), { a: 12, b: [4, null] });
    assert.deepEqual(merged('mean', values), { a: 6, b: [2, null] }, 'the mean is that of the tiles that gave a number');
    assert.equal(merged('mean', [null, null]), null);
    assert.equal(merged('sum', []), null);
  });

  it('histograms with edges are those of numpy over all pixels', () => {
    const next = seededRandom(3);
    const tiles = Array.from({ length: 20 }, () => Array.from({ length: 300 }, () => next() * 10));
    const values = python('answer([dict(zip(("counts", "edges"), np.histogram(v, bins=16, range=(0, 10)))) for v in values])', tiles) as unknown[];
    assert.deepEqual(merged('histogram', values), python('answer(dict(zip(("counts", "edges"), np.histogram(np.concatenate(values), bins=16, range=(0, 10)))))', tiles));
  });

  it('histograms by value have the values of all tiles, in order of the numbers', () => {
    const next = seededRandom(5);
    const tiles = Array.from({ length: 20 }, () => Array.from({ length: 50 }, () => Math.floor(next() * 40) / 2 - 5));
    const values = tiles.map((tile) => {
      const counts: Record<string, number> = {};
      for (const value of tile) counts[String(value)] = (counts[String(value)] ?? 0) + 1;
      return counts;
    });
    const wanted = python("u, n = np.unique(np.concatenate(values), return_counts=True)\nanswer({'%g' % k: c for k, c in zip(u, n)})", tiles);
    assert.deepEqual(merged('histogram', values), wanted);
    assert.deepEqual(merged('histogram', [{ band1: { 3: 1 }, band2: { edges: [0, 1], counts: [4] } }, { band1: { 3: 2, 4: 1 }, band2: { edges: [0, 1], counts: [5] } }]), {
      band1: { 3: 3, 4: 1 },
      band2: { edges: [0, 1], counts: [9] },
    });
  });

  it("dict is Python's update, but that objects are merged in their turn", () => {
    const flat = [{ a: 1, b: [1, 2] }, { b: [3], c: null }, { a: null, d: 'x', __proto__x: 1 }];
    assert.deepEqual(merged('dict', flat), python('d = {}\nfor v in values: d.update(v)\nanswer(d)', flat));
    const deep = [{ a: { b: 1, c: { d: 1 } } }, { a: { c: { e: 2 } }, f: 1 }, { f: { g: 1 } }];
    assert.deepEqual(merged('dict', deep), { a: { b: 1, c: { d: 1, e: 2 } }, f: { g: 1 } });
  });
});

describe('merges of results refuse', () => {
  const cases: readonly [string, FoldName, readonly unknown[], string, RegExp][] = [
    ['arrays of different lengths', 'sum', [{ a: [1, 2] }, { a: [1, 2] }, { a: [1] }], 'RESULT_SHAPE', /merged by sum: a is an array of 1 in tile 2,0 and an array of 2 in tile 0,0/],
    ['a field that is missing', 'mean', [{ a: 1, b: 1 }, { a: 1 }], 'RESULT_SHAPE', /b is not there in tile 1,0 and there in tile 0,0/],
    ['a field that is new', 'max', [{ a: 1 }, { a: 1, b: 1 }], 'RESULT_SHAPE', /b is there in tile 1,0 and not there in tile 0,0/],
    ['a number where an object was', 'min', [{ a: { b: 1 } }, { a: 2 }], 'RESULT_SHAPE', /a is the number 2 in tile 1,0 and an object in tile 0,0/],
    ['an array where a number was', 'min', [[1, 2], [1, [2]]], 'RESULT_SHAPE', /\[1\] is an array of 1 in tile 1,0 and a number in tile 0,0/],
    ['a text', 'sum', [{ 'a b': ['x'] }], 'RESULT_KIND', /tile 0,0 can't be merged by sum: \["a b"\]\[0\] is the text "x"; wanted a number/],
    ['other edges', 'histogram', [{ edges: [0, 1, 2], counts: [1, 1] }, { edges: [0, 1, 3], counts: [1, 1] }], 'RESULT_SHAPE', /edges\[2\] is the number 3 in tile 1,0 and the number 2 in tile 0,0/],
    ['as many counts as edges', 'histogram', [{ edges: [0, 1], counts: [1, 1] }], 'RESULT_KIND', /counts is an array of 2; wanted one count less than there are edges \(1\)/],
    ['counts that are none', 'histogram', [{ 3: 'many' }], 'RESULT_KIND', /\["3"\] is the text "many"; wanted a count/],
    ['a list as a histogram', 'histogram', [[1, 2]], 'RESULT_KIND', /the value is an array of 2; wanted \{edges, counts\}/],
    ['a number as a dict', 'dict', [3], 'RESULT_KIND', /the value is the number 3; wanted an object/],
  ];
  for (const [what, name, values, code, words] of cases) {
    it(what, () => {
      assert.throws(
        () => merged(name, values),
        (error) => error instanceof OperationError && error.code === code && words.test(error.message) && Array.isArray(error.where['tile']),
      );
    });
  }

  it('more names than an object can hold, but not the same ones again and again', () => {
    const names = (from: number): Record<string, number> => Object.fromEntries(Array.from({ length: 50_000 }, (_, i) => [String(from + i), i]));
    const fold = createFold('dict');
    const same = names(0);
    for (let tile = 0; tile < 60; tile++) fold.add({ column: tile, row: 0 }, same);
    assert.throws(
      () => {
        for (let tile = 0; tile < 60; tile++) fold.add({ column: tile, row: 1 }, names(50_000 * tile));
      },
      (error) => error instanceof OperationError && error.code === 'RESULTS_TOO_LARGE' && /tile 40,1.*list/.test(error.message),
    );
  });

  it('names that do harm to objects', () => {
    const values = [JSON.parse('{"__proto__": {"polluted": 1}, "constructor": 2}') as unknown];
    for (const name of ['sum', 'dict', 'histogram'] as const) {
      const fold = createFold(name);
      for (const value of values) fold.add({ column: 0, row: 0 }, value);
      assert.equal(JSON.stringify(fold.finish()), '{"__proto__":{"polluted":1},"constructor":2}', name);
      assert.equal(Reflect.get({}, 'polluted'), undefined);
    }
  });
});
