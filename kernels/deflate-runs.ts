/**
 * A deflate encoder (RFC 1951, in a zlib stream, RFC 1950) that looks for runs of one byte only, as zlib does with Z_RLE, and is faster at it: what predictors
 * leave of noisy samples has some runs of zeros, and otherwise hardly a match that is worth the search.
 *
 * The source is cut into stretches of literal bytes with a run after each. Literals are taken four at a time: their codes have 12 bits at most, and bits are gathered in 64.
 */
import { adler32 } from './adler32';
import { DeflateStream, LONGEST_MATCH, SHORTEST_MATCH, count } from './deflate-stream';

/** Literals and runs of one block. Codes then fit their data well, and their description, about 80 bytes, is little beside it. */
const BLOCK_TOKENS: i32 = 1 << 16;

/** For each stretch of the block how many literals it has, 32 bits, and the length of the run after them, 16 bits; 0 for none. */
const LITERALS: usize = 0;
const RUNS: usize = LITERALS + 4 * (BLOCK_TOKENS + 1);
/** Four counts of each byte, for every fourth of them: an increment needn't wait for the one before. */
const COUNTS: usize = RUNS + 2 * (BLOCK_TOKENS + 2);
/** Counts of each length of a run. */
const RUN_COUNTS: usize = COUNTS + 4 * 4 * 256;
/** Codes of the lengths of runs with that of their distance, in the form of those of literals. */
const RUN_CODES: usize = RUN_COUNTS + 4 * (LONGEST_MATCH + 1);
const STREAM: usize = (RUN_CODES + 4 * (LONGEST_MATCH + 1) + 7) & ~7;

/** Bytes that `deflate_runs` needs to work in. */
export function deflate_runsMemory(): usize {
  return STREAM + DeflateStream.size;
}

/**
 * Encodes a block of bytes.
 * @param bytes where the stream goes
 * @param work as many as `deflate_runsMemory` says, at a multiple of 8; what they hold is of no interest
 * @returns how many bytes the stream has
 */
export function deflate_runs(source: usize, length: i32, bytes: usize, work: usize): usize {
  const stream = changetype<DeflateStream>(work + STREAM);
  stream.begin(bytes);
  let start: i32 = 0;
  do {
    const stretches = findStretches(source, length, start, work, stream);
    countSymbols(work, stream);
    if (stream.openBlock(source, start, length)) {
      // The code of a distance, which is the only one, is one zero bit.
      stream.describeMatches(work + RUN_CODES, 1);
      writeStretches(source + <usize>start, stretches, work, stream);
      stream.closeBlock();
    }
    start = stream.end;
  } while (start < length);
  return stream.finish(adler32(source, length)) - bytes;
}

/** Cuts a part of the source into stretches until the block is full, and counts. @returns how many stretches */
function findStretches(source: usize, length: i32, start: i32, work: usize, stream: DeflateStream): usize {
  memory.fill(work + COUNTS, 0, RUN_CODES - COUNTS);
  let at = start;
  let stretches: usize = 0;
  let found: i32 = 0;
  while (at < length && found < BLOCK_TOKENS) {
    const limit = min(length, at + BLOCK_TOKENS - found);
    const run = countToRun(source, length, at, limit, work + COUNTS);
    found += run - at;
    store<u32>(work + 4 * stretches, run - at, LITERALS);
    let next = run;
    if (run < limit) {
      const last = min(length, run + LONGEST_MATCH);
      const byte = load<u8>(source + <usize>run);
      next = run + SHORTEST_MATCH;
      while (next < last && load<u8>(source + <usize>next) === byte) next++;
      count(work + RUN_COUNTS + 4 * <usize>(next - run));
      found++;
    }
    store<u16>(work + 2 * stretches, next - run, RUNS);
    stretches++;
    at = next;
  }
  stream.end = at;
  return stretches;
}

