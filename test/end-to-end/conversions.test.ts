/** Inputs of formats that only GDAL reads: converted by workers before the run is planned. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { batchRecord } from '../../lib/job/records.ts';
import { recordOf, runCli, runJob } from '../support/cli.ts';
import { withoutGdal } from '../support/gdal.ts';
import { assertNoDifferences, makeFiles, oracle } from '../support/raster-oracle.ts';
import { createWorkspace } from '../support/workspace.ts';

const space = createWorkspace('convert');
after(() => space.remove());

/** Drivers that can write a file to convert, its name, and what a job has to say beside its href. */
const formats = [
  { driver: 'ENVI', file: 'envi.img', more: {} },
  { driver: 'ENVI', file: 'bare', more: {} },
  { driver: 'HFA', file: 'hfa.img', more: {} },
  { driver: 'PNG', file: 'image.png', more: {} },
  { driver: 'JP2OpenJPEG', file: 'lossless.jp2', more: {} },
  { driver: 'netCDF', file: 'cube.nc', more: { subdataset: 'Band1' } },
  { driver: 'HDF4Image', file: 'scene.hdf', more: {} },
] as const;

const side = 600;
let drivers: readonly string[] = [];

function jobOf(name: string, inputs: Readonly<Record<string, object | string>>, more: object = {}): string {
  return space.job(`${name}.json`, {
    inputs,
    grid: { tileSize: 256 },
    operation: { expression: { o: Object.keys(inputs).map((input) => `${input}[1] + 1`) } },
    outputs: { o: { href: space.path(`${name}.tif`), dtype: 'uint16', nodata: 0, blockSize: 256 } },
    ...more,
  });
}

