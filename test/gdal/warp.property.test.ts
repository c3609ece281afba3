/** Whatever the windows are, a warp by windows is the warp of the whole grid, and that is gdalwarp's. */
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';

import fc from 'fast-check';

import { GdalPool } from '../../lib/gdal/gdal-pool.ts';
import { warpResamplings, type WarpRequest } from '../../lib/gdal/gdal-requests.ts';
import { bytesPerSample, dtypes, type Dtype } from '../../lib/raster/dtype.ts';
import type { Window } from '../../lib/raster/window.ts';
import { fileHref } from '../../lib/store/href.ts';
import { places, type TestCrs } from '../support/places.ts';
import { propertyRuns } from '../support/property-runs.ts';
import { createWorkspace } from '../support/workspace.ts';
import { bytesOf, oracle, withoutGdalPrograms, type TestGrid } from './oracle.ts';

const workspace = createWorkspace('warp');
after(() => workspace.remove());

/** Where edges tell what lies within: a grid here is what a source spans. */
const here = places.filter(({ seam }) => !seam);

/** Resamplings of areas: GDAL cuts those at the edges of a source with a mask by the window that it has loaded (docs/grids-and-inputs.md). */
const areas: readonly string[] = ['average', 'mode', 'min', 'max', 'med'];
/** The share of samples in which gdalwarp may differ there. */
const mostAtEdges = 0.005;

const caseArbitrary = fc.constantFrom(...here).chain(({ centre, epsg, others, resolutions }) =>
  fc.record({
    centre: fc.constant(centre),
    epsg: fc.constantFrom<TestCrs[]>(...epsg, ...epsg, ...others),
    gridEpsg: fc.constantFrom(...epsg),
    metres: fc.constantFrom(...resolutions),
    orientation: fc.constantFrom('north-up', 'north-up', 'north-up', 'north-up', 'south-up', 'mirrored', 'rotated', 'sheared', 'turned'),
    columns: fc.integer({ min: 20, max: 120 }),
    rows: fc.integer({ min: 20, max: 120 }),
    ratio: fc.constantFrom(0.4, 0.77, 1, 1.02, 1.6, 2, 3.7),
    // In the widest gdalwarp finds little of the source, and would cut the grid into chunks whose kernels differ.
    margin: fc.constantFrom(-0.2, 0, 0.05, 0.6),
    bands: fc.integer({ min: 1, max: 3 }),
    dtype: fc.constantFrom(...dtypes),
    resampling: fc.constantFrom(...warpResamplings),
    nodata: fc.constantFrom('none', 'number', 'lowest', 'nan'),
    init: fc.boolean(),
    mask: fc.constantFrom(undefined, undefined, 'dataset', 'alpha', 'copied alpha'),
    seed: fc.integer({ min: 1, max: 1000 }),
    cuts: fc.tuple(fc.integer({ min: 5, max: 70 }), fc.integer({ min: 5, max: 70 })),
    halo: fc.integer({ min: 0, max: 4 }),
  }),
);

type Case = typeof caseArbitrary extends fc.Arbitrary<infer T> ? T : never;

interface Made {
  readonly grid: TestGrid;
  readonly pool: GdalPool;
  readonly request: Omit<WarpRequest, 'window' | 'into'>;
  readonly expected: Uint8Array;
  /** Not 0 for pixels at the edges of the source; undefined where no pixel may differ. */
  readonly edges: Uint8Array | undefined;
}

function nodataOf({ nodata, dtype }: Case): number | null {
  if (nodata === 'none') return null;
  if (nodata === 'nan' && dtype.startsWith('float')) return Number.NaN;
  return nodata === 'lowest' ? { int8: -128, int16: -32_768, int32: -2_147_483_648 }[dtype as string] ?? 0 : 7;
}

let count = 0;

