/** Grids that go by the extents of their inputs, all over the Earth, in CRSs of other projections and datums: no strip of a raster is lost, and none is added. The oracle is GDAL's own map of every pixel of the edge. */
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import fc from 'fast-check';
import { FileStore } from '../../lib/store/file-store.ts';
import { withoutGdal } from '../support/gdal.ts';
import { plannedGrid } from '../support/planned-grid.ts';
import { places, type TestCrs } from '../support/places.ts';
import { propertyRuns } from '../support/property-runs.ts';
import { oracle } from '../support/raster-oracle.ts';
import { createWorkspace } from '../support/workspace.ts';

const space = createWorkspace('footprints');
const store = new FileStore();
after(async () => {
  await store.close();
  space.remove();
});

/** Where a raster has a bounded extent: not at a seam, nor around a pole. */
const cases = fc.constantFrom(...places.filter(({ seam }) => !seam)).chain((place) =>
  fc
    .record({
      place: fc.constant(place),
      crs: fc.constantFrom<TestCrs[]>(...place.epsg, ...place.others),
      epsg: fc.constantFrom(...place.epsg),
      metres: fc.constantFrom(...place.resolutions),
      columns: fc.integer({ min: 40, max: 300 }),
      rows: fc.integer({ min: 40, max: 300 }),
      /** Pixels of the raster are as wide as so many of the grid's. */
      factor: fc.constantFrom(0.6, 1, 2.3),
      orientation: fc.constantFrom('north-up', 'north-up', 'south-up', 'mirrored', 'rotated', 'turned'),
      alignedPixels: fc.boolean(),
    })
    .filter(({ crs, epsg }) => crs !== epsg),
);

interface Made {
  readonly resolution: readonly [number, number];
  /** Along x and y, in pixels from the origin of the CRS: where GDAL's map of the edge begins and ends. */
  readonly low: readonly [number, number];
  readonly high: readonly [number, number];
}

/** Pixels: shifts for which GDAL isn't asked, edges that bulge between the places that are looked at, decimals of headers. */
const slack = 0.06;

void describe('footprints in other CRSs', { skip: withoutGdal }, () => {
  // Catches: a strip that is lost to a shift between datums, or to an edge that bulges; extents of another lattice; rasters that are refused though GDAL knows where they are.
  void it('are what GDAL makes of the edge', async (t) => {
    const { numRuns, seed } = propertyRuns(t, 24);
    const drawn = fc.sample(cases, { numRuns, seed });
    space.job('cases.json', drawn);
    const made = oracle(
      `
from grid_oracle import *
found = []
for n, case in enumerate(json.load(open(sys.argv[1] + '/cases.json'))):
    path = '%s/%d.tif' % (sys.argv[1], n)
    grid = grid_around(case['place'], case['epsg'], case['metres'], case['columns'], case['rows'])
    columns, rows, gt = raster_over(case['place'], grid, case['epsg'], case['columns'], case['rows'], case['crs'], case['factor'], 1, (0, 0), orientation=case['orientation'])
    make_raster(path, columns, rows, gt, case['crs'], flat=True)
    lattice = gdal.GetDriverByName('MEM').Create('', 1, 1)
    lattice.SetGeoTransform([0, grid[2], 0, 0, 0, -grid[3]])
    lattice.SetProjection(crs(case['epsg']).ExportToWkt())
    source = gdal.Open(path)
    # GDAL finds no way from some CRSs to themselves; none is drawn here.
    way = gdal.Transformer(source, lattice, [])
    edge = [(x, y) for x in range(columns + 1) for y in (0, rows)] + [(x, y) for x in (0, columns) for y in range(rows + 1)]
    points, success = way.TransformPoints(0, [(x, y, 0) for x, y in edge])
    assert all(success), case
    points = np.array(points)[:, :2]
    found.append({'resolution': grid[2:4], 'low': points.min(axis=0).tolist(), 'high': points.max(axis=0).tolist()})
answer(found)`,
      [space.folder],
    ) as Made[];
    for (const [n, { resolution, low, high }] of made.entries()) {
      const { epsg, alignedPixels } = drawn[n] as (typeof drawn)[number];
      // oxlint-disable-next-line no-await-in-loop
      const { columns, rows, geotransform } = await plannedGrid(store, space.newFolder(), { a: space.path(`${String(n)}.tif`) }, { crs: `EPSG:${String(epsg)}`, resolution, alignedPixels });
      const [x = NaN, xc = NaN, , y = NaN, , yr = NaN] = geotransform ?? [];
      const begins = [x / xc, y / yr] as const;
      const ends = [begins[0] + columns, begins[1] + rows] as const;
      // Sides from a corner of their own are rounded.
      const [beyond, short] = alignedPixels ? [1 + slack, slack] : [0.5 + slack, 0.5 + slack];
      for (const axis of [0, 1] as const) {
        const before = low[axis] - begins[axis];
        const behind = ends[axis] - high[axis];
        const said = `case ${String(n)}, ${JSON.stringify(drawn[n])}: along ${axis === 0 ? 'x' : 'y'} the grid has ${before.toFixed(3)} px before the raster, and ${behind.toFixed(3)} px behind it`;
        assert.ok(before > -slack && before < (alignedPixels ? beyond : slack), said);
        assert.ok(behind > -short && behind < beyond, said);
      }
    }
  });
});
