/** The exact requests that the S3 driver makes: what a real server can't show. */
import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { beforeEach, describe, it } from 'node:test';

import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  ListPartsCommand,
  PutObjectCommand,
  S3Client,
  S3ServiceException,
  UploadPartCommand,
  UploadPartCopyCommand,
  type GetObjectCommandOutput,
} from '@aws-sdk/client-s3';
import { mockClient } from 'aws-sdk-client-mock';

import { createS3Client } from '../../lib/store/s3-client.ts';
import { S3Store } from '../../lib/store/s3-store.ts';
import { minPartBytes, type Part, type Piece } from '../../lib/store/store.ts';
import { all, layOut, pattern, rejects } from './contract.ts';

const client = new S3Client({ region: 'eu-west-1', credentials: { accessKeyId: 'a', secretAccessKey: 'b' } });
const mock = mockClient(client);
const store = new S3Store(client, { maxAttempts: 3 });
beforeEach(() => mock.reset());

/** An error as the SDK throws it after its own retries. */
function fault(name: string, status: number): S3ServiceException {
  return new S3ServiceException({ name, message: `made up ${name}`, $fault: status < 500 ? 'client' : 'server', $metadata: { httpStatusCode: status } });
}

function answer(bytes: Uint8Array, more: Partial<GetObjectCommandOutput> = {}): Partial<GetObjectCommandOutput> {
  // The SDK adds methods to the stream that this driver doesn't use.
  const Body = Readable.from(bytes.length > 0 ? [bytes.subarray(0, 1), bytes.subarray(1)] : []) as NonNullable<GetObjectCommandOutput['Body']>;
  return { Body, ContentLength: bytes.length, ...more };
}

function inputs(command: Parameters<typeof mock.commandCalls>[0]): unknown[] {
  return mock.commandCalls(command).map((call) => call.args[0].input);
}

