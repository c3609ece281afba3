/** Features through whole runs: burnt as gdal_rasterize burns them into the whole grid, beside rasters in one expression. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { TilefanError } from '../../lib/base/errors.ts';
import { FileStore } from '../../lib/store/file-store.ts';
import { withoutGdalPrograms } from '../gdal/oracle.ts';
import { runInProcess } from '../support/in-process-run.ts';
import { assertNoDifferences, makeFiles } from '../support/raster-oracle.ts';
import { createWorkspace } from '../support/workspace.ts';

const space = createWorkspace('vectors');
const store = new FileStore();
after(async () => {
  await store.close();
  space.remove();
});

interface Vector {
  readonly layer?: string;
  readonly where?: string;
  readonly burn?: number;
  readonly attribute?: string;
  readonly allTouched?: boolean;
}

/** The answer of a run that burns each of the vectors, and adds the first to a raster. */
async function run(vectors: Readonly<Record<string, { readonly href: string; readonly vector: Vector; readonly fill?: number }>>): Promise<string> {
  const folder = space.newFolder();
  const names = Object.keys(vectors);
  await runInProcess({
    store,
    work: folder,
    inFlight: 2,
    job: {
      inputs: { raster: space.path('raster.tif'), ...vectors },
      grid: { like: 'raster', tileSize: 128 },
      operation: { expression: { sum: `raster[1] + 1000 * ${names[0] ?? ''}`, ...Object.fromEntries(names.map((name) => [name, `${name}[1]`])) } },
      outputs: Object.fromEntries(['sum', ...names].map((name) => [name, { href: `${folder}/${name}.tif`, dtype: 'float64', nodata: 'nan', overviews: 'none', statistics: false, blockSize: 128 }])),
    },
  });
  return folder;
}

void describe('features', { skip: withoutGdalPrograms }, () => {
  before(() => {
    makeFiles(
      `
from grid_oracle import *
from osgeo import ogr
folder = sys.argv[1]
make_raster(folder + '/raster.tif', 300, 280, [500000.0, 10.0, 0, 5000000.0, 0, -10.0], 32633, nodata=7)
random = np.random.default_rng(5)
def make(path, driver, epsg, layers):
    ds = ogr.GetDriverByName(driver).CreateDataSource(folder + '/' + path)
    change = osr.CoordinateTransformation(crs(32633), crs(epsg))
    for name in layers:
        layer = ds.CreateLayer(name, crs(epsg), ogr.wkbPolygon)
        layer.CreateField(ogr.FieldDefn('value', ogr.OFTReal))
        layer.CreateField(ogr.FieldDefn('kind', ogr.OFTString))
        for n in range(25):
            x, y, r = 500000 + random.uniform(-200, 3200), 5000000 - random.uniform(-200, 3000), random.uniform(20, 400)
            ring = ogr.Geometry(ogr.wkbLinearRing)
            for i in range(7):
                ring.AddPoint_2D(x + r * np.cos(i % 6 * np.pi / 3), y + r * np.sin(i % 6 * np.pi / 3))
            shape = ogr.Geometry(ogr.wkbPolygon); shape.AddGeometry(ring); shape.Transform(change)
            feature = ogr.Feature(layer.GetLayerDefn())
            feature.SetGeometry(shape); feature.SetField('value', float(n + 0.5)); feature.SetField('kind', 'ab'[n % 2])
            layer.CreateFeature(feature)
    ds = None
make('fields.gpkg', 'GPKG', 32633, ['fields', 'woods'])
make('fields.geojson', 'GeoJSON', 4326, ['fields'])
make('fields.shp', 'ESRI Shapefile', 3035, ['fields'])`,
      [space.folder],
    );
  });

  // Catches: features cut at tiles, the last of two that overlap, another CRS taken for the grid's, options that get lost on the way.
  void it('of GeoPackages, GeoJSON and Shapefiles are burnt as gdal_rasterize burns them', async () => {
    const vectors = {
      plain: { href: space.path('fields.gpkg'), vector: { layer: 'fields' } },
      woods: { href: space.path('fields.gpkg'), vector: { layer: 'woods', burn: 9, allTouched: true }, fill: 3 },
      attribute: { href: space.path('fields.geojson'), vector: { attribute: 'value' } },
      some: { href: space.path('fields.shp'), vector: { attribute: 'value', where: "kind = 'b'", allTouched: true } },
    };
    const folder = await run(vectors);
    assertNoDifferences(
      `
from grid_oracle import *
folder, raster, out, burnt = sys.argv[1], gdal.Open(sys.argv[3]), [], {}
for name, v in json.loads(sys.argv[2]).items():
    path = folder + '/wanted-' + name + '.tif'
    made = empty_like(path, sys.argv[3], 1, gdal.GDT_Float64)
    made.GetRasterBand(1).Fill(v.get('fill', 0))
    made = None
    o = v['vector']
    run(['gdal_rasterize', '-q', '-l', o.get('layer', 'fields')] + (['-a', o['attribute']] if 'attribute' in o else ['-burn', str(o.get('burn', 1))]) + (['-at'] if o.get('allTouched') else []) + (['-where', o['where']] if 'where' in o else []) + [v['href'], path])
    burnt[name] = gdal.Open(path).ReadAsArray()
    if len(np.unique(burnt[name])) < 2:
        out.append('nothing of %s lies on the grid' % name)
    out += differences(folder + '/' + name + '.tif', burnt[name][None], name)
values, valid = band_values(sys.argv[3])
answer(out + differences(folder + '/sum.tif', np.where(valid, values + 1000 * burnt['plain'], np.nan)[None], 'sum'))`,
      [folder, JSON.stringify(vectors), space.path('raster.tif')],
    );
  });

  // Catches: an empty output, or GDAL's words without the input, where a name is wrong.
  void it('that are not there are errors with the file and the name', async () => {
    const href = space.path('fields.gpkg');
    const wrong: readonly (readonly [vector: Vector, ...words: RegExp[]])[] = [
      [{ layer: 'meadows' }, /fields\.gpkg/, /meadows/, /fields/, /woods/],
      [{}, /fields\.gpkg/, /layer/, /woods/],
      [{ layer: 'fields', attribute: 'height' }, /fields\.gpkg/, /height/, /value/],
      [{ layer: 'fields', where: 'size > 3' }, /fields\.gpkg/, /size/],
    ];
    for (const [vector, ...words] of wrong) {
      // oxlint-disable-next-line no-await-in-loop
      await assert.rejects(run({ v: { href, vector } }), (error: unknown) => {
        assert.ok(error instanceof TilefanError, String(error));
        for (const word of words) assert.match(error.message, word);
        return true;
      });
    }
  });
});
