/**
 * JPEG and WebP blocks, colour tables and photometric interpretations, read by GDAL. Would catch: tags that don't say what is in the blocks (other
 * colours), values that other readers find and ours doesn't, colours of transparent pixels that are lost, and colours, scales and offsets that
 * GDAL understands otherwise.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, it } from 'node:test';
import type { Plane } from '../../lib/raster/pyramid.ts';
import type { CogImage } from '../../lib/tiff/cog-header.ts';
import type { Codec } from '../../lib/tiff/block-encoding.ts';
import { gdalMetadataXml } from '../../lib/tiff/gdal-metadata.ts';
import { openTiff } from '../../lib/tiff/open.ts';
import { bitsOf, seededRandom } from '../support/arrays.ts';
import { runPythonJson, withoutGdal } from '../support/gdal.ts';
import { assertValidForRioCogeo, withoutRio } from '../support/raster-oracle.ts';
import { assertPixels, readWithGdal } from './cog-oracle.ts';
import { countedObject } from './counted-object.ts';
import { readImage } from './read-image.ts';
import { writeCog, type WrittenCog } from './write-cog.ts';

/** A photograph of sorts: the bands differ, so that a mix-up shows; the fourth is 0 in half of the pixels. */
function picture(columns: number, rows: number, bands: number): Plane[] {
  const random = seededRandom(9);
  return [190, 100, 70, 0].slice(0, bands).map((level, band) => {
    const samples = new Uint8Array(columns * rows);
    for (let i = 0; i < samples.length; i++) {
      const x = i % columns;
      const y = Math.floor(i / columns);
      samples[i] = band === 3 ? (x % 20 < 10 ? 0 : 128 + (y % 100)) : level + 50 * Math.sin(x / 30 + band) * Math.cos(y / 25) + 4 * random();
    }
    return { samples, columns, rows };
  });
}

/** The mean of how far samples are from what they were made of. */
function meanError(planes: readonly Plane[], wanted: readonly ArrayLike<number>[]): number {
  const errors = planes.flatMap(({ samples }, band) => Array.from(samples, (value, i) => Math.abs(value - (wanted[band]?.[i] ?? Number.NaN))));
  return errors.reduce((sum, error) => sum + error, 0) / errors.length;
}

const cases: readonly { readonly codec: Codec; readonly bands: readonly number[]; readonly mean: number; readonly name: RegExp }[] = [
  { codec: { compression: 'jpeg', quality: 75 }, bands: [1, 3], mean: 3, name: /JPEG/ },
  { codec: { compression: 'jpeg', quality: 95 }, bands: [1, 3], mean: 1.5, name: /JPEG/ },
  { codec: { compression: 'webp', quality: undefined }, bands: [3, 4], mean: 0, name: /WEBP/ },
  { codec: { compression: 'webp', quality: 80 }, bands: [3, 4], mean: 3, name: /WEBP/ },
];

