/** Codecs that give bytes for bytes with Node's own zlib, and none at all. */

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
  const decoded = guarded(layout, index, size, () => inflateSync(bytes, { chunkSize: chunkFor(size), maxOutputLength: size.most }));
  return checkLength(layout, index, decoded, size);
}

/** Zstandard (RFC 8878), as libtiff 4.0.10 defined it for TIFF. Its window stays below zstd's own limit of 128 MiB. */
export function unzstdBlock(layout: BlockLayout, index: number, bytes: Uint8Array, size: DecodedSize): Uint8Array {
  const decoded = guarded(layout, index, size, () => zstdDecompressSync(bytes, { chunkSize: chunkFor(size), maxOutputLength: size.most }));
  return checkLength(layout, index, decoded, size);
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
