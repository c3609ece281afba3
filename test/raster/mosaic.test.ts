/** The rules of mosaics on small planes, whose answers are written out: what numpy's nanmin, nanmax, nanmean and nanmedian give of the scenes that have data. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MosaicBand, mosaicDtype, type MosaicRule, type ScenePlane } from '../../lib/raster/mosaic.ts';

/** What pixels without data keep. */
const untouched = -77;

interface Scene {
  readonly values: readonly number[];
  readonly nodata?: number;
  readonly validity?: readonly number[];
  /** Column, row, columns, rows; all of the region by default. */
  readonly window?: readonly [number, number, number, number];
}

/** A region of 4 x 2 pixels out of float32 scenes. @returns values, null where there is no data */
function merge(rule: MosaicRule, scenes: readonly Scene[], columns = 4, rows = 2): (number | null)[] {
  const target = rule === 'count' ? new Uint16Array(columns * rows) : new Float32Array(columns * rows).fill(untouched);
  const validity = new Uint8Array(columns * rows).fill(9);
  const band = new MosaicBand(rule, target, validity, columns, rows);
  for (const { values, nodata, validity: valid, window: [column, row, across, down] = [0, 0, columns, rows] } of scenes) {
    const samples = Float32Array.from(values);
    const plane: ScenePlane = { samples, nodata, validity: valid && Uint8Array.from(valid), window: { column, row, columns: across, rows: down } };
    band.add(plane);
    // Scratch planes are used again for the next scene.
    samples.fill(-5555);
  }
  band.finish();
  for (const [at, valid] of validity.entries()) {
    assert.ok(valid === 0 || valid === 1, `validity ${String(valid)}`);
    if (valid === 0) assert.equal(target[at], untouched, 'a pixel without data is left as it is');
  }
  return Array.from(target, (value, at) => (validity[at] === 1 ? value : null));
}

const rules = ['first', 'last', 'min', 'max', 'mean', 'median', 'count'] as const;

function checkAll(scenes: readonly Scene[], wanted: Readonly<Record<MosaicRule, readonly (number | null)[]>>): void {
  for (const rule of rules) assert.deepEqual(merge(rule, scenes), wanted[rule], rule);
}

