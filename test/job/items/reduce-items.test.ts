/** The end of a run over items: one row, one line or one failure for each item, whatever its batches have come to. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { after, describe, it } from 'node:test';
import { DataError, OperationError, TilefanError } from '../../../lib/base/errors.ts';
import { runItemBatch, type ItemWorker } from '../../../lib/job/items/item-batch.ts';
import { itemPlan, type ItemPlan } from '../../../lib/job/items/item-plan.ts';
import { itemRunRecord, type ItemRunRecord } from '../../../lib/job/items/item-records.ts';
import { parseItemJob } from '../../../lib/job/items/item-validate.ts';
import { itemsFile, readItems, type ItemBatchLine } from '../../../lib/job/items/item.ts';
import { reduceItems } from '../../../lib/job/items/reduce-items.ts';
import { splitItems } from '../../../lib/job/items/split-items.ts';
import { encodeManifest } from '../../../lib/job/manifest.ts';
import { encodeDocument } from '../../../lib/job/records.ts';
import { fileHref } from '../../../lib/store/href.ts';
import { createStore } from '../../../lib/store/routing-store.ts';
import { createWorkspace } from '../../support/workspace.ts';
import { splitHere, wishes } from './split-in-test.ts';

const workspace = createWorkspace('reduce-items');
const store = createStore();
after(async () => {
  await store.close();
  workspace.remove();
});

const batchItems = 4;

interface Run {
  readonly folder: string;
  readonly plan: ItemPlan;
  readonly lines: readonly ItemBatchLine[];
  /** Does a batch, or as much of it as is said. */
  work(batch: number, work: ItemWorker['work'], most?: number): Promise<void>;
  /** Writes the record of a batch. */
  record(batch: number, attempts: readonly (readonly ['RUNNING' | 'SUCCEEDED' | 'FAILED', number, number])[]): Promise<void>;
}

/** A run of a function with the items `{ n: 0 }`, `{ n: 1 }`, …, four a batch, of which split has written everything. */
async function newRun(count: number, more: object = {}): Promise<Run> {
  const folder = workspace.newFolder('run');
  const out = `${fileHref(folder)}/`;
  const run = `${out}work/runs/r/`;
  const job = parseItemJob({
    name: 'n',
    items: { parameters: Array.from({ length: count }, (_, n) => ({ n })) },
    operation: { module: 'file:///f.ts' },
    outputs: { prefix: `${out}out/` },
    results: { href: `${out}table.jsonl` },
    ...more,
  });
  const { lines, items } = await splitItems({ store, job, run: { id: 'r', href: run }, work: `${out}work/`, wishes: { ...wishes, itemsPerTask: batchItems } });
  await store.put(`${run}manifest.jsonl`, encodeManifest(lines), { createFolders: true });
  const plan = itemPlan.parse({
    version: 1,
    kind: 'items',
    state: {
      run: { id: 'r', href: run, bucket: '', prefix: '' },
      pass: 0,
      manifest: { bucket: '', key: '' },
      limits: { maxConcurrency: 1, toleratedFailurePercentage: 0 },
      compute: { taskDefinition: '', size: { Cpu: '', Memory: '' }, larger: { Cpu: '', Memory: '' }, strategy: [], fallback: [], publicIp: 'DISABLED', timeoutSeconds: 1 },
    },
    createdAt: '2026-01-01T00:00:00.000Z',
    job,
    items,
    batches: lines.length,
    threads: 1,
    memory: { process: 0, items: 0, code: 0, total: 0, limit: 0 },
  } satisfies Record<string, unknown>);
  return {
    folder,
    plan,
    lines,
    async work(batch, work, most = Infinity) {
      const range = lines[batch]?.items ?? assert.fail('no such batch');
      const stop = new AbortController();
      let begun = 0;
      const worker: ItemWorker = {
        atOnce: 1,
        work: async (item) => {
          if (++begun === most) stop.abort();
          return await work(item);
        },
      };
      const ended = runItemBatch(batch, readItems(store, `${run}${itemsFile}`, range, items.version), { run, store, worker, followsKill: false, signal: stop.signal, onItem: () => undefined });
      if (most === Infinity) await ended;
      else await assert.rejects(ended);
    },
    async record(batch, attempts) {
      const made = attempts.map(([state, tilesComputed, tilesReused], i) => ({ attempt: i + 1, state, startedAt: '', endedAt: null, tilesComputed, tilesReused, error: null }));
      await store.put(`${run}results/${String(batch)}.json`, encodeDocument({ batch, state: made.at(-1)?.state, attempt: made.length, tiles: batchItems, error: null, attempts: made }), { createFolders: true });
    },
  };
}

