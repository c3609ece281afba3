/** Jobs over real rasters, through the command line: pixels bit for bit as numpy computes them, headers as GDAL reads them. */
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { withoutGdalPrograms } from '../gdal/oracle.ts';
import { runJob } from '../support/cli.ts';
import { assertNoDifferences, assertValidForRioCogeo, withoutRio } from '../support/raster-oracle.ts';
import { createWorkspace, realFile, withoutRealData } from '../support/workspace.ts';

const skip = withoutGdalPrograms || withoutRealData;
const space = createWorkspace('real');
after(() => space.remove());
const work = space.path('work');

void describe('jobs over real rasters', { skip, concurrency: 2 }, () => {
  // Catches: wrong arithmetic, wrong treatment of nodata, of division by zero, of rounding and saturation, two files mixed up, statistics of the wrong pixels.
  void it('computes floats and integers from two bands of one scene', async () => {
    const [a, b] = [realFile('scene-band1.tif'), realFile('scene-band2.tif')];
    const output = (name: string, rest: object): object => ({ href: `${space.folder}/scene-${name}.tif`, blockSize: 128, ...rest });
    const job = space.job('scene.json', {
      name: 'scene',
      inputs: { a, b: { href: b, bands: [1] } },
      grid: { tileSize: 256 },
      operation: {
        expression: {
          nd: '(a[1] - b[1]) / (a[1] + b[1])',
          exact: '(a[1] - b[1]) / (a[1] + b[1])',
          low: '1000 / (a[1] - b[1])',
          half: '(a[1] - b[1]) * 0.5',
          larger: 'where(a[1] > b[1] && a[1] >= level, a[1], b[1])',
          filled: 'coalesce(a[1], 7) + isnodata(b[1])',
        },
        parameters: { level: 3000 },
      },
      outputs: {
        nd: output('nd', { bandNames: ['normalized difference'] }),
        exact: output('exact', { dtype: 'float64', nodata: -9999, overviews: 'nearest', compression: 'zstd' }),
        low: output('low', { dtype: 'uint8', nodata: 255, overviews: 'mode', compression: 'lzw' }),
        half: output('half', { dtype: 'int16', nodata: -32768, overviews: 'average' }),
        larger: output('larger', { dtype: 'uint16', overviews: 'nearest', compression: 'none' }),
        filled: output('filled', { dtype: 'uint32', overviews: 'average', nodata: 0 }),
      },
    });
    const record = await runJob([job, '--work', work]);
    assert.deepEqual(record.tiles, { total: 9, done: 9, computed: 9, reused: 0 });
    assert.equal(record.grid.epsg, 32629);
    assert.deepEqual(record.outputs.map(({ name, bands }) => [name, bands.length]), [['nd', 1], ['exact', 1], ['low', 1], ['half', 1], ['larger', 1], ['filled', 1]]);
    assert.equal(record.outputs[0]?.bands[0]?.name, 'normalized difference');
    assertNoDifferences(
      `
folder, a_path, b_path = sys.argv[1:]
a, va = band_values(a_path)
b, vb = band_values(b_path)
v = va & vb
all_valid = np.ones(v.shape, bool)
with np.errstate(all='ignore'):
    nd = (a - b) / (a + b)
    wanted = {
        'nd': (nd, v, 'float32', np.nan, 'average'),
        'exact': (nd, v, 'float64', -9999.0, 'nearest'),
        'low': (1000 / (a - b), v & (a != b), 'uint8', 255, 'mode'),
        'half': ((a - b) * 0.5, v, 'int16', -32768, 'average'),
        'larger': (np.where((a > b) & (a >= 3000), a, b), v, 'uint16', 0, 'nearest'),
        'filled': (np.where(va, a, 7) + ~vb, all_valid, 'uint32', 0, 'average'),
    }
assert ((a - b) % 2 != 0).any() and (a == b)[v].any() and (1000 / (a - b)[v & (a != b)]).min() < 0, 'the scene has what this test is about'
out = []
for name, (values, valid, dtype, nodata, method) in wanted.items():
    path = '%s/scene-%s.tif' % (folder, name)
    image = to_dtype(values, valid, dtype, nodata)[None]
    found = check_header(path, a_path, 1, dtype, nodata, 128) + check_levels(path, image, method, nodata, 128) + check_statistics(path, image, nodata) + check_cog(path)
    out += ['%s: %s' % (name, d) for d in found]
ds = gdal.Open(folder + '/scene-nd.tif')
if ds.GetRasterBand(1).GetDescription() != 'normalized difference':
    out.append('the name of the band is missing')
answer(out)`,
      [space.folder, a, b],
    );
  });

  // Catches: bands of a striped file mixed up, sums in the band's own type (uint8 wraps at 256), a nodata value taken for a number.
  void it('computes several bands of several outputs from a striped file', async () => {
    const rgb = realFile('landsat-rgb-utm18.tif');
    const job = space.job('rgb.json', {
      name: 'rgb',
      inputs: { rgb, swapped: { href: rgb, bands: [3, 1] } },
      grid: { like: 'rgb', tileSize: 512 },
      operation: {
        expression: {
          mixed: ['rgb[1] / 2', '(rgb[1] + rgb[2] + rgb[3]) * 0.5', 'swapped[1] - swapped[2]'],
          luminance: 'sqrt(max(rgb[1], rgb[2], rgb[3])) + min(rgb[1], 100) ** 2',
          flags: ['rgb[1] > rgb[2]', '!(rgb[3] <= 40 || rgb[1] == 0)'],
        },
      },
      outputs: {
        mixed: { href: `${space.folder}/{name}-mixed.tif`, dtype: 'uint8', blockSize: 256, overviews: 'average' },
        luminance: { href: `${space.folder}/{stem}-luminance.tif`, dtype: 'float32', nodata: -1, blockSize: 256, statistics: false },
        flags: { href: `${space.folder}/rgb-flags.tif`, dtype: 'uint8', nodata: 9, blockSize: 256, overviews: 'mode' },
      },
    });
    const record = await runJob([job, '--work', work, '--run', 'rgb-1']);
    assert.equal(record.run, 'rgb-1');
    assert.deepEqual(record.outputs[1]?.bands, [{ name: null, statistics: null }]);
    assertNoDifferences(
      `
folder, path = sys.argv[1:]
(r, vr), (g, vg), (b, vb) = [band_values(path, i) for i in (1, 2, 3)]
v = vr & vg & vb
stack = lambda dtype, nodata, *bands: np.stack([to_dtype(values, valid, dtype, nodata) for values, valid in bands])
mixed = stack('uint8', 0, (r / 2, vr), ((r + g + b) * 0.5, v), (b - r, vr & vb))
light = stack('float32', -1, (np.sqrt(np.maximum(np.maximum(r, g), b)) + np.minimum(r, 100) ** 2, v))
flags = stack('uint8', 9, ((r > g) * 1.0, vr & vg), (~((b <= 40) | (r == 0)) * 1.0, vr & vb))
out = check_header(folder + '/rgb-mixed.tif', path, 3, 'uint8', 0, 256) + check_levels(folder + '/rgb-mixed.tif', mixed, 'average', 0, 256) + check_statistics(folder + '/rgb-mixed.tif', mixed, 0)
luminance = folder + '/landsat-rgb-utm18-luminance.tif'
out += check_header(luminance, path, 1, 'float32', -1) + check_levels(luminance, light, 'average', -1, 256)
ds = gdal.Open(luminance)
if ds.GetRasterBand(1).GetMetadata(): out.append('statistics that nobody asked for')
out += check_header(folder + '/rgb-flags.tif', path, 2, 'uint8', 9) + check_levels(folder + '/rgb-flags.tif', flags, 'mode', 9, 256) + check_statistics(folder + '/rgb-flags.tif', flags, 9)
for name in ('/rgb-mixed.tif', '/rgb-flags.tif'): out += check_cog(folder + name)
answer(out + check_cog(luminance))`,
      [space.folder, rgb],
    );
  });

  // Catches: overviews that differ from GDAL's where both are defined alike: all sides even.
  void it("makes GDAL's overviews where sizes are even", async () => {
    const shade = realFile('shade-3857.tif');
    const methods = ['nearest', 'average', 'mode'];
    const names = methods.flatMap((method) => [`${method}8`, `${method}16`, `${method}32`]);
    const output = (name: string): object => {
      const dtype = name.endsWith('8') ? 'uint8' : name.endsWith('16') ? 'int16' : 'float32';
      return { href: `${space.folder}/shade-${name}.tif`, dtype, ...(dtype === 'float32' ? {} : { nodata: 200 }), blockSize: 128, overviews: name.replace(/\d+/, '') };
    };
    const job = space.job('shade.json', {
      inputs: { shade },
      grid: { tileSize: 256 },
      compute: { tilesPerTask: 4 },
      operation: { expression: Object.fromEntries(names.map((name) => [name, name.endsWith('8') ? 'shade[1]' : name.endsWith('16') ? 'shade[1] - 100' : 'shade[1] / 7'])) },
      outputs: Object.fromEntries(names.map((name) => [name, output(name)])),
    });
    const record = await runJob([job, '--work', work]);
    assert.equal(record.batches.total, 4);
    assertNoDifferences(
      `
folder, path, *methods = sys.argv[1:]
v, valid = band_values(path)
out = []
for method in methods:
    for kind, values, dtype, nodata in (('8', v, 'uint8', 200), ('16', v - 100, 'int16', 200), ('32', v / 7, 'float32', np.nan)):
        file = '%s/shade-%s%s.tif' % (folder, method, kind)
        image = to_dtype(values, valid, dtype, nodata)[None]
        found = check_header(file, path, 1, dtype, nodata, 128) + check_levels(file, image, method, nodata, 128) + check_gdal_overviews(file, method) + check_statistics(file, image, nodata)
        out += ['%s%s: %s' % (method, kind, d) for d in found]
answer(out)`,
      [space.folder, shade, ...methods],
    );
  });

  // Catches: a NaN that counts as a value in statistics or overviews; float32 input computed in another precision than float64.
  void it('keeps not-a-number as nodata', async () => {
    const power = realFile('float32-nan.tif');
    const job = space.job('power.json', {
      inputs: { p: power },
      grid: { tileSize: 256 },
      operation: { expression: { db: '10 * log10(p[1])', quantized: 'clamp(p[1] * 1000, 0, 200)', filled: 'where(isnodata(p[1]), -5, p[1])' } },
      outputs: {
        db: { href: `${space.folder}/power-db.tif`, dtype: 'float64', blockSize: 256 },
        quantized: { href: `${space.folder}/power-q.tif`, dtype: 'uint8', nodata: 255, blockSize: 256, overviews: 'average' },
        filled: { href: `${space.folder}/power-f.tif`, dtype: 'float32', blockSize: 256, compression: 'zstd' },
      },
    });
    await runJob([job, '--work', work]);
    assertNoDifferences(
      `
folder, path = sys.argv[1:]
p, v = band_values(path)
out = []
with np.errstate(all='ignore'):
    cases = [('db', 10 * np.log10(p), v, 'float64', np.nan), ('q', np.clip(p * 1000, 0, 200), v, 'uint8', 255), ('f', np.where(v, p, -5), v | True, 'float32', np.nan)]
for name, values, valid, dtype, nodata in cases:
    file = '%s/power-%s.tif' % (folder, name)
    image = to_dtype(values, valid, dtype, nodata)[None]
    if name == 'db':
        # Logarithms of two libraries differ in the last bit; the pyramid has to be exact over what is stored.
        stored = read_levels(file)[0]
        if not np.allclose(stored, image, rtol=1e-15, atol=0, equal_nan=True): out.append('db: the logarithms differ')
        image = stored
    out += ['%s: %s' % (name, d) for d in check_header(file, path, 1, dtype, nodata, 256) + check_levels(file, image, 'average', nodata, 256) + check_statistics(file, image, nodata) + check_cog(file)]
answer(out)`,
      [space.folder, power],
    );
  });

  // Catches: a layout that GDAL's validator lets pass, but rio-cogeo's does not.
  void it('makes COGs that rio-cogeo accepts', { skip: withoutRio }, async () => {
    const rgb = realFile('landsat-rgb-utm18.tif');
    const job = space.job('cogeo.json', {
      inputs: { rgb },
      grid: { tileSize: 256 },
      operation: { expression: { bands: ['rgb[1]', 'rgb[2]', 'rgb[3]'], one: 'rgb[1] / rgb[2]' } },
      outputs: { bands: { href: `${space.folder}/cogeo-bands.tif`, dtype: 'uint8', blockSize: 256 }, one: { href: `${space.folder}/cogeo-one.tif`, blockSize: 128, compression: 'zstd' } },
    });
    await runJob([job, '--work', work, '--workers', '2']);
    assertValidForRioCogeo(space.path('cogeo-bands.tif'));
    assertValidForRioCogeo(space.path('cogeo-one.tif'));
  });

  // Catches: the first of two scenes where the last is wanted, holes of one that hide the other, rules that are mixed up, on scenes with real overlaps and holes.
  void it('makes one raster of two scenes by every rule', async () => {
    const hrefs = [realFile('mosaic-west.tif'), realFile('mosaic-east.tif')];
    const rules = ['first', 'last', 'min', 'max', 'mean', 'median', 'count'];
    const job = space.job('mosaic.json', {
      inputs: Object.fromEntries(rules.map((rule) => [rule, { hrefs, rule }])),
      // Their pixels differ by a millionth in size, so that the second has to be warped.
      grid: { like: 'first', footprint: 'union', tileSize: 512 },
      operation: { expression: Object.fromEntries(rules.map((rule) => [`o${rule}`, `${rule}[1]`])) },
      outputs: Object.fromEntries(rules.map((rule) => [`o${rule}`, { href: `${space.folder}/mosaic-${rule}.tif`, dtype: 'float64', nodata: 'nan', overviews: 'none', statistics: false }])),
    });
    await runJob([job, '--work', work]);
    assertNoDifferences(
      `
from grid_oracle import *
folder, *hrefs = sys.argv[1:]
placed = [on_grid(path, folder + '/mosaic-last.tif')[:2] for path in hrefs]
assert (placed[0][1] & placed[1][1]).any(), 'the scenes overlap'
west = gdal.Open(hrefs[0])
nodata = west.GetRasterBand(1).GetNoDataValue()
out = []
for rule in ('first', 'last', 'min', 'max', 'mean', 'median', 'count'):
    wanted = mosaic(placed, rule)[:1]
    if rule in ('mean', 'median'): wanted = wanted.astype(np.float32).astype(np.float64)
    if nodata is None: wanted = np.where(np.isnan(wanted), 0, wanted)
    out += differences('%s/mosaic-%s.tif' % (folder, rule), wanted, rule)
# All scenes in one call, the later over the earlier.
like = gdal.Open(folder + '/mosaic-last.tif')
t, size = like.GetGeoTransform(), (like.RasterXSize, like.RasterYSize)
bounds = [t[0], t[3] + t[5] * size[1], t[0] + t[1] * size[0], t[3]]
run(['gdalwarp', '-q', '-et', '0', '-ovr', 'NONE', '-te'] + [repr(v) for v in bounds] + ['-ts'] + [str(v) for v in size] + hrefs + [folder + '/mosaic-wanted.tif'])
pixels = gdal.Open(folder + '/mosaic-wanted.tif').ReadAsArray()[0].astype(np.float64)
if nodata is not None: pixels[pixels == nodata] = np.nan
answer(out + differences(folder + '/mosaic-last.tif', pixels[None], 'gdalwarp'))`,
      [space.folder, ...hrefs],
    );
  });

  // Catches: an image without georeference refused, placed on the Earth, or stored with its colours swapped.
  void it('copies a photo to a COG with JPEG', async () => {
    const job = space.job('photo.json', {
      inputs: { photo: realFile('photo.jpg') },
      operation: { copy: { exact: 'photo', small: 'photo' } },
      outputs: {
        exact: { href: `${space.folder}/photo-exact.tif`, overviews: 'average' },
        small: { href: `${space.folder}/photo-small.tif`, compression: 'jpeg', quality: 90, overviews: 'average' },
      },
    });
    await runJob([job, '--work', work]);
    assertNoDifferences(
      `
folder, path = sys.argv[1:]
wanted = gdal.Open(path).ReadAsArray()
out = same_pixels(gdal.Open(folder + '/photo-exact.tif').ReadAsArray(), wanted, 'photo')
small = gdal.Open(folder + '/photo-small.tif')
error = np.abs(small.ReadAsArray().astype(float) - wanted).mean()
if error > 4: out.append('JPEG differs by %.1f on average' % error)
if small.GetMetadataItem('COMPRESSION', 'IMAGE_STRUCTURE') not in ('JPEG', 'YCbCr JPEG'): out.append('compression %s' % small.GetMetadata('IMAGE_STRUCTURE'))
if [small.GetRasterBand(i + 1).GetColorInterpretation() for i in range(3)] != [gdal.GCI_RedBand, gdal.GCI_GreenBand, gdal.GCI_BlueBand]: out.append('colours')
if small.GetGeoTransform(can_return_null=True) is not None: out.append('a georeference that nobody gave')
answer(out + check_cog(folder + '/photo-exact.tif') + check_cog(folder + '/photo-small.tif'))`,
      [space.folder, realFile('photo.jpg')],
    );
  });
});
