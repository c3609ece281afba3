/** Every kind of output through whole runs, judged by GDAL, numpy and rio-cogeo. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { dtypeFacts, dtypes, isFloat } from '../../lib/raster/dtype.ts';
import { FileStore } from '../../lib/store/file-store.ts';
import { fileHref } from '../../lib/store/href.ts';
import { openTiff } from '../../lib/tiff/open.ts';
import { runJob } from '../support/cli.ts';
import { withoutGdal } from '../support/gdal.ts';
import { runInProcess } from '../support/in-process-run.ts';
import { assertNoDifferences, assertValidForRioCogeo, makeFiles, oracle, withoutRio } from '../support/raster-oracle.ts';
import { createWorkspace } from '../support/workspace.ts';
import { readImage } from '../tiff/read-image.ts';

const space = createWorkspace('outputs');
const store = new FileStore();
after(async () => {
  await store.close();
  space.remove();
});

/** 16 bits with nodata, and four bands of bytes without. */
const scene = space.path('scene.tif');
const picture = space.path('picture.tif');

before(() => {
  if (withoutGdal !== false) return;
  makeFiles(
    `
def create(path, a, kind, options=[]):
    ds = gdal.GetDriverByName('GTiff').Create(path, a.shape[2], a.shape[1], a.shape[0], kind, ['TILED=YES', 'BLOCKXSIZE=128', 'BLOCKYSIZE=128'] + options)
    ds.SetGeoTransform((5e5, 10, 0, 5e6, 0, -10))
    ds.SetProjection('EPSG:32633')
    ds.WriteArray(a)
    return ds
w, h = 640, 430
rng = np.random.default_rng(11)
y, x = np.mgrid[:h, :w]
wave = np.stack([60 + 40 * np.sin(x / 37 + b) * np.cos(y / 29) for b in range(3)])
a = np.rint(wave + rng.normal(0, 2, wave.shape)).clip(1, 120).astype(np.int16)
a[:, 130:300, 250:530] = 0
a[0, a[0] % 17 == 0] = 0
ds = create(sys.argv[1], a, gdal.GDT_Int16)
for i in (1, 2, 3): ds.GetRasterBand(i).SetNoDataValue(0)
ds = None
p = np.concatenate([wave * 2, 255 * ((x // 50 + y // 50) % 2)[None]]).clip(0, 255).astype(np.uint8)
ds = create(sys.argv[2], p, gdal.GDT_Byte, ['PHOTOMETRIC=MINISBLACK', 'ALPHA=NO'])
ds = None`,
    [scene, picture],
  );
});

const lossless = ['none', 'deflate', 'zstd', 'lzw', 'lerc'] as const;

