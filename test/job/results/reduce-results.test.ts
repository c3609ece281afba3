/** Results in the last step of a run: called again, cut off, incomplete, in S3. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { OperationError } from '../../../lib/base/errors.ts';
import type { Plan } from '../../../lib/job/plan.ts';
import { mergeResults } from '../../../lib/job/results/reduce-results.ts';
import { resultFiles, resultsState } from '../../../lib/job/results/results-state.ts';
import type { JobResults } from '../../../lib/job/spec.ts';
import { createStore } from '../../../lib/store/routing-store.ts';
import type { ClosableStore, Store } from '../../../lib/store/store.ts';
import { startS3Server, whyNoS3Server, type S3Server } from '../../support/s3-server.ts';
import { commitAll, commitSegment, planOf, ResultsBench, type RunOptions } from './collected.ts';

const shape = { across: 8, down: 4, batchColumns: 4, batchRows: 4 };

function reduceOf(store: Store, plan: Plan, results: JobResults, more: Partial<Parameters<typeof mergeResults>[0]> = {}): ReturnType<typeof mergeResults> {
  return mergeResults({ store, plan, results, runPass: 0, goesOn: () => true, writes: true, ...more });
}

/** The same store as an object whose functions can be replaced one by one. */
function portOf(store: Store): Store {
  return {
    stat: (...args) => store.stat(...args),
    readInto: (...args) => store.readInto(...args),
    readAll: (...args) => store.readAll(...args),
    list: (...args) => store.list(...args),
    put: (...args) => store.put(...args),
    removePrefix: (...args) => store.removePrefix(...args),
    assemble: (...args) => store.assemble(...args),
  };
}

/** Counts what is put where. */
function counting(store: Store): { store: Store; puts: string[] } {
  const puts: string[] = [];
  const put: Store['put'] = async (href, ...more) => {
    puts.push(href);
    return await store.put(href, ...more);
  };
  return { store: { ...portOf(store), put }, puts };
}

function bench(options: Partial<RunOptions> = {}, file = 'r.jsonl'): { bench: ResultsBench; plan: Plan; results: JobResults } {
  const made = new ResultsBench();
  const results: JobResults = { href: made.href(file), merge: 'list' };
  return { bench: made, plan: made.plan({ ...shape, results, ...options }), results };
}