void describe('the rules of a mosaic', () => {
  // Catches: nodata of one scene compared with another's value, holes that hide what lies below, sums and medians over what is no data.
  void it('leave out what is nodata, each scene by its own value', () => {
    checkAll(
      [
        { values: [1, 2, 3, 0, 5, 0, 7, 8], nodata: 0 },
        { values: [9, 0, 9, 9, 1, 9, 4, 0], nodata: 9 },
        { values: [5, 5, 0, 9, 9, -1, 4, -1], nodata: -1 },
      ],
      {
        first: [1, 2, 3, 9, 5, null, 7, 8],
        last: [5, 5, 0, 9, 9, null, 4, 0],
        min: [1, 0, 0, 9, 1, null, 4, 0],
        max: [5, 5, 3, 9, 9, null, 7, 8],
        mean: [3, Math.fround(7 / 3), 1.5, 9, 5, null, 5, 4],
        median: [3, 2, 1.5, 9, 5, null, 4, 4],
        count: [2, 3, 2, 1, 3, 0, 3, 2],
      },
    );
  });

  // Catches: a mask that is read with the window's stride, that hides another scene's pixels, or that a nodata value takes the place of.
  void it('leave out what is masked, and what a nodata value says besides', () => {
    checkAll(
      [
        { values: [1, 1, 1, 1, 1, 1, 1, 1] },
        { values: [3, 0, 3, 3, 0, 3, 3, 3], validity: [1, 1, 0, 1, 0, 0, 255, 1], nodata: 0, window: [1, 0, 3, 2] },
      ],
      {
        first: [1, 1, 1, 1, 1, 1, 1, 1],
        last: [1, 1, 1, 3, 1, 1, 3, 3],
        min: [1, 1, 1, 1, 1, 1, 1, 1],
        max: [1, 1, 1, 3, 1, 1, 3, 3],
        mean: [1, 1, 1, 2, 1, 1, 2, 2],
        median: [1, 1, 1, 2, 1, 1, 2, 2],
        count: [1, 1, 1, 2, 1, 1, 2, 2],
      },
    );
  });

  // Catches: samples outside a scene's window taken for its own, windows at the wrong row or column, a scene without a window on the region.
  void it('take of each scene its window only', () => {
    const stray = 99;
    checkAll(
      [
        { values: [stray, 2, 3, stray, stray, 6, 7, stray], window: [1, 0, 2, 2] },
        { values: [stray, stray, stray, stray, 4, 4, 4, 4], window: [0, 1, 4, 1] },
        { values: [stray, stray, stray, stray, stray, stray, stray, stray], window: [2, 0, 0, 2] },
        { values: [stray, stray, stray, 8, stray, stray, stray, stray], window: [3, 0, 1, 1] },
      ],
      {
        first: [null, 2, 3, 8, 4, 6, 7, 4],
        last: [null, 2, 3, 8, 4, 4, 4, 4],
        min: [null, 2, 3, 8, 4, 4, 4, 4],
        max: [null, 2, 3, 8, 4, 6, 7, 4],
        mean: [null, 2, 3, 8, 4, 5, 5.5, 4],
        median: [null, 2, 3, 8, 4, 5, 5.5, 4],
        count: [0, 1, 1, 1, 1, 2, 2, 1],
      },
    );
  });

  // Catches: NaN that is data lost in a comparison, which is false with NaN; NaN that is nodata counted; -0 and infinity.
  void it('take NaN for a number unless it is the nodata value', () => {
    const scenes = [
      { values: [NaN, 1, NaN, 4, Infinity, -Infinity, 1, NaN] },
      { values: [2, NaN, NaN, 3, 1, 1, 1, 6] },
    ];
    checkAll(scenes, {
      first: [NaN, 1, NaN, 4, Infinity, -Infinity, 1, NaN],
      last: [2, NaN, NaN, 3, 1, 1, 1, 6],
      min: [NaN, NaN, NaN, 3, 1, -Infinity, 1, NaN],
      max: [NaN, NaN, NaN, 4, Infinity, 1, 1, NaN],
      mean: [NaN, NaN, NaN, 3.5, Infinity, -Infinity, 1, NaN],
      median: [NaN, NaN, NaN, 3.5, Infinity, -Infinity, 1, NaN],
      count: [2, 2, 2, 2, 2, 2, 2, 2],
    });
    checkAll(
      scenes.map((scene) => ({ ...scene, nodata: NaN })),
      {
        first: [2, 1, null, 4, Infinity, -Infinity, 1, 6],
        last: [2, 1, null, 3, 1, 1, 1, 6],
        min: [2, 1, null, 3, 1, -Infinity, 1, 6],
        max: [2, 1, null, 4, Infinity, 1, 1, 6],
        mean: [2, 1, null, 3.5, Infinity, -Infinity, 1, 6],
        median: [2, 1, null, 3.5, Infinity, -Infinity, 1, 6],
        count: [1, 1, 0, 2, 2, 2, 2, 1],
      },
    );
  });

  // Catches: a mean or median that happens to be the scenes' nodata value, and is taken for a hole.
  void it('know a mean that equals the nodata value from a hole', () => {
    const scenes = [{ values: [-1, 0, 2, 0, 1, 1, 1, 1], nodata: 0 }, { values: [1, 0, -2, 5, 1, 1, 1, 1], nodata: 0 }];
    for (const rule of ['mean', 'median'] as const) assert.deepEqual(merge(rule, scenes), [0, null, 0, 5, 1, 1, 1, 1], rule);
  });

  // Catches: sums in the type of the target, which round or wrap; a mean that depends on more than the order of scenes; the middle of many.
  void it('add in float64, and take the middle of any number of scenes', () => {
    const pixel = (value: number): Scene => ({ values: Array.from({ length: 8 }, () => value) });
    // 2^24 + 1 has no float32.
    assert.equal(merge('mean', [pixel(16_777_216), pixel(1), pixel(1)])[0], Math.fround(16_777_218 / 3));
    assert.equal(merge('median', [5, 3, 9, 1, 7].map(pixel))[7], 5);
    assert.equal(merge('median', [5, 3, 9, 1, 7, 8].map(pixel))[7], 6);
    assert.equal(merge('count', Array.from({ length: 300 }, () => pixel(0)))[0], 300);
    assert.deepEqual(merge('last', []), Array.from({ length: 8 }, () => null));
    assert.deepEqual(merge('count', []), Array.from({ length: 8 }, () => 0));
  });

  // Catches: means of integers that are integers, and sums of 32 bits in a type that can't hold them.
  void it('give types that hold what they make', () => {
    assert.deepEqual((['uint8', 'int16', 'float32', 'int32', 'uint32', 'float64'] as const).map((dtype) => mosaicDtype('mean', dtype)), ['float32', 'float32', 'float32', 'float64', 'float64', 'float64']);
    assert.deepEqual([mosaicDtype('median', 'uint16'), mosaicDtype('min', 'uint16'), mosaicDtype('last', 'int8'), mosaicDtype('count', 'float64')], ['float32', 'uint16', 'int8', 'uint16']);
  });
});
