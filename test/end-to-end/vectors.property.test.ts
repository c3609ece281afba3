/** However a grid is cut into tiles and batches, features are burnt into it as gdal_rasterize burns them into the whole grid. */
import { after, describe, it } from 'node:test';
import fc from 'fast-check';
import { FileStore } from '../../lib/store/file-store.ts';
import { withoutGdalPrograms } from '../gdal/oracle.ts';
import { runInProcess } from '../support/in-process-run.ts';
import { propertyRuns } from '../support/property-runs.ts';
import { assertNoDifferences, makeFiles } from '../support/raster-oracle.ts';
import { createWorkspace } from '../support/workspace.ts';

const space = createWorkspace('vectors-property');
const store = new FileStore();
after(async () => {
  await store.close();
  space.remove();
});

const layer = fc
  .record({
    format: fc.constantFrom('gpkg', 'geojson', 'shp'),
    epsg: fc.constantFrom(32_633, 32_633, 32_634, 4326, 3857, 3035),
    geometry: fc.constantFrom('point', 'line', 'polygon', 'mixed'),
    count: fc.constantFrom(1, 12, 60),
    /** Corners on corners, edges and centres of pixels, where it counts how ties are decided. */
    snapped: fc.boolean(),
    value: fc.constantFrom('burn', 'attribute'),
    where: fc.constantFrom(undefined, undefined, "kind = 'a'", 'value > 40 AND kind <> \'b\''),
    allTouched: fc.boolean(),
    dtype: fc.constantFrom('uint8', 'int16', 'int32', 'float32', 'float64'),
    fill: fc.constantFrom(0, 0, 3),
    seed: fc.nat({ max: 100_000 }),
  })
  .map((made) => ({
    ...made,
    // A Shapefile holds one kind of geometry; the GeoJSON of RFC 7946 is in degrees.
    geometry: made.geometry === 'mixed' && made.format === 'shp' ? ('polygon' as const) : made.geometry,
    epsg: made.format === 'geojson' ? 4326 : made.epsg,
    // Of an edge through the very corner of pixels GDAL adds up steps, and their last digit, which is another in a window, decides which of them it touches.
    snapped: made.snapped && !made.allTouched,
  }));

const what = fc.record({
  columns: fc.integer({ min: 100, max: 420 }),
  rows: fc.integer({ min: 100, max: 420 }),
  resolution: fc.constantFrom(10, 2.5, 3.7),
  southUp: fc.constantFrom(false, false, true),
  layers: fc.array(layer, { minLength: 3, maxLength: 3 }),
});

const cut = fc.record({
  tileSize: fc.constantFrom(128, 256, 512),
  halo: fc.constantFrom(0, 0, 9),
  tilesPerTask: fc.constantFrom('auto' as const, 1, 2, 4),
  inFlight: fc.integer({ min: 1, max: 4 }),
});

const makeCase = `
from grid_oracle import *
from osgeo import ogr
folder, w = sys.argv[1], json.loads(sys.argv[2])
r, columns, rows = w['resolution'], w['columns'], w['rows']
west, north = 500000.0, 5000000.0
ds = gdal.GetDriverByName('GTiff').Create(folder + '/grid.tif', columns, rows, 1, gdal.GDT_Byte)
ds.SetGeoTransform((west, r, 0, north - rows * r, 0, r) if w['southUp'] else (west, r, 0, north, 0, -r))
ds.SetProjection(crs(32633).ExportToWkt())
ds = None
kinds = {'point': ogr.wkbMultiPoint, 'line': ogr.wkbMultiLineString, 'polygon': ogr.wkbMultiPolygon, 'mixed': ogr.wkbUnknown}
for n, l in enumerate(w['layers']):
    random = np.random.default_rng(l['seed'])
    change = osr.CoordinateTransformation(crs(32633), crs(l['epsg']))
    # Some reach over many tiles, some lie within a pixel, and some beside the grid.
    def places(count, closed=False):
        x, y = random.uniform(-0.1, 1.1) * columns, random.uniform(-0.1, 1.1) * rows
        size = random.choice([0.3, 3, 30, 0.6 * columns])
        if closed:
            angle = np.sort(random.uniform(0, 2 * np.pi, count))
            radius = size * random.uniform(0.4, 1, count)
            px, py = x + radius * np.cos(angle), y + radius * np.sin(angle)
        else:
            px, py = x + random.uniform(-size, size, count), y + random.uniform(-size, size, count)
        if l['snapped']: px, py = np.round(px * 2) / 2, np.round(py * 2) / 2
        return [(west + a * r, north - b * r) for a, b in zip(px, py)]
    def ring(points):
        made = ogr.Geometry(ogr.wkbLinearRing)
        for p in points + points[:1]: made.AddPoint_2D(*p)
        return made
    def geometry(kind):
        made = ogr.Geometry(kinds[kind])
        for _ in range(random.integers(1, 3)):
            if kind == 'polygon':
                part = ogr.Geometry(ogr.wkbPolygon)
                outer = places(random.integers(3, 9), True)
                part.AddGeometry(ring(outer))
                if random.random() < 0.4:
                    cx, cy = np.mean(outer, axis=0)
                    part.AddGeometry(ring([(cx + (x - cx) * 0.3, cy + (y - cy) * 0.3) for x, y in outer]))
            elif kind == 'line':
                part = ogr.Geometry(ogr.wkbLineString)
                for p in places(random.integers(2, 7)): part.AddPoint_2D(*p)
            else:
                part = ogr.Geometry(ogr.wkbPoint)
                part.AddPoint_2D(*places(1)[0])
            made.AddGeometry(part)
        # Of polygons that aren't valid OGR's search may miss a part (docs/grids-and-inputs.md).
        if kind == 'polygon' and not made.IsValid(): made = ogr.ForceToMultiPolygon(made.Buffer(0))
        made.Transform(change)
        return made
    path = '%s/v%d.%s' % (folder, n, l['format'])
    made = ogr.GetDriverByName({'gpkg': 'GPKG', 'geojson': 'GeoJSON', 'shp': 'ESRI Shapefile'}[l['format']]).CreateDataSource(path)
    layer = made.CreateLayer('v%d' % n, crs(l['epsg']), kinds[l['geometry']])
    layer.CreateField(ogr.FieldDefn('value', ogr.OFTReal))
    layer.CreateField(ogr.FieldDefn('kind', ogr.OFTString))
    layer.StartTransaction()
    for i in range(l['count']):
        feature = ogr.Feature(layer.GetLayerDefn())
        if i % 11 != 10:
            feature.SetGeometry(geometry(l['geometry'] if l['geometry'] != 'mixed' else ['point', 'line', 'polygon'][random.integers(3)]))
        if i % 7 != 6: feature.SetField('value', float(np.round(random.uniform(-20, 300), 2)))
        feature.SetField('kind', 'abc'[random.integers(3)])
        layer.CreateFeature(feature)
    layer.CommitTransaction()
    made = layer = None
`;

