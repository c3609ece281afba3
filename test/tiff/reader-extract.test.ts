/** Taking a window out of a block gives what taking the whole block and cutting gives, whatever the layout, and leaves the rest alone. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { allocateSamples, bytesPerSample, type Dtype, viewSamples } from '../../lib/raster/dtype.ts';
import { BlockReader } from '../../lib/tiff/block-reader.ts';
import { blockBytes, type BlockLayout, type Predictor } from '../../lib/tiff/layout.ts';

type Sample = Pick<BlockLayout, 'dtype' | 'sampleFormat' | 'bitsPerSample'>;

const samples: readonly Sample[] = [
  { dtype: 'uint8', sampleFormat: 'uint', bitsPerSample: 1 },
  { dtype: 'uint8', sampleFormat: 'uint', bitsPerSample: 8 },
  { dtype: 'int8', sampleFormat: 'int', bitsPerSample: 8 },
  { dtype: 'uint16', sampleFormat: 'uint', bitsPerSample: 16 },
  { dtype: 'int16', sampleFormat: 'int', bitsPerSample: 16 },
  { dtype: 'uint32', sampleFormat: 'uint', bitsPerSample: 32 },
  { dtype: 'int32', sampleFormat: 'int', bitsPerSample: 32 },
  { dtype: 'float32', sampleFormat: 'float', bitsPerSample: 16 },
  { dtype: 'float32', sampleFormat: 'float', bitsPerSample: 32 },
  { dtype: 'float64', sampleFormat: 'float', bitsPerSample: 64 },
];

const width = 23;
const height = 9;

const layouts = fc
  .record({
    sample: fc.constantFrom(...samples),
    bands: fc.integer({ min: 1, max: 4 }),
    interleave: fc.constantFrom('pixel' as const, 'band' as const),
    byteOrder: fc.constantFrom('little' as const, 'big' as const),
    predictor: fc.constantFrom<Predictor>(1, 2, 3),
    mask: fc.boolean(),
  })
  .filter(({ sample, predictor, mask }) => {
    if (mask && sample.dtype !== 'uint8') return false;
    return predictor === 1 || (predictor === 2 ? sample.bitsPerSample >= 8 : sample.sampleFormat === 'float');
  })
  .map(({ sample, ...rest }): BlockLayout => ({
    href: 'file:///block.tif',
    directory: 0,
    width,
    height,
    ...sample,
    ...rest,
    organisation: 'tiled',
    blockWidth: width,
    blockHeight: height,
    blocksAcross: 1,
    blocksDown: 1,
    compression: 'deflate',
    photometric: 1,
    jpegTables: null,
    lercInner: null,
    wideNodata: null,
  }));

/** Bits of a plane, so that NaN compares too. */
function bits(dtype: Dtype, plane: { readonly buffer: ArrayBufferLike; readonly byteOffset: number; readonly byteLength: number }): string {
  return `${dtype} ${Buffer.from(plane.buffer, plane.byteOffset, plane.byteLength).toString('hex')}`;
}

void test('a window is a cut of the whole, also from unaligned bytes and into shared memory', () => {
  const windows = fc.tuple(fc.nat({ max: width }), fc.nat({ max: width }), fc.nat({ max: height }), fc.nat({ max: height }));
  fc.assert(
    fc.property(layouts, windows, fc.integer({ min: 0, max: 3 }), fc.nat({ max: 3 }), fc.nat(), (layout, [a, b, c, d], skew, anyBand, seed) => {
      const reader = new BlockReader(layout);
      const band = anyBand % layout.bands;
      const memory = new Uint8Array(skew + blockBytes(layout));
      for (let i = 0; i < memory.length; i++) memory[i] = Math.imul(i + seed, 2_654_435_761) >>> 23;
      const raw = memory.subarray(skew);
      const before = raw.slice();

      const whole = allocateSamples(layout.dtype, width * height);
      reader.extract(raw.slice(), whole, { band, window: { column: 0, row: 0, columns: width, rows: height }, targetOffset: 0, targetStride: width });

      const window = { column: Math.min(a, b), row: Math.min(c, d), columns: Math.abs(a - b), rows: Math.abs(c - d) };
      const stride = window.columns + 2;
      const offset = 3;
      const length = offset + stride * (window.rows + 1);
      const target = viewSamples(layout.dtype, new SharedArrayBuffer(length * bytesPerSample(layout.dtype)), 0, length).fill(7);
      const wanted = allocateSamples(layout.dtype, length).fill(7);
      for (let row = 0; row < window.rows; row++) {
        const start = (window.row + row) * width + window.column;
        // By bytes: as a number, a signalling NaN would change on the way.
        const size = bytesPerSample(layout.dtype);
        new Uint8Array(wanted.buffer).set(new Uint8Array(whole.buffer, start * size, window.columns * size), (offset + row * stride) * size);
      }
      reader.extract(raw, target, { band, window, targetOffset: offset, targetStride: stride });
      assert.equal(bits(layout.dtype, target), bits(layout.dtype, wanted));
      assert.deepEqual(raw, before, 'the block is as it was');
    }),
    { numRuns: 1000 },
  );
});

void test('float16 is widened exactly: every one of its 65,536 values', () => {
  const half = { dtype: 'float32', sampleFormat: 'float', bitsPerSample: 16 } as const;
  const layout = { ...fc.sample(layouts, 1)[0], ...half, width: 256, height: 256, blockWidth: 256, blockHeight: 256, bands: 1, predictor: 1, byteOrder: 'little', mask: false } as BlockLayout;
  const raw = new Uint8Array(Uint16Array.from({ length: 65_536 }, (_, i) => i).buffer);
  const plane = new Float32Array(65_536);
  new BlockReader(layout).extract(raw, plane, { band: 0, window: { column: 0, row: 0, columns: 256, rows: 256 }, targetOffset: 0, targetStride: 256 });
  for (const [i, value] of plane.entries()) {
    const sign = i & 0x8000 ? -1 : 1;
    const exponent = (i >> 10) & 31;
    const fraction = i & 1023;
    const wanted = exponent === 31 ? (fraction === 0 ? sign * Infinity : Number.NaN) : sign * (exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25));
    assert.ok(Object.is(value, wanted), `${i}: ${value}, wanted ${wanted}`);
  }
});
