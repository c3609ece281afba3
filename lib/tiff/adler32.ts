/** The checksum of zlib streams (RFC 1950 section 8.2). Node has crc32 of its own, but not this one. */

/** Largest prime below 2^16. */
const modulus = 65521;
/** Bytes, a multiple of 4, after which the sums are reduced: the lanes of `even` and `odd` below take 256 bytes each without a carry. */
const chunkBytes = 1024;

/** @returns Adler-32 of the bytes, as an unsigned number */
export function adler32(bytes: Uint8Array): number {
  const aligned = bytes.byteOffset % 4 === 0 ? bytes : bytes.slice();
  const words = new Uint32Array(aligned.buffer, aligned.byteOffset, aligned.length >> 2);
  let a = 1;
  let b = 0;
  for (let start = 0; start < words.length; ) {
    const end = Math.min(words.length, start + chunkBytes / 4);
    // a before each word, added up; each word adds it four times to b.
    let before = 0;
    // Of the bytes 0 and 2, and 1 and 3, of all words: two sums in one number.
    let even = 0;
    let odd = 0;
    for (; start < end; start++) {
      const word = words[start] as number;
      const low = word & 0xff00ff;
      const high = (word >>> 8) & 0xff00ff;
      even = (even + low) | 0;
      odd = (odd + high) | 0;
      before = (before + a) | 0;
      const pairs = low + high;
      a += (pairs & 0xffff) + (pairs >>> 16);
    }
    b += 4 * before + 4 * (even & 0xffff) + 3 * (odd & 0xffff) + 2 * (even >>> 16) + (odd >>> 16);
    a %= modulus;
    b %= modulus;
  }
  for (let i = words.length * 4; i < bytes.length; i++) {
    a = (a + (bytes[i] as number)) % modulus;
    b = (b + a) % modulus;
  }
  return b * 65536 + a;
}