/** Counts literals until a run begins. @returns the first place whose byte is that before it and that of the next two places; `limit` when there is none */
// @ts-ignore: decorator
@inline
function countToRun(source: usize, length: i32, from: i32, limit: i32, counts: usize): i32 {
  const end = min(limit, length - 2);
  let i = from;
  // No byte is before the first.
  if (i === 0 && limit > 0) {
    count(counts + 16 * <usize>load<u8>(source));
    i = 1;
  }
  let run = limit;
  while (i < end) {
    const at = source + <usize>i;
    const bytes = v128.load(at);
    const same = v128.and(i8x16.eq(bytes, v128.load(at - 1)), v128.and(i8x16.eq(bytes, v128.load(at, 1)), i8x16.eq(bytes, v128.load(at, 2))));
    const found = v128.any_true(same) ? ctz(i8x16.bitmask(same)) : 16;
    if (i + found < end && found < 16) {
      run = i + found;
      break;
    }
    if (i + 16 > end) break;
    for (let half: usize = 0; half < 16; half += 4) {
      const word = load<u32>(at + half);
      count(counts + ((word & 255) << 4));
      count(counts + ((word >>> 4) & 0xff0) + 4);
      count(counts + ((word >>> 12) & 0xff0) + 8);
      count(counts + ((word >>> 20) & 0xff0) + 12);
    }
    i += 16;
  }
  for (; i < run; i++) count(counts + 16 * <usize>load<u8>(source + <usize>i));
  return run;
}

function countSymbols(work: usize, stream: DeflateStream): void {
  stream.clearCounts();
  for (let byte = 0; byte < 256; byte++) {
    const counts = work + COUNTS + 16 * <usize>byte;
    stream.countLiteral(byte, load<u32>(counts) + load<u32>(counts, 4) + load<u32>(counts, 8) + load<u32>(counts, 12));
  }
  for (let length = SHORTEST_MATCH; length <= LONGEST_MATCH; length++) {
    const runs = load<u32>(work + 4 * <usize>length, RUN_COUNTS);
    stream.countMatch(length, runs);
    // The distance is 1, which has the symbol 0.
    stream.countDistance(0, runs);
  }
}

/** Writes stretches of literals and the runs after them. */
function writeStretches(source: usize, stretches: usize, work: usize, stream: DeflateStream): void {
  const codes = stream.codes;
  let at = stream.at;
  let bits = stream.bits;
  let waiting = stream.waiting;
  let from = source;
  for (let i: usize = 0; i < stretches; i++) {
    const to = from + load<u32>(work + 4 * i, LITERALS);
    for (; from + 4 <= to; from += 4) {
      const word = load<u32>(from);
      const a = load<u32>(codes + ((word & 255) << 2));
      const b = load<u32>(codes + ((word >>> 6) & 1020));
      const c = load<u32>(codes + ((word >>> 14) & 1020));
      const d = load<u32>(codes + ((word >>> 22) & 1020));
      // Codes have 12 bits at most, so that four of them and the 7 that may wait fit.
      const first = <u64>(a >>> 5) | (<u64>(b >>> 5) << (a & 31));
      const second = <u64>(c >>> 5) | (<u64>(d >>> 5) << (c & 31));
      const firstBits = <u64>((a & 31) + (b & 31));
      bits |= (first | (second << firstBits)) << waiting;
      waiting += firstBits + <u64>((c & 31) + (d & 31));
      store<u64>(at, bits);
      at += <usize>(waiting >>> 3);
      bits >>>= waiting & 56;
      waiting &= 7;
    }
    // What is left of the literals, and then the run.
    const run = <usize>load<u16>(work + 2 * i, RUNS);
    for (const end = run === 0 ? to : to + 1; from < end; from++) {
      const entry = from < to ? load<u32>(codes + 4 * <usize>load<u8>(from)) : load<u32>(work + 4 * run, RUN_CODES);
      bits |= <u64>(entry >>> 5) << waiting;
      waiting += entry & 31;
      store<u64>(at, bits);
      at += <usize>(waiting >>> 3);
      bits >>>= waiting & 56;
      waiting &= 7;
    }
    from = to + run;
  }
  stream.at = at;
  stream.bits = bits;
  stream.waiting = waiting;
}
