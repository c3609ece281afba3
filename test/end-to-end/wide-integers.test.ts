/** Inputs of 64-bit integers, as numpy makes them: read by blocks, in mosaics, and warped. The oracle is numpy's conversion to float64, and gdalwarp's. What is converted: conversions.test.ts. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { DataError } from '../../lib/base/errors.ts';
import { FileStore } from '../../lib/store/file-store.ts';
import { runInProcess } from '../support/in-process-run.ts';
import { withoutGdalPrograms } from '../gdal/oracle.ts';
import { makeFiles, oracle } from '../support/raster-oracle.ts';
import { createWorkspace } from '../support/workspace.ts';

const space = createWorkspace('wide');
const store = new FileStore();
after(async () => {
  await store.close();
  space.remove();
});

const least = -9_223_372_036_854_775_808;
const largest = Number('18446744073709551615');

interface Job {
  readonly inputs: Readonly<Record<string, unknown>>;
  readonly operation: Readonly<Record<string, unknown>>;
  readonly grid?: Readonly<Record<string, unknown>>;
  readonly output?: Readonly<Record<string, unknown>>;
}

/** Runs a job and gives differences between its output `o` and what Python makes of `a` (int64), `u` (uint64) and `ds(name)`. */
async function differences({ inputs, operation, grid = {}, output = {} }: Job, expected: string): Promise<unknown> {
  const href = `${space.newFolder()}/o.tif`;
  await runInProcess({ store, work: space.newFolder(), job: { inputs, grid: { tileSize: 128, ...grid }, operation, outputs: { o: { href, blockSize: 128, ...output } } } });
  return oracle(
    `
folder, made = sys.argv[1:]
def ds(name): return gdal.Open(folder + '/' + name)
a, u = ds('int64.tif').ReadAsArray(), ds('uint64.tif').ReadAsArray()
opened = gdal.Open(made)
band = opened.GetRasterBand(1)
found, nodata, kind = band.ReadAsArray(), band.GetNoDataValue(), gdal.GetDataTypeName(band.DataType)
out = []
${expected}
answer(out)`,
    [space.folder, href],
  );
}

async function failure(inputs: Readonly<Record<string, unknown>>, grid: Readonly<Record<string, unknown>> = {}): Promise<DataError> {
  const job = { inputs, grid: { tileSize: 128, ...grid }, operation: { expression: { o: 'a[1] + 1' } }, outputs: { o: { href: `${space.newFolder()}/o.tif`, blockSize: 128 } } };
  try {
    await runInProcess({ store, work: space.newFolder(), job });
  } catch (error) {
    assert.ok(error instanceof DataError, String(error));
    return error;
  }
  return assert.fail('the run has ended well');
}

