/**
 * A deflate encoder (RFC 1951, in a zlib stream, RFC 1950) for smooth data: it looks for what was there before, as zlib's level 1 does, but at every other byte
 * only, and at one place for each.
 *
 * What predictors leave of smooth integers is a noisy low byte and a high one of 0 or 255, so that what repeats is pairs of samples: nearly all matches that can
 * be found begin with a sample, or with the high byte of the one before, and are of 4 or 5 bytes. So the source is taken by two bytes; a match that began a byte
 * earlier is found where it is lengthened to the left. Most branches then go the same way many times, which is where the speed comes from.
 */
import { adler32 } from './adler32';
import { DISTANCE_SYMBOLS, DeflateStream, LONGEST_MATCH, SHORTEST_MATCH, count, distanceExtraBits } from './deflate-stream';

/** Bytes of a block, but for the match that may go beyond. Codes then fit their data well, and their description is little beside it. */
const BLOCK_BYTES: i32 = 1 << 17;
/** Bytes at the end where no match begins: what is looked at past a match needn't be checked. */
const TAIL_BYTES: i32 = 12;
const WINDOW_BYTES: i32 = 32768;
const HASH_BITS: i32 = 16;
/** 2^32 divided by the golden ratio: Knuth, The Art of Computer Programming, volume 3, section 6.4. */
const HASH_FACTOR: i32 = 0x9e3779b1;
/** Matches grow by two bytes, with one before, and stay below the longest. */
const MOST_FORWARD: i32 = LONGEST_MATCH - 4;

/**
 * A token is two literals, the second above 9 bits, of which either may be none; or a match: its length above 20 bits, the distance's symbol above 15, and the distance less 1.
 * The code of no literal has no bits.
 */
const NO_LITERAL: u32 = 256;
const LEAST_MATCH: u32 = 1 << 20;

/** Where four bytes with this hash were last, modulo 2^16, 16 bits each; whether they were is checked against the source. */
const PLACES: usize = 0;
const TOKENS: usize = PLACES + 2 * (1 << HASH_BITS);
/** Counts of first and of second literals: an increment seldom waits for the one before; and of lengths, and distances. */
const FIRST: usize = TOKENS + 4 * (BLOCK_BYTES / 2 + TAIL_BYTES + 4);
const SECOND: usize = FIRST + 4 * 256;
const BY_LENGTH: usize = SECOND + 4 * 256;
const BY_DISTANCE: usize = BY_LENGTH + 4 * (LONGEST_MATCH + 1);
/** Codes of lengths, in the form of those of literals; and of distances: above how many extra bits follow (four bits) and how many the code has (five). */
const LENGTH_CODES: usize = BY_DISTANCE + 4 * DISTANCE_SYMBOLS;
const DISTANCE_CODES: usize = LENGTH_CODES + 4 * (LONGEST_MATCH + 1);
const STREAM: usize = (DISTANCE_CODES + 4 * DISTANCE_SYMBOLS + 7) & ~7;

/** Bytes that `deflate_matches` needs to work in. */
export function deflate_matchesMemory(): usize {
  return STREAM + DeflateStream.size;
}

/**
 * Encodes a block of bytes.
 * @param bytes where the stream goes
 * @param work as many as `deflate_matchesMemory` says, at a multiple of 8; what they hold is of no interest
 * @returns how many bytes the stream has
 */
export function deflate_matches(source: usize, length: i32, bytes: usize, work: usize): usize {
  const stream = changetype<DeflateStream>(work + STREAM);
  stream.begin(bytes);
  // What is left of the block before would do no harm, but the result would depend on it.
  memory.fill(work + PLACES, 0, 2 * (1 << HASH_BITS));
  let start: i32 = 0;
  do {
    const end = findTokens(source, length, start, work, stream);
    countSymbols(work, stream);
    if (stream.openBlock(source, start, length)) {
      stream.describeMatches(work + LENGTH_CODES, 0);
      describeDistances(stream.distanceCodes, work + DISTANCE_CODES);
      writeTokens(work, end, stream);
      stream.closeBlock();
    }
    start = stream.end;
  } while (start < length);
  return stream.finish(adler32(source, length)) - bytes;
}

/**
 * Cuts a part of the source into tokens until the block is full, and counts. The first token is none, so that each has one before it. All places are even, and those of matches are above 0,
 * so that a byte is before them.
 * @returns the place of the last token
 */