void describe('S3 driver: reading', () => {
  void it('asks for one range, of one version', async () => {
    mock.on(GetObjectCommand).callsFake(() => answer(pattern(10, 1), { ContentRange: 'bytes 90-99/1000' }));
    const target = new Uint8Array(10);
    await store.readInto('s3://bucket/a b+%é', 90, target, '"etag"');
    await store.readInto('s3://bucket/a b+%é', 90, target);
    await store.readInto('s3://bucket/a b+%é', 90, new Uint8Array(0));
    assert.deepEqual(inputs(GetObjectCommand), [
      { Bucket: 'bucket', Key: 'a b+%é', Range: 'bytes=90-99', IfMatch: '"etag"' },
      { Bucket: 'bucket', Key: 'a b+%é', Range: 'bytes=90-99' },
    ]);
    assert.deepEqual(target, pattern(10, 1));
  });

  void it('asks again when the body broke off, and in the end calls it a passing fault', async () => {
    const bytes = pattern(10, 1);
    const broken = (): Partial<GetObjectCommandOutput> => answer(bytes.subarray(0, 4), { ContentLength: 10 });
    mock.on(GetObjectCommand).callsFakeOnce(broken).callsFake(() => answer(bytes));
    const target = new Uint8Array(10);
    await store.readInto('s3://bucket/k', 0, target);
    assert.deepEqual(target, bytes);
    assert.equal(inputs(GetObjectCommand).length, 2);
    mock.reset();
    mock.on(GetObjectCommand).callsFake(broken);
    await rejects(store.readInto('s3://bucket/k', 0, target), 'STORE_BUSY', 'TryAgainError', 'broke off after 4 of 10 bytes');
    await rejects(store.readAll('s3://bucket/k'), 'STORE_BUSY', 'TryAgainError', 's3://bucket/k');
    assert.equal(inputs(GetObjectCommand).length, 6, 'three attempts each');
  });

  void it('does not ask again when the object itself ends', async () => {
    mock.on(GetObjectCommand).callsFake(() => answer(pattern(4, 1), { ContentRange: 'bytes 96-99/100' }));
    await rejects(store.readInto('s3://bucket/k', 96, new Uint8Array(10)), 'STORE_TRUNCATED', 'DataError', 'ends at byte 100');
    mock.on(GetObjectCommand).rejects(fault('InvalidRange', 416));
    await rejects(store.readInto('s3://bucket/k', 200, new Uint8Array(10)), 'STORE_TRUNCATED', 'DataError', 'before byte 200');
    assert.equal(inputs(GetObjectCommand).length, 2);
  });

  void it('notices a server that ignores the range, and a document above its bound before it is read', async () => {
    let read = 0;
    const body = (): Partial<GetObjectCommandOutput> => {
      const endless = Readable.from((function* () { for (;;) { read++; yield new Uint8Array(65_536); } })());
      return { Body: endless as NonNullable<GetObjectCommandOutput['Body']>, ContentLength: 1_000_000_000 };
    };
    mock.on(GetObjectCommand).callsFake(body);
    await rejects(store.readInto('s3://bucket/k', 0, new Uint8Array(10)), 'STORE_UNREADABLE', 'InputUnavailableError', 'range');
    await rejects(store.readAll('s3://bucket/k', 1000), 'STORE_TOO_LARGE', 'DataError', '1000000000');
    assert.ok(read < 10);
  });

  void it('puts the words of S3 into the error tree', async () => {
    const table: readonly (readonly [S3ServiceException, string, string, string])[] = [
      [fault('NoSuchKey', 404), 'STORE_NOT_FOUND', 'InputUnavailableError', 'no object of the key "k"'],
      [fault('NoSuchBucket', 404), 'STORE_NOT_FOUND', 'InputUnavailableError', 'the bucket bucket does not exist'],
      [fault('AccessDenied', 403), 'STORE_DENIED', 'InputUnavailableError', 's3:ListBucket'],
      [fault('InvalidAccessKeyId', 403), 'STORE_NO_CREDENTIALS', 'InputUnavailableError', 'AWS_PROFILE'],
      [fault('ExpiredToken', 400), 'STORE_NO_CREDENTIALS', 'InputUnavailableError', 'log in again'],
      [fault('InvalidObjectState', 403), 'STORE_UNREADABLE', 'InputUnavailableError', 'Glacier'],
      [fault('PermanentRedirect', 301), 'STORE_WRONG_REGION', 'InputUnavailableError', 'AWS_REGION'],
      [fault('PreconditionFailed', 412), 'STORE_CHANGED', 'DataError', 'has changed'],
      [fault('SlowDown', 503), 'STORE_BUSY', 'TryAgainError', 'SlowDown 503'],
      [fault('InternalError', 500), 'STORE_BUSY', 'TryAgainError', '500'],
      [fault('Strange', 418), 'STORE_UNREADABLE', 'InputUnavailableError', 'Strange 418'],
    ];
    for (const [error, code, name, words] of table) {
      mock.on(GetObjectCommand).rejects(error);
      await rejects(store.readInto('s3://bucket/k', 0, new Uint8Array(1), '"v"'), code, name, words);
      await rejects(store.readInto('s3://bucket/k', 0, new Uint8Array(1), '"v"'), code, name, 's3://bucket/k');
    }
  });

  void it('asks why a HEAD was refused, for its answer has no words', async () => {
    mock.on(HeadObjectCommand).rejects(fault('NotFound', 404));
    mock.on(GetObjectCommand).rejects(fault('NoSuchBucket', 404));
    await rejects(store.stat('s3://bucket/k'), 'STORE_NOT_FOUND', 'InputUnavailableError', 'the bucket bucket does not exist');
    mock.on(HeadObjectCommand).rejects(fault('503', 503));
    await rejects(store.stat('s3://bucket/k'), 'STORE_BUSY', 'TryAgainError');
    assert.equal(inputs(GetObjectCommand).length, 1, 'not when S3 is busy');
  });
});

