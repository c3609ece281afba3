/**
 * What deflate streams (RFC 1951, in a zlib stream, RFC 1950) have in common, however their literals and matches were found: blocks with codes of their own, and bits. Bits are gathered
 * in 64: the whole bytes among them are stored each time, and fewer than 8 wait. Behind the source and the stream there are 32 bytes more (lib/tiff/deflate-encoder.ts).
 */
import { huffman_codes, huffman_lengths, huffman_scratchBytes } from './huffman';

export const SHORTEST_MATCH: i32 = 3;
export const LONGEST_MATCH: i32 = 258;
const LONGEST_MATCH_SYMBOL: i32 = 285;

const LITERAL_SYMBOLS: i32 = 286;
export const DISTANCE_SYMBOLS: i32 = 30;
const END_OF_BLOCK: i32 = 256;
/** Four literals and the 7 bits that may wait fit in 64, and so do a match's length and distance with their extra bits. */
const CODE_LIMIT: u32 = 12;
const LENGTH_SYMBOLS: i32 = 19;
const LENGTH_LIMIT: u32 = 7;
/** RFC 1951 section 3.2.4. */
const LARGEST_STORED: i32 = 65535;

/** In bytes from the fields of a stream on: how often each symbol occurs, and its code, above how many bits that has; 32 bits each. */
const FREQUENCIES: usize = 32;
const DISTANCE_FREQUENCIES: usize = FREQUENCIES + 4 * LITERAL_SYMBOLS;
const CODES: usize = DISTANCE_FREQUENCIES + 4 * DISTANCE_SYMBOLS;
const DISTANCE_CODES: usize = CODES + 4 * LITERAL_SYMBOLS;
/** Lengths of the codes, a byte each; there is room for those of distances behind those of literals. */
const LENGTHS: usize = DISTANCE_CODES + 4 * DISTANCE_SYMBOLS;
const DISTANCE_LENGTHS: usize = LENGTHS + LITERAL_SYMBOLS + DISTANCE_SYMBOLS;
/** How these lengths are written: their own symbols above 8 bits of what is repeated, 16 bits each, and the code for them. */
const TOKENS: usize = (DISTANCE_LENGTHS + DISTANCE_SYMBOLS + 3) & ~3;
const LENGTH_FREQUENCIES: usize = TOKENS + 2 * (LITERAL_SYMBOLS + DISTANCE_SYMBOLS);
const LENGTH_CODES: usize = LENGTH_FREQUENCIES + 4 * LENGTH_SYMBOLS;
const LENGTH_LENGTHS: usize = LENGTH_CODES + 4 * LENGTH_SYMBOLS;
const SCRATCH: usize = (LENGTH_LENGTHS + LENGTH_SYMBOLS + 3) & ~3;

/** A stream that is being written, and the block of it that is being made. */
// @ts-ignore: decorator
@unmanaged
export class DeflateStream {
  /** Where the next byte goes. */
  at: usize;
  /** Where the block ends in the source. */
  end: i32;
  /** The code of the symbol that ends the block. Among the others it has no place, and no bits. */
  endOfBlock: u32;
  /** Bits that wait to be written, fewer than 8. */
  bits: u64;
  waiting: u64;

  /** Bytes of its fields, and of all that it keeps behind them. */
  static get size(): usize {
    return SCRATCH + huffman_scratchBytes();
  }

  /** The table of the block's literals, END_OF_BLOCK and lengths of matches: entries are codes above how many bits they have, which has the lowest five. */
  get codes(): usize {
    return changetype<usize>(this) + CODES;
  }

  get distanceCodes(): usize {
    return changetype<usize>(this) + DISTANCE_CODES;
  }

  /** Begins a stream, with a window of 32 KiB, no dictionary, and the fastest algorithm: RFC 1950 section 2.2. */
  begin(bytes: usize): void {
    store<u16>(bytes, 0x0178);
    this.at = bytes + 2;
    this.bits = 0;
    this.waiting = 0;
  }

  /** Before a block is counted. */
  clearCounts(): void {
    memory.fill(changetype<usize>(this) + FREQUENCIES, 0, 4 * (LITERAL_SYMBOLS + DISTANCE_SYMBOLS));
  }

  countLiteral(byte: i32, times: u32): void {
    count(changetype<usize>(this) + FREQUENCIES + 4 * <usize>byte, times);
  }

  countMatch(length: i32, times: u32): void {
    count(changetype<usize>(this) + FREQUENCIES + 4 * <usize>matchSymbol(length), times);
  }

  countDistance(symbol: i32, times: u32): void {
    count(changetype<usize>(this) + DISTANCE_FREQUENCIES + 4 * <usize>symbol, times);
  }

