import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { chooseBatch, maxSegments } from '../../lib/job/batch-size.ts';
import { batchCount, batchGrid, batchOfTile, batchWindow, floorPowerOfTwo, tileCount, tileGrid, tileWindow, zOrder, type Tiling } from '../../lib/job/tiling.ts';

const powerOfTwo = (max: number): fc.Arbitrary<number> => fc.nat({ max }).map((exponent) => 2 ** exponent);

const tilings: fc.Arbitrary<Tiling> = fc.record(
  { columns: fc.integer({ min: 1, max: 5000 }), rows: fc.integer({ min: 1, max: 5000 }), tileSize: fc.constantFrom(128, 256, 512), batchColumns: powerOfTwo(5), batchRows: powerOfTwo(5) },
  { noNullPrototype: true },
);

void describe('tiling', () => {
  void it('has every tile in exactly one batch, and every pixel in exactly one tile', () => {
    fc.assert(
      fc.property(tilings, (tiling) => {
        const { across, down } = tileGrid(tiling);
        const seen = new Map<string, number>();
        for (let batch = 0; batch < batchCount(tiling); batch++) {
          const { column, row, columns, rows } = batchWindow(tiling, batch);
          assert.ok(columns >= 1 && rows >= 1, 'no batch is empty');
          assert.ok(column % tiling.batchColumns === 0 && row % tiling.batchRows === 0, 'batches are aligned, or overviews could not be exact');
          for (let y = row; y < row + rows; y++) {
            for (let x = column; x < column + columns; x++) {
              assert.ok(!seen.has(`${x}/${y}`), 'in one batch only');
              seen.set(`${x}/${y}`, batch);
              assert.equal(batchOfTile(tiling, x, y), batch);
            }
          }
        }
        assert.equal(seen.size, tileCount(tiling));
        assert.equal(batchCount(tiling), batchGrid(tiling).across * batchGrid(tiling).down);
        let pixels = 0;
        for (let y = 0; y < down; y++) {
          for (let x = 0; x < across; x++) {
            assert.ok(seen.has(`${x}/${y}`));
            const window = tileWindow(tiling, x, y);
            assert.deepEqual([window.column, window.row], [x * tiling.tileSize, y * tiling.tileSize]);
            assert.ok(window.columns >= 1 && window.columns <= tiling.tileSize && window.rows >= 1 && window.rows <= tiling.tileSize);
            pixels += window.columns * window.rows;
          }
        }
        assert.equal(pixels, tiling.columns * tiling.rows);
      }),
      { seed: 11, numRuns: 60 },
    );
  });

  void it('visits each cell once in Z order, and all four cells of a cell above before any other', () => {
    const windows = fc.record({ column: fc.nat({ max: 9 }), row: fc.nat({ max: 9 }), columns: fc.integer({ min: 1, max: 40 }), rows: fc.integer({ min: 1, max: 40 }) }, { noNullPrototype: true });
    fc.assert(
      fc.property(windows, (window) => {
        const cells = [...zOrder(window)];
        assert.equal(new Set(cells.map(({ column, row }) => `${column}/${row}`)).size, window.columns * window.rows);
        assert.equal(cells.length, window.columns * window.rows);
        for (const { column, row } of cells) {
          assert.ok(column >= window.column && column < window.column + window.columns && row >= window.row && row < window.row + window.rows);
        }
        for (let side = 2; side < 64; side *= 2) {
          // Runs of cells with the same ancestor: each ancestor has exactly one run.
          const ancestors = cells.map(({ column, row }) => `${Math.floor((column - window.column) / side)}/${Math.floor((row - window.row) / side)}`);
          const runs = ancestors.filter((ancestor, i) => ancestor !== ancestors[i - 1]);
          assert.equal(runs.length, new Set(runs).size, `cells of one ${side} x ${side} square follow each other`);
        }
      }),
      { seed: 12, numRuns: 60 },
    );
    assert.deepEqual([...zOrder({ column: 4, row: 6, columns: 2, rows: 2 })], [{ column: 4, row: 6 }, { column: 5, row: 6 }, { column: 4, row: 7 }, { column: 5, row: 7 }]);
    assert.equal([...zOrder({ column: 0, row: 0, columns: 1, rows: 5000 })].length, 5000);
  });

  void it('knows the largest power of two below a number', () => {
    assert.deepEqual([1, 1.5, 2, 3, 4, 1023, 1024, 2 ** 40 + 1].map(floorPowerOfTwo), [1, 1, 2, 2, 4, 512, 1024, 2 ** 40]);
  });
});

const wishes = { tilesPerTask: 'auto' as const, maxConcurrency: 100, threads: 2, startupSeconds: 60, bands: 3 };

