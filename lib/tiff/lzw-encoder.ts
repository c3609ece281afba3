/**
 * LZW compression as TIFF wants it (TIFF 6.0 section 13): codes of 9 to 12 bits, most significant bit first, the width growing one
 * code early, a clear code first and whenever the table is full.
 */

const clearCode = 256;
const endCode = 257;
const firstFree = 258;
/** The table is cleared when code 4093 has been added, as libtiff does, so that no reader needs a 13th bit. */
const fullTable = 4094;

/** Room for the strings of one table: (prefix code, next byte) -> code, found by open addressing. A power of two, four times the codes. */
const tableSize = 16_384;

/** Compresses blocks one after another; the tables are allocated once. */
export class LzwEncoder {
  readonly #keys = new Int32Array(tableSize);
  readonly #codes = new Uint16Array(tableSize);
  #out = new Uint8Array(0);

  /** @returns the compressed bytes, a view that is overwritten by the next call */
  encode(bytes: Uint8Array): Uint8Array {
    // The worst case, 12 bits for each byte, and the codes around it.
    const worst = Math.ceil(bytes.length * 1.5) + Math.ceil(bytes.length / 1000) * 2 + 16;
    if (this.#out.length < worst) this.#out = new Uint8Array(worst);
    const out = this.#out;
    const table = this.#keys;
    const codes = this.#codes;
    let length = 0;
    let bits = 0;
    let bitCount = 0;
    let width = 9;
    let next = firstFree;
    const put = (code: number): void => {
      bits = ((bits << width) | code) >>> 0;
      bitCount += width;
      while (bitCount >= 8) {
        bitCount -= 8;
        out[length++] = bits >>> bitCount;
      }
      bits &= (1 << bitCount) - 1;
    };

    table.fill(-1);
    put(clearCode);
    let prefix = bytes.length === 0 ? -1 : (bytes[0] as number);
    for (let i = 1; i < bytes.length; i++) {
      const byte = bytes[i] as number;
      const key = (prefix << 8) | byte;
      let slot = (Math.imul(key, 0x9e37_79b1) >>> 18) & (tableSize - 1);
      while (table[slot] !== -1 && table[slot] !== key) slot = (slot + 1) & (tableSize - 1);
      if (table[slot] === key) {
        prefix = codes[slot] as number;
        continue;
      }
      put(prefix);
      prefix = byte;
      table[slot] = key;
      codes[slot] = next++;
      if (next === fullTable) {
        put(clearCode);
        table.fill(-1);
        next = firstFree;
        width = 9;
      } else if (next === 1 << width) {
        width++;
      }
    }
    if (prefix !== -1) {
      put(prefix);
      // A decoder adds an entry for this code too, and changes its width before it reads the end code.
      next++;
      if (next === fullTable) {
        put(clearCode);
        width = 9;
      } else if (next === 1 << width) {
        width++;
      }
    }
    put(endCode);
    if (bitCount > 0) out[length++] = bits << (8 - bitCount);
    return out.subarray(0, length);
  }
}
