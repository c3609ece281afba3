/** `info`: each method against what RIOS documents, computed here or by numpy and GDAL, not by the code under test. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { withHost, withoutPython, type HostOptions, type PythonHost } from './support/host.ts';
import { runPythonJson, withoutGdal } from '../support/gdal.ts';

const skip = withoutPython;
const transform = [500_000.25, 10.5, 0, 6_000_000.75, 0, -20.25];
/** 3 x 2 tiles of 16 pixels; the last ones are cut to 5 columns and 9 rows. */
const grid = { columns: 37, rows: 25, geotransform: transform, crs: 'EPSG:32633' };

/** What an expression of `info` and `inputs` comes to on tiles. */
async function valuesOf(expression: string, tiles: readonly (readonly [number, number])[], more: Partial<HostOptions> = {}, use?: (host: PythonHost) => Promise<unknown>): Promise<unknown[]> {
  const code = `import numpy\ndef f(info, inputs, outputs):\n    return [${expression}]`;
  return await withHost({ code, grid, tileSize: 16, ...more }, async (host) => {
    const results: unknown[] = [];
    for (const [column, row] of tiles) results.push(((await host.tile({ column, row })).reply.result as unknown[])[0]);
    await use?.(host);
    return results;
  });
}

const all = [[0, 0], [1, 0], [2, 0], [0, 1], [1, 1], [2, 1]] as const;

