/** The parent machine: its loop over reduce, and what becomes of errors of the functions. Would catch a lost error text and an endless retry. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DataError, JobError, OutputError, TryAgainError } from '../../lib/base/errors.ts';
import { StatesError } from '../../local/engine.ts';
import type { Json } from '../../local/engine.ts';
import { lambdaHandler } from '../../local/services.ts';
import { stateFor } from '../support/local-run.ts';
import { exited, runMachine } from '../support/scripted-ecs.ts';

const state = stateFor('s3://work/', 'run-1');

/** What Step Functions sees of an error that a function throws: through the engine's own translation. */
async function thrown(error: Error): Promise<never> {
  const call = lambdaHandler({ fn: () => Promise.reject(error) });
  await call({ state: '', input: null, arguments: { FunctionName: 'fn', Payload: null }, signal: new AbortController().signal });
  throw new Error('unreachable');
}

test('split is told the input and the name of the execution, reduce the state', async () => {
  const seen: Json[] = [];
  const outcome = await runMachine({
    lambda: (name, payload) => {
      seen.push(payload);
      return Promise.resolve(name === 'Split' ? state : { ...state, status: 'DONE' });
    },
    runTask: () => Promise.resolve(null),
  });
  assert.deepEqual(seen, [{ input: { name: 'job' }, execution: 'run-1' }, state]);
  assert.deepEqual(outcome, { state: 'SUCCEEDED', output: { ...state, status: 'DONE' } });
});

test('MERGING calls reduce again, MORE sends the workers once more', async () => {
  const answers = ['MERGING', 'MORE', 'MERGING', 'MERGING', 'DONE'];
  let maps = 0;
  let tasks = 0;
  const outcome = await runMachine({
    lambda: (name) => Promise.resolve(name === 'Split' ? state : { ...state, status: answers.shift() ?? 'none' }),
    runTask: () => {
      tasks++;
      return Promise.resolve(null);
    },
    items: [{ batch: 1 }, { batch: 2 }],
    onItemsStarted: () => maps++,
  });
  assert.equal(outcome.state, 'SUCCEEDED');
  assert.deepEqual({ maps, tasks, left: answers.length }, { maps: 2, tasks: 4, left: 0 });
});

// Would catch a split that is called with a state instead of the job, conversions that are run again or not at all, and a reduce between.
test('CONVERT sends the workers, and then calls split again with the input of the execution', async () => {
  const calls: { readonly name: string; readonly payload: Json }[] = [];
  const totals: number[] = [];
  const converting: Json = { ...state, status: 'CONVERT', manifest: { bucket: 'work', key: 'runs/run-1/manifest-convert.jsonl' } } as unknown as Json;
  const outcome = await runMachine({
    lambda: (name, payload) => {
      calls.push({ name, payload });
      if (name === 'Reduce') return Promise.resolve({ ...state, status: 'DONE' });
      return Promise.resolve(calls.length < 3 ? converting : state);
    },
    runTask: () => Promise.resolve(null),
    items: [{ batch: 900_000 }],
    onItemsStarted: (total) => totals.push(total),
  });
  assert.equal(outcome.state, 'SUCCEEDED');
  const asked = { input: { name: 'job' }, execution: 'run-1' };
  assert.deepEqual(calls, [{ name: 'Split', payload: asked }, { name: 'Split', payload: asked }, { name: 'Split', payload: asked }, { name: 'Reduce', payload: state as unknown as Json }]);
  assert.deepEqual(totals, [1, 1, 1], 'two passes of conversions, and one of tiles');
});

// Would catch a trial that becomes a run, and one that is reduced though there is nothing to reduce.
test('TRY sends one worker, and then the execution is done', async () => {
  const calls: string[] = [];
  let tasks = 0;
  const outcome = await runMachine({
    lambda: (name) => {
      calls.push(name);
      return Promise.resolve({ ...state, status: 'TRY', manifest: { bucket: 'work', key: 'runs/run-1/manifest-try.jsonl' } } as unknown as Json);
    },
    runTask: () => {
      tasks++;
      return Promise.resolve(null);
    },
    items: [{ batch: 999_990 }],
  });
  assert.equal(outcome.state, 'SUCCEEDED');
  assert.deepEqual([calls, tasks], [['Split'], 1]);
});

// Would catch a run that is planned although an input could not be converted, because the job tolerates failures of tiles.
test('a conversion that fails ends the run', async () => {
  let calls = 0;
  const outcome = await runMachine({
    lambda: () => {
      calls++;
      return Promise.resolve({ ...state, status: 'CONVERT' });
    },
    items: [{ batch: 900_000 }, { batch: 900_001 }],
    runTask: () => {
      const answer = exited(65);
      return answer === 'ok' ? Promise.resolve(null) : Promise.reject(new StatesError(answer.error, answer.cause));
    },
    getObject: ({ arguments: args }) => {
      assert.match((args as { readonly Key: string }).Key, /results\/90000[01]\.json$/);
      return Promise.resolve({ Body: JSON.stringify({ error: { name: 'DataError', code: 'GDAL_FAILED', message: 'input dem: not recognized as a supported file format', where: {}, exitCode: 65 } }) });
    },
  });
  assert.ok(outcome.state === 'FAILED');
  assert.equal(outcome.error, 'States.ExceedToleratedFailureThreshold');
  assert.equal(calls, 1);
});