  /**
   * Makes codes of the counts, and begins a block with them.
   * @returns false where the bytes as they are would be no longer; then they are written, and the block is done
   */
  openBlock(source: usize, start: i32, length: i32): bool {
    const base = changetype<usize>(this);
    const final: u32 = this.end === length ? 1 : 0;
    store<u32>(base + 4 * END_OF_BLOCK, 1, FREQUENCIES);
    huffman_lengths(base + FREQUENCIES, LITERAL_SYMBOLS, CODE_LIMIT, base + LENGTHS, base + SCRATCH);
    huffman_codes(base + LENGTHS, LITERAL_SYMBOLS, base + CODES, base + SCRATCH);
    huffman_lengths(base + DISTANCE_FREQUENCIES, DISTANCE_SYMBOLS, CODE_LIMIT, base + DISTANCE_LENGTHS, base + SCRATCH);
    huffman_codes(base + DISTANCE_LENGTHS, DISTANCE_SYMBOLS, base + DISTANCE_CODES, base + SCRATCH);
    const symbols = END_OF_BLOCK + 1 + withoutZeros(base + LENGTHS + END_OF_BLOCK + 1, LITERAL_SYMBOLS - END_OF_BLOCK - 1);
    // There is one at least; without matches it has a code of length 0.
    const distances = max(1, withoutZeros(base + DISTANCE_LENGTHS, DISTANCE_SYMBOLS));
    memory.copy(base + LENGTHS + symbols, base + DISTANCE_LENGTHS, distances);
    const tokens = this.describeLengths(symbols + distances);
    let lengths = LENGTH_SYMBOLS;
    while (lengths > 4 && load<u8>(base + lengthSymbol(lengths - 1), LENGTH_LENGTHS) === 0) lengths--;

    const bytes = this.end - start;
    const storedBits = 8 * bytes + 40 * max(1, (bytes + LARGEST_STORED - 1) / LARGEST_STORED);
    if (17 + 3 * lengths + this.descriptionBits() + this.dataBits() >= storedBits) {
      this.store(source + start, source + this.end, final);
      return false;
    }
    // Type 2 is dynamic codes: RFC 1951 section 3.2.3.
    this.write(final | (2 << 1), 3);
    this.write(symbols - 257, 5);
    this.write(distances - 1, 5);
    this.write(lengths - 4, 4);
    for (let i = 0; i < lengths; i++) this.write(load<u8>(base + lengthSymbol(i), LENGTH_LENGTHS), 3);
    for (let token = base + TOKENS; token < tokens; token += 2) {
      const symbol = <u32>load<u8>(token, 1);
      this.writeEntry(load<u32>(base + 4 * symbol, LENGTH_CODES));
      this.write(load<u8>(token), lengthExtraBits(symbol));
    }
    this.endOfBlock = load<u32>(base + 4 * END_OF_BLOCK, CODES);
    store<u32>(base + 4 * END_OF_BLOCK, 0, CODES);
    return true;
  }

  closeBlock(): void {
    this.writeEntry(this.endOfBlock);
  }

  /** Fills a table by lengths of matches: the code with its extra bits above how many bits that is, which has the lowest five; with so many zero bits after them. */
  describeMatches(table: usize, zeros: u32): void {
    for (let length = SHORTEST_MATCH; length <= LONGEST_MATCH; length++) {
      const symbol = matchSymbol(length);
      const code = load<u32>(this.codes + 4 * symbol);
      const extraBits = matchExtraBits(symbol);
      const extra = <u32>(length - SHORTEST_MATCH) & ((1 << extraBits) - 1);
      const bits = code & 31;
      store<u32>(table + 4 * length, (((code >>> 5) | (extra << bits)) << 5) | (bits + extraBits + zeros));
    }
  }

  /** @returns the byte behind the stream */
  finish(checksum: u32): usize {
    this.flushToByte();
    store<u32>(this.at, bswap(checksum));
    return this.at + 4;
  }

  /** Code lengths as they are written: as they are, the last repeated, or zeros repeated. @returns the place behind the last token */
  private describeLengths(lengths: i32): usize {
    const base = changetype<usize>(this);
    let token = base + TOKENS;
    for (let at = base + LENGTHS, end = at + lengths; at < end; ) {
      const length = load<u8>(at);
      let run: i32 = 1;
      while (at + run < end && load<u8>(at + run) === length) run++;
      at += run;
      if (length !== 0) {
        token = putToken(token, length, 0);
        run--;
      }
      while (run > 0) {
        // Symbols 16 (3 to 6 times the last), 17 (3 to 10 zeros), 18 (11 to 138 zeros).
        const symbol: u8 = length !== 0 ? 16 : run <= 10 ? 17 : 18;
        const least = symbol === 18 ? 11 : 3;
        if (run < least) {
          token = putToken(token, length, 0);
          run--;
        } else {
          const part = min(run, symbol === 16 ? 6 : symbol === 17 ? 10 : 138);
          token = putToken(token, symbol, part - least);
          run -= part;
        }
      }
    }
    memory.fill(base + LENGTH_FREQUENCIES, 0, 4 * LENGTH_SYMBOLS);
    for (let at = base + TOKENS; at < token; at += 2) count(base + LENGTH_FREQUENCIES + 4 * <usize>load<u8>(at, 1));
    huffman_lengths(base + LENGTH_FREQUENCIES, LENGTH_SYMBOLS, LENGTH_LIMIT, base + LENGTH_LENGTHS, base + SCRATCH);
    huffman_codes(base + LENGTH_LENGTHS, LENGTH_SYMBOLS, base + LENGTH_CODES, base + SCRATCH);
    return token;
  }

