/**
 * The parts that a LERC2 blob is put together from: packed bits, the packed mask, the checksum (Esri/lerc: BitStuffer2, RLE and Lerc2 in its
 * reference implementation, version 4 of the format).
 */

/** Bits that `value`, at most 2^32 - 1, takes. */
export function bitsFor(value: number): number {
  return 32 - Math.clz32(value);
}

/** Bytes of `count` values of so many bits, packed, with the three or more bytes before them that say how many there are. */
export function packedBytes(count: number, bits: number): number {
  return 1 + countBytes(count) + Math.ceil((count * bits) / 8);
}

/** The same with a table of `distinct` values other than 0, and places in it instead of values. */
export function packedTableBytes(count: number, bits: number, distinct: number): number {
  return 2 + countBytes(count) + Math.ceil((distinct * bits) / 8) + Math.ceil((count * bitsFor(distinct)) / 8);
}

/** A number of values takes as few bytes as it can: 1, 2 or 4. */
function countBytes(count: number): 1 | 2 | 4 {
  return count < 256 ? 1 : count < 65_536 ? 2 : 4;
}

/** Writes values with their number and width before them. @returns the first byte behind them */
export function writePacked(target: Uint8Array, at: number, values: Uint32Array, count: number, bits: number): number {
  return writeBits(target, writeCount(target, at, count, bits), values, count, bits);
}

/**
 * Writes a table of the distinct values and, for each value, its place in it.
 * @param table ascending, without the 0 that every table begins with
 */
export function writePackedTable(target: Uint8Array, at: number, values: Uint32Array, count: number, table: Uint32Array, bits: number): number {
  let next = writeCount(target, at, count, bits | 0x20);
  target[next++] = table.length + 1;
  next = writeBits(target, next, table, table.length, bits);
  const places = new Map<number, number>([[0, 0]]);
  for (const [i, value] of table.entries()) places.set(value, i + 1);
  return writeBits(target, next, values.subarray(0, count).map((value) => places.get(value) ?? 0), count, bitsFor(table.length));
}

function writeCount(target: Uint8Array, at: number, count: number, low: number): number {
  const bytes = countBytes(count);
  target[at] = low | ((bytes === 4 ? 0 : 3 - bytes) << 6);
  for (let i = 0; i < bytes; i++) target[at + 1 + i] = count >>> (8 * i);
  return at + 1 + bytes;
}

/** Bits from the lowest of each byte up; `bits` is 31 at most. */
function writeBits(target: Uint8Array, at: number, values: Uint32Array, count: number, bits: number): number {
  if (bits === 0) return at;
  let word = 0;
  let filled = 0;
  let next = at;
  for (let i = 0; i < count; i++) {
    const value = values[i] as number;
    word |= value << filled;
    filled += bits;
    if (filled < 32) continue;
    target[next] = word;
    target[next + 1] = word >>> 8;
    target[next + 2] = word >>> 16;
    target[next + 3] = word >>> 24;
    next += 4;
    filled -= 32;
    word = filled === 0 ? 0 : value >>> (bits - filled);
  }
  for (; filled > 0; filled -= 8, word >>>= 8) target[next++] = word;
  return next;
}

/** Runs shorter than this are not worth the counts around them. */
const leastRun = 5;
const mostInPiece = 32_767;

/**
 * Writes a mask of one bit a pixel as runs of bytes: int16 n and n bytes, or -n and the byte that stands n times; -32768 ends it.
 * @returns the first byte behind it; no more is written than the bytes of the mask and 6 for each 32767 of them, and 2
 */
export function writeMask(target: DataView<ArrayBuffer>, at: number, mask: Uint8Array): number {
  let next = at;
  let literal = 0;
  const flush = (end: number): void => {
    for (let from = literal; from < end; from += mostInPiece) {
      const piece = mask.subarray(from, Math.min(end, from + mostInPiece));
      target.setInt16(next, piece.length, true);
      new Uint8Array(target.buffer).set(piece, target.byteOffset + next + 2);
      next += 2 + piece.length;
    }
  };
  for (let i = 0; i < mask.length; ) {
    let end = i + 1;
    while (end < mask.length && mask[end] === mask[i] && end - i < mostInPiece) end++;
    if (end - i >= leastRun) {
      flush(i);
      target.setInt16(next, i - end, true);
      target.setUint8(next + 2, mask[i] as number);
      next += 3;
      literal = end;
    }
    i = end;
  }
  flush(mask.length);
  target.setInt16(next, -32_768, true);
  return next + 2;
}

/** Fletcher's checksum over 16-bit words, the first byte of each the higher one. */
export function fletcher32(bytes: Uint8Array, start: number, end: number): number {
  let first = 0xffff;
  let second = 0xffff;
  let at = start;
  for (let words = (end - start) >> 1; words > 0; ) {
    // So many words can be added before the sums have to be reduced to stay below 2^32.
    const some = Math.min(words, 359);
    words -= some;
    for (let i = 0; i < some; i++, at += 2) {
      first += ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
      second += first;
    }
    first = (first & 0xffff) + (first >>> 16);
    second = (second & 0xffff) + (second >>> 16);
  }
  if (at < end) {
    first += (bytes[at] as number) << 8;
    second += first;
  }
  first = (first & 0xffff) + (first >>> 16);
  second = (second & 0xffff) + (second >>> 16);
  return ((second << 16) | (first & 0xffff)) >>> 0;
}