/** Makes the files of a case, and what gdalwarp makes of them. */
async function withCase(given: Case, use: (made: Made) => Promise<void>): Promise<void> {
  // Nobody has an alpha band of signed bytes.
  const test = given.dtype === 'int8' && given.mask !== 'dataset' ? { ...given, mask: undefined } : given;
  const folder = workspace.newFolder(`case${String(++count)}`);
  const source = `${folder}/source.tif`;
  const nodata = nodataOf(test);
  const common = { epsg: test.epsg, gridEpsg: test.gridEpsg, columns: test.columns, rows: test.rows, centre: test.centre, metres: test.metres, orientation: test.orientation, dtype: test.dtype, bands: test.bands, seed: test.seed };
  // An alpha band says what has data, or is one of the bands that are wanted.
  const alpha = test.mask === 'copied alpha';
  const validity = test.mask !== undefined && !alpha;
  const [, grid] = oracle([
    { do: 'make_source', path: source, ...common, mask: alpha ? 'alpha' : test.mask, gap: nodata === null ? undefined : String(nodata) },
    { do: 'make_grid', path: `${folder}/grid.tif`, ...common, ratio: test.ratio, margin: test.margin },
  ]) as [unknown, TestGrid];
  const href = fileHref(source);
  const init = test.init && !validity && !alpha ? 99 : undefined;
  // A mask and nodata in one source: GDAL has rules for which counts, which nobody relies on.
  const effective = validity || alpha ? null : nodata;
  const pool = await GdalPool.start({ processes: 2, grid: bytesOf(`${folder}/grid.tif`) });
  try {
    // For where the source covers little of the grid; elsewhere gdalwarp finds the widths of kernels by itself.
    const scale = test.resampling === 'nearest' ? undefined : await pool.warpScale({ href }, test.resampling);
    // With a mask or an alpha band, areas may differ from gdalwarp's at the edges of the source, as far as GDAL continues the source.
    const edge = test.mask === undefined || !areas.includes(test.resampling) ? undefined : 1 + 2 * Math.ceil(1 / Math.min(1, test.ratio));
    oracle([{ do: 'gdalwarp', scale, turned: test.orientation === 'turned' && areas.includes(test.resampling), edge, source, to: `${folder}/expected`, grid, gridEpsg: test.gridEpsg, dtype: test.dtype, resampling: test.resampling, validity, nodata: effective === null ? null : String(effective), init }]);
    const bands = Array.from({ length: test.bands + (alpha ? 1 : 0) }, (_, index) => index + 1);
    await use({
      grid,
      pool,
      expected: bytesOf(`${folder}/expected`),
      edges: edge === undefined ? undefined : bytesOf(`${folder}/expected.edges`),
      request: { source: { href }, bands, dtype: test.dtype, resampling: test.resampling, nodata: effective, validity, alpha, ...(init === undefined ? {} : { init }) },
    });
  } finally {
    await pool.close();
  }
}

/** The whole grid from windows of these sides, each read with a margin that is thrown away. */
async function assemble(made: Made, sides: readonly [number, number], halo: number): Promise<Uint8Array> {
  const { grid, request, pool } = made;
  const { bands, dtype, validity = false } = request;
  const planes: { readonly size: number; readonly at: number }[] = bands.map((_, index) => ({ size: bytesPerSample(dtype), at: index * grid.columns * grid.rows * bytesPerSample(dtype) }));
  if (validity) planes.push({ size: 1, at: planes.length * grid.columns * grid.rows * bytesPerSample(dtype) });
  const whole = new Uint8Array(planes.reduce((sum, plane) => sum + plane.size * grid.columns * grid.rows, 0));
  const windows: Window[] = [];
  for (let row = 0; row < grid.rows; row += sides[1]) {
    for (let column = 0; column < grid.columns; column += sides[0]) {
      windows.push({ column, row, columns: Math.min(sides[0], grid.columns - column), rows: Math.min(sides[1], grid.rows - row) });
    }
  }
  await Promise.all(
    windows.map(async (inner) => {
      const window = { column: inner.column - halo, row: inner.row - halo, columns: inner.columns + 2 * halo, rows: inner.rows + 2 * halo };
      const samples = window.columns * window.rows;
      const into = new Uint8Array(new SharedArrayBuffer(samples * (bands.length * bytesPerSample(dtype) + (validity ? 1 : 0))));
      await pool.warp({ ...request, window, into });
      let from = 0;
      for (const { size, at } of planes) {
        for (let row = 0; row < inner.rows; row++) {
          const start = from + ((row + halo) * window.columns + halo) * size;
          whole.set(into.subarray(start, start + inner.columns * size), at + ((inner.row + row) * grid.columns + inner.column) * size);
        }
        from += samples * size;
      }
    }),
  );
  return whole;
}

