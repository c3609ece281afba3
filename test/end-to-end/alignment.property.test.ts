/**
 * However a grid is cut into tiles and batches, rasters come onto it as one gdalwarp onto the whole grid brings them there, and what a margin
 * of neighbours adds is what numpy makes of gdalwarp's pixels.
 */
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import fc from 'fast-check';
import { TilefanError } from '../../lib/base/errors.ts';
import { warpResamplings } from '../../lib/gdal/gdal-requests.ts';
import type { Problem } from '../../lib/job/problems.ts';
import { FileStore } from '../../lib/store/file-store.ts';
import { fileHref } from '../../lib/store/href.ts';
import { openTiff } from '../../lib/tiff/open.ts';
import { withoutGdalPrograms } from '../gdal/oracle.ts';
import { runInProcess } from '../support/in-process-run.ts';
import { places, type Place, type TestCrs } from '../support/places.ts';
import { propertyRuns } from '../support/property-runs.ts';
import { assertNoDifferences, oracle } from '../support/raster-oracle.ts';
import { warpScales } from '../support/warp-scales.ts';
import { createWorkspace } from '../support/workspace.ts';
import { readImage } from '../tiff/read-image.ts';

const space = createWorkspace('align');
const store = new FileStore();
after(async () => {
  await store.close();
  space.remove();
});

const dtypes = ['uint8', 'int8', 'int16', 'uint16', 'int32', 'uint32', 'float32', 'float64'] as const;

const rasterAt = ({ epsg, others, around }: Place): fc.Arbitrary<TestRaster> =>
  fc
    .record({
      // Mostly some other lattice; else the grid's own, at an offset.
      crs: fc.constantFrom<TestCrs[]>(...epsg, ...epsg, ...others, 'grid'),
      /** Pixels as wide as so many of the grid's. */
      factor: fc.constantFrom(0.23, 0.5, 0.9, 1, 1.7, 4.1),
      dtype: fc.constantFrom(...dtypes),
      nodata: fc.constantFrom(null, 7, 7, 'nan' as const),
      mask: fc.constantFrom(null, null, 'mask' as const, 'alpha' as const),
      resampling: fc.constantFrom(...warpResamplings),
      fill: fc.constantFrom(undefined, undefined, 3),
      /** How much of the grid it covers, and how far its middle lies beside the grid's, in parts of the grid. */
      cover: fc.constantFrom(0.4, 0.8, 1.3, 1.3),
      shift: fc.tuple(fc.integer({ min: -40, max: 40 }), fc.integer({ min: -40, max: 40 })),
      part: fc.constantFrom(0, 0.31),
      orientation: fc.constantFrom('north-up', 'north-up', 'north-up', 'north-up', 'south-up', 'mirrored', 'rotated', 'sheared', 'turned'),
      /** In degrees, whole turns to the east. */
      turn: fc.constantFrom(0, 0, 0, around === null ? 0 : 1, 1, -1),
      focal: fc.constantFrom(3, 7, 31),
      seed: fc.nat({ max: 1000 }),
    })
    .map((made) => ({
      ...made,
      // One that covers the grid is moved little enough to cover it still, and then gdalwarp finds the widths of kernels by itself.
      shift: made.shift.map((percent) => percent / (made.cover > 1 ? 400 : 100)),
      // Of one raster either a value or a mask says where there is nothing; not-a-number is for floats.
      nodata: made.mask !== null || (made.nodata === 'nan' && !made.dtype.startsWith('float')) ? null : made.nodata,
      mask: made.mask === 'alpha' && !['uint8', 'uint16'].includes(made.dtype) ? ('mask' as const) : made.mask,
    }));