void describe('every codec that loses nothing', { skip: withoutGdal }, () => {
  // Catches: a type, number of bands or codec that a run writes wrongly, at any level; our reader and GDAL not of one mind.
  void it('keeps the pixels of every type and number of bands, at every level', async (t) => {
    const outputs: Record<string, object> = {};
    const expression: Record<string, string[]> = {};
    const files: string[] = [];
    for (const dtype of dtypes) {
      for (const compression of lossless) {
        for (const bands of [1, 3]) {
          const name = `${dtype}_${compression}_${String(bands)}`;
          const path = space.path(`${name}.tif`);
          const nodata = isFloat(dtype) ? 'nan' : dtypeFacts(dtype).max;
          outputs[name] = { href: path, dtype, compression, blockSize: 128, nodata, overviews: isFloat(dtype) ? 'average' : 'mode', ...(compression === 'lerc' && bands === 3 && { level: 1 }) };
          expression[name] = Array.from({ length: bands }, (_, band) => `a[${String(band + 1)}]${isFloat(dtype) ? ' / 3' : ''}`);
          files.push(path);
        }
      }
    }
    const job = space.job('lossless.json', { inputs: { a: scene }, grid: { tileSize: 256 }, compute: { tilesPerTask: 4 }, operation: { expression }, outputs });
    await runJob([job, '--work', space.path('work'), '--workers', '1', '--threads', '2']);
    assertNoDifferences(
      `
source, *files = sys.argv[1:]
values = [band_values(source, b) for b in (1, 2, 3)]
out = []
for path in files:
    dtype, codec, bands = os.path.basename(path)[:-4].split('_')
    kind = np.dtype(dtype)
    nodata = np.nan if kind.kind == 'f' else np.iinfo(kind).max
    image = np.stack([to_dtype(a / 3 if kind.kind == 'f' else a, v, dtype, nodata) for a, v in values[:int(bands)]])
    out += ['%s: %s' % (os.path.basename(path), d) for d in check_levels(path, image, 'average' if kind.kind == 'f' else 'mode', nodata, 128)
            + check_statistics(path, image, nodata) + check_header(path, source, int(bands), dtype, nodata, 128) + check_cog(path)]
    found = gdal.Open(path).GetMetadata('IMAGE_STRUCTURE').get('COMPRESSION', 'none').lower()
    if not found.startswith(codec): out.append('%s is compressed by %s' % (path, found))
answer(out)`,
      [scene, ...files],
    );
    if (withoutRio !== false) t.diagnostic(`not validated: ${withoutRio}`);
    else for (const compression of lossless) assertValidForRioCogeo(space.path(`int16_${compression}_3.tif`));
    const wanted = oracle('answer({p: [float(np.nansum(b.astype(np.float64))) for b in read_levels(p)[0]] for p in sys.argv[1:]})', files) as Record<string, number[]>;
    for (const [path, sums] of Object.entries(wanted)) {
      const tiff = await openTiff(store, fileHref(path));
      const samples = await readImage(store, tiff, tiff.main, tiff.nodata ?? 0);
      const { width, height } = tiff.main.layout;
      for (const [band, sum] of sums.entries()) {
        const own = samples.subarray(band * width * height, (band + 1) * width * height) as Iterable<number> & ArrayLike<number>;
        let total = 0;
        for (let i = 0; i < own.length; i++) if (!Number.isNaN(own[i])) total += own[i] ?? 0;
        assert.ok(Math.abs(total - sum) <= 1e-9 * Math.abs(sum), `${path}: own reader, band ${String(band + 1)}`);
      }
    }
  });
});

/** Outputs whose codec changes values: their bands of the picture or the scene, and how far they may be off. */
const lossy: Readonly<Record<string, { readonly from: 'a' | 'p'; readonly bands: number; readonly output: object; readonly error: number | null }>> = {
  lerc_uint8: { from: 'a', bands: 1, output: { compression: 'lerc', maxError: 2, dtype: 'uint8', nodata: 0, overviews: 'average' }, error: 2 },
  lerc_int16: { from: 'a', bands: 3, output: { compression: 'lerc', maxError: 3.7, dtype: 'int16', nodata: 70, overviews: 'mode' }, error: 3 },
  lerc_int32: { from: 'a', bands: 1, output: { compression: 'lerc', maxError: 1, dtype: 'int32', nodata: -9999, overviews: 'nearest' }, error: 1 },
  lerc_float32: { from: 'a', bands: 3, output: { compression: 'lerc', maxError: 0.5, overviews: 'average' }, error: 0.5 },
  lerc_float64: { from: 'a', bands: 1, output: { compression: 'lerc', maxError: 0.01, level: 3, dtype: 'float64', nodata: -9999 }, error: 0.01 },
  jpeg_1: { from: 'p', bands: 1, output: { compression: 'jpeg', dtype: 'uint8', overviews: 'average' }, error: null },
  jpeg_3: { from: 'p', bands: 3, output: { compression: 'jpeg', quality: 90, dtype: 'uint8', overviews: 'average' }, error: null },
  webp_3: { from: 'p', bands: 3, output: { compression: 'webp', quality: 80, dtype: 'uint8', overviews: 'average' }, error: null },
  webp_4: { from: 'p', bands: 4, output: { compression: 'webp', dtype: 'uint8', overviews: 'nearest' }, error: 0 },
};

