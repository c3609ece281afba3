/** The grid that a job asks for, against the sizes and corners that GDAL's own tools make of the same rasters. */
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { FileStore } from '../../lib/store/file-store.ts';
import { withoutGdalPrograms } from '../gdal/oracle.ts';
import { plannedGrid } from '../support/planned-grid.ts';
import { makeFiles, oracle } from '../support/raster-oracle.ts';
import { createWorkspace } from '../support/workspace.ts';

const space = createWorkspace('grid');
const store = new FileStore();
after(async () => {
  await store.close();
  space.remove();
});

/** [columns, rows, x0, y0, x size, y size] of a job's grid. */
async function gridOf(inputs: readonly string[], grid: object): Promise<number[]> {
  const { columns, rows, geotransform } = await plannedGrid(store, space.newFolder(), Object.fromEntries(inputs.map((name) => [name, space.path(`${name}.tif`)])), grid);
  const [x = NaN, xc = NaN, , y = NaN, , yr = NaN] = geotransform ?? [];
  return [columns, rows, x, y, xc, yr];
}

/** The same of what a GDAL tool makes, or of what a line of Python computes. */
function gdalGrid(commands: readonly (readonly string[])[]): number[][] {
  return oracle(
    `
from grid_oracle import *
found = []
for n, command in enumerate(json.loads(sys.argv[2])):
    out = '%s/oracle-%d.vrt' % (sys.argv[1], n)
    files = [sys.argv[1] + '/' + word[1:] + '.tif' for word in command if word.startswith('@')]
    options = ['-q'] + [word for word in command[1:] if not word.startswith('@')]
    run(['gdalwarp', '-of', 'VRT'] + options + files + [out] if command[0] == 'gdalwarp' else [command[0]] + options + [out] + files)
    ds = gdal.Open(out)
    t = ds.GetGeoTransform()
    found.append([ds.RasterXSize, ds.RasterYSize, t[0], t[3], t[1], t[5]])
answer(found)`,
    [space.folder, JSON.stringify(commands)],
  ) as number[][];
}

function near(found: readonly number[], wanted: readonly number[], what: string, pixels = 0): void {
  assert.ok(Math.abs((found[0] ?? 0) - (wanted[0] ?? 0)) <= 2 * pixels && Math.abs((found[1] ?? 0) - (wanted[1] ?? 0)) <= 2 * pixels, `${what}: wanted ${wanted.join(', ')}; found ${found.join(', ')}`);
  const size = Math.abs(wanted[4] ?? 1);
  for (const i of [2, 3]) assert.ok(Math.abs((found[i] ?? 0) - (wanted[i] ?? 0)) <= size * (pixels + 1e-6), `${what}: wanted ${wanted.join(', ')}; found ${found.join(', ')}`);
  for (const i of [4, 5]) assert.ok(Math.abs((found[i] ?? 0) - (wanted[i] ?? 0)) < 1e-9 * size, `${what}: wanted ${wanted.join(', ')}; found ${found.join(', ')}`);
}