void describe('S3 driver: lists and removal', () => {
  void it('follows the pages, decodes keys, and hides console folders', async () => {
    const asked: unknown[] = [];
    mock.on(ListObjectsV2Command).callsFake(({ Bucket, Prefix, EncodingType, ContinuationToken }: Record<string, unknown>) => {
      asked.push({ Bucket, Prefix, EncodingType, ContinuationToken });
      return ContinuationToken === undefined
        ? { EncodingType: 'url', IsTruncated: true, NextContinuationToken: 'next', Contents: [{ Key: 'p/', Size: 0, ETag: '"0"' }, { Key: 'p/a+b%2Bc%01', Size: 1, ETag: '"1"' }] }
        : { EncodingType: 'url', IsTruncated: false, Contents: [{ Key: 'p/z%C3%A9', Size: 2, ETag: '"2"' }] };
    });
    assert.deepEqual(await all(store.list('s3://bucket/p/')), [
      { href: 's3://bucket/p/a b+c\u0001', size: 1, version: '"1"' },
      { href: 's3://bucket/p/zé', size: 2, version: '"2"' },
    ]);
    const request = { Bucket: 'bucket', Prefix: 'p/', EncodingType: 'url' };
    assert.deepEqual(asked, [{ ...request, ContinuationToken: undefined }, { ...request, ContinuationToken: 'next' }]);
  });

  void it('removes at most 1,000 keys a request, and reports what S3 would not remove', async () => {
    const contents = Array.from({ length: 1001 }, (_, index) => ({ Key: `run/${index}`, Size: 1 }));
    mock.on(ListObjectsV2Command).resolves({ Contents: [{ Key: 'run/', Size: 0 }, ...contents] });
    mock.on(DeleteObjectsCommand).resolves({});
    assert.equal(await store.removePrefix('s3://bucket/run/'), 1001);
    assert.deepEqual(mock.commandCalls(DeleteObjectsCommand).map((call) => call.args[0].input.Delete?.Objects?.length), [1000, 2]);
    mock.on(DeleteObjectsCommand).resolves({ Errors: [{ Key: 'run/7', Code: 'AccessDenied', Message: 'no' }] });
    await rejects(store.removePrefix('s3://bucket/run/'), 'STORE_DENIED', 'OutputError', 's3://bucket/run/7 (AccessDenied: no)');
    mock.on(DeleteObjectsCommand).resolves({ Errors: [{ Key: 'run/7', Code: 'SlowDown' }] });
    await rejects(store.removePrefix('s3://bucket/run/'), 'STORE_BUSY', 'TryAgainError');
    await rejects(store.removePrefix('s3://bucket/'), 'HREF_NOT_A_PREFIX', 'JobError', 'whole bucket');
  });
});

