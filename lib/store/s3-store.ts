/** Objects in S3, or in a server that speaks its language. This module and its neighbours s3-*.ts are the only ones that know the SDK. */
import { Readable } from 'node:stream';

import {
  CreateMultipartUploadCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  PutObjectCommand,
  paginateListObjectsV2,
  type GetObjectCommandOutput,
  type S3Client,
} from '@aws-sdk/client-s3';

import { DataError, InputUnavailableError, JobError, OutputError, TryAgainError } from '../base/errors.ts';
import { s3LocationOf } from './href.ts';
import { S3Assembly } from './s3-assembly.ts';
import { BrokenBodyError, bodyBroke, passed, withAttempts, writesMet } from './s3-attempts.ts';
import { bodyOf, isStream, lengthOf } from './s3-body.ts';
import { createS3Client, defaultMaxAttempts, type S3ClientOptions } from './s3-client.ts';
import { isPassing, s3Error, s3FaultOf } from './s3-errors.ts';
import { defaultMaxBytes, type AssembleOptions, type Assembly, type ClosableStore, type ObjectReader, type ObjectStat, type PutOptions } from './store.ts';

export interface S3StoreOptions extends S3ClientOptions {
  /** Reads the ranges of an assembly that lie elsewhere; default: this store, which knows only S3. */
  readonly reader?: ObjectReader;
}

/** S3's limit on the keys of one DeleteObjects. */
const maxKeysPerDelete = 1000;

/** A store on a client made from the options and the standard AWS environment. */
export function createS3Store(options: S3StoreOptions = {}): ClosableStore {
  return new S3Store(createS3Client(options), options);
}

export class S3Store implements ClosableStore {
  readonly #client: S3Client;
  readonly #reader: ObjectReader;
  readonly #attempts: number;
  #region: Promise<unknown> | undefined;

  /** The store owns the client, and closes it. */
  constructor(client: S3Client, options: Pick<S3StoreOptions, 'reader' | 'maxAttempts'> = {}) {
    this.#client = client;
    this.#reader = options.reader ?? this;
    this.#attempts = options.maxAttempts ?? defaultMaxAttempts;
  }

  async stat(href: string): Promise<ObjectStat> {
    const { bucket, key } = objectOf(href);
    try {
      await this.#requireRegion();
      const facts = await this.#client.send(new HeadObjectCommand({ Bucket: bucket, Key: key }));
      return { href, size: facts.ContentLength ?? 0, version: facts.ETag ?? '' };
    } catch (error) {
      throw s3Error((await this.#whyNot(bucket, key, error)) ?? error, href, 'read');
    }
  }

  async readInto(href: string, offset: number, target: Uint8Array, version?: string): Promise<void> {
    const { bucket, key } = objectOf(href);
    if (target.length === 0) return;
    const command = new GetObjectCommand({
      Bucket: bucket,
      Key: key,
      Range: `bytes=${offset}-${offset + target.length - 1}`,
      ...(version === undefined ? {} : { IfMatch: version }),
    });
    try {
      await this.#requireRegion();
      await withAttempts(this.#attempts, bodyBroke, async () => {
        const answer = await this.#client.send(command);
        const found = answer.ContentLength ?? 0;
        if (found !== target.length) {
          discard(answer);
          if (found < target.length) throw truncated(href, offset, target.length, sizeIn(answer) ?? offset + found);
          throw new InputUnavailableError('STORE_UNREADABLE', `Cannot read ${href}: asked for ${target.length} bytes, the server sends ${found}; it does not honour range requests`, { where: { href } });
        }
        await drainInto(answer, target);
      });
    } catch (error) {
      const fault = s3FaultOf(error);
      if (fault.status === 416 || fault.name === 'InvalidRange') throw truncated(href, offset, target.length, undefined, error);
      if (fault.status === 412) throw new DataError('STORE_CHANGED', `${href} has changed since this run looked at it first: start a new run`, { cause: error, where: { href, version } });
      throw readFailure(error, href);
    }
  }

  async readAll(href: string, maxBytes = defaultMaxBytes): Promise<Uint8Array> {
    const { bucket, key } = objectOf(href);
    try {
      await this.#requireRegion();
      return await withAttempts(this.#attempts, bodyBroke, async () => {
        const answer = await this.#client.send(new GetObjectCommand({ Bucket: bucket, Key: key }));
        const size = answer.ContentLength ?? 0;
        if (size > maxBytes) {
          discard(answer);
          throw new DataError('STORE_TOO_LARGE', `${href} has ${size} bytes: wanted at most ${maxBytes} for a document that is read whole`, { where: { href, size, maxBytes } });
        }
        const bytes = new Uint8Array(size);
        await drainInto(answer, bytes);
        return bytes;
      });
    } catch (error) {
      throw readFailure(error, href);
    }
  }