test('an answer that is none of the three ends the run', async () => {
  const outcome = await runMachine({ lambda: (name) => Promise.resolve(name === 'Split' ? state : { ...state, status: 'LATER' }), runTask: () => Promise.resolve(null) });
  assert.ok(outcome.state === 'FAILED');
  assert.match(outcome.cause, /other than MORE, MERGING or DONE/);
});

for (const { where, error } of [
  { where: 'Split', error: new JobError('JOB_INVALID', 'outputs.ndvi.dtyp: unknown field, did you mean "dtype"?') },
  { where: 'Reduce', error: new DataError('SEGMENT_BROKEN', 'segment 3 has no index') },
  { where: 'Reduce', error: new OutputError('STORE_DENIED', 'may not write s3://out/ndvi.tif') },
] as const) {
  test(`${error.name} in ${where} is told in its own words, after one call`, async () => {
    let calls = 0;
    const outcome = await runMachine({
      lambda: async (name) => {
        if (name !== where) return state;
        calls++;
        return await thrown(error);
      },
      runTask: () => Promise.resolve(null),
    });
    assert.deepEqual(outcome, { state: 'FAILED', error: error.name, cause: error.message });
    assert.equal(calls, 1);
  });
}

for (const { error, calls: wanted } of [
  { error: new TryAgainError('STORE_BUSY', 'S3 is busy'), calls: 5 },
  { error: new StatesError('Lambda.TooManyRequestsException', 'Rate Exceeded.'), calls: 7 },
  { error: new StatesError('Lambda.ServiceException', 'try later'), calls: 7 },
  { error: new StatesError('Sandbox.Timedout', '{"errorType":"Sandbox.Timedout","errorMessage":"Task timed out after 900.00 seconds"}'), calls: 1 },
  { error: new StatesError('Lambda.Unknown', 'The cause could not be determined'), calls: 1 },
]) {
  for (const where of ['Split', 'Reduce'] as const) {
    test(`${error.name} in ${where}: ${wanted} calls`, async () => {
      let calls = 0;
      const outcome = await runMachine({
        lambda: async (name) => {
          if (name !== where) return state;
          calls++;
          return error instanceof StatesError ? await Promise.reject(error) : await thrown(error);
        },
        runTask: () => Promise.resolve(null),
      });
      assert.ok(outcome.state === 'FAILED');
      assert.equal(outcome.error, error.name);
      assert.match(outcome.cause, /S3 is busy|Rate Exceeded|try later|timed out after 900|could not be determined/);
      assert.equal(calls, wanted);
    });
  }
}

for (const { items, failing, tolerated, wanted } of [
  { items: 10, failing: 0, tolerated: 0, wanted: 'SUCCEEDED' },
  { items: 10, failing: 1, tolerated: 0, wanted: 'FAILED' },
  { items: 10, failing: 2, tolerated: 20, wanted: 'SUCCEEDED' },
  { items: 10, failing: 3, tolerated: 20, wanted: 'FAILED' },
  { items: 3, failing: 3, tolerated: 100, wanted: 'SUCCEEDED' },
  { items: 0, failing: 0, tolerated: 0, wanted: 'SUCCEEDED' },
] as const) {
  test(`${failing} of ${items} batches fail, ${tolerated} % are tolerated: ${wanted}`, async () => {
    const answer = exited(70);
    const outcome = await runMachine({
      lambda: (name) => Promise.resolve(name === 'Split' ? { ...state, limits: { ...state.limits, toleratedFailurePercentage: tolerated } } : { ...state, status: 'DONE' }),
      items: Array.from({ length: items }, (_, batch) => ({ batch })),
      runTask: ({ input }) => {
        const { batch } = (input as { readonly batch: { readonly batch: number } }).batch;
        if (batch >= failing || answer === 'ok') return Promise.resolve(null);
        return Promise.reject(new StatesError(answer.error, answer.cause));
      },
      getObject: () => Promise.reject(new StatesError('S3.NoSuchKeyException', 'gone')),
    });
    assert.equal(outcome.state, wanted);
    if (outcome.state !== 'FAILED') return;
    assert.equal(outcome.error, 'States.ExceedToleratedFailureThreshold');
    assert.equal(outcome.cause, `${Math.floor((items * tolerated) / 100) + 1} of ${items} items failed, ${tolerated} % are tolerated.`);
  });
}

test('10,000 batches: at most maxConcurrency at a time, and no item is taken before its turn', async () => {
  const concurrency = 16;
  const batches = 10_000;
  let taken = 0;
  let ended = 0;
  let furthest = 0;
  let now = 0;
  let most = 0;
  function* lines(): Generator<Json> {
    for (let batch = 0; batch < batches; batch++) {
      furthest = Math.max(furthest, ++taken - ended);
      yield { batch };
    }
  }
  const outcome = await runMachine({
    lambda: (name) => Promise.resolve(name === 'Split' ? { ...state, limits: { maxConcurrency: concurrency, toleratedFailurePercentage: 0 } } : { ...state, status: 'DONE' }),
    items: { total: batches, items: lines() },
    onItemEnded: () => ended++,
    runTask: async () => {
      most = Math.max(most, ++now);
      await Promise.resolve();
      now--;
      return null;
    },
  });
  assert.equal(outcome.state, 'SUCCEEDED');
  assert.equal(ended, batches);
  assert.equal(most, concurrency);
  assert.ok(furthest <= concurrency, `${furthest} items in hand`);
});