void describe('codecs that lose something', { skip: withoutGdal }, () => {
  // Catches: levels made from values that nobody can read any more, so that they depend on tiles, batches or interruptions; errors beyond what was allowed.
  void it('give the same file however the work is cut, each level made from what is stored below', async (t) => {
    const variants = [
      { tileSize: 128, tilesPerTask: 4, stopAfter: 3 },
      { tileSize: 256, tilesPerTask: 1 },
      { tileSize: 512, tilesPerTask: 64 },
      { tileSize: 1024, tilesPerTask: 1 },
    ] as const;
    const names = Object.keys(lossy);
    for (const [i, { tileSize, tilesPerTask, ...rest }] of variants.entries()) {
      const job = {
        inputs: { a: scene, p: picture },
        grid: { tileSize },
        compute: { tilesPerTask },
        operation: { expression: Object.fromEntries(Object.entries(lossy).map(([name, { from, bands }]) => [name, Array.from({ length: bands }, (_, band) => `${from}[${String(band + 1)}]`)])) },
        outputs: Object.fromEntries(Object.entries(lossy).map(([name, { output }]) => [name, { href: space.path(`${name}-${String(i)}.tif`), blockSize: 128, ...output }])),
      };
      await runInProcess({ store, work: space.newFolder('work'), job, ...rest });
    }
    const facts = names.map((name) => {
      const { from, bands, output, error } = lossy[name] ?? assert.fail();
      const { nodata = null, overviews = 'average', dtype = 'float32' } = output as { nodata?: number; overviews?: string; dtype?: string };
      return { name, source: from === 'a' ? scene : picture, bands, error, nodata, overviews, dtype, files: variants.map((_, i) => space.path(`${name}-${String(i)}.tif`)) };
    });
    assertNoDifferences(
      `
out = []
for f in json.loads(sys.argv[1]):
    nodata = f['nodata'] if f['nodata'] is not None else np.nan if np.dtype(f['dtype']).kind == 'f' else None
    values = [band_values(f['source'], b + 1) for b in range(f['bands'])]
    image = np.stack([to_dtype(a, v, f['dtype'], nodata) for a, v in values])
    first = read_levels(f['files'][0])
    d = []
    def off(found, wanted, what, most):
        a, b = is_nodata(found, nodata), is_nodata(wanted, nodata)
        # A value that was nodata's by chance may have been moved, or not.
        if (a != b).any(): d.append('%s: %d pixels are nodata, or not, unlike before' % (what, (a != b).sum()))
        with np.errstate(invalid='ignore'): e = np.nanmax(np.where(a | b, 0, np.abs(found.astype(np.float64) - wanted)))
        if e > most * (1 + 1e-5): d.append('%s: off by %r, allowed are %r' % (what, e, most))
    if len(first) < 4: d.append('only %d levels' % len(first))
    if f['error'] is not None:
        off(first[0], image, 'image', f['error'])
        for n in range(1, len(first)):
            off(first[n], np.stack([halve(b, f['overviews'], nodata) for b in first[n - 1]]), 'level %d' % n, f['error'])
    else:
        for n in range(1, len(first)):
            e = np.abs(first[n].astype(float) - np.stack([halve(b, f['overviews'], nodata) for b in first[n - 1]])).mean()
            if e > 8: d.append('level %d: off by %r on the average' % (n, e))
    d += check_statistics(f['files'][0], first[0], nodata) + check_cog(f['files'][0])
    for other in f['files'][1:]:
        found = read_levels(other)
        if len(found) != len(first): d.append('%d levels' % len(found))
        for n, (one, two) in enumerate(zip(first, found)): d += same_pixels(two, one, '%s level %d' % (os.path.basename(other), n))
        d += check_statistics(other, first[0], nodata)
    out += [f['name'] + ': ' + text for text in d]
answer(out)`,
      [JSON.stringify(facts)],
    );
    if (withoutRio !== false) t.diagnostic(`not validated: ${withoutRio}`);
    else for (const { files } of facts) assertValidForRioCogeo(files[0] ?? '');
  });
});

