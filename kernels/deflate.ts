/**
 * The loops of the two deflate encoders (RFC 1951), which lib/tiff/deflate-encoder.ts and deflate-matches.ts describe. Bits are gathered in 64: the whole bytes among them are stored each time,
 * and fewer than 8 wait. Behind the source and the stream there are 32 bytes more (lib/tiff/deflate-memory.ts).
 */

const LONGEST_MATCH: i32 = 258;
const SHORTEST_MATCH: i32 = 3;

/** The checksum of zlib streams (RFC 1950 section 8.2). */
export function adler32(at: usize, length: i32): u32 {
  const modulus: u32 = 65521;
  let a: u32 = 1;
  let b: u32 = 0;
  let left = length;
  while (left >= 16) {
    // So many that no sum grows beyond its lanes.
    const some = min(left & ~15, 2048);
    let sums = i32x4.splat(0);
    let weighted = i32x4.splat(0);
    let before = i32x4.splat(0);
    for (const end = at + <usize>some; at < end; at += 16) {
      const bytes = v128.load(at);
      // What has been added up before counts once more for each of these bytes.
      before = i32x4.add(before, sums);
      sums = i32x4.add(sums, i32x4.extadd_pairwise_i16x8_u(i16x8.extadd_pairwise_i8x16_u(bytes)));
      weighted = i32x4.add(weighted, i32x4.dot_i16x8_s(i16x8.extend_low_i8x16_u(bytes), i16x8(16, 15, 14, 13, 12, 11, 10, 9)));
      weighted = i32x4.add(weighted, i32x4.dot_i16x8_s(i16x8.extend_high_i8x16_u(bytes), i16x8(8, 7, 6, 5, 4, 3, 2, 1)));
    }
    b = (b + <u32>some * a + 16 * total(before) + total(weighted)) % modulus;
    a = (a + total(sums)) % modulus;
    left -= some;
  }
  for (; left > 0; left--, at++) {
    a = (a + load<u8>(at)) % modulus;
    b = (b + a) % modulus;
  }
  return b * 65536 + a;
}

// @ts-ignore: decorator
@inline
function total(lanes: v128): u32 {
  return i32x4.extract_lane(lanes, 0) + i32x4.extract_lane(lanes, 1) + i32x4.extract_lane(lanes, 2) + i32x4.extract_lane(lanes, 3);
}

// @ts-ignore: decorator
@inline
function count(at: usize): void {
  store<u32>(at, load<u32>(at) + 1);
}

/**
 * Cuts a part of the source into stretches of literals with a run after each, until there are `most` of both.
 * @param literals how many each stretch has, 32 bits each
 * @param runs the length of the run after it, 16 bits each; 0 for none
 * @param counts four of each byte, 32 bits each, for every fourth place: an increment needn't wait for the one before
 * @param runCounts of each length of a run, 32 bits each
 * @param end where the place behind the last stretch is stored
 * @returns how many stretches
 */
