/** What the header says: georeference, nodata, metadata, masks, overviews, sparse blocks; and how many requests it takes to know. */

import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { openTiff } from '../../lib/tiff/open.ts';
import { runPythonJson, withoutGdal } from '../support/gdal.ts';
import { countedFile, countedObject } from './counted-object.ts';
import { expectedBytes, type FileSpec, type GdalFile, withGdalFiles } from './gdal-files.ts';
import { field, handMadeTiff, simpleImage } from './hand-made-tiff.ts';
import { readImage } from './read-image.ts';

const base = { dtype: 'uint16', width: 150, height: 90, bands: 2, options: ['TILED=YES', 'BLOCKXSIZE=32', 'BLOCKYSIZE=32', 'COMPRESS=DEFLATE'] } as const;

function nodataOf(file: GdalFile): number | null {
  return typeof file.nodata === 'string' ? Number(file.nodata.replace('inf', 'Infinity')) : file.nodata;
}

void test('georeference as GDAL gives it: north-up, rotated, pixel is point, none, ground control points', { skip: withoutGdal }, async () => {
  const utm = 'from osgeo import osr; r = osr.SpatialReference(); r.ImportFromEPSG(32633); ds.SetProjection(r.ExportToWkt()); ';
  const northUp = 'ds.SetGeoTransform([600000.5, 10, 0, 5000040, 0, -20]); ';
  const specs: FileSpec[] = [
    { ...base, name: 'north-up', script: utm + northUp },
    { ...base, name: 'point', script: `${utm}${northUp}ds.SetMetadataItem('AREA_OR_POINT', 'Point')` },
    { ...base, name: 'rotated', script: `${utm}ds.SetGeoTransform([600000, 8, 3, 5000040, 2, -9])` },
    { ...base, name: 'rotated-point', script: `${utm}ds.SetGeoTransform([600000, 8, 3, 5000040, 2, -9]); ds.SetMetadataItem('AREA_OR_POINT', 'Point')` },
    { ...base, name: 'south-up', script: `${utm}ds.SetGeoTransform([600000, 10, 0, 5000040, 0, 10])` },
    { ...base, name: 'geographic', script: 'from osgeo import osr; r = osr.SpatialReference(); r.ImportFromEPSG(4258); ds.SetProjection(r.ExportToWkt()); ds.SetGeoTransform([5, 0.1, 0, 50, 0, -0.1])' },
    { ...base, name: 'none' },
    { ...base, name: 'control-points', script: "ds.SetGCPs([gdal.GCP(1, 2, 0, 3, 4), gdal.GCP(5, 6, 0, 7, 8), gdal.GCP(5, 9, 0, 10, 8)], '')" },
    { ...base, name: 'big', options: [...base.options, 'ENDIANNESS=BIG', 'BIGTIFF=YES'], script: utm + northUp },
  ];
  await withGdalFiles(specs, async (files) => {
    for (const file of files) {
      const object = await countedFile(file.path);
      const { geo } = await openTiff(object, object.href);
      assert.deepEqual(geo.geotransform, file.hasGeotransform ? file.geotransform : null, file.name);
      assert.equal(geo.epsg, file.epsg, file.name);
      assert.equal(geo.pixelIsPoint, file.name.includes('point') && file.name !== 'control-points', file.name);
      assert.deepEqual(JSON.parse(JSON.stringify(geo)), geo, `${file.name} is plain data`);
    }
  });
});

void test('the raw GeoTIFF tags are what the file has, for writing back', { skip: withoutGdal }, async () => {
  const script = "ds.SetProjection('LOCAL_CS[\"my grid\",UNIT[\"metre\",1]]'); ds.SetGeoTransform([1, 2, 0, 3, 0, -4])";
  await withGdalFiles([{ ...base, name: 'local', script }], async ([file]) => {
    assert.ok(file);
    const object = await countedFile(file.path);
    const { geo } = await openTiff(object, object.href);
    assert.deepEqual(geo.tags.modelPixelScale, [2, 4, 0]);
    assert.deepEqual(geo.tags.modelTiepoint, [0, 0, 0, 1, 3, 0]);
    assert.deepEqual(geo.tags.geoKeyDirectory?.slice(0, 3), [1, 1, 0]);
    assert.match(geo.tags.geoAsciiParams ?? '', /my grid\|/);
    assert.match(String(geo.keys[1026]), /^my grid$/);
    assert.equal(geo.epsg, null);
  });
});

