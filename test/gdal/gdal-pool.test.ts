/** Processes with GDAL: what they answer, and what happens when they don't. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';

import { findGdal, gdalMissing } from '../../lib/gdal/find-gdal.ts';
import { GdalPool } from '../../lib/gdal/gdal-pool.ts';
import { fileHref } from '../../lib/store/href.ts';
import { runPython } from '../support/gdal.ts';
import { createWorkspace } from '../support/workspace.ts';
import { bytesOf, oracle, withoutGdalPrograms } from './oracle.ts';

const workspace = createWorkspace('gdal-pool');
after(() => workspace.remove());

const common = { epsg: 32633, gridEpsg: 3857, columns: 100, rows: 80, transform: [500_000, 10, 0, 5_000_000, 0, -10], dtype: 'float32', bands: 2, seed: 5 };
const source = { href: fileHref(workspace.path('a.tif')) };
const slow = { href: fileHref(workspace.path('large.tif')) };

/** A warp of a million pixels from many, which takes some seconds. */
const slowRequest = { source: slow, window: { column: 0, row: 0, columns: 1000, rows: 800 }, bands: [1], dtype: 'uint8', resampling: 'med', nodata: null } as const;

void describe('the pool', { skip: withoutGdalPrograms }, () => {
  let grid: Uint8Array = new Uint8Array();
  let largeGrid: Uint8Array = new Uint8Array();
  before(() => {
    const large = { ...common, columns: 1000, rows: 800, dtype: 'uint8', bands: 1 };
    oracle([
      { do: 'make_source', path: workspace.path('a.tif'), ...common, gap: 'nan', fileNodata: 'nan' },
      { do: 'make_grid', path: workspace.path('grid.tif'), ...common, ratio: 1, margin: 0.1 },
      { do: 'make_source', path: workspace.path('large.tif'), ...large },
      { do: 'make_grid', path: workspace.path('large-grid.tif'), ...large, ratio: 0.3, margin: 0 },
    ]);
    grid = bytesOf(workspace.path('grid.tif'));
    largeGrid = bytesOf(workspace.path('large-grid.tif'));
  });

  // Catches facts that JSON can't hold (NaN), and others that are missing.
  void it('describes a raster', async () => {
    const pool = await GdalPool.start({ processes: 1 });
    try {
      const { raster, driver } = await pool.describe(source);
      assert.equal(driver, 'GTiff');
      assert.deepEqual([raster?.columns, raster?.rows, raster?.bands.length, raster?.crs?.epsg], [100, 80, 2, 32633]);
      assert.deepEqual(raster?.geotransform, common.transform);
      assert.deepEqual([raster?.bands[0]?.dtype, raster?.bands[0]?.nodata, raster?.bands[0]?.mask], ['float32', Number.NaN, 'nodata']);
    } finally {
      await pool.close();
    }
  });

  // Catches windows beyond the image that shift, wrap or hold garbage.
  void it('reads windows that reach beyond the source', async () => {
    const pool = await GdalPool.start({ processes: 1 });
    try {
      oracle([{ do: 'dump', path: workspace.path('a.tif'), dtype: 'float32', to: workspace.path('a.raw') }]);
      const all = new Float32Array(bytesOf(workspace.path('a.raw')).buffer);
      const window = { column: -3, row: 70, columns: 110, rows: 14 };
      const into = new Float32Array(window.columns * window.rows);
      await pool.read({ source, window, bands: [2], dtype: 'float32', init: -5, into: new Uint8Array(into.buffer) });
      for (let row = 0; row < window.rows; row++) {
        for (let column = 0; column < window.columns; column++) {
          const [x, y] = [column + window.column, row + window.row];
          const wanted = x < 0 || x >= 100 || y >= 80 ? -5 : all[100 * 80 + y * 100 + x];
          assert.ok(Object.is(into[row * window.columns + column], wanted), `column ${String(x)}, row ${String(y)}`);
        }
      }
    } finally {
      await pool.close();
    }
  });

  // Catches a conversion that loses what a GeoTIFF can hold.
  void it('converts to a tiled GeoTIFF that holds the same', async () => {
    const pool = await GdalPool.start({ processes: 1 });
    try {
      const target = workspace.path('converted.tif');
      const envi = workspace.path('a.img');
      runPython(`
import sys
from osgeo import gdal
d = gdal.Translate(sys.argv[2], sys.argv[1], format='ENVI', outputType=gdal.GDT_Int16)
d.GetRasterBand(2).SetDescription('near infrared'); d.GetRasterBand(1).SetNoDataValue(-7)
`, [workspace.path('a.tif'), envi]);
      const bytes = await pool.convert({ source: { href: fileHref(envi) }, target });
      assert.equal(bytes, bytesOf(target).length);
      const before = await pool.describe({ href: fileHref(envi) });
      const made = await pool.describe({ href: fileHref(target) });
      assert.equal(before.driver, 'ENVI');
      assert.equal(made.driver, 'GTiff');
      assert.deepEqual(made.raster?.bands[1]?.blockSize, [512, 512]);
      assert.equal(made.raster?.bands[1]?.description, 'near infrared');
      assert.deepEqual([made.raster?.geotransform, made.raster?.crs?.epsg, made.raster?.bands[0]?.nodata], [before.raster?.geotransform, 32633, before.raster?.bands[0]?.nodata]);
      oracle([{ do: 'dump', path: envi, dtype: 'int16', to: `${envi}.raw` }, { do: 'dump', path: target, dtype: 'int16', to: `${target}.raw` }]);
      assert.deepEqual(bytesOf(`${target}.raw`), bytesOf(`${envi}.raw`));
    } finally {
      await pool.close();
    }
  });

  // Catches GDAL's words getting lost, and a process that is no good after an error.
  void it('tells what GDAL says, and goes on', async () => {
    const pool = await GdalPool.start({ processes: 1, grid });
    try {
      const window = { column: 0, row: 0, columns: 4, rows: 4 };
      const request = { window, bands: [1], dtype: 'float32', resampling: 'nearest', nodata: null, into: new Uint8Array(64) } as const;
      const missing = { href: fileHref(workspace.path('nothing.tif')) };
      await assert.rejects(pool.warp({ ...request, source: missing }), { name: 'DataError', code: 'GDAL_FAILED', message: /warp .*nothing\.tif at column 0, row 0 .*No such file/ });
      await assert.rejects(pool.warp({ ...request, source, bands: [3] }), { code: 'GDAL_REFUSED', message: /no band 3: it has 2/ });
      await assert.rejects(pool.warp({ ...request, source, into: new Uint8Array(3) }), { code: 'GDAL_HELPER', message: /room for 3 bytes; wanted 64/ });
      const [pid] = pool.pids;
      await pool.warp({ ...request, source });
      assert.deepEqual(pool.pids, [pid], 'the same process');
    } finally {
      await pool.close();
    }
  });

  // Catches a run that ends with a process that something else has killed.
  void it('asks once more when a process is killed', async () => {
    const pool = await GdalPool.start({ processes: 1, grid: largeGrid });
    try {
      const asked = pool.describe(source);
      const kill = setInterval(() => {
        for (const pid of pool.pids) process.kill(pid, 'SIGKILL');
        if (pool.pids.length > 0) clearInterval(kill);
      }, 5);
      assert.equal((await asked).driver, 'GTiff');
    } finally {
      await pool.close();
    }
  });

  // Catches a pool that hangs or crashes with its process, and one that doesn't recover.
  void it('says when a process is killed again and again, and starts another for others', async () => {
    const pool = await GdalPool.start({ processes: 1, grid: largeGrid });
    try {
      const into = new Uint8Array(1000 * 800);
      const work = pool.warp({ ...slowRequest, into });
      const queued = pool.describe(source);
      const kill = setInterval(() => {
        for (const pid of pool.pids) process.kill(pid, 'SIGKILL');
      }, 300);
      await assert.rejects(work.finally(() => { clearInterval(kill); }), { name: 'OperationError', code: 'GDAL_DIED', message: /SIGKILL.*memory/ });
      assert.equal((await queued).driver, 'GTiff');
    } finally {
      await pool.close();
    }
  });

  // Catches requests that outlive their limit or their pool.
  void it('keeps time limits, and rejects what waits when it is closed', async () => {
    const pool = await GdalPool.start({ processes: 1, grid: largeGrid });
    const into = new Uint8Array(1000 * 800);
    await assert.rejects(pool.warp({ ...slowRequest, into, timeoutSeconds: 0.05 }), { name: 'TryAgainError', code: 'GDAL_TIMEOUT', message: /longer than the 0.05 s/ });
    const rejected = [pool.warp({ ...slowRequest, into }), pool.warp({ ...slowRequest, into: new Uint8Array(into.length) })].map(async (work) => await assert.rejects(work, { code: 'GDAL_CLOSED' }));
    await pool.close();
    await Promise.all(rejected);
    await assert.rejects(pool.describe(source), { code: 'GDAL_CLOSED' });
    assert.deepEqual(pool.pids, []);
  });

  // Catches an approximation that depends on how the grid was cut.
  void it('warps approximately, but the same for all windows', async () => {
    const pool = await GdalPool.start({ processes: 2, grid: largeGrid });
    try {
      const request = { source: slow, bands: [1], dtype: 'uint8', resampling: 'bilinear', nodata: null, errorThreshold: 0.25 } as const;
      const [columns, rows] = [900, 300];
      const whole = new Uint8Array(columns * rows);
      await pool.warp({ ...request, window: { column: 0, row: 0, columns, rows }, into: whole });
      for (const window of [{ column: 100, row: 7, columns: 333, rows: 50 }, { column: 250, row: 200, columns: 20, rows: 20 }]) {
        const part = new Uint8Array(window.columns * window.rows);
        // oxlint-disable-next-line no-await-in-loop
        await pool.warp({ ...request, window, into: part });
        for (let row = 0; row < window.rows; row++) {
          const start = (window.row + row) * columns + window.column;
          assert.deepEqual(part.subarray(row * window.columns, (row + 1) * window.columns), whole.subarray(start, start + window.columns), `row ${String(row)}`);
        }
      }
    } finally {
      await pool.close();
    }
  });

  void it('finds the interpreter that has GDAL', async () => {
    assert.match((await findGdal())?.version ?? '', /^3\./);
  });
});

void describe('a machine without GDAL', () => {
  // Catches a crash, or a message that leaves a user without a next step.
  void it('says what to install', async () => {
    assert.equal(await findGdal({ TILEFAN_PYTHON: '/nowhere/python3' }), undefined);
    assert.match(gdalMissing('input slope (NetCDF)').message, /^input slope \(NetCDF\) needs GDAL.*apt install gdal-bin python3-gdal.*conda.*brew/);
    const pool = await GdalPool.start({ processes: 1, python: '/nowhere/python3' });
    await assert.rejects(pool.describe(source), { name: 'InputUnavailableError', code: 'GDAL_MISSING', message: /\/nowhere\/python3/ });
    await pool.close();
    const other = await GdalPool.start({ processes: 1, python: process.execPath });
    await assert.rejects(other.describe(source), { code: 'GDAL_DIED' });
    await other.close();
  });
});
