/** What deflate streams (RFC 1951, in a zlib stream, RFC 1950) have in common, however their literals and matches were found: blocks with codes of their own, and bits. */
import { canonicalCodes, codeLengths } from './deflate-huffman.ts';

export const endOfBlock = 256;
export const literalSymbols = 286;
const distanceSymbols = 30;
/** Four literals and the 7 bits that may wait fit in 64, and so do a match's length and distance with their extra bits. */
const codeLimit = 12;
const lengthSymbols = 19;
const lengthLimit = 7;

export const shortestMatch = 3;
export const longestMatch = 258;

/** RFC 1951 section 3.2.4. */
const largestStored = 65535;
/** No block but the last is of fewer bytes. */
export const fewestBlockBytes = 1 << 16;

/** Symbol, extra bits and how many those are of each length of a match, counted from 0: RFC 1951 section 3.2.5. */
export const matchSymbols = new Uint16Array(longestMatch + 1);
const matchExtraBits = new Uint8Array(longestMatch + 1);
const matchExtra = new Uint8Array(longestMatch + 1);
for (let symbol = 257, length = shortestMatch; symbol < 285; symbol++) {
  const bits = symbol < 265 ? 0 : (symbol - 261) >> 2;
  for (let extra = 0; extra < 1 << bits; extra++, length++) {
    matchSymbols[length] = symbol;
    matchExtraBits[length] = bits;
    matchExtra[length] = extra;
  }
}
// The longest has a symbol of its own, and not the last place of the one before.
matchSymbols[longestMatch] = 285;
matchExtraBits[longestMatch] = 0;
matchExtra[longestMatch] = 0;

/** How many extra bits a symbol of a distance has. */
export function distanceExtraBits(symbol: number): number {
  return symbol < 4 ? 0 : (symbol >> 1) - 1;
}

/** In which order the lengths of the codes for code lengths are written: RFC 1951 section 3.2.7. */
const lengthOrder = Uint8Array.of(16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15);
const lengthExtraBits = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 3, 7);

/** Bytes of a stream for so many, at most: stored blocks are the worst that is written, five bytes each; and a block may end in the middle of its tokens' bytes. */
export function mostStreamBytes(length: number): number {
  return length + 5 * (Math.ceil(length / largestStored) + Math.ceil(length / fewestBlockBytes) + 1) + 16;
}

/** One stream after another. Compiled loops write the symbols of a block between `putState` and `takeState`. */
export class DeflateOutput {
  /** Of the block that is to be written next: how often each symbol occurs. */
  readonly frequencies = new Uint32Array(literalSymbols);
  readonly distanceFrequencies = new Uint32Array(distanceSymbols);
  readonly lengths = new Uint8Array(literalSymbols);
  readonly codes = new Uint16Array(literalSymbols);
  readonly distanceLengths = new Uint8Array(distanceSymbols);
  readonly distanceCodes = new Uint16Array(distanceSymbols);
  /** Lengths of both codes in a row. */
  readonly #described = new Uint8Array(literalSymbols + distanceSymbols);
  readonly #order = new Float64Array(literalSymbols);
  readonly #weights = new Float64Array(literalSymbols);
  readonly #lengthTokens = new Uint16Array(literalSymbols + distanceSymbols);
  readonly #lengthFrequencies = new Uint32Array(lengthSymbols);
  readonly #lengthLengths = new Uint8Array(lengthSymbols);
  readonly #lengthCodes = new Uint16Array(lengthSymbols);
  #bytes: Uint8Array = new Uint8Array(0);
  #view = new DataView(this.#bytes.buffer);
  /** Where the next byte goes. */
  #at = 0;
  /** Bits that wait to be written, fewer than 8. */
  #bits = 0;
  #bitCount = 0;

  /** Begins a stream in `bytes`, which have room for `mostStreamBytes`. */
  begin(bytes: Uint8Array): void {
    if (this.#bytes !== bytes) {
      this.#bytes = bytes;
      this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    }
    // A window of 32 KiB, no dictionary, the fastest algorithm: RFC 1950 section 2.2.
    this.#bytes[0] = 0x78;
    this.#bytes[1] = 0x01;
    this.#at = 2;
    this.#bits = 0;
    this.#bitCount = 0;
  }

  /** For the compiled loops (kernels/deflate.ts): where the stream stands. */
  putState(state: Uint32Array): void {
    state[0] = this.#at;
    state[1] = this.#bits;
    state[2] = this.#bitCount;
  }

  takeState([at = 0, bits = 0, bitCount = 0]: Uint32Array): void {
    this.#at = at;
    this.#bits = bits;
    this.#bitCount = bitCount;
  }