  private descriptionBits(): i32 {
    const base = changetype<usize>(this);
    let bits: i32 = 0;
    for (let symbol = 0; symbol < LENGTH_SYMBOLS; symbol++) {
      bits += load<i32>(base + 4 * symbol, LENGTH_FREQUENCIES) * (load<u8>(base + symbol, LENGTH_LENGTHS) + lengthExtraBits(symbol));
    }
    return bits;
  }

  private dataBits(): i32 {
    const base = changetype<usize>(this);
    let bits: i32 = 0;
    for (let symbol = 0; symbol < LITERAL_SYMBOLS; symbol++) {
      bits += load<i32>(base + 4 * symbol, FREQUENCIES) * ((load<u32>(base + 4 * symbol, CODES) & 31) + matchExtraBits(symbol));
    }
    for (let symbol = 0; symbol < DISTANCE_SYMBOLS; symbol++) {
      bits += load<i32>(base + 4 * symbol, DISTANCE_FREQUENCIES) * ((load<u32>(base + 4 * symbol, DISTANCE_CODES) & 31) + distanceExtraBits(symbol));
    }
    return bits;
  }

  /** A block of the bytes as they are, or several. */
  private store(from: usize, to: usize, final: u32): void {
    do {
      const length = min(LARGEST_STORED, <i32>(to - from));
      this.write(from + length === to ? final : 0, 3);
      this.flushToByte();
      store<u16>(this.at, length);
      store<u16>(this.at, ~length, 2);
      memory.copy(this.at + 4, from, length);
      this.at += 4 + length;
      from += length;
    } while (from < to);
  }

  private writeEntry(entry: u32): void {
    this.write(entry >>> 5, entry & 31);
  }

  private write(value: u32, length: u32): void {
    this.bits |= <u64>value << this.waiting;
    this.waiting += length;
    store<u64>(this.at, this.bits);
    this.at += <usize>(this.waiting >>> 3);
    this.bits >>>= this.waiting & 56;
    this.waiting &= 7;
  }

  private flushToByte(): void {
    if (this.waiting > 0) this.write(0, 8 - <u32>this.waiting);
  }
}

/** The symbol of a match's length: RFC 1951 section 3.2.5. */
// @ts-ignore: decorator
@inline
export function matchSymbol(length: i32): i32 {
  // The longest has a symbol of its own, and not the last place of the one before.
  if (length === LONGEST_MATCH) return LONGEST_MATCH_SYMBOL;
  const rest = length - SHORTEST_MATCH;
  if (rest < 8) return END_OF_BLOCK + 1 + rest;
  const power = 31 - clz(rest);
  return END_OF_BLOCK + 1 + 4 * (power - 1) + ((rest >>> (power - 2)) & 3);
}

/** How many extra bits a symbol has: RFC 1951 section 3.2.5. Literals have none. */
// @ts-ignore: decorator
@inline
function matchExtraBits(symbol: i32): u32 {
  return symbol < 265 || symbol === LONGEST_MATCH_SYMBOL ? 0 : (symbol - 261) >> 2;
}

/** Likewise the symbol of a distance. */
// @ts-ignore: decorator
@inline
export function distanceExtraBits(symbol: i32): u32 {
  return symbol < 4 ? 0 : (symbol >> 1) - 1;
}

/** Likewise a symbol of code lengths: RFC 1951 section 3.2.7. */
// @ts-ignore: decorator
@inline
function lengthExtraBits(symbol: i32): u32 {
  return symbol < 16 ? 0 : symbol === 16 ? 2 : symbol === 17 ? 3 : 7;
}

/** In which order the lengths of the codes for code lengths are written: RFC 1951 section 3.2.7. Five bits each, as kernels have no data of their own. */
// @ts-ignore: decorator
@inline
function lengthSymbol(i: i32): usize {
  // From the last on: 4, 11, 5, 10, 6, 9, 7, 8, 0, 18, 17, 16; then 15, 1, 14, 2, 13, 3, 12.
  const symbols: u64 = i < 12 ? 0x22caa324e804a30 : 0x3c2e1346c;
  return <usize>(symbols >>> (5 * (i % 12))) & 31;
}

/** How many are left of so many bytes when the zeros at their end are taken away. */
// @ts-ignore: decorator
@inline
function withoutZeros(bytes: usize, length: i32): i32 {
  while (length > 0 && load<u8>(bytes + length - 1) === 0) length--;
  return length;
}

/** Adds to a count of 32 bits. */
// @ts-ignore: decorator
@inline
export function count(at: usize, times: u32 = 1): void {
  store<u32>(at, load<u32>(at) + times);
}

// @ts-ignore: decorator
@inline
function putToken(token: usize, symbol: u8, repeated: i32): usize {
  store<u8>(token, <u8>repeated);
  store<u8>(token, symbol, 1);
  return token + 2;
}