void test('nodata and band descriptions as GDAL gives them', { skip: withoutGdal }, async () => {
  const describe = "ds.GetRasterBand(1).SetDescription('a <b> & \"c\"'); ds.GetRasterBand(2).SetDescription('near infrared'); ds.SetMetadataItem('ACQUIRED', '2026')";
  const specs: FileSpec[] = [
    { ...base, name: 'none' },
    { ...base, name: 'zero', nodata: '0' },
    { ...base, name: 'outside', nodata: '-9999', script: describe },
    { ...base, name: 'nan', dtype: 'float32', nodata: 'nan' },
    { ...base, name: 'infinite', dtype: 'float64', nodata: '-inf' },
    { ...base, name: 'lowest', dtype: 'float32', nodata: '-3.4028234663852886e38' },
    { ...base, name: 'fraction', dtype: 'float64', nodata: '0.1' },
  ];
  await withGdalFiles(specs, async (files) => {
    for (const file of files) {
      const object = await countedFile(file.path);
      const tiff = await openTiff(object, object.href);
      assert.deepEqual(tiff.nodata, nodataOf(file), file.name);
      assert.deepEqual(tiff.bandDescriptions.map((text) => text ?? ''), file.descriptions, file.name);
      if (file.name === 'outside') assert.match(tiff.gdalMetadata ?? '', /<Item name="ACQUIRED">2026<\/Item>/);
    }
  });
});

void test('nodata of a float32 image is the float32 that its samples have', async () => {
  const text = [...Buffer.from('0.1\0')];
  const bytes = handMadeTiff({ directories: [simpleImage(4, 4, [field(258, 32), field(339, 3), field(279, 64), { tag: 42_113, type: 2, values: text }])] });
  const tiff = await openTiff(countedObject(bytes), 'file:///memory.tif');
  assert.equal(tiff.nodata, Math.fround(0.1));
  assert.equal(tiff.nodataText, '0.1');
});

void test('overviews and masks, of 1 bit, with their own overviews; sparse blocks', { skip: withoutGdal }, async () => {
  const specs: FileSpec[] = [
    { ...base, name: 'mask', mask: true, overviews: [2, 4] },
    { ...base, name: 'mask-jpeg', dtype: 'uint8', bands: 3, options: ['COMPRESS=JPEG', 'PHOTOMETRIC=YCBCR', 'TILED=YES', 'BLOCKXSIZE=32', 'BLOCKYSIZE=32'], mask: true, overviews: [2] },
    { ...base, name: 'mask-strips', options: ['COMPRESS=LZW', 'BLOCKYSIZE=7', 'ENDIANNESS=BIG'], mask: true, overviews: [3] },
    { ...base, name: 'overviews', overviews: [2, 4, 8], nodata: '0' },
    { ...base, name: 'cog', driver: 'COG', options: ['BLOCKSIZE=32', 'COMPRESS=ZSTD', 'PREDICTOR=2'] },
    { ...base, name: 'cog-mask', driver: 'COG', options: ['BLOCKSIZE=32', 'COMPRESS=LZW'], mask: true },
    { ...base, name: 'sparse', pattern: 'corner', options: [...base.options, 'SPARSE_OK=TRUE'], nodata: '77' },
    { ...base, name: 'sparse-bands', pattern: 'corner', options: [...base.options, 'SPARSE_OK=TRUE', 'INTERLEAVE=BAND', 'BIGTIFF=YES'] },
  ];
  await withGdalFiles(specs, async (files) => {
    for (const file of files) {
      assert.equal(file.refused, undefined, file.name);
      const object = await countedFile(file.path);
      const tiff = await openTiff(object, object.href);
      const images = [tiff.main, ...tiff.overviews];
      assert.equal(images.length, file.pixels.length, file.name);
      assert.equal(tiff.main.mask !== null, file.masks.length > 0, file.name);
      for (const [level, image] of images.entries()) {
        const found = await readImage(object, tiff, image, tiff.nodata ?? 0);
        assert.equal(Buffer.compare(new Uint8Array(found.buffer), await expectedBytes(file.pixels[level] ?? '')), 0, `${file.name} level ${level}`);
        if (file.masks.length === 0) continue;
        assert.ok(image.mask, `${file.name} level ${level} has its mask`);
        const valid = await readImage(object, tiff, image.mask);
        const wanted = await expectedBytes(file.masks[level] ?? '');
        assert.deepEqual(valid, Uint8Array.from(wanted, (value) => (value === 0 ? 0 : 1)), `${file.name} mask ${level}`);
        assert.ok(valid.includes(0) && valid.includes(1));
      }
    }
  });
});

