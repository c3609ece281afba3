/**
 * Would catch: a focal result that is other when it is stored straight into a target than when it is computed with before: rounded
 * twice or wrongly at halves, not saturated, a missing pixel with a number, a product where a quotient differs.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { dtypeFacts, dtypes, isFloat } from '../../../lib/raster/dtype.ts';
import { compileText, computeImage, makeBand, random } from './image.ts';

const size = fc.constantFrom('1', '3', '5', '5', '5, 3', '3, 5', '9, 1', '7', '11');
const name = fc.constantFrom('mean', 'median', 'min', 'max', 'std');

void describe('focal results that are stored', () => {
  void it('are what they are with one multiplication in between, bit by bit', () => {
    let valid = 0;
    const shape = fc.record({ columns: fc.integer({ min: 1, max: 50 }), rows: fc.oneof(fc.integer({ min: 1, max: 30 }), fc.constant(700)) });
    fc.assert(
      fc.property(name, size, fc.constantFrom('uint8', 'uint16', 'int16', ...dtypes), fc.constantFrom('uint8', 'uint16', ...dtypes), shape, fc.constantFrom(0, 0, 0.002, 0.1), fc.constantFrom(2, 5, 1e9), fc.boolean(), fc.nat(), (operation, n, from, to, { columns, rows }, holes, levels, masked, seed) => {
        const next = random(seed);
        const { min, max } = dtypeFacts(from);
        const [low, high] = isFloat(from) ? [-1e5, 1e5] : [min, max];
        const value = (): number => {
          if (next() < holes) return 0;
          const part = next();
          if (isFloat(from)) return low + part * (high - low);
          return levels < 100 ? 1 + Math.floor(part * levels) : low + Math.floor(part * (high - low + 1));
        };
        const plain = makeBand(from, columns * rows, value, 0);
        const a = masked ? { ...plain, validity: Uint8Array.from({ length: columns * rows }, () => Number(next() >= holes)) } : plain;
        const target = { dtype: to, nodata: isFloat(to) ? -9999.5 : 1 };
        const [stored, computed] = [`focal_${operation}(a, ${n})`, `focal_${operation}(a, ${n}) * 1`].map((text) => compileText(text, { a }, target));
        assert.ok(stored !== undefined && computed !== undefined);
        assert.ok(!stored.steps.some((step) => step.do === 'binary') && computed.steps.some((step) => step.do === 'binary'));
        const image = { columns, rows, bands: { a } };
        const [found, wanted] = [computeImage(stored, image), computeImage(computed, image)];
        for (let i = 0; i < found.length; i++) {
          if (!Object.is(found[i], wanted[i])) assert.fail(`column ${String(i % columns)}, row ${String(Math.floor(i / columns))}: ${String(found[i])} stored, ${String(wanted[i])} computed`);
          if (found[i] !== target.nodata) valid++;
        }
      }),
      { numRuns: 1000 },
    );
    assert.ok(valid > 200_000, `${String(valid)} pixels with a number`);
  });
});
