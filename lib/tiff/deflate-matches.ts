/**
 * A deflate encoder (RFC 1951, in a zlib stream, RFC 1950) for smooth data: it looks for what was there before, as zlib's level 1 does, but at every other byte
 * only, and at one place for each.
 *
 * What predictors leave of smooth integers is a noisy low byte and a high one of 0 or 255, so that what repeats is pairs of samples: nearly all matches that can
 * be found begin with a sample, or with the high byte of the one before, and are of 4 or 5 bytes. So the source is taken by two bytes; a match that began a byte
 * earlier is found where it is lengthened to the left. Most branches then go the same way many times, which is where the speed comes from.
 */
import { adler32 } from './adler32.ts';
import { DeflateOutput, distanceExtraBits, longestMatch, matchSymbols, shortestMatch } from './deflate-output.ts';

/** Bytes of a block, but for the match that may go beyond. Codes then fit their data well, and their description is little beside it. */
const blockBytes = 1 << 17;
/** Bytes at the end where no match begins: what is looked at past a match needn't be checked. */
const tailBytes = 12;
const windowBytes = 32768;
const hashBits = 16;
/** 2^32 divided by the golden ratio: Knuth, The Art of Computer Programming, volume 3, section 6.4. */
const hashFactor = 0x9e3779b1;
/** Matches grow by two bytes, with one before, and stay below the longest. */
const mostForward = longestMatch - 4;

/** In place of a literal: none. Its code has no bits. */
const noLiteral = 256;
/** A token is two literals, the second above 9 bits; or a match: its length above 20 bits, the distance's symbol above 15, and the distance less 1. */
const leastMatch = 1 << 20;

/** Where `#counts` has second literals, and lengths. */
const second = 256;
const byLength = 512;

/** Encodes blocks of bytes one after another; all buffers are allocated once. */
export class MatchDeflater {
  readonly #output = new DeflateOutput();
  /** Where four bytes with this hash were last, modulo 2^16; whether they were is checked against the source. */
  readonly #places = new Uint16Array(1 << hashBits);
  readonly #tokens = new Uint32Array(blockBytes / 2 + tailBytes + 4);
  /** Of first and second literals, and of lengths: an increment seldom waits for the one before. */
  readonly #counts = new Int32Array(byLength + longestMatch + 1);
  /** Codes with their extra bits above how many bits that is, which has the lowest five bits. */
  readonly #literals = new Uint32Array(noLiteral + 1);
  readonly #lengths = new Uint32Array(longestMatch + 1);
  /** The code above how many extra bits follow (four bits) and how many the code has (five). */
  readonly #distances = new Uint32Array(32);

  /** @returns a whole zlib stream, a view that the next call overwrites */
  encode(source: Uint8Array): Uint8Array {
    const view = new DataView(source.buffer, source.byteOffset, source.length);
    const output = this.#output;
    output.begin(source.length);
    // What is left of the block before would do no harm, but the result would depend on it.
    this.#places.fill(0);
    let start = 0;
    do {
      const { end, tokens } = this.#findTokens(source, view, start);
      this.#countSymbols();
      if (output.openBlock(source, start, end)) {
        this.#makeTables();
        this.#writeTokens(tokens);
        output.closeBlock();
      }
      start = end;
    } while (start < source.length);
    return output.finish(adler32(source));
  }