export function deflate_findStretches(source: usize, length: i32, start: i32, most: i32, literals: usize, runs: usize, counts: usize, runCounts: usize, end: usize): i32 {
  let at = start;
  let stretches = 0;
  let found = 0;
  while (at < length && found < most) {
    const limit = min(length, at + most - found);
    const run = countToRun(source, length, at, limit, counts);
    found += run - at;
    store<u32>(literals + 4 * <usize>stretches, run - at);
    let next = run;
    if (run < limit) {
      const last = min(length, run + LONGEST_MATCH);
      const byte = load<u8>(source + <usize>run);
      next = run + SHORTEST_MATCH;
      while (next < last && load<u8>(source + <usize>next) === byte) next++;
      count(runCounts + 4 * <usize>(next - run));
      found++;
    }
    store<u16>(runs + 2 * <usize>stretches, next - run);
    stretches++;
    at = next;
  }
  store<i32>(end, at);
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

/** Where a stream stands, between calls: the place of the next byte, the bits that wait, and how many, 32 bits each. */
const AT: usize = 0;
const BITS: usize = 4;
const BIT_COUNT: usize = 8;

/**
 * Writes stretches of literals and the runs after them.
 * @param table of each byte its code above how many bits that is, which has the lowest five bits
 * @param runTable likewise of each length of a run
 */
export function deflate_writeStretches(source: usize, start: i32, stretches: i32, literals: usize, runs: usize, table: usize, runTable: usize, stream: usize, state: usize): void {
  let at = stream + load<u32>(state, AT);
  let bits: u64 = load<u32>(state, BITS);
  let waiting: u64 = load<u32>(state, BIT_COUNT);
  let from = source + <usize>start;
  for (let i: usize = 0; i < <usize>stretches; i++) {
    const to = from + load<u32>(literals + 4 * i);
    for (; from + 4 <= to; from += 4) {
      const word = load<u32>(from);
      const a = load<u32>(table + ((word & 255) << 2));
      const b = load<u32>(table + ((word >>> 6) & 1020));
      const c = load<u32>(table + ((word >>> 14) & 1020));
      const d = load<u32>(table + ((word >>> 22) & 1020));
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
    const run = <usize>load<u16>(runs + 2 * i);
    for (const end = run === 0 ? to : to + 1; from < end; from++) {
      const entry = from < to ? load<u32>(table + 4 * <usize>load<u8>(from)) : load<u32>(runTable + 4 * run);
      bits |= <u64>(entry >>> 5) << waiting;
      waiting += entry & 31;
      store<u64>(at, bits);
      at += <usize>(waiting >>> 3);
      bits >>>= waiting & 56;
      waiting &= 7;
    }
    from = to + run;
  }
  store<u32>(state, <u32>(at - stream), AT);
  store<u32>(state, <u32>bits, BITS);
  store<u32>(state, <u32>waiting, BIT_COUNT);
}

/** Bytes at the end where no match begins, and how a literal is told that is none: as in lib/tiff/deflate-matches.ts, whose hash and whose counts these fit, too. */
const TAIL_BYTES: i32 = 12;
const WINDOW_BYTES: i32 = 32768;
const HASH_SHIFT: i32 = 16;
/** 2^32 divided by the golden ratio: Knuth, The Art of Computer Programming, volume 3, section 6.4. */
const HASH_FACTOR: i32 = 0x9e3779b1;
/** Matches grow by two bytes, with one before, and stay below the longest. */
const MOST_FORWARD: i32 = LONGEST_MATCH - 4;
const NO_LITERAL: u32 = 256;
/** A token below is two literals, the second above 9 bits. */
const LEAST_MATCH: u32 = 1 << 20;
/** Where counts have second literals, and lengths, in bytes. */
const SECOND: usize = 4 * 256;
const BY_LENGTH: usize = 4 * 512;

/**
 * Cuts a part of the source into tokens: pairs of literals, and matches. The first token is none, so that each has one before it. All places are even, and those of matches are above 0, so
 * that a byte is before them.
 * @param places where four bytes with a hash were last, modulo 2^16, 16 bits each
 * @param tokens 32 bits each
 * @param counts of first and second literals, and of lengths, 32 bits each
 * @param distances counts of the distances' symbols, 32 bits each
 * @param end where the place behind the last token is stored
 * @returns how many tokens
 */
export function deflate_findTokens(source: usize, length: i32, start: i32, blockBytes: i32, places: usize, tokens: usize, counts: usize, distances: usize, end: usize): i32 {
  const last = length - TAIL_BYTES;
  const stop = min(last, start + blockBytes);
  let token = tokens;
  let before: u32 = NO_LITERAL | (NO_LITERAL << 9);
  store<u32>(token, before);
  let i = start;
  if (i === 0 && stop > 0) {
    const a = <u32>load<u8>(source);
    const b = <u32>load<u8>(source, 1);
    token += 4;
    before = a | (b << 9);
    store<u32>(token, before);
    count(counts + 4 * <usize>a);
    count(counts + SECOND + 4 * <usize>b);
    i = 2;
  }
  while (i < stop) {
    const at = source + <usize>i;
    const four = load<i32>(at);
    const place = places + (<usize>((four * HASH_FACTOR) >>> HASH_SHIFT) << 1);
    const distance = (i - <i32>load<u16>(place)) & 0xffff;
    const from = i - distance;
    store<u16>(place, <u16>i);
    // From 1 to 32768, and not from the first byte: all three are negative otherwise.
    if (((from - 1) | (WINDOW_BYTES - distance) | (distance - 1)) >= 0 && load<i32>(source + <usize>from) === four) {
      store<u16>(places + (<usize>((load<i32>(at, 2) * HASH_FACTOR) >>> HASH_SHIFT) << 1), <u16>(i + 2));
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
        store<u32>(token, (before & 511) | (NO_LITERAL << 9));
        const counted = counts + SECOND + 4 * <usize>literal;
        store<u32>(counted, load<u32>(counted) - 1);
        matched++;
      }
      const rest = <u32>(distance - 1);
      const power = 31 - clz(rest | 1);
      const symbol = rest < 2 ? rest : 2 * power + ((rest >>> (power - 1)) & 1);
      token += 4;
      before = (<u32>matched << 20) | (symbol << 15) | rest;
      store<u32>(token, before);
      count(counts + BY_LENGTH + 4 * <usize>matched);
      count(distances + 4 * <usize>symbol);
    } else {
      const a = <u32>four & 255;
      const b = (<u32>four >>> 8) & 255;
      token += 4;
      before = a | (b << 9);
      store<u32>(token, before);
      count(counts + 4 * <usize>a);
      count(counts + SECOND + 4 * <usize>b);
      i += 2;
    }
  }
  if (i >= last) {
    for (; i < length; i++) {
      const byte = <u32>load<u8>(source + <usize>i);
      token += 4;
      store<u32>(token, byte | (NO_LITERAL << 9));
      count(counts + 4 * <usize>byte);
    }
  }
  store<i32>(end, i);
  return <i32>((token - tokens) >>> 2) + 1;
}

/**
 * Writes tokens, but for the first, which is none.
 * @param literals of each byte its code above how many bits that is, which has the lowest five bits
 * @param lengths likewise of each length of a match
 * @param distances of each symbol its code above how many extra bits follow (four bits) and how many the code has (five)
 */
export function deflate_writeTokens(tokens: usize, length: i32, literals: usize, lengths: usize, distances: usize, stream: usize, state: usize): void {
  let at = stream + load<u32>(state, AT);
  let bits: u64 = load<u32>(state, BITS);
  let waiting: u64 = load<u32>(state, BIT_COUNT);
  for (const end = tokens + 4 * <usize>(length - 1); tokens < end; tokens += 4) {
    const token = load<u32>(tokens, 4);
    if (token < LEAST_MATCH) {
      const a = load<u32>(literals + 4 * <usize>(token & 511));
      const b = load<u32>(literals + 4 * <usize>(token >>> 9));
      bits |= (<u64>(a >>> 5) | (<u64>(b >>> 5) << (a & 31))) << waiting;
      waiting += (a & 31) + (b & 31);
    } else {
      const match = load<u32>(lengths + 4 * <usize>(token >>> 20));
      bits |= <u64>(match >>> 5) << waiting;
      waiting += match & 31;
      const distance = load<u32>(distances + 4 * <usize>((token >>> 15) & 31));
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
  store<u32>(state, <u32>(at - stream), AT);
  store<u32>(state, <u32>bits, BITS);
  store<u32>(state, <u32>waiting, BIT_COUNT);
}