void describe('inputs of 64-bit integers', { skip: withoutGdalPrograms }, () => {
  before(() => {
    makeFiles(
      `
folder = sys.argv[1]
rng = np.random.default_rng(4)
srs = osr.SpatialReference(); srs.ImportFromEPSG(32633)
def make(name, data, nodata, opts=(), x=5e5):
    t = gdal.GDT_Int64 if data.dtype == np.int64 else gdal.GDT_UInt64
    ds = gdal.GetDriverByName('MEM').Create('', data.shape[1], data.shape[0], 1, t)
    ds.SetGeoTransform((x, 10, 0, 5e6, 0, -10)); ds.SetProjection(srs.ExportToWkt())
    if nodata is not None: ds.GetRasterBand(1).SetNoDataValue(nodata)
    ds.GetRasterBand(1).WriteArray(data)
    gdal.GetDriverByName('GTiff').CreateCopy(folder + '/' + name, ds, options=list(opts))
a = rng.integers(-2 ** 53, 2 ** 53, (260, 300), endpoint=True)
a[20:60, 30:90] = -2 ** 63
a[200, :8] = [2 ** 53, -2 ** 53, 2 ** 53 - 1, 1, 0, -1, 2 ** 32, -2 ** 32]
u = np.abs(a).astype(np.uint64); u[20:60, 30:90] = 2 ** 64 - 1
tiled = ['TILED=YES', 'BLOCKXSIZE=64', 'BLOCKYSIZE=64', 'COMPRESS=DEFLATE']
make('int64.tif', a, -2 ** 63, tiled)
make('uint64.tif', u, 2 ** 64 - 1, ['COMPRESS=LZW', 'ENDIANNESS=BIG'])
make('plain.tif', a, None, tiled)
labels = rng.integers(0, 900, (260, 300)); labels[:, :7] = -1
make('labels.tif', labels, -1, tiled)
make('right.tif', a, -2 ** 63, tiled, x=5e5 + 2000)
bad = a.copy(); bad[150, 200] = 2 ** 53 + 1
make('bad.tif', bad, -2 ** 63, tiled)
near = a.copy(); near[150, 200] = -2 ** 63 + 1
make('near.tif', near, -2 ** 63, tiled)
gdal.BuildVRT(folder + '/all.vrt', [folder + '/int64.tif', folder + '/right.tif'])`,
      [space.folder],
    );
  });

  // Catches: samples that are rounded, nodata beyond 2^53 that isn't found, that of uint64 taken for a number.
  void it('give their pixels and their nodata', async () => {
    const inputs = { a: space.path('int64.tif'), u: space.path('uint64.tif') };
    const output = { dtype: 'float64', nodata: -1.5 };
    assert.deepEqual(
      await differences({ inputs, operation: { expression: { o: 'a[1]' } }, output }, "out += same_pixels(found[None], np.where(a == -2 ** 63, -1.5, a.astype(np.float64))[None], 'a')"),
      [],
    );
    assert.deepEqual(
      await differences({ inputs, operation: { expression: { o: 'u[1]' } }, output }, "out += same_pixels(found[None], np.where(u == 2 ** 64 - 1, -1.5, u.astype(np.float64))[None], 'u')"),
      [],
    );
  });

  // Catches: a copy of another type than that which the file is read as, nodata that is lost or is another number then.
  void it('are copied as float64, with their nodata, or as what the job says', async () => {
    const [a, labels] = [space.path('int64.tif'), space.path('labels.tif')];
    assert.deepEqual(
      await differences({ inputs: { a }, operation: { copy: { o: 'a' } } }, "out += [kind, nodata] if (kind, nodata) != ('Float64', -2.0 ** 63) else same_pixels(found[None], a.astype(np.float64)[None], 'a')"),
      [],
    );
    assert.deepEqual(
      await differences({ inputs: { a: labels }, operation: { copy: { o: 'a' } }, output: { dtype: 'int16' } }, "out += [kind, nodata] if (kind, nodata) != ('Int16', -1) else same_pixels(found[None], ds('labels.tif').ReadAsArray().astype(np.int16)[None], 'labels')"),
      [],
    );
  });

  // Catches: nodata of the job that counts for all inputs of a file, or for none; blocks that inputs of several nodata values share.
  void it('have the nodata of the job', async () => {
    const plain = space.path('plain.tif');
    const output = { dtype: 'float64', nodata: -1.5 };
    const expected = "out += same_pixels(found[None], np.where(a == -2 ** 63, -1.5, a.astype(np.float64))[None], 'a')";
    assert.deepEqual(await differences({ inputs: { a: { href: plain, nodata: least } }, operation: { expression: { o: 'a[1]' } }, output, grid: { tileSize: 128, halo: 3 } }, expected), []);
    const same = { a: space.path('uint64.tif'), b: { href: space.path('uint64.tif'), nodata: largest } };
    assert.deepEqual(await differences({ inputs: same, operation: { expression: { o: 'a[1] - b[1]' } }, output }, "out += same_pixels(found[None], np.where(u == 2 ** 64 - 1, -1.5, 0)[None], 'u')"), []);
    for (const nodata of [null, 0]) {
      const { code, message } = await failure({ a: { href: space.path('int64.tif'), nodata }, b: space.path('int64.tif') });
      assert.equal(code, 'TIFF_BAD_SAMPLE');
      assert.match(message, /column 30, row 20 is -9223372036854775808; .*wanted one from -9007199254740992 /);
    }
  });

  // Catches: nodata of a scene that covers another, or that isn't nodata of the mosaic.
  void it('make mosaics', async () => {
    const inputs = { a: { hrefs: [space.path('int64.tif'), space.path('right.tif')], rule: 'first' } };
    const expected = `
w = np.full((260, 500), -2.0 ** 63)
w[:, :300] = a
w[:, 200:] = np.where(w[:, 200:] == -2.0 ** 63, a, w[:, 200:])
out += same_pixels(found[None], w[None], 'mosaic')`;
    assert.deepEqual(await differences({ inputs, operation: { copy: { o: 'a' } }, grid: { footprint: 'union' } }, expected), []);
  });

  // Catches: samples that GDAL has rounded, other kernels than those of doubles, nodata that goes into means.
  void it('are warped as gdalwarp warps them to doubles', async () => {
    for (const [name, resampling, most] of [['int64', 'nearest', 0], ['uint64', 'nearest', 0], ['int64', 'bilinear', 0], ['uint64', 'average', 0.005], ['labels', 'mode', 0.005]] as const) {
      const job = { inputs: { a: { href: space.path(`${name}.tif`), resampling } }, grid: { crs: 'EPSG:32633', resolution: 7, bounds: [500_100, 4_997_900, 502_500, 4_999_500] }, operation: { copy: { o: 'a' } } };
      const expected = `
import subprocess
to = made + '.warped.tif'
subprocess.run(['gdalwarp', '-q', '-ot', 'Float64', '-et', '0', '-wo', 'UNIFIED_SRC_NODATA=PARTIAL', '-wo', 'SOURCE_EXTRA=20', '-r', '${resampling === 'nearest' ? 'near' : resampling}', '-tr', '7', '7', '-te', '500100', '4997900', '502500', '4999500', folder + '/${name}.tif', to], check=True)
w = gdal.Open(to).ReadAsArray()
if found.shape != w.shape or np.mean(found != w) > ${String(most)} or np.mean(w == nodata) > 0.6 or len(np.unique(w)) < 100: out += [found.shape, w.shape, float(np.mean(found != w))]`;
      assert.deepEqual(await differences(job, expected), [], `${name} ${resampling}`);
    }
  });

  // Catches: a sample that a warp or a read has rounded; an error that says nothing of where.
  void it('end with an error that names what is not exact', async () => {
    const one = await failure({ a: space.path('bad.tif') });
    assert.equal(one.code, 'TIFF_BAD_SAMPLE');
    assert.match(one.message, /^tile 1,1 \(columns 128 to 255, rows 128 to 255\): .*bad\.tif: directory 0: block 13, band 1: the sample at column 200, row 150 is 9007199254740993; .*wanted one from -9007199254740992 \(2\^53\) to 9007199254740992 \(2\^53\), or nodata, -9223372036854775808$/);
    const near = await failure({ a: space.path('near.tif') });
    assert.match(near.message, /is -9223372036854775807; /);
    for (const [name, sample] of [['bad', '9007199254740993'], ['near', '-9223372036854775807']] as const) {
      for (const resampling of ['nearest', 'average']) {
        const warped = await failure({ a: { href: space.path(`${name}.tif`), resampling } }, { crs: 'EPSG:32633', resolution: 7 });
        assert.equal(warped.code, 'GDAL_REFUSED');
        assert.match(warped.message, new RegExp(`^tile \\d,\\d .*Cannot warp .*${name}\\.tif at column .*: it has the sample ${sample}; .*wanted one from -9007199254740992 \\(2\\^53\\) to 9007199254740992 \\(2\\^53\\), or nodata, -9223372036854775808$`));
      }
    }
  });

  // Catches: pixels that GDAL puts 0 into, for nodata.
  void it('are refused in VRTs, with what to do', async () => {
    const { code, message } = await failure({ a: space.path('all.vrt') });
    assert.equal(code, 'PLAN_REFUSED');
    assert.match(message, /all\.vrt: band 1 has samples of type Int64, whose nodata GDAL loses in a VRT; wanted the files that it names, which can be read, in hrefs/);
  });
});
