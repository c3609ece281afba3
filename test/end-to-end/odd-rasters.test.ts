/** Rasters of rare kinds, as GDAL writes them: each goes through a whole run, and GDAL reads the same place and the same pixels out of the result. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { DataError } from '../../lib/base/errors.ts';
import { FileStore } from '../../lib/store/file-store.ts';
import { withoutGdal } from '../support/gdal.ts';
import { runInProcess } from '../support/in-process-run.ts';
import { oracle } from '../support/raster-oracle.ts';
import { createWorkspace } from '../support/workspace.ts';

const space = createWorkspace('odd');
const store = new FileStore();
after(async () => {
  await store.close();
  space.remove();
});

/** Kinds that are read. Catches, for each: a layout, mask, nodata value or georeference that is misread or lost on the way. */
const kinds = [
  'big-endian', 'striped', 'one-strip', 'band-interleaved', 'bigtiff', 'wide-blocks', 'tall-blocks', 'jpeg', 'float16', 'one-bit', 'palette', 'alpha',
  'mask', 'mask-and-nodata', 'sparse', 'all-nodata', 'nodata-out-of-range', 'nodata-fraction', 'nodata-infinite', 'nodata-huge',
  'one-pixel', 'one-row', 'one-column',
  'no-georeference', 'no-crs', 'crs-only', 'pixel-is-point', 'rotated', 'south-up', 'gcps', 'geographic', 'custom-crs', 'compound-crs', 'name ü#?%41',
] as const;

/** Kinds that are not, and what the message must say. */
const refused: Readonly<Record<string, RegExp>> = {
  complex: /complex floating point/,
};

