/**
 * A deflate encoder (RFC 1951, in a zlib stream, RFC 1950) that looks for runs of one byte only, as zlib does with Z_RLE, and is faster at it: what predictors
 * leave of noisy samples has some runs of zeros, and otherwise hardly a match that is worth the search.
 *
 * The source is cut into stretches of literal bytes with a run after each. The loops over literals take four or two bytes at a time: that is why codes have 12
 * bits at most, so that two of them and the 7 bits that may wait fit in 32.
 */
import { adler32 } from './adler32.ts';
import { DeflateOutput, fewestBlockBytes, longestMatch, matchSymbols, shortestMatch } from './deflate-output.ts';

/** Literals and runs of one block. Codes then fit their data well, and their description, about 80 bytes, is little beside it. */
const blockTokens = fewestBlockBytes;

/** Encodes blocks of bytes one after another; all buffers are allocated once. */
export class RunLengthDeflater {
  readonly #output = new DeflateOutput();
  /** For each stretch of the block how many literals it has, and the length of the run after them; 0 for none. */
  readonly #literals = new Uint32Array(blockTokens + 1);
  readonly #runs = new Uint16Array(blockTokens + 1);
  /** Four counts of each byte, for every fourth of them: an increment needn't wait for the one before. */
  readonly #counts = new Uint32Array(4 * 256);
  /** The code of each literal above its length, which has the lowest five bits. */
  readonly #table = new Uint32Array(256);
  /** Likewise of each length of a run, with its extra bits and the distance. */
  readonly #runTable = new Uint32Array(longestMatch + 1);

  /** @returns a whole zlib stream, a view that the next call overwrites */
  encode(source: Uint8Array): Uint8Array {
    const aligned = source.byteOffset % 4 === 0 ? source : source.slice();
    const words = new Uint32Array(aligned.buffer, aligned.byteOffset, aligned.length >> 2);
    this.#output.begin(source.length);
    let start = 0;
    do {
      start = this.#encodeBlock(aligned, words, start);
    } while (start < source.length);
    return this.#output.finish(adler32(aligned));
  }