/** What a function makes of an item: n squared, and a file. */
const square: ItemWorker['work'] = ({ index, path }) =>
  Promise.resolve({ value: { square: index ** 2 }, outputs: [{ href: `file:///out/${path}/a.txt`, path: `${path}/a.txt`, size: index + 1, sha256: String(index).padStart(64, '0') }] });
const fails = (message: string): ItemWorker['work'] => () => Promise.reject(new OperationError('FUNCTION_FAILED', message, { where: { line: 7 } }));

function linesOf(path: string): Record<string, unknown>[] {
  return readFileSync(path, 'utf8').split('\n').slice(0, -1).map((line) => JSON.parse(line) as Record<string, unknown>);
}

function recordOf({ folder }: Run): ItemRunRecord {
  return itemRunRecord.parse(JSON.parse(readFileSync(`${folder}/work/runs/r/run.json`, 'utf8')));
}

async function failure(run: Run): Promise<TilefanError> {
  const error = await reduceItems(store, run.plan).then(() => assert.fail('the run succeeded'), (each: unknown) => each);
  if (error instanceof TilefanError) return error;
  throw error;
}

void describe('the end of a run over items', () => {
  // Catches: rows in the order of commits, a list without what is needed to check a file, counts of attempts instead of items.
  void it('writes the table and the list of files in the order of the items', async () => {
    const run = await newRun(10);
    for (const batch of [2, 0, 1]) await run.work(batch, square);
    for (const batch of [0, 2]) await run.record(batch, [['SUCCEEDED', 4, 0]]);
    await run.record(1, [['RUNNING', 0, 0], ['SUCCEEDED', 3, 1]]);
    const record = await reduceItems(store, run.plan);
    assert.deepEqual(record, recordOf(run));
    assert.deepEqual(linesOf(`${run.folder}/table.jsonl`).map(({ index, value }) => [index, value]), Array.from({ length: 10 }, (_, n) => [n, { square: n ** 2 }]));
    assert.deepEqual(
      linesOf(`${run.folder}/out/r-outputs.jsonl`),
      Array.from({ length: 10 }, (_, n) => ({ href: `file:///out/0000000${String(n)}/a.txt`, path: `0000000${String(n)}/a.txt`, size: n + 1, sha256: String(n).padStart(64, '0'), source: `0000000${String(n)}` })),
    );
    assert.deepEqual([record.state, record.items, record.files], ['SUCCEEDED', { total: 10, done: 10, failed: 0, computed: 11, reused: 1 }, { count: 10, bytes: 55, href: `${fileHref(run.folder)}/out/r-outputs.jsonl` }]);
    assert.deepEqual([record.batches, record.failures, record.errors], [{ total: 3, failed: [], retried: [{ batch: 1, attempts: 2 }] }, null, []]);
    assert.ok(!existsSync(`${run.folder}/out/r-failures.jsonl`));
    // Called again, as after a lost answer, it says the same.
    const { endedAt: _first, ...before } = record;
    const { endedAt: _second, ...again } = await reduceItems(store, run.plan);
    assert.deepEqual(again, before);
  });

  // Catches: a failure that takes the table or the files of others along, one that isn't named, a list that is no list of items.
  void it('writes everything though items failed, names them, and lists them as items of another run', async () => {
    const run = await newRun(10);
    await run.work(0, square);
    await run.work(1, (item) => (item.index === 6 ? fails('six is broken')(item) : square(item)));
    await run.work(2, ({ index }) => Promise.reject(new DataError('IMAGE_EMPTY', `empty ${String(index)}`)));
    const error = await failure(run);
    assert.equal(error.code, 'ITEMS_FAILED');
    assert.match(error.message, /^3 of 10 items failed; .*\/out\/r-failures\.jsonl lists them, and can be items\.manifest of another run\n {2}item 6: six is broken\n {2}item 8: empty 8\n {2}item 9: empty 9$/);
    const record = recordOf(run);
    assert.deepEqual([record.state, record.items.done, record.items.failed, record.results?.rows, record.files?.count], ['FAILED', 7, 3, 7, 7]);
    assert.deepEqual(record.errors.map(({ index, code }) => [index, code]), [[6, 'FUNCTION_FAILED'], [8, 'IMAGE_EMPTY'], [9, 'IMAGE_EMPTY']]);
    assert.deepEqual(linesOf(`${run.folder}/table.jsonl`).map(({ index }) => index), [0, 1, 2, 3, 4, 5, 7]);
    assert.deepEqual(linesOf(`${run.folder}/out/r-failures.jsonl`)[0], { index: 6, href: null, path: '00000006', parameters: { n: 6 }, error: { code: 'FUNCTION_FAILED', message: 'six is broken', where: { line: 7 } } });
    const again = await splitHere(workspace, { items: { manifest: `${run.folder}/out/r-failures.jsonl` } });
    assert.deepEqual(again.found.map(({ index, href, path, parameters }) => [index, href, path, parameters]), [6, 8, 9].map((n, i) => [i, null, `0000000${String(n)}`, { n }]));
  });

  // Catches: a failure of which it is said that nothing is known, where it is known that a worker was killed.
  void it('says what is known of a batch that ended without some items', async () => {
    const run = await newRun(12);
    await run.work(0, square, 2);
    await run.record(0, [['FAILED', 0, 0], ['RUNNING', 0, 0]]);
    await run.work(2, square, 2);
    await run.record(2, [['SUCCEEDED', 4, 0]]);
    await failure(run);
    const messages = new Map(recordOf(run).errors.map(({ index, message }) => [index, message]));
    assert.match(messages.get(3) ?? '', /^its batch 0 has ended without it: its worker was killed in attempt 2 before it could say anything: .*memory/);
    assert.match(messages.get(4) ?? '', /^its batch 1 has ended without it: its task has left no record: it was never started/);
    assert.match(messages.get(11) ?? '', /^its batch 2 has ended without it: its worker says in attempt 1 that all is done/);
  });

  // Catches: an item of a failed batch that is in no list: neither done nor failed.
  void it('counts items that no worker has told of as failed', async () => {
    const run = await newRun(13, { tolerateFailures: { percentage: 100 } });
    await run.work(0, square, 2);
    await run.work(2, (item) => (item.index === 9 ? fails('nine')(item) : square(item)));
    await run.record(0, [['FAILED', 2, 0]]);
    await run.record(2, [['SUCCEEDED', 4, 0]]);
    const record = await reduceItems(store, run.plan);
    assert.deepEqual([record.items.total, record.items.done, record.items.failed, record.batches.failed], [13, 5, 8, [0, 1, 3]]);
    assert.deepEqual(record.errors.map(({ index, code }) => `${String(index)} ${code}`), ['2 ITEM_MISSING', '3 ITEM_MISSING', '4 ITEM_MISSING', '5 ITEM_MISSING', '6 ITEM_MISSING', '7 ITEM_MISSING', '9 FUNCTION_FAILED', '12 ITEM_MISSING']);
    assert.deepEqual(linesOf(`${run.folder}/table.jsonl`).map(({ index }) => index), [0, 1, 8, 10, 11]);
    assert.deepEqual(linesOf(`${run.folder}/out/r-failures.jsonl`).map(({ parameters }) => parameters), [2, 3, 4, 5, 6, 7, 9, 12].map((n) => ({ n })));

    // Continued, the batches do what is missing; a list that isn't so any more doesn't stay.
    for (const batch of [0, 1, 3]) await run.work(batch, square);
    const second = await reduceItems(store, run.plan);
    assert.deepEqual([second.items.done, second.errors.map(({ index }) => index)], [12, [9]]);
    assert.deepEqual(linesOf(`${run.folder}/out/r-failures.jsonl`).map(({ index }) => index), [9]);
  });

  void it('leaves no list of failures of a run that was continued to a good end', async () => {
    const run = await newRun(6, { tolerateFailures: { percentage: 100 } });
    await run.work(0, square);
    assert.equal((await reduceItems(store, run.plan)).items.failed, 2);
    await run.work(1, square);
    assert.equal((await reduceItems(store, run.plan)).failures, null);
    assert.equal(readFileSync(`${run.folder}/out/r-failures.jsonl`, 'utf8'), '');
  });

  void it('says that everything failed where no batch has begun', async () => {
    const run = await newRun(9);
    const error = await failure(run);
    assert.match(error.message, /^9 of 9 items failed/);
    assert.match(error.message, / {2}… and 4 more$/);
    assert.equal(linesOf(`${run.folder}/out/r-failures.jsonl`).length, 9);
    assert.equal(readFileSync(`${run.folder}/table.jsonl`, 'utf8'), '');
  });

  // Catches: a bound that is off by one item, or that rounds.
  for (const [percentage, failing, state] of [[0, 1, 'FAILED'], [10, 2, 'FAILED'], [10, 1, 'SUCCEEDED'], [25, 2, 'SUCCEEDED'], [19.9, 2, 'FAILED'], [100, 10, 'SUCCEEDED']] as const) {
    void it(`${String(failing)} of 10 that fail, with ${String(percentage)} % tolerated: ${state}`, async () => {
      const run = await newRun(10, { tolerateFailures: { percentage } });
      for (const batch of [0, 1, 2]) await run.work(batch, (item) => (item.index < failing ? fails('no')(item) : square(item)));
      if (state === 'FAILED') assert.match((await failure(run)).message, percentage > 0 ? /items failed \(.* % are tolerated\)/ : /items failed;/);
      else await reduceItems(store, run.plan);
      assert.equal(recordOf(run).state, state);
      assert.equal(recordOf(run).items.failed, failing);
    });
  }

  // Catches: a list that goes nowhere silently.
  void it('writes failures beside the table where there are no outputs, and says it only where there is a list', async () => {
    const plain = { value: 1, outputs: [] };
    const beside = await newRun(4, { outputs: undefined });
    await beside.work(0, ({ index }) => (index === 1 ? Promise.reject(new OperationError('FUNCTION_FAILED', 'x')) : Promise.resolve(plain)));
    await failure(beside);
    assert.equal(linesOf(`${beside.folder}/r-failures.jsonl`).length, 1);
    assert.equal(recordOf(beside).files, null);
  });

  // Catches: a broken segment of which nothing is said, and a table that lacks its rows.
  void it('refuses a segment that is broken', async () => {
    const run = await newRun(4);
    await run.work(0, square);
    const segment = `${run.folder}/work/runs/r/collected/0000000-00000.seg`;
    const bytes = readFileSync(segment);
    writeFileSync(segment, bytes.subarray(0, bytes.length - 9));
    assert.equal((await failure(run)).code, 'SEGMENT_BROKEN');
    assert.ok(!existsSync(`${run.folder}/table.jsonl`));
  });
});
