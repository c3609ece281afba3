/** Results as the trial sees them: whatever keeps those of all tiles from being merged or written is refused before there are any. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { TilefanError } from '../../../lib/base/errors.ts';
import { trialNumber } from '../../../lib/job/manifest.ts';
import { prepareAny } from '../../../lib/job/prepare-any.ts';
import { prepareCode } from '../../../lib/job/prepare-code.ts';
import { batchRecord } from '../../../lib/job/records.ts';
import { split } from '../../../lib/job/split.ts';
import { gdalPython, withoutGdal } from '../../support/gdal.ts';
import { makeFiles } from '../../support/raster-oracle.ts';
import { Bench } from '../pipeline.ts';

const bench = new Bench();
after(() => bench[Symbol.asyncDispose]());
const env = { ...process.env, TILEFAN_PYTHON: gdalPython };
const { signal } = new AbortController();

const modules = {
  ts: `
import { appendFileSync } from 'node:fs';
export const f = ({ info, parameters }: any) => {
  appendFileSync(parameters.log, 'tile\\n');
  return parameters.value;
};
export const good = (a: any, b: any) => ({ n: a.n + b.n });
export const one = (a: any) => a;
export const bare = a => a;
export const three = (a: any, b: any, c: any) => a;
export const byDefault = (a: any, b = { n: 0 }) => ({ n: a.n + b.n });
export const constant = { n: 1 };
export const throws = (a: any, b: any) => { throw new RangeError('no ' + a.n); };
export const nothing = (a: any, b: any) => {};
export const noJson = (a: any, b: any) => { const n: any = { a }; n.n = n; return n; };
export const pairs = (a: any, b: any) => [a.n.toFixed(1), b.n];
`,
  py: `
def f(info, inputs, outputs, otherargs):
    open(otherargs.log, 'a').write('tile\\n')
    return otherargs.value
def good(a, b): return {'n': a['n'] + b['n']}
def one(a): return a
bare = one
def three(a, b, c): return a
def byDefault(a, b=None): return {'n': a['n'] + b['n']}
constant = {'n': 1}
def throws(a, b): raise ValueError('no %s' % a['n'])
def nothing(a, b): pass
def noJson(a, b): return {'n': object()}
def pairs(a, b): return [a['n'], b['n']]
`,
} as const;

interface Case {
  readonly results: object;
  readonly value?: unknown;
  readonly tileSize?: number;
}

let count = 0;

function jobOf(ending: keyof typeof modules, { results, value = { n: 4 }, tileSize = 128 }: Case): { readonly name: string; readonly document: Record<string, unknown> } {
  const name = `trial-${String(++count)}`;
  const document = {
    inputs: { a: bench.file('a.tif') },
    grid: { tileSize },
    operation: { module: bench.file(`f.${ending}`), function: 'f', parameters: { log: bench.file(`${name}.log`), value } },
    results: { href: bench.file(`${name}.json`), ...results },
  };
  return { name, document };
}

/** The trial as a laptop has it. @returns the error, if any */
async function tried(ending: keyof typeof modules, wanted: Case): Promise<{ readonly run: string; readonly name: string; readonly error: TilefanError | undefined }> {
  const { name, document } = jobOf(ending, wanted);
  const run = `${bench.folder}/work/runs/${name}`;
  try {
    await split({ input: { job: document, run: name }, execution: 'unused' }, { store: bench.store, env: bench.env, prepareCode: (store, plan) => prepareCode(store, plan, { env, signal }) });
    return { run, name, error: undefined };
  } catch (error) {
    assert.ok(error instanceof TilefanError, String(error));
    return { run, name, error };
  }
}

