/** Sizes of copies, against a formula of fractions that knows nothing of the code. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { fitSize } from '../../lib/images/fit.ts';
import { imageFits } from '../../lib/images/variant-spec.ts';

const side = fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 16_383 }));
const source = fc.record({ width: side, height: side });
const box = fc.record({ width: fc.option(side, { nil: undefined }), height: fc.option(side, { nil: undefined }) });

/** The scale as a fraction: the smaller or larger of both quotients, and 1 at most unless enlarged. */
function scaleOf(from: { width: number; height: number }, to: { width?: number | undefined; height?: number | undefined }, covers: boolean, enlarge: boolean): readonly [bigint, bigint] {
  const quotients: (readonly [bigint, bigint])[] = [];
  if (to.width !== undefined) quotients.push([BigInt(to.width), BigInt(from.width)]);
  if (to.height !== undefined) quotients.push([BigInt(to.height), BigInt(from.height)]);
  if (quotients.length === 0) return [1n, 1n];
  const sorted = quotients.toSorted((a, b) => (a[0] * b[1] < b[0] * a[1] ? -1 : 1));
  const scale = (covers ? sorted.at(-1) : sorted[0]) ?? [1n, 1n];
  return !enlarge && scale[0] > scale[1] ? [1n, 1n] : scale;
}

/** Half up, from the exact fraction. */
function scaledBy(value: number, [numerator, denominator]: readonly [bigint, bigint]): number {
  const rounded = (2n * BigInt(value) * numerator + denominator) / (2n * denominator);
  return Number(rounded < 1n ? 1n : rounded);
}

void describe('sizes of copies', () => {
  // Catches: a side off by one, the wrong side deciding, enlarging, a side of 0, an aspect that drifts, rounding in floating point.
  void it('are what fractions say, for any image and any box', () => {
    fc.assert(
      fc.property(source, box, fc.constantFrom(...imageFits), fc.boolean(), ({ ...from }, { ...to }, fit, enlarge) => {
        const { scaled, output } = fitSize(from, { fit, ...to, enlarge });
        const both = to.width !== undefined && to.height !== undefined;
        if (fit === 'fill') {
          for (const name of ['width', 'height'] as const) assert.equal(output[name], to[name] === undefined ? from[name] : enlarge ? to[name] : Math.min(to[name], from[name]));
          return;
        }
        const scale = scaleOf(from, to, fit === 'outside' || fit === 'cover', enlarge);
        assert.deepEqual(scaled, { width: scaledBy(from.width, scale), height: scaledBy(from.height, scale) });
        if (fit === 'contain' && both) assert.deepEqual(output, { width: to.width, height: to.height });
        else if (fit === 'cover' && both) assert.deepEqual(output, { width: Math.min(to.width ?? 0, scaled.width), height: Math.min(to.height ?? 0, scaled.height) });
        else assert.deepEqual(output, scaled);
      }),
      { numRuns: 5000 },
    );
  });

  // Catches: the promises of the words themselves broken, whatever the formula.
  void it('fit inside, cover outside, and never grow unless asked', () => {
    fc.assert(
      fc.property(source, fc.record({ width: side, height: side }), (from, to) => {
        const inside = fitSize(from, { fit: 'inside', ...to, enlarge: false }).output;
        assert.ok(inside.width <= Math.min(to.width, from.width) && inside.height <= Math.min(to.height, from.height));
        const grown = fitSize(from, { fit: 'inside', ...to, enlarge: true }).output;
        assert.ok(grown.width === to.width || grown.height === to.height);
        const outside = fitSize(from, { fit: 'outside', ...to, enlarge: true }).output;
        assert.ok(outside.width >= to.width && outside.height >= to.height);
        assert.deepEqual(fitSize(from, { fit: 'cover', ...to, enlarge: true }).output, { ...to });
      }),
      { numRuns: 3000 },
    );
  });
});