void describe('the grid of the outputs', { skip: withoutGdalPrograms }, () => {
  // Catches: edges rounded the wrong way, corners that drift by a pixel, bounds that are cut instead of grown.
  void it('has the size and the corner that GDAL gives it', async () => {
    makeFiles(
      `
from grid_oracle import *
for name, columns, rows, gt, epsg in json.loads(sys.argv[2]):
    make_raster(sys.argv[1] + '/' + name + '.tif', columns, rows, gt, epsg, flat=True)`,
      [
        space.folder,
        JSON.stringify([
          ['a', 300, 200, [500_000, 10, 0, 5_000_000, 0, -10], 32_633],
          ['b', 300, 200, [501_230, 10, 0, 4_998_780, 0, -10], 32_633],
          // Decimals as writers round them: a hundredth of a pixel is nothing.
          ['c', 250, 250, [499_500.04, 10, 0, 5_000_499.96, 0, -10], 32_633],
          ['d', 77, 91, [500_003.7, 13.3, 0, 4_999_996.1, 0, -13.3], 32_633],
          ['z', 200, 200, [200_007, 10, 0, 5_000_003, 0, -10], 32_634],
          // Of other datums, which PROJ moves by 100 to 200 m.
          ['bern', 200, 160, [2_600_000, 10, 0, 1_200_000, 0, -10], 2056],
          ['britain', 200, 160, [400_000, 10, 0, 300_000, 0, -10], 27_700],
          ['near', 150, 100, [381_000, 10, 0, 5_200_600, 0, -10], 32_632],
          ['turned', 150, 100, [381_000, 8, 6, 5_200_600, 6, -8], 32_632],
        ]),
      ],
    );
    const bounds = [499_991.5, 4_998_004.9, 502_008.6, 5_000_013.2] as const;
    const te = bounds.map(String);
    const cases: readonly (readonly [inputs: readonly string[], grid: object, command: readonly string[], pixels?: number])[] = [
      [['a'], {}, ['gdalbuildvrt', '@a']],
      [['a', 'b'], { footprint: 'union' }, ['gdalbuildvrt', '@a', '@b']],
      [['a', 'b', 'c'], { footprint: 'union' }, ['gdalbuildvrt', '-te', '499500', '4996780', '504230', '5000500', '@a', '@b', '@c']],
      [['a'], { resolution: 7, bounds }, ['gdalwarp', '-te', ...te, '-tr', '7', '7', '@a']],
      [['a'], { resolution: [7, 3.1], bounds, alignedPixels: true }, ['gdalwarp', '-tap', '-te', ...te, '-tr', '7', '3.1', '@a']],
      [['d'], { resolution: 10 }, ['gdalwarp', '-tap', '-tr', '10', '10', '-te', '500003.7', '4998785.8', '501027.8', '4999996.1', '@d']],
      [['d'], { resolution: 10, alignedPixels: false }, ['gdalwarp', '-tr', '10', '10', '-te', '500003.7', '4998785.8', '501027.8', '4999996.1', '@d']],
      [['a'], { crs: 'EPSG:4326', resolution: 0.000_1, bounds: [15, 45.1, 15.013_37, 45.2] }, ['gdalwarp', '-t_srs', 'EPSG:4326', '-te', '15', '45.1', '15.01337', '45.2', '-tr', '0.0001', '0.0001', '@a']],
      // gdalwarp takes the footprint from some points of the edge.
      [['z'], { crs: 'EPSG:32633', resolution: 10 }, ['gdalwarp', '-t_srs', 'EPSG:32633', '-tap', '-tr', '10', '10', '@z'], 1],
      [['z'], { crs: 'EPSG:3035', resolution: 12.5 }, ['gdalwarp', '-t_srs', 'EPSG:3035', '-tap', '-tr', '12.5', '12.5', '@z'], 1],
      [['z'], { crs: 'EPSG:4326', resolution: 0.000_1 }, ['gdalwarp', '-t_srs', 'EPSG:4326', '-tap', '-tr', '0.0001', '0.0001', '@z'], 1],
      [['bern'], { crs: 'EPSG:4326', resolution: 0.000_1 }, ['gdalwarp', '-t_srs', 'EPSG:4326', '-tap', '-tr', '0.0001', '0.0001', '@bern'], 1],
      [['bern'], { crs: 'EPSG:4326', resolution: 0.000_1, alignedPixels: false }, ['gdalwarp', '-t_srs', 'EPSG:4326', '-tr', '0.0001', '0.0001', '@bern'], 1],
      [['britain'], { crs: 'EPSG:32630', resolution: 10 }, ['gdalwarp', '-t_srs', 'EPSG:32630', '-tap', '-tr', '10', '10', '@britain'], 1],
      [['near', 'bern'], { crs: 'EPSG:32632', resolution: 10, footprint: 'union' }, ['gdalwarp', '-t_srs', 'EPSG:32632', '-tap', '-tr', '10', '10', '@near', '@bern'], 1],
    ];
    const wanted = gdalGrid(cases.map(([, , command]) => command));
    for (const [i, [inputs, grid, command, pixels]] of cases.entries()) {
      // oxlint-disable-next-line no-await-in-loop
      near(await gridOf(inputs, grid), wanted[i] ?? [], `${JSON.stringify(grid)} against ${command.join(' ')}`, pixels);
    }
  });

  // Catches: an extent that is found for another lattice than the grid's: one that begins at the origin, or runs along the axes of the CRS.
  void it('of an input of another datum, on a lattice that is turned, has the pixels whose centres it covers', async () => {
    const [wanted = []] = oracle(
      `
from grid_oracle import *
folder = sys.argv[1]
source, like = (gdal.Open(folder + '/' + name + '.tif') for name in ('bern', 'turned'))
way = gdal.Transformer(source, like, [])
found = np.array([way.TransformPoint(0, x / 10, y / 10)[1][:2] for x in range(2001) for y in range(1601) if x in (0, 2000) or y in (0, 1600)])
(west, north), (east, south) = (np.floor(values + 0.5) for values in (found.min(axis=0), found.max(axis=0)))
t = like.GetGeoTransform()
x, y = gdal.ApplyGeoTransform(t, west, north)
answer([[east - west, south - north, x, y, t[1], t[5]]])`,
      [space.folder],
    ) as number[][];
    near(await gridOf(['turned', 'bern'], { like: 'turned', footprint: 'union' }), wanted, 'of bern, which has the other within it');
  });

  // Catches: footprints that are not those of RIOS, which snaps the extent of each input to the nearest pixel of the reference and then puts them together.
  void it('of inputs off the lattice of the reference has the pixels whose centres they cover', async () => {
    const snap = (value: number): number => Math.floor(value + 0.5);
    const d = { west: snap(0.37), north: snap(0.39), east: snap((500_003.7 + 77 * 13.3 - 500_000) / 10), south: snap((5_000_000 - (4_999_996.1 - 91 * 13.3)) / 10) };
    near(await gridOf(['a', 'd'], { like: 'a' }), [d.east - d.west, d.south - d.north, 500_000 + 10 * d.west, 5_000_000 - 10 * d.north, 10, -10], 'intersection');
    near(await gridOf(['a', 'd'], { like: 'a', footprint: 'union' }), [300, 200, 500_000, 5_000_000, 10, -10], 'union');
    near(await gridOf(['a', 'd'], { like: 'd', footprint: 'reference' }), [77, 91, 500_003.7, 4_999_996.1, 13.3, -13.3], 'reference');
    near(await gridOf(['a', 'b'], { footprint: 'intersection' }), [177, 78, 501_230, 4_998_780, 10, -10], 'of two on one lattice');
    near(await gridOf(['a'], { like: 'a', bounds: [500_004, 4_999_001, 500_996, 4_999_999] }), [100, 100, 500_000, 5_000_000, 10, -10], 'bounds grow to whole pixels');
    near(await gridOf(['a', 'd'], { resolution: 10, alignedPixels: false }), [102, 121, 500_003.7, 4_999_996.1, 10, -10], 'an intersection that begins at its own corner');
  });
});