  /** The first token is none, so that each has one before it. All places are even, and those of matches are above 0, so that a byte is before them. */
  #findTokens(source: Uint8Array, view: DataView, start: number): { readonly end: number; readonly tokens: number } {
    const places = this.#places;
    const tokens = this.#tokens;
    const counts = this.#counts.fill(0);
    const distances = this.#output.distanceFrequencies.fill(0);
    const last = source.length - tailBytes;
    const stop = Math.min(last, start + blockBytes);
    let made = 0;
    tokens[made++] = noLiteral | (noLiteral << 9);
    let i = start;
    if (i === 0 && stop > 0) {
      const a = source[0] as number;
      const b = source[1] as number;
      tokens[made++] = a | (b << 9);
      counts[a] = 1;
      counts[second + b] = 1;
      i = 2;
    }
    while (i < stop) {
      const four = view.getInt32(i, true);
      const hash = Math.imul(four, hashFactor) >>> (32 - hashBits);
      const distance = (i - (places[hash] as number)) & 0xffff;
      const from = i - distance;
      places[hash] = i;
      // From 1 to 32768, and not from the first byte: all three are negative otherwise.
      if (((from - 1) | (windowBytes - distance) | (distance - 1)) >= 0 && view.getInt32(from, true) === four) {
        places[Math.imul(view.getInt32(i + 2, true), hashFactor) >>> (32 - hashBits)] = i + 2;
        const at = i;
        let length = 4;
        // Nearly always so: the next round needn't wait for how long the match is.
        i += 4;
        if (view.getInt16(from + 4) === view.getInt16(i)) {
          const most = Math.min(mostForward, last - at);
          length = 6;
          while (length < most && view.getInt16(from + length) === view.getInt16(at + length)) length += 2;
          i = at + length;
        }
        const before = tokens[made - 1] as number;
        const literal = before >>> 9;
        if (literal === source[from - 1]) {
          tokens[made - 1] = (before & 511) | (noLiteral << 9);
          counts[second + literal] = (counts[second + literal] as number) - 1;
          length++;
        }
        const rest = distance - 1;
        const power = 31 - Math.clz32(rest | 1);
        const symbol = rest < 2 ? rest : 2 * power + ((rest >>> (power - 1)) & 1);
        tokens[made++] = (length << 20) | (symbol << 15) | rest;
        counts[byLength + length] = (counts[byLength + length] as number) + 1;
        distances[symbol] = (distances[symbol] as number) + 1;
      } else {
        const a = four & 255;
        const b = (four >>> 8) & 255;
        tokens[made++] = a | (b << 9);
        counts[a] = (counts[a] as number) + 1;
        counts[second + b] = (counts[second + b] as number) + 1;
        i += 2;
      }
    }
    if (i >= last) {
      for (; i < source.length; i++) {
        const byte = source[i] as number;
        tokens[made++] = byte | (noLiteral << 9);
        counts[byte] = (counts[byte] as number) + 1;
      }
    }
    return { end: i, tokens: made };
  }

  #countSymbols(): void {
    const frequencies = this.#output.frequencies.fill(0);
    const counts = this.#counts;
    for (let byte = 0; byte < 256; byte++) frequencies[byte] = (counts[byte] as number) + (counts[second + byte] as number);
    for (let length = shortestMatch; length <= longestMatch; length++) {
      const symbol = matchSymbols[length] as number;
      frequencies[symbol] = (frequencies[symbol] as number) + (counts[byLength + length] as number);
    }
  }

  #makeTables(): void {
    const { codes, lengths, distanceCodes, distanceLengths } = this.#output;
    for (let byte = 0; byte < 256; byte++) this.#literals[byte] = ((codes[byte] as number) << 5) | (lengths[byte] as number);
    this.#output.describeMatches(this.#lengths, 0);
    for (const [symbol, bits] of distanceLengths.entries()) {
      this.#distances[symbol] = ((distanceCodes[symbol] as number) << 9) | (distanceExtraBits(symbol) << 5) | bits;
    }
  }

  /**
   * All bits are stored each time, and the place moves on by the whole bytes among them. A shift goes by the lowest five bits of its right side, which of an entry
   * are how many bits it has.
   */
  #writeTokens(count: number): void {
    const output = this.#output;
    const tokens = this.#tokens;
    const literals = this.#literals;
    const lengths = this.#lengths;
    const distances = this.#distances;
    const { view } = output;
    let { at, bits, bitCount: waiting } = output;
    for (let i = 1; i < count; i++) {
      const token = tokens[i] as number;
      if (token < leastMatch) {
        const a = literals[token & 511] as number;
        const b = literals[token >>> 9] as number;
        bits |= ((a >>> 5) | ((b >>> 5) << a)) << waiting;
        waiting += (a & 31) + (b & 31);
      } else {
        const length = lengths[token >>> 20] as number;
        bits |= (length >>> 5) << waiting;
        waiting += length & 31;
        const distance = distances[(token >>> 15) & 31] as number;
        const codeBits = distance & 31;
        const extraBits = (distance >>> 5) & 15;
        // Seldom so: 17 bits and 25 are the most.
        if (waiting + codeBits + extraBits > 31) {
          view.setInt32(at, bits, true);
          at += waiting >>> 3;
          bits >>>= waiting & 24;
          waiting &= 7;
        }
        // Extra bits are the lowest of the distance less 1, as every symbol begins at a multiple of their power of 2.
        bits |= ((distance >>> 9) | ((token & ((1 << extraBits) - 1)) << codeBits)) << waiting;
        waiting += codeBits + extraBits;
      }
      view.setInt32(at, bits, true);
      at += waiting >>> 3;
      // Of 32 bits none is left, and a shift by 32 is one by 0.
      bits = waiting === 32 ? 0 : bits >>> (waiting & 24);
      waiting &= 7;
    }
    output.at = at;
    output.bits = bits;
    output.bitCount = waiting;
  }
}
