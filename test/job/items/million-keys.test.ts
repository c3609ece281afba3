/** A million keys, listed from a scripted S3 and written back to it, in memory that doesn't grow with them. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { CompleteMultipartUploadCommand, CreateMultipartUploadCommand, ListObjectsV2Command, ListPartsCommand, S3Client, UploadPartCommand } from '@aws-sdk/client-s3';
import { S3Store } from '../../../lib/store/s3-store.ts';
import { encodeItem, readItems, type Item } from '../../../lib/job/items/item.ts';
import { parseItemJob } from '../../../lib/job/items/item-validate.ts';
import { splitItems } from '../../../lib/job/items/split-items.ts';
import { wishes } from './split-in-test.ts';

const keys = 1_000_000;
const perPage = 1000;

/** The key with this number; every fourth is no photo. */
function keyAt(index: number): string {
  const name = String(index).padStart(8, '0');
  return `photos/${name.slice(0, 5)}/größe ${name}.${index % 4 === 3 ? 'txt' : 'JPG'}`;
}

function sizeAt(index: number): number {
  return 1000 + ((index * 7919) % 5_000_000);
}

/** What S3 answers: lists of a made-up bucket, and a multipart upload of which only a digest is kept. */
class ScriptedS3 {
  pages = 0;
  readonly parts: number[] = [];
  readonly digest = createHash('sha256');
  /** Called at each page. */
  onPage: (page: number) => void = () => undefined;
  head: Uint8Array = new Uint8Array();

  async answer(command: unknown): Promise<object> {
    // As over a network: what was let go of can be given back in between.
    await setImmediate();
    if (command instanceof ListObjectsV2Command) return this.#list(command.input.ContinuationToken);
    if (command instanceof CreateMultipartUploadCommand) return { UploadId: 'u' };
    if (command instanceof UploadPartCommand) {
      const bytes = await bytesOf(command.input.Body);
      if (this.parts.length === 0) this.head = bytes.slice(0, 4096);
      this.parts.push(bytes.length);
      this.digest.update(bytes);
      return { ETag: `"${String(this.parts.length)}"` };
    }
    if (command instanceof ListPartsCommand) return { IsTruncated: false, Parts: this.parts.map((Size, i) => ({ PartNumber: i + 1, Size, ETag: `"${String(i + 1)}"` })) };
    if (command instanceof CompleteMultipartUploadCommand) return { ETag: '"whole"' };
    throw new Error(`nothing is scripted for ${(command as object).constructor.name}`);
  }

  #list(token: string | undefined): object {
    const page = Number(token ?? 0);
    this.pages++;
    this.onPage(page);
    const Contents = Array.from({ length: perPage }, (_, i) => {
      const index = page * perPage + i;
      return { Key: encodeURIComponent(keyAt(index)).replaceAll('%2F', '/'), ETag: `"${String(index)}"`, Size: sizeAt(index) };
    });
    const next = (page + 1) * perPage < keys ? { IsTruncated: true, NextContinuationToken: String(page + 1) } : { IsTruncated: false };
    return { EncodingType: 'url', Contents, ...next };
  }
}

async function bytesOf(body: unknown): Promise<Uint8Array> {
  if (body instanceof Uint8Array) return body;
  const pieces: Uint8Array[] = [];
  for await (const piece of body as AsyncIterable<Uint8Array>) pieces.push(piece);
  return Buffer.concat(pieces);
}

void describe('a million keys', () => {
  void it('become items and batches in memory that does not grow with them', { timeout: 600_000 }, async () => {
    setFlagsFromString('--expose-gc');
    const collectGarbage = runInNewContext('gc') as () => void;
    const s3 = new ScriptedS3();
    const client = new S3Client({ region: 'eu-west-1', credentials: { accessKeyId: 'a', secretAccessKey: 'b' } });
    // A mock would remember every page that it has given.
    client.send = ((command: unknown) => s3.answer(command)) as typeof client.send;
    const store = new S3Store(client, { maxAttempts: 1 });
    const used: [number, number][] = [];
    s3.onPage = (page) => {
      if (page % 100 !== 99) return;
      collectGarbage();
      const { heapUsed, arrayBuffers } = process.memoryUsage();
      used.push([(page + 1) * perPage, heapUsed + arrayBuffers]);
    };
    const job = parseItemJob({ items: { prefix: 's3://in/photos/', match: '**/*.{jpg,png}' }, operation: { images: { small: { width: 10 } } }, outputs: { prefix: 's3://out/' } });
    const { lines, items } = await splitItems({ store, job, run: { id: 'r1', href: 's3://work/runs/r1/' }, work: 's3://work/', wishes });
    console.log(used.map(([count, bytes]) => `${count.toLocaleString('en')} keys: ${(bytes / 2 ** 20).toFixed(1)} MiB`).join('\n'));
    // Ten times the keys may take the chunks of the batches (at most 262,144 of them) and two parts of the upload more, and nothing that grows on.
    const [[, early], [, late]] = [used[0] as [number, number], used.at(-1) as [number, number]];
    assert.ok(late - early < 64 * 2 ** 20, `from ${String(early)} to ${String(late)} bytes`);

    const indexes = Array.from({ length: keys }, (_, index) => index).filter((index) => index % 4 !== 3);
    assert.deepEqual([s3.pages, items.count, items.version], [keys / perPage, indexes.length, '"whole"']);
    assert.equal(items.bytes, indexes.reduce((sum, index) => sum + sizeAt(index), 0));
    // What was uploaded, byte for byte.
    const expected = createHash('sha256');
    let bytes = 0;
    for (const [number, index] of indexes.entries()) {
      const line = encodeItem({ index: number, href: `s3://in/${keyAt(index)}`, path: keyAt(index).slice('photos/'.length), size: sizeAt(index), version: `"${String(index)}"`, parameters: null });
      expected.update(line);
      bytes += Buffer.byteLength(line);
    }
    assert.equal(s3.digest.digest('hex'), expected.digest('hex'));
    assert.ok(s3.parts.slice(0, -1).every((size) => size >= 5 * 2 ** 20), `S3 takes no parts below 5 MiB: ${s3.parts.join()}`);
    assert.deepEqual([s3.parts.reduce((sum, size) => sum + size, 0), lines.reduce((sum, line) => sum + line.items.length, 0)], [bytes, bytes]);
    assert.deepEqual(lines.map(({ batch }) => batch), lines.map((_, i) => i));
    const [first] = lines;
    assert.equal(first?.items.offset, 0);
    console.log(`${String(lines.length)} batches of ${String(Math.min(...lines.map((line) => line.items.count)))} to ${String(Math.max(...lines.map((line) => line.items.count)))} items`);
    // The first items of the first batch, out of the bytes that were sent.
    const head = new TextDecoder().decode(s3.head).split('\n').slice(0, 3).join('\n');
    const data = new TextEncoder().encode(`${head}\n`);
    const reader = { readInto: (_href: string, offset: number, target: Uint8Array): Promise<void> => Promise.resolve(target.set(data.subarray(offset, offset + target.length))) };
    const found: Item[] = [];
    for await (const item of readItems(reader, 's3://work/runs/r1/items.jsonl', { first: 0, count: 3, offset: 0, length: data.length })) found.push(item);
    assert.deepEqual(found.map(({ path }) => path), ['00000/größe 00000000.JPG', '00000/größe 00000001.JPG', '00000/größe 00000002.JPG']);
  });
});
