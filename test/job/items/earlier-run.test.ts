/** Items out of another run: a chain of steps. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { after, describe, it } from 'node:test';
import { OperationError } from '../../../lib/base/errors.ts';
import { runItemBatch, type ItemWorker } from '../../../lib/job/items/item-batch.ts';
import { itemPlan, readItemPlan, type ItemPlan } from '../../../lib/job/items/item-plan.ts';
import { parseItemJob } from '../../../lib/job/items/item-validate.ts';
import { itemsFile, readItems, type Item } from '../../../lib/job/items/item.ts';
import { splitItems } from '../../../lib/job/items/split-items.ts';
import { encodeDocument } from '../../../lib/job/records.ts';
import { fileHref } from '../../../lib/store/href.ts';
import { createStore } from '../../../lib/store/routing-store.ts';
import { createWorkspace } from '../../support/workspace.ts';
import { rejects } from '../../store/contract.ts';
import { splitHere, wishes } from './split-in-test.ts';

const workspace = createWorkspace('earlier-run');
const store = createStore();
after(async () => {
  await store.close();
  workspace.remove();
});

/** Runs a job under the work prefix, with a worker in place of its operation, and leaves what a run leaves. */
async function run(id: string, document: object, work: ItemWorker['work'], state = 'SUCCEEDED'): Promise<ItemPlan> {
  const job = parseItemJob(document);
  const workHref = fileHref(`${workspace.folder}/work/`);
  const href = `${workHref}runs/${id}/`;
  const { lines, items } = await splitItems({ store, job, run: { id, href }, work: workHref, wishes: { ...wishes, itemsPerTask: 2 } });
  const plan = itemPlan.parse({
    version: 1,
    kind: 'items',
    state: {
      run: { id, href, bucket: '', prefix: '' },
      pass: 0,
      manifest: { bucket: '', key: '' },
      limits: { maxConcurrency: 1, toleratedFailurePercentage: 0 },
      compute: { taskDefinition: '', size: { Cpu: '', Memory: '' }, larger: { Cpu: '', Memory: '' }, strategy: [], fallback: [], publicIp: 'DISABLED', timeoutSeconds: 1 },
    },
    createdAt: '',
    job,
    items,
    batches: lines.length,
    threads: 1,
    memory: { process: 0, items: 0, code: 0, total: 0, limit: 0 },
  } satisfies Record<string, unknown>);
  await store.put(`${href}manifest.jsonl`, new TextEncoder().encode(lines.map((line) => `${JSON.stringify(line)}\n`).join('')));
  await store.put(`${href}plan.json`, encodeDocument(plan));
  // In no order: what comes of it is in the order of the items.
  for (const { batch, items: range } of lines.toReversed()) {
    await runItemBatch(batch, readItems(store, `${href}${itemsFile}`, range, items.version), { run: href, store, worker: { atOnce: 2, work }, followsKill: false, signal: new AbortController().signal, onItem: () => undefined });
  }
  if (state !== '') await store.put(`${href}run.json`, encodeDocument({ state }));
  return plan;
}

async function itemsFrom(id: string, more: object = {}): Promise<readonly Item[]> {
  return (await splitHere(workspace, { items: { from: `run:${id}`, ...more } })).found;
}

const called = { operation: { module: '/f.ts' } };

