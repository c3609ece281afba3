/** Would catch: nodata that leaks or spreads where it should not, wrong rounding, saturation or division rules, chunks that don't join. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Evaluator } from '../../../lib/raster/expression/evaluator.ts';
import { compile, compute, evaluate, read, source, type TestSources, type TestTarget } from './planes.ts';

const float: TestTarget = { dtype: 'float64', nodata: -1 };

void describe('nodata', () => {
  /** Pixels: both valid, a missing, b missing, both missing. */
  const sources: TestSources = { a: source('uint16', [5, 0, 7, 0], 0), b: source('int16', [2, 3, -9, -9], -9) };
  const cases: readonly (readonly [text: string, values: readonly number[]])[] = [
    ['a + b', [7, -1, -1, -1]],
    ['a * 0', [0, -1, 0, -1]],
    ['a > b || 1', [1, -1, -1, -1]],
    ['a < 0 && b', [0, -1, -1, -1]],
    ['!b', [0, 0, -1, -1]],
    ['min(a, b)', [2, -1, -1, -1]],
    ['isnan(a)', [0, -1, 0, -1]],
    ['isnodata(a)', [0, 1, 0, 1]],
    ['isnodata(a + b)', [0, 1, 1, 1]],
    ['isnodata(3)', [0, 0, 0, 0]],
    ['isnodata(isnodata(a))', [0, 0, 0, 0]],
    ['coalesce(a, b)', [5, 3, 7, -1]],
    ['coalesce(a, b, 9)', [5, 3, 7, 9]],
    ['coalesce(a + b, b * 10)', [7, 30, -1, -1]],
    ['coalesce(a, a + 1)', [5, -1, 7, -1]],
    ['coalesce(4, a)', [4, 4, 4, 4]],
    ['where(isnodata(a), b, a)', [5, 3, 7, -1]],
    ['isnodata(a) ? 100 : a', [5, 100, 7, 100]],
    ['where(1, a, b)', [5, -1, 7, -1]],
    ['where(0, a, b)', [2, 3, -1, -1]],
    ['where(a, 1, b)', [1, -1, 1, -1]],
    ['where(b, 1, a)', [1, 1, -1, -1]],
    ['where(isnodata(b), 1, a + b)', [7, -1, 1, 1]],
    ['where(isnodata(b), a, a)', [5, -1, 7, -1]],
    ['coalesce(a, 0) + coalesce(b, 0)', [7, 3, 7, 0]],
  ];
  for (const [text, values] of cases) {
    void it(`${text} is ${values.join(', ')}`, () => assert.deepEqual(compute(text, sources, float), values));
  }

  void it('is NaN where the source says so, and a value otherwise', () => {
    const values = [1, NaN, -Infinity];
    assert.deepEqual(compute('a + 1', { a: source('float32', values, NaN) }, float), [2, -1, -Infinity]);
    assert.deepEqual(compute('a + 1', { a: source('float32', values) }, { dtype: 'float32' }), [2, NaN, -Infinity]);
    assert.deepEqual(compute('isnan(a)', { a: source('float32', values) }, float), [0, 1, 0]);
    assert.deepEqual(compute('isnodata(a)', { a: source('float32', values, NaN) }, float), [0, 1, 0]);
    assert.deepEqual(compute('a + 1', { a: source('float32', [1, 2]) }, { dtype: 'float32', nodata: NaN }), [2, 3]);
  });

  void it('compares in the dtype of the source, as GDAL does', () => {
    assert.deepEqual(compute('a', { a: source('float32', [0.1, 0.2], 0.1) }, float), [-1, Math.fround(0.2)]);
    assert.deepEqual(compute('a', { a: source('uint8', [1, 255], -1) }, { dtype: 'uint8' }), [1, 255]);
    assert.deepEqual(compute('a', { a: source('float32', [-3.4028234663852886e38, 1], -3.4028234663852886e38) }, float), [-1, 1]);
    assert.deepEqual(compute('a', { a: source('float64', [-0, 1], 0) }, float), [-1, 1]);
  });

  void it('comes from masks too, of whatever value above 0', () => {
    const a = source('uint8', [1, 2, 3, 4], 3, [255, 0, 2, 1]);
    assert.deepEqual(compute('a * 2', { a }, float), [2, -1, -1, 8]);
    assert.deepEqual(compute('a', { a: source('uint8', [1, 2], undefined, [0, 1]) }, float), [-1, 2]);
  });

  void it('does not come from a mask that this tile does not have', () => {
    const masked = { a: source('uint8', [1, 2], undefined, [0, 1]) };
    const program = compile([read('a', masked)], masked, [float]);
    assert.deepEqual(evaluate(program, { a: source('uint8', [1, 2]) }, 2), [Float64Array.of(1, 2)]);
  });
});