  /**
   * Makes codes of the frequencies, and begins a block with them.
   * @returns false where the bytes as they are would be no longer; then they are written, and the block is done
   */
  openBlock(source: Uint8Array, start: number, end: number): boolean {
    const final = end === source.length ? 1 : 0;
    this.frequencies[endOfBlock] = 1;
    codeLengths(this.frequencies, literalSymbols, codeLimit, this.lengths, this.#order, this.#weights);
    codeLengths(this.distanceFrequencies, distanceSymbols, codeLimit, this.distanceLengths, this.#order, this.#weights);
    let symbols = literalSymbols;
    while (symbols > endOfBlock + 1 && this.lengths[symbols - 1] === 0) symbols--;
    // There is one at least; without matches it has a code of length 0.
    let distances = distanceSymbols;
    while (distances > 1 && this.distanceLengths[distances - 1] === 0) distances--;
    this.#described.set(this.lengths);
    this.#described.set(this.distanceLengths, symbols);
    const described = this.#describeLengths(symbols + distances);
    let lengthCount = lengthSymbols;
    while (lengthCount > 4 && this.#lengthLengths[lengthOrder[lengthCount - 1] as number] === 0) lengthCount--;

    const storedBits = 8 * (end - start) + 40 * Math.max(1, Math.ceil((end - start) / largestStored));
    if (this.#headerBits(lengthCount) + this.#dataBits() >= storedBits) {
      this.#writeStored(source, start, end, final);
      return false;
    }
    // Type 2 is dynamic codes: RFC 1951 section 3.2.3.
    this.write(final | (2 << 1), 3);
    this.write(symbols - 257, 5);
    this.write(distances - 1, 5);
    this.write(lengthCount - 4, 4);
    for (let i = 0; i < lengthCount; i++) this.write(this.#lengthLengths[lengthOrder[i] as number] as number, 3);
    for (let i = 0; i < described; i++) {
      const token = this.#lengthTokens[i] as number;
      const symbol = token & 31;
      this.write(this.#lengthCodes[symbol] as number, this.#lengthLengths[symbol] as number);
      this.write(token >> 5, lengthExtraBits[symbol] as number);
    }
    canonicalCodes(this.lengths, literalSymbols, this.codes);
    canonicalCodes(this.distanceLengths, distanceSymbols, this.distanceCodes);
    return true;
  }

  closeBlock(): void {
    this.write(this.codes[endOfBlock] as number, this.lengths[endOfBlock] as number);
  }

  /** Fills a table by lengths of matches: code and extra bits above how many bits that is, which has the lowest five bits; with so many zero bits after them. */
  describeMatches(table: Uint32Array, zeros: number): void {
    for (let length = shortestMatch; length <= longestMatch; length++) {
      const symbol = matchSymbols[length] as number;
      const bits = this.lengths[symbol] as number;
      const extraBits = matchExtraBits[length] as number;
      table[length] = (((this.codes[symbol] as number) | ((matchExtra[length] as number) << bits)) << 5) | (bits + extraBits + zeros);
    }
  }

  /** @param length 24 bits at most */
  write(value: number, length: number): void {
    const bits = this.#bits | (value << this.#bitCount);
    const waiting = this.#bitCount + length;
    this.#view.setInt32(this.#at, bits, true);
    this.#at += waiting >>> 3;
    this.#bits = bits >>> (waiting & 24);
    this.#bitCount = waiting & 7;
  }

  /** @returns the whole stream, a view that the next one overwrites */
  finish(checksum: number): Uint8Array {
    this.#flushToByte();
    this.#view.setUint32(this.#at, checksum);
    return this.#bytes.subarray(0, this.#at + 4);
  }

  /** Code lengths as they are written: as they are, the last repeated, or zeros repeated. @returns how many tokens that makes */
  #describeLengths(count: number): number {
    const lengths = this.#described;
    const tokens = this.#lengthTokens;
    const frequencies = this.#lengthFrequencies.fill(0);
    let made = 0;
    for (let i = 0; i < count; ) {
      const length = lengths[i] as number;
      let run = 1;
      while (i + run < count && lengths[i + run] === length) run++;
      i += run;
      if (length !== 0) {
        tokens[made++] = length;
        run--;
      }
      while (run > 0) {
        // Symbols 16 (3 to 6 times the last), 17 (3 to 10 zeros), 18 (11 to 138 zeros).
        const [symbol, least, most] = length !== 0 ? ([16, 3, 6] as const) : run <= 10 ? ([17, 3, 10] as const) : ([18, 11, 138] as const);
        if (run < least) {
          tokens[made++] = length;
          run--;
        } else {
          const part = Math.min(run, most);
          tokens[made++] = symbol | ((part - least) << 5);
          run -= part;
        }
      }
    }
    for (let i = 0; i < made; i++) {
      const symbol = (tokens[i] as number) & 31;
      frequencies[symbol] = (frequencies[symbol] as number) + 1;
    }
    codeLengths(frequencies, lengthSymbols, lengthLimit, this.#lengthLengths, this.#order, this.#weights);
    canonicalCodes(this.#lengthLengths, lengthSymbols, this.#lengthCodes);
    return made;
  }

  #headerBits(lengthCount: number): number {
    let bits = 17 + 3 * lengthCount;
    for (let symbol = 0; symbol < lengthSymbols; symbol++) {
      bits += (this.#lengthFrequencies[symbol] as number) * ((this.#lengthLengths[symbol] as number) + (lengthExtraBits[symbol] as number));
    }
    return bits;
  }

  #dataBits(): number {
    let bits = 0;
    for (let symbol = 0; symbol < literalSymbols; symbol++) {
      const extra = symbol < 265 || symbol === 285 ? 0 : (symbol - 261) >> 2;
      bits += (this.frequencies[symbol] as number) * ((this.lengths[symbol] as number) + extra);
    }
    for (let symbol = 0; symbol < distanceSymbols; symbol++) {
      bits += (this.distanceFrequencies[symbol] as number) * ((this.distanceLengths[symbol] as number) + distanceExtraBits(symbol));
    }
    return bits;
  }

  #writeStored(source: Uint8Array, start: number, end: number, final: number): void {
    let from = start;
    do {
      const length = Math.min(largestStored, end - from);
      this.write(from + length === end ? final : 0, 3);
      this.#flushToByte();
      this.#bytes.set([length & 255, length >> 8, ~length & 255, (~length >> 8) & 255], this.#at);
      this.#bytes.set(source.subarray(from, from + length), this.#at + 4);
      this.#at += 4 + length;
      from += length;
    } while (from < end);
  }

  #flushToByte(): void {
    if (this.#bitCount === 0) return;
    this.#bytes[this.#at++] = this.#bits;
    this.#bits = 0;
    this.#bitCount = 0;
  }
}
