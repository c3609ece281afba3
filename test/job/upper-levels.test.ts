import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { zOrder } from '../../lib/job/tiling.ts';
import { makeBlock, UpperLevels, type FinishedBlock, type Quarter } from '../../lib/job/upper-levels.ts';
import { allocateSamples, type Dtype } from '../../lib/raster/dtype.ts';
import { halve, pyramidLevels, type Plane, type Resampling } from '../../lib/raster/pyramid.ts';
import { BlockEncoder } from '../../lib/tiff/block-encoder.ts';
import type { BlockEncoding } from '../../lib/tiff/block-encoding.ts';
import { seededRandom } from '../support/arrays.ts';

const blockSize = 8;

function encodingOf(dtype: Dtype, bands: number, nodata: number | undefined): BlockEncoding {
  return { dtype, bands, blockSize, codec: { compression: 'none' }, predictor: 1, nodata };
}

function cut({ samples, columns, rows }: Plane, column: number, row: number, side: number): Plane {
  const width = Math.min(side, columns - column);
  const height = Math.min(side, rows - row);
  const part = samples.slice(0, width * height);
  for (let r = 0; r < height; r++) part.set(samples.subarray((row + r) * columns + column, (row + r) * columns + column + width), r * width);
  return { samples: part, columns: width, rows: height };
}

function halfOf(plane: Plane, resampling: Resampling, dtype: Dtype, nodata: number | undefined): Plane {
  return halve(plane, resampling, dtype, nodata, allocateSamples(dtype, Math.ceil(plane.columns / 2) * Math.ceil(plane.rows / 2)));
}

function upperLevels(encoding: BlockEncoding, resampling: Resampling, levels: readonly { readonly columns: number; readonly rows: number }[], last: number): UpperLevels {
  const encoder = new BlockEncoder(encoding);
  return new UpperLevels(encoding, (planes, more) => makeBlock(encoder, resampling, planes, more), levels, last);
}

const cases = fc.record(
  {
    columns: fc.integer({ min: 1, max: 150 }),
    rows: fc.integer({ min: 1, max: 150 }),
    bands: fc.integer({ min: 1, max: 3 }),
    dtype: fc.constantFrom<Dtype>('uint8', 'int16', 'float32'),
    nodata: fc.constantFrom(undefined, 0, 7),
    resampling: fc.constantFrom<Resampling>('nearest', 'average', 'mode'),
    empty: fc.double({ min: 0, max: 1, noNaN: true }),
    seed: fc.nat(),
  },
  { noNullPrototype: true },
);

void describe('upper levels', () => {
  void it('fed in any order are those of the whole image, halved level after level', async () => {
    await fc.assert(
      fc.asyncProperty(cases, async ({ columns, rows, bands, dtype, nodata, resampling, empty, seed }) => {
        const random = seededRandom(seed);
        const encoding = encodingOf(dtype, bands, nodata);
        const across = Math.ceil(columns / blockSize);
        // Some blocks are nodata throughout.
        const hole = new Set(Array.from({ length: across * Math.ceil(rows / blockSize) }, (_, i) => i).filter(() => random() < empty));
        const whole = Array.from({ length: bands }, (): Plane => {
          const samples = allocateSamples(dtype, columns * rows);
          for (let i = 0; i < samples.length; i++) {
            const block = Math.floor(Math.floor(i / columns) / blockSize) * across + Math.floor((i % columns) / blockSize);
            samples[i] = hole.has(block) ? (nodata ?? 0) : Math.floor(random() * 9);
          }
          return { samples, columns, rows };
        });
        const levels = pyramidLevels(columns, rows, blockSize);
        const upper = upperLevels(encoding, resampling, levels, levels.length - 1);
        const made = new Map<string, Buffer | undefined>();
        const take = async (blocks: AsyncIterable<FinishedBlock>): Promise<void> => {
          for await (const { level, column, row, bytes } of blocks) {
            const key = `${level}/${column}/${row}`;
            assert.ok(!made.has(key), `${key} twice`);
            made.set(key, bytes && Buffer.from(bytes));
          }
        };
        const places = [...zOrder({ column: 0, row: 0, columns: across, rows: Math.ceil(rows / blockSize) })].map((place) => ({ ...place, sort: random() }));
        for (const { column, row } of places.toSorted((a, b) => a.sort - b.sort)) {
          const block = whole.map((plane) => cut(plane, column * blockSize, row * blockSize, blockSize));
          const nothing = nodata !== undefined && block.every(({ samples }) => samples.every((value) => value === nodata));
          const quarter: Quarter = nothing ? undefined : block.map((plane) => halfOf(plane, resampling, dtype, nodata));
          await take(upper.add(1, column, row, quarter));
        }
        assert.equal(upper.unfinished, 0);
        const encoder = new BlockEncoder(encoding);
        let planes: readonly Plane[] = whole;
        let wanted = 0;
        for (const [level, size] of levels.entries()) {
          if (level === 0) continue;
          planes = planes.map((plane) => halfOf(plane, resampling, dtype, nodata));
          assert.deepEqual(planes.map((plane) => [plane.columns, plane.rows]), planes.map(() => [size.columns, size.rows]));
          for (let row = 0; row * blockSize < size.rows; row++) {
            for (let column = 0; column * blockSize < size.columns; column++) {
              wanted++;
              const key = `${level}/${column}/${row}`;
              assert.ok(made.has(key), key);
              const encoded = await encoder.encode(planes, column * blockSize, row * blockSize);
              const bytes = made.get(key);
              assert.equal(bytes === undefined, encoded === undefined, `${key} is left out exactly when it is empty`);
              if (encoded !== undefined) assert.ok(Buffer.from(encoded).equals(bytes ?? Buffer.alloc(0)), `${key} of ${columns} x ${rows} ${dtype} ${resampling}`);
            }
          }
        }
        assert.equal(made.size, wanted);
      }),
      { seed: 61, numRuns: 200 },
    );
  });

  void it('stop at the last level wanted', async () => {
    const levels = pyramidLevels(64, 64, blockSize);
    const upper = upperLevels(encodingOf('uint8', 1, undefined), 'nearest', levels, 2);
    const quarter = [{ samples: new Uint8Array(16).fill(3), columns: 4, rows: 4 }];
    const seen: number[] = [];
    for (const { column, row } of zOrder({ column: 0, row: 0, columns: 8, rows: 8 })) for await (const { level } of upper.add(1, column, row, quarter)) seen.push(level);
    assert.deepEqual([seen.filter((level) => level === 1).length, seen.filter((level) => level === 2).length, seen.length], [16, 4, 20]);
    assert.equal(upper.unfinished, 0);
  });

  void it('hold few unfinished blocks when fed in Z order, whatever the size of the grid', async () => {
    const side = 64;
    const levels = pyramidLevels(side * blockSize, side * blockSize, blockSize);
    const upper = upperLevels(encodingOf('uint8', 1, 0), 'nearest', levels, levels.length - 1);
    let most = 0;
    for (const { column, row } of zOrder({ column: 0, row: 0, columns: side, rows: side })) {
      for await (const { bytes } of upper.add(1, column, row, undefined)) assert.equal(bytes, undefined);
      most = Math.max(most, upper.unfinished);
    }
    assert.ok(most < levels.length, `${most} at a time`);
    assert.equal(upper.unfinished, 0);
  });
});
