/**
 * What the encoder and the header make of pixels, read by GDAL. Would catch: a wrong predictor, interleave or padding for any type, codec and number of
 * bands; a header that GDAL understands otherwise than we do; geographic tags that change; blocks left out that should not be.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, it } from 'node:test';
import { allocateSamples, dtypes, isFloat, type Dtype } from '../../lib/raster/dtype.ts';
import type { Plane } from '../../lib/raster/pyramid.ts';
import { readBandMetadata } from '../../lib/tiff/band-metadata.ts';
import { defaultPredictor } from '../../lib/tiff/block-encoding.ts';
import type { Codec } from '../../lib/tiff/block-encoding.ts';
import { gdalMetadataXml } from '../../lib/tiff/gdal-metadata.ts';
import { openTiff } from '../../lib/tiff/open.ts';
import { bitsOf, runWithArrays } from '../support/arrays.ts';
import { withoutGdal } from '../support/gdal.ts';
import { assertPixels, planesOf, readWithGdal } from './cog-oracle.ts';
import { countedFile, countedObject } from './counted-object.ts';
import { writeCog, type CogOptions, type WrittenCog } from './write-cog.ts';

const codecs: readonly Codec[] = [
  { compression: 'none' },
  { compression: 'lzw' },
  { compression: 'deflate', level: undefined },
  { compression: 'deflate', level: 9 },
  { compression: 'zstd', level: 3 },
];

void describe('encoder', () => {
  for (const codec of codecs) {
    const level = 'level' in codec ? ` ${codec.level ?? 'auto'}` : '';
    void it(`writes what GDAL reads, bit for bit: ${codec.compression}${level}`, { skip: withoutGdal }, async () => {
      const cogs: Record<string, WrittenCog> = {};
      let seed = 0;
      for (const dtype of dtypes) {
        const predictors = [...new Set([1, defaultPredictor(dtype, codec.compression)] as const)];
        for (const predictor of predictors) {
          for (const bands of [1, 2, 3, 4]) {
            seed++;
            const nodata = [undefined, 0, isFloat(dtype) ? Number.NaN : 7][seed % 3];
            const overviews = (['average', 'nearest', 'mode', undefined] as const)[seed % 4];
            const [columns = 1, rows = 1] = [[301, 203], [128, 128], [127, 260], [1, 1], [257, 130]][seed % 5] ?? [];
            const options: CogOptions = { dtype, bands, blockSize: 128, codec, predictor, nodata, ...(overviews && { overviews }), format: seed % 2 === 0 ? 'big' : 'classic' };
            cogs[`${dtype} predictor ${predictor} bands ${bands} nodata ${nodata} ${overviews ?? 'no overviews'}`] = await writeCog(planesOf(dtype, columns, rows, bands, nodata, seed), options);
          }
        }
      }
      const read = readWithGdal(cogs);
      for (const [name, cog] of Object.entries(cogs)) {
        assertPixels(name, cog, read);
        assert.deepEqual(read.facts[name]?.errors, [], name);
        const nodata = /nodata (\S+)/.exec(name)?.[1];
        assert.equal(String(read.facts[name]?.nodata), nodata === 'undefined' ? 'null' : nodata === 'NaN' ? 'nan' : nodata, name);
      }
    });
  }

  void it('leaves out blocks that are empty, and no others', { skip: withoutGdal }, async () => {
    const cogs: Record<string, WrittenCog> = {};
    const wanted: Record<string, number> = {};
    for (const [dtype, nodata] of [['uint8', undefined], ['uint8', 0], ['uint8', 255], ['int16', -32_768], ['float32', Number.NaN], ['float32', -9999], ['float64', 1e300], ['uint32', 4_294_967_295]] as const) {
      for (const bands of [1, 3]) {
        const planes = Array.from({ length: bands }, (): Plane => ({ samples: allocateSamples(dtype, 400 * 300).fill(nodata ?? 0), columns: 400, rows: 300 }));
        // One pixel in the last row and column of a block, in the last band only.
        const last = planes.at(-1)?.samples ?? [];
        last[255 * 400 + 127] = 1;
        const name = `${dtype} ${nodata} ${bands}`;
        cogs[name] = await writeCog(planes, { dtype, bands, blockSize: 128, codec: { compression: 'deflate', level: 1 }, predictor: 1, nodata });
        wanted[name] = 11;
        cogs[`${name} overviews`] = await writeCog(planes, { dtype, bands, blockSize: 128, codec: { compression: 'none' }, predictor: 1, nodata, overviews: 'mode' });
        // With nodata, the one pixel stays the mode of the cells under it; without, zeros outnumber it.
        wanted[`${name} overviews`] = nodata === undefined ? 11 + 4 + 1 : 11 + 3 + 0;
      }
    }
    const read = readWithGdal(cogs);
    for (const [name, cog] of Object.entries(cogs)) {
      assert.equal(cog.sparse, wanted[name], name);
      assertPixels(name, cog, read);
      assert.equal(read.facts[name]?.offset, null, 'the first block is not there');
      assert.deepEqual(read.facts[name].errors, [], name);
    }
  });

  void it('keeps georeference and CRS unchanged', { skip: withoutGdal }, async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'tilefan-geo-'));
    try {
      const sources = `
from osgeo import gdal, osr
gdal.UseExceptions()
def crs(text):
    s = osr.SpatialReference(); s.SetFromUserInput(text); return s
cases = [
    ('utm', 'EPSG:32618', (500000, 30, 0, 4500000, 0, -30), []),
    ('geographic', 'EPSG:4326', (-71.5, 0.1 / 3, 0, 46.25, 0, -0.1 / 3), []),
    ('point', 'EPSG:3857', (1e6 / 3, 0.5, 0, 2e6 / 7, 0, -0.5), ['AREA_OR_POINT=Point']),
    ('rotated', 'EPSG:25832', (500000, 8.66, 5, 5500000, 5, -8.66), []),
    ('custom', '+proj=laea +lat_0=48.123456789 +lon_0=9.87654321 +x_0=1234.5 +y_0=-77 +ellps=bessel +towgs84=598.1,73.7,418.2,0.202,0.045,-2.455,6.7 +units=m', (0, 100, 0, 0, 0, -100), []),
    ('none', None, None, []),
]
for name, text, gt, items in cases:
    ds = gdal.GetDriverByName('GTiff').Create('%s/%s.tif' % (facts, name), 40, 30, 1)
    if text: ds.SetSpatialRef(crs(text))
    if gt: ds.SetGeoTransform(gt)
    for item in items: ds.SetMetadataItem(*item.split('='))
    ds.GetRasterBand(1).Fill(1)
    ds = None
    ds = gdal.Open('%s/%s.tif' % (facts, name))
    out[name] = np.frombuffer(json.dumps(dict(gt=ds.GetGeoTransform(), wkt=ds.GetProjection(), point=ds.GetMetadataItem('AREA_OR_POINT'))).encode(), np.uint8)
`;
      const made = runWithArrays(sources, {}, folder);
      const cogs: Record<string, WrittenCog> = {};
      for (const name of Object.keys(made)) {
        for (const format of ['classic', 'big'] as const) {
          const object = await countedFile(path.join(folder, `${name}.tif`));
          const { geo } = await openTiff(object, object.href);
          const cog = await writeCog(planesOf('uint8', 40, 30, 1, undefined, 1), { dtype: 'uint8', bands: 1, blockSize: 128, codec: { compression: 'none' }, predictor: 1, nodata: undefined, geo: geo.tags, format });
          cogs[`${name} ${format}`] = cog;
          const again = countedObject(cog.bytes);
          assert.deepEqual((await openTiff(again, again.href)).geo.tags, geo.tags, name);
        }
      }
      const { facts } = readWithGdal(cogs);
      for (const [name, { geotransform, wkt }] of Object.entries(facts)) {
        const source = JSON.parse(bitsOf(made[name.split(' ')[0] ?? '']?.samples ?? new Uint8Array()).toString()) as { gt: number[]; wkt: string };
        assert.deepEqual(geotransform, source.gt, name);
        assert.equal(wkt, source.wkt, name);
      }
      assert.equal(Object.keys(facts).length, 12);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  void it('writes statistics and descriptions that GDAL reads, whatever characters they have', { skip: withoutGdal }, async () => {
    const names = ['plain', 'a < b & c > "d"', 'Übermaß 温度', '&lt;not a tag&gt; &amp;', "it's", '  indented ', ' ', '&#65;'];
    const statistics = { count: 35_123, minimum: -1.5, maximum: 1e300, mean: 0.1 + 0.2, squares: 12_345.678 };
    const pixels = 40_000;
    const metadata = gdalMetadataXml([...names.map((description) => ({ description, statistics })), { description: undefined, statistics: { count: 0, minimum: Infinity, maximum: -Infinity, mean: 0, squares: 0 } }], pixels);
    const bands = names.length + 1;
    const planes = planesOf('float64', 20, 10, bands, undefined, 3);
    const { facts } = readWithGdal({ cog: await writeCog(planes, { dtype: 'float64', bands, blockSize: 128, codec: { compression: 'none' }, predictor: 1, nodata: undefined, metadata }) });
    assert.deepEqual(facts['cog']?.descriptions, [...names, '']);
    assert.deepEqual(readBandMetadata(metadata, bands).bandDescriptions, [...names, null]);
    assert.deepEqual(readBandMetadata('<Item role="description" sample="0">&#x1F332;&#252;&#0;</Item>', 1).bandDescriptions, ['🌲ü&#0;']);
    for (const band of facts['cog'].metadata.slice(0, -1)) {
      assert.equal(Number(band['STATISTICS_MINIMUM']), -1.5);
      assert.equal(Number(band['STATISTICS_MAXIMUM']), 1e300);
      assert.equal(Number(band['STATISTICS_MEAN']), 0.1 + 0.2);
      assert.equal(Number(band['STATISTICS_STDDEV']), Math.sqrt(12_345.678 / 35_123));
      assert.equal(band['STATISTICS_VALID_PERCENT'], '87.81');
    }
    assert.deepEqual(facts['cog'].metadata.at(-1), { STATISTICS_VALID_COUNT: '0', STATISTICS_VALID_PERCENT: '0' });
    assert.equal(gdalMetadataXml([{ description: undefined, statistics: undefined }], 1), '');
  });

  void it('writes nodata of any size as GDAL reads it', { skip: withoutGdal }, async () => {
    const cogs: Record<string, WrittenCog> = {};
    const values: readonly (readonly [Dtype, number])[] = [['float64', 1e300], ['float64', -1.7976931348623157e308], ['float32', -3.4028234663852886e38], ['float64', 0.1], ['float32', Math.fround(0.1)], ['float32', Infinity], ['float64', -Infinity], ['int32', -2_147_483_648], ['uint32', 4_294_967_295], ['float64', 1e-300]];
    for (const [dtype, nodata] of values) cogs[`${dtype} ${nodata}`] = await writeCog(planesOf(dtype, 5, 5, 1, undefined, 9), { dtype, bands: 1, blockSize: 128, codec: { compression: 'none' }, predictor: 1, nodata });
    const { facts } = readWithGdal(cogs);
    for (const [dtype, nodata] of values) {
      const found = facts[`${dtype} ${nodata}`]?.nodata ?? null;
      assert.equal(typeof found === 'string' ? { inf: Infinity, '-inf': -Infinity }[found] : found, nodata, dtype);
    }
  });

  void it('pads blocks at the edge with nodata', async () => {
    for (const nodata of [undefined, 9]) {
      const { bytes } = await writeCog([{ samples: new Uint8Array(4).fill(3), columns: 2, rows: 2 }], { dtype: 'uint8', bands: 1, blockSize: 128, codec: { compression: 'none' }, predictor: 1, nodata });
      const object = countedObject(bytes);
      const tiff = await openTiff(object, object.href);
      const [range] = await tiff.blockRanges(tiff.main, [0]);
      const block = bytes.subarray(range?.offset, (range?.offset ?? 0) + (range?.length ?? 0));
      assert.equal(block.length, 128 * 128);
      assert.deepEqual([block[0], block[1], block[2], block[128], block[130], block.at(-1)], [3, 3, nodata ?? 0, 3, nodata ?? 0, nodata ?? 0]);
    }
  });
});
