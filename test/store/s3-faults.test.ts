/** Faults on the wire, scripted per attempt: the SDK's retries and ours, over real sockets. */
import assert from 'node:assert/strict';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { after, describe, it } from 'node:test';

import { createS3Store } from '../../lib/store/s3-store.ts';
import { pattern, rejects } from './contract.ts';

type Reply = (answer: ServerResponse, request: IncomingMessage) => void;

const asked: string[] = [];
let script: Reply[] = [];
const server = createServer((request, answer) => {
  asked.push(`${request.method} ${request.url}`);
  request.resume().once('end', () => (script.length > 1 ? script.shift() : script[0])?.(answer, request));
});
await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
const address = server.address();
assert.ok(address !== null && typeof address === 'object');
process.env['AWS_ACCESS_KEY_ID'] = 'key';
process.env['AWS_SECRET_ACCESS_KEY'] = 'secret';
const store = createS3Store({ endpoint: `http://127.0.0.1:${address.port}`, region: 'us-east-1', maxAttempts: 3 });
after(async () => {
  await store.close();
  server.closeAllConnections();
  server.close();
});

const bytes = pattern(100_000, 1);
const whole: Reply = (answer) => answer.writeHead(206, { 'content-length': bytes.length, 'content-range': `bytes 0-${bytes.length - 1}/${bytes.length}` }).end(bytes);
const brokenOff: Reply = (answer) => {
  answer.writeHead(206, { 'content-length': bytes.length, 'content-range': `bytes 0-${bytes.length - 1}/${bytes.length}` }).write(bytes.subarray(0, 50_000));
  setTimeout(() => answer.destroy(), 20);
};
const status = (code: number, name: string): Reply => (answer) => answer.writeHead(code, { 'content-type': 'application/xml' }).end(`<Error><Code>${name}</Code><Message>scripted</Message></Error>`);
const reset: Reply = (answer) => answer.socket?.resetAndDestroy();

async function read(...replies: Reply[]): Promise<number> {
  asked.length = 0;
  script = replies;
  const target = new Uint8Array(bytes.length);
  await store.readInto('s3://bucket/a b', 0, target);
  assert.deepEqual(target, bytes);
  return asked.length;
}

void describe('S3 driver: faults on the wire', () => {
  void it('goes on after busy answers, lost connections and broken bodies', async () => {
    assert.equal(await read(whole), 1);
    assert.equal(await read(status(503, 'SlowDown'), status(500, 'InternalError'), whole), 3);
    assert.equal(await read(reset, whole), 2);
    assert.equal(await read(brokenOff, brokenOff, whole), 3);
    assert.ok(asked.every((line) => line.startsWith('GET /bucket/a%20b')), 'path style');
  });

  void it('gives up after its attempts, with a passing fault', async () => {
    await rejects(read(status(503, 'SlowDown')), 'STORE_BUSY', 'TryAgainError', 'SlowDown 503');
    assert.equal(asked.length, 3);
    await rejects(read(brokenOff), 'STORE_BUSY', 'TryAgainError', 'broke off after');
    assert.equal(asked.length, 3);
    await rejects(read(reset), 'STORE_BUSY', 'TryAgainError', 's3://bucket/a b');
    assert.equal(asked.length, 3);
  });

  void it('does not repeat what repeating cannot help', async () => {
    await rejects(read(status(403, 'AccessDenied')), 'STORE_DENIED', 'InputUnavailableError', 'AccessDenied 403');
    assert.equal(asked.length, 1);
    await rejects(read(status(404, 'NoSuchKey')), 'STORE_NOT_FOUND', 'InputUnavailableError');
    assert.equal(asked.length, 1);
  });

  void it('repeats a put whose body is a stream', async () => {
    asked.length = 0;
    const lengths: string[] = [];
    const taken: Reply = (answer, request) => {
      lengths.push(request.headers['content-length'] ?? 'none');
      answer.writeHead(200).end();
    };
    script = [status(503, 'SlowDown'), reset, taken];
    assert.equal(await store.put('s3://bucket/k', [pattern(900_000, 1), pattern(900_000, 2)]), 'written');
    assert.equal(asked.length, 3);
    assert.deepEqual(lengths, ['1800000']);
  });

  void it('says when nobody listens', async () => {
    const deaf = createS3Store({ endpoint: 'http://127.0.0.1:1', maxAttempts: 1 });
    await rejects(deaf.readAll('s3://bucket/k'), 'STORE_BUSY', 'TryAgainError', 'ECONNREFUSED');
    await deaf.close();
  });

  void it('says when there is no region', async () => {
    const environment = { ...process.env };
    for (const name of ['AWS_REGION', 'AWS_ENDPOINT_URL', 'AWS_ENDPOINT_URL_S3', 'AWS_PROFILE']) delete process.env[name];
    Object.assign(process.env, { AWS_CONFIG_FILE: '/nonexistent', AWS_SHARED_CREDENTIALS_FILE: '/nonexistent' });
    try {
      const nowhere = createS3Store({});
      await rejects(nowhere.stat('s3://bucket/k'), 'STORE_WRONG_REGION', 'InputUnavailableError', 'set AWS_REGION');
      await nowhere.close();
    } finally {
      process.env = environment;
    }
  });
});