const what = fc
  .constantFrom(...places)
  .chain((place) =>
    fc.record({
      place: fc.constant(place),
      epsg: fc.constantFrom(...place.epsg, ...place.gridEpsg),
      metres: fc.constantFrom(...place.resolutions),
      /** Degrees that are squares on the ground. */
      stretched: fc.boolean(),
      columns: fc.integer({ min: 90, max: 330 }),
      rows: fc.integer({ min: 90, max: 330 }),
      rasters: fc.array(rasterAt(place), { minLength: 1, maxLength: 3 }),
    }),
  )
  // No GeoTIFF of GDAL's making is in a CRS that is for grids only.
  .map((made) => ({ ...made, rasters: made.rasters.map((raster) => (raster.crs === 'grid' && made.place.gridEpsg.includes(made.epsg) ? { ...raster, crs: made.place.epsg[0] ?? 4326 } : raster)) }));

const cut = fc.record({
  tileSize: fc.constantFrom(128, 256),
  tilesPerTask: fc.constantFrom('auto' as const, 2, 4),
  inFlight: fc.integer({ min: 1, max: 4 }),
});

interface TestRaster {
  readonly crs: TestCrs;
  readonly factor: number;
  readonly dtype: string;
  readonly nodata: number | 'nan' | null;
  readonly mask: 'mask' | 'alpha' | null;
  readonly resampling: string;
  readonly fill: number | undefined;
  readonly cover: number;
  readonly shift: readonly number[];
  readonly part: number;
  readonly orientation: string;
  readonly turn: number;
  readonly focal: number;
  readonly seed: number;
}

type What = typeof what extends fc.Arbitrary<infer T> ? T : never;

const makeCase = `
from grid_oracle import *
folder, w = sys.argv[1], json.loads(sys.argv[2])
grid = grid_around(w['place'], w['epsg'], w['metres'], w['columns'], w['rows'], w['stretched'])
x, y, wide, high = grid
for n, r in enumerate(w['rasters']):
    if r['crs'] == 'grid':
        columns, rows = (max(2, int(w[side] * r['cover'])) for side in ('columns', 'rows'))
        offset = [int(w[side] * (part + 0.5 - r['cover'] / 2)) for side, part in zip(('columns', 'rows'), r['shift'])]
        code, gt = w['epsg'], [x + offset[0] * wide, wide, 0, y - offset[1] * high, 0, -high]
    else:
        code = r['crs']
        columns, rows, gt = raster_over(w['place'], grid, w['epsg'], w['columns'], w['rows'], code, r['factor'], r['cover'], r['shift'], r['turn'], r['orientation'])
        gt[0], gt[3] = gt[0] + r['part'] * gt[1], gt[3] + r['part'] * gt[5]
    make_raster('%s/r%d.tif' % (folder, n), columns, rows, gt, code, r['dtype'], 1, r['nodata'], r['mask'], r['seed'])
made = gdal.GetDriverByName('VRT').Create(folder + '/grid.vrt', w['columns'], w['rows'], 1, gdal.GDT_Byte)
made.SetGeoTransform([x, wide, 0, y, 0, -high])
made.SetProjection(crs(w['epsg']).ExportToWkt())
answer([x, y - w['rows'] * high, x + w['columns'] * wide, y, wide, high])`;

interface Cut {
  readonly tileSize: number;
  readonly tilesPerTask: number | 'auto';
  readonly inFlight: number;
}

