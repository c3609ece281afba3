/** COGs written by the product's encoder, read by GDAL: what tests of the encoder have in common. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { allocateSamples, dtypeFacts, isFloat, type Dtype } from '../../lib/raster/dtype.ts';
import type { Plane } from '../../lib/raster/pyramid.ts';
import { bitsOf, runWithArrays, seededRandom, type NumpyArray } from '../support/arrays.ts';
import type { WrittenCog } from './write-cog.ts';

export interface Read {
  readonly pixels: Record<string, NumpyArray>;
  readonly facts: Record<string, { nodata: number | string | null; geotransform: number[]; wkt: string; metadata: Record<string, string>[]; descriptions: string[]; structure: Record<string, string>; overviews: number; errors: string[]; offset: string | null }>;
}

const program = `
import sys, io, contextlib
from osgeo import gdal
from osgeo_utils.samples.validate_cloud_optimized_geotiff import validate
gdal.UseExceptions()
info = {}
for name, file in facts.items():
    ds = gdal.Open(file)
    band = ds.GetRasterBand(1)
    for level in range(band.GetOverviewCount() + 1):
        bands = [ds.GetRasterBand(b + 1) if level == 0 else ds.GetRasterBand(b + 1).GetOverview(level - 1) for b in range(ds.RasterCount)]
        out['%s/%d' % (name, level)] = np.stack([b.ReadAsArray() for b in bands])
    nodata = band.GetNoDataValue()
    _, errors, _ = validate(file, full_check=True)
    info[name] = dict(nodata=nodata if nodata is None or np.isfinite(nodata) else repr(nodata), geotransform=ds.GetGeoTransform(), wkt=ds.GetProjection(),
        metadata=[ds.GetRasterBand(b + 1).GetMetadata() for b in range(ds.RasterCount)], descriptions=[ds.GetRasterBand(b + 1).GetDescription() for b in range(ds.RasterCount)],
        structure=ds.GetMetadata('IMAGE_STRUCTURE'), overviews=band.GetOverviewCount(), errors=errors, offset=band.GetMetadataItem('BLOCK_OFFSET_0_0', 'TIFF'))
    ds = None
out['info'] = np.frombuffer(json.dumps(info).encode(), np.uint8)
`;

/** Reads all files with GDAL, in one process, and has them checked by its validator of COGs. */
export function readWithGdal(cogs: Readonly<Record<string, WrittenCog>>): Read {
  const folder = mkdtempSync(path.join(tmpdir(), 'tilefan-cogs-'));
  try {
    const files = Object.fromEntries(
      Object.entries(cogs).map(([name, { bytes }], i) => {
        const file = path.join(folder, `${i}.tif`);
        writeFileSync(file, bytes);
        return [name, file];
      }),
    );
    const { info, ...pixels } = runWithArrays(program, {}, files);
    return { pixels, facts: JSON.parse(Buffer.from(bitsOf(info?.samples ?? new Uint8Array())).toString()) as Read['facts'] };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

export function planesOf(dtype: Dtype, columns: number, rows: number, bands: number, nodata: number | undefined, seed: number): Plane[] {
  const random = seededRandom(seed);
  const { min, max } = isFloat(dtype) ? { min: -1e5, max: 1e5 } : dtypeFacts(dtype);
  return Array.from({ length: bands }, (_, band) => {
    const samples = allocateSamples(dtype, columns * rows);
    for (let i = 0; i < samples.length; i++) {
      const x = i % columns;
      const y = Math.floor(i / columns);
      // Structure and noise, holes of nodata, and both ends of the range.
      const wave = (Math.sin(x / 17 + band) + Math.cos(y / 11)) / 4 + 0.5 + (random() - 0.5) * 0.02;
      samples[i] = nodata !== undefined && (x + y) % 37 < 5 ? nodata : i % 101 === 0 ? max : i % 103 === 0 ? min : min + wave * (max - min);
    }
    return { samples, columns, rows };
  });
}

/** Fails unless GDAL read, bit for bit, what the levels hold. */
export function assertPixels(name: string, { levels }: WrittenCog, { pixels, facts }: Read): void {
  assert.equal(facts[name]?.overviews, levels.length - 1, name);
  for (const [level, planes] of levels.entries()) {
    const read = pixels[`${name}/${level}`];
    assert.deepEqual(read?.shape, [planes.length, planes[0]?.rows, planes[0]?.columns], `${name} level ${level}`);
    for (const [band, { samples, columns, rows }] of planes.entries()) {
      const bytes = columns * rows * samples.BYTES_PER_ELEMENT;
      // This GDAL has no int8 and reads it as uint8: the bits are what counts.
      const found = bitsOf(read?.samples ?? samples).subarray(band * bytes, (band + 1) * bytes);
      assert.ok(found.equals(bitsOf(samples, columns * rows)), `${name}: level ${level}, band ${band + 1}`);
    }
  }
}
