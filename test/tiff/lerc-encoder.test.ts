/**
 * LERC blocks, read by GDAL (liblerc) and by our own reader (Esri's WebAssembly build of it). Would catch: a blob that only one of them reads, or none; values
 * further off than was allowed; data that become nodata, or the other way round; bands with not-a-number in different pixels; an encoding
 * that a kind of data leads to and others don't (tables, Huffman codes, doubled micro-blocks, plain values, constant ones).
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import { allocateSamples, bytesPerSample, dtypeFacts, dtypes, isFloat, viewSamples, type Dtype, type SampleArray } from '../../lib/raster/dtype.ts';
import type { Plane } from '../../lib/raster/pyramid.ts';
import { BlockReader } from '../../lib/tiff/block-reader.ts';
import { encodedLayout } from '../../lib/tiff/encoded-layout.ts';
import { LercEncoder } from '../../lib/tiff/lerc-encoder.ts';
import { openTiff } from '../../lib/tiff/open.ts';
import { bitsOf, seededRandom } from '../support/arrays.ts';
import { withoutGdal } from '../support/gdal.ts';
import { assertPixels, planesOf, readWithGdal } from './cog-oracle.ts';
import { countedObject } from './counted-object.ts';
import { readImage } from './read-image.ts';
import { writeCog, type WrittenCog } from './write-cog.ts';

/** Kinds of data that lead to each way of coding a micro-block or a blob. */
const kinds: Readonly<Record<string, (x: number, y: number, random: () => number) => number>> = {
  constant: () => 77,
  zero: () => 0,
  'nearly constant': (x, y) => (x === 40 && y === 50 ? 3 : 2),
  classes: (x, y) => [3, 17, 90, 120][((x >> 4) + (y >> 5)) % 4] ?? 0,
  'few classes in runs': (x, y) => [0, 1, 100][((x + (y % 3)) >> 3) % 3] ?? 0,
  smooth: (x, y) => Math.round(60 + 50 * Math.sin(x / 40) * Math.cos(y / 30)),
  ramp: (x, y) => (x + y) >> 1,
  noise: (_x, _y, random) => Math.floor(random() * 127),
  'two values': (x, y) => ((x * 7 + y * 13) % 2) * 126,
  spikes: (x, y) => (x % 29 === 0 && y % 31 === 0 ? 127 : 1),
};

/** How far a stored value may be from `maxError`: a float32 is the nearest to what was computed. */
function slack(dtype: Dtype, value: number): number {
  return dtype === 'float32' ? Math.abs(value) * 2 ** -23 : dtype === 'float64' ? Math.abs(value) * 2 ** -50 : 0;
}

function assertWithin(name: string, dtype: Dtype, stored: SampleArray, wanted: SampleArray, maxError: number, nodata: number | undefined): void {
  for (const [i, value] of wanted.entries()) {
    const found = stored[i] as number;
    const both = Number.isNaN(value) && Number.isNaN(found);
    if (both || Object.is(found, value)) continue;
    assert.ok(Math.abs(found - value) <= maxError + slack(dtype, value), `${name}: sample ${i}: wanted ${value}, found ${found}`);
    if (nodata !== undefined) assert.equal(found === nodata, value === nodata, `${name}: sample ${i}: ${value} is stored as ${found}, and nodata is ${nodata}`);
  }
}

