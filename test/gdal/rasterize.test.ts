/** Vectors burnt by windows: what gdal_rasterize burns into the whole grid. */
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';

import { GdalPool } from '../../lib/gdal/gdal-pool.ts';
import type { RasterizeRequest } from '../../lib/gdal/gdal-requests.ts';
import { bytesPerSample, type Dtype } from '../../lib/raster/dtype.ts';
import { fileHref } from '../../lib/store/href.ts';
import { createWorkspace } from '../support/workspace.ts';
import { bytesOf, oracle, withoutGdalPrograms, type TestGrid } from './oracle.ts';

const workspace = createWorkspace('rasterize');
after(() => workspace.remove());

interface Case {
  readonly format: 'gpkg' | 'geojson' | 'shp';
  readonly epsg: number;
  readonly dtype: Dtype;
  readonly attribute?: string;
  readonly allTouched?: boolean;
  readonly where?: string;
}

const gridEpsg = 32633;

const cases: readonly Case[] = [
  { format: 'gpkg', epsg: 32633, dtype: 'uint8', attribute: 'value' },
  // Features that overlap: the order in which they burn must not be that of the spatial index.
  { format: 'gpkg', epsg: 32633, dtype: 'float32', attribute: 'value', allTouched: true },
  { format: 'shp', epsg: 32633, dtype: 'int8' },
  { format: 'geojson', epsg: 4326, dtype: 'int16', attribute: 'value', where: "kind = 'a'" },
  { format: 'gpkg', epsg: 3035, dtype: 'float64', attribute: 'value', allTouched: true },
  { format: 'shp', epsg: 3857, dtype: 'uint16', attribute: 'value', where: 'value > 50' },
];

async function assemble(pool: GdalPool, request: Omit<RasterizeRequest, 'window' | 'into'>, grid: TestGrid, sides: readonly [number, number], halo: number): Promise<Uint8Array> {
  const size = bytesPerSample(request.dtype);
  const whole = new Uint8Array(grid.columns * grid.rows * size);
  for (let row = 0; row < grid.rows; row += sides[1]) {
    for (let column = 0; column < grid.columns; column += sides[0]) {
      const columns = Math.min(sides[0], grid.columns - column);
      const rows = Math.min(sides[1], grid.rows - row);
      const window = { column: column - halo, row: row - halo, columns: columns + 2 * halo, rows: rows + 2 * halo };
      const into = new Uint8Array(window.columns * window.rows * size);
      // oxlint-disable-next-line no-await-in-loop
      await pool.rasterize({ ...request, window, into });
      for (let y = 0; y < rows; y++) {
        const start = ((y + halo) * window.columns + halo) * size;
        whole.set(into.subarray(start, start + columns * size), ((row + y) * grid.columns + column) * size);
      }
    }
  }
  return whole;
}

void describe('rasterizing by windows', { skip: withoutGdalPrograms }, () => {
  for (const [number, test] of cases.entries()) {
    // Catches features that a filter loses, another order, coordinates that depend on the window, pixels beyond the grid that aren't `init`.
    void it(`burns ${test.format} of EPSG:${String(test.epsg)} as gdal_rasterize does${test.allTouched === true ? ', all touched' : ''}${test.where === undefined ? '' : `, where ${test.where}`}`, async () => {
      const folder = workspace.newFolder();
      const path = `${folder}/fields.${test.format}`;
      const common = { epsg: gridEpsg, gridEpsg, columns: 180, rows: 140, transform: [500_000, 10, 0, 5_000_000, 0, -10] };
      const [grid] = oracle([
        { do: 'make_grid', path: `${folder}/grid.tif`, ...common, ratio: 1, margin: 0 },
        { do: 'make_vector', path, grid: `${folder}/grid.tif`, gridEpsg, epsg: test.epsg, count: 90, seed: number + 1 },
      ]) as [TestGrid];
      oracle([{ do: 'gdal_rasterize', source: path, to: `${folder}/expected`, gridPath: `${folder}/grid.tif`, dtype: test.dtype, init: 3, burn: 42, attribute: test.attribute, allTouched: test.allTouched, where: test.where }]);
      const expected = bytesOf(`${folder}/expected`);
      assert.ok(new Set(expected).size > 1, 'the oracle burnt something');
      const pool = await GdalPool.start({ processes: 1, grid: bytesOf(`${folder}/grid.tif`) });
      try {
        const request = {
          source: { href: fileHref(path) },
          layer: 'fields',
          dtype: test.dtype,
          init: 3,
          value: test.attribute === undefined ? { burn: 42 } : { attribute: test.attribute },
          ...(test.allTouched === undefined ? {} : { allTouched: test.allTouched }),
          ...(test.where === undefined ? {} : { where: test.where }),
        };
        for (const [sides, halo] of [[[grid.columns, grid.rows], 0], [[37, 53], 0], [[16, 16], 3]] as const) {
          const found = await assemble(pool, request, grid, sides, halo);
          assert.equal(Buffer.compare(found, expected), 0, `windows of ${sides.join(' x ')} px with a halo of ${String(halo)}`);
        }
      } finally {
        await pool.close();
      }
    });
  }

  // Catches a layer or an attribute that is guessed, and errors that don't say what there is.
  void it('says which layers and attributes there are', async () => {
    const folder = workspace.newFolder();
    const path = `${folder}/fields.gpkg`;
    const common = { epsg: gridEpsg, gridEpsg, columns: 20, rows: 20, transform: [500_000, 10, 0, 5_000_000, 0, -10] };
    oracle([
      { do: 'make_grid', path: `${folder}/grid.tif`, ...common, ratio: 1, margin: 0 },
      { do: 'make_vector', path, grid: `${folder}/grid.tif`, gridEpsg, epsg: gridEpsg, count: 3, seed: 1 },
    ]);
    const pool = await GdalPool.start({ processes: 1, grid: bytesOf(`${folder}/grid.tif`) });
    try {
      const request = { source: { href: fileHref(path) }, dtype: 'uint8', window: { column: 0, row: 0, columns: 4, rows: 4 }, into: new Uint8Array(16) } as const;
      await assert.rejects(pool.rasterize({ ...request, layer: 'roads', value: { burn: 1 } }), { code: 'GDAL_REFUSED', message: /no layer roads: it has fields/ });
      await assert.rejects(pool.rasterize({ ...request, value: { attribute: 'height' } }), { code: 'GDAL_REFUSED', message: /no attribute height: it has value, kind/ });
      await assert.rejects(pool.rasterize({ ...request, where: 'nothing = 1', value: { burn: 1 } }), { code: 'GDAL_FAILED', message: /nothing/ });
      const facts = await pool.describe({ href: fileHref(path) });
      assert.equal(facts.layers[0]?.name, 'fields');
      assert.equal(facts.layers[0]?.features, 3);
      assert.equal(facts.layers[0]?.crs?.epsg, gridEpsg);
      assert.deepEqual(facts.layers[0]?.fields.map(({ name }) => name), ['value', 'kind']);
    } finally {
      await pool.close();
    }
  });
});