void describe('results in the trial', { skip: withoutGdal }, () => {
  before(() => {
    for (const [ending, source] of Object.entries(modules)) writeFileSync(bench.file(`f.${ending}`), source);
    makeFiles(`ds = gdal.GetDriverByName('GTiff').Create(sys.argv[1], 300, 200, 1, gdal.GDT_Byte)\nds = None`, [bench.file('a.tif')]);
  });

  const failing = {
    mrge: { ts: ['FUNCTION_MISSING', /^results\.merge: .*no export mrge/], py: ['FUNCTION_MISSING', /^results\.merge: .*f\.py has no function mrge: it has f, good/] },
    one: { ts: ['FUNCTION_SIGNATURE', /^results\.merge: .*one takes one argument; wanted a function merge\(a, b\)/], py: ['FUNCTION_SIGNATURE', /^results\.merge: .*one\(a\) can't be called with two results/] },
    bare: { ts: ['FUNCTION_SIGNATURE', /bare takes one argument/], py: ['FUNCTION_SIGNATURE', /can't be called with two results/] },
    three: { ts: ['FUNCTION_SIGNATURE', /three takes 3 arguments/], py: ['FUNCTION_SIGNATURE', /three\(a, b, c\) can't be called/] },
    constant: { ts: ['FUNCTION_SIGNATURE', /constant is a value of type object/], py: ['FUNCTION_MISSING', /constant of f\.py is no function but dict/] },
    throws: { ts: ['FUNCTION_FAILED', /^results\.merge, tried on the results of tile 0,0, tile 1,1, tile 2,1: function throws at f\.ts:13: RangeError: no 4/], py: ['FUNCTION_FAILED', /^results\.merge, tried on the results of tile 0,0, tile 1,1, tile 2,1: function throws at f\.py:11: ValueError: no 4/] },
    nothing: { ts: ['FUNCTION_NO_OUTPUT', /returned nothing/], py: ['FUNCTION_NO_OUTPUT', /returned nothing/] },
    noJson: { ts: ['FUNCTION_NO_OUTPUT', /returned something that JSON cannot hold/], py: ['FUNCTION_NO_OUTPUT', /\bn\b.*object/] },
    pairs: { ts: ['FUNCTION_FAILED', /TypeError/], py: ['FUNCTION_FAILED', /TypeError/] },
  } as const;

  // Catches a wrong merge that is noticed when all tiles are done, and the run can't be saved; a merge that can't take what it returns.
  for (const [name, wanted] of Object.entries(failing)) {
    it(`refuses the merge ${name}`, async () => {
      for (const ending of ['ts', 'py'] as const) {
        const [code, says] = wanted[ending];
        // One after another: each has two processes.
        // oxlint-disable-next-line no-await-in-loop
        const { run, name: id, error } = await tried(ending, { results: { merge: { function: name } } });
        assert.ok(error !== undefined, 'it was taken');
        assert.equal(error.code, code, error.message);
        assert.match(error.message, says);
        // What a merge says of two equal results may be right, so that it is asked about others.
        assert.equal(readFileSync(bench.file(`${id}.log`), 'utf8'), code === 'FUNCTION_FAILED' ? 'tile\ntile\ntile\n' : 'tile\n', 'each tile once');
        assert.ok(!existsSync(`${run}/plan.json`));
        assert.equal(batchRecord.parse(JSON.parse(readFileSync(`${run}/results/${String(trialNumber)}.json`, 'utf8'))).error?.code, code);
      }
    });
  }

  // Catches a merge that is right to take no result twice, and could never be used.
  it('takes a merge that only refuses what it has had already', async () => {
    writeFileSync(bench.file('d.py'), `
def f(info, inputs, outputs, otherargs): return {'tiles': ['%d,%d' % (info.xblock, info.yblock)]}
def disjoint(a, b):
    if set(a['tiles']) & set(b['tiles']): raise ValueError('twice')
    return {'tiles': a['tiles'] + b['tiles']}
`);
    const document = { inputs: { a: bench.file('a.tif') }, grid: { tileSize: 128 }, operation: { module: bench.file('d.py'), function: 'f' }, results: { href: bench.file('disjoint.json'), merge: { function: 'disjoint' } } };
    const { manifest } = await split({ input: { job: document, run: 'disjoint' }, execution: 'unused' }, { store: bench.store, env: bench.env, prepareCode: (store, plan) => prepareCode(store, plan, { env, signal }) });
    assert.ok(existsSync(manifest.key));
  });

  // Catches a check on a laptop only: on AWS it is a worker that tries the code.
  it('is looked at by a worker, too', async () => {
    const { name, document } = jobOf('py', { results: { merge: { function: 'throws' } } });
    const asked = await split({ input: { job: document, run: name }, execution: 'unused' }, { store: bench.store, env: bench.env });
    assert.equal(asked.status, 'CONVERT');
    await assert.rejects(prepareAny(bench.store, asked.run.href, { env, signal }), { code: 'FUNCTION_FAILED', message: /^results\.merge, tried on the results of tile 0,0/ });
  });

  // Catches values that no tile could have merged or written, and are refused by reduce only.
  it('refuses what merges and tables of our own can not take', async () => {
    const cases: readonly [Case, string, RegExp][] = [
      [{ results: { merge: 'sum' }, value: { n: 'many' } }, 'RESULT_KIND', /result of tile 0,0 can't be merged by sum: n is the text "many"/],
      [{ results: { merge: 'dict' }, value: 4 }, 'RESULT_KIND', /tile 0,0 .*wanted an object/],
      [{ results: { merge: 'histogram' }, value: { edges: [0, 1], counts: [1, 2] } }, 'RESULT_KIND', /one count less/],
      [{ results: { format: 'csv' }, value: { 'a.b': 1, a: { b: 2 } } }, 'RESULT_COLUMNS', /column "a\.b"/],
      [{ results: { format: 'parquet', merge: 'max' }, value: { 'a.b': 1, a: { b: 2 } } }, 'RESULT_COLUMNS', /column "a\.b"/],
    ];
    for (const [wanted, code, says] of cases) {
      // oxlint-disable-next-line no-await-in-loop
      const { error, run } = await tried('ts', wanted);
      assert.equal(error?.code, code, JSON.stringify(wanted));
      assert.match(error.message, says);
      assert.ok(!existsSync(`${run}/plan.json`));
    }
  });

  // Catches a trial that refuses what would have worked: a tile without a result, a run of one tile, whose result is never merged, a second argument with a default.
  it('takes all others', async () => {
    const cases: readonly Case[] = [
      { results: { merge: { function: 'good' } } },
      { results: { merge: { function: 'byDefault' } } },
      { results: { merge: { function: 'good' } }, value: null },
      { results: { merge: { function: 'throws' } }, tileSize: 512 },
      { results: { merge: { function: 'pairs' }, format: 'csv' }, tileSize: 256 },
      { results: { merge: 'sum' }, value: [1, null, 'nan'] },
      { results: { format: 'csv' }, value: { 'a.b': 1, a: { c: 2 } } },
    ];
    for (const wanted of cases) {
      // oxlint-disable-next-line no-await-in-loop
      const { error, run } = await tried('py', wanted);
      assert.equal(error, undefined, `${JSON.stringify(wanted)}: ${String(error)}`);
      assert.ok(existsSync(`${run}/plan.json`));
    }
  });
});
