/** Which result of a tile counts, and in which order results come. */
import assert from 'node:assert/strict';
import { writeFileSync, readFileSync, readdirSync } from 'node:fs';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import { DataError, OperationError } from '../../../lib/base/errors.ts';
import { tilingOf } from '../../../lib/job/plan.ts';
import { collectResults } from '../../../lib/job/results/collected-results.ts';
import { batchCount, batchWindow, rowOrder } from '../../../lib/job/tiling.ts';
import { fileHref } from '../../../lib/store/href.ts';
import type { ObjectStat } from '../../../lib/store/store.ts';
import { readResults } from '../../../lib/job/results/read-results.ts';
import { commitAll, commitSegment, promisedOrder, readAll, ResultsBench, type Given } from './collected.ts';

const options = { across: 7, down: 5, batchColumns: 4, batchRows: 2 };

describe('results of tiles', () => {
  it('come once each, in the order of batches and of rows, whatever attempts have left', async () => {
    // Would catch: a tile that counts twice because two attempts committed it, the later of two values, an order that follows the segments or the names of tiles.
    await fc.assert(
      fc.asyncProperty(fc.infiniteStream(fc.nat(1_000_000)), fc.integer({ min: 1, max: 3 }), async (random, attempts) => {
        const next = (): number => random.next().value;
        await using bench = new ResultsBench();
        const plan = bench.plan(options);
        const tiling = tilingOf(plan);
        const first = new Map<string, unknown>();
        const segments: { batch: number; number: number; tiles: Given[] }[] = [];
        for (let batch = 0; batch < batchCount(tiling); batch++) {
          let number = 0;
          for (let attempt = 0; attempt < attempts; attempt++) {
            // An attempt computes tiles in any order, and the last one computes all, so that attempts overlap.
            const all = [...rowOrder(batchWindow(tiling, batch))].map((tile) => ({ tile, at: next() })).toSorted((a, b) => a.at - b.at).map(({ tile }) => tile);
            const some = attempt === attempts - 1 ? all : all.slice(0, next() % all.length);
            while (some.length > 0) {
              const tiles: Given[] = some.splice(0, 1 + (next() % 4)).map((tile) => (next() % 4 === 0 ? tile : { ...tile, value: { attempt, n: next() } }));
              for (const { column, row, value } of tiles) if (!first.has(`${String(column)},${String(row)}`)) first.set(`${String(column)},${String(row)}`, value);
              segments.push({ batch, number: number++, tiles });
            }
          }
        }
        // Whoever finishes first: segments come in any order.
        for (const { batch, number, tiles } of segments.map((segment) => ({ segment, at: next() })).toSorted((a, b) => a.at - b.at).map(({ segment }) => segment)) await commitSegment(bench.store, plan, batch, number, tiles);
        const expected = promisedOrder(plan).flatMap(({ column, row }) => {
          const value = first.get(`${String(column)},${String(row)}`);
          return value === undefined ? [] : [{ column, row, value }];
        });
        assert.deepEqual(await readAll(bench.store, plan), expected);
      }),
      { numRuns: 25 },
    );
  });

  it('are read in the same way where a batch is too large to be held', async () => {
    // 40 MB in one batch: some segments are read whole otherwise. Would catch offsets that are wrong in coalesced reads, and chunks that lose tiles.
    await using bench = new ResultsBench();
    const plan = bench.plan({ across: 20, down: 20, batchColumns: 32, batchRows: 32 });
    const tiles = [...promisedOrder(plan)];
    const valueOf = (column: number, row: number): unknown => ({ at: [column, row], text: String.fromCharCode(97 + ((column + row) % 26)).repeat((column * row * 7919) % 220_000) });
    // Odd tiles in one segment, even ones in another, in the opposite order.
    await commitSegment(bench.store, plan, 0, 0, tiles.filter((_, i) => i % 2 === 1).toReversed().map(({ column, row }) => ({ column, row, value: valueOf(column, row) })));
    await commitSegment(bench.store, plan, 0, 1, tiles.filter((_, i) => i % 2 === 0).toReversed().map(({ column, row }) => ({ column, row, value: valueOf(column, row) })));
    const { segments } = await collectResults(bench.store, plan, undefined);
    let at = 0;
    let chunks = 0;
    for await (const chunk of readResults(bench.store, tilingOf(plan), segments)) {
      chunks++;
      for (const { column, row, value } of chunk) {
        assert.deepEqual({ column, row }, tiles[at++]);
        assert.deepEqual(value, valueOf(column, row));
      }
    }
    assert.equal(at, tiles.length);
    assert.ok(chunks > 5, `all of it came in ${String(chunks)} pieces`);
  });

  it('tell how many tiles are missing, and which are the first', async () => {
    await using bench = new ResultsBench();
    const plan = bench.plan(options);
    await commitSegment(bench.store, plan, 0, 0, [{ column: 0, row: 0 }, { column: 2, row: 1, value: 5 }, { column: 0, row: 0, value: 1 }]);
    const { tilesDone, tilesTotal, missingTiles } = await collectResults(bench.store, plan, undefined).then((all) => ({ ...all, missingTiles: [...all.missingTiles(3)] }));
    assert.deepEqual({ tilesDone, tilesTotal, missingTiles }, { tilesDone: 2, tilesTotal: 35, missingTiles: [{ column: 1, row: 0 }, { column: 2, row: 0 }, { column: 3, row: 0 }] });
  });

  it('keep to the segments that were chosen, whatever comes later', async () => {
    await using bench = new ResultsBench();
    const plan = bench.plan({ ...options, across: 2, down: 1 });
    await commitSegment(bench.store, plan, 0, 0, [{ column: 0, row: 0, value: 'first' }]);
    const chosen = ['0000000-00000.seg'];
    await commitSegment(bench.store, plan, 0, 1, [{ column: 1, row: 0, value: 'late' }]);
    assert.equal((await collectResults(bench.store, plan, chosen)).tilesDone, 1);
    assert.equal((await collectResults(bench.store, plan, undefined)).tilesDone, 2);
  });

  it('refuse tiles that the batch or the grid has not', async () => {
    await using bench = new ResultsBench();
    const plan = bench.plan(options);
    await commitSegment(bench.store, plan, 0, 0, [{ column: 5, row: 0, value: 1 }]);
    await assert.rejects(readAll(bench.store, plan), (error) => error instanceof OperationError && error.code === 'SEGMENT_TILE' && /tile 5,0/.test(error.message));
    await commitSegment(bench.store, plan, 1, 0, [{ column: 7, row: 0, value: 1 }]);
    await assert.rejects(readAll(bench.store, plan), (error) => error instanceof OperationError && error.code === 'SEGMENT_TILE' && /tile 7,0.*7 x 5/.test(error.message));
  });

  it('name the tile whose result is damaged', async () => {
    await using bench = new ResultsBench();
    const plan = bench.plan(options);
    await commitAll(bench.store, plan, (column, row) => ({ column, row }));
    const folder = bench.file('run/collected');
    const file = `${folder}/${readdirSync(folder).toSorted()[0] ?? ''}`;
    const bytes = readFileSync(file);
    bytes[0] = 'x'.charCodeAt(0);
    writeFileSync(file, bytes);
    await assert.rejects(readAll(bench.store, plan), (error) => error instanceof DataError && error.code === 'RESULT_BROKEN' && /tile 0,0/.test(error.message));
  });

  it('ask the store for little', async () => {
    // Small segments are read once for index and values together. Would catch a request for each tile.
    await using bench = new ResultsBench();
    const plan = bench.plan({ across: 64, down: 64, batchColumns: 8, batchRows: 8 });
    await commitAll(bench.store, plan, (column, row) => ({ mean: column / (row + 1) }));
    const stats: ObjectStat[] = [];
    for await (const stat of bench.store.list(fileHref(`${bench.folder}/run/collected/`))) stats.push(stat);
    let requests = 0;
    const counting = new Proxy(bench.store, {
      get: (store, name) =>
        name === 'readInto'
          ? async (...args: Parameters<typeof store.readInto>) => {
              requests++;
              await store.readInto(...args);
            }
          : (Reflect.get(store, name) as unknown),
    });
    let tiles = 0;
    for await (const chunk of readResults(counting, tilingOf(plan), stats)) tiles += chunk.length;
    assert.deepEqual({ tiles, requests }, { tiles: 4096, requests: 64 });
  });
});
