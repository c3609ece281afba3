/** Huffman codes for deflate (RFC 1951 section 3.2): lengths from frequencies, canonical codes from lengths. */

/** Of no alphabet there are more. */
const MOST_SYMBOLS: usize = 286;
const LONGEST_CODE: u32 = 15;

/** Frequencies are sorted by so many bits at a time. */
const DIGIT_BITS: u32 = 6;
const DIGITS: usize = 1 << DIGIT_BITS;
/** In a sorted element the symbol has the lowest bits, and its frequency those above. */
const SYMBOL_BITS: u32 = 9;
const SYMBOLS: u32 = (1 << SYMBOL_BITS) - 1;

/** Scratch, in bytes from its beginning: elements that are sorted, where they go, and how many there are of each digit. Weights take the place of the second. */
const SORTED: usize = 0;
const WEIGHTS: usize = SORTED + 4 * MOST_SYMBOLS;
const DIGIT_COUNTS: usize = WEIGHTS + 4 * MOST_SYMBOLS;
const SCRATCH_BYTES: usize = DIGIT_COUNTS + 4 * DIGITS;

/** Bytes of scratch that the two functions below want. */
export function huffman_scratchBytes(): usize {
  return SCRATCH_BYTES;
}

/**
 * Code lengths for symbols of these frequencies, none longer than `limit`; 0 for a symbol that doesn't occur, 1 where only one does.
 *
 * Lengths come in place by the algorithm of Moffat and Katajainen (In-Place Calculation of Minimum-Redundancy Codes, 1995). Those beyond the limit are cut to it,
 * and the room that takes is found by lengthening the codes that are just below it, rarest first: not quite the optimum, which package-merge gives, but within a
 * hundredth of a percent of it where few symbols are concerned.
 * @param frequencies 32 bits each, all below 2^23, and their sum below 2^31
 * @param lengths a byte each
 */
export function huffman_lengths(frequencies: usize, symbols: i32, limit: u32, lengths: usize, scratch: usize): void {
  memory.fill(lengths, 0, symbols);
  let used: i32 = 0;
  let largest: u32 = 0;
  for (let symbol: i32 = 0; symbol < symbols; symbol++) {
    const frequency = load<u32>(frequencies + 4 * <usize>symbol);
    if (frequency === 0) continue;
    largest = max(largest, frequency);
    store<u32>(scratch + 4 * <usize>used, (frequency << SYMBOL_BITS) | <u32>symbol, SORTED);
    used++;
  }
  if (used === 0) return;
  sortByFrequency(scratch, used, largest);
  if (used > 1) {
    const weights = scratch + WEIGHTS;
    for (let i: usize = 0; i < <usize>used; i++) store<u32>(weights + 4 * i, load<u32>(scratch + 4 * i, SORTED) >>> SYMBOL_BITS);
    treeDepths(weights, used);
    limitDepths(weights, used, limit);
  } else {
    store<u32>(scratch, 1, WEIGHTS);
  }
  for (let i: usize = 0; i < <usize>used; i++) {
    store<u8>(lengths + <usize>(load<u32>(scratch + 4 * i, SORTED) & SYMBOLS), <u8>load<u32>(scratch + 4 * i, WEIGHTS));
  }
}

/** Digit by digit, from the lowest. Symbols of one frequency stay in their order. */
function sortByFrequency(scratch: usize, length: i32, largest: u32): void {
  const counts = scratch + DIGIT_COUNTS;
  for (let shift = SYMBOL_BITS; largest > 0; shift += DIGIT_BITS, largest >>>= DIGIT_BITS) {
    memory.fill(counts, 0, 4 * DIGITS);
    for (let i: usize = 0; i < <usize>length; i++) {
      const digit = digitAt(scratch + 4 * i, shift);
      store<u32>(counts + digit, load<u32>(counts + digit) + 1);
    }
    // Counts become the place of the first with that digit.
    let place: u32 = 0;
    for (let digit: usize = 0; digit < 4 * DIGITS; digit += 4) {
      const count = load<u32>(counts + digit);
      store<u32>(counts + digit, place);
      place += count;
    }
    for (let i: usize = 0; i < <usize>length; i++) {
      const digit = digitAt(scratch + 4 * i, shift);
      const to = load<u32>(counts + digit);
      store<u32>(counts + digit, to + 1);
      store<u32>(scratch + 4 * <usize>to, load<u32>(scratch + 4 * i, SORTED), WEIGHTS);
    }
    memory.copy(scratch + SORTED, scratch + WEIGHTS, 4 * length);
  }
}

