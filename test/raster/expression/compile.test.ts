/** Would catch: work done twice or in vain, registers that pile up, and a forecast of nodata that is wrong or needlessly timid. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Dtype } from '../../../lib/raster/dtype.ts';
import { compile, compute, read, source, type TestSources } from './planes.ts';

const sources: TestSources = {
  a: source('uint16', [1], 0),
  b: source('uint16', [1], 0),
  c: source('int16', [1]),
  f: source('float32', [1]),
  n: source('float32', [1], NaN),
};

function program(texts: readonly string[], dtype: Dtype = 'float32') {
  const expressions = texts.map((text) => read(text, sources));
  return compile(expressions, sources, texts.map(() => ({ dtype })));
}

function steps(texts: readonly string[], dtype: Dtype = 'float32'): string {
  return program(texts, dtype)
    .steps.map((step) => ('operation' in step ? step.operation : step.do))
    .join(' ');
}

void describe('a compiled program', () => {
  void it('computes what is common once, within a band and across bands', () => {
    assert.equal(steps(['(c + f) * (f + c)']), 'load load add multiply store');
    assert.equal(steps(['sqrt(c + 1)', 'c + 1']), 'load add sqrt store store');
    assert.equal(steps(['a + b', 'a * b']), 'load load add both store multiply store');
  });

  void it('folds constants', () => {
    assert.equal(steps(['c * (2 + 3 * 4) + where(1 < 2, 5, f)']), 'load multiply add store');
    assert.deepEqual(program(['c * (2 + 3 * 4)']).constants, [14]);
    assert.equal(steps(['1 + 2']), 'store');
  });

  void it('keeps NaN, -0 and the infinities through JSON', () => {
    assert.deepEqual(program(['c * (0 / 0)', 'c * -0', 'c * (1 / 0)', 'c * (-1 / 0)']).constants, ['nan', '-0', 'inf', '-inf']);
    assert.deepEqual(compute('1 / (c * -0)', { c: source('uint8', [1]) }, { dtype: 'float32' }), [-Infinity]);
  });

  void it('has no validity where nothing can be nodata', () => {
    assert.equal(program(['c + f * 2']).validities, 1);
    assert.equal(steps(['coalesce(c, a)']), 'load store');
  });

  void it('computes one validity for a whole expression', () => {
    assert.equal(steps(['where(a > b, a - b, b - a) / (a * b)']).match(/both|either|pick/g)?.length, 1);
  });

  void it('makes squares products and normalized differences one step', () => {
    assert.equal(steps(['f ** 2']), 'load multiply store');
    assert.equal(steps(['(f - c) / (f + c)']), 'load load normalizedDifference store');
    assert.equal(steps(['(f - c) / (c + f)']), 'load load normalizedDifference store');
    assert.equal(steps(['(f - c) / (f + f)']), 'load load subtract add divide store');
  });

  void it('uses registers again', () => {
    const chain = Array.from({ length: 200 }, (_, i) => `sqrt(f + ${String(i % 2)})`).join(' + ');
    const { registers, constants } = program([chain]);
    assert.ok(registers - constants.length <= 5, `${String(registers)} registers`);
  });

  void describe('forecasts nodata', () => {
    const cases: readonly (readonly [text: string, dtype: Dtype, yields: boolean])[] = [
      ['c', 'uint8', false],
      ['a', 'uint8', true],
      ['a', 'float32', true],
      ['f', 'float32', false],
      ['f', 'uint8', true],
      ['n', 'float32', true],
      ['isnodata(n)', 'uint8', false],
      ['coalesce(n, 0)', 'uint8', false],
      ['coalesce(f, 0)', 'uint8', true],
      ['f > 1', 'uint8', false],
      ['isnan(f) ? 0 : f', 'uint8', true],
      ['c / 2', 'uint8', false],
      ['2 / c', 'uint8', true],
      ['2 / c', 'float32', false],
      ['2 / (c * c + 1)', 'uint8', false],
      ['c % 7', 'uint8', false],
      ['sqrt(c)', 'uint8', true],
      ['sqrt(abs(c))', 'uint8', false],
      ['sqrt(c ** 2 + c * c)', 'uint8', false],
      ['log(c)', 'uint8', true],
      ['log(max(c, 1))', 'uint8', false],
      ['exp(c) - exp(c + 1)', 'uint8', true],
      ['min(c, 5) * 1.5 + clamp(c, 0, 9)', 'uint8', false],
      ['sin(c) + cos(c)', 'uint8', false],
      ['acos(c)', 'uint8', true],
      ['c ** 3', 'uint8', false],
      ['c ** 0.5', 'uint8', true],
    ];
    for (const [text, dtype, yields] of cases) {
      void it(`${text} as ${dtype}: ${String(yields)}`, () => assert.equal(program([text], dtype).targets[0]?.yieldsNodata, yields));
    }
  });
});
