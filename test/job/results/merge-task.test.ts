/** Results merged by the user's own function, as a worker does it. */
import assert from 'node:assert/strict';
import { writeFileSync, existsSync, readFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, it } from 'node:test';
import { JobError, OperationError, TryAgainError } from '../../../lib/base/errors.ts';
import { bundleModule } from '../../../lib/code/bundle.ts';
import { CodeProcess } from '../../../lib/code/code-process.ts';
import type { CodeSetup } from '../../../lib/code/code-setup.ts';
import { makeSharedFile } from '../../../lib/code/shared-file.ts';
import type { Plan } from '../../../lib/job/plan.ts';
import { mergeResults } from '../../../lib/job/results/reduce-results.ts';
import { runMergeTask, type ValueMerger } from '../../../lib/job/results/merge-task.ts';
import { resultFiles } from '../../../lib/job/results/results-state.ts';
import { FileStore } from '../../../lib/store/file-store.ts';
import { fileHref } from '../../../lib/store/href.ts';
import { gdalPython, withoutGdal } from '../../support/gdal.ts';
import { commitAll, commitSegment, promisedOrder, ResultsBench } from './collected.ts';

const signal = new AbortController().signal;

/** A run in which reduce has asked for the merge. */
async function askedRun(bench: ResultsBench, valueOf: (column: number, row: number) => unknown): Promise<{ plan: Plan; reduce: (runPass: number) => ReturnType<typeof mergeResults> }> {
  const results = { href: bench.href('r.json'), merge: { function: 'merge' } };
  const plan = bench.plan({ across: 8, down: 4, batchColumns: 4, batchRows: 4, results });
  await commitAll(bench.store, plan, valueOf);
  const reduce = (runPass: number): ReturnType<typeof mergeResults> => mergeResults({ store: bench.store, plan, results, runPass, goesOn: () => true, writes: true });
  assert.deepEqual(await reduce(0), { lines: [{ batch: 999_999, merge: true }] });
  return { plan, reduce };
}

/** Merges in this process, and counts how often. */
function inline(merge: (a: unknown, b: unknown) => unknown): { opened: number; messages: number; closed: number; openMerger: () => Promise<ValueMerger> } {
  const counts = {
    opened: 0,
    messages: 0,
    closed: 0,
    openMerger: (): Promise<ValueMerger> => {
      counts.opened++;
      return Promise.resolve({
        merge: (values) => {
          counts.messages++;
          return Promise.resolve(values.reduce((a, b) => merge(a, b)));
        },
        close: () => {
          counts.closed++;
          return Promise.resolve();
        },
      });
    },
  };
  return counts;
}