const compare = `
from grid_oracle import *
folder, found, out = sys.argv[1], sys.argv[2], []
for n, l in enumerate(json.loads(sys.argv[3])):
    path = '%s/wanted%d.tif' % (folder, n)
    made = empty_like(path, folder + '/grid.tif', 1, TYPES[l['dtype']])
    made.GetRasterBand(1).Fill(l['fill'])
    made = None
    run(['gdal_rasterize', '-q', '-l', 'v%d' % n] + (['-a', 'value'] if l['value'] == 'attribute' else ['-burn', '42']) + (['-at'] if l['allTouched'] else [])
        + (['-where', l['where']] if 'where' in l else []) + ['%s/v%d.%s' % (folder, n, l['format']), path])
    out += differences('%s/v%d.tif' % (found, n), gdal.Open(path).ReadAsArray().astype(np.float64)[None], 'layer %d' % n)
answer(out)`;

type What = typeof what extends fc.Arbitrary<infer T> ? T : never;
type Cut = typeof cut extends fc.Arbitrary<infer T> ? T : never;

async function burn({ layers }: What, made: string, { tileSize, halo, tilesPerTask, inFlight }: Cut): Promise<string> {
  const folder = space.newFolder();
  const inputs = layers.map(({ format, value, where, allTouched, dtype, fill }, n) => [
    `v${String(n)}`,
    { href: `${made}/v${String(n)}.${format}`, fill, vector: { allTouched, dtype, ...(value === 'burn' ? { burn: 42 } : { attribute: 'value' }), ...(where === undefined ? {} : { where }) } },
  ] as const);
  await runInProcess({
    store,
    work: folder,
    inFlight,
    job: {
      inputs: { grid: `${made}/grid.tif`, ...Object.fromEntries(inputs) },
      grid: { like: 'grid', tileSize, halo },
      compute: { tilesPerTask },
      operation: { expression: Object.fromEntries(inputs.map(([name]) => [name, `${name}[1]`])) },
      outputs: Object.fromEntries(inputs.map(([name]) => [name, { href: `${folder}/${name}.tif`, dtype: 'float64', nodata: 'nan', overviews: 'none', statistics: false, blockSize: 128 }])),
    },
  });
  return folder;
}

void describe('features on any tiles', { skip: withoutGdalPrograms }, () => {
  // Catches: points, lines and polygons that are cut, moved or decided otherwise where tiles meet, features that a tile's search misses or that burn in another order, values,
  // filters, gaps and types that are not gdal_rasterize's; all of it for layers in any CRS.
  void it('are what gdal_rasterize burns into the whole grid', async (t) => {
    await fc.assert(
      fc.asyncProperty(what, cut, async (grid, how) => {
        const made = space.newFolder('layers');
        makeFiles(makeCase, [made, JSON.stringify(grid)]);
        const found = await burn(grid, made, how);
        assertNoDifferences(compare, [made, found, JSON.stringify(grid.layers)]);
      }),
      propertyRuns(t, 5),
    );
  });
});