void describe('odd rasters', { skip: withoutGdal }, () => {
  before(() => {
    const made = oracle(
      `
folder = sys.argv[1]
rng = np.random.default_rng(2)
made = []
def make(name, w=300, h=260, bands=2, t=gdal.GDT_Int16, opts=(), gt=(5e5, 10, 0, 5e6, 0, -10), epsg=32633, nodata=None, change=None, data=None, write=True):
    ds = gdal.GetDriverByName('GTiff').Create(folder + '/' + name + '.tif', w, h, bands, t, list(opts))
    if gt: ds.SetGeoTransform(gt)
    if epsg:
        srs = osr.SpatialReference(); srs.SetFromUserInput(epsg if isinstance(epsg, str) else 'EPSG:%d' % epsg); ds.SetProjection(srs.ExportToWkt())
    if data is None: data = rng.integers(1, 200, (bands, h, w)).astype(np.int16)
    if nodata is not None:
        for i in range(bands): ds.GetRasterBand(i + 1).SetNoDataValue(nodata)
    if change: change(ds)
    if write:
        for i in range(bands): ds.GetRasterBand(i + 1).WriteArray(data[i])
    made.append(name)
def mask(ds):
    ds.CreateMaskBand(gdal.GMF_PER_DATASET)
    m = np.full((260, 300), 255, np.uint8); m[50:120, 30:200] = 0
    ds.GetRasterBand(1).GetMaskBand().WriteArray(m)
def gcps(ds):
    srs = osr.SpatialReference(); srs.ImportFromEPSG(4326)
    ds.SetGCPs([gdal.GCP(10 + x / 100, 50 - y / 100, 0, x, y) for x, y in ((0, 0), (299, 0), (0, 259), (299, 259))], srs.ExportToWkt())
floats = rng.normal(0, 50, (2, 260, 300)).astype(np.float32)
make('big-endian', opts=['ENDIANNESS=BIG', 'TILED=YES', 'COMPRESS=DEFLATE', 'PREDICTOR=2'])
make('striped', opts=['BLOCKYSIZE=7', 'COMPRESS=LZW'])
make('one-strip', opts=['BLOCKYSIZE=260'])
make('band-interleaved', opts=['INTERLEAVE=BAND', 'BLOCKYSIZE=1'])
make('bigtiff', opts=['BIGTIFF=YES', 'COMPRESS=ZSTD', 'TILED=YES'])
make('wide-blocks', opts=['TILED=YES', 'BLOCKXSIZE=1024', 'BLOCKYSIZE=16'])
make('tall-blocks', h=2600, opts=['TILED=YES', 'BLOCKXSIZE=16', 'BLOCKYSIZE=2048'])
make('jpeg', bands=3, t=gdal.GDT_Byte, opts=['COMPRESS=JPEG', 'TILED=YES'])
make('float16', t=gdal.GDT_Float32, opts=['NBITS=16'], data=floats)
make('one-bit', bands=1, t=gdal.GDT_Byte, opts=['NBITS=1'], data=rng.integers(0, 2, (1, 260, 300)))
make('palette', bands=1, t=gdal.GDT_Byte, change=lambda ds: ds.GetRasterBand(1).SetColorTable(gdal.ColorTable()))
make('alpha', bands=4, t=gdal.GDT_Byte, opts=['PHOTOMETRIC=RGB', 'ALPHA=YES'])
make('mask', change=mask)
make('mask-and-nodata', change=mask, nodata=5)
make('sparse', w=1000, h=900, opts=['TILED=YES', 'SPARSE_OK=TRUE', 'BLOCKXSIZE=128', 'BLOCKYSIZE=128'], nodata=-5, write=False, change=lambda ds: ds.GetRasterBand(1).WriteArray(np.full((40, 40), 9, np.int16), 500, 400))
make('all-nodata', nodata=3, data=np.full((2, 260, 300), 3, np.int16))
make('nodata-out-of-range', t=gdal.GDT_Byte, nodata=-9999)
make('nodata-fraction', t=gdal.GDT_Byte, nodata=0.5)
make('nodata-infinite', t=gdal.GDT_Float32, nodata=float('-inf'), data=np.where(rng.random((2, 260, 300)) < 0.3, -np.inf, floats).astype(np.float32))
make('nodata-huge', t=gdal.GDT_Float32, nodata=-3.4028234663852886e+38, data=np.where(rng.random((2, 260, 300)) < 0.3, np.finfo(np.float32).min, floats).astype(np.float32))
make('one-pixel', w=1, h=1); make('one-row', w=700, h=1); make('one-column', w=1, h=700)
make('no-georeference', gt=None, epsg=None); make('no-crs', epsg=None); make('crs-only', gt=None)
make('pixel-is-point', change=lambda ds: ds.SetMetadataItem('AREA_OR_POINT', 'Point'))
make('rotated', gt=(5e5, 8, 3, 5e6, 2, -9)); make('south-up', gt=(5e5, 10, 0, 4e6, 0, 10))
make('gcps', gt=None, epsg=None, change=gcps)
make('geographic', gt=(10, 0.001, 0, 50, 0, -0.001), epsg=4326)
make('custom-crs', epsg='+proj=laea +lat_0=33 +lon_0=17 +x_0=1234 +datum=WGS84 +units=m')
make('compound-crs', epsg='EPSG:32633+5773')
make('name ü#?%41')
make('complex', t=gdal.GDT_CFloat32)
answer(made)`,
      [space.folder],
    );
    assert.deepEqual(made, [...kinds, ...Object.keys(refused)]);
  });

  function job(kind: string): Record<string, unknown> {
    return {
      inputs: { a: space.path(`${kind}.tif`) },
      grid: { tileSize: 128 },
      operation: { expression: { f: ['a[1] * 2', 'a[1] + 0.25'], i: 'a[1]' } },
      outputs: { f: { href: `${space.folder}/{stem}.f.tif`, blockSize: 128 }, i: { href: `${space.folder}/{stem}.i.tif`, dtype: 'int32', nodata: -99, blockSize: 128 } },
    };
  }

  void it('gives place and pixels of every kind that it reads', async () => {
    for (const kind of kinds) await runInProcess({ store, work: space.newFolder(), job: job(kind) });
    const differences = oracle(
      `
folder, *kinds = sys.argv[1:]
out = {}
for kind in kinds:
    source, f, i = ['%s/%s%s.tif' % (folder, kind, end) for end in ('', '.f', '.i')]
    a, valid = band_values(source)
    floats = np.stack([to_dtype(a * 2, valid, 'float32', np.nan), to_dtype(a + 0.25, valid, 'float32', np.nan)])
    ints = to_dtype(a, valid, 'int32', -99)[None]
    found = check_header(f, source, 2, 'float32', np.nan, 128) + check_levels(f, floats, 'average', np.nan, 128) + check_statistics(f, floats, np.nan) + check_cog(f)
    found += check_header(i, source, 1, 'int32', -99, 128) + check_levels(i, ints, 'nearest', -99, 128) + check_statistics(i, ints, -99) + check_cog(i)
    if found: out[kind] = found
answer(out)`,
      [space.folder, ...kinds],
    );
    assert.deepEqual(differences, {});
  });

  void it('refuses what it can not read, with tag and value', async () => {
    for (const [kind, message] of Object.entries(refused)) {
      await assert.rejects(runInProcess({ store, work: space.newFolder(), job: job(kind) }), (error: unknown) => error instanceof DataError && message.test(error.message) && error.message.includes(space.path(`${kind}.tif`)));
    }
  });
});