/** What GDAL says of the bands of a file. */
function factsOf(cog: WrittenCog): { colors: Record<string, number[]>; names: string[]; scales: number[]; offsets: number[] } {
  const folder = mkdtempSync(path.join(tmpdir(), 'tilefan-facts-'));
  try {
    const file = path.join(folder, 'a.tif');
    writeFileSync(file, cog.bytes);
    return runPythonJson(
      `
import sys, json
from osgeo import gdal
gdal.UseExceptions()
ds = gdal.Open(sys.argv[1])
bands = [ds.GetRasterBand(i + 1) for i in range(ds.RasterCount)]
table = bands[0].GetColorTable()
colors = {} if table is None else {i: table.GetColorEntry(i) for i in range(table.GetCount())}
overview = bands[0].GetOverview(0)
if table is not None and overview is not None:
    assert overview.GetColorInterpretation() == gdal.GCI_PaletteIndex, overview.GetColorInterpretation()
print(json.dumps(dict(colors=colors, names=[gdal.GetColorInterpretationName(b.GetColorInterpretation()) for b in bands], scales=[b.GetScale() for b in bands], offsets=[b.GetOffset() for b in bands])))`,
      [file],
    ) as ReturnType<typeof factsOf>;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

void describe('image codecs', () => {
  void it('are read by GDAL as by our own reader, and keep what they should', { skip: withoutGdal }, async () => {
    const cogs: Record<string, WrittenCog> = {};
    for (const { codec, bands, mean, name: compression } of cases) {
      for (const count of bands) {
        const planes = picture(421, 300, count);
        const before = planes.map(({ samples }) => samples.slice());
        const name = `${JSON.stringify(codec)} ${count}`;
        const cog = await writeCog(planes, { dtype: 'uint8', bands: count, blockSize: 256, codec, predictor: 1, nodata: undefined, overviews: 'average', photometric: 'rgb' });
        cogs[name] = cog;
        const error = meanError(planes, before);
        assert.ok(error <= mean, `${name}: ${error} on the average`);
        assert.match(readWithGdal({ one: cog }).facts['one']?.structure['COMPRESSION'] ?? '', compression);
        const object = countedObject(cog.bytes);
        const tiff = await openTiff(object, object.href);
        const own = await readImage(object, tiff, tiff.main);
        for (const [band, { samples }] of planes.entries()) assert.ok(bitsOf(own.slice(band * samples.length, (band + 1) * samples.length)).equals(bitsOf(samples)), `${name}: own reader, band ${band + 1}`);
      }
    }
    const read = readWithGdal(cogs);
    for (const [name, cog] of Object.entries(cogs)) {
      assertPixels(name, cog, read);
      assert.deepEqual(read.facts[name]?.errors, [], name);
    }
  });

  void it('make files that rio-cogeo finds valid', { skip: withoutRio }, async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'tilefan-rio-'));
    try {
      for (const { codec, bands } of cases) {
        const file = path.join(folder, `${codec.compression}.tif`);
        const [count = 3] = bands;
        const cog = await writeCog(picture(700, 600, count), { dtype: 'uint8', bands: count, blockSize: 256, codec, predictor: 1, nodata: undefined, overviews: 'average', photometric: 'rgb' });
        writeFileSync(file, cog.bytes);
        assertValidForRioCogeo(file);
      }
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  // Catches: an encoder that hands sharp the buffer that it fills with the next block.
  void it('may be asked for a block while another is under way', async () => {
    const { BlockEncoder } = await import('../../lib/tiff/block-encoder.ts');
    const encoder = new BlockEncoder({ dtype: 'uint8', bands: 3, blockSize: 128, codec: { compression: 'webp', quality: undefined }, predictor: 1, nodata: undefined });
    const planes = picture(256, 128, 3);
    const together = await Promise.all([encoder.encode(planes, 0, 0), encoder.encode(planes, 128, 0)]);
    const alone = [await encoder.encode(planes, 0, 0), await encoder.encode(planes, 128, 0)];
    assert.deepEqual(together, alone);
  });
});

void describe('colours and band facts', () => {
  void it('are read by GDAL: colour tables', { skip: withoutGdal }, async () => {
    for (const dtype of ['uint8', 'uint16'] as const) {
      const colorTable: CogImage['colorTable'] = new Map([[0, [1, 2, 3]], [7, [255, 128, 0]], [255, [9, 8, 7]], ...(dtype === 'uint16' ? ([[65_535, [12, 34, 56]]] as const) : [])]);
      const samples = dtype === 'uint8' ? new Uint8Array(300 * 200).fill(7) : new Uint16Array(300 * 200).fill(7);
      const cog = await writeCog([{ samples, columns: 300, rows: 200 }], { dtype, bands: 1, blockSize: 128, codec: { compression: 'deflate', level: 6 }, predictor: 1, nodata: 255, overviews: 'nearest', colorTable });
      const { colors, names } = factsOf(cog);
      assert.deepEqual(names, ['Palette']);
      assert.equal(Object.keys(colors).length, dtype === 'uint8' ? 256 : 65_536);
      // GDAL makes nodata transparent.
      assert.deepEqual([colors['0'], colors['7'], colors['8'], colors['255']], [[1, 2, 3, 255], [255, 128, 0, 255], [0, 0, 0, 255], [9, 8, 7, 0]]);
      if (dtype === 'uint16') assert.deepEqual(colors['65535'], [12, 34, 56, 255]);
    }
  });

  void it('are read by GDAL: red, green, blue and alpha', { skip: withoutGdal }, async () => {
    for (const [bands, photometric, alpha, names] of [
      [3, 'rgb', false, ['Red', 'Green', 'Blue']],
      [4, 'rgb', true, ['Red', 'Green', 'Blue', 'Alpha']],
      [5, 'rgb', false, ['Red', 'Green', 'Blue', 'Undefined', 'Undefined']],
      [2, 'gray', true, ['Gray', 'Alpha']],
      [3, 'gray', false, ['Gray', 'Undefined', 'Undefined']],
    ] as const) {
      const planes = Array.from({ length: bands }, (): Plane => ({ samples: new Uint16Array(100 * 90).fill(3), columns: 100, rows: 90 }));
      const cog = await writeCog(planes, { dtype: 'uint16', bands, blockSize: 128, codec: { compression: 'none' }, predictor: 1, nodata: undefined, photometric, alpha });
      assert.deepEqual(factsOf(cog).names, names);
    }
  });

  void it('are read by GDAL: scale and offset', { skip: withoutGdal }, async () => {
    const scaling = [{ scale: 0.0001, offset: -0.1 }, { scale: 1 / 3, offset: 273.15 }, { scale: 1e-300, offset: 0 }];
    const metadata = gdalMetadataXml(scaling.map((each) => ({ description: 'b', statistics: undefined, ...each })), 1);
    const planes = scaling.map((): Plane => ({ samples: new Int16Array(100 * 90).fill(3), columns: 100, rows: 90 }));
    const { scales, offsets } = factsOf(await writeCog(planes, { dtype: 'int16', bands: 3, blockSize: 128, codec: { compression: 'none' }, predictor: 1, nodata: undefined, metadata }));
    assert.deepEqual([scales, offsets], [scaling.map(({ scale }) => scale), scaling.map(({ offset }) => offset)]);
  });
});
