/** Would catch: a plain band that is changed on its way into an output of its own type, or masked pixels that keep their values. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { allocateSamples, type Dtype, dtypeFacts, dtypes } from '../../../lib/raster/dtype.ts';
import { Evaluator } from '../../../lib/raster/expression/evaluator.ts';
import { compile, evaluate, read, source, type TestSources, type TestTarget } from './planes.ts';

function program(sources: TestSources, target: TestTarget) {
  return compile([read('a', sources)], sources, [target]);
}

function isCopy(sources: TestSources, target: TestTarget): boolean {
  return program(sources, target).steps.every((step) => step.do === 'copy');
}

void describe('a plain band', () => {
  for (const dtype of dtypes) {
    void it(`of ${dtype} keeps every bit`, () => {
      const bytes = Uint8Array.from({ length: 8 * 3000 }, (_, i) => (i * 7919 + (i >> 3)) % 256);
      const sample = allocateSamples(dtype, 1);
      const Samples = sample.constructor as Float64ArrayConstructor;
      const array = new Samples(bytes.buffer);
      const sources: TestSources = { a: { dtype, array, nodata: 0 } };
      const [found] = evaluate(program(sources, { dtype, nodata: 0 }), sources, array.length);
      assert.ok(found && isCopy(sources, { dtype, nodata: 0 }));
      assert.ok(Buffer.from(found.buffer).equals(Buffer.from(bytes.buffer)));
    });

    void it(`of ${dtype} gets the output's nodata value where it is masked`, () => {
      const { max } = dtypeFacts(dtype);
      const mask = Array.from({ length: 40_000 }, (_, i) => (i % 977 === 3 || i > 39_990 ? 0 : 255));
      const sources: TestSources = { a: source(dtype, mask.map((_, i) => i % 100), undefined, mask) };
      const target = { dtype, nodata: max };
      assert.ok(isCopy(sources, target));
      const [found] = evaluate(program(sources, target), sources, mask.length);
      assert.deepEqual(Array.from(found ?? []), mask.map((set, i) => (set === 0 ? max : i % 100)));
    });
  }

  void it('keeps NaN with its payload, and -0', () => {
    const words = Uint32Array.of(0x7f_c0_12_34, 0xff_a0_00_01, 0x80_00_00_00, 0x3f_80_00_00);
    const sources: TestSources = { a: { dtype: 'float32', array: new Float32Array(words.buffer), nodata: NaN } };
    const [found] = evaluate(program(sources, { dtype: 'float32', nodata: NaN }), sources, 4);
    assert.deepEqual(new Uint32Array(found?.buffer as ArrayBuffer), words);
  });

  void it('is no copy where its nodata value changes, or its type', () => {
    const sources: TestSources = { a: source('uint8', [1, 0, 3], 0) };
    assert.ok(!isCopy(sources, { dtype: 'uint8', nodata: 255 }));
    assert.ok(!isCopy(sources, { dtype: 'uint16', nodata: 0 }));
    assert.deepEqual(evaluate(program(sources, { dtype: 'uint8', nodata: 255 }), sources, 3), [Uint8Array.of(1, 255, 3)]);
    assert.ok(isCopy({ a: source('float32', [1], 0.1) }, { dtype: 'float32', nodata: 0.1 }));
  });

  void it('is not copied by a program whose nodata value was changed afterwards', () => {
    const sources: TestSources = { a: source('uint8', [1, 0, 3], 0) };
    const made = program(sources, { dtype: 'uint8', nodata: 0 });
    const changed = { ...made, targets: [{ dtype: 'uint8' as Dtype, yieldsNodata: true, nodata: 9 }] };
    assert.throws(() => new Evaluator(changed), { code: 'EXPRESSION_PROGRAM' });
  });

  void it('may stand beside others that are computed', () => {
    const sources: TestSources = { a: source('uint8', [1, 0, 3], 0), b: source('uint8', [1, 2, 3]) };
    const both = compile([read('a', sources), read('a + b', sources)], sources, [{ dtype: 'uint8', nodata: 0 }, { dtype: 'uint8', nodata: 99 }]);
    assert.deepEqual(evaluate(both, sources, 3), [Uint8Array.of(1, 0, 3), Uint8Array.of(2, 99, 6)]);
  });
});