function findTokens(source: usize, length: i32, start: i32, work: usize, stream: DeflateStream): usize {
  memory.fill(work + FIRST, 0, LENGTH_CODES - FIRST);
  const last = length - TAIL_BYTES;
  const stop = min(last, start + BLOCK_BYTES);
  let token = work + TOKENS;
  let before: u32 = NO_LITERAL | (NO_LITERAL << 9);
  store<u32>(token, before);
  let i = start;
  if (i === 0 && stop > 0) {
    before = literals(work, load<u8>(source), load<u8>(source, 1));
    token += 4;
    store<u32>(token, before);
    i = 2;
  }
  while (i < stop) {
    const at = source + <usize>i;
    const four = load<i32>(at);
    const place = placeOf(work, four);
    const distance = (i - <i32>load<u16>(place)) & 0xffff;
    const from = i - distance;
    store<u16>(place, <u16>i);
    token += 4;
    // From 1 to 32768, and not from the first byte: all three are negative otherwise.
    if (((from - 1) | (WINDOW_BYTES - distance) | (distance - 1)) >= 0 && load<i32>(source + <usize>from) === four) {
      store<u16>(placeOf(work, load<i32>(at, 2)), <u16>(i + 2));
      const there = source + <usize>from;
      let matched = 4;
      if (load<u16>(there, 4) === load<u16>(at, 4)) {
        const most = min(MOST_FORWARD, last - i);
        matched = 6;
        while (matched < most && load<u16>(there + <usize>matched) === load<u16>(at + <usize>matched)) matched += 2;
      }
      i += matched;
      const literal = before >>> 9;
      if (literal === <u32>load<u8>(there - 1)) {
        store<u32>(token - 4, (before & 511) | (NO_LITERAL << 9));
        const counted = work + 4 * <usize>literal;
        store<u32>(counted, load<u32>(counted, SECOND) - 1, SECOND);
        matched++;
      }
      const rest = <u32>(distance - 1);
      const power = 31 - clz(rest | 1);
      const symbol = rest < 2 ? rest : 2 * power + ((rest >>> (power - 1)) & 1);
      before = (<u32>matched << 20) | (symbol << 15) | rest;
      count(work + BY_LENGTH + 4 * <usize>matched);
      count(work + BY_DISTANCE + 4 * <usize>symbol);
    } else {
      before = literals(work, <u32>four & 255, (<u32>four >>> 8) & 255);
      i += 2;
    }
    store<u32>(token, before);
  }
  if (i >= last) {
    for (; i < length; i++) {
      const byte = <u32>load<u8>(source + <usize>i);
      token += 4;
      store<u32>(token, byte | (NO_LITERAL << 9));
      count(work + FIRST + 4 * <usize>byte);
    }
  }
  stream.end = i;
  return token;
}

// @ts-ignore: decorator
@inline
function placeOf(work: usize, four: i32): usize {
  return work + PLACES + (<usize>((four * HASH_FACTOR) >>> (32 - HASH_BITS)) << 1);
}

/** A token of two literals, which are counted. */
// @ts-ignore: decorator
@inline
function literals(work: usize, a: u32, b: u32): u32 {
  count(work + FIRST + 4 * <usize>a);
  count(work + SECOND + 4 * <usize>b);
  return a | (b << 9);
}

function countSymbols(work: usize, stream: DeflateStream): void {
  stream.clearCounts();
  for (let byte = 0; byte < 256; byte++) {
    const counts = work + 4 * <usize>byte;
    stream.countLiteral(byte, load<u32>(counts, FIRST) + load<u32>(counts, SECOND));
  }
  for (let length = SHORTEST_MATCH; length <= LONGEST_MATCH; length++) stream.countMatch(length, load<u32>(work + 4 * <usize>length, BY_LENGTH));
  for (let symbol = 0; symbol < DISTANCE_SYMBOLS; symbol++) stream.countDistance(symbol, load<u32>(work + 4 * <usize>symbol, BY_DISTANCE));
}

function describeDistances(codes: usize, table: usize): void {
  for (let symbol = 0; symbol < DISTANCE_SYMBOLS; symbol++) {
    const code = load<u32>(codes + 4 * <usize>symbol);
    store<u32>(table + 4 * <usize>symbol, ((code >>> 5) << 9) | (distanceExtraBits(symbol) << 5) | (code & 31));
  }
}

/** Writes tokens up to the last, but for the first, which is none. */
function writeTokens(work: usize, end: usize, stream: DeflateStream): void {
  const codes = stream.codes;
  let at = stream.at;
  let bits = stream.bits;
  let waiting = stream.waiting;
  for (let place = work + TOKENS; place < end; place += 4) {
    const token = load<u32>(place, 4);
    if (token < LEAST_MATCH) {
      const a = load<u32>(codes + 4 * <usize>(token & 511));
      const b = load<u32>(codes + 4 * <usize>(token >>> 9));
      bits |= (<u64>(a >>> 5) | (<u64>(b >>> 5) << (a & 31))) << waiting;
      waiting += (a & 31) + (b & 31);
    } else {
      const match = load<u32>(work + 4 * <usize>(token >>> 20), LENGTH_CODES);
      bits |= <u64>(match >>> 5) << waiting;
      waiting += match & 31;
      const distance = load<u32>(work + 4 * <usize>((token >>> 15) & 31), DISTANCE_CODES);
      const codeBits = distance & 31;
      const extraBits = (distance >>> 5) & 15;
      // Extra bits are the lowest of the distance less 1, as every symbol begins at a multiple of their power of 2.
      bits |= <u64>((distance >>> 9) | ((token & ((1 << extraBits) - 1)) << codeBits)) << waiting;
      waiting += codeBits + extraBits;
    }
    store<u64>(at, bits);
    at += <usize>(waiting >>> 3);
    bits >>>= waiting & 56;
    waiting &= 7;
  }
  stream.at = at;
  stream.bits = bits;
  stream.waiting = waiting;
}