describe('info', { skip }, () => {
  const rows: [string, string, readonly unknown[]][] = [
    ['getBlockCount', 'info.getBlockCount()', all],
    ['getTotalBlocks', 'info.getTotalBlocks()', all.map(() => [3, 2])],
    ['getBlockSize: columns, rows, without margin', 'info.getBlockSize()', [[16, 16], [16, 16], [5, 16], [16, 9], [16, 9], [5, 9]]],
    ['getWindowSize: the same for every tile', 'info.getWindowSize()', all.map(() => [16, 16])],
    ['getOverlapSize', 'info.getOverlapSize()', all.map(() => 3)],
    ['getTotalSize', 'info.getTotalSize()', all.map(() => [37, 25])],
    ['getTransform: of the whole grid', 'info.getTransform()', all.map(() => transform)],
    ['getProjection', 'info.getProjection()', all.map(() => 'EPSG:32633')],
    ['getPixelSize: both positive', 'info.getPixelSize()', all.map(() => [10.5, 20.25])],
    ['isFirstBlock', 'info.isFirstBlock()', [true, false, false, false, false, false]],
    ['isLastBlock', 'info.isLastBlock()', [false, false, false, false, false, true]],
    ['getPercent: tiles before this one, row by row', 'info.getPercent()', [0, 16, 33, 50, 66, 83]],
    ['getPixColRow: in the whole grid', 'info.getPixColRow(2, 5)', [[2, 5], [18, 5], [34, 5], [2, 21], [18, 21], [34, 21]]],
    ['the attributes that RIOS\'s methods read', '[info.windowxsize, info.windowysize, info.overlap, info.xsize, info.ysize, info.xtotalblocks, info.ytotalblocks]', all.map(() => [16, 16, 3, 37, 25, 3, 2])],
    ['blocktl and blockbr: outer corners of the tile', '[info.blocktl.x, info.blocktl.y, info.blockbr.x, info.blockbr.y]',
      all.map(([column, row]) => [500_000.25 + column * 168, 6_000_000.75 - row * 324, 500_000.25 + Math.min(37, 16 * (column + 1)) * 10.5, 6_000_000.75 - Math.min(25, 16 * (row + 1)) * 20.25])],
    ['workingGrid', '[info.workingGrid.xMin, info.workingGrid.yMax, info.workingGrid.xRes, info.workingGrid.yRes, list(info.workingGrid.getDimensions())]', all.map(() => [500_000.25, 6_000_000.75, 10.5, 20.25, [25, 37]])],
  ];
  it('says of each tile what RIOS says', async () => {
    const found = (await valuesOf(`[${rows.map(([, expression]) => expression).join(', ')}]`, all, { halo: 3 })) as unknown[][];
    for (const [i, [name, , wanted]] of rows.entries()) assert.deepEqual(found.map((values) => values[i]), wanted, name);
  });

  it('getBlockCoordArrays: centres of the pixels, margin included, as GDAL places them', { skip: withoutGdal }, async () => {
    const tiles = [[2, 1], [0, 0]] as const;
    for (const geotransform of [transform, [500_000.25, 10.5, 1.5, 6_000_000.75, -2.25, -20.25], [0, 1 / 3, 0, 0, 0, 1 / 3]]) {
      const found = await valuesOf('[[a.tolist() for a in info.getBlockCoordArrays()], [a.shape for a in info.getBlockCoordArrays()]]', tiles, { halo: 3, grid: { ...grid, geotransform } });
      for (const [i, [column, row]] of tiles.entries()) {
        const [columns, rows] = [Math.min(16, 37 - column * 16) + 6, Math.min(16, 25 - row * 16) + 6];
        const wanted = runPythonJson(
          `import json, sys\nfrom osgeo import gdal\nt, left, top, columns, rows = json.loads(sys.argv[1])\nplaces = [[gdal.ApplyGeoTransform(t, left + c + 0.5, top + r + 0.5) for c in range(columns)] for r in range(rows)]\nprint(json.dumps([[[p[k] for p in line] for line in places] for k in (0, 1)]))`,
          [JSON.stringify([geotransform, column * 16 - 3, row * 16 - 3, columns, rows])],
        ) as number[][][];
        const [arrays, shapes] = found[i] as [number[][][], number[][]];
        assert.deepEqual(shapes, [[rows, columns], [rows, columns]]);
        for (const axis of [0, 1]) {
          for (const [r, line] of (wanted[axis] ?? []).entries()) {
            for (const [c, place] of line.entries()) assert.ok(Math.abs((arrays[axis]?.[r]?.[c] ?? NaN) - place) < 1e-6, `axis ${String(axis)}, row ${String(r)}, column ${String(c)}`);
          }
        }
      }
    }
  });

  it('getPixRowColBlock: where a place lies in the tile\'s arrays; (None, None) outside, at its very edges too', async () => {
    const place = (column: number, row: number): string => `info.getPixRowColBlock(${String(500_000.25 + column * 10.5)}, ${String(6_000_000.75 - row * 20.25)})`;
    const outside = [null, null];
    // Tile (2, 1): columns 32 to 36, rows 16 to 24, and a margin of 3.
    const cases: [number, number, unknown][] = [
      [32.5, 16.5, [3, 3]],
      [29.01, 13.01, [0, 0]],
      [28.99, 20, outside],
      [32, 12.99, outside],
      [39.99, 27.99, [14, 10]],
      [40.01, 20, outside],
      [33, 28.01, outside],
      [0, 0, outside],
    ];
    assert.deepEqual((await valuesOf(`[${cases.map(([column, row]) => place(column, row)).join(', ')}]`, [[2, 1]], { halo: 3 }))[0], cases.map(([, , wanted]) => wanted));
  });

  it('is on a grid without georeference as GDAL sees it: pixels downwards from 0, 0', async () => {
    assert.deepEqual(await valuesOf('[info.getTransform(), info.getProjection(), info.getPixelSize(), info.getPixRowColBlock(20.5, -1.5)]', [[1, 0]], { grid: { ...grid, geotransform: null, crs: null } }), [[[0, 1, 0, 0, 0, -1], '', [1, 1], [1, 4]]]);
  });

  const inputs = [
    { name: 'a', bands: 2, nodata: 255, dtype: 'uint8', files: ['/data/a.tif'] },
    { name: 'b', dtype: 'float32', nodata: 'nan', files: ['s3://bucket/b.tif'] },
    { name: 'c', dtype: 'int16', nodata: null, files: ['/data/c1.tif', '/data/c2.tif'] },
    { name: 'd', dtype: 'uint8', nodata: -9999 },
  ] as const;

  it('getFilenameFor: of an array, of a part of it, and of arrays in a list', async () => {
    assert.deepEqual(await valuesOf('[info.getFilenameFor(inputs.a), info.getFilenameFor(inputs.a[0, 2:]), info.getFilenameFor(inputs.l[0]), info.getFilenamesFor(inputs.c)]', [[0, 0]], { inputs, lists: { l: ['b', 'd'] } }), [
      ['/data/a.tif', '/data/a.tif', 's3://bucket/b.tif', ['/data/c1.tif', '/data/c2.tif']],
    ]);
  });

  it('getFilenameFor: says what it wants', async () => {
    for (const [argument, type, message] of [['inputs.c', 'ValueError', /input c is a mosaic of 2 files; wanted getFilenamesFor/], ['inputs.a + 1', 'KeyError', /wants one of the arrays of inputs/]] as const) {
      await withHost({ code: `def f(info, inputs, outputs):\n    info.getFilenameFor(${argument})`, inputs }, async (host) => {
        const failure = await host.failure();
        assert.equal(failure.type, type);
        assert.match(failure.message, message);
      });
    }
  });

  it('getNoDataValueFor: a number of the array\'s own type; None where there is none that a pixel can have', async () => {
    assert.deepEqual(await valuesOf('[[None if v is None else [v.item(), str(v.dtype)] for v in (info.getNoDataValueFor(inputs.a), info.getNoDataValueFor(inputs.a, 2), info.getNoDataValueFor(inputs.b), info.getNoDataValueFor(inputs.c), info.getNoDataValueFor(inputs.d))]]', [[0, 0]], { inputs }), [
      [[[255, 'uint8'], [255, 'uint8'], ['nan', 'float32'], null, null]],
    ]);
    await withHost({ code: 'def f(info, inputs, outputs):\n    info.getNoDataValueFor(inputs.a, 3)', inputs }, async (host) => assert.match((await host.failure()).message, /input a has bands 1 to 2, found 3/));
  });

  it('getValidMaskFor: the mask that comes with an input', async () => {
    const code = 'def f(info, inputs, outputs):\n    v = info.getValidMaskFor(inputs.a)\n    return [v.shape, str(v.dtype), int(v.sum()), bool(v[0, 1])]';
    await withHost({ code, inputs: [{ name: 'a', masked: true, bands: 2 }] }, async (host) => {
      const valid = Uint8Array.from({ length: 64 }, (_, i) => Number(i % 2 === 0));
      assert.deepEqual((await host.tile({ valid: [valid] })).reply.result, [[8, 8], 'bool', 32, false]);
      assert.deepEqual((await host.tile()).reply.result, [[8, 8], 'bool', 64, true]);
    });
  });

  // Catches nodata that counts as data, one band of several, NaN that is compared as a number, and a mask that is left out where there is nodata too.
  it('getValidMaskFor: without the pixels that have nodata in any band', async () => {
    const code = 'def f(info, inputs, outputs):\n    return {name: info.getValidMaskFor(getattr(inputs, name)).astype(int).ravel()[:6].tolist() for name in "nabmd"}';
    const some = [{ name: 'n', dtype: 'float32', bands: 2, nodata: 'nan' }, { name: 'a', dtype: 'uint8', bands: 2, nodata: 9 }, { name: 'b', dtype: 'float32', nodata: -3.4e38 }, { name: 'm', dtype: 'int16', nodata: -1, masked: true }, { name: 'd', dtype: 'uint8', nodata: -9999 }] as const;
    const tile = <Values extends Float32Array | Uint8Array | Int16Array>(values: Values, at: number, more: readonly number[]): Values => (values.set(more, at), values);
    const n = tile(tile(new Float32Array(128), 0, [1, NaN, 2]), 64, [0, 0, 0, 0, Infinity, NaN]);
    const a = tile(tile(new Uint8Array(128), 0, [9, 1, 2, 3]), 64, [6, 7, 9]);
    const b = tile(new Float32Array(64), 0, [-3.4e38, 0, NaN, -3.3e38]);
    const m = tile(new Int16Array(64), 0, [-1, 0, 1, 2, 3, -1]);
    const valid = tile(new Uint8Array(64), 0, [1, 1, 1, 0, 1, 1]);
    await withHost({ code, inputs: some }, async (host) => {
      assert.deepEqual((await host.tile({ arrays: [n, a, b, m, new Uint8Array(64)], valid: [null, null, null, valid, null] })).reply.result, { n: [1, 0, 1, 1, 1, 0], a: [0, 1, 0, 1, 1, 1], b: [0, 1, 1, 1, 1, 1], m: [0, 1, 1, 0, 1, 0], d: [1, 1, 1, 1, 1, 1] });
    });
  });

  it('refuses by name what RIOS keeps for itself', async () => {
    for (const name of ['setBlockDataset(1, 2, 3)', 'setBlockSize(1, 2)', 'setBlockBounds(1, 2)', 'setBlockCount(1, 2)']) {
      await withHost({ code: `def f(info, inputs, outputs):\n    info.${name}` }, async (host) => assert.match((await host.failure()).message, new RegExp(`^info\\.${name.replace(/\(.*/, '')} is for RIOS itself`)));
    }
    await withHost({ code: 'def f(info, inputs, outputs):\n    info.filenameLookup' }, async (host) => assert.match((await host.failure()).message, /info\.filenameLookup is how RIOS keeps its files; wanted getFilenameFor/));
  });
});