void describe('what an output says of its bands', { skip: withoutGdal }, () => {
  const read = (file: string): unknown =>
    oracle(
      `
ds = gdal.Open(sys.argv[1])
bands = [ds.GetRasterBand(i + 1) for i in range(ds.RasterCount)]
table = bands[0].GetColorTable()
answer(dict(
    dtype=gdal.GetDataTypeName(bands[0].DataType), nodata=bands[0].GetNoDataValue(), names=[b.GetDescription() for b in bands],
    colors=[gdal.GetColorInterpretationName(b.GetColorInterpretation()) for b in bands], scales=[b.GetScale() for b in bands], offsets=[b.GetOffset() for b in bands],
    table=None if table is None else [table.GetColorEntry(i) for i in range(12)]))`,
      [file],
    );

  // Catches: facts of the input that get lost on the way to a copy.
  void it('comes along in a copy', async () => {
    const inputs = { palette: space.path('palette.tif'), rgb: space.path('rgb.tif'), rgba: space.path('rgba.tif'), scaled: space.path('scaled.tif') };
    makeFiles(
      `
def create(path, bands, kind, options):
    ds = gdal.GetDriverByName('GTiff').Create(path, 300, 200, bands, kind, ['TILED=YES', 'BLOCKXSIZE=128', 'BLOCKYSIZE=128'] + options)
    ds.SetGeoTransform((5e5, 10, 0, 5e6, 0, -10))
    a = np.random.default_rng(3).integers(0, 9, (bands, 200, 300))
    ds.WriteArray(a)
    return ds
ds = create(sys.argv[1], 1, gdal.GDT_Byte, [])
table = gdal.ColorTable()
for i in range(12): table.SetColorEntry(i, (20 * i, 255 - i, i, 255))
ds.GetRasterBand(1).SetColorTable(table)
ds.GetRasterBand(1).SetNoDataValue(0)
ds = None
ds = create(sys.argv[2], 3, gdal.GDT_UInt16, ['PHOTOMETRIC=RGB'])
ds = None
ds = create(sys.argv[3], 4, gdal.GDT_Byte, ['PHOTOMETRIC=RGB', 'ALPHA=YES'])
ds = None
ds = create(sys.argv[4], 2, gdal.GDT_Int16, [])
for i, (name, scale, offset) in enumerate([('near infrared', 0.0001, -0.1), ('', 0.5, 10)]):
    b = ds.GetRasterBand(i + 1)
    b.SetDescription(name); b.SetScale(scale); b.SetOffset(offset); b.SetNoDataValue(-1)
ds = None`,
      Object.values(inputs),
    );
    const names = Object.keys(inputs) as (keyof typeof inputs)[];
    const copies = { ...Object.fromEntries(names.map((name) => [name, name])), other: 'scaled' };
    const outputs = {
      ...Object.fromEntries(names.map((name) => [name, { href: space.path(`copy-${name}.tif`), blockSize: 128 }])),
      other: { href: space.path('other.tif'), blockSize: 128, dtype: 'float32', bandNames: ['a', 'b'], scale: 2, offset: [1, 0], nodata: -5 },
    };
    for (const name of names) {
      const own = Object.fromEntries(Object.entries(copies).filter(([, input]) => input === name));
      const job = space.job(`copy-${name}.json`, { inputs: { [name]: inputs[name] }, grid: { tileSize: 128 }, operation: { copy: own }, outputs: Object.fromEntries(Object.keys(own).map((output) => [output, outputs[output as keyof typeof outputs]])) });
      await runJob([job, '--work', space.path('work'), '--workers', '1', '--threads', '1']);
    }
    for (const name of names) assert.deepEqual(read(space.path(`copy-${name}.tif`)), read(inputs[name]), name);
    assert.deepEqual(read(space.path('other.tif')), { dtype: 'Float32', nodata: -5, names: ['a', 'b'], colors: ['Gray', 'Undefined'], scales: [2, 2], offsets: [1, 0], table: null });
    assertNoDifferences('answer([d for i, o in zip(sys.argv[1:5], sys.argv[5:9]) for d in check_levels(o, read_levels(i)[0], "nearest", None, 128) + check_cog(o)])', [...Object.values(inputs), ...names.map((name) => space.path(`copy-${name}.tif`))]);
  });

  void it('is what the job says', async () => {
    const file = space.path('classes.tif');
    const job = space.job('classes.json', {
      inputs: { a: scene },
      grid: { tileSize: 256 },
      operation: { expression: { out: 'a[1] > 60 ? 2 : 1' } },
      outputs: { out: { href: file, dtype: 'uint8', nodata: 0, blockSize: 128, compression: 'lerc', colorTable: { 0: '#00000000', 1: '#ff8000', 2: [1, 2, 3], 11: [9, 8, 7, 255] }, scale: 0.5, offset: 3, bandNames: ['class'] } },
    });
    await runJob([job, '--work', space.path('work'), '--workers', '1', '--threads', '1']);
    const black = [0, 0, 0, 255];
    assert.deepEqual(read(file), { dtype: 'Byte', nodata: 0, names: ['class'], colors: ['Palette'], scales: [0.5], offsets: [3], table: [[0, 0, 0, 0], [255, 128, 0, 255], [1, 2, 3, 255], ...Array.from({ length: 8 }, () => black), [9, 8, 7, 255]] });
    assertNoDifferences('answer(check_cog(sys.argv[1]))', [file]);
  });
});