  async *list(prefix: string): AsyncGenerator<ObjectStat, void, undefined> {
    const { bucket } = s3LocationOf(prefix);
    for await (const { key, size, version } of this.#keys(prefix)) {
      // What the S3 console calls a folder: an empty object whose key ends in a slash. Nobody means it as data.
      if (key.endsWith('/') && size === 0) continue;
      yield { href: `s3://${bucket}/${key}`, size, version };
    }
  }

  async put(href: string, body: Uint8Array | readonly Uint8Array[], options: PutOptions = {}): Promise<'written' | 'exists'> {
    const { bucket, key } = destinationOf(href);
    const pieces = body instanceof Uint8Array ? [body] : body;
    try {
      await this.#requireRegion();
      await withAttempts(this.#attempts, isStream(pieces) ? passed : writesMet, async () => {
        await this.#client.send(
          new PutObjectCommand({
            Bucket: bucket,
            Key: key,
            Body: bodyOf(pieces),
            ContentLength: lengthOf(pieces),
            ...(options.contentType === undefined ? {} : { ContentType: options.contentType }),
            ...(options.ifAbsent === true ? { IfNoneMatch: '*' } : {}),
          }),
        );
      });
      return 'written';
    } catch (error) {
      if (options.ifAbsent === true && s3FaultOf(error).status === 412) return 'exists';
      throw s3Error(error, href, 'write');
    }
  }

  async removePrefix(prefix: string): Promise<number> {
    const { bucket, key: keyPrefix } = s3LocationOf(prefix);
    if (!keyPrefix.endsWith('/')) {
      throw new JobError('HREF_NOT_A_PREFIX', `Will not remove everything under ${prefix}: wanted a prefix that ends in /, and not a whole bucket`, { where: { href: prefix } });
    }
    let removed = 0;
    let batch: string[] = [];
    const flush = async (): Promise<void> => {
      if (batch.length > 0) await this.#removeKeys(bucket, batch, prefix);
      batch = [];
    };
    for await (const { key, size } of this.#keys(prefix)) {
      batch.push(key);
      if (!(key.endsWith('/') && size === 0)) removed++;
      if (batch.length === maxKeysPerDelete) await flush();
    }
    await flush();
    return removed;
  }

  async assemble(href: string, options: AssembleOptions = {}): Promise<Assembly> {
    const { bucket, key } = destinationOf(href);
    const assembly = (token: string): Assembly => new S3Assembly({ client: this.#client, href, token, reader: this.#reader, attempts: this.#attempts });
    try {
      await this.#requireRegion();
      if (options.token !== undefined) return assembly(options.token);
      const { UploadId } = await this.#client.send(
        new CreateMultipartUploadCommand({ Bucket: bucket, Key: key, ...(options.contentType === undefined ? {} : { ContentType: options.contentType }) }),
      );
      if (UploadId === undefined) throw new OutputError('STORE_UNWRITABLE', `Cannot write ${href}: the server began a multipart upload without an id`, { where: { href } });
      return assembly(UploadId);
    } catch (error) {
      throw s3Error(error, href, 'write');
    }
  }

  async close(): Promise<void> {
    this.#client.destroy();
    await Promise.resolve();
  }

  /** Asked before the first request: without a region the SDK fails with a bare Error, which can't be told from others. */
  async #requireRegion(): Promise<void> {
    try {
      await (this.#region ??= this.#client.config.region());
    } catch (error) {
      throw new InputUnavailableError('STORE_WRONG_REGION', 'Cannot use S3: no AWS region is set; set AWS_REGION, or a region in the profile', { cause: error });
    }
  }

  /** What S3 has to say about a HEAD it refused: its answer had only a status, and 404 may be the key or the bucket, 403 a dozen things. */
  async #whyNot(bucket: string, key: string, refusal: unknown): Promise<unknown> {
    const { status } = s3FaultOf(refusal);
    if (status === undefined || status < 300 || status >= 500) return undefined;
    try {
      discard(await this.#client.send(new GetObjectCommand({ Bucket: bucket, Key: key, Range: 'bytes=0-0' })));
      return undefined;
    } catch (error) {
      return error;
    }
  }

  /** Everything under a prefix, console folders too. */
  async *#keys(prefix: string): AsyncGenerator<{ readonly key: string; readonly size: number; readonly version: string }, void, undefined> {
    const { bucket, key } = s3LocationOf(prefix);
    try {
      await this.#requireRegion();
      // Encoded, because keys may hold characters that XML can't.
      const pages = paginateListObjectsV2({ client: this.#client }, { Bucket: bucket, Prefix: key, EncodingType: 'url' });
      for await (const page of pages) {
        const decode = page.EncodingType === 'url' ? decodeKey : (text: string): string => text;
        for (const object of page.Contents ?? []) {
          if (object.Key !== undefined) yield { key: decode(object.Key), size: object.Size ?? 0, version: object.ETag ?? '' };
        }
      }
    } catch (error) {
      throw s3Error(error, prefix, 'read');
    }
  }

  async #removeKeys(bucket: string, keys: readonly string[], prefix: string): Promise<void> {
    try {
      const { Errors: failures = [] } = await this.#client.send(
        new DeleteObjectsCommand({ Bucket: bucket, Delete: { Objects: keys.map((Key) => ({ Key })), Quiet: true } }),
      );
      const [first] = failures;
      if (first === undefined) return;
      const code = first.Code ?? 'unknown';
      const message = `Cannot remove ${failures.length} of ${keys.length} objects under ${prefix}: the first is s3://${bucket}/${first.Key ?? '?'} (${code}: ${first.Message ?? ''})`;
      const details = { where: { href: prefix, bucket, failures: failures.slice(0, 100).map((failure) => ({ key: failure.Key, code: failure.Code })) } };
      if (isPassing({ name: code, status: undefined, message })) throw new TryAgainError('STORE_BUSY', message, details);
      throw new OutputError('STORE_DENIED', message, details);
    } catch (error) {
      throw s3Error(error, prefix, 'write');
    }
  }
}

