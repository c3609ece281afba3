/** Would catch: windows that are taken with too little around them, results that are stored wrong, and memory that is not foreseen. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { type Dtype, viewSamples } from '../../../lib/raster/dtype.ts';
import { Evaluator } from '../../../lib/raster/expression/evaluator.ts';
import { compileText, computeImage, makeBand, random } from './image.ts';

const next = random(5);
const a = makeBand('uint16', 64 * 64, () => Math.floor(next() * 60_000), undefined);

void describe('runWindow', () => {
  void it('wants the halo, and planes of that size', () => {
    const program = compileText('focal_mean(a, 5)', { a }, { dtype: 'float32' });
    const evaluator = new Evaluator(program);
    const inside = { column: 0, row: 0, columns: 64, rows: 64 };
    const target = new Float32Array(60 * 60);
    assert.throws(() => evaluator.runWindow({ columns: 62, rows: 62, margin: 1, inside }, [a], [new Float32Array(62 * 62)]), { code: 'EXPRESSION_PLANES', message: /margin of 2 pixels or more, found 1/ });
    assert.throws(() => evaluator.runWindow({ columns: 61, rows: 60, margin: 2, inside }, [a], [new Float32Array(61 * 60)]), { code: 'EXPRESSION_PLANES', message: /wanted 4160 samples, found 4096/ });
    assert.throws(() => evaluator.run([a], [target], 100), { code: 'EXPRESSION_PLANES', message: /wanted a window/ });
    evaluator.runWindow({ columns: 60, rows: 60, margin: 2, inside }, [a], [target]);
    let sum = 0;
    for (let row = 0; row < 5; row++) for (let column = 0; column < 5; column++) sum += a.array[row * 64 + column] ?? 0;
    assert.equal(target[0], Math.fround(sum / 25));
  });

  void it('rounds and saturates what it stores, as every expression', () => {
    const image = { columns: 64, rows: 64, bands: { a } };
    const means = computeImage(compileText('focal_mean(a, 3)', { a }, { dtype: 'float64' }), image);
    const stored = (dtype: Dtype): number[] => Array.from(computeImage(compileText('focal_mean(a, 3)', { a }, { dtype }), image));
    const rounded = Array.from(means, (mean) => (Math.abs(mean % 1) === 0.5 ? 2 * Math.round(mean / 2) : Math.round(mean)));
    assert.deepEqual(stored('uint16'), rounded);
    assert.deepEqual(stored('int16'), rounded.map((mean) => Math.min(mean, 32_767)));
    assert.deepEqual(stored('float32'), Array.from(means, Math.fround));
  });

  void it('reads shared memory, and serves programs without a halo', () => {
    const shared = viewSamples('uint16', new SharedArrayBuffer(2 * 64 * 64), 0, 64 * 64);
    shared.set(a.array);
    const bands = { a: { ...a, array: shared } };
    const mean = compileText('focal_max(a, 7, 3) - a', { a }, { dtype: 'int32' });
    assert.deepEqual(computeImage(mean, { columns: 64, rows: 64, bands }), computeImage(mean, { columns: 64, rows: 64, bands: { a } }));
    const plain = compileText('a + 1', { a }, { dtype: 'float64' });
    const target = new Float64Array(60 * 58);
    new Evaluator(plain).runWindow({ columns: 58, rows: 60, margin: 0, inside: { column: 0, row: 0, columns: 58, rows: 60 } }, [a], [target]);
    assert.equal(target[59], (a.array[59] ?? 0) + 1);
    const cut = new Float64Array(60 * 60);
    new Evaluator(plain).runWindow({ columns: 60, rows: 60, margin: 2, inside: { column: 0, row: 0, columns: 64, rows: 64 } }, [a], [cut]);
    assert.equal(cut[60], (a.array[3 * 64 + 2] ?? 0) + 1);
  });

  void it('holds no more memory than foreseen, and that goes with the width of a window', async () => {
    setFlagsFromString('--expose-gc');
    (runInNewContext('gc') as () => void)();
    // What other tests left is given back in the background.
    await setTimeout(200);
    const kept: unknown[] = [];
    for (const text of ['focal_mean(a, 5)', 'focal_std(a * 0.5, 101)', 'focal_median(a, 15) + slope(focal_mean(a + 1, 31))', 'focal_median(a * 2, 9)']) {
      const program = compileText(text, { a }, { dtype: 'float32', nodata: -1 }, { pixelSize: { x: 1, y: 1 } });
      const [columns, rows, margin] = [700, 300, program.halo];
      const [stride, height] = [columns + 2 * margin, rows + 2 * margin];
      const array = new Uint16Array(stride * height).fill(7);
      const target = new Float32Array(columns * rows);
      const evaluator = new Evaluator(program);
      const before = process.memoryUsage().arrayBuffers;
      evaluator.runWindow({ columns, rows, margin, inside: { column: 0, row: 0, columns: stride, rows: height } }, [{ array }], [target]);
      const held = process.memoryUsage().arrayBuffers - before;
      const foreseen = Evaluator.bytes(program, { columns, margin });
      // Nothing may be given back while this counts.
      kept.push(evaluator, array, target);
      assert.ok(held <= foreseen && held > foreseen / 3, `${text}: ${String(held)} bytes held, ${String(foreseen)} foreseen`);
      assert.ok(foreseen > Evaluator.bytes(program));
    }
    assert.equal(kept.length, 12);
  });
});
