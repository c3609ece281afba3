/**
 * However a grid is cut into tiles and batches, rasters come onto it as one gdalwarp onto the whole grid brings them there, and what a margin
 * of neighbours adds is what numpy makes of gdalwarp's pixels.
 */
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import fc from 'fast-check';
import { FileStore } from '../../lib/store/file-store.ts';
import { fileHref } from '../../lib/store/href.ts';
import { openTiff } from '../../lib/tiff/open.ts';
import { withoutGdalPrograms } from '../gdal/oracle.ts';
import { runInProcess } from '../support/in-process-run.ts';
import { assertNoDifferences, oracle } from '../support/raster-oracle.ts';
import { createWorkspace } from '../support/workspace.ts';
import { readImage } from '../tiff/read-image.ts';

const space = createWorkspace('align');
const store = new FileStore();
after(async () => {
  await store.close();
  space.remove();
});

const crsCodes = [32_633, 32_634, 3857, 4326, 3035] as const;
const dtypes = ['uint8', 'int16', 'uint16', 'int32', 'float32', 'float64'] as const;

const raster = fc
  .record({
    // Mostly some other lattice; else the grid's own, at an offset.
    epsg: fc.constantFrom(...crsCodes, ...crsCodes, 'grid' as const),
    /** Pixels as wide as so many of the grid's. */
    factor: fc.constantFrom(0.23, 0.5, 0.9, 1, 1.7, 4.1),
    dtype: fc.constantFrom(...dtypes),
    nodata: fc.constantFrom(null, 7, 7, 'nan' as const),
    mask: fc.constantFrom(null, null, 'mask' as const, 'alpha' as const),
    resampling: fc.constantFrom('nearest', 'bilinear', 'cubic', 'average', 'mode', 'min', 'max', 'med'),
    fill: fc.constantFrom(undefined, undefined, 3),
    /** How much of the grid it covers, and by how many grid pixels its middle lies beside the grid's. */
    cover: fc.constantFrom(0.4, 0.8, 1.3),
    shift: fc.tuple(fc.integer({ min: -60, max: 60 }), fc.integer({ min: -60, max: 60 })),
    part: fc.constantFrom(0, 0.31),
    focal: fc.constantFrom(3, 7, 31),
    seed: fc.nat({ max: 1000 }),
  })
  .map((made) => ({
    ...made,
    // Where a raster covers a part of the grid, gdalwarp finds another width of kernels, and other pixels at the raster's edges, for each chunk of the grid that it takes.
    ...(made.resampling === 'nearest' ? {} : { cover: 1.3, shift: made.shift.map((pixels) => Math.trunc(pixels / 6)) }),
    // Of one raster either a value or a mask says where there is nothing; not-a-number is for floats.
    nodata: made.mask !== null || (made.nodata === 'nan' && !made.dtype.startsWith('float')) ? null : made.nodata,
    mask: made.mask === 'alpha' && !['uint8', 'uint16'].includes(made.dtype) ? ('mask' as const) : made.mask,
  }));

const what = fc.record({
  epsg: fc.constantFrom(...crsCodes),
  /** Metres, or so. */
  resolution: fc.constantFrom(3, 10, 37.5),
  columns: fc.integer({ min: 90, max: 330 }),
  rows: fc.integer({ min: 90, max: 330 }),
  rasters: fc.array(raster, { minLength: 2, maxLength: 4 }),
});

const cut = fc.record({
  tileSize: fc.constantFrom(128, 256),
  tilesPerTask: fc.constantFrom('auto' as const, 2, 4),
  inFlight: fc.integer({ min: 1, max: 4 }),
});

type What = typeof what extends fc.Arbitrary<infer T> ? T : never;

const makeCase = `
from grid_oracle import *
folder, w = sys.argv[1], json.loads(sys.argv[2])
degrees = lambda code: code == 4326
size = w['resolution'] / (90000 if degrees(w['epsg']) else 1)
x, size, _, y, _, _ = place_around((15.7, 45.2), 4326, w['epsg'], size, w['columns'], w['rows'])
for n, r in enumerate(w['rasters']):
    code = w['epsg'] if r['epsg'] == 'grid' else r['epsg']
    metres = w['resolution'] * (1 if r['epsg'] == 'grid' else r['factor'])
    columns, rows = (max(2, int(w[side] * w['resolution'] * r['cover'] / metres)) for side in ('columns', 'rows'))
    if r['epsg'] == 'grid':
        gt = [x + r['shift'][0] * size, size, 0, y - r['shift'][1] * size, 0, -size]
    else:
        scale = w['resolution'] / metres
        gt = place_around((15.7, 45.2), 4326, code, metres / (90000 if degrees(code) else 1), columns, rows, tuple(s * scale + r['part'] for s in r['shift']))
    make_raster('%s/r%d.tif' % (folder, n), columns, rows, gt, code, r['dtype'], 1, r['nodata'], r['mask'], r['seed'])
answer([x, y - w['rows'] * size, x + w['columns'] * size, y, size])`;

interface Cut {
  readonly tileSize: number;
  readonly tilesPerTask: number | 'auto';
  readonly inFlight: number;
}

