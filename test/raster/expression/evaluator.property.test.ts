/**
 * Would catch: any difference between the compiled form of an expression (its order, registers, shared parts, folding, validity)
 * and its plain meaning, for any types, nodata values, masks and sizes.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { allocateSamples, type Dtype, dtypeFacts, dtypes, isFloat } from '../../../lib/raster/dtype.ts';
import { compile, evaluate, read, type TestSource, type TestSources, type TestTarget } from './planes.ts';
import { evaluatePixel, type Pixel, storePixel } from './reference.ts';

const names = ['a', 'b', 'c'] as const;

/** Values around every border, few enough that nodata, ties and zeros meet. */
function valuesOf(dtype: Dtype): readonly number[] {
  if (isFloat(dtype)) return [0, -0, 1, -1, 0.5, -2.5, 3, NaN, Infinity, -Infinity, 1e30, 255.5, 40_000];
  const { min, max } = dtypeFacts(dtype);
  return [0, 1, 2, 3, 7, 100, min, max, max - 1];
}

interface SourceBand {
  readonly dtype: Dtype;
  /** Repeated over the plane. */
  readonly pattern: readonly number[];
  readonly nodata: number | undefined;
  readonly mask: readonly number[] | undefined;
}

const sourceBand: fc.Arbitrary<SourceBand> = fc.constantFrom(...dtypes).chain((dtype) => {
  const value = fc.constantFrom(...valuesOf(dtype));
  return fc.record({
    dtype: fc.constant(dtype),
    pattern: fc.array(value, { minLength: 1, maxLength: 23 }),
    nodata: fc.option(value, { nil: undefined }),
    mask: fc.option(fc.array(fc.constantFrom(0, 1, 255), { minLength: 1, maxLength: 7 }), { nil: undefined }),
  });
});

function makeSource({ dtype, pattern, nodata, mask }: SourceBand, pixels: number): TestSource {
  const array = allocateSamples(dtype, pixels);
  for (let i = 0; i < pixels; i++) array[i] = pattern[i % pattern.length] ?? 0;
  const validity = mask && Uint8Array.from({ length: pixels }, (_, i) => mask[i % mask.length] ?? 0);
  return { dtype, array, ...(nodata !== undefined && { nodata }), ...(validity && { validity }) };
}

const { expression } = fc.letrec<{ expression: string; leaf: string }>((tie) => {
  const e = tie('expression');
  const binary = fc.constantFrom('+', '-', '*', '/', '%', '**', '<', '<=', '>', '>=', '==', '!=', '&&', '||');
  const unary = fc.constantFrom('-', '!', '+', 'abs', 'sign', 'floor', 'ceil', 'trunc', 'round', 'sqrt', 'isnan', 'isnodata', 'exp', 'log', 'atan');
  return {
    leaf: fc.oneof({ arbitrary: fc.constantFrom(...names), weight: 4 }, fc.constantFrom('0', '1', '2', '0.5', '7', '-1', '1e9')),
    expression: fc.oneof(
      { depthSize: 'medium', withCrossShrink: true },
      tie('leaf'),
      { arbitrary: fc.tuple(e, binary, e).map(([a, operator, b]) => `(${a} ${operator} ${b})`), weight: 5 },
      { arbitrary: fc.tuple(unary, e).map(([operation, a]) => `${operation}(${a})`), weight: 3 },
      fc.tuple(fc.constantFrom('min', 'max', 'coalesce', 'atan2', 'pow'), e, e).map(([name, a, b]) => `${name}(${a}, ${b})`),
      { arbitrary: fc.tuple(e, e, e).map(([c, a, b]) => `where(${c}, ${a}, ${b})`), weight: 2 },
      fc.tuple(e, e, e).map(([c, a, b]) => `(${c} ? ${a} : ${b})`),
      fc.tuple(e, e, e).map(([x, low, high]) => `clamp(${x}, ${low}, ${high})`),
      fc.tuple(e, e, e).map(([x, y, z]) => `coalesce(${x}, ${y}, ${z})`),
      // One that the compiler knows, with operands of any kind.
      fc.tuple(e, e).map(([x, y]) => `((${x} - ${y}) / (${x} + ${y}))`),
    ),
  };
});

const target: fc.Arbitrary<Required<TestTarget>> = fc
  .constantFrom(...dtypes)
  .chain((dtype) => fc.record({ dtype: fc.constant(dtype), nodata: fc.constantFrom(...valuesOf(dtype)) }));

function pixelOf({ dtype, array, nodata: written, validity }: TestSource, i: number): Pixel {
  const nodata = dtype === 'float32' && written !== undefined ? Math.fround(written) : written;
  const value = array[i] ?? 0;
  if (validity?.[i] === 0) return undefined;
  return value === nodata || (Number.isNaN(value) && Number.isNaN(nodata)) ? undefined : value;
}

void describe('compiled expressions', () => {
  void it('equal the plain meaning, pixel by pixel', () => {
    const bands = fc.array(fc.record({ text: expression, target }), { minLength: 1, maxLength: 3 });
    const planes = fc.record({ a: sourceBand, b: sourceBand, c: sourceBand });
    let compared = 0;
    fc.assert(
      fc.property(bands, planes, fc.constantFrom(1, 60, 1024, 1100), (outputs, make, pixels) => {
        const sources: TestSources = { a: makeSource(make.a, pixels), b: makeSource(make.b, pixels), c: makeSource(make.c, pixels) };
        const expressions = outputs.map(({ text }) => read(text, sources));
        const program = compile(expressions, sources, outputs.map((output) => output.target));
        const results = evaluate(program, sources, pixels);
        expressions.forEach(({ root }, k) => {
          const output = outputs[k]?.target;
          if (output === undefined) throw new RangeError(String(k));
          const rule = isFloat(output.dtype) ? 'ieee' : 'nodata';
          for (let i = 0; i < pixels; i++) {
            const pixel = evaluatePixel(root, (name) => (sources[name] ? pixelOf(sources[name], i) : undefined), rule);
            const wanted = storePixel(pixel, output.dtype, output.nodata);
            const found = results[k]?.[i];
            if (!Object.is(found, wanted)) assert.fail(`band ${String(k)}, pixel ${String(i)}: wanted ${String(wanted)}, found ${String(found)}`);
            // A forecast of no nodata must hold.
            const lacksNumber = pixel === undefined || (rule === 'nodata' && Number.isNaN(pixel));
            if (lacksNumber) assert.ok(program.targets[k]?.yieldsNodata, `band ${String(k)}, pixel ${String(i)} is nodata, not foreseen`);
            compared++;
          }
        });
      }),
      { numRuns: 500 },
    );
    assert.ok(compared > 50_000);
  });
});
