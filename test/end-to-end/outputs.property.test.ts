/** Outputs of any options, as rasterio reads them: pixels, and everything that a file says of its pixels. */
import { after, describe, it } from 'node:test';
import fc from 'fast-check';
import { dtypeFacts, dtypes, isFloat, type Dtype } from '../../lib/raster/dtype.ts';
import { FileStore } from '../../lib/store/file-store.ts';
import { withoutGdal } from '../support/gdal.ts';
import { runInProcess } from '../support/in-process-run.ts';
import { propertyRuns } from '../support/property-runs.ts';
import { assertNoDifferences, makeFiles } from '../support/raster-oracle.ts';
import { createWorkspace } from '../support/workspace.ts';

const space = createWorkspace('outputs-property');
const store = new FileStore();
after(async () => {
  await store.close();
  space.remove();
});

const codec = fc.oneof(
  fc.record({ compression: fc.constant('deflate'), level: fc.option(fc.integer({ min: 1, max: 9 }), { nil: undefined }) }),
  fc.record({ compression: fc.constant('zstd'), level: fc.option(fc.integer({ min: 1, max: 19 }), { nil: undefined }) }),
  fc.record({ compression: fc.constant('lerc'), level: fc.option(fc.integer({ min: 1, max: 19 }), { nil: undefined }) }),
  fc.constantFrom({ compression: 'lzw' }, { compression: 'none' }, { compression: 'webp' }),
);

/** Words that XML, TIFF and people spell in their own ways. */
const bandName = fc.oneof(fc.constantFrom('red', 'near infrared', ' ', '  indented ', 'a < b & "c" > \'d\'', '<Item>', '&amp;', 'Höhe über 0', '温度', '🌲'), fc.string({ unit: 'binary', minLength: 1, maxLength: 20 }).filter((text) => /^[^\p{C}]+$/v.test(text)));
const number = fc.constantFrom(0, 1, -0.1, 0.0001, 1 / 3, 1e-12, -273.15, 12_345.678_901_234);

const channel = fc.nat({ max: 255 });
const colour = fc.tuple(channel, channel, channel).map((rgb) => ({ rgb }));

const output = fc
  .record({
    dtype: fc.constantFrom(...dtypes),
    bands: fc.integer({ min: 1, max: 4 }),
    /** Which value of the type stands for nodata. */
    nodata: fc.constantFrom('none', 'least', 'most', 'some', 'nan', 'infinite'),
    codec,
    predictor: fc.constantFrom('auto', 1, 'best'),
    blockSize: fc.constantFrom(128, 256),
    overviews: fc.constantFrom('nearest', 'average', 'mode', 'none'),
    statistics: fc.boolean(),
    names: fc.option(fc.array(bandName, { minLength: 4, maxLength: 4 }), { nil: undefined }),
    scale: fc.option(fc.oneof(number.filter((value) => value !== 0), fc.array(number.filter((value) => value !== 0), { minLength: 4, maxLength: 4 })), { nil: undefined }),
    offset: fc.option(fc.oneof(number, fc.array(number, { minLength: 4, maxLength: 4 })), { nil: undefined }),
    colours: fc.option(fc.dictionary(fc.nat({ max: 255 }).map(String), colour, { minKeys: 1, maxKeys: 12 }), { nil: undefined }),
    written: fc.constantFrom('hash', 'list'),
  })
  .map((drawn) => {
    const webp = drawn.codec.compression === 'webp';
    const dtype: Dtype = webp ? 'uint8' : drawn.dtype;
    const bands = webp ? Math.max(3, drawn.bands) : drawn.bands;
    const { compression } = drawn.codec;
    const predictor = drawn.predictor === 'best' && ['deflate', 'zstd', 'lzw'].includes(compression) ? (isFloat(dtype) ? 3 : 2) : drawn.predictor === 1 ? 1 : 'auto';
    const coloured = bands === 1 && (dtype === 'uint8' || dtype === 'uint16') ? drawn.colours : undefined;
    const each = <T>(value: T | readonly T[] | undefined): readonly T[] | undefined => (Array.isArray(value) ? value.slice(0, bands) : value === undefined ? undefined : Array.from({ length: bands }, () => value as T));
    // The mean of two colours' numbers is the number of a third, and is refused.
    const overviews = coloured !== undefined && drawn.overviews === 'average' ? 'mode' : drawn.overviews;
    return { ...drawn, dtype, bands, predictor, overviews, coloured, nodata: nodataOf(dtype, drawn.nodata), scales: each(drawn.scale), offsets: each(drawn.offset), names: each(drawn.names) };
  });