void test('a mask of 8 bits: 0 is nodata, anything else is valid', async () => {
  const blocks = Uint8Array.of(0, 255, 1, 128);
  const mask = simpleImage(2, 2, [field(254, 4), field(262, 4)]);
  const bytes = handMadeTiff({ blocks, directories: [simpleImage(2, 2), mask] });
  const object = countedObject(bytes);
  const tiff = await openTiff(object, object.href);
  assert.ok(tiff.main.mask);
  assert.deepEqual(await readImage(object, tiff, tiff.main.mask), Uint8Array.of(0, 1, 1, 1));
  assert.deepEqual(await readImage(object, tiff, tiff.main), blocks);
});

const maskByGdal = `
import json, sys
from osgeo import gdal
ds = gdal.Open(sys.argv[1])
band = ds.GetRasterBand(1)
print(json.dumps([band.GetMaskFlags(), band.GetMaskBand().ReadAsArray().flatten().tolist()]))
`;

void test('a mask of 1 bit without compression, which GDAL reads but never writes', { skip: withoutGdal }, async () => {
  // 11 columns: a row of the mask is two bytes, and its last five bits are no pixels.
  const bits = [0b1010_0101, 0b1101_1111, 0b0000_0000, 0b0010_0000, 0b1111_1111, 0b1110_0000];
  const mask = simpleImage(11, 3, [field(254, 4), field(258, 1), field(262, 4), field(273, 16 + 33), field(279, 6)]);
  const bytes = handMadeTiff({ blocks: Uint8Array.from([...Array.from({ length: 33 }, (_, i) => i), ...bits, 0]), directories: [simpleImage(11, 3), mask] });
  const folder = await mkdtemp(path.join(tmpdir(), 'tilefan-mask-'));
  try {
    const file = path.join(folder, 'mask.tif');
    await writeFile(file, bytes);
    const [flags, wanted] = runPythonJson(maskByGdal, [file]) as [number, number[]];
    assert.equal(flags, 2, 'GDAL takes it for the mask of the dataset');
    const object = countedObject(bytes);
    const tiff = await openTiff(object, object.href);
    assert.ok(tiff.main.mask);
    assert.deepEqual([...(await readImage(object, tiff, tiff.main.mask))], wanted.map((value) => (value === 0 ? 0 : 1)));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

void test('pages and unreadable overviews are left out, with the reason; an unreadable mask is an error', async () => {
  const page = simpleImage(2, 2);
  const overview = simpleImage(1, 1, [field(254, 1), field(259, 34_712)]);
  const tiff = await openTiff(countedObject(handMadeTiff({ directories: [simpleImage(2, 2), page, overview] })), 'file:///memory.tif');
  assert.equal(tiff.overviews.length, 0);
  assert.deepEqual(tiff.ignored.map(({ directory }) => directory), [1, 2]);
  assert.match(tiff.ignored[1]?.reason ?? '', /Compression is 34712 \(JPEG 2000\)/);
  const mask = simpleImage(2, 2, [field(254, 4), field(259, 34_712)]);
  const masked = countedObject(handMadeTiff({ directories: [simpleImage(2, 2), mask] }));
  await assert.rejects(openTiff(masked, masked.href), { code: 'TIFF_UNSUPPORTED' });
  const small = simpleImage(1, 2, [field(254, 4)]);
  const wrong = countedObject(handMadeTiff({ directories: [simpleImage(2, 2), small] }));
  const broken = countedObject(handMadeTiff({ directories: [simpleImage(2, 2), simpleImage(1, 0, [field(254, 1)])] }));
  await assert.rejects(openTiff(broken, broken.href), { code: 'TIFF_BAD_VALUE' });
  await assert.rejects(openTiff(wrong, wrong.href), /the mask has 1 x 2 pixels; wanted the image's 2 x 2/);
});

void test('a COG is opened by one request, and its ranges need no more', { skip: withoutGdal }, async () => {
  const spec: FileSpec = { ...base, name: 'cog', driver: 'COG', width: 1500, height: 1300, options: ['BLOCKSIZE=128', 'COMPRESS=DEFLATE'] };
  await withGdalFiles([spec, { ...spec, name: 'plain', driver: 'GTiff', overviews: [2] }], async ([cog, plain]) => {
    assert.ok(cog && plain);
    const object = await countedFile(cog.path);
    const tiff = await openTiff(object, object.href);
    assert.deepEqual(object.requests, [{ offset: 0, length: 65_536 }]);
    await tiff.blockRanges(tiff.main, [0, 5, 100]);
    await tiff.blockRanges(tiff.overviews[0] ?? tiff.main, [0]);
    assert.equal(object.requests.length, 1);
    // CreateCopy puts the directory first, and BuildOverviews the directories of overviews behind the pixels.
    const other = await countedFile(plain.path);
    await openTiff(other, other.href);
    assert.ok(other.requests.length <= 3, JSON.stringify(other.requests));
  });
});

void test('a small file is read in one request of its own size', async () => {
  const bytes = handMadeTiff({ directories: [simpleImage(4, 4)] });
  const object = countedObject(bytes);
  await openTiff(object, object.href);
  assert.deepEqual(object.requests, [{ offset: 0, length: bytes.length }]);
});

void test('a layout is plain data, for a message to a thread or for the plan', async () => {
  const object = countedObject(handMadeTiff({ directories: [simpleImage(4, 4)] }));
  const { layout } = (await openTiff(object, object.href)).main;
  assert.deepEqual(JSON.parse(JSON.stringify(layout)), layout);
});

const sharedData = path.resolve(import.meta.dirname, '../../../shared/data');
const withoutData = existsSync(sharedData) ? withoutGdal : `needs the rasters of ${sharedData}`;

const readAll = `
import json, sys, rasterio, hashlib
out = {}
for p in sys.argv[1:]:
    with rasterio.open(p) as d:
        out[p] = dict(md5=hashlib.md5(d.read().tobytes()).hexdigest(), transform=list(d.transform.to_gdal()), epsg=d.crs.to_epsg(), nodata=d.nodata,
            overviews=[hashlib.md5(rasterio.open(p, overview_level=i).read().tobytes()).hexdigest() for i in range(len(d.overviews(1)))])
print(json.dumps(out))
`;

void test('real rasters equal rasterio: every band, every overview, georeference, nodata', { skip: withoutData }, async () => {
  const { createHash } = await import('node:crypto');
  const files = readdirSync(sharedData).filter((name) => name.endsWith('.tif')).map((name) => path.join(sharedData, name));
  const wanted = runPythonJson(readAll, files) as Record<string, { md5: string; transform: number[]; epsg: number; nodata: number | null; overviews: string[] }>;
  for (const file of files) {
    const object = await countedFile(file);
    const tiff = await openTiff(object, object.href);
    const expected = wanted[file];
    assert.ok(expected);
    const sums: string[] = [];
    for (const image of [tiff.main, ...tiff.overviews]) {
      const samples = await readImage(object, tiff, image, tiff.nodata ?? 0);
      sums.push(createHash('md5').update(new Uint8Array(samples.buffer)).digest('hex'));
    }
    assert.deepEqual(sums, [expected.md5, ...expected.overviews], file);
    assert.deepEqual(tiff.geo.geotransform, expected.transform, file);
    assert.equal(tiff.geo.epsg, expected.epsg, file);
    assert.equal(tiff.nodata, expected.nodata, file);
  }
});
