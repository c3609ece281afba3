/** Copies of rasters with masks: what is hidden stays hidden, whatever the type can say. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { runCli, runJob } from '../support/cli.ts';
import { withoutGdal } from '../support/gdal.ts';
import { assertNoDifferences, makeFiles } from '../support/raster-oracle.ts';
import { createWorkspace } from '../support/workspace.ts';

const space = createWorkspace('masked');
after(() => space.remove());

void describe('copies of masked rasters', { skip: withoutGdal }, () => {
  const masked = space.path('masked.tif');
  const floats = space.path('floats.tif');
  before(() => {
    makeFiles(
      `
gdal.SetConfigOption('GDAL_TIFF_INTERNAL_MASK', 'YES')
rng = np.random.default_rng(3)
for path, bands, kind, options in ((sys.argv[1], 3, gdal.GDT_Byte, ['PHOTOMETRIC=RGB']), (sys.argv[2], 1, gdal.GDT_Float32, [])):
    ds = gdal.GetDriverByName('GTiff').Create(path, 700, 500, bands, kind, ['TILED=YES', 'COMPRESS=DEFLATE'] + options)
    ds.SetGeoTransform((5e5, 10, 0, 5e6, 0, -10))
    srs = osr.SpatialReference(); srs.ImportFromEPSG(32633); ds.SetProjection(srs.ExportToWkt())
    ds.WriteArray(rng.integers(0, 256, (bands, 500, 700)).astype(np.uint8))
    ds.CreateMaskBand(gdal.GMF_PER_DATASET)
    mask = np.full((500, 700), 255, np.uint8); mask[100:300, 200:400] = 0
    ds.GetRasterBand(1).GetMaskBand().WriteArray(mask)
    ds = None`,
      [masked, floats],
    );
  });

  function job(input: string, output: object): object {
    return { name: 'copy', inputs: { a: input }, grid: { tileSize: 256 }, operation: { copy: { o: 'a' } }, outputs: { o: { blockSize: 256, ...output } } };
  }

  // Catches: masked pixels that become data, or a job that is refused for want of a nodata value that no pixel could spare.
  void it('of bytes get an alpha band that says what the mask said', async () => {
    for (const compression of ['deflate', 'webp']) {
      const file = space.path(`${compression}.tif`);
      await runJob([space.job(`${compression}.json`, job(masked, { href: file, compression })), '--work', space.newFolder()]);
      assertNoDifferences(
        `
source, copy = (gdal.Open(path) for path in sys.argv[1:])
mask = source.GetRasterBand(1).GetMaskBand().ReadAsArray()
pixels, made = source.ReadAsArray(), copy.ReadAsArray()
colors = [gdal.GetColorInterpretationName(copy.GetRasterBand(i + 1).GetColorInterpretation()) for i in range(copy.RasterCount)]
answer([what for what, good in (('bands', colors == ['Red', 'Green', 'Blue', 'Alpha']), ('alpha', (made[3] == mask).all()), ('pixels', (made[:3][:, mask > 0] == pixels[:, mask > 0]).all()), ('hidden', (made[:3][:, mask == 0] == 0).all())) if not good])`,
        [masked, file],
      );
    }
  });

  void it('of floats get NaN', async () => {
    const file = space.path('nan.tif');
    await runJob([space.job('nan.json', job(floats, { href: file })), '--work', space.newFolder()]);
    assertNoDifferences(
      `
datasets = [gdal.Open(path) for path in sys.argv[1:]]
source, copy = (dataset.GetRasterBand(1) for dataset in datasets)
mask, made = source.GetMaskBand().ReadAsArray() > 0, copy.ReadAsArray()
answer([] if np.isnan(copy.GetNoDataValue()) and np.isnan(made[~mask]).all() and (made[mask] == source.ReadAsArray()[mask]).all() else ['differ'])`,
      [floats, file],
    );
  });

  // Catches: colours of transparent pixels that bleed into their neighbours, and an alpha band that is warped like a colour.
  void it('with an alpha band are gdalwarp\'s when they are warped', async () => {
    const source = space.path('rgba.tif');
    const file = space.path('warped.tif');
    makeFiles(
      `
rng = np.random.default_rng(4)
ds = gdal.GetDriverByName('GTiff').Create(sys.argv[1], 300, 260, 4, gdal.GDT_Byte, ['TILED=YES', 'PHOTOMETRIC=RGB', 'ALPHA=YES'])
ds.SetGeoTransform((5e5, 10, 0, 5e6, 0, -10))
srs = osr.SpatialReference(); srs.ImportFromEPSG(32633); ds.SetProjection(srs.ExportToWkt())
pixels = rng.integers(0, 256, (4, 260, 300)).astype(np.uint8)
pixels[3] = np.where(pixels[3] < 90, 0, np.where(pixels[3] > 180, 255, pixels[3]))
ds.WriteArray(pixels); ds = None`,
      [source],
    );
    const document = { ...job(source, { href: file }), inputs: { a: { href: source, resampling: 'bilinear' } }, grid: { crs: 'EPSG:3857', resolution: 10, bounds: [1669800, 5642100, 1674000, 5645700], tileSize: 256 } };
    await runJob([space.job('rgba.json', document), '--work', space.newFolder()]);
    assertNoDifferences(
      `
source, path = sys.argv[1:]
wanted = gdal.Warp('', source, format='MEM', dstSRS='EPSG:3857', outputBounds=(1669800, 5642100, 1674000, 5645700), xRes=10, yRes=10, resampleAlg='bilinear', errorThreshold=0, overviewLevel='NONE').ReadAsArray()
made = gdal.Open(path).ReadAsArray()
seen = wanted[3] > 0
answer([what for what, good in (('alpha', (made[3] == wanted[3]).all()), ('colours', (made[:3][:, seen] == wanted[:3][:, seen]).all()), ('something', seen.mean() > 0.3)) if not good])`,
      [source, file],
    );
  });

  void it('can\'t be JPEG, and the message says what can', async () => {
    const { exitCode, stderr } = await runCli(['run', space.job('jpeg.json', job(masked, { href: space.path('jpeg.tif'), compression: 'jpeg' })), '--work', space.newFolder()]);
    assert.equal(exitCode, 64);
    assert.match(stderr, /\$\.outputs\.o\.compression: input a has a mask, which becomes an alpha band, and jpeg has no place for one; wanted webp/);
  });
});
