/** The first step of an object job, by several starts of the same run at once. */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { after, test } from 'node:test';
import { readItems, type ItemBatchLine } from '../../../lib/job/items/item.ts';
import { readItemPlan } from '../../../lib/job/items/item-plan.ts';
import { splitItemJob, type ItemSplit } from '../../../lib/job/items/split-item-job.ts';
import { fileHref } from '../../../lib/store/href.ts';
import { createStore } from '../../../lib/store/routing-store.ts';
import type { Store } from '../../../lib/store/store.ts';
import { createWorkspace } from '../../support/workspace.ts';

const space = createWorkspace('split-item-job');
after(() => space.remove());

const photos = space.path('photos');
mkdirSync(photos);
for (let i = 0; i < 300; i++) writeFileSync(`${photos}/${String(i)}.jpg`, '');
const document = { items: { prefix: fileHref(`${photos}/`) }, operation: { images: { small: { width: 10 } } }, outputs: { prefix: fileHref(`${space.path('out')}/`) } };

async function start(store: Store, work: string): Promise<ItemSplit> {
  return await splitItemJob(document, { store, env: { TILEFAN_WORK: work, TILEFAN_LOCAL_THREADS: '2', TILEFAN_STARTUP_SECONDS: '0.3' }, place: { base: undefined, runId: 'r' }, readCode: () => Promise.resolve(undefined) });
}

/** Reads what is there as a worker does. */
async function itemsOf(store: Store, run: string): Promise<number> {
  const plan = await readItemPlan(store, run);
  const manifest = new TextDecoder().decode(await store.readAll(`${run}manifest.jsonl`)).trim().split('\n');
  let count = 0;
  for (const line of manifest) for await (const item of readItems(store, `${run}items.jsonl`, (JSON.parse(line) as ItemBatchLine).items, plan.items.version)) count += item.index >= 0 ? 1 : 0;
  return count;
}

// Would catch: a list that is written over by a start that lists longer, after the plan of another one had said how it was: no start of that run would ever work again.
test('several starts of one run at once agree on a list of items', async () => {
  const store = createStore();
  try {
    for (let round = 0; round < 40; round++) {
      const work = fileHref(`${space.newFolder('work')}/`);
      const starts = await Promise.all([0, round % 7, (3 * round) % 20].map(async (ms) => {
        await sleep(ms);
        return await start(store, work);
      }));
      const plan = await readItemPlan(store, `${work}runs/r/`);
      assert.equal(await itemsOf(store, `${work}runs/r/`), 300);
      for (const split of starts) assert.equal(split.plan.batches, plan.batches);
      // And one that comes later goes on with it.
      assert.equal((await start(store, work)).plan.items.version, plan.items.version);
    }
  } finally {
    await store.close();
  }
});

// Would catch: a list that is written although another start has its plan.
test('a start that lists longer leaves the list of the run alone', async () => {
  const files = createStore();
  const work = fileHref(`${space.newFolder('work')}/`);
  // Between the list of the first start and its end another one begins, and ends.
  let between = async (): Promise<void> => {
    between = () => Promise.resolve();
    await start(files, work);
  };
  const slow: Store = new Proxy(files, {
    get(target, name, receiver) {
      const value: unknown = Reflect.get(target, name, receiver);
      if (typeof value !== 'function') return value;
      const bound = (...args: unknown[]): unknown => Reflect.apply(value, target, args);
      if (name !== 'list') return bound;
      return async function* (...args: unknown[]): AsyncGenerator {
        yield* bound(...args) as AsyncIterable<unknown>;
        await between();
      };
    },
  });
  try {
    const { plan } = await start(slow, work);
    const stored = await readItemPlan(files, `${work}runs/r/`);
    assert.equal(plan.createdAt, stored.createdAt);
    assert.equal(await itemsOf(files, `${work}runs/r/`), 300);
  } finally {
    await files.close();
  }
});