/** One run, with two outputs an input: its pixels, and the largest of the pixels around. @returns those that could be planned, by output */
async function runOnce({ epsg, rasters }: Pick<What, 'epsg' | 'rasters'>, disjoint: readonly number[], made: string, [xmin, ymin, xmax, ymax, ...resolution]: readonly number[], { tileSize, tilesPerTask, inFlight }: Cut): Promise<{ folder: string; facts: object[]; pixels: Map<string, Buffer> }> {
  const folder = space.newFolder();
  const taken = rasters.map((raster, n) => ({ ...raster, n })).filter(({ n }) => !disjoint.includes(n));
  const output = (name: string): object => ({ href: `${folder}/${name}.tif`, dtype: 'float64', nodata: 'nan', overviews: 'none', statistics: false, blockSize: 128, compression: 'none' });
  const { plan } = await runInProcess({
    store,
    work: folder,
    inFlight,
    job: {
      inputs: Object.fromEntries(taken.map(({ resampling, fill, n }) => [`r${String(n)}`, { href: `${made}/r${String(n)}.tif`, bands: [1], resampling, ...(fill === undefined ? {} : { fill }) }])),
      grid: { crs: `EPSG:${String(epsg)}`, resolution, bounds: [xmin, ymin, xmax, ymax], alignedPixels: false, tileSize },
      compute: { tilesPerTask },
      operation: { expression: Object.fromEntries(taken.flatMap(({ focal, n }) => [[`p${String(n)}`, `r${String(n)}[1]`], [`f${String(n)}`, `focal_max(r${String(n)}[1], ${String(focal)})`]])) },
      outputs: Object.fromEntries(taken.flatMap(({ n }) => [`p${String(n)}`, `f${String(n)}`]).map((name) => [name, output(name)])),
    },
  });
  const scales = await warpScales(plan, `${folder}/p${plan.inputs[0]?.name.slice(1) ?? ''}.tif`);
  const facts = plan.inputs.map(({ name, fill, fillIsData, scenes: [scene] }) => ({
    name,
    fill,
    fillIsData,
    resampling: scene?.reading.by === 'warp' ? scene.reading.resampling : 'nearest',
    focal: rasters[Number(name.slice(1))]?.focal,
    scale: scales[scene?.href ?? ''],
  }));
  const pixels = new Map<string, Buffer>();
  for (const { name } of plan.outputs) {
    // oxlint-disable-next-line no-await-in-loop
    const tiff = await openTiff(store, fileHref(`${folder}/${name}.tif`));
    // oxlint-disable-next-line no-await-in-loop
    const samples = await readImage(store, tiff, tiff.main, Number.NaN);
    pixels.set(name, Buffer.from(samples.buffer, samples.byteOffset, samples.byteLength));
  }
  return { folder, facts, pixels };
}

/** The rasters that a refusal says to have nothing on the grid. @throws any other error */
function saidDisjoint(error: unknown): number[] {
  const problems = error instanceof TilefanError ? (error.where['problems'] as readonly Problem[] | undefined) : undefined;
  if (problems === undefined || problems.some(({ code }) => code !== 'GRID_DISJOINT')) throw error;
  return problems.map(({ path }) => Number(/\.r(\d+)$/.exec(path)?.[1]));
}

const checkDisjoint = `
from grid_oracle import *
made, out = sys.argv[1], []
for n in json.loads(sys.argv[2]):
    _, _, reached = on_grid('%s/r%d.tif' % (made, n), made + '/grid.vrt')
    if reached.any():
        out.append('r%d was refused, and reaches %d pixels of the grid' % (n, reached.sum()))
answer(out)`;

