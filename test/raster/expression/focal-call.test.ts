/** Would catch: focal functions that take what they can't compute, or refuse it without saying where and what was wanted. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readExpression } from '../../../lib/raster/expression/check.ts';
import { compileProgram } from '../../../lib/raster/expression/compile.ts';

const scope = {
  inputs: { dem: { bands: 1 }, scene: { bands: 4 } },
  parameters: { size: 5, even: 4, sun: 300 },
  kernels: {
    sobel: [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]],
    ragged: [[1, 2, 3], [1, 2], [1, 2, 3]],
    even: [[1, 2], [3, 4], [5, 6]],
    none: [],
    hollow: [[], [], []],
    strange: [[1, 2, 3], [1, NaN, 3], [1, 2, 3]],
  },
};

function haloOf(text: string): number {
  const { expression, problems } = readExpression(text, scope);
  assert.deepEqual(problems, []);
  assert.ok(expression);
  return compileProgram([{ expression, dtype: 'float32', nodata: -1 }], () => ({ dtype: 'uint16', nodata: 0, masked: false }), { pixelSize: { x: 1, y: 1 } }).halo;
}

void describe('a focal call', () => {
  const halos: readonly (readonly [text: string, halo: number])[] = [
    ['dem', 0],
    ['focal_mean(dem, 1)', 0],
    ['focal_mean(dem, size)', 2],
    ['focal_mean(dem, +5)', 2],
    ['focal_std(dem, 3, 255)', 127],
    ['focal_max(dem, 9, 3)', 4],
    ['slope(dem)', 1],
    ['hillshade(dem, sun, -10, 2, 1.5)', 1],
    ['convolve(scene[2], sobel)', 1],
    ['focal_mean(slope(dem), 5)', 3],
    ['focal_mean(focal_mean(dem, 5) - focal_max(dem, 11), 3) + focal_min(dem, 7)', 6],
    ['focal_mean(focal_mean(dem, 5, 1), 1, 9)', 4],
    ['where(slope(dem) > 10, aspect(dem), 0)', 1],
    ['(focal_mean(scene[4], 5) - scene[3]) / 2', 2],
  ];
  for (const [text, halo] of halos) void it(`${text} has a halo of ${String(halo)}`, () => assert.equal(haloOf(text), halo));

  const refused: readonly (readonly [text: string, code: string, column: number, words: RegExp])[] = [
    ['focal_mean(dem)', 'EXPRESSION_ARGUMENTS', 1, /takes 2 or 3 operands, found 1/],
    ['focal_mean(dem, 3, 3, 3)', 'EXPRESSION_ARGUMENTS', 1, /found 4/],
    ['focal_mean(dem, 4)', 'EXPRESSION_ARGUMENTS', 17, /odd whole number of pixels from 1 to 255.*found 4/],
    ['1 + focal_mean(dem, even)', 'EXPRESSION_ARGUMENTS', 21, /found 4/],
    ['focal_mean(dem, 3, 2)', 'EXPRESSION_ARGUMENTS', 20, /found 2/],
    ['focal_mean(dem, 0)', 'EXPRESSION_ARGUMENTS', 17, /found 0/],
    ['focal_mean(dem, -3)', 'EXPRESSION_ARGUMENTS', 17, /found -3/],
    ['focal_mean(dem, 257)', 'EXPRESSION_ARGUMENTS', 17, /found 257/],
    ['focal_mean(dem, 2.5)', 'EXPRESSION_ARGUMENTS', 17, /found 2.5/],
    ['focal_mean(dem, dem)', 'EXPRESSION_ARGUMENTS', 17, /a number or a parameter/],
    ['focal_mean(dem, 3 + 2)', 'EXPRESSION_ARGUMENTS', 17, /a number or a parameter/],
    ['focal_mean(dam, 3)', 'EXPRESSION_UNKNOWN_NAME', 12, /did you mean "dem"/],
    ['focal_meen(dem, 3)', 'EXPRESSION_UNKNOWN_NAME', 1, /did you mean "focal_mean"/],
    ['slope()', 'EXPRESSION_ARGUMENTS', 1, /takes 1 or 2 operands/],
    ['slope(dem, 0)', 'EXPRESSION_ARGUMENTS', 12, /scale above 0, found 0/],
    ['aspect(dem, 1)', 'EXPRESSION_ARGUMENTS', 1, /takes 1 operand, found 2/],
    ['hillshade(dem, 1, 2, 3, 4, 5)', 'EXPRESSION_ARGUMENTS', 1, /takes 1 to 5 operands, found 6/],
    ['convolve(dem)', 'EXPRESSION_ARGUMENTS', 1, /takes 2 operands, found 1/],
    ['convolve(dem, 3)', 'EXPRESSION_ARGUMENTS', 15, /name of a matrix/],
    ['convolve(dem, sobl)', 'EXPRESSION_UNKNOWN_NAME', 15, /did you mean "sobel"/],
    ['convolve(dem, toString)', 'EXPRESSION_UNKNOWN_NAME', 15, /named "toString"/],
    ['convolve(dem, ragged)', 'EXPRESSION_KERNEL', 15, /3 weights in row 1, 2 in row 2/],
    ['convolve(dem, even)', 'EXPRESSION_KERNEL', 15, /2 columns and 3 rows; wanted odd/],
    ['convolve(dem, none)', 'EXPRESSION_KERNEL', 15, /is empty/],
    ['convolve(dem, hollow)', 'EXPRESSION_KERNEL', 15, /is empty/],
    ['convolve(dem, strange)', 'EXPRESSION_KERNEL', 15, /not a finite number, in row 2/],
    ['sobel + 1', 'EXPRESSION_UNKNOWN_NAME', 1, /is a kernel/],
  ];
  for (const [text, code, column, words] of refused) {
    void it(`refuses ${text} with ${code}`, () => {
      const { problems } = readExpression(text, scope);
      assert.deepEqual(problems.map((problem) => [problem.code, problem.column]), [[code, column]]);
      assert.match(problems[0]?.message ?? '', words);
    });
  }

  void it('needs no kernels where none is named', () => {
    const { problems } = readExpression('convolve(dem, sobel)', { inputs: scope.inputs, parameters: {} });
    assert.match(problems[0]?.message ?? '', /named "sobel"; known: none/);
  });

  void it('needs the size of a pixel for slopes and shades, and not for aspects', () => {
    const compile = (text: string, pixelSize?: { x: number; y: number }) => {
      const { expression } = readExpression(text, scope);
      assert.ok(expression);
      return compileProgram([{ expression, dtype: 'float32', nodata: -1 }], () => ({ dtype: 'int16', nodata: undefined, masked: false }), { pixelSize });
    };
    for (const text of ['slope(dem)', '2 * slope_percent(dem)', 'hillshade(dem)']) {
      assert.throws(() => compile(text), { code: 'EXPRESSION_PIXEL_SIZE', message: /needs the size of a pixel/ });
      assert.throws(() => compile(text, { x: 10, y: 0 }), { code: 'EXPRESSION_PIXEL_SIZE', message: /found 10 by 0/ });
    }
    assert.equal(compile('aspect(dem)').halo, 1);
  });

  void it('foresees that edges of terrain and convolutions have no data, and that of statistics has', () => {
    const yields = (text: string, nodata?: number): boolean | undefined => {
      const { expression } = readExpression(text, scope);
      assert.ok(expression);
      const options = { pixelSize: { x: 1, y: 1 } };
      return compileProgram([{ expression, dtype: 'uint8', nodata: undefined }], () => ({ dtype: 'uint8', nodata, masked: false }), options).targets[0]?.yieldsNodata;
    };
    assert.equal(yields('focal_mean(dem, 5) + focal_std(dem, 3)'), false);
    assert.equal(yields('focal_mean(dem, 5)', 0), true);
    assert.equal(yields('slope(dem)'), true);
    assert.equal(yields('convolve(dem, sobel)'), true);
    assert.equal(yields('coalesce(slope(dem), 0)'), false);
  });
});