describe('results in reduce', () => {
  it('are written once, and found done when it is called again', async () => {
    const { bench: space, plan, results } = bench();
    await using _ = space;
    await commitAll(space.store, plan, (column, row) => column * row);
    const first = await reduceOf(space.store, plan, results);
    assert.ok(typeof first === 'object' && 'record' in first);
    assert.deepEqual(first, { tilesDone: 32, record: { href: results.href, format: 'jsonl', rows: 32, bytes: readFileSync(space.file('r.jsonl')).length, missing: { tiles: 0, first: [] } } });
    const { store, puts } = counting(space.store);
    assert.deepEqual(await reduceOf(store, plan, results), first);
    assert.deepEqual(puts, []);
    // Taken away, it is made anew; another one in its place is overwritten.
    rmSync(space.file('r.jsonl'));
    assert.deepEqual(await reduceOf(space.store, plan, results), first);
    writeFileSync(space.file('r.jsonl'), 'something else');
    assert.deepEqual(await reduceOf(space.store, plan, results), first);
  });

  it('name the tiles that are missing', async () => {
    const { bench: space, plan, results } = bench();
    await using _ = space;
    await commitSegment(space.store, plan, 0, 0, [{ column: 0, row: 0, value: 1 }]);
    await assert.rejects(
      reduceOf(space.store, plan, results),
      (error) => error instanceof OperationError && error.code === 'RUN_INCOMPLETE' && /r\.jsonl.*31 of 32 tiles are not there, the first are 1,0 2,0 3,0 4,0 5,0;.*same run id/.test(error.message),
    );
    assert.deepEqual(readdirSync(space.folder), ['run']);
  });

  it('go without tiles where failures are tolerated, count them, and take them in when they come', async () => {
    const { bench: space, plan, results } = bench({ tolerated: 50 });
    await using _ = space;
    await commitSegment(space.store, plan, 0, 0, [{ column: 1, row: 0, value: 'a' }]);
    const first = await reduceOf(space.store, plan, results);
    assert.ok(typeof first === 'object' && 'record' in first);
    assert.deepEqual({ rows: first.record.rows, missing: first.record.missing }, { rows: 1, missing: { tiles: 31, first: [[0, 0], [2, 0], [3, 0], [4, 0], [5, 0]] } });
    await commitSegment(space.store, plan, 1, 0, [{ column: 4, row: 0, value: 'b' }]);
    const second = await reduceOf(space.store, plan, results);
    assert.ok(typeof second === 'object' && 'record' in second);
    assert.equal(second.record.rows, 2);
    assert.match(readFileSync(space.file('r.jsonl'), 'utf8'), /"a"\}\n.*"b"\}\n$/);
  });

  it('that are under way keep to the segments that they began with', async () => {
    // A late worker between two calls must not bring a tile's other value, nor half of its tiles.
    const { bench: space, plan, results } = bench({ tolerated: 50 });
    await using _ = space;
    await commitSegment(space.store, plan, 0, 1, [{ column: 1, row: 0, value: 'chosen' }]);
    assert.deepEqual(await reduceOf(space.store, plan, results, { writes: false }), { lines: [] });
    await commitSegment(space.store, plan, 0, 0, [{ column: 1, row: 0, value: 'late' }]);
    await reduceOf(space.store, plan, results);
    assert.match(readFileSync(space.file('r.jsonl'), 'utf8'), /"chosen"/);
  });

  it('that are cut off leave nothing, are written by the next call, and fail where time never suffices', async () => {
    const { bench: space, plan, results } = bench();
    await using _ = space;
    // Large enough for parts: what is there of them has to go.
    await commitAll(space.store, plan, (column, row) => `${String(column)},${String(row)}`.repeat(200_000));
    let asked = 0;
    assert.equal(await reduceOf(space.store, plan, results, { goesOn: () => ++asked < 5 }), 'later');
    assert.deepEqual(readdirSync(space.folder), ['run']);
    const done = await reduceOf(space.store, plan, results);
    assert.ok(typeof done === 'object' && 'record' in done);
    assert.equal(done.record.rows, 32);

    rmSync(space.file('r.jsonl'));
    rmSync(space.file(`run/${resultFiles.state}`));
    assert.equal(await reduceOf(space.store, plan, results, { goesOn: () => false }), 'later');
    await assert.rejects(reduceOf(space.store, plan, results, { goesOn: () => false }), (error) => error instanceof OperationError && error.code === 'RESULTS_TOO_SLOW' && /32 tiles.*time limit/.test(error.message));
    assert.equal(await reduceOf(space.store, plan, results, { goesOn: () => false }), 'later', 'whoever continues the run gets as many calls again');
  });

  // Catches: a file given up under a call that is alive.
  it('are written by four calls at once', async () => {
    const { bench: space, plan, results } = bench();
    await using _ = space;
    await commitAll(space.store, plan, () => 'x'.repeat(1_000_000));
    const others: Awaited<ReturnType<typeof mergeResults>>[] = [];
    const overtaken: Store = {
      ...portOf(space.store),
      assemble: async (...args) => {
        const assembly = await space.store.assemble(...args);
        return {
          token: assembly.token,
          parallelParts: 1,
          stored: () => assembly.stored(),
          // Another one begins, and writes the file, when the first part of this one is on its way, and again when it has begun anew.
          put: async (part) => {
            rmSync(space.file('r.jsonl'), { force: true });
            if (others.length < 3) others.push(await reduceOf(space.store, plan, results));
            await assembly.put(part);
          },
          complete: (parts) => assembly.complete(parts),
          abort: () => assembly.abort(),
        };
      },
    };
    const first = await reduceOf(overtaken, plan, results);
    assert.ok(typeof first === 'object' && 'record' in first);
    assert.deepEqual(others, [first, first, first]);
    assert.deepEqual(readdirSync(space.folder).toSorted(), ['r.jsonl', 'run']);
    assert.equal(readFileSync(space.file('r.jsonl'), 'utf8').split('\n').length, 33);
    assert.deepEqual(await reduceOf(space.store, plan, results), first);
  });

  it('clear away what a killed call has left', async () => {
    const { bench: space, plan, results } = bench();
    await using _ = space;
    await commitAll(space.store, plan, () => 'x'.repeat(1_000_000));
    const killed = new Error('killed');
    // The part is stored, and then nothing more happens: not even clearing up.
    let dead = false;
    const dying: Store = {
      ...portOf(space.store),
      assemble: async (...args) => {
        const assembly = await space.store.assemble(...args);
        if (dead) return assembly;
        return {
          token: assembly.token,
          parallelParts: 1,
          stored: () => assembly.stored(),
          put: async (part) => {
            await assembly.put(part);
            dead = true;
            throw killed;
          },
          complete: (parts) => assembly.complete(parts),
          abort: () => Promise.reject(killed),
        };
      },
    };
    await assert.rejects(reduceOf(dying, plan, results), killed);
    assert.ok(readdirSync(space.folder).length > 1, 'nothing was left to clear away');
    assert.ok(resultsState.parse(JSON.parse(readFileSync(space.file(`run/${resultFiles.state}`), 'utf8'))).token !== null);
    await reduceOf(space.store, plan, results);
    assert.deepEqual(readdirSync(space.folder).toSorted(), ['r.jsonl', 'run']);
    assert.equal(readFileSync(space.file('r.jsonl'), 'utf8').split('\n').length, 33);
  });
});

describe('results in S3', { skip: whyNoS3Server() ?? false }, () => {
  let server: S3Server;
  let store: ClosableStore;
  before(async () => {
    server = await startS3Server();
    Object.assign(process.env, server.env);
    store = createStore();
  });
  after(async () => {
    await store.close();
    await server.stop();
  });

  it('are one put while they are small, and a multipart upload when they are large', async () => {
    for (const [name, repeat] of [['small', 1], ['large', 300_000]] as const) {
      const results: JobResults = { href: `s3://${server.bucket}/out/${name}.csv`, merge: 'list' };
      const plan = planOf(`s3://${server.bucket}/runs/${name}/`, { ...shape, results });
      await commitAll(store, plan, (column, row) => ({ text: String(column).repeat(repeat), n: row }));
      const done = await reduceOf(store, plan, results);
      assert.ok(typeof done === 'object' && 'record' in done);
      const { size, version } = await store.stat(results.href);
      assert.equal(done.record.bytes, size);
      assert.equal(/-\d+"?$/.test(version), name === 'large', version);
      const text = new TextDecoder().decode(await store.readAll(results.href));
      // By batches of four columns, and in them row by row.
      const expected = [0, 4].flatMap((left) => [0, 1, 2, 3].flatMap((row) => [0, 1, 2, 3].map((x) => `${String(left + x)},${String(row)},${String(left + x).repeat(repeat)},${String(row)}\n`)));
      assert.ok(text === `column,row,text,n\n${expected.join('')}`, `${name}: ${text.slice(0, 100)}`);
      assert.deepEqual(await reduceOf(store, plan, results), done);
    }
  });
});
