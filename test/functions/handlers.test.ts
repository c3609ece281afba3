/**
 * The handlers' edge: what they refuse, and under which name an error leaves them, since Retry and Catch of the state machine go by it.
 * Would catch a field that is passed on unparsed, and an error whose class is lost on the way.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import middy from '@middy/core';
import { DataError, TilefanError, TryAgainError } from '../../lib/base/errors.ts';
import { createHandler as createReduce } from '../../functions/reduce/handler.ts';
import { createHandler as createSplit } from '../../functions/split/handler.ts';
import { reporting } from '../../functions/middleware.ts';
import type { FunctionContext } from '../../functions/middleware.ts';
import { stateFor } from '../support/local-run.ts';

process.env['TILEFAN_LOG_LEVEL'] = 'silent';

const context: FunctionContext = { awsRequestId: 'request-1', getRemainingTimeInMillis: () => 900_000 };
const env = { TILEFAN_WORK: 'file:///tmp/', TILEFAN_LOCAL_THREADS: '1' };

/** What a function that throws `error` lets out. */
async function letOut(error: Error): Promise<TilefanError> {
  const handler = middy<unknown, never, Error, FunctionContext>()
    .use(reporting('test'))
    .handler(() => Promise.reject(error));
  return await handler({}, context).then(assert.fail, (thrown: unknown) => {
    assert.ok(thrown instanceof TilefanError);
    return thrown;
  });
}

for (const { what, event, words } of [
  { what: 'no execution', event: { input: {} }, words: /execution/ },
  { what: 'an unknown field', event: { input: {}, execution: 'run-1', more: 1 }, words: /more/ },
  { what: 'no object', event: 'text', words: /the event/ },
]) {
  test(`split refuses ${what}, and names it`, async () => {
    await assert.rejects(createSplit(env)(event, context), { name: 'OperationError', code: 'EVENT_INVALID', message: words });
  });
}

test('reduce refuses a state without its run prefix, and names the field', async () => {
  const { href: _href, ...run } = stateFor('file:///tmp/', 'run-1').run;
  await assert.rejects(createReduce(env)({ ...stateFor('file:///tmp/', 'run-1'), run }, context), { code: 'EVENT_INVALID', message: /run\.href/ });
});

for (const status of ['MORE', 'MERGING']) {
  test(`reduce takes the state back with the status ${status} that it gave it`, async () => {
    // No such run: it gets past its event and fails on what it reads.
    const call = createReduce(env)({ ...stateFor('file:///tmp/tilefan-none/', 'run-1'), status }, context);
    await assert.rejects(call, (error) => error instanceof TilefanError && error.code !== 'EVENT_INVALID');
  });
}

test('a bad job leaves split as a JobError, so that nothing repeats it', async () => {
  await assert.rejects(createSplit(env)({ input: { name: 'x' }, execution: 'run-1' }, context), { name: 'JobError' });
});

test('errors of the tree leave as they are', async () => {
  for (const error of [new TryAgainError('STORE_BUSY', 'busy'), new DataError('TIFF_NOT_A_TIFF', 'a.tif is not a TIFF')]) {
    assert.equal(await letOut(error), error);
  }
});

test('what is not of the tree leaves as an OperationError, message and stack kept', async () => {
  const error = new TypeError('x is not a function');
  const out = await letOut(error);
  assert.equal(out.name, 'OperationError');
  assert.equal(out.message, error.message);
  assert.equal(out.stack, error.stack);
});

test('a message that would not fit a cause is cut, and says so', async () => {
  const out = await letOut(new DataError('LONG', 'x'.repeat(100_000)));
  assert.equal(out.name, 'DataError');
  assert.ok(out.message.length < 17_000);
  assert.match(out.message, /100000 characters; the log has all/);
});