void describe('S3 driver: writing', () => {
  void it('writes with If-None-Match, starts over on a conflict, and knows an object that is there', async () => {
    mock.on(PutObjectCommand).rejectsOnce(fault('ConditionalRequestConflict', 409)).resolves({});
    assert.equal(await store.put('s3://bucket/k', pattern(3, 1), { ifAbsent: true, contentType: 'application/json' }), 'written');
    const wanted = { Bucket: 'bucket', Key: 'k', Body: pattern(3, 1), ContentLength: 3, ContentType: 'application/json', IfNoneMatch: '*' };
    assert.deepEqual(inputs(PutObjectCommand), [wanted, wanted]);
    mock.on(PutObjectCommand).rejects(fault('PreconditionFailed', 412));
    assert.equal(await store.put('s3://bucket/k', pattern(3, 1), { ifAbsent: true }), 'exists');
    mock.reset();
    mock.on(PutObjectCommand).rejects(fault('ConditionalRequestConflict', 409));
    await rejects(store.put('s3://bucket/k', pattern(3, 1), { ifAbsent: true }), 'STORE_BUSY', 'TryAgainError');
    assert.equal(inputs(PutObjectCommand).length, 3);
    mock.on(PutObjectCommand).rejects(fault('AccessDenied', 403));
    await rejects(store.put('s3://bucket/k', pattern(3, 1)), 'STORE_DENIED', 'OutputError', 's3://bucket/k');
    mock.on(PutObjectCommand).rejects(fault('NoSuchBucket', 404));
    await rejects(store.put('s3://bucket/k', pattern(3, 1)), 'STORE_NO_FOLDER', 'OutputError', 'the bucket bucket does not exist');
    mock.on(PutObjectCommand).rejects(fault('KeyTooLongError', 400));
    await rejects(store.put('s3://bucket/k', pattern(3, 1)), 'STORE_BAD_NAME', 'OutputError', 'KeyTooLongError');
  });

  void it('sends many pieces as a stream, a new one for each attempt', async () => {
    const bodies: unknown[] = [];
    mock.on(PutObjectCommand).callsFake(async (input: { Body: Readable }) => {
      bodies.push(input.Body);
      assert.equal(Buffer.concat(await input.Body.toArray()).length, 3_000_000);
      if (bodies.length === 1) throw fault('SlowDown', 503);
      return {};
    });
    assert.equal(await store.put('s3://bucket/k', [pattern(1_500_000, 1), pattern(1_500_000, 2)]), 'written');
    assert.equal(new Set(bodies).size, 2);
  });

  void it('copies a part inside S3 only when S3 takes it, and encodes the source itself', async () => {
    mock.on(CreateMultipartUploadCommand).resolves({ UploadId: 'upload' });
    mock.on(UploadPartCopyCommand).resolves({});
    mock.on(UploadPartCommand).resolves({});
    mock.on(GetObjectCommand).callsFake(({ Range }: { Range: string }) => {
      const [first, last] = Range.slice('bytes='.length).split('-').map(Number);
      return answer(new Uint8Array((last ?? 0) - (first ?? 0) + 1));
    });
    const assembly = await store.assemble('s3://bucket/out', { contentType: 'image/tiff' });
    assert.deepEqual(inputs(CreateMultipartUploadCommand), [{ Bucket: 'bucket', Key: 'out', ContentType: 'image/tiff' }]);
    const range = (offset: number, length: number): Piece => ({ kind: 'range', href: 's3://other/run 1/a+b#?%é/x', offset, length });
    const put = async (pieces: readonly Piece[]): Promise<void> => {
      for (const part of layOut([pieces])) await assembly.put(part);
    };
    await put([range(7, minPartBytes + 1)]);
    assert.deepEqual(inputs(UploadPartCopyCommand), [
      { Bucket: 'bucket', Key: 'out', UploadId: 'upload', PartNumber: 1, CopySource: 'other/run%201/a%2Bb%23%3F%25%C3%A9/x', CopySourceRange: `bytes=7-${minPartBytes + 7}` },
    ]);
    assert.equal(inputs(GetObjectCommand).length, 0, 'no byte passes through here');
    // Too short for certain: neighbours are read in one request, and the part is sent whole.
    await put([range(0, minPartBytes)]);
    await put([range(0, 100), range(100, 50), { kind: 'bytes', bytes: new Uint8Array(3) }, range(150, 10)]);
    assert.equal(inputs(UploadPartCopyCommand).length, 1);
    assert.deepEqual(mock.commandCalls(GetObjectCommand).map((call) => call.args[0].input.Range), [`bytes=0-${minPartBytes - 1}`, 'bytes=0-149', 'bytes=150-159']);
    assert.deepEqual(mock.commandCalls(UploadPartCommand).map((call) => call.args[0].input.ContentLength), [minPartBytes, 163]);
  });

  void it('follows the pages of ListParts to the end, and no further', async () => {
    // S3 gives a next marker on the last page too.
    mock
      .on(ListPartsCommand)
      .resolvesOnce({ IsTruncated: true, NextPartNumberMarker: '2', Parts: [{ PartNumber: 1, Size: minPartBytes, ETag: '"1"' }, { PartNumber: 2, Size: minPartBytes, ETag: '"2"' }] })
      .resolvesOnce({ IsTruncated: false, NextPartNumberMarker: '3', Parts: [{ PartNumber: 3, Size: 5, ETag: '"3"' }] });
    const assembly = await store.assemble('s3://bucket/out', { token: 'upload' });
    assert.deepEqual(await assembly.stored(), new Set([1, 2, 3]));
    const upload = { Bucket: 'bucket', Key: 'out', UploadId: 'upload' };
    assert.deepEqual(inputs(ListPartsCommand), [upload, { ...upload, PartNumberMarker: '2' }]);
    assert.equal(inputs(CreateMultipartUploadCommand).length, 0);
  });

  const parts: readonly Part[] = layOut([[{ kind: 'bytes', bytes: new Uint8Array(minPartBytes) }], [{ kind: 'bytes', bytes: new Uint8Array(5) }]]);

  void it('completes with the sizes checked and the total asserted', async () => {
    mock.on(ListPartsCommand).resolvesOnce({ Parts: [{ PartNumber: 1, Size: minPartBytes, ETag: '"1"' }, { PartNumber: 2, Size: 4, ETag: '"2"' }] });
    const assembly = await store.assemble('s3://bucket/out', { token: 'upload' });
    await rejects(assembly.complete(parts), 'STORE_INCOMPLETE', 'DataError', 's3://bucket/out: these parts are not stored: 2');
    mock.on(ListPartsCommand).resolves({ Parts: [{ PartNumber: 1, Size: minPartBytes, ETag: '"1"' }, { PartNumber: 2, Size: 5, ETag: '"2"' }] });
    mock.on(CompleteMultipartUploadCommand).resolves({ ETag: '"whole-2"' });
    assert.deepEqual(await assembly.complete(parts), { href: 's3://bucket/out', size: minPartBytes + 5, version: '"whole-2"' });
    assert.deepEqual(inputs(CompleteMultipartUploadCommand), [
      { Bucket: 'bucket', Key: 'out', UploadId: 'upload', MpuObjectSize: minPartBytes + 5, MultipartUpload: { Parts: [{ PartNumber: 1, ETag: '"1"' }, { PartNumber: 2, ETag: '"2"' }] } },
    ]);
  });

  void it('takes a finished object for success when the upload is gone, and no other object', async () => {
    const assembly = await store.assemble('s3://bucket/out', { token: 'upload' });
    mock.on(ListPartsCommand).rejects(fault('NoSuchUpload', 404));
    mock.on(HeadObjectCommand).resolves({ ContentLength: minPartBytes + 5, ETag: '"abc-2"' });
    assert.equal((await assembly.complete(parts)).version, '"abc-2"');
    for (const other of [{ ContentLength: minPartBytes + 4, ETag: '"abc-2"' }, { ContentLength: minPartBytes + 5, ETag: '"abc-3"' }]) {
      mock.on(HeadObjectCommand).resolves(other);
      await rejects(assembly.complete(parts), 'STORE_ASSEMBLY_GONE', 'OutputError', 's3://bucket/out');
    }
    mock.on(AbortMultipartUploadCommand).rejects(fault('NoSuchUpload', 404));
    await assembly.abort();
  });
});

void describe('S3 client', () => {
  void it('honours the environment: endpoint with path style, region', async () => {
    const own = createS3Client({}, { AWS_ENDPOINT_URL_S3: 'http://127.0.0.1:9', AWS_ENDPOINT_URL: 'http://127.0.0.1:8' });
    assert.equal(own.config.forcePathStyle, true);
    assert.equal((await own.config.endpoint?.())?.port, 9);
    assert.equal(await own.config.region(), 'us-east-1');
    const aws = createS3Client({}, { AWS_REGION: 'eu-north-1', AWS_ENDPOINT_URL_S3: '' });
    assert.equal(aws.config.forcePathStyle, false);
    assert.equal(await aws.config.region(), 'eu-north-1');
    assert.equal(await aws.config.requestChecksumCalculation(), 'WHEN_REQUIRED');
    own.destroy();
    aws.destroy();
  });
});
