/**
 * What tilefan needs of a place that keeps objects: a file system or S3.
 *
 * An href is a normalised absolute URL, `file:///…` or `s3://bucket/key`. `Store` is what the rest of the code sees; the drivers are
 * file-store.ts and s3-store.ts, and routing-store.ts picks one by the scheme of the href.
 *
 * Errors, for every method: InputUnavailableError STORE_NOT_FOUND, STORE_IS_DIRECTORY, STORE_NOT_A_FILE, STORE_DENIED, STORE_UNREADABLE
 * when reading; OutputError STORE_NO_FOLDER, STORE_NOT_A_FOLDER, STORE_BAD_NAME, STORE_IS_DIRECTORY, STORE_NOT_A_FILE, STORE_DENIED, STORE_FULL, STORE_UNWRITABLE when writing;
 * TryAgainError STORE_BUSY for passing faults after the driver's own retries; JobError HREF_* for an href that means nothing.
 * Each message names the object, files as plain paths.
 */

/** What is known of an object without reading it. */
export interface ObjectStat {
  readonly href: string;
  /** Size in bytes. */
  readonly size: number;
  /** Changes when the content changes: the ETag on S3; inode, size and modification time for files. Opaque; compare only for equality. */
  readonly version: string;
}

/** Above this a document isn't small: readAll refuses it. */
export const defaultMaxBytes = 64 * 1024 * 1024;

export interface ObjectReader {
  /** Facts of one object. */
  stat(href: string): Promise<ObjectStat>;
  /**
   * Fills `target` (which may lie on a SharedArrayBuffer) with the bytes that begin at `offset`: one range request.
   * With `version`, the bytes are of that version and no other. Without it, a file that another process replaced may still be read as it was.
   * @throws DataError STORE_TRUNCATED when the object ends before `target` is full; STORE_CHANGED when that version can't be had any more.
   */
  readInto(href: string, offset: number, target: Uint8Array, version?: string): Promise<void>;
  /** The whole object, for small documents. @throws DataError STORE_TOO_LARGE above `maxBytes` (default 64 MiB). */
  readAll(href: string, maxBytes?: number): Promise<Uint8Array>;
  /** Objects whose href begins with `prefix`, in ascending order of href (UTF-8 bytes). Nothing there is an empty list, not an error. */
  list(prefix: string): AsyncIterable<ObjectStat>;
}

/** How a folder that is missing is treated. S3 has no folders and ignores it. */
export interface FolderOptions {
  /**
   * Create missing folders above the object (default false: STORE_NO_FOLDER). What lies under a run prefix asks for it; outputs don't,
   * because a folder that doesn't exist is far more often a typing error in a job than a wish.
   */
  readonly createFolders?: boolean;
}

export interface PutOptions extends FolderOptions {
  /**
   * Write only if nothing is there yet; atomic, also between processes and machines. 'exists' may be the caller's own write, whose
   * answer was lost and which was sent again: whoever needs to know must look at the content.
   */
  readonly ifAbsent?: boolean;
  readonly contentType?: string;
}

export interface ObjectWriter {
  /** Writes one object atomically: a reader sees the old bytes, or all of the new ones. `body` may come in pieces. */
  put(href: string, body: Uint8Array | readonly Uint8Array[], options?: PutOptions): Promise<'written' | 'exists'>;
  /**
   * Removes every object whose href begins with `prefix` (which must end in `/`), and reports how many. Files: the folder goes too.
   * @throws JobError HREF_NOT_A_PREFIX without the `/`, or for a whole bucket or file system.
   */
  removePrefix(prefix: string): Promise<number>;
  /** Starts or, with the token of an earlier call, continues the assembly of a large object. */
  assemble(href: string, options?: AssembleOptions): Promise<Assembly>;
}

export interface AssembleOptions extends FolderOptions {
  readonly contentType?: string;
  /** The token of an assembly begun earlier, perhaps by another process. */
  readonly token?: string;
}

export type Store = ObjectReader & ObjectWriter;

/** A store with resources behind it: open files, sockets. */
export type ClosableStore = Store & {
  /** Closes files and sockets that are open. The store must not be used afterwards. */
  close(): Promise<void>;
};

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
 *
 * Going on after a crash: `assemble(href, { token })`, `stored()`, `put` what is missing, `complete`. When the assembly is gone (completed just
 * before the crash, aborted, or cleaned up), `stored` and `put` throw OutputError STORE_ASSEMBLY_GONE. Then call `complete`: it
 * succeeds if the finished object is there, and otherwise throws STORE_ASSEMBLY_GONE too; then start a new assembly.
 * Parts of any form (order, offsets, sizes) that S3 would refuse are refused by every driver: OperationError STORE_BAD_PART.
 */
export interface Assembly {
  /** Names this assembly, so that another process can go on with it. */
  readonly token: string;
  /** How many parts should be put at a time: several requests to S3 overlap, while copies on one disk only get in each other's way. */
  readonly parallelParts: number;
  /** Numbers of the parts that are stored already. */
  stored(): Promise<ReadonlySet<number>>;
  /** Stores one part; doing it again is harmless. */
  put(part: Part): Promise<void>;
  /** Makes the object visible; doing it again is harmless. @throws DataError STORE_INCOMPLETE when parts are missing. */
  complete(parts: readonly Part[]): Promise<ObjectStat>;
  /** Gives up and frees what was stored. */
  abort(): Promise<void>;
}