describe('the task that merges results', () => {
  it('gives them to the function in order, many at a time, and reduce writes what comes of it', async () => {
    await using bench = new ResultsBench();
    const { plan, reduce } = await askedRun(bench, (column, row) => [`${String(column)},${String(row)}`]);
    // Not commutative: another order would show.
    const merger = inline((a, b) => [...(a as string[]), ...(b as string[])]);
    await runMergeTask({ plan, store: bench.store, signal, openMerger: merger.openMerger });
    const done = await reduce(1);
    assert.ok(typeof done === 'object' && 'record' in done);
    assert.deepEqual(done.record, { href: bench.href('r.json'), format: 'json', rows: 1, bytes: readFileSync(bench.file('r.json')).length, missing: { tiles: 0, first: [] } });
    assert.deepEqual(JSON.parse(readFileSync(bench.file('r.json'), 'utf8')), promisedOrder(plan).map(({ column, row }) => `${String(column)},${String(row)}`));
    assert.ok(merger.messages <= 2, 'each pair has a message of its own');
    assert.equal(merger.closed, 1);
  });

  it('is not done twice, unless other results count', async () => {
    await using bench = new ResultsBench();
    const { plan } = await askedRun(bench, (column) => column);
    const merger = inline((a, b) => (a as number) + (b as number));
    await runMergeTask({ plan, store: bench.store, signal, openMerger: merger.openMerger });
    await runMergeTask({ plan, store: bench.store, signal, openMerger: merger.openMerger });
    assert.equal(merger.opened, 1);
    const file = bench.file(`run/${resultFiles.value}`);
    writeFileSync(file, readFileSync(file, 'utf8').replace(/"generation": "\w+"/, '"generation": "another"'));
    await runMergeTask({ plan, store: bench.store, signal, openMerger: merger.openMerger });
    assert.equal(merger.opened, 2);
    assert.match(readFileSync(file, 'utf8'), /"value": 112/);
  });

  it('leaves nothing when it is stopped or fails, and can be repeated', async () => {
    await using bench = new ResultsBench();
    const { plan, reduce } = await askedRun(bench, (column) => column);
    await assert.rejects(runMergeTask({ plan, store: bench.store, signal: AbortSignal.abort(), openMerger: inline(() => 0).openMerger }), (error) => error instanceof TryAgainError && error.code === 'WORKER_STOPPED');
    const failing = inline(() => {
      throw new OperationError('FUNCTION_FAILED', 'no');
    });
    await assert.rejects(runMergeTask({ plan, store: bench.store, signal, openMerger: failing.openMerger }), /no/);
    assert.equal(failing.closed, 1, 'the process was left behind');
    assert.equal(existsSync(bench.file(`run/${resultFiles.value}`)), false);
    await assert.rejects(reduce(1), (error) => error instanceof OperationError && error.code === 'RESULTS_NOT_MERGED' && /continue the run/.test(error.message));
    // A run that is continued begins with pass 0, and asks again.
    assert.deepEqual(await reduce(0), { lines: [{ batch: 999_999, merge: true }] });
    await runMergeTask({ plan, store: bench.store, signal, openMerger: inline((a, b) => (a as number) + (b as number)).openMerger });
    assert.ok((await reduce(1)) !== 'later' && readFileSync(bench.file('r.json'), 'utf8') === '112\n');
  });

  it('goes by the results that were chosen when it was asked for', async () => {
    await using bench = new ResultsBench();
    const results = { href: bench.href('r.json'), merge: { function: 'merge' } };
    const plan = bench.plan({ across: 2, down: 1, batchColumns: 1, batchRows: 1, results, tolerated: 50 });
    await commitSegment(bench.store, plan, 0, 0, [{ column: 0, row: 0, value: 1 }]);
    await mergeResults({ store: bench.store, plan, results, runPass: 0, goesOn: () => true, writes: true });
    await commitSegment(bench.store, plan, 1, 0, [{ column: 1, row: 0, value: 5 }]);
    const merger = inline((a, b) => (a as number) + (b as number));
    await runMergeTask({ plan, store: bench.store, signal, openMerger: merger.openMerger });
    assert.equal(merger.messages, 0, 'one value is what it is');
    assert.match(readFileSync(bench.file(`run/${resultFiles.value}`), 'utf8'), /"value": 1\n/);
    // Reduce sees that more has come, and asks again, for all.
    assert.deepEqual(await mergeResults({ store: bench.store, plan, results, runPass: 1, goesOn: () => true, writes: true }), { lines: [{ batch: 999_999, merge: true }] });
    await runMergeTask({ plan, store: bench.store, signal, openMerger: merger.openMerger });
    await mergeResults({ store: bench.store, plan, results, runPass: 2, goesOn: () => true, writes: true });
    assert.equal(readFileSync(bench.file('r.json'), 'utf8'), '6\n');
  });
});

const sources = {
  '.ts': `
interface Sum { n: number; sum: number[] }
export function merge(a: Sum, b: Sum): Sum {
  return { n: a.n + b.n, sum: a.sum.map((value, i) => value + (b.sum[i] ?? NaN)) };
}
export function fails(a: unknown, b: Sum): unknown {
  if (b.n > 40) throw new RangeError('too many');
  return b;
}
export function forgets(_a: unknown, _b: unknown): void {}
export function wide(a: unknown, b: unknown, c: unknown): unknown { return [a, b, c]; }
`,
  '.py': `
import numpy
def merge(a, b):
    return {'n': a['n'] + b['n'], 'sum': numpy.add(a['sum'], b['sum'])}
def fails(a, b):
    if b['n'] > 40:
        raise ValueError('too many')
    return b
def forgets(a, b):
    pass
def wide(a, b, c):
    return [a, b, c]
`,
} as const;

