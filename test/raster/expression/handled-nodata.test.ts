/** Would catch: nodata that still masks although the operation handles it, or that isnodata and coalesce no longer see. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Band, compileText, computeImage, makeBand } from '../focal/image.ts';

/** Pixels: both there, a nodata, b masked, both missing. */
const a = makeBand('uint8', 4, (i) => [5, 0, 7, 0][i] ?? 0, 0);
const b: Band = { ...makeBand('int16', 4, (i) => [2, 3, -9, -8][i] ?? 0), validity: Uint8Array.of(1, 1, 0, 0) };

function compute(text: string, dtype: 'float64' | 'int16' = 'float64'): number[] {
  const program = compileText(text, { a, b }, { dtype, nodata: -1 }, { nodata: 'handle' });
  return Array.from(computeImage(program, { columns: 4, rows: 1, bands: { a, b } }));
}

void describe('nodata that the operation handles', () => {
  const cases: readonly (readonly [text: string, values: readonly number[]])[] = [
    ['a', [5, 0, 7, 0]],
    ['a + b', [7, 3, -2, -8]],
    ['isnodata(a)', [0, 1, 0, 1]],
    ['isnodata(b)', [0, 0, 1, 1]],
    ['isnodata(a + b)', [0, 1, 1, 1]],
    ['isnodata(abs(a))', [0, 1, 0, 1]],
    ['coalesce(a, b)', [5, 3, 7, -8]],
    ['isnodata(coalesce(a, b))', [0, 0, 0, 1]],
    ['coalesce(a, b, 50)', [5, 3, 7, 50]],
    ['where(isnodata(a), 10, a)', [5, 10, 7, 10]],
    ['isnodata(where(isnodata(b), 1, a))', [0, 1, 0, 0]],
    ['focal_max(a, 3)', [5, 7, 7, 7]],
    ['focal_mean(a, 3)', [2.5, 4, 7 / 3, 3.5]],
    ['isnodata(focal_mean(a, 3))', [0, 1, 0, 1]],
    ['focal_mean(coalesce(a, b), 3)', [4, 5, 2 / 3, -0.5]],
  ];
  for (const [text, values] of cases) void it(`${text} is ${values.join(', ')}`, () => assert.deepEqual(compute(text), values));

  void it('still comes from divisions by zero of integer outputs', () => {
    assert.deepEqual(compute('b / a', 'int16'), [0, -1, -1, -1]);
  });

  void it('makes no nodata value necessary', () => {
    const yields = (nodata: 'mask' | 'handle') => compileText('a + b', { a, b }, { dtype: 'int16' }, { nodata }).targets[0]?.yieldsNodata;
    assert.deepEqual([yields('mask'), yields('handle')], [true, false]);
  });
});
