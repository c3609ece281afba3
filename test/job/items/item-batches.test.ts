/** How items become batches: every item in one, in order, and no batch much heavier than the mean. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { itemBatches, ItemChunks, itemWeight, type ItemBatchWishes } from '../../../lib/job/items/item-batches.ts';
import { itemCosts } from '../../../lib/job/items/split-items.ts';
import type { ItemRange } from '../../../lib/job/items/item.ts';

const usual: ItemBatchWishes = { itemsPerTask: 'auto', maxConcurrency: 100, threads: 2, startupSeconds: 60, timeoutSeconds: 3600 };

interface TestItem {
  readonly length: number;
  readonly weight: number;
}

function batchesOf(items: readonly TestItem[], wishes: ItemBatchWishes): ItemRange[] {
  const chunks = new ItemChunks(wishes.itemsPerTask);
  for (const { length, weight } of items) chunks.add(length, weight);
  return itemBatches(chunks.finish(), wishes);
}

/** Each item in exactly one batch, in order, with its bytes. */
function assertWhole(items: readonly TestItem[], batches: readonly ItemRange[]): void {
  let [first, offset] = [0, 0];
  for (const batch of batches) {
    const own = items.slice(batch.first, batch.first + batch.count);
    assert.deepEqual([batch.first, batch.offset], [first, offset]);
    assert.ok(batch.count > 0);
    assert.equal(batch.length, own.reduce((sum, { length }) => sum + length, 0));
    first += batch.count;
    offset += batch.length;
  }
  assert.equal(first, items.length);
}

function weights(items: readonly TestItem[], batches: readonly ItemRange[]): number[] {
  return batches.map(({ first, count }) => items.slice(first, first + count).reduce((sum, { weight }) => sum + weight, 0));
}

const someItems = fc.array(fc.record({ length: fc.integer({ min: 1, max: 500 }), weight: fc.oneof(fc.double({ min: 0.01, max: 10, noNaN: true }), fc.double({ min: 0.01, max: 2000, noNaN: true })) }), { minLength: 1, maxLength: 400 });

void describe('batches of items', () => {
  void it('have each item once, and weigh the mean give or take the heaviest item', () => {
    fc.assert(
      fc.property(someItems, fc.integer({ min: 1, max: 60 }), fc.integer({ min: 1, max: 8 }), (items, maxConcurrency, threads) => {
        const batches = batchesOf(items, { ...usual, maxConcurrency, threads });
        assertWhole(items, batches);
        const all = weights(items, batches);
        const total = all.reduce((sum, weight) => sum + weight, 0);
        const heaviest = Math.max(...items.map(({ weight }) => weight));
        // Fewer batches than were wanted come of items that are heavier than a batch.
        const rounds = Math.ceil(Math.ceil(total / threads / 1800) / maxConcurrency);
        const wanted = Math.min(items.length, rounds > 1 ? rounds * maxConcurrency : Math.max(1, Math.min(maxConcurrency, Math.ceil(total / threads / 300))));
        for (const weight of all) assert.ok(weight <= total / wanted + heaviest + 1e-6, `${String(weight)} of ${String(total)} in ${String(wanted)}`);
        if (heaviest < total / wanted) assert.equal(batches.length, wanted);
      }),
      { numRuns: 500 },
    );
  });

  void it('have as many items as the job says, and the last what is left', () => {
    fc.assert(
      fc.property(someItems, fc.integer({ min: 1, max: 50 }), (items, itemsPerTask) => {
        const batches = batchesOf(items, { ...usual, itemsPerTask });
        assertWhole(items, batches);
        assert.ok(batches.slice(0, -1).every(({ count }) => count === itemsPerTask));
      }),
    );
  });

  void it('are never more than 9000, and end together where there are a million items of very different sizes', () => {
    let state = 1;
    const random = (): number => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
    // Sizes over four orders of magnitude, as photos and films in one bucket have them; long runs of small ones.
    const items = Array.from({ length: 1_000_000 }, (_, i) => ({ length: 100 + (i % 7), weight: itemWeight(itemCosts.images, 10 ** (3 + 5 * random() * (i % 100_000 < 50_000 ? 0.5 : 1))) }));
    const heaviest = items.reduce((most, { weight }) => Math.max(most, weight), 0);
    const rows: string[] = [];
    for (const maxConcurrency of [10, 100, 1000, 9000]) {
      const batches = batchesOf(items, { ...usual, maxConcurrency, startupSeconds: 0.01 });
      const all = weights(items, batches);
      const mean = all.reduce((sum, weight) => sum + weight, 0) / all.length;
      const most = all.reduce((max, weight) => Math.max(max, weight), 0);
      rows.push(`${String(batches.length)} batches: mean ${mean.toFixed(1)} s, heaviest ${most.toFixed(1)} s (+${((100 * (most - mean)) / mean).toFixed(2)} %), heaviest item ${heaviest.toFixed(1)} s`);
      // A chunk is one item, or lighter than 1/32768 of all.
      assert.ok(most <= mean + heaviest + (mean * all.length) / 32_768, rows.at(-1));
      // In whole rounds, where there are so few tasks at a time that each would take hours.
      assert.equal(batches.length % maxConcurrency, 0);
    }
    console.log(rows.join('\n'));
    assert.equal(batchesOf(items, { ...usual, itemsPerTask: 1 }).length, 7813, '128 items each: twice as many until they are 9000 at most');
    assertWhole(items, batchesOf(items, { ...usual, itemsPerTask: 1 }));
  });

  void it('are one for one item, and for a few small ones', () => {
    assert.equal(batchesOf([{ length: 1, weight: 1e9 }], usual).length, 1);
    const photos = Array.from({ length: 1000 }, () => ({ length: 1, weight: itemWeight(itemCosts.images, 3e6) }));
    assert.equal(batchesOf(photos, usual).length, 1, 'a thousand photos are two minutes of two threads');
    const functions = Array.from({ length: 10 }, () => ({ length: 1, weight: itemWeight(itemCosts.module, undefined) }));
    assert.equal(batchesOf(functions, { ...usual, threads: 1 }).length, 2);
  });

  void it('come in whole rounds where tasks would take longer than half an hour', () => {
    const items = Array.from({ length: 5000 }, () => ({ length: 1, weight: 60 }));
    // 300,000 s on one thread: 167 tasks of 1800 s, of which 100 may run at a time.
    const batches = batchesOf(items, { ...usual, threads: 1 });
    assert.equal(batches.length, 200);
    assert.deepEqual([...new Set(batches.map(({ count }) => count))], [25]);
    assert.equal(batchesOf(items, { ...usual, threads: 1, timeoutSeconds: 36_000 }).length, 100, 'with a longer time limit tasks may take longer');
  });

  void it('are few on one machine, where starting a task takes a moment and there is no hurry', () => {
    // As a run on this machine has it: a hundred thousand functions of which nothing is known.
    const here = { ...usual, startupSeconds: 0.3, timeoutSeconds: 168 * 3600 };
    const functions = Array.from({ length: 100_000 }, () => ({ length: 1, weight: itemWeight(itemCosts.module, undefined) }));
    assert.equal(batchesOf(functions, { ...here, maxConcurrency: 1 }).length, 10);
    assert.equal(batchesOf(functions, { ...here, maxConcurrency: 3 }).length, 12);
    const photos = Array.from({ length: 1000 }, () => ({ length: 1, weight: itemWeight(itemCosts.images, 100e3) }));
    assert.equal(batchesOf(photos, { ...here, maxConcurrency: 1 }).length, 1);
    assert.equal(batchesOf(photos, { ...here, maxConcurrency: 3 }).length, 3);
  });
});
