/**
 * A deflate encoder (RFC 1951, in a zlib stream, RFC 1950) for smooth data: it looks for what was there before, as zlib's level 1 does, but at every other byte
 * only, and at one place for each.
 *
 * What predictors leave of smooth integers is a noisy low byte and a high one of 0 or 255, so that what repeats is pairs of samples: nearly all matches that can
 * be found begin with a sample, or with the high byte of the one before, and are of 4 or 5 bytes. So the source is taken by two bytes; a match that began a byte
 * earlier is found where it is lengthened to the left. Most branches then go the same way many times, which is where the speed comes from. The loops are in kernels/deflate.ts.
 */
import { DeflateMemory } from './deflate-memory.ts';
import { DeflateOutput, distanceExtraBits, longestMatch, matchSymbols, mostStreamBytes, shortestMatch } from './deflate-output.ts';

/** Bytes of a block, but for the match that may go beyond. Codes then fit their data well, and their description is little beside it. */
const blockBytes = 1 << 17;
/** Bytes at the end where no match begins: what is looked at past a match needn't be checked. */
const tailBytes = 12;
const hashBits = 16;

/** In place of a literal: none. Its code has no bits. */
const noLiteral = 256;

/** Where counts have second literals, and lengths. */
const second = 256;
const byLength = 512;

/** Encodes blocks of bytes one after another; all buffers are allocated once. */
export class MatchDeflater {
  readonly #output = new DeflateOutput();
  readonly #memory = new DeflateMemory({
    /** Where four bytes with this hash were last, modulo 2^16; whether they were is checked against the source. */
    places: { dtype: 'uint16', length: 1 << hashBits },
    /** Each is two literals, the second above 9 bits; or a match: its length above 20 bits, the distance's symbol above 15, and the distance less 1. */
    tokens: { dtype: 'uint32', length: blockBytes / 2 + tailBytes + 4 },
    /** Of first and second literals, and of lengths: an increment seldom waits for the one before. */
    counts: { dtype: 'uint32', length: byLength + longestMatch + 1 },
    distanceCounts: { dtype: 'uint32', length: 32 },
    /** Codes with their extra bits above how many bits that is, which has the lowest five bits. */
    literals: { dtype: 'uint32', length: noLiteral + 1 },
    lengths: { dtype: 'uint32', length: longestMatch + 1 },
    /** The code above how many extra bits follow (four bits) and how many the code has (five). */
    distances: { dtype: 'uint32', length: 32 },
    /** Where the stream stands, or where a part of the source ends. */
    state: { dtype: 'uint32', length: 3 },
  } as const);

  /** @returns a whole zlib stream, a view that the next call overwrites */
  encode(block: Uint8Array): Uint8Array {
    const output = this.#output;
    const { space: { kernels }, source, bytes, tables } = this.#memory.begin(block, mostStreamBytes(block.length));
    const { places, tokens, counts, distanceCounts, literals, lengths, distances, state } = tables;
    output.begin(bytes);
    // What is left of the block before would do no harm, but the result would depend on it.
    places.fill(0);
    const from = source.byteOffset;
    let start = 0;
    do {
      counts.fill(0);
      distanceCounts.fill(0);
      const made = kernels.deflate_findTokens(from, block.length, start, blockBytes, places.byteOffset, tokens.byteOffset, counts.byteOffset, distanceCounts.byteOffset, state.byteOffset);
      const end = state[0] as number;
      countSymbols(output, counts, distanceCounts);
      if (output.openBlock(source.subarray(0, block.length), start, end)) {
        makeTables(output, literals, lengths, distances);
        output.putState(state);
        kernels.deflate_writeTokens(tokens.byteOffset, made, literals.byteOffset, lengths.byteOffset, distances.byteOffset, bytes.byteOffset, state.byteOffset);
        output.takeState(state);
        output.closeBlock();
      }
      start = end;
    } while (start < block.length);
    return output.finish(kernels.adler32(from, block.length) >>> 0);
  }
}

function countSymbols({ frequencies, distanceFrequencies }: DeflateOutput, counts: Uint32Array, distanceCounts: Uint32Array): void {
  frequencies.fill(0);
  for (let byte = 0; byte < 256; byte++) frequencies[byte] = (counts[byte] as number) + (counts[second + byte] as number);
  for (let length = shortestMatch; length <= longestMatch; length++) {
    const symbol = matchSymbols[length] as number;
    frequencies[symbol] = (frequencies[symbol] as number) + (counts[byLength + length] as number);
  }
  distanceFrequencies.set(distanceCounts.subarray(0, distanceFrequencies.length));
}

function makeTables(output: DeflateOutput, literals: Uint32Array, lengths: Uint32Array, distances: Uint32Array): void {
  for (let byte = 0; byte < 256; byte++) literals[byte] = ((output.codes[byte] as number) << 5) | (output.lengths[byte] as number);
  output.describeMatches(lengths, 0);
  for (const [symbol, bits] of output.distanceLengths.entries()) {
    distances[symbol] = ((output.distanceCodes[symbol] as number) << 9) | (distanceExtraBits(symbol) << 5) | bits;
  }
}