void describe('division by zero', () => {
  const sources: TestSources = { a: source('int16', [6, 6, 0, -6]), b: source('int16', [3, 0, 0, 0]) };

  void it('is IEEE for float outputs', () => {
    assert.deepEqual(compute('a / b', sources, { dtype: 'float32' }), [2, Infinity, NaN, -Infinity]);
    assert.deepEqual(compute('a % b', sources, { dtype: 'float64' }), [0, NaN, NaN, NaN]);
  });

  void it('is nodata for integer outputs, wherever it happens', () => {
    const target: TestTarget = { dtype: 'int16', nodata: -99 };
    assert.deepEqual(compute('a / b', sources, target), [2, -99, -99, -99]);
    assert.deepEqual(compute('a % b', sources, target), [0, -99, -99, -99]);
    assert.deepEqual(compute('(a - b) / (a + b) * 3', { a: source('int16', [6, 0]), b: source('int16', [3, 0]) }, target), [1, -99]);
    assert.deepEqual(compute('min(a / b, 5) * 0', sources, target), [0, -99, -99, -99]);
    assert.deepEqual(compute('a / 0', sources, target), [-99, -99, -99, -99]);
    assert.deepEqual(compute('1 / 0', sources, target), [-99, -99, -99, -99]);
    assert.deepEqual(compute('isnodata(a / b)', sources, target), [0, 1, 1, 1]);
    assert.deepEqual(compute('coalesce(a / b, 7)', sources, target), [2, 7, 7, 7]);
    assert.deepEqual(compute('b == 0 ? 8 : a / b', sources, target), [2, 8, 8, 8]);
  });

  void it('follows the rule of each band of one program', () => {
    const targets: readonly TestTarget[] = [{ dtype: 'float32' }, { dtype: 'int16', nodata: -99 }, { dtype: 'float64' }];
    const expressions = ['a / b', 'a / b', 'isnodata(a / b)'].map((text) => read(text, sources));
    const planes = evaluate(compile(expressions, sources, targets), sources, 4);
    assert.deepEqual(planes.map((plane) => Array.from(plane)), [[2, Infinity, NaN, -Infinity], [2, -99, -99, -99], [0, 0, 0, 0]]);
  });
});

void describe('integer outputs', () => {
  const values = [0.5, 1.5, 2.5, -0.5, -1.5, 254.5, 255.49, 255.5, 300, -3, 1e300, Infinity, -Infinity, NaN, 0.49999999999999994, -0];
  const a = source('float64', values);

  void it('round half to even, saturate, and have nodata for NaN', () => {
    assert.deepEqual(compute('a', { a }, { dtype: 'uint8', nodata: 7 }), [0, 2, 2, 0, 0, 254, 255, 255, 255, 0, 255, 255, 0, 7, 0, 0]);
    assert.deepEqual(compute('a', { a }, { dtype: 'int8', nodata: 7 }), [0, 2, 2, 0, -2, 127, 127, 127, 127, -3, 127, 127, -128, 7, 0, 0]);
  });

  void it('reach both ends of every type', () => {
    const ends: readonly (readonly [TestTarget['dtype'], number, number])[] = [
      ['uint8', 0, 255],
      ['int8', -128, 127],
      ['uint16', 0, 65_535],
      ['int16', -32_768, 32_767],
      ['uint32', 0, 4_294_967_295],
      ['int32', -2_147_483_648, 2_147_483_647],
    ];
    for (const [dtype, min, max] of ends) {
      const wide = { a: source('float64', [-1e10, 1e10, max - 0.6, min + 0.6, max, min]) };
      assert.deepEqual(compute('a', wide, { dtype, nodata: 0 }), [min, max, max - 1, min + 1, max, min], dtype);
    }
  });

  void it('keep every value of the same type', () => {
    const all = Array.from({ length: 65_536 }, (_, i) => i);
    assert.deepEqual(compute('a', { a: source('uint16', all) }, { dtype: 'uint16' }), all);
  });
});

void describe('functions', () => {
  const cases: readonly (readonly [text: string, value: number])[] = [
    ['7 % 3', 1],
    ['-7 % 3', 2],
    ['7 % -3', -2],
    ['5.5 % 2', 1.5],
    ['2 ** 3 ** 2', 512],
    ['-2 ** 2', -4],
    ['1 ** (0 / 0)', 1],
    ['(-1) ** (1 / 0)', 1],
    ['pow(2, 0.5)', Math.SQRT2],
    ['!(0 / 0)', 0],
    ['(0 / 0) && 1', 1],
    ['(0 / 0) ? 3 : 4', 3],
    ['2 && 3', 1],
    ['0 || -2', 1],
    ['+3 - -2', 5],
    ['3 >= 3', 1],
    ['3 != 3', 0],
    ['min(3, 1, 2)', 1],
    ['max(3, 1, 2)', 3],
    ['min(1, 0 / 0)', NaN],
    ['max(0 / 0, 1)', NaN],
    ['clamp(5, 1, 3)', 3],
    ['clamp(-5, 1, 3)', 1],
    ['clamp(2, 3, 1)', 1],
    ['round(0.5)', 0],
    ['round(1.5)', 2],
    ['round(-2.5)', -2],
    ['round(4503599627370497)', 4_503_599_627_370_497],
    ['floor(-1.5)', -2],
    ['ceil(-1.5)', -1],
    ['trunc(-1.5)', -1],
    ['sign(-3)', -1],
    ['abs(-3)', 3],
    ['sqrt(9)', 3],
    ['log10(1000)', 3],
    ['log2(8)', 3],
    ['log(exp(1))', 1],
    ['atan2(1, 0)', Math.PI / 2],
    ['sin(0) + cos(0)', 1],
    ['tan(0) + asin(1) + acos(1) + atan(0)', Math.PI / 2],
  ];
  for (const [text, value] of cases) {
    void it(`${text} is ${String(value)}, folded and over pixels`, () => {
      const x = source('float64', [0, 0]);
      assert.deepEqual(compute(text, { x }, { dtype: 'float64' }), [value, value]);
      // Numbers that come from pixels can't be folded.
      const overPixels = text.replace(/(?<![\w.])\d+(?:\.\d+)?/g, (number) => `(${number} + x)`);
      assert.deepEqual(compute(overPixels, { x }, { dtype: 'float64' }), [value, value]);
    });
  }
});

