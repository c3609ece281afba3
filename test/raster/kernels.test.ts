/** Samples may lie in the memory of the compiled loops, or anywhere else: nothing that is made of them may show which, but for the order in which sums are added up. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { allocateSamples, bytesPerSample, dtypes, isFloat, type Dtype, type SampleArray } from '../../lib/raster/dtype.ts';
import { KernelSpace, chunkRows } from '../../lib/raster/kernels.ts';
import { halve } from '../../lib/raster/pyramid.ts';
import { windowStatistics } from '../../lib/raster/statistics.ts';
import { BlockEncoder } from '../../lib/tiff/block-encoder.ts';
import { Extractor } from '../../lib/tiff/extract.ts';
import type { BlockLayout } from '../../lib/tiff/layout.ts';
import { differenceHorizontally, predictFloats } from '../../lib/tiff/predictor.ts';
import { seededRandom } from '../support/arrays.ts';

/** Planes of less than a chunk, and of several. */
const plane = fc.record({
  dtype: fc.constantFrom(...dtypes),
  columns: fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 300, max: 700 })),
  rows: fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 200, max: 400 })),
  nodata: fc.constantFrom(undefined, 0, 7, 300, 0.1, Number.NaN, -9999),
  seed: fc.nat(),
});

function fill(samples: SampleArray, seed: number, nodata: number | undefined): void {
  const random = seededRandom(seed);
  const whole = !isFloat(dtypes.find((dtype) => samples.constructor === allocateSamples(dtype, 0).constructor) as Dtype);
  // Long stretches with and without nodata, and some pixels of it alone.
  for (let i = 0; i < samples.length; i++) samples[i] = (i % 97 < 30 && random() < 0.6) || i % 1000 < 200 ? (nodata ?? 3) : whole ? Math.floor(random() * 500) - 100 : random() * 500 - 100;
}

/** The same samples elsewhere, and in a space that has room for others beside them. */
function both({ dtype, columns, rows, nodata, seed }: { readonly dtype: Dtype; readonly columns: number; readonly rows: number; readonly nodata: number | undefined; readonly seed: number }, others: number) {
  const length = columns * rows;
  const space = new KernelSpace(KernelSpace.bytes([{ dtype, length }, { dtype: 'uint8', length: others }]));
  const elsewhere = allocateSamples(dtype, length);
  fill(elsewhere, seed, nodata);
  const inside = space.allocate(dtype, length);
  inside.set(elsewhere);
  assert.equal(KernelSpace.of(inside), space);
  assert.equal(KernelSpace.of(elsewhere), undefined);
  return { space, inside, elsewhere };
}

const bytesOf = ({ buffer, byteOffset, byteLength }: SampleArray): Buffer => Buffer.from(buffer, byteOffset, byteLength);
const settings = { numRuns: 150, endOnFailure: true };

