/**
 * What tilefan needs of a place that keeps objects: a file system or S3.
 *
 * An href is a normalised absolute URL, `file:///…` or `s3://bucket/key`. `Store` is what the rest of the code sees; the drivers are
 * file-store.ts and s3-store.ts, and routing-store.ts picks one by the scheme of the href.
 *
 * Errors, for every method: InputUnavailableError STORE_NOT_FOUND, STORE_IS_DIRECTORY, STORE_DENIED when reading; OutputError
 * STORE_NO_FOLDER, STORE_DENIED, STORE_FULL when writing; TryAgainError STORE_BUSY for passing faults after the driver's own retries.
 * Each message names the href.
 */

/** What is known of an object without reading it. */
export interface ObjectStat {
  readonly href: string;
  /** Size in bytes. */
  readonly size: number;
  /** Changes when the content changes: the ETag on S3, size and modification time for files. */
  readonly version: string;
}

export interface ObjectReader {
  /** Facts of one object. */
  stat(href: string): Promise<ObjectStat>;
  /**
   * Fills `target` with the bytes that begin at `offset`: one range request.
   * @throws DataError STORE_TRUNCATED when the object ends before `target` is full; STORE_CHANGED when `version` is given and no longer holds.
   */
  readInto(href: string, offset: number, target: Uint8Array, version?: string): Promise<void>;
  /** The whole object, for small documents. @throws DataError STORE_TOO_LARGE above `maxBytes` (default 64 MiB). */
  readAll(href: string, maxBytes?: number): Promise<Uint8Array>;
  /** Objects whose href begins with `prefix`, in ascending order of href (UTF-8 bytes). */
  list(prefix: string): AsyncIterable<ObjectStat>;
}

export interface PutOptions {
  /** Write only if nothing is there yet; atomic, also between processes and machines. */
  readonly ifAbsent?: boolean;
  readonly contentType?: string;
}

export interface ObjectWriter {
  /** Writes one object atomically: a reader sees the old bytes, or all of the new ones. `body` may come in pieces. */
  put(href: string, body: Uint8Array | readonly Uint8Array[], options?: PutOptions): Promise<'written' | 'exists'>;
  /** Removes every object whose href begins with `prefix` (which must end in `/`), and reports how many. */
  removePrefix(prefix: string): Promise<number>;
  /** Starts or, with the token of an earlier call, continues the assembly of a large object. */
  assemble(href: string, options: { readonly contentType?: string; readonly token?: string }): Promise<Assembly>;
}

export type Store = ObjectReader & ObjectWriter;

/** A piece of a part: bytes in hand, or a range of an object that exists already. */
export type Piece =
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  | { readonly kind: 'range'; readonly href: string; readonly offset: number; readonly length: number };

/** One part of an assembly. Every part but the last has at least `minPartBytes`; offsets follow from the lengths before. */
export interface Part {
  /** 1-based, ascending in the order of the bytes. */
  readonly number: number;
  /** Where the part begins in the finished object. */
  readonly offset: number;
  /** Bytes in the part: the sum of its pieces. */
  readonly length: number;
  readonly pieces: readonly Piece[];
}

/** S3's smallest part (the last one excepted) and its largest. */
export const minPartBytes = 5 * 1024 * 1024;
export const maxPartBytes = 5 * 1024 * 1024 * 1024;
/** S3's largest number of parts. */
export const maxParts = 10_000;

/**
 * A large object in the making: S3's multipart upload, or a file beside its destination. Nothing is visible under the
 * href before `complete`. A part that is one range of an object in the same store is copied there without passing through here.
 */
export interface Assembly {
  /** Names this assembly, so that another process can go on with it. */
  readonly token: string;
  /** Numbers of the parts that are stored already. */
  stored(): Promise<ReadonlySet<number>>;
  /** Stores one part; doing it again is harmless. */
  put(part: Part): Promise<void>;
  /** Makes the object visible; doing it again is harmless. @throws DataError STORE_INCOMPLETE when parts are missing. */
  complete(parts: readonly Part[]): Promise<ObjectStat>;
  /** Gives up and frees what was stored. */
  abort(): Promise<void>;
}