void describe('LERC encoder', () => {
  void it('writes what GDAL and our own reader read alike, within the error, for all types, bands, errors and nodata values', { skip: withoutGdal }, async () => {
    const cogs: Record<string, WrittenCog> = {};
    let seed = 0;
    for (const dtype of dtypes) {
      const step = isFloat(dtype) ? 0.01 : 1;
      for (const maxError of [0, step, 100 * step]) {
        for (const bands of [1, 2, 3, 4]) {
          seed++;
          const nodata = [undefined, 0, isFloat(dtype) ? Number.NaN : 7, 100][seed % 4];
          const overviews = (['average', 'nearest', 'mode', undefined] as const)[seed % 3];
          const [columns = 1, rows = 1] = [[301, 203], [128, 128], [127, 260], [1, 1], [257, 130]][seed % 5] ?? [];
          const planes = planesOf(dtype, columns, rows, bands, nodata, seed);
          // Values of which many fit into a range that can be quantised.
          if (seed % 2 === 0) for (const { samples } of planes) for (let i = 0; i < samples.length; i++) if (samples[i] !== nodata) samples[i] = (samples[i] as number) % 113;
          const before = planes.map(({ samples }) => samples.slice());
          const name = `${dtype} ${maxError} bands ${bands} nodata ${nodata} ${columns} x ${rows}`;
          const level = [undefined, 3][seed % 2];
          const cog = await writeCog(planes, { dtype, bands, blockSize: 128, codec: { compression: 'lerc', maxError, level }, predictor: 1, nodata, ...(overviews && { overviews }), format: seed % 2 === 0 ? 'big' : 'classic' });
          for (const [band, { samples }] of (cog.levels[0] ?? []).entries()) assertWithin(name, dtype, samples, before[band] ?? samples, maxError, nodata);
          cogs[name] = cog;
        }
      }
    }
    const read = readWithGdal(cogs);
    for (const [name, cog] of Object.entries(cogs)) {
      assertPixels(name, cog, read);
      assert.deepEqual(read.facts[name]?.errors, [], name);
      assert.match(read.facts[name].structure['COMPRESSION'] ?? '', /^LERC/);
      const object = countedObject(cog.bytes);
      const tiff = await openTiff(object, object.href);
      const own = await readImage(object, tiff, tiff.main, tiff.nodata ?? 0);
      const planes = cog.levels[0] ?? [];
      const length = planes[0]?.samples.length ?? 0;
      for (const [band, { samples }] of planes.entries()) assert.ok(bitsOf(own.slice(band * length, (band + 1) * length)).equals(bitsOf(samples)), `${name}: own reader, band ${band + 1}`);
    }
  });

  void it('codes every kind of data', { skip: withoutGdal }, async () => {
    const cogs: Record<string, WrittenCog> = {};
    for (const dtype of dtypes) {
      for (const [kind, value] of Object.entries(kinds)) {
        for (const bands of [1, 3]) {
          const random = seededRandom(5);
          const planes = Array.from({ length: bands }, (_, band): Plane => {
            const samples = allocateSamples(dtype, 200 * 150);
            for (let i = 0; i < samples.length; i++) samples[i] = value((i % 200) + 9 * band, Math.floor(i / 200), random);
            return { samples, columns: 200, rows: 150 };
          });
          cogs[`${dtype} ${kind} ${bands}`] = await writeCog(planes, { dtype, bands, blockSize: 128, codec: { compression: 'lerc', maxError: isFloat(dtype) ? 0.5 : 0, level: undefined }, predictor: 1, nodata: undefined });
        }
      }
    }
    const read = readWithGdal(cogs);
    for (const [name, cog] of Object.entries(cogs)) assertPixels(name, cog, read);
  });

  void it('keeps not-a-number where it is in each band, and infinities', { skip: withoutGdal }, async () => {
    const cogs: Record<string, WrittenCog> = {};
    for (const dtype of ['float32', 'float64'] as const) {
      for (const maxError of [0, 0.25]) {
        for (const [name, missing] of Object.entries<(i: number, band: number) => boolean>({
          'the same pixels': (i) => i % 7 < 3,
          'other pixels in each band': (i, band) => (i + band) % 5 === 0,
          'a whole band': (_i, band) => band === 1,
          'all but one': (i) => i !== 99,
          runs: (i) => (i >> 8) % 2 === 0,
        })) {
          for (const bands of [1, 3]) {
            if (bands === 1 && name === 'a whole band') continue;
            const planes = Array.from({ length: bands }, (_, band): Plane => {
              const samples = allocateSamples(dtype, 150 * 140);
              for (let i = 0; i < samples.length; i++) samples[i] = missing(i, band) ? Number.NaN : i % 1001 === 0 ? Infinity : i % 1003 === 0 ? -Infinity : (i % 150) / 7;
              return { samples, columns: 150, rows: 140 };
            });
            cogs[`${dtype} ${maxError} ${name} ${bands}`] = await writeCog(planes, { dtype, bands, blockSize: 128, codec: { compression: 'lerc', maxError, level: undefined }, predictor: 1, nodata: bands === 1 ? Number.NaN : undefined });
          }
        }
      }
    }
    const read = readWithGdal(cogs);
    for (const [name, cog] of Object.entries(cogs)) assertPixels(name, cog, read);
  });

  // Catches: a value that the quantisation of some range puts further off than allowed, or a blob that can't be read; by our own reader, which is Esri's code.
  void it('stays within the error for any values', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.record({ dtype: fc.constantFrom(...dtypes), bands: fc.integer({ min: 1, max: 3 }), error: fc.double({ min: 0, max: 50, noNaN: true }), spread: fc.double({ min: 0, max: 1, noNaN: true }), side: fc.integer({ min: 1, max: 40 }), nodata: fc.constantFrom(undefined, 0, 5), seed: fc.nat() }, { noNullPrototype: true }),
        async ({ dtype, bands, error, spread, side, nodata, seed }) => {
          const random = seededRandom(seed);
          const { min, max } = isFloat(dtype) ? { min: -1e6, max: 1e6 } : dtypeFacts(dtype);
          const samples = allocateSamples(dtype, side * side * bands);
          const middle = min + random() * (max - min);
          for (let i = 0; i < samples.length; i++) samples[i] = nodata !== undefined && random() < 0.1 ? nodata : Math.min(max, Math.max(min, middle + (random() - 0.5) * (max - min) * spread ** 8));
          const maxError = isFloat(dtype) ? error : Math.floor(error);
          const blob = new LercEncoder({ dtype, bands, columns: side, rows: side, maxError, nodata }).encode(samples);
          assert.ok(blob.length <= samples.length * bytesPerSample(dtype) + 72 + 2 * bands * bytesPerSample(dtype), 'never much larger than the samples');
          const layout = encodedLayout({ dtype, bands, blockSize: side, predictor: 1, codec: { compression: 'lerc', maxError, level: undefined } }, { href: 'file:///blob', directory: 0, columns: side, rows: side });
          const raw = await new BlockReader(layout).decode(blob, 0);
          assertWithin(`${dtype} ${maxError} ${side}`, dtype, viewSamples(dtype, raw.buffer, raw.byteOffset, samples.length), samples, maxError, nodata);
        },
      ),
      { seed: 417, numRuns: 600 },
    );
  });

  void it('packs smooth values, classes and a known error into few bytes', () => {
    const side = 256;
    const size = (dtype: Dtype, maxError: number, value: (x: number, y: number) => number): number => {
      const samples = allocateSamples(dtype, side * side);
      for (let i = 0; i < samples.length; i++) samples[i] = value(i % side, Math.floor(i / side));
      return new LercEncoder({ dtype, bands: 1, columns: side, rows: side, maxError, nodata: undefined }).encode(samples).length;
    };
    const height = (x: number, y: number): number => 500 + 200 * Math.sin(x / 50) * Math.cos(y / 70);
    assert.ok(size('uint8', 0, () => 9) < 80, 'a constant block is a header');
    assert.ok(size('uint16', 0, height) < side * side, 'a byte a sample');
    assert.ok(size('float32', 0.1, height) < side * side, 'a byte a sample');
    assert.ok(size('uint16', 0, (x, y) => ((x >> 5) + (y >> 5)) % 2 === 0 ? 1 : 60_000) < side * side / 16, 'classes in large fields are constant micro-blocks');
    assert.ok(size('uint8', 0, (x, y) => 128 + ((x * 31 + y * 17) % 3)) < side * side / 3, 'Huffman codes, or two bits');
  });
});
