/**
 * A deflate encoder (RFC 1951, in a zlib stream, RFC 1950) that looks for runs of one byte only, as zlib does with Z_RLE, and is faster at it: what predictors
 * leave of noisy samples has some runs of zeros, and otherwise hardly a match that is worth the search.
 *
 * The source is cut into stretches of literal bytes with a run after each. The loops over literals take four or two bytes at a time: that is why codes have 12
 * bits at most, so that two of them and the 7 bits that may wait fit in 32.
 */
import { adler32 } from './adler32.ts';
import { canonicalCodes, codeLengths } from './deflate-huffman.ts';

const shortestRun = 3;
const longestRun = 258;
/** Lengths of runs count from 0 here, for the shortest. */
const runKinds = longestRun - shortestRun + 1;

const endOfBlock = 256;
const literalSymbols = 286;
const literalLimit = 12;
const lengthSymbols = 19;
const lengthLimit = 7;

/** Literals and runs of one block. Codes then fit their data well, and their description, about 80 bytes, is little beside it. */
const blockTokens = 1 << 16;
/** RFC 1951 section 3.2.4. */
const largestStored = 65535;

/** Symbol and extra bits of each length of a run: RFC 1951 section 3.2.5. */
const runSymbols = new Uint16Array(runKinds);
const runExtraBits = new Uint8Array(runKinds);
const runExtra = new Uint8Array(runKinds);
for (let symbol = 257, length = shortestRun; symbol < 285; symbol++) {
  const bits = symbol < 265 ? 0 : (symbol - 261) >> 2;
  for (let extra = 0; extra < 1 << bits; extra++, length++) {
    runSymbols[length - shortestRun] = symbol;
    runExtraBits[length - shortestRun] = bits;
    runExtra[length - shortestRun] = extra;
  }
}
// The longest has a symbol of its own, and not the last place of the one before.
runSymbols[runKinds - 1] = 285;
runExtraBits[runKinds - 1] = 0;
runExtra[runKinds - 1] = 0;

/** In which order the lengths of the codes for code lengths are written: RFC 1951 section 3.2.7. */
const lengthOrder = Uint8Array.of(16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15);
const lengthExtraBits = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 3, 7);

/** Encodes blocks of bytes one after another; all buffers are allocated once. */
export class RunLengthDeflater {
  /** For each stretch of the block how many literals it has, and the length of the run after them; 0 for none. */
  readonly #literals = new Uint32Array(blockTokens + 1);
  readonly #runs = new Uint16Array(blockTokens + 1);
  /** Four counts of each byte, for every fourth of them: an increment needn't wait for the one before. */
  readonly #counts = new Uint32Array(4 * 256);
  readonly #frequencies = new Uint32Array(literalSymbols);
  readonly #lengths = new Uint8Array(literalSymbols + 1);
  readonly #codes = new Uint16Array(literalSymbols);
  /** The code of each literal above its length, which has the lowest five bits. */
  readonly #table = new Uint32Array(256);
  readonly #order = new Float64Array(literalSymbols);
  readonly #weights = new Float64Array(literalSymbols);
  readonly #lengthTokens = new Uint16Array(literalSymbols + 1);
  readonly #lengthFrequencies = new Uint32Array(lengthSymbols);
  readonly #lengthLengths = new Uint8Array(lengthSymbols);
  readonly #lengthCodes = new Uint16Array(lengthSymbols);
  #output = new Uint8Array(0);
  #view = new DataView(this.#output.buffer);
  /** Where the next byte goes. */
  #at = 0;
  /** Bits that wait to be written, fewer than 8. */
  #bits = 0;
  #bitCount = 0;

  /** @returns a whole zlib stream, a view that the next call overwrites */
  encode(source: Uint8Array): Uint8Array {
    const aligned = source.byteOffset % 4 === 0 ? source : source.slice();
    this.#reserve(source.length);
    // A window of 32 KiB, no dictionary, the fastest algorithm: RFC 1950 section 2.2.
    this.#output[0] = 0x78;
    this.#output[1] = 0x01;
    this.#at = 2;
    this.#bits = 0;
    this.#bitCount = 0;
    const words = new Uint32Array(aligned.buffer, aligned.byteOffset, aligned.length >> 2);
    let start = 0;
    do {
      start = this.#encodeBlock(aligned, words, start);
    } while (start < source.length);
    return this.#finish(adler32(aligned));
  }

  #reserve(length: number): void {
    // Stored blocks are the worst that is written, five bytes each; a block may end in the middle of its tokens' bytes. Bits are written by fours of bytes.
    const most = length + 5 * (Math.ceil(length / largestStored) + Math.ceil(length / blockTokens) + 1) + 16;
    if (this.#output.length >= most) return;
    this.#output = new Uint8Array(most);
    this.#view = new DataView(this.#output.buffer);
  }

