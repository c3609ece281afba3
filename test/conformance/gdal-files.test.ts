/**
 * The conformance corpus: every file reads as GDAL reads it, bit for bit; the image, its overviews, masks and header.
 *
 * Would catch: a predictor wrong for one width and byte order, a padded edge taken for pixels, a short last strip refused, a band mixed up, a mask
 * or nodata that hides other pixels than GDAL's, a geotransform off by half a pixel, a file refused without tag and value.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { DataError } from '../../lib/base/errors.ts';
import { bytesPerSample, type SampleArray, viewSamples } from '../../lib/raster/dtype.ts';
import { openTiff, type Tiff, type TiffImage } from '../../lib/tiff/open.ts';
import { withoutGdal } from '../support/gdal.ts';
import { countedFile, type CountedObject } from '../tiff/counted-object.ts';
import { readImage } from '../tiff/read-image.ts';
import { cases } from './cases.ts';
import { type CorpusFile, withCorpus } from './corpus.ts';
import { readWindow } from './read-window.ts';

const flag = { forDataset: 2, alpha: 4, nodata: 8 } as const;

/** Runs `check` for every file and reports all that failed, by name. */
async function forEachFile(files: readonly CorpusFile[], check: (file: CorpusFile) => Promise<void>): Promise<void> {
  const failures: string[] = [];
  for (const file of files) {
    try {
      await check(file);
    } catch (error) {
      failures.push(`${file.case.name}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  assert.deepEqual(failures, [], `${failures.length} of ${files.length} files`);
}

function bytesOf(samples: SampleArray): Uint8Array {
  return new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength);
}

/** 1 where a pixel of the first band is valid, by the rules of GDAL's mask: an internal mask, else nodata, else alpha, else everything. */
async function validity(object: CountedObject, tiff: Tiff, image: TiffImage, samples: SampleArray): Promise<Uint8Array> {
  const count = image.layout.width * image.layout.height;
  const { nodata, alphaBand } = tiff;
  if (image.mask !== null) return bytesOf(await readImage(object, tiff, image.mask));
  const valid = new Uint8Array(count).fill(1);
  if (nodata !== null) return valid.map((_, i) => (Object.is(samples[i], nodata) || samples[i] === nodata ? 0 : 1));
  if (alphaBand !== null) return valid.map((_, i) => (samples[alphaBand * count + i] === 0 ? 0 : 1));
  return valid;
}

async function checkPixels(file: CorpusFile): Promise<void> {
  const object = await countedFile(file.path);
  const tiff = await openTiff(object, object.href);
  const { gdal, dump } = file;
  const sparse = tiff.nodata ?? 0;
  const images = [tiff.main, ...tiff.overviews];
  assert.deepEqual(images.map(({ layout }) => [layout.width, layout.height]), gdal.levels);
  assert.equal(tiff.main.layout.bands, gdal.bands);
  let at = 0;
  for (const [level, image] of images.entries()) {
    const { width, height, bands, dtype } = image.layout;
    const count = width * height * bands;
    const size = count * bytesPerSample(dtype);
    const wanted = dump.slice(at, at + size);
    const mask = dump.subarray(at + size, at + size + width * height);
    at += size + count;
    const found = await readImage(object, tiff, image, sparse);
    assert.equal(firstDifference(bytesOf(found), wanted), undefined, `level ${level}`);
    if (level === 0) await checkWindows(object, tiff, viewSamples(dtype, wanted.buffer, 0, count), sparse);
    // GDAL 3.6 knows int8 only as a kind of uint8 and compares nodata with the unsigned value; a .msk is not ours to find.
    if (dtype === 'int8' || file.case.mask === 'beside' || isBeyond(file)) continue;
    const valid = await validity(object, tiff, image, found);
    assert.equal(firstDifference(valid, Uint8Array.from(mask, (value) => (value === 0 ? 0 : 1))), undefined, `mask of level ${level}`);
  }
  assert.equal(at, dump.length);
}

/** GDAL takes alpha for the mask with 2 or 4 bands only; gdalwarp, and we, with any number of them. */
function isBeyond({ case: { bands, alpha }, gdal: { maskFlags } }: CorpusFile): boolean {
  return alpha !== undefined && bands !== 2 && bands !== 4 && (maskFlags & flag.alpha) === 0;
}

async function checkWindows(object: CountedObject, tiff: Tiff, wanted: SampleArray, sparse: number): Promise<void> {
  const { width, height, bands } = tiff.main.layout;
  const side = (length: number): fc.Arbitrary<readonly [number, number]> =>
    fc.tuple(fc.nat({ max: length - 1 }), fc.nat({ max: length - 1 })).map(([a, b]) => [Math.min(a, b), Math.abs(a - b) + 1]);
  const windows = fc.tuple(fc.nat({ max: bands - 1 }), side(width), side(height));
  await fc.assert(
    fc.asyncProperty(windows, async ([band, [column, columns], [row, rows]]) => {
      const found = await readWindow(object, tiff, tiff.main, band, { column, row, columns, rows }, sparse);
      for (let y = 0; y < rows; y++) {
        const start = (band * height + row + y) * width + column;
        const line = bytesOf(wanted.subarray(start, start + columns));
        assert.equal(firstDifference(bytesOf(found.subarray(y * columns, (y + 1) * columns)), line), undefined, `row ${y}`);
      }
    }),
    { numRuns: 4 },
  );
}

function firstDifference(found: Uint8Array, wanted: Uint8Array): string | undefined {
  if (Buffer.compare(found, wanted) === 0) return undefined;
  if (found.length !== wanted.length) return `${found.length} bytes; wanted ${wanted.length}`;
  const at = found.findIndex((value, i) => value !== wanted[i]);
  return `byte ${at} is ${found[at]}; wanted ${wanted[at]}`;
}

async function checkHeader(file: CorpusFile): Promise<void> {
  const object = await countedFile(file.path);
  const tiff = await openTiff(object, object.href);
  const { gdal } = file;
  const { nodata } = gdal;
  assert.deepEqual(tiff.nodata, typeof nodata === 'string' ? Number(nodata.replace('inf', 'Infinity')) : nodata, 'nodata');
  assert.deepEqual(tiff.geo.geotransform, gdal.geotransform, 'geotransform');
  assert.equal(tiff.geo.epsg, gdal.epsg, 'EPSG');
  assert.equal(tiff.geo.pixelIsPoint, gdal.pixelIsPoint, 'pixel is point');
  assert.equal(tiff.geo.groundControlPoints, gdal.groundControlPoints, 'ground control points');
  assert.deepEqual(tiff.bandDescriptions.map((text) => text ?? ''), gdal.descriptions, 'descriptions');
  assert.deepEqual(tiff.units.map((text) => text ?? ''), gdal.units, 'units');
  assert.deepEqual(tiff.scales.map((value) => value ?? 1), gdal.scales.map((value) => value ?? 1), 'scales');
  assert.deepEqual(tiff.offsets.map((value) => value ?? 0), gdal.offsets.map((value) => value ?? 0), 'offsets');
  assert.deepEqual(tiff.colorInterpretations, gdal.colors, 'colour interpretation');
  assert.equal(tiff.alphaBand, gdal.colors.includes('Alpha') ? gdal.colors.lastIndexOf('Alpha') : null, 'alpha band');
  assert.deepEqual(tiff.colorTable, gdal.table, 'colour table');
  if (file.case.mask !== 'beside') assert.equal(tiff.main.mask !== null, (gdal.maskFlags & (flag.forDataset | flag.alpha)) === flag.forDataset, 'mask');
}

async function checkRefusal(file: CorpusFile): Promise<void> {
  const object = await countedFile(file.path);
  await assert.rejects(openTiff(object, object.href), (error: unknown) => {
    assert.ok(error instanceof DataError, String(error));
    assert.equal(error.code, file.case.refused?.code);
    assert.ok(error.message.includes(file.case.refused?.message ?? ''), error.message);
    assert.ok(error.message.includes(`${file.case.name}.tif: directory 0: tag `), error.message);
    return true;
  });
}

void test('the corpus made by GDAL', { skip: withoutGdal }, async (t) => {
  await withCorpus(cases, async (files) => {
    const readable = files.filter((file) => file.case.refused === undefined);
    const refused = files.filter((file) => file.case.refused !== undefined);
    await t.test(`pixels, overviews and masks of ${readable.length} files, whole and by windows`, () => forEachFile(readable, checkPixels));
    await t.test('what their headers say', () => forEachFile(readable, checkHeader));
    await t.test(`${refused.length} kinds are refused with tag, value and what can be read`, () => forEachFile(refused, checkRefusal));
  });
});
