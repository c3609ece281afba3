/** A large object in the making, as a multipart upload. S3 keeps what is stored; nothing is remembered here, so any process can go on. */
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  HeadObjectCommand,
  ListPartsCommand,
  UploadPartCommand,
  UploadPartCopyCommand,
  type ListPartsCommandOutput,
  type S3Client,
} from '@aws-sdk/client-s3';

import { DataError, OutputError } from '../base/errors.ts';
import { parseHref, s3LocationOf } from './href.ts';
import { checkPart, checkParts, someNumbers } from './parts.ts';
import { passed, withAttempts } from './s3-attempts.ts';
import { bodyOf, isStream, lengthOf } from './s3-body.ts';
import { s3Error, s3FaultOf } from './s3-errors.ts';
import { minPartBytes, type Assembly, type ObjectReader, type ObjectStat, type Part, type Piece } from './store.ts';

export interface S3AssemblyContext {
  readonly client: S3Client;
  readonly href: string;
  /** The UploadId. */
  readonly token: string;
  readonly reader: ObjectReader;
  readonly attempts: number;
}

interface StoredPart {
  readonly size: number;
  readonly etag: string;
}

export class S3Assembly implements Assembly {
  readonly token: string;
  readonly parallelParts = 8;
  readonly #context: S3AssemblyContext;
  readonly #upload: { readonly Bucket: string; readonly Key: string; readonly UploadId: string };

  constructor(context: S3AssemblyContext) {
    const { bucket, key } = s3LocationOf(context.href);
    this.token = context.token;
    this.#context = context;
    this.#upload = { Bucket: bucket, Key: key, UploadId: context.token };
  }