  /** @returns where the next block begins */
  #encodeBlock(source: Uint8Array, words: Uint32Array, start: number): number {
    const frequencies = this.#frequencies.fill(0);
    this.#counts.fill(0);
    let stretches = 0;
    let tokens = 0;
    let at = start;
    while (at < source.length && tokens < blockTokens) {
      const limit = Math.min(source.length, at + blockTokens - tokens);
      const run = countToRun(source, words, at, limit, this.#counts);
      tokens += run - at;
      this.#literals[stretches] = run - at;
      let end = run;
      if (run < limit) {
        const last = Math.min(source.length, run + longestRun);
        end = run + shortestRun;
        while (end < last && source[end] === source[run]) end++;
        const symbol = runSymbols[end - run - shortestRun] as number;
        frequencies[symbol] = (frequencies[symbol] as number) + 1;
        tokens++;
      }
      this.#runs[stretches++] = end - run;
      at = end;
    }
    for (let byte = 0; byte < 256; byte++) {
      for (let part = 0; part < 4; part++) frequencies[byte] = (frequencies[byte] as number) + (this.#counts[4 * byte + part] as number);
    }
    frequencies[endOfBlock] = 1;
    this.#writeBlock(source, words, start, at, stretches);
    return at;
  }

  #writeBlock(source: Uint8Array, words: Uint32Array, start: number, end: number, stretches: number): void {
    const final = end === source.length ? 1 : 0;
    const runs = this.#frequencies.subarray(endOfBlock + 1).some((frequency) => frequency > 0);
    const lengths = this.#lengths;
    codeLengths(this.#frequencies, literalSymbols, literalLimit, lengths, this.#order, this.#weights);
    let symbols = literalSymbols;
    while (symbols > endOfBlock + 1 && lengths[symbols - 1] === 0) symbols--;
    // One distance code, of one bit, for the distance 1; without runs there is none, which is a code of length 0.
    const distance = runs ? 1 : 0;
    lengths[symbols] = distance;
    const described = this.#describeLengths(symbols + 1);
    lengths[symbols] = 0;
    let lengthCount = lengthSymbols;
    while (lengthCount > 4 && this.#lengthLengths[lengthOrder[lengthCount - 1] as number] === 0) lengthCount--;

    const bits = this.#headerBits(lengthCount) + this.#dataBits(distance);
    const storedBits = 8 * (end - start) + 40 * Math.max(1, Math.ceil((end - start) / largestStored));
    if (bits >= storedBits) {
      this.#writeStored(source, start, end, final);
      return;
    }
    // Type 2 is dynamic codes: RFC 1951 section 3.2.3.
    this.#write(final | (2 << 1), 3);
    this.#write(symbols - 257, 5);
    this.#write(0, 5);
    this.#write(lengthCount - 4, 4);
    for (let i = 0; i < lengthCount; i++) this.#write(this.#lengthLengths[lengthOrder[i] as number] as number, 3);
    for (let i = 0; i < described; i++) {
      const token = this.#lengthTokens[i] as number;
      const symbol = token & 31;
      this.#write(this.#lengthCodes[symbol] as number, this.#lengthLengths[symbol] as number);
      this.#write(token >> 5, lengthExtraBits[symbol] as number);
    }
    canonicalCodes(lengths, literalSymbols, this.#codes);
    this.#writeStretches(source, words, start, stretches);
    this.#write(this.#codes[endOfBlock] as number, lengths[endOfBlock] as number);
  }

  /** Code lengths as they are written: as they are, the last repeated, or zeros repeated. @returns how many tokens that makes */
  #describeLengths(count: number): number {
    const lengths = this.#lengths;
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

  #dataBits(distance: number): number {
    let bits = 0;
    for (let symbol = 0; symbol < literalSymbols; symbol++) {
      const extra = symbol < 265 || symbol === 285 ? 0 : (symbol - 261) >> 2;
      bits += (this.#frequencies[symbol] as number) * ((this.#lengths[symbol] as number) + extra + (symbol > endOfBlock ? distance : 0));
    }
    return bits;
  }

  #writeStretches(source: Uint8Array, words: Uint32Array, start: number, stretches: number): void {
    const table = this.#table;
    for (let byte = 0; byte < 256; byte++) table[byte] = ((this.#codes[byte] as number) << 5) | (this.#lengths[byte] as number);
    let from = start;
    for (let i = 0; i < stretches; i++) {
      const to = from + (this.#literals[i] as number);
      this.#writeLiterals(source, words, from, to);
      const run = this.#runs[i] as number;
      if (run > 0) {
        const symbol = runSymbols[run - shortestRun] as number;
        this.#write(this.#codes[symbol] as number, this.#lengths[symbol] as number);
        // The distance, 1, has the code 0, of one bit.
        this.#write(runExtra[run - shortestRun] as number, (runExtraBits[run - shortestRun] as number) + 1);
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
    const view = this.#view;
    let at = this.#at;
    let bits = this.#bits;
    let waiting = this.#bitCount;
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
    this.#at = at;
    this.#bits = bits;
    this.#bitCount = waiting;
    for (; i < to; i++) this.#writeLiteral(source[i] as number);
  }

  #writeLiteral(byte: number): void {
    const entry = this.#table[byte] as number;
    this.#write(entry >>> 5, entry & 31);
  }

  /** @param length 16 bits at most */
  #write(value: number, length: number): void {
    const bits = this.#bits | (value << this.#bitCount);
    const waiting = this.#bitCount + length;
    this.#view.setInt32(this.#at, bits, true);
    this.#at += waiting >>> 3;
    this.#bits = bits >>> (waiting & 24);
    this.#bitCount = waiting & 7;
  }

  #writeStored(source: Uint8Array, start: number, end: number, final: number): void {
    let from = start;
    do {
      const length = Math.min(largestStored, end - from);
      this.#write(from + length === end ? final : 0, 3);
      this.#flushToByte();
      this.#output.set([length & 255, length >> 8, ~length & 255, (~length >> 8) & 255], this.#at);
      this.#output.set(source.subarray(from, from + length), this.#at + 4);
      this.#at += 4 + length;
      from += length;
    } while (from < end);
  }

  #flushToByte(): void {
    if (this.#bitCount === 0) return;
    this.#output[this.#at++] = this.#bits;
    this.#bits = 0;
    this.#bitCount = 0;
  }

  #finish(checksum: number): Uint8Array {
    this.#flushToByte();
    this.#view.setUint32(this.#at, checksum);
    return this.#output.subarray(0, this.#at + 4);
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