void describe('items of another run', () => {
  void it('are what its function returned, in the order of its items', async () => {
    await run('hello', { ...called, items: { parameterGrid: { a: [0, 1, 2, 3, 4] } } }, ({ parameters }) => Promise.resolve({ value: { text: `Hello ${String(parameters?.['a'])}`, n: [1] }, outputs: [] }));
    assert.deepEqual(await itemsFrom('hello'), [0, 1, 2, 3, 4].map((n) => ({ index: n, href: null, path: `0000000${String(n)}`, size: null, version: null, parameters: { text: `Hello ${String(n)}`, n: [1] } })));
  });

  void it('are called value where it returned no object, and leave out what failed', async () => {
    await run('values', { ...called, items: { parameters: [{ a: 1 }, { a: 2 }, { a: 3 }] } }, ({ parameters, index }) =>
      index === 1 ? Promise.reject(new OperationError('CODE_FAILED', 'no')) : Promise.resolve({ value: parameters?.['a'], outputs: [] }));
    assert.deepEqual((await itemsFrom('values')).map(({ parameters }) => parameters), [{ value: 1 }, { value: 3 }]);
  });

  void it('are the files of images, and of functions that return nothing', async () => {
    const made = (variant: string, path: string): { href: string; path: string; size: number; sha256: string } => ({ href: `s3://out/${variant}/${path}`, path: `${variant}/${path}`, size: 9, sha256: '' });
    const images = { operation: { images: { small: { width: 9 } } }, outputs: { prefix: 's3://out/' } };
    await run('images', { ...images, items: { hrefs: ['file:///nowhere/a.jpg', 'file:///nowhere/b.jpg'] } }, ({ path }) => Promise.resolve({ value: { small: { width: 9 } }, outputs: [made('small', path)] }));
    const found = await itemsFrom('images');
    assert.deepEqual(found.map(({ href, path, size, parameters }) => [href, path, size, parameters]), [['s3://out/small/a.jpg', 'small/a.jpg', 9, null], ['s3://out/small/b.jpg', 'small/b.jpg', 9, null]]);
    await run('files', { ...called, items: { parameters: [{}] } }, () => Promise.resolve({ value: undefined, outputs: [made('x', '1'), made('x', '2.csv')] }));
    assert.deepEqual((await itemsFrom('files', { match: '**/*.csv' })).map(({ href }) => href), ['s3://out/x/2.csv']);
  });

  // Catches: a second step that gets the object of the first instead of what that step made of it.
  void it('are the values that a function returned, not the objects that it was given', async () => {
    await run('scores', { ...called, items: { hrefs: ['file:///nowhere/a.jpg'] } }, () => Promise.resolve({ value: { score: 0.5 }, outputs: [] }));
    assert.deepEqual((await itemsFrom('scores')).map(({ href, path, parameters }) => [href, path, parameters]), [[null, '00000000', { score: 0.5 }]]);
  });

  void it('have to be of a run that is there and has succeeded', async () => {
    await rejects(itemsFrom('gone'), 'RUN_UNKNOWN', 'InputUnavailableError', 'there is no run gone');
    await run('under-way', { ...called, items: { parameters: [{}] } }, () => Promise.resolve({ value: 1, outputs: [] }), '');
    await rejects(itemsFrom('under-way'), 'RUN_NOT_SUCCEEDED', 'DataError', 'under-way, which has not come to its end');
    await run('failed', { ...called, items: { parameters: [{}] } }, () => Promise.resolve({ value: 1, outputs: [] }), 'FAILED');
    await rejects(itemsFrom('failed'), 'RUN_NOT_SUCCEEDED', 'DataError', 'is FAILED');
  });
});

void describe('the plan and the items of a run', () => {
  void it('are read back as they were written', async () => {
    const plan = await run('again', { ...called, items: { parameters: [{ a: 'ü\n' }, { a: 2 }, { a: 3 }] } }, () => Promise.resolve({ value: 1, outputs: [] }));
    const { href } = plan.state.run;
    assert.deepEqual(await readItemPlan(store, href), plan);
    assert.equal(plan.batches, 2);
  });

  void it('are refused where they are others than those that were planned', async () => {
    const plan = await run('changed', { ...called, items: { parameters: [{ a: 1 }, { a: 2 }, { a: 3 }] } }, () => Promise.resolve({ value: 1, outputs: [] }));
    const { href } = plan.state.run;
    const all = async (range: Parameters<typeof readItems>[2], version?: string): Promise<number> => {
      let count = 0;
      for await (const item of readItems(store, `${href}${itemsFile}`, range, version)) count += item.index >= 0 ? 1 : 0;
      return count;
    };
    const bytes = await store.readAll(`${href}${itemsFile}`);
    const line = bytes.indexOf(10) + 1;
    assert.equal(await all({ first: 0, count: 3, offset: 0, length: bytes.length }, plan.items.version), 3);
    await rejects(all({ first: 1, count: 1, offset: 0, length: line }), 'ITEMS_BROKEN', 'DataError', 'wanted item 1, found 0');
    await rejects(all({ first: 0, count: 2, offset: 0, length: line }), 'ITEMS_BROKEN', 'DataError', 'wanted 2 items, found 1');
    await rejects(all({ first: 0, count: 1, offset: 0, length: line + 5 }), 'ITEMS_BROKEN', 'DataError', 'part of a line');
    await rejects(all({ first: 0, count: 1, offset: 3, length: line - 3 }), 'ITEMS_BROKEN', 'DataError', 'is no item');
    writeFileSync(workspace.path('work/runs/changed/items.jsonl'), Buffer.concat([bytes, bytes]));
    await rejects(all({ first: 0, count: 3, offset: 0, length: bytes.length }, plan.items.version), 'STORE_CHANGED', 'DataError', 'items.jsonl');
    writeFileSync(workspace.path('work/runs/changed/plan.json'), '{"version":1}');
    await rejects(readItemPlan(store, href), 'PLAN_BROKEN', 'DataError', 'plan.json');
  });
});
