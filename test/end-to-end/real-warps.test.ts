/** Real rasters copied, and brought into another CRS at another resolution: pixels bit for bit as GDAL and gdalwarp have them. */
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { withoutGdalPrograms } from '../gdal/oracle.ts';
import { runJob } from '../support/cli.ts';
import { assertNoDifferences, oracle } from '../support/raster-oracle.ts';
import { createWorkspace, realFile, withoutRealData } from '../support/workspace.ts';

const skip = withoutGdalPrograms || withoutRealData;
const space = createWorkspace('real-warps');
after(() => space.remove());
const work = space.path('work');

/** Each with the CRS that it is brought into, and how. */
const rasters = [
  { name: 'landsat-rgb-utm18', epsg: 3857, resampling: 'bilinear' },
  { name: 'shade-3857', epsg: 32613, resampling: 'cubic' },
  { name: 'mosaic-west', epsg: 3857, resampling: 'average' },
  { name: 'mosaic-east', epsg: 4326, resampling: 'mode' },
  { name: 'scene-band1', epsg: 4326, resampling: 'nearest' },
  { name: 'scene-band2', epsg: 3857, resampling: 'med' },
  { name: 'float32-nan', epsg: 3857, resampling: 'bilinear' },
] as const;

void describe('real rasters', { skip, concurrency: 2 }, () => {
  for (const { name, epsg, resampling } of rasters) {
    const file = realFile(`${name}.tif`);

    // Catches: a copy that changes a pixel, or loses nodata.
    void it(`are copied as they are: ${name}`, async () => {
      const href = space.path(`${name}-copy.tif`);
      await runJob([space.job(`${name}-copy.json`, { name: 'copy', inputs: { a: file }, grid: { tileSize: 256 }, operation: { copy: { o: 'a' } }, outputs: { o: { href, blockSize: 256 } } }), '--work', work]);
      assertNoDifferences(
        `
a, b = (gdal.Open(path) for path in sys.argv[1:])
same = lambda x, y: ((x == y) | ((x != x) & (y != y))).all()
answer([] if same(a.ReadAsArray(), b.ReadAsArray()) and str(a.GetRasterBand(1).GetNoDataValue()) == str(b.GetRasterBand(1).GetNoDataValue()) and a.GetGeoTransform() == b.GetGeoTransform() else ['differ'])`,
        [file, href],
      );
    });

    // Catches: any difference from gdalwarp: coordinates, kernels and their widths, nodata, edges of tiles.
    void it(`are gdalwarp's when warped: ${name} to EPSG:${String(epsg)}, ${resampling}`, async () => {
      const place = oracle(
        `
path, epsg = sys.argv[1:]
whole = gdal.Warp('', path, format='VRT', dstSRS='EPSG:' + epsg)
x, size, _, y, _, _ = whole.GetGeoTransform()
size *= 1.3
answer([size, x, y - size * int(whole.RasterYSize / 1.3 * 0.98), x + size * int(whole.RasterXSize / 1.3 * 0.98), y])`,
        [file, String(epsg)],
      ) as number[];
      const [resolution, ...bounds] = place;
      assert.equal(bounds.length, 4);
      const href = space.path(`${name}-warped.tif`);
      const job = { name: 'warp', inputs: { a: { href: file, resampling } }, grid: { crs: `EPSG:${String(epsg)}`, resolution, bounds, tileSize: 256 }, operation: { copy: { o: 'a' } }, outputs: { o: { href, blockSize: 256 } } };
      await runJob([space.job(`${name}-warped.json`, job), '--work', work]);
      assertNoDifferences(
        `
path, made, epsg, resampling, *place = sys.argv[1:]
size, *bounds = (float(value) for value in place)
wanted = gdal.Warp('', path, format='MEM', dstSRS='EPSG:' + epsg, outputBounds=bounds, xRes=size, yRes=size, resampleAlg=resampling, errorThreshold=0, overviewLevel='NONE').ReadAsArray()
found = gdal.Open(made).ReadAsArray()
answer([] if wanted.shape == found.shape and ((wanted == found) | ((wanted != wanted) & (found != found))).all() else ['differ'])`,
        [file, href, String(epsg), resampling === 'nearest' ? 'near' : resampling, ...place.map(String)],
      );
    });
  }
});
