/** A worker on standby. Would catch an environment that is cut where the pipe cuts it, and a worker that waits on after its parent is gone. */
import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { receiveEnvironment } from '../../containers/worker/standby.ts';

const never = new AbortController().signal;

test('the environment is the first line, in however many pieces it comes', async () => {
  const input = new PassThrough();
  const received = receiveEnvironment(input, never);
  const bytes = Buffer.from(`${JSON.stringify({ TILEFAN_BATCH: '{"batch":0}', NAME: 'Žofín – ü' })}\n`);
  // Between the two bytes of a letter, too.
  for (const byte of bytes) {
    input.write(Buffer.of(byte));
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.deepEqual(await received, { TILEFAN_BATCH: '{"batch":0}', NAME: 'Žofín – ü' });
});

test('an input that ends tells that nobody wants the worker', async () => {
  const ended = new PassThrough();
  ended.end();
  assert.equal(await receiveEnvironment(ended, never), undefined);

  const halfWay = new PassThrough();
  const received = receiveEnvironment(halfWay, never);
  halfWay.write('{"TILEFAN_RUN":');
  setImmediate(() => halfWay.end());
  assert.equal(await received, undefined);

  const broken = new PassThrough();
  const fromBroken = receiveEnvironment(broken, never);
  setImmediate(() => broken.destroy(new Error('EPIPE')));
  assert.equal(await fromBroken, undefined);
});

test('a signal ends the waiting', async () => {
  const stop = new AbortController();
  const received = receiveEnvironment(new PassThrough(), stop.signal);
  setImmediate(() => {
    stop.abort();
  });
  assert.equal(await received, undefined);
});
