/**
 * A deflate encoder (RFC 1951, in a zlib stream, RFC 1950) that looks for runs of one byte only, as zlib does with Z_RLE, and is faster at it: what predictors
 * leave of noisy samples has some runs of zeros, and otherwise hardly a match that is worth the search.
 *
 * The source is cut into stretches of literal bytes with a run after each. The loops, in kernels/deflate.ts, take four literals at a time: their codes have 12 bits
 * at most, and the bits are gathered in 64.
 */
import { DeflateMemory } from './deflate-memory.ts';
import { DeflateOutput, fewestBlockBytes, longestMatch, matchSymbols, mostStreamBytes, shortestMatch } from './deflate-output.ts';

/** Literals and runs of one block. Codes then fit their data well, and their description, about 80 bytes, is little beside it. */
const blockTokens = fewestBlockBytes;

/** Encodes blocks of bytes one after another; all buffers are allocated once. */
export class RunLengthDeflater {
  readonly #output = new DeflateOutput();
  readonly #memory = new DeflateMemory({
    /** For each stretch of the block how many literals it has, and the length of the run after them; 0 for none. */
    literals: { dtype: 'uint32', length: blockTokens + 1 },
    runs: { dtype: 'uint16', length: blockTokens + 1 },
    /** Four counts of each byte, for every fourth of them: an increment needn't wait for the one before. */
    counts: { dtype: 'uint32', length: 4 * 256 },
    runCounts: { dtype: 'uint32', length: longestMatch + 1 },
    /** The code of each literal above its length, which has the lowest five bits. */
    table: { dtype: 'uint32', length: 256 },
    /** Likewise of each length of a run, with its extra bits and the distance. */
    runTable: { dtype: 'uint32', length: longestMatch + 1 },
    /** Where the stream stands, or where a part of the source ends. */
    state: { dtype: 'uint32', length: 3 },
  } as const);

  /** @returns a whole zlib stream, a view that the next call overwrites */
  encode(block: Uint8Array): Uint8Array {
    const output = this.#output;
    const { space: { kernels }, source, bytes, tables } = this.#memory.begin(block, mostStreamBytes(block.length));
    const { literals, runs, counts, runCounts, table, runTable, state } = tables;
    output.begin(bytes);
    const from = source.byteOffset;
    let start = 0;
    do {
      counts.fill(0);
      runCounts.fill(0);
      const stretches = kernels.deflate_findStretches(from, block.length, start, blockTokens, literals.byteOffset, runs.byteOffset, counts.byteOffset, runCounts.byteOffset, state.byteOffset);
      const end = state[0] as number;
      countSymbols(output, counts, runCounts);
      if (output.openBlock(source.subarray(0, block.length), start, end)) {
        for (let byte = 0; byte < 256; byte++) table[byte] = ((output.codes[byte] as number) << 5) | (output.lengths[byte] as number);
        // The code of a distance, which is the only one, is one zero bit.
        output.describeMatches(runTable, 1);
        output.putState(state);
        kernels.deflate_writeStretches(from, start, stretches, literals.byteOffset, runs.byteOffset, table.byteOffset, runTable.byteOffset, bytes.byteOffset, state.byteOffset);
        output.takeState(state);
        output.closeBlock();
      }
      start = end;
    } while (start < block.length);
    return output.finish(kernels.adler32(from, block.length) >>> 0);
  }
}

function countSymbols({ frequencies, distanceFrequencies }: DeflateOutput, counts: Uint32Array, runCounts: Uint32Array): void {
  frequencies.fill(0);
  for (let byte = 0; byte < 256; byte++) {
    for (let part = 0; part < 4; part++) frequencies[byte] = (frequencies[byte] as number) + (counts[4 * byte + part] as number);
  }
  let runs = 0;
  for (let length = shortestMatch; length <= longestMatch; length++) {
    const symbol = matchSymbols[length] as number;
    frequencies[symbol] = (frequencies[symbol] as number) + (runCounts[length] as number);
    runs += runCounts[length] as number;
  }
  // Of a run the distance is 1, which has the symbol 0.
  distanceFrequencies[0] = runs;
}