void describe('size of batches', () => {
  void it('is powers of two, at most 9000 batches, and no larger than asked for unless that would be too many', () => {
    const grids = fc.record({ across: fc.integer({ min: 1, max: 20_000 }), down: fc.integer({ min: 1, max: 20_000 }) }, { noNullPrototype: true });
    const asked = fc.oneof(fc.constant('auto' as const), fc.integer({ min: 1, max: 1_000_000 }));
    fc.assert(
      fc.property(grids, asked, fc.integer({ min: 1, max: 10_000 }), fc.integer({ min: 1, max: 16 }), fc.constantFrom(0.1, 1, 60), (grid, tilesPerTask, maxConcurrency, threads, startupSeconds) => {
        const tiling = { columns: grid.across * 512 - 7, rows: grid.down * 512 - 100, tileSize: 512 };
        const batch = chooseBatch(tiling, { ...wishes, tilesPerTask, maxConcurrency, threads, startupSeconds });
        const whole = { ...tiling, ...batch };
        for (const side of [batch.batchColumns, batch.batchRows]) assert.ok(Number.isInteger(Math.log2(side)), `${side}`);
        const count = batchCount(whole);
        assert.ok(count <= maxSegments, `${count} batches of ${batch.batchColumns} x ${batch.batchRows}`);
        const area = batch.batchColumns * batch.batchRows;
        if (tilesPerTask === 'auto' || area <= tilesPerTask) return;
        // Larger than asked for: then half of it must have been too many batches.
        const halved = [{ ...whole, batchColumns: whole.batchColumns / 2 }, { ...whole, batchRows: whole.batchRows / 2 }];
        const counts = halved.filter(({ batchColumns, batchRows }) => batchColumns >= 1 && batchRows >= 1).map(batchCount);
        assert.ok(counts.some((each) => each > maxSegments), `${area} tiles a batch, asked for ${tilesPerTask}`);
      }),
      { seed: 13, numRuns: 2000 },
    );
  });

  void it('holds the limit where rows of batches are cut off at the edge', () => {
    // 3 x 6000 tiles: two tiles a batch would be 2 x 6000 batches, not 9000.
    const batch = chooseBatch({ columns: 3 * 128, rows: 6000 * 128, tileSize: 128 }, { ...wishes, tilesPerTask: 1 });
    assert.ok(batchCount({ columns: 3 * 128, rows: 6000 * 128, tileSize: 128, ...batch }) <= maxSegments, JSON.stringify(batch));
  });

  void it('cuts a million tiles into a few thousand batches at most', () => {
    const tiling = { columns: 2_048_000, rows: 2_048_000, tileSize: 2048 };
    const batch = chooseBatch(tiling, { ...wishes, maxConcurrency: 10_000 });
    const count = batchCount({ ...tiling, ...batch });
    assert.ok(count > 100 && count <= maxSegments, `${count}`);
    const whole = { ...tiling, ...batch };
    let tiles = 0;
    for (let i = 0; i < count; i++) {
      const { columns, rows } = batchWindow(whole, i);
      tiles += columns * rows;
    }
    assert.equal(tiles, 1_000_000);
  });

  void it('gives every task that may run a batch, where the work is worth it', () => {
    const tiling = { columns: 64 * 2048, rows: 64 * 2048, tileSize: 2048 };
    const few = chooseBatch(tiling, { ...wishes, maxConcurrency: 16, startupSeconds: 0.1 });
    const many = chooseBatch(tiling, { ...wishes, maxConcurrency: 1000, startupSeconds: 0.1 });
    assert.ok(batchCount({ ...tiling, ...few }) >= 16);
    assert.ok(batchCount({ ...tiling, ...many }) > batchCount({ ...tiling, ...few }));
    // A start-up of a minute wants more work in a task.
    const slow = chooseBatch(tiling, { ...wishes, maxConcurrency: 1000, startupSeconds: 60 });
    assert.ok(batchCount({ ...tiling, ...slow }) < batchCount({ ...tiling, ...many }));
    // One tile is one batch.
    assert.equal(batchCount({ columns: 10, rows: 10, tileSize: 2048, ...chooseBatch({ columns: 10, rows: 10, tileSize: 2048 }, wishes) }), 1);
  });

  // Catches: a second worker that has a third of the tiles, and nothing to do while the first one works on.
  void it('makes smaller batches where workers would wait for one that has most of the tiles, unless starting more of them takes longer', () => {
    const tiling = { columns: 11 * 1024, rows: 11 * 1024, tileSize: 1024 };
    const two = { ...wishes, maxConcurrency: 2, threads: 1, startupSeconds: 0.3 };
    const sizes = (codeSeconds: number, startupSeconds: number) => {
      const whole = { ...tiling, ...chooseBatch(tiling, { ...two, codeSeconds, startupSeconds }) };
      return Array.from({ length: batchCount(whole) }, (_, batch) => batchWindow(whole, batch)).map(({ columns, rows }) => columns * rows);
    };
    assert.deepEqual(sizes(1, 0.3), [64, 24, 24, 9]);
    assert.deepEqual(sizes(0, 60), [121]);
    // 88 tiles and a start are done before 57 tiles and three.
    assert.deepEqual(sizes(0.5, 20), [88, 33]);
  });
});