function nodataOf(dtype: Dtype, kind: string): number | 'nan' | null {
  if (kind === 'none') return null;
  const { min, max } = dtypeFacts(dtype);
  if (isFloat(dtype)) return kind === 'nan' || kind === 'infinite' ? 'nan' : kind === 'least' ? -9999 : kind === 'most' ? 1e10 : 0;
  return kind === 'least' ? min : kind === 'most' ? max : 7;
}

const place = fc.record({
  columns: fc.integer({ min: 1, max: 500 }),
  rows: fc.integer({ min: 1, max: 500 }),
  epsg: fc.constantFrom(32_633, 4326, 3857, 3035, 2193, 5070, 27_700, 2056, 3031),
  pixel: fc.constantFrom([10, -10], [0.3, -0.7], [1 / 3, -1 / 3], [25, 25]),
  rotation: fc.constantFrom(0, 0, 0.2),
  seed: fc.nat({ max: 100_000 }),
});

/** A source with holes of float64, and one without of int32, which is never nodata: every type takes what it can hold of it. */
const makeSources = `
w = json.loads(sys.argv[2])
rng = np.random.default_rng(w['seed'])
for name, holes in (('holed', True), ('whole', False)):
    shape = (4, w['rows'], w['columns'])
    a = np.round(rng.normal(100, 80, shape) + 30000 * (rng.random(shape) < 0.05), 2)
    if holes:
        a[rng.random(shape) < 0.1] = -1e30
        a[:, w['rows'] // 3:, w['columns'] // 2:] = -1e30
    ds = gdal.GetDriverByName('GTiff').Create('%s/%s.tif' % (sys.argv[1], name), w['columns'], w['rows'], 4, gdal.GDT_Float64 if holes else gdal.GDT_Int32, ['TILED=YES'])
    x, y = w['pixel']
    scale = 1e-3 if w['epsg'] == 4326 else 1
    ds.SetGeoTransform((12.5, x * scale, x * w['rotation'] * scale, 47.25, y * w['rotation'] * scale, y * scale))
    srs = osr.SpatialReference(); srs.ImportFromEPSG(w['epsg']); ds.SetProjection(srs.ExportToWkt())
    if holes:
        for b in range(4): ds.GetRasterBand(b + 1).SetNoDataValue(-1e30)
    ds.WriteArray(a if holes else np.round(a).astype(np.int32))
    ds = None`;

const compare = `
import rasterio
from rasterio.enums import ColorInterp
folder, w, out = sys.argv[1], json.loads(sys.argv[2]), []
for n, o in enumerate(json.loads(sys.argv[3])):
    path = '%s/o%d.tif' % (folder, n)
    bands, dtype = o['bands'], np.dtype(o['dtype'])
    nodata = None if o['nodata'] is None else float(o['nodata'])
    source = '%s/%s.tif' % (folder, 'whole' if nodata is None else 'holed')
    image = np.stack([to_dtype(*band_values(source, b + 1), o['dtype'], None if nodata is None else nodata if dtype.kind == 'f' else int(nodata)) for b in range(bands)])
    def expect(what, wanted, found):
        if not (wanted == found or (isinstance(wanted, float) and isinstance(found, float) and np.isnan(wanted) and np.isnan(found))):
            out.append('output %d (%s): %s: wanted %r, found %r' % (n, o['dtype'], what, wanted, found))
    levels = pyramid(image, o['overviews'], nodata if dtype.kind == 'f' or nodata is None else int(nodata), o['blockSize'])
    with rasterio.open(path) as ds, rasterio.open(source) as like:
        expect('dtypes', (o['dtype'],) * bands, ds.dtypes)
        expect('size', (w['columns'], w['rows'], bands), (ds.width, ds.height, ds.count))
        expect('CRS', w['epsg'], ds.crs.to_epsg())
        expect('transform', like.transform, ds.transform)
        for found in ds.nodatavals: expect('nodata', nodata, None if found is None else float(found))
        expect('scales', tuple(map(float, o.get('scales', [1] * bands))), ds.scales)
        expect('offsets', tuple(map(float, o.get('offsets', [0] * bands))), ds.offsets)
        if 'names' in o: expect('descriptions', tuple(o['names']), ds.descriptions)
        expect('blocks', [(o['blockSize'],) * 2] * bands, ds.block_shapes)
        compressed = ds.compression.value.lower() if ds.compression else 'none'
        expect('compression', True, compressed.startswith(o['compression']))
        pixels = ds.read()
        out += same_pixels(pixels, image, 'output %d' % n)
        wanted = np.ones(image.shape, bool) if nodata is None else ~is_nodata(image, nodata)
        # GDAL 3.6 knows int8 as a kind of uint8 only, and compares nodata with the unsigned value.
        if o['dtype'] != 'int8' or (nodata is None or nodata >= 0): expect('pixels of the mask', [], np.argwhere((ds.read_masks() != 0) != wanted)[:1].tolist())
        # A window as a tile server asks for it.
        rng = np.random.default_rng(n)
        x, y = rng.integers(0, w['columns']), rng.integers(0, w['rows'])
        window = rasterio.windows.Window(x, y, min(150, w['columns'] - x), min(90, w['rows'] - y))
        out += same_pixels(ds.read(window=window), image[:, y:y + window.height, x:x + window.width], 'window of output %d' % n)
        if 'coloured' in o:
            expect('colour interpretation', ColorInterp.palette, ds.colorinterp[0])
            table = ds.colormap(1)
            for value in range(int(max(map(int, o['coloured']))) + 1):
                wanted = tuple(o['coloured'].get(str(value), {'rgb': [0, 0, 0]})['rgb']) + (0 if nodata == value else 255,)
                expect('colour of %d' % value, wanted, table.get(value))
        expect('overviews', [len(levels) - 1] * bands, [len(ds.overviews(b + 1)) for b in range(bands)])
        for b in range(bands):
            values = image[b][wanted[b] & ~np.isnan(image[b].astype(float))] if 'coloured' not in o else image[b][~is_nodata(image[b], nodata)]
            tags = ds.tags(b + 1)
            expect('statistics', [repr(float(f(values))) for f in (np.min, np.max)] if o['statistics'] and values.size else None,
                   [repr(float(tags['STATISTICS_' + k])) for k in ('MINIMUM', 'MAXIMUM')] if 'STATISTICS_MINIMUM' in tags else None)
    for level in range(1, len(levels)):
        with rasterio.open(path, overview_level=level - 1) as ds:
            out += same_pixels(ds.read(), levels[level], 'output %d, level %d' % (n, level))
answer(out[:10])`;