void describe('an evaluator', () => {
  void it('joins chunks, whatever the number of pixels, and writes nothing beyond', () => {
    for (const pixels of [0, 1, 1023, 1024, 1025, 5000]) {
      const values = Array.from({ length: 5001 }, (_, i) => i % 251);
      const sources = { a: source('uint8', values, 250), b: source('uint8', values, undefined, values.map((value) => value % 7)) };
      const program = compile([read('coalesce(b, 2 * a)', sources)], sources, [{ dtype: 'int32', nodata: -5 }]);
      const target = new Int32Array(5001).fill(77);
      new Evaluator(program).run(program.sources.map(({ input }) => sources[input as 'a' | 'b']), [target], pixels);
      const wanted = values.map((value, i) => (i >= pixels ? 77 : value % 7 !== 0 ? value : value === 250 ? -5 : 2 * value));
      assert.deepEqual(Array.from(target), wanted);
    }
  });

  void it('forgets one run in the next', () => {
    const a = source('uint8', [0, 0, 5], 0);
    const program = compile([read('a + 1', { a })], { a }, [float]);
    const evaluator = new Evaluator(program);
    const target = new Float64Array(3);
    evaluator.run([a], [target], 3);
    assert.deepEqual(Array.from(target), [-1, -1, 6]);
    evaluator.run([{ array: Uint8Array.of(1, 2) }], [target], 2);
    assert.deepEqual(Array.from(target), [2, 3, 6]);
  });

  void it('reads and writes shared memory', () => {
    const array = new Uint16Array(new SharedArrayBuffer(4));
    array.set([1, 2]);
    const a = { dtype: 'uint16', array } as const;
    const target = new Float32Array(new SharedArrayBuffer(8));
    new Evaluator(compile([read('a / 4', { a })], { a }, [{ dtype: 'float32' }])).run([a], [target], 2);
    assert.deepEqual(Array.from(target), [0.25, 0.5]);
  });

  void it('refuses a target without nodata where pixels may be nodata, and a nodata value that the target cannot hold', () => {
    const a = source('uint8', [1], 0);
    assert.throws(() => new Evaluator(compile([read('a', { a })], { a }, [{ dtype: 'float32' }])), {
      code: 'EXPRESSION_NODATA_MISSING',
      message: /output band 1 \(float32\) can meet pixels without data/,
    });
    assert.throws(() => new Evaluator(compile([read('a', { a })], { a }, [{ dtype: 'uint8', nodata: 256 }])), {
      code: 'EXPRESSION_NODATA_MISSING',
      message: /nodata value 256 does not fit uint8/,
    });
  });

  void it('refuses planes that are not those of the program', () => {
    const a = source('uint8', [1]);
    const evaluator = new Evaluator(compile([read('a', { a })], { a }, [{ dtype: 'float32' }]));
    const target = new Float32Array(1);
    const refusal = (message: RegExp) => ({ code: 'EXPRESSION_PLANES', message });
    assert.throws(() => evaluator.run([], [target], 1), refusal(/wanted 1 sources and 1 targets, found 0 and 1/));
    assert.throws(() => evaluator.run([{ array: new Int8Array(1) }], [target], 1), refusal(/source a\[1\]: wanted uint8, found Int8Array/));
    assert.throws(() => evaluator.run([a], [new Float64Array(1)], 1), refusal(/target 1: wanted float32, found Float64Array/));
    assert.throws(() => evaluator.run([a], [target], 2), refusal(/wanted 2 samples, found 1/));
    assert.throws(() => evaluator.run([{ ...a, validity: new Uint8Array(1) }], [target], 1), refusal(/does not expect one/));
  });

  void it('refuses a program whose register numbers do not fit', () => {
    const a = source('uint8', [1]);
    const program = compile([read('a + 1', { a })], { a }, [{ dtype: 'float32' }]);
    assert.throws(() => new Evaluator({ ...program, registers: 1 }), { code: 'EXPRESSION_PROGRAM', message: /damaged/ });
  });
});