  async stored(): Promise<ReadonlySet<number>> {
    try {
      return new Set((await this.#storedParts()).keys());
    } catch (error) {
      throw this.#failure(error);
    }
  }

  async put(part: Part): Promise<void> {
    const { client, href, attempts } = this.#context;
    checkPart(href, part);
    try {
      const source = copySourceOf(part);
      if (source !== undefined) {
        await client.send(new UploadPartCopyCommand({ ...this.#upload, PartNumber: part.number, ...source }));
        return;
      }
      const pieces = await this.#gather(part.pieces);
      // A body that is a stream is made anew for each attempt; others the SDK repeats by itself.
      await withAttempts(isStream(pieces) ? attempts : 1, passed, async () => {
        await client.send(new UploadPartCommand({ ...this.#upload, PartNumber: part.number, Body: bodyOf(pieces), ContentLength: lengthOf(pieces) }));
      });
    } catch (error) {
      throw this.#failure(error);
    }
  }

  async complete(parts: readonly Part[]): Promise<ObjectStat> {
    const { client, href } = this.#context;
    const size = checkParts(href, parts);
    try {
      const stored = await this.#storedParts();
      const missing = parts.filter((part) => stored.get(part.number)?.size !== part.length).map((part) => part.number);
      if (missing.length > 0) {
        throw new DataError('STORE_INCOMPLETE', `Cannot complete ${href}: these parts are not stored: ${someNumbers(missing)}`, {
          where: { href, token: this.token, missing: missing.slice(0, 100) },
        });
      }
      const { ETag } = await client.send(
        new CompleteMultipartUploadCommand({
          ...this.#upload,
          MpuObjectSize: size,
          MultipartUpload: { Parts: parts.map(({ number }) => ({ PartNumber: number, ETag: stored.get(number)?.etag })) },
        }),
      );
      return { href, size, version: ETag ?? (await this.#head())?.version ?? '' };
    } catch (error) {
      if (s3FaultOf(error).name !== 'NoSuchUpload') throw this.#failure(error);
      // Completed before, by us (an answer that was lost) or by another process: then the object is there.
      const found = await this.#head();
      if (found?.size === size && isMadeOf(parts.length, found.version)) return found;
      throw this.#failure(error);
    }
  }

  async abort(): Promise<void> {
    try {
      await this.#context.client.send(new AbortMultipartUploadCommand(this.#upload));
    } catch (error) {
      if (s3FaultOf(error).name !== 'NoSuchUpload') throw this.#failure(error);
    }
  }

  async #storedParts(): Promise<ReadonlyMap<number, StoredPart>> {
    const parts = new Map<number, StoredPart>();
    // Not the SDK's paginator: S3 gives a next marker on the last page too, and the paginator then asks for ever.
    let marker: string | undefined;
    do {
      const page: ListPartsCommandOutput = await this.#context.client.send(
        new ListPartsCommand({ ...this.#upload, ...(marker === undefined ? {} : { PartNumberMarker: marker }) }),
      );
      for (const { PartNumber, Size, ETag } of page.Parts ?? []) {
        if (PartNumber !== undefined && ETag !== undefined) parts.set(PartNumber, { size: Size ?? 0, etag: ETag });
      }
      marker = page.IsTruncated === true ? page.NextPartNumberMarker : undefined;
    } while (marker !== undefined);
    return parts;
  }

  async #head(): Promise<ObjectStat | undefined> {
    const { client, href } = this.#context;
    const { Bucket, Key } = this.#upload;
    try {
      const { ContentLength, ETag } = await client.send(new HeadObjectCommand({ Bucket, Key }));
      return { href, size: ContentLength ?? 0, version: ETag ?? '' };
    } catch (error) {
      if (s3FaultOf(error).status === 404) return undefined;
      throw s3Error(error, href, 'write');
    }
  }

  /** All pieces as bytes. Neighbouring ranges of one object (segments of a batch, read back) become one request. */
  async #gather(pieces: readonly Piece[]): Promise<Uint8Array[]> {
    if (pieces.every((piece) => piece.kind === 'bytes')) return pieces.map((piece) => piece.bytes);
    const whole = new Uint8Array(pieces.reduce((bytes, piece) => bytes + (piece.kind === 'bytes' ? piece.bytes.length : piece.length), 0));
    const reads: { href: string; offset: number; at: number; length: number }[] = [];
    let at = 0;
    for (const piece of pieces) {
      if (piece.kind === 'bytes') {
        whole.set(piece.bytes, at);
        at += piece.bytes.length;
        continue;
      }
      const last = reads.at(-1);
      if (last !== undefined && last.href === piece.href && last.offset + last.length === piece.offset && last.at + last.length === at) last.length += piece.length;
      else reads.push({ href: piece.href, offset: piece.offset, at, length: piece.length });
      at += piece.length;
    }
    await Promise.all(reads.map((read) => this.#context.reader.readInto(read.href, read.offset, whole.subarray(read.at, read.at + read.length))));
    return [whole];
  }

  #failure(error: unknown): Error {
    const { href, token } = this.#context;
    if (s3FaultOf(error).name !== 'NoSuchUpload') return s3Error(error, href, 'write');
    return new OutputError('STORE_ASSEMBLY_GONE', `Cannot go on writing ${href}: its multipart upload is gone; it was completed, given up, or removed by a lifecycle rule`, {
      cause: error,
      where: { href, token },
    });
  }
}

/**
 * The request by which S3 copies a part by itself; undefined when the bytes must pass through here. A part that is copied must have
 * 5 MiB unless it is the last, and S3's documentation wants a source above 5 MB for a range of it: a range longer than 5 MiB settles both.
 */
function copySourceOf(part: Part): { readonly CopySource: string; readonly CopySourceRange: string } | undefined {
  const [piece] = part.pieces;
  if (part.pieces.length !== 1 || piece?.kind !== 'range' || piece.length <= minPartBytes) return undefined;
  const source = parseHref(piece.href);
  if (source.scheme !== 's3') return undefined;
  return {
    // The header is a URL path, and the SDK sends it as it is: everything but the slashes is encoded here.
    CopySource: `${source.bucket}/${source.key.split('/').map(encodeURIComponent).join('/')}`,
    CopySourceRange: `bytes=${piece.offset}-${piece.offset + piece.length - 1}`,
  };
}

/** Whether an ETag can be that of a multipart upload of so many parts; S3's ends in `-COUNT`, other servers' may not. */
function isMadeOf(count: number, etag: string): boolean {
  const found = /-(\d+)"?$/.exec(etag)?.[1];
  return found === undefined || Number(found) === count;
}
