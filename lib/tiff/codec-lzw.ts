/**
 * LZW as TIFF has it (TIFF 6.0 §13): codes of 9 to 12 bits, highest bit first, whose width grows one code early.
 *
 * The table holds no strings, only where each string already stands in the output: the string of a new code is the previous string and
 * the byte after it, and these lie side by side there. So decoding is copying within the output.
 */

import { blockError, checkLength, type DecodedSize } from './codec-bytes.ts';
import { type BlockLayout } from './layout.ts';

const clearCode = 256;
const endCode = 257;
const firstFree = 258;
const maxCodes = 4096;

/** Strings up to this length are copied byte by byte, which is faster than a call. */
const shortCopy = 24;

export class LzwDecoder {
  readonly #offsets = new Uint32Array(maxCodes);
  readonly #lengths = new Uint32Array(maxCodes);

  /**
   * Decodes into `into`, which has room for the most that a block may have; what follows a full block is ignored, as libtiff does.
   * @throws DataError TIFF_BAD_BLOCK for a code that can't be, or a block that ends early.
   */
  decode(layout: BlockLayout, index: number, bytes: Uint8Array, size: DecodedSize, into: Uint8Array): Uint8Array {
    if (bytes[0] === 0 && ((bytes[1] ?? 0) & 1) === 1) {
      throw blockError(layout, index, 'is old-style LZW (lowest bit first), which was withdrawn before TIFF 6.0 and can\'t be read; wanted LZW with the highest bit first');
    }
    const end = this.#run(bytes, into, size.most);
    if (end < 0) throw blockError(layout, index, `can't be decoded: a code is not in the table after ${~end} bytes`);
    return checkLength(layout, index, into.subarray(0, end), size);
  }

  /** Number of bytes written, or its complement where a code is impossible. */
  #run(bytes: Uint8Array, out: Uint8Array, most: number): number {
    const offsets = this.#offsets;
    const lengths = this.#lengths;
    const inLength = bytes.length;
    let from = 0;
    let to = 0;
    let bits = 0;
    let held = 0;
    let width = 9;
    let mask = 511;
    let next = firstFree;
    let lastOffset = 0;
    let lastLength = 0;
    while (to < most) {
      while (held < width) {
        if (from >= inLength) return to;
        bits = (bits << 8) | (bytes[from++] ?? 0);
        held += 8;
      }
      held -= width;
      const code = (bits >>> held) & mask;
      if (code < clearCode) {
        if (lastLength !== 0 && next < maxCodes) {
          offsets[next] = lastOffset;
          lengths[next] = lastLength + 1;
          next++;
        }
        lastOffset = to;
        lastLength = 1;
        out[to++] = code;
      } else if (code >= firstFree) {
        // The first code after a clear must be a byte; the code that is about to be defined may be used at once.
        if (lastLength === 0 || code > next) return ~to;
        if (next < maxCodes) {
          offsets[next] = lastOffset;
          lengths[next] = lastLength + 1;
          next++;
        } else if (code >= next) return ~to;
        const offset = offsets[code] ?? 0;
        const length = Math.min(lengths[code] ?? 0, most - to);
        lastOffset = to;
        lastLength = length;
        to = copyString(out, offset, to, length);
      } else if (code === endCode) {
        return to;
      } else {
        width = 9;
        mask = 511;
        next = firstFree;
        lastLength = 0;
        continue;
      }
      if (next >= mask && width < 12) {
        width++;
        mask = (mask << 1) | 1;
      }
    }
    return to;
  }
}

/** Copies forward, so that a string may run into what it makes; gives the end. */
function copyString(out: Uint8Array, offset: number, to: number, length: number): number {
  if (length > shortCopy && offset + length <= to) {
    out.copyWithin(to, offset, offset + length);
    return to + length;
  }
  for (let i = 0; i < length; i++) out[to + i] = out[offset + i] ?? 0;
  return to + length;
}
