/** Results whose process is killed, at every single thing that it asks of the store: whoever comes next finishes them, and the bytes are the same. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { describe, it } from 'node:test';
import type { Plan } from '../../../lib/job/plan.ts';
import { mergeResults } from '../../../lib/job/results/reduce-results.ts';
import { runMergeTask } from '../../../lib/job/results/merge-task.ts';
import type { JobResults } from '../../../lib/job/spec.ts';
import type { Assembly, Store } from '../../../lib/store/store.ts';
import { commitAll, ResultsBench } from './collected.ts';

class Killed extends Error {}

/** A store of a process that dies at the given call, before or after it has had its effect; nothing works afterwards, not even clearing up. */
function dying(store: Store, at: number, effect: 'before' | 'after'): { readonly store: Store; readonly died: () => boolean } {
  let calls = 0;
  const wrap = <Target extends object>(target: Target): Target =>
    new Proxy(target, {
      get: (of, name) => {
        const value = Reflect.get(of, name) as unknown;
        if (typeof value !== 'function' || name === 'list') return typeof value === 'function' ? (value.bind(of) as unknown) : value;
        return async (...args: unknown[]) => {
          const call = ++calls;
          if (call > at || (call === at && effect === 'before')) throw new Killed();
          const answer = (await value.apply(of, args)) as unknown;
          if (call === at) throw new Killed();
          return name === 'assemble' ? wrap(answer as Assembly) : answer;
        };
      },
    });
  return { store: wrap(store), died: () => calls >= at };
}

const signal = new AbortController().signal;

/** Reduce and the merging task as they follow each other, until all is done; at the call `at` somebody dies. */
async function runOnce(store: Store, plan: Plan, results: JobResults, from: number): Promise<number> {
  for (let pass = from; ; pass++) {
    const answer = await mergeResults({ store, plan, results, runPass: pass, goesOn: () => true, writes: true });
    assert.equal(typeof answer, 'object');
    if (typeof answer === 'string' || 'record' in answer) return pass;
    const openMerger = (): ReturnType<Parameters<typeof runMergeTask>[0]['openMerger']> =>
      Promise.resolve({ merge: (values) => Promise.resolve(values.reduce((a, b) => `${String(a)}${String(b)}`)), close: () => Promise.resolve() });
    await runMergeTask({ plan, store, signal, openMerger });
  }
}

const cases: readonly (readonly [string, JobResults['merge'], string, number])[] = [
  ['a list in one put', 'list', 'r.csv', 10],
  ['a list in parts', 'list', 'r.jsonl', 400_000],
  ['a value by the function', { function: 'merge' }, 'r.json', 10],
];

describe('results whose process is killed', () => {
  for (const [what, merge, file, length] of cases) {
    for (const effect of ['before', 'after'] as const) {
      it(`${what}, ${effect} a call has had its effect`, async (t) => {
        await using bench = new ResultsBench();
        const results: JobResults = { href: bench.href(file), merge };
        const plan = bench.plan({ across: 6, down: 4, batchColumns: 4, batchRows: 4, results });
        await commitAll(bench.store, plan, (column, row) => `${String(column)}.${String(row)}`.padEnd(length, 'x'));
        await runOnce(bench.store, plan, results, 0);
        const expected = readFileSync(bench.file(file));
        let kills = 0;
        for (let at = 1; ; at++) {
          rmSync(bench.file(file));
          rmSync(bench.file('run/merge'), { recursive: true });
          const { store, died } = dying(bench.store, at, effect);
          const outcome = await runOnce(store, plan, results, 0).catch((error: unknown) => error);
          if (!died()) {
            assert.equal(typeof outcome, 'number');
            break;
          }
          kills++;
          assert.ok(outcome instanceof Killed, `call ${String(at)}: ${String(outcome)}`);
          // Whoever continues the run begins with pass 0.
          await runOnce(bench.store, plan, results, 0);
          assert.ok(readFileSync(bench.file(file)).equals(expected), `killed at call ${String(at)}`);
          // What was begun between an assembly and the note of it can't be known to anybody.
          const left = readdirSync(bench.folder).filter((name) => name !== file && name !== 'run');
          assert.ok(left.length <= 2, `killed at call ${String(at)}: ${left.join(' ')}`);
          for (const name of left) rmSync(bench.file(name));
        }
        t.diagnostic(`${String(kills)} kills`);
        assert.ok(kills >= 8, String(kills));
      });
    }
  }
});