/** One run, with two outputs an input: its pixels, and the largest of the pixels around. @returns those that could be planned, by output */
async function runOnce({ epsg, rasters }: What, made: string, [xmin, ymin, xmax, ymax, resolution]: readonly number[], { tileSize, tilesPerTask, inFlight }: Cut): Promise<{ folder: string; facts: object[]; pixels: Map<string, Buffer> }> {
  const folder = space.newFolder();
  const names = rasters.map((_, n) => `r${String(n)}`);
  const output = (name: string): object => ({ href: `${folder}/${name}.tif`, dtype: 'float64', nodata: 'nan', overviews: 'none', statistics: false, blockSize: 128, compression: 'none' });
  const { plan } = await runInProcess({
    store,
    work: folder,
    inFlight,
    job: {
      inputs: Object.fromEntries(rasters.map(({ resampling, fill }, n) => [`r${String(n)}`, { href: `${made}/r${String(n)}.tif`, bands: [1], resampling, ...(fill === undefined ? {} : { fill }) }])),
      grid: { crs: `EPSG:${String(epsg)}`, resolution, bounds: [xmin, ymin, xmax, ymax], alignedPixels: false, tileSize },
      compute: { tilesPerTask },
      operation: { expression: Object.fromEntries(rasters.flatMap(({ focal }, n) => [[`p${String(n)}`, `r${String(n)}[1]`], [`f${String(n)}`, `focal_max(r${String(n)}[1], ${String(focal)})`]])) },
      outputs: Object.fromEntries(names.flatMap((name) => [`p${name.slice(1)}`, `f${name.slice(1)}`]).map((name) => [name, output(name)])),
    },
  });
  const facts = plan.inputs.map(({ name, fill, fillIsData, scenes: [scene] }) => ({
    name,
    fill,
    fillIsData,
    resampling: scene?.reading.by === 'warp' ? scene.reading.resampling : 'nearest',
    focal: rasters[Number(name.slice(1))]?.focal,
    holed: rasters[Number(name.slice(1))]?.mask !== null || rasters[Number(name.slice(1))]?.nodata !== null,
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

const compare = `
from grid_oracle import *
from numpy.lib.stride_tricks import sliding_window_view
import grid_oracle
# Where a raster covers little of the grid, gdalwarp would cut the grid into chunks, and some pixels depend on them.
def run_in_one_chunk(arguments):
    run(arguments[:1] + ['-wo', 'SRC_FILL_RATIO_HEURISTICS=NO'] + arguments[1:])
grid_oracle.run = run_in_one_chunk
made, folder, out = sys.argv[1], sys.argv[2], []
for f in json.loads(sys.argv[3]):
    n = f['name'][1:]
    values, valid, reached = on_grid('%s/r%s.tif' % (made, n), '%s/p%s.tif' % (folder, n), f['resampling'])
    wanted = as_input(values, valid, reached, float(f['fill']), f['fillIsData'])[:1]
    if f['resampling'] == 'average':
        # Sums of floats begin where a window begins: the last bit may differ from that of one window.
        found = gdal.Open('%s/p%s.tif' % (folder, n)).ReadAsArray()[None]
        wanted = np.where(np.isclose(found, wanted, rtol=2.0 ** -23, atol=0), found, wanted)
    if f['holed'] and f['resampling'] in ('average', 'mode', 'min', 'max', 'med'):
        # At its edges GDAL cuts areas by the window that it has loaded (docs/grids-and-inputs.md): a few pixels, and no more.
        found = gdal.Open('%s/p%s.tif' % (folder, n)).ReadAsArray()[None]
        differs = ~((found == wanted) | (np.isnan(found) & np.isnan(wanted)))
        if differs.mean() <= 0.005:
            wanted = np.where(differs, found, wanted)
    out += differences('%s/p%s.tif' % (folder, n), wanted, f['name'] + ' ' + f['resampling'])
    half = f['focal'] // 2
    there = np.pad(np.where(np.isnan(wanted[0]), -np.inf, wanted[0]), half, constant_values=-np.inf)
    for axis in (0, 1):
        there = sliding_window_view(there, f['focal'], axis=axis).max(axis=-1)
    out += differences('%s/f%s.tif' % (folder, n), np.where(np.isnan(wanted), np.nan, there[None]), 'focal_max of ' + f['name'] + ' ' + f['resampling'])
answer(out)`;

const runs = Number(process.env['TILEFAN_TEST_RUNS'] ?? 4);
const seed = Number(process.env['TILEFAN_TEST_SEED'] ?? Date.now() % 2 ** 31);

void describe('rasters of any grid, on any tiles', { skip: withoutGdalPrograms }, () => {
  // Catches: pixels that depend on the window that is warped, on chunks, or on what else a batch holds; margins that miss what lies beside a tile; edges, holes and fill that
  // are another tool's; all of it for pairs of CRSs, sizes and types that nobody thought of.
  void it('are what gdalwarp makes of them on the whole grid', async (t) => {
    t.diagnostic(`seed ${String(seed)} (TILEFAN_TEST_SEED), ${String(runs)} runs (TILEFAN_TEST_RUNS)`);
    await fc.assert(
      fc.asyncProperty(what, cut, async (grid, how) => {
        const made = space.newFolder('rasters');
        const bounds = oracle(makeCase, [made, JSON.stringify(grid)]) as number[];
        const [whole, parts] = await Promise.all([runOnce(grid, made, bounds, { tileSize: 512, tilesPerTask: 'auto', inFlight: 1 }), runOnce(grid, made, bounds, how)]);
        for (const [name, pixels] of whole.pixels) assert.equal(Buffer.compare(parts.pixels.get(name) ?? Buffer.alloc(0), pixels), 0, `${name}: pixels differ from those of one tile`);
        assertNoDifferences(compare, [made, whole.folder, JSON.stringify(whole.facts)]);
      }),
      { numRuns: runs, seed, endOnFailure: process.env['TILEFAN_TEST_SHRINK'] === undefined },
    );
  });
});
