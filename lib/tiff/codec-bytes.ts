/** Codecs that give bytes for bytes: PackBits, and those of Node's own zlib; and how all codecs report a damaged block. */

import { tiffError } from './fault.ts';
import { type BlockLayout } from './layout.ts';
import { type StreamDecoder } from './native-stream.ts';
import { messageOf } from '../base/errors.ts';

/** Bytes that a decoded block must have at least and may have at most. */
export interface DecodedSize {
  readonly wanted: number;
  readonly most: number;
}

/**
 * Deflate (Adobe's 8 and the older 32946 are the same zlib stream), or Zstandard (RFC 8878) as libtiff 4.0.10 defined it for TIFF; its window
 * stays below zstd's own limit of 128 MiB. Into `into`, which has room for more than a block may have, so that a stream that is too
 * long shows itself, and a decompression bomb stops there.
 */
export function unpackStream(layout: BlockLayout, index: number, bytes: Uint8Array, size: DecodedSize, decoder: StreamDecoder, into: Uint8Array): Uint8Array {
  const decoded = guarded(layout, index, size, () => decoder.decode(bytes, into.subarray(0, size.most + 1)));
  if (decoded.length > size.most) throw blockError(layout, index, `decodes to more than ${size.most} bytes; wanted ${size.wanted}`);
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
