/** Codecs that give bytes for bytes: none, PackBits, and those of Node's own zlib; and how all codecs report a damaged block. */

import { inflateSync, zstdDecompressSync } from 'node:zlib';
import { tiffError } from './fault.ts';
import { type BlockLayout } from './layout.ts';
import { messageOf } from '../base/errors.ts';

/** Bytes that a decoded block must have at least and may have at most. */
export interface DecodedSize {
  readonly wanted: number;
  readonly most: number;
}

/** The block's own bytes; what follows them is ignored, as libtiff does. */
export function unpackNone(layout: BlockLayout, index: number, bytes: Uint8Array, size: DecodedSize): Uint8Array {
  return checkLength(layout, index, bytes, size);
}

/**
 * Deflate (Adobe's 8 and the older 32946 are the same zlib stream).
 *
 * zlib's default chunk of 16 KiB costs 20 % in joining chunks; with room for all of it at once there is one. A few bytes more than
 * wanted let a stream that is too long show itself, and `maxOutputLength` stops a decompression bomb there.
 */
export function inflateBlock(layout: BlockLayout, index: number, bytes: Uint8Array, size: DecodedSize): Uint8Array {
  const decoded = guarded(layout, index, size, () => {
    // Deflate can't grow a byte to more than 1032, so a few bytes don't get the memory of a whole block.
    const chunkSize = Math.min(chunkFor(size), 1032 * bytes.length + 64);
    return inflateSync(bytes, { chunkSize, maxOutputLength: size.most });
  });
  return checkLength(layout, index, decoded, size);
}

/** Zstandard (RFC 8878), as libtiff 4.0.10 defined it for TIFF. Its window stays below zstd's own limit of 128 MiB. */
export function unzstdBlock(layout: BlockLayout, index: number, bytes: Uint8Array, size: DecodedSize): Uint8Array {
  const decoded = guarded(layout, index, size, () => zstdDecompressSync(bytes, { chunkSize: chunkFor(size), maxOutputLength: size.most }));
  return checkLength(layout, index, decoded, size);
}

/**
 * PackBits (TIFF 6.0 §9), into `into`, which has room for the most that a block may have.
 * What follows a full block is ignored, as libtiff does.
 */
export function unpackBits(layout: BlockLayout, index: number, bytes: Uint8Array, size: DecodedSize, into: Uint8Array): Uint8Array {
  let from = 0;
  let to = 0;
  while (from < bytes.length && to < size.most) {
    const control = bytes[from++] ?? 0;
    if (control < 128) {
      const length = Math.min(control + 1, size.most - to, bytes.length - from);
      into.set(bytes.subarray(from, from + length), to);
      from += control + 1;
      to += length;
    } else if (control > 128) {
      const end = Math.min(to + 257 - control, size.most);
      if (from >= bytes.length) break;
      into.fill(bytes[from++] ?? 0, to, end);
      to = end;
    }
  }
  return checkLength(layout, index, into.subarray(0, to), size);
}

/** zlib asks for another chunk when the first is full to the last byte; 64 is its smallest. */
function chunkFor(size: DecodedSize): number {
  return size.most + 64;
}

/** Runs a decoder and reports its failure with file and block. */
export function guarded<T>(layout: BlockLayout, index: number, size: DecodedSize, decode: () => T): T {
  try {
    return decode();
  } catch (error) {
    if (error instanceof RangeError && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE') {
      throw blockError(layout, index, `decodes to more than ${size.most} bytes; wanted ${size.wanted}`, error);
    }
    throw blockError(layout, index, `can't be decoded: ${messageOf(error)}`, error);
  }
}

/** @throws DataError TIFF_BAD_BLOCK when `decoded` is shorter than wanted. */
export function checkLength(layout: BlockLayout, index: number, decoded: Uint8Array, size: DecodedSize): Uint8Array {
  if (decoded.length >= size.wanted) return decoded;
  throw blockError(layout, index, `decodes to ${decoded.length} bytes; wanted ${size.wanted}`);
}

export function blockError(layout: BlockLayout, index: number, message: string, cause?: unknown): Error {
  const where = { directory: layout.directory, block: index };
  return tiffError('TIFF_BAD_BLOCK', layout.href, `directory ${layout.directory}: block ${index} (${layout.compression}) ${message}`, where, cause);
}