void describe('inputs that only GDAL reads', { skip: withoutGdal }, () => {
  before(() => {
    drivers = oracle(`answer([d for d in ${JSON.stringify([...new Set(formats.map(({ driver }) => driver))])} if gdal.GetDriverByName(d)])`) as string[];
    makeFiles(
      `
gdal.SetConfigOption('GDAL_PAM_ENABLED', 'YES')
rng = np.random.default_rng(11)
mem = gdal.GetDriverByName('MEM').Create('', ${String(side)}, ${String(side)}, 1, gdal.GDT_Byte)
mem.SetGeoTransform((5e5, 10, 0, 5e6, 0, -10))
srs = osr.SpatialReference(); srs.ImportFromEPSG(32633); mem.SetProjection(srs.ExportToWkt())
mem.GetRasterBand(1).WriteArray(rng.integers(1, 250, (${String(side)}, ${String(side)}), np.uint8))
folder = sys.argv[1]
gdal.GetDriverByName('GTiff').CreateCopy(folder + '/plain.tif', mem)
for driver, name in json.loads(sys.argv[2]):
    options = {'JP2OpenJPEG': ['QUALITY=100', 'REVERSIBLE=YES']}.get(driver, [])
    gdal.GetDriverByName(driver).CreateCopy(folder + '/' + name, mem, options=options)
# A world file and nothing else.
os.rename(folder + '/image.png.aux.xml', folder + '/unused.xml')
for name in ('image.pgw', 'photo.jgw'): open(folder + '/' + name, 'w').write('10\\n0\\n0\\n-10\\n500005\\n4999995\\n')
gdal.GetDriverByName('JPEG').CreateCopy(folder + '/photo.jpg', mem)
os.remove(folder + '/photo.jpg.aux.xml')
if gdal.GetDriverByName('netCDF'):
    two = gdal.GetDriverByName('MEM').CreateCopy('', mem); two.AddBand(gdal.GDT_Byte)
    two.GetRasterBand(2).WriteArray(255 - mem.ReadAsArray())
    gdal.GetDriverByName('netCDF').CreateCopy(folder + '/two.nc', two)`,
      [space.folder, JSON.stringify(formats.filter(({ driver }) => drivers.includes(driver)).map(({ driver, file }) => [driver, file]))],
    );
  });

  // Catches: a driver that misses its sidecar files, pixels or nodata that change on the way, conversions that are counted as batches or left out of the record.
  void it('are converted, and give what GDAL reads of them', async (t) => {
    const there = formats.filter(({ driver }) => drivers.includes(driver));
    const absent = formats.filter(({ driver }) => !drivers.includes(driver)).map(({ driver }) => driver);
    if (absent.length > 0) t.diagnostic(`GDAL here has no driver ${absent.join(', ')}: not tried`);
    // A world file says nothing of the CRS, so the image has a grid of its own.
    const inputs = Object.fromEntries(there.filter(({ driver }) => driver !== 'PNG').map(({ file, more }, i) => [`i${String(i)}`, { href: space.path(file), ...more }]));
    const record = await runJob([jobOf('all', { plain: space.path('plain.tif'), ...inputs }), '--work', space.path('work'), '--run', 'all', '--keep']);
    assert.deepEqual(record.passes, [{ pass: 'conversion', tasks: Object.keys(inputs).length, retried: [] }]);
    const record0 = batchRecord.parse(JSON.parse(readFileSync(space.path('work/runs/all/results/900000.json'), 'utf8')));
    assert.deepEqual([record0.task, record0.tiles, record0.state], ['conversion of i0', 0, 'SUCCEEDED']);
    assertNoDifferences(
      `
a = gdal.Open(sys.argv[1]).ReadAsArray().astype(np.uint16) + 1
answer(check_levels(sys.argv[2], np.stack([a] * int(sys.argv[3])), 'nearest', 0, 256) + check_cog(sys.argv[2]))`,
      [space.path('plain.tif'), space.path('all.tif'), String(Object.keys(inputs).length + 1)],
    );
  });

  // Catches: a world file that isn't found, and a grid that is lost without a CRS.
  for (const [name, image] of [['world', 'image.png'], ['photo', 'photo.jpg']] as const) {
    void it(`take a world file for their grid: ${image}`, async () => {
      await runJob([jobOf(name, { p: space.path(image) }), '--work', space.path('work'), '--run', name]);
      assertNoDifferences(
        `
ds = gdal.Open(sys.argv[2])
out = check_levels(sys.argv[2], gdal.Open(sys.argv[1]).ReadAsArray().astype(np.uint16)[None] + 1, 'nearest', 0, 256)
if ds.GetGeoTransform() != (5e5, 10, 0, 5e6, 0, -10): out.append('geotransform %r' % (ds.GetGeoTransform(),))
answer(out)`,
        [space.path(image), space.path(`${name}.tif`)],
      );
    });
  }

  // Catches: another variable than the one that was named.
  void it('are the subdataset that the job names', async (t) => {
    if (!drivers.includes('netCDF')) {
      t.skip('GDAL here has no driver netCDF');
      return;
    }
    await runJob([jobOf('two', { a: { href: space.path('two.nc'), subdataset: 'Band2' }, b: { href: space.path('two.nc'), subdataset: 'Band1' } }), '--work', space.path('work'), '--run', 'two']);
    assertNoDifferences(
      `
a = gdal.Open(sys.argv[1]).ReadAsArray().astype(np.uint16)
answer(check_levels(sys.argv[2], np.stack([256 - a, a + 1]), 'nearest', 0, 256))`,
      [space.path('plain.tif'), space.path('two.tif')],
    );
  });

  // Catches: a CRS that GeoTIFF has no keys for, and that is lost on the way to one.
  void it('keep a CRS of a rotated pole', async (t) => {
    if (!drivers.includes('netCDF')) {
      t.skip('GDAL here has no driver netCDF');
      return;
    }
    const rotated = '+proj=ob_tran +o_proj=longlat +o_lon_p=0 +o_lat_p=39.25 +lon_0=18 +R=6371229';
    const grid = { crs: 'EPSG:4326', resolution: 0.2 };
    const [source, warped] = [space.path('rotated.nc'), space.path('warped.tif')];
    makeFiles(
      `
mem = gdal.GetDriverByName('MEM').Create('', 50, 60, 1, gdal.GDT_Float32)
mem.SetGeoTransform((-10, 0.22, 0, 10, 0, -0.22))
srs = osr.SpatialReference(); srs.ImportFromProj4(sys.argv[2]); mem.SetSpatialRef(srs)
mem.GetRasterBand(1).WriteArray(np.random.default_rng(3).integers(1, 250, (60, 50)).astype(np.float32))
gdal.GetDriverByName('netCDF').CreateCopy(sys.argv[1], mem)`,
      [source, rotated],
    );
    await runJob([jobOf('rotated', { p: source }), '--work', space.path('work'), '--run', 'rotated']);
    await runJob([jobOf('warped', { p: source }, { grid }), '--work', space.path('work'), '--run', 'warped']);
    assertNoDifferences(
      `
source, own, warped = [gdal.Open(path) for path in sys.argv[1:4]]
out = check_levels(sys.argv[2], source.ReadAsArray().astype(np.uint16)[None] + 1, 'nearest', 0, 256)
if own.GetSpatialRef().ExportToProj4() != source.GetSpatialRef().ExportToProj4(): out.append('CRS %s' % own.GetSpatialRef().ExportToProj4())
left, dx, _, top, _, dy = warped.GetGeoTransform()
bounds = (left, top + dy * warped.RasterYSize, left + dx * warped.RasterXSize, top)
expected = gdal.Warp('', source, format='MEM', dstSRS='EPSG:4326', outputBounds=bounds, width=warped.RasterXSize, height=warped.RasterYSize, errorThreshold=0).ReadAsArray()
# NetCDF has a value for nodata, and outside of the source is nothing.
if (expected > 0).mean() < 0.3: out.append('the source is hardly on the grid')
answer(out + check_levels(sys.argv[3], np.where(expected > 0, expected + 1, 0).astype(np.uint16)[None], 'nearest', 0, 256))`,
      [source, space.path('rotated.tif'), warped],
    );
  });

  // Catches: offsets of another width or byte order, and pixels that are moved by half of one.
  for (const options of [['BIGTIFF=YES'], ['ENDIANNESS=BIG'], ['BIGTIFF=YES', 'ENDIANNESS=BIG']]) {
    void it(`say a CRS as WKT in any GeoTIFF: ${options.join(', ')}`, () => {
      const found = oracle(
        `
sys.path.insert(0, sys.argv[1])
from geo_keys import ANY_CRS, has_keys, say_wkt
path = sys.argv[2]
made = gdal.GetDriverByName('GTiff').Create(path, 40, 30, 2, gdal.GDT_UInt16, json.loads(sys.argv[3]))
made.SetProjection(ANY_CRS); made.SetGeoTransform((10, 0.5, 0, 50, 0, -0.25)); made.SetMetadataItem('AREA_OR_POINT', 'Point')
made.GetRasterBand(2).WriteArray(np.arange(1200, dtype=np.uint16).reshape(30, 40)); made = None
srs = osr.SpatialReference(); srs.ImportFromProj4('+proj=ob_tran +o_proj=longlat +o_lon_p=-162 +o_lat_p=39.25 +lon_0=180 +R=6371229')
plain = osr.SpatialReference(); plain.ImportFromEPSG(32633)
say_wkt(path, srs)
ds = gdal.Open(path)
answer([has_keys(srs), has_keys(plain), ds.GetSpatialRef().ExportToProj4() == srs.ExportToProj4(), ds.GetGeoTransform(), ds.GetMetadataItem('AREA_OR_POINT'), int(ds.ReadAsArray()[1].sum())])`,
        [fileURLToPath(new URL('../../lib/gdal/python', import.meta.url)), space.path(`wkt-${options.join('-')}.tif`), JSON.stringify(options)],
      );
      assert.deepEqual(found, [false, true, true, [10, 0.5, 0, 50, 0, -0.25], 'Point', (1199 * 1200) / 2]);
    });
  }

  // Catches: a decoder other than GDAL's own, or blocks of a lossy file that are decoded from less than what GDAL takes for the whole.
  void it('of lossy JPEG 2000 are what GDAL decodes of them', async (t) => {
    if (!drivers.includes('JP2OpenJPEG')) {
      t.skip('GDAL here has no driver JP2OpenJPEG');
      return;
    }
    const files = { rgb: space.path('lossy-rgb.jp2'), deep: space.path('lossy-deep.jp2') };
    makeFiles(
      `
rng = np.random.default_rng(4)
y, x = np.mgrid[:560, :620]
for path, bands, code, most in ((sys.argv[1], 3, gdal.GDT_Byte, 250), (sys.argv[2], 1, gdal.GDT_UInt16, 4000)):
    mem = gdal.GetDriverByName('MEM').Create('', 620, 560, bands, code)
    mem.SetGeoTransform((5e5, 10, 0, 5e6, 0, -10)); mem.SetProjection('EPSG:32633')
    a = np.stack([most / 2 * (1 + np.sin(x / 31 + b) * np.cos(y / 23) * 0.8) + rng.normal(0, most / 40, x.shape) for b in range(bands)]).clip(1, most).astype(int)
    for b in range(bands): mem.GetRasterBand(b + 1).WriteArray(a[b])
    gdal.GetDriverByName('JP2OpenJPEG').CreateCopy(path, mem, options=['QUALITY=30', 'REVERSIBLE=NO', 'BLOCKXSIZE=256', 'BLOCKYSIZE=256'])
    if np.array_equal(gdal.Open(path).ReadAsArray(), a[0] if bands == 1 else a): raise RuntimeError('nothing was lost')`,
      Object.values(files),
    );
    const job = space.job('lossy.json', {
      inputs: files,
      grid: { tileSize: 256 },
      operation: { copy: { rgb: 'rgb', deep: 'deep' } },
      outputs: { rgb: { href: space.path('lossy-rgb.tif'), blockSize: 256 }, deep: { href: space.path('lossy-deep.tif'), blockSize: 256 } },
    });
    await runJob([job, '--work', space.path('work'), '--run', 'lossy']);
    assertNoDifferences('answer([d for f in sys.argv[1:] for d in check_levels(f[:-3] + "tif", read_levels(f)[0], "nearest", None, 256)])', Object.values(files));
  });

  // Catches: a run that goes on without an input, or whose error doesn't name it; a job that tolerates tiles and so tolerates this.
  void it('end the run with the name of the input when they can not be converted', async () => {
    writeFileSync(space.path('broken.nc'), 'this is no raster');
    const job = jobOf('broken', { good: space.path('envi.img'), bad: space.path('broken.nc') }, { tolerateFailures: { percentage: 100 } });
    const { exitCode, stderr } = await runCli(['run', job, '--work', space.path('work'), '--run', 'broken', '--json']);
    assert.notEqual(exitCode, 0);
    assert.match(stderr, /input bad: .*broken\.nc/);
    assert.ok(!existsSync(space.path('work/runs/broken/plan.json')));
    assert.ok(!existsSync(space.path('broken.tif')));
  });

  // Catches: a continued run that converts everything again, one that goes by a source that isn't the same any more, and one that can't tell.
  void it('are not converted twice, but for a source that has changed', async () => {
    const work = space.path('work');
    const args = [jobOf('again', { a: space.path('envi.img'), b: { href: space.path('broken2.nc') } }), '--work', work, '--run', 'again', '--keep'];
    writeFileSync(space.path('broken2.nc'), 'not yet');
    assert.notEqual((await runCli(['run', ...args, '--json'])).exitCode, 0);
    const converted = `${work}/runs/again/converted`;
    assert.deepEqual(readdirSync(converted).toSorted(), ['a-0.json', 'a-0.tif']);
    const { mtimeMs } = statSync(`${converted}/a-0.tif`);
    makeFiles(`gdal.GetDriverByName('HFA').CreateCopy(sys.argv[2], gdal.Open(sys.argv[1]))`, [space.path('plain.tif'), space.path('broken2.nc')]);
    const record = recordOf(await runCli(['run', ...args, '--json']));
    assert.equal(record.tiles.done, record.tiles.total);
    assert.equal(statSync(`${converted}/a-0.tif`).mtimeMs, mtimeMs, 'what was converted stays');
    // Now there is a plan, and a source changes under it.
    rmSync(`${work}/runs/again/run.json`);
    makeFiles(`gdal.GetDriverByName('HFA').CreateCopy(sys.argv[2], gdal.Open(sys.argv[1]))`, [space.path('plain.tif'), space.path('broken2.nc')]);
    const changed = await runCli(['run', ...args, '--json']);
    assert.equal(changed.exitCode, 65);
    assert.match(changed.stderr, /broken2\.nc has changed since it was converted for this run/);
  });

  // Catches: TIFFs that GDAL reads and that are refused; samples that keep 12 bits on the way; samples that are converted though outputs can't have them.
  void it('are TIFFs too, of kinds that our own reader does not know', async (t) => {
    const kinds = oracle(
      `
folder, made = sys.argv[1], []
rng = np.random.default_rng(5)
codecs = gdal.GetDriverByName('GTiff').GetMetadataItem('DMD_CREATIONOPTIONLIST')
def make(name, bands, code, options, most):
    ds = gdal.GetDriverByName('GTiff').Create(folder + '/' + name + '.tif', 300, 280, bands, code, options)
    ds.SetGeoTransform((5e5, 10, 0, 5e6, 0, -10))
    srs = osr.SpatialReference(); srs.ImportFromEPSG(32633); ds.SetProjection(srs.ExportToWkt())
    smooth = np.add.outer(np.arange(280), np.arange(300)) % (most + 1)
    for band in range(bands):
        ds.GetRasterBand(band + 1).WriteArray(rng.integers(0, most + 1, (280, 300)) if most < 5000 and bands == 1 else smooth)
    ds = None
    made.append(name)
if 'LZMA' in codecs: make('lzma', 1, gdal.GDT_Int16, ['COMPRESS=LZMA', 'TILED=YES'], 4000)
if 'CCITTFAX4' in codecs: make('fax', 1, gdal.GDT_Byte, ['NBITS=1', 'COMPRESS=CCITTFAX4'], 1)
make('bits12', 1, gdal.GDT_UInt16, ['NBITS=12', 'COMPRESS=LZW'], 4095)
make('bits4', 1, gdal.GDT_Byte, ['NBITS=4'], 15)
make('cmyk', 4, gdal.GDT_Byte, ['PHOTOMETRIC=CMYK'], 250)
make('jpeg4', 4, gdal.GDT_Byte, ['COMPRESS=JPEG', 'PHOTOMETRIC=RGB', 'ALPHA=NO', 'INTERLEAVE=PIXEL'], 250)
answer(made)`,
      [space.folder],
    ) as string[];
    t.diagnostic(`made ${kinds.join(', ')}`);
    assert.ok(kinds.length >= 4);
    const job = space.job('tiffs.json', {
      inputs: Object.fromEntries(kinds.map((kind) => [kind, { href: space.path(`${kind}.tif`) }])),
      operation: { expression: Object.fromEntries(kinds.map((kind) => [`o${kind}`, `${kind}[1]`])) },
      outputs: Object.fromEntries(kinds.map((kind) => [`o${kind}`, { href: space.path(`o${kind}.tif`), dtype: 'int32', nodata: -1, overviews: 'none' }])),
    });
    const record = await runJob([job, '--work', space.path('work'), '--run', 'tiffs']);
    assert.deepEqual(record.passes.map(({ pass, tasks }) => [pass, tasks]), [['conversion', kinds.length]]);
    assertNoDifferences(
      `
out = []
for kind in json.loads(sys.argv[2]):
    ds = gdal.Open('%s/%s.tif' % (sys.argv[1], kind))
    out += same_pixels(gdal.Open('%s/o%s.tif' % (sys.argv[1], kind)).ReadAsArray()[None], ds.GetRasterBand(1).ReadAsArray()[None].astype(np.int32), kind)
answer(out)`,
      [space.folder, JSON.stringify(kinds)],
    );
    const without = await runCli(['run', job, '--work', space.path('work'), '--run', 'tiffs2', '--json'], { env: { TILEFAN_PYTHON: '/nonexistent/python' } });
    assert.equal(without.exitCode, 69);
    assert.match(without.stderr, /input bits12 \(.*bits12\.tif\).*apt install/);
    makeFiles(
      `
for name, code in (('complex', gdal.GDT_CFloat32), ('cint', gdal.GDT_CInt16)):
    gdal.GetDriverByName('GTiff').Create(sys.argv[1] + '/' + name + '.tif', 9, 9, 1, code)`,
      [space.folder],
    );
    for (const [name, message] of [['complex', /SampleFormat is 6: .*complex floating point/], ['cint', /SampleFormat is 5: .*complex integer/]] as const) {
      // oxlint-disable-next-line no-await-in-loop
      const refused = await runCli(['run', jobOf(`no-${name}`, { a: space.path(`${name}.tif`) }), '--work', space.path('work'), '--run', `no-${name}`, '--json']);
      assert.notEqual(refused.exitCode, 0);
      assert.match(refused.stderr, message);
    }
  });

  // Catches: a message that names a file in the run's folder, of which nobody knows what it was made from.
  void it('are named as the job names them in what is wrong with them', async () => {
    makeFiles(
      `
def make(name, x, crs):
    ds = gdal.GetDriverByName('ENVI').Create(sys.argv[1] + '/' + name, 60, 50, 1)
    ds.SetGeoTransform((x, 10, 0, 5e6, 0, -10)); ds.SetProjection(crs)
make('elsewhere.img', 7e5, 'EPSG:32633')
make('other.img', 5e5, 'EPSG:32634')
make('nowhere.img', 5e5, 'PROJCS["nowhere",GEOGCS["WGS 84",DATUM["WGS_1984",SPHEROID["WGS 84",6378137,298.257223563]],PRIMEM["Greenwich",0],UNIT["degree",0.0174532925199433]],PROJECTION["Nonsense_Method"],UNIT["metre",1]]')`,
      [space.folder],
    );
    const says = async (name: string, input: object, grid: object): Promise<string> => {
      const { exitCode, stderr } = await runCli(['run', jobOf(name, { plain: space.path('plain.tif'), a: input }, { grid }), '--work', space.path('work'), '--run', name, '--json']);
      assert.notEqual(exitCode, 0);
      return stderr;
    };
    const like = { like: 'plain', footprint: 'reference' };
    for (const [name, input, grid, words] of [
      ['bands', { href: space.path('envi.img'), bands: [2] }, like, /a band from 1 to 1 of .*\/envi\.img, found 2/],
      ['elsewhere', { href: space.path('elsewhere.img') }, like, /\/elsewhere\.img \(EPSG:32633\) has nothing on the grid/],
      ['other', { href: space.path('other.img') }, {}, /\/other\.img is on another pixel grid than plain/],
    ] as const) {
      // oxlint-disable-next-line no-await-in-loop
      const said = await says(name, input, grid);
      assert.match(said, words);
      assert.doesNotMatch(said, /converted\//);
    }
    assert.match(await says('nowhere', { href: space.path('nowhere.img') }, like), /Cannot warp \S*\/nowhere\.img \(converted to \S*\/converted\/a-0\.tif\) at column 0/);
  });

  // Catches: integers of 64 bits that GDAL makes doubles of, which are rounded; nodata that is lost on the way.
  void it('keep integers of 64 bits, which are read as they would be from a GeoTIFF', async (t) => {
    const inputs = {
      lzma: space.path('lzma64.tif'),
      ...(drivers.includes('netCDF') ? { cube: { href: space.path('cube64.nc'), subdataset: 'Band1' } } : {}),
    };
    if (!('cube' in inputs)) t.diagnostic('skipped: this GDAL has no netCDF');
    makeFiles(
      `
mem = gdal.GetDriverByName('MEM').Create('', 300, 200, 1, gdal.GDT_UInt64)
mem.SetGeoTransform((5e5, 10, 0, 5e6, 0, -10))
srs = osr.SpatialReference(); srs.ImportFromEPSG(32633); mem.SetProjection(srs.ExportToWkt())
a = np.random.default_rng(12).integers(0, 2 ** 53, (200, 300), endpoint=True).astype(np.uint64); a[20:40, 5:60] = 2 ** 64 - 1
mem.GetRasterBand(1).WriteArray(a); mem.GetRasterBand(1).SetNoDataValue(2 ** 64 - 1)
gdal.GetDriverByName('GTiff').CreateCopy(sys.argv[1] + '/lzma64.tif', mem, options=['COMPRESS=LZMA'])
a[150, 100] = 2 ** 53 + 1
mem.GetRasterBand(1).WriteArray(a)
gdal.GetDriverByName('GTiff').CreateCopy(sys.argv[1] + '/bad64.tif', mem, options=['COMPRESS=LZMA'])
a[150, 100] = 2 ** 53 - 1
mem.GetRasterBand(1).WriteArray(a)
if gdal.GetDriverByName('netCDF'): gdal.GetDriverByName('netCDF').CreateCopy(sys.argv[1] + '/cube64.nc', mem, options=['FORMAT=NC4'])`,
      [space.folder],
    );
    const copies = { operation: { copy: Object.fromEntries(Object.keys(inputs).map((input) => [`o${input}`, input])) }, outputs: Object.fromEntries(Object.keys(inputs).map((input) => [`o${input}`, { href: space.path(`o${input}64.tif`), blockSize: 256 }])) };
    const record = await runJob([jobOf('wide', inputs, copies), '--work', space.path('work'), '--run', 'wide']);
    assert.deepEqual(record.passes.map(({ pass, tasks }) => [pass, tasks]), [['conversion', Object.keys(inputs).length]]);
    assertNoDifferences(
      `
out = []
for name, source in json.loads(sys.argv[2]):
    ds, made = gdal.Open(sys.argv[1] + '/' + source), gdal.Open('%s/o%s64.tif' % (sys.argv[1], name))
    assert ds.GetRasterBand(1).DataType == gdal.GDT_UInt64
    out += same_pixels(made.ReadAsArray()[None], ds.ReadAsArray()[None].astype(np.float64), name)
    if made.GetRasterBand(1).GetNoDataValue() != 2.0 ** 64: out.append(name + ' has nodata %r' % made.GetRasterBand(1).GetNoDataValue())
answer(out)`,
      [space.folder, JSON.stringify(Object.keys(inputs).map((name) => [name, name === 'lzma' ? 'lzma64.tif' : 'cube64.nc']))],
    );
    const bad = await runCli(['run', jobOf('bad-wide', { bad: space.path('bad64.tif') }), '--work', space.path('work'), '--run', 'bad-wide', '--json']);
    assert.equal(bad.exitCode, 65);
    assert.match(bad.stderr, /\/bad64\.tif: directory 0: block 0, band 1: the sample at column 100, row 150 is 9007199254740993; .*, or nodata, 18446744073709551615/);
  });

  // Catches: a plan that can't be seen before the run, names files that are gone, or leaves something behind.
  void it('are told by a plan, which leaves nothing behind', async () => {
    const job = jobOf('told', { e: space.path('envi.img'), p: space.path('plain.tif') });
    const temporary = space.newFolder('tmp');
    const { exitCode, stdout, stderr } = await runCli(['plan', job, '--work', space.path('work-told')], { env: { TMPDIR: temporary } });
    assert.equal(exitCode, 0, stderr);
    assert.match(stdout, /convert e +.*envi\.img to a GeoTIFF, by a worker/);
    assert.match(stdout, /input e +.*work-told\/runs\/RUN\/converted\/e-0\.tif/);
    assert.ok(!stdout.includes(temporary));
    assert.deepEqual([readdirSync(temporary).filter((name) => name.startsWith('tilefan-')), existsSync(space.path('work-told'))], [[], false]);
  });

  // Catches: a run that starts workers only to find that there is no GDAL, or that says nothing of what to install.
  void it('are refused at once, with what to install, where there is no GDAL', async () => {
    const job = jobOf('none', { plain: space.path('plain.tif'), e: space.path('envi.img') });
    const { exitCode, stderr } = await runCli(['run', job, '--work', space.path('work'), '--run', 'none', '--json'], { env: { TILEFAN_PYTHON: '/nonexistent/python' } });
    assert.equal(exitCode, 69);
    assert.match(stderr, /input e \(.*envi\.img\) needs GDAL.*apt install/);
    assert.ok(!existsSync(space.path('work/runs/none/manifest-convert.jsonl')));
  });
});
