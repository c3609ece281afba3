/** A batch of items: what is committed when it ends well, is stopped, or meets what would meet every item. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { after, describe, it } from 'node:test';
import fc from 'fast-check';
import { DataError, InputUnavailableError, JobError, OperationError, OutOfMemoryError, OutputError, TilefanError, TryAgainError } from '../../../lib/base/errors.ts';
import { runItemBatch, type ItemWorker } from '../../../lib/job/items/item-batch.ts';
import type { ItemOutcome } from '../../../lib/job/items/item-outcome.ts';
import { outcomeSegments, readOutcomes } from '../../../lib/job/items/item-outcomes.ts';
import { pathOfIndex, type Item } from '../../../lib/job/items/item.ts';
import { readSegmentIndex } from '../../../lib/job/segment.ts';
import { FileStore } from '../../../lib/store/file-store.ts';
import { fileHref } from '../../../lib/store/href.ts';
import { createWorkspace } from '../../support/workspace.ts';

const workspace = createWorkspace('item-batch');
const store = new FileStore();
after(async () => {
  await store.close();
  workspace.remove();
});

const range = (count: number, first = 0): Item[] => Array.from({ length: count }, (_, i) => ({ index: first + i, href: null, path: pathOfIndex(first + i), size: null, version: null, parameters: { n: first + i } }));
const value = (index: number): { readonly value: unknown; readonly outputs: [] } => ({ value: { twice: 2 * index }, outputs: [] });

interface Attempt {
  readonly work: ItemWorker['work'];
  readonly items?: AsyncIterable<Item> | Iterable<Item>;
  readonly atOnce?: number;
  readonly ahead?: { readonly items: number; readonly bytes: number };
  readonly followsKill?: boolean;
  readonly signal?: AbortSignal;
  readonly in?: FileStore;
}

interface Told {
  readonly index: number;
  readonly reused: boolean;
  readonly ok: boolean;
}

function attempt(run: string, { work, items = range(10), atOnce = 2, ahead, followsKill = false, signal = new AbortController().signal, in: where = store }: Attempt): { readonly told: Told[]; readonly ended: ReturnType<typeof runItemBatch> } {
  const told: Told[] = [];
  return { told, ended: runItemBatch(0, items, { run: fileHref(`${run}/`), store: where, worker: { atOnce, ...(ahead === undefined ? {} : { ahead }), work }, followsKill, signal, onItem: (item) => told.push(item) }) };
}

async function outcomesOf(run: string, count = 10): Promise<ItemOutcome[]> {
  const href = fileHref(`${run}/`);
  const found: ItemOutcome[] = [];
  for await (const outcomes of readOutcomes(store, [{ first: 0, count, offset: 0, length: 1 }], await outcomeSegments(store, href))) found.push(...outcomes);
  return found;
}

async function isComplete(run: string): Promise<boolean> {
  const indexes = await Promise.all((await outcomeSegments(store, fileHref(`${run}/`))).map((stat) => readSegmentIndex(store, stat)));
  return indexes.some(({ complete }) => complete);
}

async function thrown(ended: Promise<unknown>): Promise<TilefanError> {
  const error = await ended.then(() => assert.fail('it did not fail'), (each: unknown) => each);
  if (error instanceof TilefanError) return error;
  throw error;
}

void describe('a batch of items', () => {
  // Catches: an outcome that is lost, or said of another item, where items end in another order than they began in; more under way than may be.
  void it('commits one outcome for each item, whatever the order in which they end', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.constantFrom('value', 'nothing', 'data', 'operation', 'memory', 'gone'), { minLength: 1, maxLength: 25 }), fc.integer({ min: 1, max: 6 }), async (ends, atOnce) => {
        const run = workspace.newFolder('any');
        let underWay = 0;
        let most = 0;
        const { told, ended } = attempt(run, {
          items: range(ends.length),
          atOnce,
          work: async ({ index }) => {
            most = Math.max(most, ++underWay);
            await sleep((index * 7) % 4);
            underWay--;
            switch (ends[index]) {
              case 'data': throw new DataError('IMAGE_EMPTY', `empty ${String(index)}`);
              case 'operation': throw new OperationError('FUNCTION_FAILED', `failed ${String(index)}`);
              case 'memory': throw new OutOfMemoryError('FUNCTION_MEMORY', `large ${String(index)}`);
              case 'gone': throw new InputUnavailableError('STORE_NOT_FOUND', `gone ${String(index)}`);
              case 'nothing': return { value: undefined, outputs: [] };
              default: return value(index);
            }
          },
        });
        assert.deepEqual(await ended, { computed: ends.length, reused: 0 });
        assert.ok(most <= atOnce, `${String(most)} under way`);
        const codes = { data: 'IMAGE_EMPTY', operation: 'FUNCTION_FAILED', memory: 'FUNCTION_MEMORY', gone: 'STORE_NOT_FOUND' } as const;
        assert.deepEqual(
          (await outcomesOf(run, ends.length)).map((outcome) => [outcome.index, outcome.parameters?.['n'], outcome.ok ? outcome.value : outcome.error.code]),
          ends.map((end, index) => [index, index, end === 'value' ? { twice: 2 * index } : end === 'nothing' ? null : codes[end]]),
        );
        assert.deepEqual(told.toSorted((a, b) => a.index - b.index), ends.map((end, index) => ({ index, reused: false, ok: end === 'value' || end === 'nothing' })));
        assert.ok(await isComplete(run));
      }),
      { numRuns: 15 },
    );
  });

  // Catches: objects that are larger together than memory, also where nobody knows their sizes; large ones that are worked on one after the other; one that keeps its room after it has failed.
  void it('fetches items ahead as long as all that are under way have few bytes', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.record({ size: fc.option(fc.integer({ min: 0, max: 30 })), version: fc.option(fc.constant('v')) }), { minLength: 1, maxLength: 25 }), async (objects) => {
        const held = new Set<number>();
        const bytesOf = (index: number): number => (objects[index]?.version === 'v' ? (objects[index].size ?? 20) : 20);
        let most = 0;
        const { ended } = attempt(workspace.newFolder('bytes'), {
          items: range(objects.length).map((item, i) => ({ ...item, ...objects[i] })),
          atOnce: 2,
          ahead: { items: 3, bytes: 20 },
          work: async ({ index }) => {
            held.add(index);
            most = Math.max(most, held.size);
            const bytes = [...held].reduce((sum, each) => sum + bytesOf(each), 0);
            const few = held.size <= 2 || (held.size <= 5 && bytes <= 20);
            await sleep((index * 7) % 3);
            held.delete(index);
            assert.ok(few, `${String(bytes)} bytes under way`);
            if (index % 3 === 1) throw new DataError('IMAGE_EMPTY', 'empty');
            return value(index);
          },
        });
        assert.deepEqual(await ended, { computed: objects.length, reused: 0 });
        const isLight = objects.length >= 5 && objects.every((_, index) => bytesOf(index) <= 4);
        assert.ok(most >= (isLight ? 5 : Math.min(2, objects.length)), `only ${String(most)} under way`);
      }),
      { numRuns: 30 },
    );
  });

  // Catches: finished items that are lost when a task is stopped, new items that are begun after it, an end that counts as one of the job's.
  void it('commits what is finished when it is stopped, also while an item takes its time', async () => {
    const run = workspace.newFolder('stopped');
    const stop = new AbortController();
    const slow = Promise.withResolvers<undefined>();
    const begun: number[] = [];
    const { ended } = attempt(run, {
      signal: stop.signal,
      work: async ({ index }) => {
        begun.push(index);
        if (index === 3) await slow.promise;
        if (index === 5) stop.abort();
        return value(index);
      },
    });
    // What is finished must not wait for the slow one: whoever stops the task may kill it before that ends.
    for (let tries = 0; (await outcomesOf(run)).length === 0; tries++) {
      assert.ok(tries < 1000, 'nothing is committed while an item is under way');
      await sleep(5);
    }
    const early = (await outcomesOf(run)).map(({ index }) => index);
    assert.ok(!early.includes(3) && [0, 1, 2, 4].every((index) => early.includes(index)), String(early));
    slow.resolve(undefined);
    const error = await thrown(ended);
    assert.ok(error instanceof TryAgainError);
    assert.equal(error.code, 'WORKER_STOPPED');
    assert.match(error.message, /stopped after 6 items; they are committed/);
    assert.deepEqual((await outcomesOf(run)).map(({ index }) => index), [0, 1, 2, 3, 4, 5]);
    assert.deepEqual(begun, [0, 1, 2, 3, 4, 5]);
    assert.ok(!(await isComplete(run)));

    const { told, ended: again } = attempt(run, { work: ({ index }) => Promise.resolve(value(index)) });
    assert.deepEqual(await again, { computed: 4, reused: 6 });
    assert.deepEqual(told.filter(({ reused }) => reused).map(({ index }) => index), [0, 1, 2, 3, 4, 5]);
    assert.deepEqual((await outcomesOf(run)).map((outcome) => (outcome.ok ? outcome.value : null)), range(10).map(({ index }) => ({ twice: 2 * index })));
    assert.ok(await isComplete(run));
  });

  void it('begins nothing for a task that was stopped before', async () => {
    const error = await thrown(attempt(workspace.newFolder('before'), { signal: AbortSignal.abort(), work: () => assert.fail('an item was begun') }).ended);
    assert.equal(error.code, 'WORKER_STOPPED');
  });

  // Catches: a full disk or a store that can't be reached being taken for the fault of ten thousand items.
  const endings: readonly TilefanError[] = [
    new JobError('FUNCTION_LOAD', 'the module does not load'),
    new OutputError('STORE_NO_ROOM', 'the disk is full'),
    new TryAgainError('CODE_CLOSED', 'closed'),
    new InputUnavailableError('NETWORK_DOWN', 'no network'),
  ];
  for (const error of endings) {
    void it(`ends with ${error.name} ${error.code}, and commits what is finished`, async () => {
      const run = workspace.newFolder('ends');
      let begun = 0;
      const { ended } = attempt(run, {
        atOnce: 1,
        work: ({ index }) => {
          begun++;
          return index === 4 ? Promise.reject(error) : Promise.resolve(value(index));
        },
      });
      assert.equal(await thrown(ended), error);
      assert.equal(begun, 5, 'nothing is begun after it');
      assert.deepEqual((await outcomesOf(run)).map(({ index, ok }) => [index, ok]), [0, 1, 2, 3].map((index) => [index, true]));
      assert.ok(!(await isComplete(run)));
    });
  }

  void it('ends with what is no error of ours, too', async () => {
    const bug = new TypeError('undefined is not a function');
    await assert.rejects(attempt(workspace.newFolder('bug'), { work: () => Promise.reject(bug) }).ended, bug);
  });

  // Catches: finished items that are lost because the list of the others can't be read.
  void it('commits what is finished when the list of items breaks off', async () => {
    const run = workspace.newFolder('list');
    async function* broken(): AsyncGenerator<Item> {
      yield* range(3);
      await sleep(1);
      throw new DataError('ITEMS_BROKEN', 'half a line');
    }
    const error = await thrown(attempt(run, { items: broken(), work: async ({ index }) => await sleep(index, value(index)) }).ended);
    assert.equal(error.code, 'ITEMS_BROKEN');
    assert.deepEqual((await outcomesOf(run)).map(({ index }) => index), [0, 1, 2]);
    assert.ok(!(await isComplete(run)));
  });

  // Catches: two workers on one batch (a lost one that lives) that overwrite each other's segments, or an item with two outcomes.
  void it('gives each item one outcome where two workers do the same batch', async () => {
    const run = workspace.newFolder('twins');
    const twin = (name: string): ReturnType<typeof runItemBatch> =>
      attempt(run, { items: range(40), atOnce: 3, work: async ({ index }) => await sleep(index % 3, { value: { name, index }, outputs: [] }) }).ended;
    assert.deepEqual(await Promise.all([twin('a'), twin('b')]), [{ computed: 40, reused: 0 }, { computed: 40, reused: 0 }]);
    assert.equal(readdirSync(`${run}/collected`).length, 2);
    const outcomes = await outcomesOf(run, 40);
    assert.deepEqual(outcomes.map(({ index }) => index), range(40).map(({ index }) => index));
    assert.equal(new Set(outcomes.map((outcome) => (outcome.ok ? (outcome.value as { name: string }).name : ''))).size, 1, 'the first that is committed counts');
    // A third finds everything done, and writes nothing.
    assert.deepEqual(await attempt(run, { items: range(40), work: () => assert.fail('an item was begun') }).ended, { computed: 0, reused: 40 });
    assert.equal(readdirSync(`${run}/collected`).length, 2);
  });

  // Catches: outcomes that wait in memory without bound, and are lost with the worker.
  void it('commits before outcomes become many megabytes', async () => {
    const run = workspace.newFolder('large');
    const text = 'x'.repeat(200_000);
    await attempt(run, { items: range(30), atOnce: 1, work: () => Promise.resolve({ value: text, outputs: [] }) }).ended;
    assert.ok(readdirSync(`${run}/collected`).length >= 5);
    assert.ok((await outcomesOf(run, 30)).every((outcome) => outcome.ok && outcome.value === text));
  });

  // Catches: work that is lost again and again where something kills each worker.
  void it('commits soon after what is done when an attempt before it was killed', async () => {
    const run = workspace.newFolder('killed');
    const next = Promise.withResolvers<undefined>();
    const { ended } = attempt(run, {
      followsKill: true,
      items: range(2),
      atOnce: 1,
      work: async ({ index }) => {
        if (index === 1) await next.promise;
        return value(index);
      },
    });
    const begun = performance.now();
    while ((await outcomesOf(run, 2)).length === 0) {
      // Without a kill it is 30 s.
      assert.ok(performance.now() - begun < 10_000, 'what is done waits for the next item');
      await sleep(20);
    }
    next.resolve(undefined);
    assert.deepEqual(await ended, { computed: 2, reused: 0 });
  });

  // Catches: a segment that couldn't be written, and a batch that counts as done all the same.
  void it('ends with an error of the store', async () => {
    class Full extends FileStore {
      override put(): Promise<never> {
        return Promise.reject(new OutputError('STORE_NO_ROOM', 'no room'));
      }
    }
    const run = workspace.newFolder('full');
    const error = await thrown(attempt(run, { in: new Full(), work: ({ index }) => Promise.resolve(value(index)) }).ended);
    assert.equal(error.code, 'STORE_NO_ROOM');
    assert.deepEqual(await outcomesOf(run), []);
  });
});