void describe('the memory of the compiled loops', () => {
  // Catches: rows cut where chunks begin, a stride that is not looked at, memory behind the last sample that counts.
  void it('has the same statistics, of all of a plane and of a part', () => {
    fc.assert(fc.property(plane, fc.nat(20), fc.nat(20), (given, left, top) => {
      const { inside, elsewhere } = both(given, 0);
      const [column, row] = [Math.min(left, given.columns - 1), Math.min(top, given.rows - 1)];
      const of = (samples: SampleArray) => windowStatistics(samples, row * given.columns + column, given.columns - column, given.rows - row, given.columns, given.nodata);
      const [found, wanted] = [of(inside), of(elsewhere)];
      assert.deepEqual([found.count, found.minimum, found.maximum], [wanted.count, wanted.minimum, wanted.maximum]);
      // Sums are added up in another order.
      for (const name of ['mean', 'squares'] as const) assert.ok(Math.abs(found[name] - wanted[name]) <= 1e-12 * Math.max(1, Math.abs(wanted[name]), wanted.squares), `${name}: ${String(found[name])}, ${String(wanted[name])}`);
    }), settings);
  });

  // Catches: levels whose rows begin at a wrong place, and odd sides.
  void it('has the same averages', () => {
    fc.assert(fc.property(plane, (given) => {
      const length = Math.ceil(given.columns / 2) * Math.ceil(given.rows / 2);
      const { space, inside, elsewhere } = both(given, length * bytesPerSample(given.dtype) + 64);
      const [to, wanted] = [space.allocate(given.dtype, length), allocateSamples(given.dtype, length)];
      assert.equal(KernelSpace.of(to), space);
      const { columns, rows, dtype, nodata } = given;
      const usable = nodata !== undefined && !isFloat(dtype) && !Number.isInteger(nodata) ? undefined : nodata;
      halve({ samples: inside, columns, rows }, 'average', dtype, usable, to);
      halve({ samples: elsewhere, columns, rows }, 'average', dtype, usable, wanted);
      assert.equal(Buffer.compare(bytesOf(to), bytesOf(wanted)), 0);
    }), settings);
  });

  // Catches: a predictor that takes samples of the row before, or leaves some as they were.
  void it('has the same differences, and they add up again wherever they lie', () => {
    fc.assert(fc.property(plane, fc.integer({ min: 1, max: 5 }), fc.boolean(), (given, bands, big) => {
      const { dtype, rows } = given;
      const columns = Math.ceil(given.columns / bands);
      const length = columns * rows * bands;
      const { space, inside, elsewhere } = both({ ...given, columns: columns * bands }, 2 * length * bytesPerSample(dtype) + 128);
      const [found, wanted] = [space.allocate('uint8', length * bytesPerSample(dtype)) as Uint8Array, new Uint8Array(length * bytesPerSample(dtype))];
      const original = elsewhere.slice();
      for (const [samples, bytes] of [[inside, found], [elsewhere, wanted]] as const) {
        if (samples instanceof Float32Array || samples instanceof Float64Array) predictFloats(samples, 0, columns * bands, columns, rows, bands, bytes);
        else {
          differenceHorizontally(samples, columns, rows, bands);
          bytes.set(bytesOf(samples));
        }
      }
      assert.equal(Buffer.compare(found, wanted), 0);
      const layout = {
        dtype, bands, interleave: 'pixel', blockWidth: columns, blockHeight: rows, bitsPerSample: 8 * bytesPerSample(dtype), sampleFormat: isFloat(dtype) ? 'float' : 'uint',
        predictor: isFloat(dtype) ? 3 : 2, byteOrder: big ? 'big' : 'little', mask: false,
      } as BlockLayout;
      // Predictor 3 has no byte order of its own.
      if (big && !isFloat(dtype) && bytesPerSample(dtype) === 2) for (const bytes of [found, wanted]) bytesOf(bytes).swap16();
      if (big && !isFloat(dtype) && bytesPerSample(dtype) === 4) for (const bytes of [found, wanted]) bytesOf(bytes).swap32();
      const extractor = new Extractor(layout);
      const window = { column: Math.floor(columns / 3), row: Math.floor(rows / 4), columns: columns - Math.floor(columns / 3), rows: rows - Math.floor(rows / 4) };
      for (let band = 0; band < bands; band++) {
        for (const raw of [found, wanted]) {
          const target = allocateSamples(dtype, window.columns * window.rows);
          extractor.extract(raw, target, { band, window, targetOffset: 0, targetStride: window.columns }, 0);
          const expected = allocateSamples(dtype, window.columns * window.rows);
          for (let i = 0; i < expected.length; i++) {
            expected[i] = original[((window.row + Math.floor(i / window.columns)) * columns + window.column + (i % window.columns)) * bands + band] as number;
          }
          assert.equal(Buffer.compare(bytesOf(target), bytesOf(expected)), 0);
        }
      }
    }), settings);
  });

  // Catches: samples taken for larger ones, which would be written over what lies behind them.
  void it('is not written beyond an array by a predictor that is not for its samples', () => {
    for (const [dtype, predictor] of [['uint16', 3], ['uint8', 3], ['float32', 2]] as const) {
      for (const bands of [1, 2]) {
        const encoder = new BlockEncoder({ dtype, bands, blockSize: 16, codec: { compression: 'none' }, predictor, nodata: undefined });
        const planes = Array.from({ length: bands }, () => ({ samples: allocateSamples(dtype, 256).fill(1), columns: 16, rows: 16 }));
        assert.throws(() => encoder.encode(planes, 0, 0), /predictor 2 is for integers, and 3 for floats/);
      }
    }
  });

  // Catches: arrays over each other, or over the room that calls use; and a growing memory, which would take all of them away.
  void it('keeps arrays apart from each other and from its room, and never moves them', () => {
    const space = new KernelSpace(KernelSpace.bytes([{ dtype: 'float64', length: 10 }, { dtype: 'uint8', length: 3 }]));
    const first = space.allocate('float64', 10).fill(1);
    const second = space.allocate('uint8', 3).fill(2);
    assert.deepEqual([first.buffer === second.buffer, first.byteOffset % 64, second.byteOffset % 64], [true, 0, 0]);
    assert.ok(second.byteOffset >= first.byteOffset + first.byteLength && space.room >= second.byteOffset + second.byteLength);
    assert.equal(KernelSpace.of(space.allocate('uint8', 1000)), undefined, 'what has no place lies elsewhere');
    const large = 8 * 2 ** 20;
    assert.equal(space.withRoom(1000), space);
    const shared = space.withRoom(large);
    assert.notEqual(shared, space);
    assert.equal(KernelSpace.withRoom(1), shared);
    assert.ok(shared.memory.buffer.byteLength >= shared.room + large);
    assert.deepEqual([[...first], [...second]], [Array.from({ length: 10 }, () => 1), [2, 2, 2]]);
    assert.deepEqual([chunkRows(1), chunkRows(128 * 1024), chunkRows(1e9)], [128 * 1024, 1, 1]);
  });
});
