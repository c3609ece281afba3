/**
 * Would catch: a focal result that depends on how an image is cut into windows and strips, on the margin that a window is given, or on
 * what lies outside of the image, in any bit, for any types, nodata values, masks, NaN and infinities.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type Dtype, dtypeFacts, dtypes, isFloat } from '../../../lib/raster/dtype.ts';
import { Evaluator } from '../../../lib/raster/expression/evaluator.ts';
import { type Band, compileText, computeImage, computeWindow, makeBand, random } from './image.ts';

const kernels = { blur: [[0.1, 0.2, 0.1]], cross: [[0, 1, 0], [1, -4.5, 1], [0, 1, 0]], five: Array.from({ length: 5 }, (_, i) => [1, -0.5, i, 0, 0.25]) };
const size = fc.constantFrom('1', '3', '5', '3, 7', '9, 1', '1, 5', '11');

const { expression } = fc.letrec<{ expression: string; operand: string }>((tie) => ({
  operand: fc.oneof(
    { depthSize: 'small' },
    { arbitrary: fc.constantFrom('a', 'b', 'a', 'a + b', 'a * 0.1', 'coalesce(a, 3)', 'isnodata(a)', '7'), weight: 4 },
    tie('expression'),
  ),
  expression: fc.oneof(
    { arbitrary: fc.tuple(fc.constantFrom('mean', 'median', 'min', 'max', 'std'), tie('operand'), size).map(([name, x, n]) => `focal_${name}(${x}, ${n})`), weight: 6 },
    fc.tuple(tie('operand'), fc.constantFrom('blur', 'cross', 'five')).map(([x, name]) => `convolve(${x}, ${name})`),
    fc.tuple(fc.constantFrom('slope', 'slope_percent', 'aspect', 'hillshade'), tie('operand')).map(([name, x]) => `${name}(${x})`),
    fc.tuple(tie('operand'), tie('operand')).map(([x, y]) => `(${x} - ${y})`),
    fc.tuple(tie('operand'), tie('operand'), tie('operand')).map(([c, x, y]) => `where(${c} > 5, ${x}, ${y})`),
    fc.tuple(tie('operand'), tie('operand')).map(([x, y]) => `coalesce(${x}, ${y})`),
  ),
}));

interface Shape {
  readonly columns: number;
  readonly rows: number;
}

function special(dtype: Dtype): readonly number[] {
  const { min, max } = dtypeFacts(dtype);
  return isFloat(dtype) ? [0, -0, NaN, Infinity, -Infinity, 1e17, -9999] : [0, 1, min, max];
}

function band(dtype: Dtype, { columns, rows }: Shape, seed: number, holes: number, nodata: boolean, masked: boolean, strange: boolean): Band {
  const next = random(seed);
  const odd = special(dtype);
  const value = (): number => {
    if (next() < holes) return odd.at(-1) ?? 0;
    if (strange && next() < 0.03) return odd[Math.floor(next() * odd.length)] ?? 0;
    return isFloat(dtype) ? (next() - 0.4) * 100 : Math.floor(next() * 120);
  };
  const plain = makeBand(dtype, columns * rows, value, nodata ? (odd.at(-1) ?? 0) : undefined);
  return masked ? { ...plain, validity: Uint8Array.from({ length: columns * rows }, () => (next() < holes ? 0 : 255)) } : plain;
}

const anyBand = fc.record({
  dtype: fc.constantFrom(...dtypes),
  seed: fc.nat(),
  holes: fc.constantFrom(0, 0.002, 0.1, 0.7),
  nodata: fc.boolean(),
  masked: fc.boolean(),
  strange: fc.boolean(),
});
// The tall ones take more than one strip.
const shape = fc.oneof({ arbitrary: fc.record({ columns: fc.integer({ min: 1, max: 40 }), rows: fc.integer({ min: 1, max: 40 }) }), weight: 4 }, fc.constant({ columns: 37, rows: 1201 }));

void describe('windows', () => {
  void it('equal the whole image, bit by bit', () => {
    let [compared, valid] = [0, 0];
    fc.assert(
      fc.property(expression, anyBand, anyBand, shape, fc.integer({ min: 1, max: 23 }), fc.integer({ min: 1, max: 700 }), fc.nat(5), fc.boolean(), (text, a, b, whole, across, down, more, handles) => {
        const make = (each: typeof a): Band => band(each.dtype, whole, each.seed, each.holes, each.nodata, each.masked, each.strange);
        const bands = { a: make(a), b: make(b) };
        const nodata = handles ? 'handle' : 'mask';
        const program = compileText(text, bands, { dtype: 'float64', nodata: -12_345 }, { kernels, pixelSize: { x: 10, y: 12 }, nodata });
        const image = { ...whole, bands };
        const wanted = computeImage(program, image);
        const evaluator = new Evaluator(program);
        for (let row = 0; row < whole.rows; row += down) {
          for (let column = 0; column < whole.columns; column += across) {
            const cut = { column, row, columns: Math.min(across, whole.columns - column), rows: Math.min(down, whole.rows - row), margin: program.halo + more };
            const found = computeWindow(evaluator, program, image, cut);
            for (let i = 0; i < found.length; i++) {
              const k = (row + Math.floor(i / cut.columns)) * whole.columns + column + (i % cut.columns);
              if (!Object.is(found[i], wanted[k])) assert.fail(`column ${String(k % whole.columns)}, row ${String(Math.floor(k / whole.columns))}: the image has ${String(wanted[k])}, the window ${String(found[i])}`);
              compared++;
              if (found[i] !== -12_345 && found[i] === found[i]) valid++;
            }
          }
        }
      }),
      { numRuns: 400 },
    );
    assert.ok(compared > 200_000 && valid > compared / 10, `${String(compared)} pixels compared, ${String(valid)} with a number`);
  });
});
