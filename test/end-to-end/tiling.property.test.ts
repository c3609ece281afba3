/** The result doesn't depend on how the work was cut, in which order it was done, or how often it was stopped: the whole-image answer, always. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { after, describe, it } from 'node:test';
import fc from 'fast-check';
import type { RunRecord } from '../../lib/job/records.ts';
import { allocateSamples, bytesPerSample, dtypeFacts, isFloat, type Dtype, type SampleArray } from '../../lib/raster/dtype.ts';
import { halve, pyramidLevels, type Plane, type Resampling } from '../../lib/raster/pyramid.ts';
import { FileStore } from '../../lib/store/file-store.ts';
import { fileHref } from '../../lib/store/href.ts';
import { openTiff } from '../../lib/tiff/open.ts';
import { seededRandom } from '../support/arrays.ts';
import { runInProcess } from '../support/in-process-run.ts';
import { propertyRuns } from '../support/property-runs.ts';
import { createWorkspace } from '../support/workspace.ts';
import { blockOffset, field, handMadeTiff, type Field } from '../tiff/hand-made-tiff.ts';
import { readImage } from '../tiff/read-image.ts';

const space = createWorkspace('property');
const store = new FileStore();
after(async () => {
  await store.close();
  space.remove();
});

const inputTypes = ['uint8', 'int16', 'uint16', 'float32'] as const satisfies readonly Dtype[];
const outputTypes = ['uint8', 'int8', 'int16', 'uint16', 'uint32', 'int32', 'float32', 'float64'] as const satisfies readonly Dtype[];

interface Source {
  readonly columns: number;
  readonly rows: number;
  readonly dtype: (typeof inputTypes)[number];
  readonly rowsPerStrip: number;
  readonly bigEndian: boolean;
  readonly seed: number;
  /** Of ten pixels so many are nodata. */
  readonly holes: number;
}

const inputNodata = 0;

/** Pixels with holes: single ones, and a rectangle large enough to leave whole blocks empty. */
function pixelsOf({ columns, rows, dtype, seed, holes }: Source): SampleArray {
  const random = seededRandom(seed);
  const samples = allocateSamples(dtype, columns * rows);
  const emptyColumns = random() * columns;
  const emptyRows = random() * rows;
  const { min } = dtypeFacts(dtype);
  for (let i = 0; i < samples.length; i++) {
    const empty = i % columns < emptyColumns && Math.floor(i / columns) < emptyRows;
    const value = Math.floor(random() * 250) - (min < 0 ? 125 : 0) + (isFloat(dtype) ? random() : 0);
    samples[i] = empty || random() * 10 < holes ? inputNodata : value;
  }
  return samples;
}

/** A striped TIFF of one band, with a nodata value. */
function tiffOf({ columns, rows, dtype, rowsPerStrip, bigEndian }: Source, samples: SampleArray): Uint8Array {
  const size = bytesPerSample(dtype);
  const blocks = new Uint8Array(samples.byteLength);
  const view = new DataView(blocks.buffer);
  const write = { uint8: 'setUint8', int16: 'setInt16', uint16: 'setUint16', float32: 'setFloat32' } as const;
  samples.forEach((value: number, i: number) => view[write[dtype]](i * size, value, !bigEndian));
  const strips = Math.ceil(rows / rowsPerStrip);
  const stripBytes = rowsPerStrip * columns * size;
  const each = Array.from({ length: strips }, (_, i) => i);
  const fields: Field[] = [
    field(256, columns),
    field(257, rows),
    field(258, size * 8),
    field(259, 1),
    field(262, 1),
    { tag: 273, type: 4, values: each.map((i) => blockOffset + i * stripBytes) },
    field(277, 1),
    field(278, rowsPerStrip),
    { tag: 279, type: 4, values: each.map((i) => Math.min(stripBytes, samples.byteLength - i * stripBytes)) },
    field(339, dtype === 'float32' ? 3 : dtype === 'int16' ? 2 : 1),
    { tag: 42_113, type: 2, values: [...new TextEncoder().encode(`${String(inputNodata)}\0`)] },
  ];
  return handMadeTiff({ byteOrder: bigEndian ? 'big' : 'little', directories: [fields], blocks });
}

/** What `2.5 * a[1] - 100`, or the nodata value, is in the output's type. */
function expectedPixels(samples: SampleArray, dtype: Dtype, nodata: number): SampleArray {
  const out = allocateSamples(dtype, samples.length);
  const { min, max } = dtypeFacts(dtype);
  for (let i = 0; i < samples.length; i++) {
    const value = samples[i] as number;
    const computed = 2.5 * value - 100;
    if (value === inputNodata) out[i] = nodata;
    else out[i] = isFloat(dtype) ? computed : Math.min(max, Math.max(min, roundHalfToEven(computed)));
  }
  return out;
}

function roundHalfToEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}

function pyramidOf(image: Plane, resampling: Resampling, dtype: Dtype, nodata: number, blockSize: number): Plane[] {
  const sizes = pyramidLevels(image.columns, image.rows, blockSize);
  const levels = [image];
  for (const { columns, rows } of sizes.slice(1)) levels.push(halve(levels.at(-1) as Plane, resampling, dtype, nodata, allocateSamples(dtype, columns * rows)));
  return levels;
}