/** Where the count of an element's digit lies, in bytes from the first. */
// @ts-ignore: decorator
@inline
function digitAt(element: usize, shift: u32): usize {
  return (<usize>(load<u32>(element, SORTED) >>> shift) & (DIGITS - 1)) << 2;
}

// @ts-ignore: decorator
@inline
function at(weights: usize, i: i32): i32 {
  return load<i32>(weights + 4 * <usize>i);
}

// @ts-ignore: decorator
@inline
function put(weights: usize, i: i32, value: i32): void {
  store<i32>(weights + 4 * <usize>i, value);
}

/** Replaces weights, smallest first, by the depths of their leaves, deepest first. */
function treeDepths(a: usize, n: i32): void {
  // Weights become parents, from left to right.
  let root = 0;
  let leaf = 0;
  for (let next = 0; next < n - 1; next++) {
    let sum = 0;
    for (let child = 0; child < 2; child++) {
      if (leaf >= n || (root < next && at(a, root) < at(a, leaf))) {
        sum += at(a, root);
        put(a, root++, next);
      } else {
        sum += at(a, leaf++);
      }
    }
    put(a, next, sum);
  }
  // Parents become the depths of inner nodes, from right to left.
  put(a, n - 2, 0);
  for (let next = n - 3; next >= 0; next--) put(a, next, at(a, at(a, next)) + 1);
  // Depths of inner nodes become those of leaves.
  let available = 1;
  let depth = 0;
  let inner = n - 2;
  let next = n - 1;
  while (available > 0) {
    let used = 0;
    while (inner >= 0 && at(a, inner) === depth) {
      used++;
      inner--;
    }
    for (; available > used; available--) put(a, next--, depth);
    available = 2 * used;
    depth++;
  }
}

/** Cuts depths, deepest first, to `limit`, and lengthens others until they are a prefix code again (Kraft's sum is 1 at most). */
function limitDepths(depths: usize, n: i32, limit: i32): void {
  if (at(depths, 0) <= limit) return;
  // In units of the shortest share there may be, 2^-limit.
  const whole = 1 << limit;
  let sum = 0;
  for (let i = 0; i < n; i++) {
    if (at(depths, i) > limit) put(depths, i, limit);
    sum += 1 << (limit - at(depths, i));
  }
  for (let i = 0; sum > whole; ) {
    // The first that is still above the limit is the rarest of those.
    while (at(depths, i) >= limit) i++;
    put(depths, i, at(depths, i) + 1);
    sum -= 1 << (limit - at(depths, i));
  }
  // What was gained too much goes to the most frequent that can take it.
  for (let i = n - 1; i >= 0 && sum < whole; i--) {
    while (at(depths, i) > 1 && sum + (1 << (limit - at(depths, i))) <= whole) {
      sum += 1 << (limit - at(depths, i));
      put(depths, i, at(depths, i) - 1);
    }
  }
}

/**
 * Canonical codes of these lengths, each with its bits in the order in which deflate writes them: the first is the lowest.
 * @param codes 32 bits each: the code above its length, which has the lowest five bits
 */
export function huffman_codes(lengths: usize, symbols: i32, codes: usize, scratch: usize): void {
  // The first code of each length: RFC 1951 section 3.2.2.
  const next = scratch;
  memory.fill(next, 0, 4 * (LONGEST_CODE + 2));
  for (let symbol: usize = 0; symbol < <usize>symbols; symbol++) {
    const after = next + 4 * (<usize>load<u8>(lengths + symbol) + 1);
    store<u32>(after, load<u32>(after) + 1);
  }
  // Symbols without a code don't count.
  store<u32>(next, 0, 4);
  let code: u32 = 0;
  for (let length: u32 = 1; length <= LONGEST_CODE; length++) {
    code = (code + load<u32>(next + 4 * length)) << 1;
    store<u32>(next + 4 * length, code);
  }
  for (let symbol: usize = 0; symbol < <usize>symbols; symbol++) {
    const length = <u32>load<u8>(lengths + symbol);
    let entry: u32 = 0;
    if (length > 0) {
      const own = load<u32>(next + 4 * length);
      store<u32>(next + 4 * length, own + 1);
      entry = (reverse(own, length) << 5) | length;
    }
    store<u32>(codes + 4 * symbol, entry);
  }
}

// @ts-ignore: decorator
@inline
function reverse(code: u32, length: u32): u32 {
  let reversed: u32 = 0;
  for (let i: u32 = 0; i < length; i++) reversed |= ((code >>> i) & 1) << (length - 1 - i);
  return reversed;
}