  /** @returns where the next block begins */
  #encodeBlock(source: Uint8Array, words: Uint32Array, start: number): number {
    const output = this.#output;
    const frequencies = output.frequencies.fill(0);
    this.#counts.fill(0);
    let stretches = 0;
    let tokens = 0;
    let runs = 0;
    let at = start;
    while (at < source.length && tokens < blockTokens) {
      const limit = Math.min(source.length, at + blockTokens - tokens);
      const run = countToRun(source, words, at, limit, this.#counts);
      tokens += run - at;
      this.#literals[stretches] = run - at;
      let end = run;
      if (run < limit) {
        const last = Math.min(source.length, run + longestMatch);
        end = run + shortestMatch;
        while (end < last && source[end] === source[run]) end++;
        const symbol = matchSymbols[end - run] as number;
        frequencies[symbol] = (frequencies[symbol] as number) + 1;
        runs++;
        tokens++;
      }
      this.#runs[stretches++] = end - run;
      at = end;
    }
    for (let byte = 0; byte < 256; byte++) {
      for (let part = 0; part < 4; part++) frequencies[byte] = (frequencies[byte] as number) + (this.#counts[4 * byte + part] as number);
    }
    // Of a run the distance is 1, which has the symbol 0.
    output.distanceFrequencies[0] = runs;
    if (output.openBlock(source, start, at)) {
      this.#writeStretches(source, words, start, stretches);
      output.closeBlock();
    }
    return at;
  }

  #writeStretches(source: Uint8Array, words: Uint32Array, start: number, stretches: number): void {
    const output = this.#output;
    const { codes, lengths } = output;
    const table = this.#table;
    for (let byte = 0; byte < 256; byte++) table[byte] = ((codes[byte] as number) << 5) | (lengths[byte] as number);
    // The distance has the code 0, of one bit.
    output.describeMatches(this.#runTable, 1);
    let from = start;
    for (let i = 0; i < stretches; i++) {
      const to = from + (this.#literals[i] as number);
      this.#writeLiterals(source, words, from, to);
      const run = this.#runs[i] as number;
      if (run > 0) {
        const entry = this.#runTable[run] as number;
        output.write(entry >>> 5, entry & 31);
      }
      from = to + run;
    }
  }

  /**
   * The hot loop: all bits are stored each time, and the place moves on by the whole bytes among them. A shift goes by the lowest five bits of its right side,
   * which of an entry are the length.
   */
  #writeLiterals(source: Uint8Array, words: Uint32Array, from: number, to: number): void {
    let i = from;
    for (const aligned = Math.min(to, (i + 3) & ~3); i < aligned; i++) this.#writeLiteral(source[i] as number);
    const table = this.#table;
    const output = this.#output;
    const { view } = output;
    let { at, bits, bitCount: waiting } = output;
    for (; i + 4 <= to; i += 4) {
      const word = words[i >> 2] as number;
      const a = table[word & 255] as number;
      const b = table[(word >>> 8) & 255] as number;
      const c = table[(word >>> 16) & 255] as number;
      const d = table[word >>> 24] as number;
      bits |= ((a >>> 5) | ((b >>> 5) << a)) << waiting;
      waiting += (a & 31) + (b & 31);
      view.setInt32(at, bits, true);
      at += waiting >>> 3;
      bits >>>= waiting & 24;
      waiting &= 7;
      bits |= ((c >>> 5) | ((d >>> 5) << c)) << waiting;
      waiting += (c & 31) + (d & 31);
      view.setInt32(at, bits, true);
      at += waiting >>> 3;
      bits >>>= waiting & 24;
      waiting &= 7;
    }
    output.at = at;
    output.bits = bits;
    output.bitCount = waiting;
    for (; i < to; i++) this.#writeLiteral(source[i] as number);
  }

  #writeLiteral(byte: number): void {
    const entry = this.#table[byte] as number;
    this.#output.write(entry >>> 5, entry & 31);
  }
}

/**
 * Counts literals from `from` on, in four counts of each byte that belong together, until a run begins.
 * @returns the first place before `limit` whose byte is that before it and that of the next two places; `limit` when there is none
 */
function countToRun(source: Uint8Array, words: Uint32Array, from: number, limit: number, counts: Uint32Array): number {
  const end = Math.min(limit, source.length - 2);
  let i = from;
  // No byte is before the first.
  if (i === 0) countByte(counts, source[i++] as number);
  while (i < end) {
    if ((i & 3) === 0) {
      let previous = source[i - 1] as number;
      for (; i + 4 <= end; i += 4) {
        const word = words[i >> 2] as number;
        // Its bytes are 0 where a byte is that before it; the next line is true when one of them is.
        const same = word ^ ((word << 8) | previous);
        if (((same - 0x01010101) & ~same & 0x80808080) !== 0) break;
        previous = word >>> 24;
        const a = (word & 255) << 2;
        const b = ((word >>> 6) & 1020) | 1;
        const c = ((word >>> 14) & 1020) | 2;
        const d = ((word >>> 22) & 1020) | 3;
        counts[a] = (counts[a] as number) + 1;
        counts[b] = (counts[b] as number) + 1;
        counts[c] = (counts[c] as number) + 1;
        counts[d] = (counts[d] as number) + 1;
      }
    }
    for (const stop = Math.min(end, (i | 3) + 1); i < stop; i++) {
      const byte = source[i] as number;
      if (byte === source[i - 1] && byte === source[i + 1] && byte === source[i + 2]) return i;
      countByte(counts, byte);
    }
  }
  for (; i < limit; i++) countByte(counts, source[i] as number);
  return limit;
}

function countByte(counts: Uint32Array, byte: number): void {
  counts[4 * byte] = (counts[4 * byte] as number) + 1;
}