void describe('outputs of any options', { skip: withoutGdal }, () => {
  // Catches: an option that another one undoes, a band's fact at another band, words that XML spells otherwise, nodata at the ends of a type, a CRS, transform or table of
  // colours that readers other than our own understand otherwise, images of a single row or column, levels that a reader doesn't find.
  void it('are to rasterio what the job asked for', async (t) => {
    await fc.assert(
      fc.asyncProperty(place, fc.array(output, { minLength: 5, maxLength: 5 }), fc.constantFrom(1, 2), async (where, drawn, tileFactor) => {
        const folder = space.newFolder();
        makeFiles(makeSources, [folder, JSON.stringify(where)]);
        const hex = (value: number): string => value.toString(16).padStart(2, '0');
        const outputs = drawn.map(({ dtype, nodata, codec: { compression, ...more }, predictor, blockSize, overviews, statistics, names, scale, scales, offset, offsets, coloured, written }, n) => [
          `o${String(n)}`,
          {
            href: `${folder}/o${String(n)}.tif`, dtype, nodata, compression, ...more, predictor, blockSize, overviews, statistics,
            ...(names === undefined ? {} : { bandNames: names }),
            ...(scales === undefined ? {} : { scale: Array.isArray(scale) ? scales : scale }),
            ...(offsets === undefined ? {} : { offset: Array.isArray(offset) ? offsets : offset }),
            ...(coloured === undefined ? {} : { colorTable: Object.fromEntries(Object.entries(coloured).map(([value, { rgb }]) => [value, written === 'list' ? rgb : `#${rgb.map(hex).join('')}`])) }),
          },
        ] as const);
        await runInProcess({
          store,
          work: folder,
          inFlight: 2,
          job: {
            inputs: { holed: `${folder}/holed.tif`, whole: `${folder}/whole.tif` },
            grid: { tileSize: 256 * tileFactor },
            operation: { expression: Object.fromEntries(drawn.map(({ bands, nodata }, n) => [`o${String(n)}`, Array.from({ length: bands }, (_, band) => `${nodata === null ? 'whole' : 'holed'}[${String(band + 1)}]`)])) },
            outputs: Object.fromEntries(outputs),
          },
        });
        const facts = drawn.map(({ codec: { compression }, ...rest }) => ({ ...rest, compression }));
        assertNoDifferences(compare, [folder, JSON.stringify(where), JSON.stringify(facts)]);
      }),
      propertyRuns(t, 10),
    );
  });
});