/** @param edges planes of bytes: pixels that may differ, in few samples, are not 0 */
function sameBytes(found: Uint8Array, expected: Uint8Array, what: string, dtype: Dtype, edges?: Uint8Array): void {
  assert.equal(found.length, expected.length, `${what}: length`);
  if (Buffer.compare(found, expected) === 0) return;
  const size = bytesPerSample(dtype);
  const different: number[] = [];
  for (let at = 0; at < found.length; at += size) if (Buffer.compare(found.subarray(at, at + size), expected.subarray(at, at + size)) !== 0) different.push(at / size);
  if (edges !== undefined && different.every((sample) => edges[sample % edges.length] !== 0) && different.length <= mostAtEdges * (found.length / size)) return;
  assert.fail(`${what}: ${String(different.length)} of ${String(found.length / size)} samples differ, first at ${String(different[0])}`);
}

void describe('warping by windows', { skip: withoutGdalPrograms }, () => {
  // Catches coordinates that depend on the window, kernels that depend on the chunk, masks and nodata that GDAL treats otherwise, edges that are cut.
  void it('gives what gdalwarp gives for the whole grid', { timeout: 600_000 }, async (t) => {
    await fc.assert(
      fc.asyncProperty(caseArbitrary, async (test) => {
        await withCase(test, async (made) => {
          const whole = await assemble(made, [made.grid.columns, made.grid.rows], 0);
          sameBytes(whole, made.expected, 'the whole against gdalwarp', test.dtype, made.edges);
          sameBytes(await assemble(made, test.cuts, test.halo), whole, 'windows against the whole', test.dtype);
        });
      }),
      propertyRuns(t, 16),
    );
  });
  // Catches: giving up where GDAL knows no way from a CRS to itself. It doesn't for turned rasters, nor beyond the area of use that PROJ has for a CRS.
  for (const { epsg, centre, orientation } of [{ epsg: 4167, centre: [172.6, -43.5], orientation: 'turned' }, { epsg: 4258, centre: [-120.5, 47.3], orientation: 'north-up' }] as const) {
    void it(`goes from EPSG:${String(epsg)} to itself: ${orientation}, at ${centre.join(', ')}`, async () => {
      const common = { epsg, gridEpsg: epsg, centre, orientation, metres: 30, columns: 22, rows: 20, ratio: 0.77, margin: 0.05, bands: 2, dtype: 'int32', resampling: 'cubic', nodata: 'lowest', init: true, mask: undefined, seed: 1, cuts: [21, 25], halo: 3 } as const;
      await withCase({ ...common, centre: [...centre], cuts: [...common.cuts] }, async (made) => sameBytes(await assemble(made, [15, 15], 2), made.expected, 'windows against gdalwarp', 'int32'));
    });
  }
  // Catches kernels that are too narrow where the grid is much larger than the source: each pixel would be a sample instead of a mean.
  void it('widens kernels by what the source covers of a large grid', async () => {
    const folder = workspace.newFolder('large');
    const [href, size] = [fileHref(`${folder}/source.tif`), 10];
    const common = { epsg: 32633, gridEpsg: 32633, columns: 150, rows: 120, transform: [500_000, size, 0, 5_000_000, 0, -size], dtype: 'float32', bands: 1, seed: 3 };
    // The same pixels: a grid as large as the source, and one with a border of twice that.
    const [, small, large] = oracle([
      { do: 'make_source', path: `${folder}/source.tif`, ...common },
      { do: 'make_grid', path: `${folder}/small.tif`, ...common, ratio: 3, margin: 0 },
      { do: 'make_grid', path: `${folder}/large.tif`, ...common, ratio: 3, margin: 2 },
    ]) as [unknown, TestGrid, TestGrid];
    oracle([{ do: 'gdalwarp', source: `${folder}/source.tif`, to: `${folder}/expected`, grid: small, gridEpsg: 32633, dtype: 'float32', resampling: 'cubic', validity: false, nodata: null }]);
    assert.deepEqual([large.columns, large.rows], [250, 200]);
    const pool = await GdalPool.start({ processes: 1, grid: bytesOf(`${folder}/large.tif`) });
    try {
      assert.deepEqual(await pool.warpScale({ href }, 'cubic'), [1 / 3, 1 / 3]);
      const into = new Uint8Array(small.columns * small.rows * 4);
      await pool.warp({ source: { href }, window: { column: 100, row: 80, columns: small.columns, rows: small.rows }, bands: [1], dtype: 'float32', resampling: 'cubic', nodata: null, into });
      sameBytes(into, bytesOf(`${folder}/expected`), 'a part of a large grid', 'float32');
    } finally {
      await pool.close();
    }
  });
});
