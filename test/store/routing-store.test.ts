/** The store that all else uses: both drivers behind one face, pieces from one going into the other, the SDK only when it is needed. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';

import { createStore } from '../../lib/store/routing-store.ts';
import { minPartBytes, type Piece } from '../../lib/store/store.ts';
import { startS3Server, whyNoS3Server } from '../support/s3-server.ts';
import { all, expected, layOut, pattern, rejects } from './contract.ts';

const why = whyNoS3Server();

void describe('routing store', () => {
  void it('loads the S3 SDK with the first s3:// href and not before', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'tilefan-routing-'));
    const module = join(import.meta.dirname, '../../lib/store/routing-store.ts');
    const program = `
      import { registerHooks } from 'node:module';
      const loaded = [];
      registerHooks({ load(url, context, next) { if (url.includes('@aws-sdk/client-s3')) loaded.push(url); return next(url, context); } });
      const { createStore } = await import(${JSON.stringify(module)});
      const store = createStore({ s3: { endpoint: 'http://127.0.0.1:1', maxAttempts: 1 } });
      await store.put(process.argv[1] + '/o', Buffer.from('x'));
      const before = loaded.length;
      await store.stat('s3://bucket/k').catch(() => undefined);
      await store.close();
      console.log(before, loaded.length > 0);`;
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program, folder]);
    assert.equal(stdout, '0 true\n');
    await rm(folder, { recursive: true });
  });

  void it('refuses what is neither, by name', async () => {
    const store = createStore();
    await rejects(store.readAll('https://example.com/a.tif'), 'HREF_UNKNOWN_SCHEME', 'JobError', 'https://');
    await rejects(store.put('relative.tif', new Uint8Array(1)), 'HREF_RELATIVE', 'JobError', 'relative.tif');
    await rejects(all(store.list('gs://bucket/')), 'HREF_UNKNOWN_SCHEME', 'JobError', 'gs://');
    await store.close();
  });

  if (why !== undefined) console.log(`# skipped: pieces across drivers: ${why}`);
  void it('assembles an S3 object from files, and a file from S3 objects', { skip: why ?? false }, async () => {
    const server = await startS3Server();
    const folder = await mkdtemp(join(tmpdir(), 'tilefan-routing-'));
    const credentials = { AWS_ACCESS_KEY_ID: server.credentials.accessKeyId, AWS_SECRET_ACCESS_KEY: server.credentials.secretAccessKey };
    Object.assign(process.env, credentials);
    const store = createStore({ s3: { endpoint: server.endpoint } });
    try {
      const source = pattern(9_000_000, 5);
      const places = [`${folder}/o`, `s3://${server.bucket}/o`];
      for (const place of places) await store.put(place, source);
      for (const target of [`${folder}/result`, `s3://${server.bucket}/result`]) {
        const range = (index: number, offset: number, length: number): Piece => ({ kind: 'range', href: places[index] ?? '', offset, length });
        const parts = layOut([[range(0, 5, minPartBytes + 9)], [range(1, 5, minPartBytes + 9)], [range(0, 7, 6_000_000), range(1, 0, 3), { kind: 'bytes', bytes: pattern(4, 4) }]]);
        const assembly = await store.assemble(target);
        await Promise.all(parts.map((part) => assembly.put(part)));
        await assembly.complete(parts);
        assert.equal(Buffer.compare(await store.readAll(target), expected(parts, source)), 0, target);
      }
    } finally {
      await store.close();
      await server.stop();
      await rm(folder, { recursive: true });
    }
  });
});