/** A process with a merge of the user's. */
async function openSource(ending: '.ts' | '.py', name: string): Promise<{ runner: CodeProcess; close: () => Promise<void> }> {
  const folder = mkdtempSync(path.join(tmpdir(), 'tilefan-merger-'));
  const file = path.join(folder, `user${ending}`);
  writeFileSync(file, sources[ending]);
  let code = file;
  if (ending === '.ts') {
    const store = new FileStore();
    const bundle = await bundleModule(fileHref(file), store);
    await store.close();
    code = path.join(folder, `bundle${bundle.extension}`);
    writeFileSync(code, bundle.bytes);
  }
  const shared = makeSharedFile(1);
  const setup: CodeSetup = {
    code,
    function: name,
    merges: true,
    parameters: {},
    lists: {},
    serial: false,
    inputs: [],
    outputs: [],
    grid: { columns: 1, rows: 1, geotransform: null, crs: null },
    tileSize: 1,
    halo: 0,
    tiles: { across: 1, down: 1 },
    model: null,
    memoryBytes: null,
  };
  const runner = new CodeProcess({ setup, runtime: ending === '.ts' ? 'node' : 'python', sharedFd: shared.fd, scratch: path.join(folder, 'scratch'), credentials: false, timeoutSeconds: 60, env: process.env, python: gdalPython });
  return {
    runner,
    close: async () => {
      await runner.close();
      shared.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

for (const [ending, skip] of [['.ts', false], ['.py', withoutGdal]] as const) {
  describe(`a merge of the user's in ${ending}`, { skip }, () => {
    async function withMerge<T>(name: string, use: (runner: CodeProcess) => Promise<T>): Promise<T> {
      const { runner, close } = await openSource(ending, name);
      try {
        return await use(runner);
      } finally {
        await close();
      }
    }

    it('gets the first with the second, what comes of it with the third, and numbers as numbers', async () => {
      await withMerge('merge', async (runner) => {
        const values = [{ n: 1, sum: [1, 'inf'] }, { n: 2, sum: [2, 0] }, { n: 3, sum: [3.5, 1] }];
        assert.deepEqual(await runner.merge({ id: 0, values }), { n: 6, sum: [6.5, 'inf'] });
        assert.deepEqual(await runner.merge({ id: 1, values: [{ n: 6, sum: [6.5, 'inf'] }, { n: 1, sum: ['nan', '-inf'] }] }), { n: 7, sum: ['nan', 'nan'] });
      });
    });

    it('says where it fails', async () => {
      await withMerge('fails', async (runner) => {
        await assert.rejects(runner.merge({ id: 0, values: [{ n: 1 }, { n: 41 }] }), (error) => error instanceof OperationError && error.code === 'FUNCTION_FAILED' && /fails.*user\.(ts|py).*too many/.test(error.message));
        assert.deepEqual(await runner.merge({ id: 1, values: [{ n: 1 }, { n: 4 }] }), { n: 4 }, 'the process is of use afterwards');
      });
      await withMerge('forgets', async (runner) => {
        await assert.rejects(runner.merge({ id: 0, values: [1, 2] }), (error) => error instanceof OperationError && /returned nothing; it has to return/.test(error.message));
      });
    });

    it('is told from what can be none', async () => {
      await withMerge('wide', async (runner) => {
        await assert.rejects(runner.merge({ id: 0, values: [1, 2] }), (error) => error instanceof JobError && error.code === 'FUNCTION_SIGNATURE' && /wide/.test(error.message));
      });
      await withMerge('absent', async (runner) => {
        await assert.rejects(runner.merge({ id: 0, values: [1, 2] }), (error) => error instanceof JobError && error.code === 'FUNCTION_MISSING' && /absent/.test(error.message));
      });
    });
  });
}
