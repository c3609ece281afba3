/**
 * LZW as TIFF has it (TIFF 6.0 §13): codes of 9 to 12 bits, highest bit first, whose width grows one code early.
 *
 * The table holds no strings, only where each string already stands in the output: what a new code stands for is the string of the code
 * before and the byte after it, and these lie side by side there. So decoding is copying within the output.
 *
 * Noisy samples have strings of one to three bytes in no order, so branches that depend on them cost more than the work itself. Therefore the
 * 256 single bytes stand in front of the output and are copied like any string, and four bytes are copied whatever the length.
 */

import { blockError, checkLength, type DecodedSize } from './codec-bytes.ts';
import { type BlockLayout } from './layout.ts';

const clearCode = 256;
const endCode = 257;
const maxCodes = 4096;

/** Bytes of output kept for the 256 strings of one byte. */
const front = 256;
/** The last string may run over the end of the block by its own length, and by the four bytes that are always copied. */
const slack = maxCodes + 4;
/** Strings longer than this are moved by a call, which is faster than byte by byte only then. */
const shortCopy = 48;

/** Decodes blocks into memory of its own, which the next block uses again. */
export class LzwDecoder {
  readonly #starts = new Uint32Array(maxCodes);
  readonly #lengths = new Uint16Array(maxCodes);
  #output = new Uint8Array(0);

  /**
   * The decoded block, at most `size.most` bytes; what follows a full block is ignored, as libtiff does.
   * @throws DataError TIFF_BAD_BLOCK for a code that can't be, or a block that ends early.
   */
  decode(layout: BlockLayout, index: number, bytes: Uint8Array, size: DecodedSize): Uint8Array {
    if (bytes[0] === 0 && ((bytes[1] ?? 0) & 1) === 1) {
      throw blockError(layout, index, "is old-style LZW (lowest bit first), which was withdrawn before TIFF 6.0 and can't be read; wanted LZW with the highest bit first");
    }
    this.#prepare(size.most);
    const end = this.#run(bytes, front + size.most);
    if (end < 0) throw blockError(layout, index, `can't be decoded: a code is not in the table after ${-end - front} bytes`);
    return checkLength(layout, index, this.#output.subarray(front, Math.min(end, front + size.most)), size);
  }

  #prepare(most: number): void {
    if (this.#output.length >= front + most + slack) return;
    this.#output = new Uint8Array(front + most + slack);
    for (let byte = 0; byte < clearCode; byte++) {
      this.#output[byte] = byte;
      this.#starts[byte] = byte;
      this.#lengths[byte] = 1;
    }
  }

  /** Where the output ends, negated where a code is impossible. */
  #run(bytes: Uint8Array, most: number): number {
    const out = this.#output;
    const starts = this.#starts;
    const lengths = this.#lengths;
    const inLength = bytes.length;
    let from = 0;
    /** Bits of byte `from` that are used up. */
    let used = 0;
    let width = 9;
    /** The first code after a clear completes no string: it fills the place of the end code, which is never looked up. */
    let next = endCode;
    let last = front;
    let to = front;
    while (to < most) {
      let code = 0;
      if (from + 2 < inLength) {
        code = ((bytes[from] ?? 0) << 16) | ((bytes[from + 1] ?? 0) << 8) | (bytes[from + 2] ?? 0);
      } else {
        if ((inLength - from) * 8 < used + width) return to;
        code = tail(bytes, from);
      }
      code = (code >>> (24 - width - used)) & ((1 << width) - 1);
      used += width;
      from += used >>> 3;
      used &= 7;
      if (code === clearCode) {
        width = 9;
        next = endCode;
        continue;
      }
      if (code === endCode) return to;
      if (next < maxCodes) {
        starts[next] = last;
        lengths[next] = to - last + 1;
        next++;
      }
      if (code >= next) return -to;
      let start = starts[code] ?? 0;
      const length = lengths[code] ?? 0;
      last = to;
      out[to] = out[start] ?? 0;
      out[to + 1] = out[start + 1] ?? 0;
      out[to + 2] = out[start + 2] ?? 0;
      out[to + 3] = out[start + 3] ?? 0;
      to += length;
      if (length > 4) {
        if (length > shortCopy && start + length <= last) out.copyWithin(last + 4, start + 4, start + length);
        else {
          start += 4;
          for (let into = last + 4; into < to; into++, start++) out[into] = out[start] ?? 0;
        }
      }
      if (next >= (1 << width) - 1 && width < 12) width++;
    }
    return to;
  }
}

/** The last one or two bytes as if zeros followed. */
function tail(bytes: Uint8Array, from: number): number {
  return ((bytes[from] ?? 0) << 16) | ((bytes[from + 1] ?? 0) << 8) | (bytes[from + 2] ?? 0);
}