const compare = `
from grid_oracle import *
from numpy.lib.stride_tricks import sliding_window_view
from scipy.ndimage import binary_dilation, binary_erosion
import grid_oracle
looks = []
# Where a raster covers little of the grid, gdalwarp would cut the grid into chunks, and some pixels depend on them.
def run_in_one_chunk(arguments):
    # Without an extra it would cut off what areas reach beyond the places along the edges of the grid that it has looked at.
    areas = ['-wo', 'SOURCE_EXTRA=20'] if set(arguments) & {'average', 'mode', 'min', 'max', 'med'} else []
    run(arguments[:1] + ['-wo', 'SRC_FILL_RATIO_HEURISTICS=NO'] + (looks or areas) + arguments[1:])
grid_oracle.run = run_in_one_chunk
made, folder, seam, out = sys.argv[1], sys.argv[2], sys.argv[4] == 'true', []
for f in json.loads(sys.argv[3]):
    n = f['name'][1:]
    source, to = '%s/r%s.tif' % (made, n), '%s/p%s.tif' % (folder, n)
    looks[:] = []
    values, valid, reached = on_grid(source, to, f['resampling'])
    partly = not reached.all()
    if partly and (f.get('scale') or seam) or seam and f.get('scale'):
        # The grid spans more than the source has, or a source of a whole turn begins within it: gdalwarp has to be told of kernels. At a seam it has to look for the source within the grid, too: where it looks
        # along the edges only, it loses most of a source around a pole.
        # Where a source is turned, kernels reach farther along an axis than what gdalwarp loads for them.
        looks[:] = ['-wo', 'SOURCE_EXTRA=40'] + (['-wo', 'SAMPLE_GRID=YES'] if seam else [])
        values, valid, reached = on_grid(source, to, f['resampling'], scale=f.get('scale'))
    wanted = as_input(values, valid, reached, float(f['fill']), f['fillIsData'])[:1]
    found = gdal.Open(to).ReadAsArray()[None]
    if f['resampling'] == 'average':
        # Sums of floats begin where a window begins: the last bit may differ from that of one window.
        wanted = np.where(np.isclose(found, wanted, rtol=2.0 ** -23, atol=0), found, wanted)
    if f['resampling'] in ('average', 'mode', 'min', 'max', 'med') and partly:
        # Where a source ends within the grid, gdalwarp cuts areas by what it has loaded (docs/grids-and-inputs.md): a few pixels, as near to the end as areas reach.
        steps = 2 + 2 * int(np.ceil(max([1.0] + (f.get('scale') or []))))
        near = binary_dilation(reached, iterations=steps) & ~binary_erosion(reached, iterations=steps, border_value=1)
        differs = ~((found == wanted) | (np.isnan(found) & np.isnan(wanted))) & near
        if differs.mean() <= 0.002:
            wanted = np.where(differs, found, wanted)
    out += differences(to, wanted, f['name'] + ' ' + f['resampling'])
    half = f['focal'] // 2
    there = np.pad(np.where(np.isnan(wanted[0]), -np.inf, wanted[0]), half, constant_values=-np.inf)
    for axis in (0, 1):
        there = sliding_window_view(there, f['focal'], axis=axis).max(axis=-1)
    out += differences('%s/f%s.tif' % (folder, n), np.where(np.isnan(wanted), np.nan, there[None]), 'focal_max of ' + f['name'] + ' ' + f['resampling'])
answer(out)`;

void describe('rasters of any grid, on any tiles', { skip: withoutGdalPrograms }, () => {
  // Catches: pixels that depend on the window that is warped, on chunks, or on what else a batch holds; margins that miss what lies beside a tile; edges, holes and fill that
  // are another tool's; all of it for pairs of CRSs, sizes and types that nobody thought of.
  void it('are what gdalwarp makes of them on the whole grid', async (t) => {
    await fc.assert(
      fc.asyncProperty(what, cut, async (grid, how) => {
        const made = space.newFolder('rasters');
        const bounds = oracle(makeCase, [made, JSON.stringify(grid)]) as number[];
        const once = { tileSize: 512, tilesPerTask: 'auto', inFlight: 1 } as const;
        // Whether a raster has anything on the grid is the program's to say, and gdalwarp's to confirm.
        let disjoint: number[] = [];
        const whole = await runOnce(grid, disjoint, made, bounds, once).catch(async (error: unknown) => {
          disjoint = saidDisjoint(error);
          assertNoDifferences(checkDisjoint, [made, JSON.stringify(disjoint)]);
          return disjoint.length === grid.rasters.length ? undefined : await runOnce(grid, disjoint, made, bounds, once);
        });
        if (whole === undefined) return;
        const parts = await runOnce(grid, disjoint, made, bounds, how);
        for (const [name, pixels] of whole.pixels) assert.equal(Buffer.compare(parts.pixels.get(name) ?? Buffer.alloc(0), pixels), 0, `${name}: pixels differ from those of one tile`);
        assertNoDifferences(compare, [made, whole.folder, JSON.stringify(whole.facts), String(grid.place.seam)]);
      }),
      propertyRuns(t, 10),
    );
  });
});
