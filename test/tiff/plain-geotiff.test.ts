/** Plain GeoTIFFs as GDAL, rasterio and our own reader see them. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';

import fc from 'fast-check';
import { bytesPerSample, dtypes, viewSamples, type Dtype } from '../../lib/raster/dtype.ts';
import { FileStore } from '../../lib/store/file-store.ts';
import { fileHref } from '../../lib/store/href.ts';
import { readImageRows } from '../../lib/tiff/image-rows.ts';
import { openTiff } from '../../lib/tiff/open.ts';
import { plainGeoTiff, type PlainImage } from '../../lib/tiff/plain-geotiff.ts';
import { runPythonJson, withoutGdal } from '../support/gdal.ts';
import { createWorkspace, type Workspace } from '../support/workspace.ts';

const geo = { modelPixelScale: [10, 20, 0], modelTiepoint: [0, 0, 0, 600_000, 5_000_000, 0], geoKeyDirectory: [1, 1, 0, 3, 1024, 0, 1, 1, 1025, 0, 1, 1, 3072, 0, 1, 32_633] };

/** Sample i of band b, small enough for every type. */
function sampleOf(band: number, i: number): number {
  return (i * 7 + band * 31) % 101;
}

/** The whole file, with `sampleOf` for pixels, and every third pixel masked where there is a mask. */
function fileOf(image: PlainImage): Uint8Array {
  const tiff = plainGeoTiff(image);
  const pixels = image.columns * image.rows;
  const file = new Uint8Array(tiff.bytes);
  file.set(tiff.header);
  for (const [band, offset] of tiff.bandOffsets.entries()) {
    const samples = viewSamples(image.dtype, file.buffer, offset, pixels);
    for (let i = 0; i < pixels; i++) samples[i] = sampleOf(band, i);
  }
  if (tiff.maskOffset !== undefined) for (let i = 0; i < pixels; i++) file[tiff.maskOffset + i] = i % 3 === 0 ? 0 : 255;
  return file;
}

describe('plain GeoTIFFs', () => {
  let workspace: Workspace;
  before(() => (workspace = createWorkspace('plain')));
  after(() => workspace.remove());

  // Catches: strips in the wrong order, a last strip that is too long, a wrong sample format, tags out of order, a mask that is not seen, a lost nodata value.
  void it('hold for GDAL and rasterio what was put in, of every type', { skip: withoutGdal }, () => {
    const cases = [
      ...dtypes.map((dtype): PlainImage => ({ dtype, columns: 301, rows: 203, bands: 3, nodata: dtype === 'float32' ? Number.NaN : 7, mask: false, geo })),
      { dtype: 'uint16', columns: 257, rows: 300, bands: 2, nodata: undefined, mask: true, geo },
      { dtype: 'uint8', columns: 1, rows: 1, bands: 1, nodata: undefined, mask: true, geo: {} },
      // Rows that are longer than a strip is wanted to be.
      { dtype: 'float64', columns: 9000, rows: 3, bands: 1, nodata: -0.5, mask: false, geo: {} },
    ] satisfies PlainImage[];
    for (const [i, image] of cases.entries()) writeFileSync(workspace.path(`${String(i)}.tif`), fileOf(image));
    const seen = runPythonJson(
      `
import json, sys, numpy as np, rasterio, warnings
warnings.simplefilter('ignore')
out = []
for i, (columns, rows, bands, mask) in enumerate(json.loads(sys.argv[2])):
    with rasterio.open(sys.argv[1] + '/%d.tif' % i) as d:
        n = np.arange(rows * columns).reshape(rows, columns)
        want = np.stack([(n * 7 + b * 31) % 101 for b in range(bands)])
        a = d.read()
        out.append([list(a.shape), bool((a == want).all()), d.dtypes[0], None if d.nodata is None else repr(d.nodata),
                    bool((d.dataset_mask() == np.where(n % 3 == 0, 0, 255)).all()) if mask else None, list(d.transform)[:6], d.crs.to_epsg() if d.crs else None])
print(json.dumps(out))`,
      [workspace.folder, JSON.stringify(cases.map(({ columns, rows, bands, mask }) => [columns, rows, bands, mask]))],
    );
    // This GDAL calls bytes with a sign bytes, and says so in metadata.
    const names: Partial<Record<Dtype, string>> = { int8: 'int8' };
    const wanted = cases.map(({ dtype, columns, rows, bands, nodata, mask, geo: tags }) => [
      [bands, rows, columns],
      true,
      names[dtype] ?? dtype,
      nodata === undefined ? null : Number.isNaN(nodata) ? 'nan' : nodata === 7 ? '7.0' : '-0.5',
      mask ? true : null,
      'geoKeyDirectory' in tags ? [10, 0, 600_000, 0, -20, 5_000_000] : [1, 0, 0, 0, 1, 0],
      'geoKeyDirectory' in tags ? 32_633 : null,
    ]);
    assert.deepEqual(seen, wanted);
    const { status, stdout, stderr } = spawnSync('gdalinfo', ['-checksum', workspace.path('1.tif')], { encoding: 'utf8' });
    assert.equal(status, 0);
    assert.equal(stderr, '', 'GDAL has nothing to warn of');
    assert.match(stdout, /INTERLEAVE=BAND/);
  });

  // Catches: a group of rows that skips or repeats a strip, ranges joined that don't touch, at any size.
  void it('come back through the reader, row by row', async () => {
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...dtypes), fc.integer({ min: 1, max: 400 }), fc.integer({ min: 1, max: 400 }), fc.integer({ min: 1, max: 4 }), fc.boolean(), async (dtype, columns, rows, bands, mask) => {
        const image: PlainImage = { dtype, columns, rows, bands, nodata: undefined, mask, geo };
        const path = workspace.path('property.tif');
        writeFileSync(path, fileOf(image));
        const store = new FileStore();
        try {
          const tiff = await openTiff(store, fileHref(path));
          assert.deepEqual(tiff.geo.tags, geo);
          let next = 0;
          for await (const part of readImageRows(store, tiff, tiff.main, 0)) {
            assert.equal(part.row, next);
            next += part.rows;
            assert.equal(part.samples.length, bands * part.rows * columns);
            for (let band = 0; band < bands; band++) {
              for (let i = 0; i < part.rows * columns; i++) {
                const found = part.samples[band * part.rows * columns + i];
                if (found !== sampleOf(band, part.row * columns + i)) assert.fail(`band ${String(band)}, pixel ${String(i)}: ${String(found)}`);
              }
            }
          }
          assert.equal(next, rows);
          assert.equal(tiff.main.mask !== null, mask);
        } finally {
          await store.close();
        }
      }),
      { numRuns: 40 },
    );
  });

  // Catches: offsets of 32 bits in a file that needs more.
  void it('are BigTIFF when 32 bits are too few', () => {
    const { header, bandOffsets, bytes } = plainGeoTiff({ dtype: 'float64', columns: 16_384, rows: 16_384, bands: 3, nodata: undefined, mask: true, geo });
    const view = new DataView(header.buffer);
    assert.equal(view.getUint16(2, true), 43);
    assert.equal(bandOffsets[2], header.length + 2 * 16_384 * 16_384 * bytesPerSample('float64'));
    assert.equal(bytes, header.length + 16_384 * 16_384 * (3 * 8 + 1));
  });
});