function checkStatistics(record: RunRecord, pixels: SampleArray, nodata: number): void {
  const values = [...pixels].filter((value) => value !== nodata && !Number.isNaN(value));
  const found = record.outputs[0]?.bands[0]?.statistics;
  assert.equal(found?.count, values.length);
  if (values.length === 0) return;
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const stddev = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
  assert.equal(found?.minimum, values.reduce((a, b) => Math.min(a, b)));
  assert.equal(found?.maximum, values.reduce((a, b) => Math.max(a, b)));
  const scale = Math.max(1, ...values.slice(0, 1000).map(Math.abs));
  assert.ok(Math.abs(Number(found?.mean) - mean) < 1e-11 * scale, `mean: wanted ${String(mean)}, found ${String(found?.mean)}`);
  assert.ok(Math.abs(Number(found?.stddev) - stddev) < 1e-10 * scale, `stddev: wanted ${String(stddev)}, found ${String(found?.stddev)}`);
}

const source: fc.Arbitrary<Source> = fc.record({
  columns: fc.integer({ min: 1, max: 900 }),
  rows: fc.integer({ min: 1, max: 900 }),
  dtype: fc.constantFrom(...inputTypes),
  rowsPerStrip: fc.constantFrom(1, 3, 16, 100, 128, 300, 900),
  bigEndian: fc.boolean(),
  seed: fc.integer({ min: 1, max: 1_000_000 }),
  holes: fc.constantFrom(0, 0, 1, 9),
});

const cut = fc.record({
  blockSize: fc.constantFrom(128, 256),
  tileFactor: fc.constantFrom(1, 2, 4),
  tilesPerTask: fc.oneof(fc.constant('auto' as const), fc.constantFrom(1, 2, 4, 7, 16, 64)),
  inFlight: fc.constantFrom(1, 3),
  segmentBytes: fc.constantFrom(1, 50_000, undefined),
  stopAfter: fc.option(fc.integer({ min: 1, max: 6 }), { nil: undefined }),
  reversed: fc.boolean(),
});

const output = fc.record({
  dtype: fc.constantFrom(...outputTypes),
  overviews: fc.constantFrom('nearest', 'average', 'mode'),
  compression: fc.constantFrom('deflate', 'zstd', 'lzw', 'none'),
  nodata: fc.constantFrom(0, 7, 127, 'nan' as const),
});

void describe('the result and the way it was made', () => {
  // Catches: pixels or overviews that depend on tiles, batches, segments, order or interruptions; a level cut at the wrong place; tiles computed twice.
  void it('is the whole-image answer, however the work is cut, ordered and stopped', async (t) => {
    await fc.assert(
      fc.asyncProperty(source, cut, output, async (from, how, wanted) => {
        const folder = space.newFolder();
        const samples = pixelsOf(from);
        writeFileSync(`${folder}/a.tif`, tiffOf(from, samples));
        const { blockSize, tileFactor, tilesPerTask, reversed, inFlight, segmentBytes, stopAfter } = how;
        const { dtype, overviews, compression } = wanted;
        const nodata = wanted.nodata === 'nan' ? (isFloat(dtype) ? Number.NaN : 0) : wanted.nodata;
        const result = await runInProcess({
          store,
          work: folder,
          inFlight,
          ...(segmentBytes === undefined ? {} : { segmentBytes }),
          ...(stopAfter === undefined ? {} : { stopAfter }),
          ...(reversed ? { order: (lines) => lines.toReversed() } : {}),
          job: {
            inputs: { a: `${folder}/a.tif` },
            grid: { tileSize: blockSize * tileFactor },
            compute: { tilesPerTask },
            operation: { expression: { o: '2.5 * a[1] - 100' } },
            outputs: { o: { href: `${folder}/o.tif`, dtype, nodata: Number.isNaN(nodata) ? 'nan' : nodata, overviews, compression, blockSize } },
          },
        });
        const { total, done } = result.record.tiles;
        assert.equal(done, total);
        assert.equal(result.computed, total, 'every tile is computed once');
        const tiff = await openTiff(store, fileHref(`${folder}/o.tif`));
        const pixels = expectedPixels(samples, dtype, nodata);
        const levels = pyramidOf({ samples: pixels, columns: from.columns, rows: from.rows }, overviews, dtype, nodata, blockSize);
        const images = [tiff.main, ...tiff.overviews];
        assert.equal(images.length, levels.length);
        for (const [level, image] of images.entries()) {
          const found = await readImage(store, tiff, image, nodata);
          const expected = (levels[level] as Plane).samples;
          const differs = expected.findIndex((value: number, i: number) => !Object.is(value, found[i]) && value !== found[i]);
          assert.ok(found.length === expected.length && differs < 0, `level ${String(level)}, pixel ${String(differs)}: wanted ${String(expected[differs])}, found ${String(found[differs])}`);
        }
        checkStatistics(result.record, pixels, nodata);
      }),
      propertyRuns(t, 80, true),
    );
  });
});
