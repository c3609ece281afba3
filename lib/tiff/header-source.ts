/** Reads the scattered pieces of a header with few range requests. */

import { type ObjectReader, type ObjectStat } from '../store/store.ts';
import { tiffError } from './fault.ts';

/**
 * Bytes that one request asks for at least. A COG of 10980 x 10980 pixels has its whole header, block arrays included, in the first 64 KiB,
 * and a request of 64 KiB costs S3 hardly more than one of 1 KiB.
 */
export const headerRequestBytes = 64 * 1024;

/**
 * What a header may take in memory. A real one (metadata, tie points and directories, without the arrays of block offsets, which
 * are not kept here) stays below 1 MiB; hostile directories could ask for the whole file piece by piece.
 */
const maxHeaderBytes = 64 * 1024 * 1024;

interface Piece {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/** The bytes of one object as far as its header needs them; pieces that were read are kept. */
export class HeaderSource {
  readonly #reader: Pick<ObjectReader, 'readInto'>;
  readonly #stat: ObjectStat;
  readonly #pieces: Piece[] = [];
  #kept = 0;

  constructor(reader: Pick<ObjectReader, 'readInto'>, stat: ObjectStat) {
    this.#reader = reader;
    this.#stat = stat;
  }

  get href(): string {
    return this.#stat.href;
  }

  /** Size of the object in bytes. */
  get size(): number {
    return this.#stat.size;
  }

  get version(): string {
    return this.#stat.version;
  }

  /**
   * `length` bytes from `offset` on, out of what is kept or by one request that reads ahead.
   * @throws DataError TIFF_TRUNCATED when `what` ends beyond the object, TIFF_TOO_LARGE when the header as a whole grows absurd.
   */
  async bytes(offset: number, length: number, what: string): Promise<DataView> {
    this.checkInside(offset, length, what);
    const kept = this.#find(offset, length);
    if (kept !== undefined) return kept;
    const wanted = Math.min(Math.max(length, headerRequestBytes), this.size - offset);
    if (this.#kept + wanted > maxHeaderBytes) {
      throw tiffError('TIFF_TOO_LARGE', this.href, `${what} needs ${length} bytes, but the header may take ${maxHeaderBytes} bytes in all and ${this.#kept} are taken`);
    }
    const bytes = await this.read(offset, wanted);
    this.#pieces.push({ offset, bytes });
    this.#kept += wanted;
    return new DataView(bytes.buffer, 0, length);
  }

  /** One request for exactly this range, which is not kept. The range must lie inside the object. */
  async read(offset: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
    const bytes = new Uint8Array(length);
    await this.#reader.readInto(this.href, offset, bytes, this.version);
    return bytes;
  }

  /** Bytes that are kept already, or undefined. */
  cached(offset: number, length: number): Uint8Array | undefined {
    const view = this.#find(offset, length);
    return view === undefined ? undefined : new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  }

  /** @throws DataError TIFF_TRUNCATED unless the range lies inside the object. */
  checkInside(offset: number, length: number, what: string): void {
    if (offset + length <= this.size) return;
    throw tiffError('TIFF_TRUNCATED', this.href, `${what} lies at bytes ${offset} to ${offset + length}, but the file has ${this.size} bytes`, {
      offset,
      length,
      size: this.size,
    });
  }

  #find(offset: number, length: number): DataView | undefined {
    for (const piece of this.#pieces) {
      const start = offset - piece.offset;
      if (start >= 0 && start + length <= piece.bytes.length) {
        return new DataView(piece.bytes.buffer, piece.bytes.byteOffset + start, length);
      }
    }
    return undefined;
  }
}