function objectOf(href: string): { readonly bucket: string; readonly key: string } {
  const location = s3LocationOf(href);
  if (location.key !== '') return location;
  throw new JobError('HREF_NOT_AN_OBJECT', `Cannot use ${href}: it names a bucket; wanted s3://bucket/key`, { where: { href } });
}

/** S3 would take a key that ends in a slash, but no list of ours would show the object, and no file system could hold it. */
function destinationOf(href: string): { readonly bucket: string; readonly key: string } {
  const location = objectOf(href);
  if (!location.key.endsWith('/')) return location;
  throw new JobError('HREF_NOT_AN_OBJECT', `Cannot write ${href}: it ends in /, and so names a folder; wanted s3://bucket/key`, { where: { href } });
}

/** S3 encodes keys in lists as forms do: `+` is a space. */
function decodeKey(text: string): string {
  return decodeURIComponent(text.replaceAll('+', ' '));
}

/** The object's size, from `Content-Range: bytes 0-9/1234`. */
function sizeIn(answer: GetObjectCommandOutput): number | undefined {
  const size = /\/(\d+)$/.exec(answer.ContentRange ?? '')?.[1];
  return size === undefined ? undefined : Number(size);
}

/** Frees the socket of an answer whose body nobody wants. */
function discard(answer: GetObjectCommandOutput): void {
  if (answer.Body instanceof Readable) answer.Body.destroy();
}

async function drainInto(answer: GetObjectCommandOutput, target: Uint8Array): Promise<void> {
  let done = 0;
  if (answer.Body instanceof Readable) {
    try {
      for await (const chunk of answer.Body) {
        if (!(chunk instanceof Uint8Array) || done + chunk.length > target.length) throw new BrokenBodyError(done, target.length);
        target.set(chunk, done);
        done += chunk.length;
      }
    } catch (error) {
      throw error instanceof BrokenBodyError ? error : new BrokenBodyError(done, target.length, error);
    }
  }
  if (done < target.length) throw new BrokenBodyError(done, target.length);
}

function readFailure(error: unknown, href: string): Error {
  if (!(error instanceof BrokenBodyError)) return s3Error(error, href, 'read');
  // Its header said that the object is long enough: the network is at fault, not the data.
  return new TryAgainError('STORE_BUSY', `Cannot read ${href} just now: ${error.message}, at every attempt`, { cause: error, where: { href } });
}

function truncated(href: string, offset: number, length: number, size: number | undefined, cause?: unknown): DataError {
  const found = size === undefined ? `ends before byte ${offset}` : `ends at byte ${size}`;
  return new DataError('STORE_TRUNCATED', `${href} ${found}: wanted ${length} bytes from byte ${offset}`, { cause, where: { href, offset, length } });
}
