/** Huffman codes for deflate (RFC 1951 section 3.2): lengths from frequencies, canonical codes from lengths. */

/**
 * Code lengths for symbols of these frequencies, none longer than `limit`; 0 for a symbol that doesn't occur, 1 where only one does.
 *
 * Lengths come in place by the algorithm of Moffat and Katajainen (In-Place Calculation of Minimum-Redundancy Codes, 1995). Those beyond the limit are cut to it,
 * and the room that takes is found by lengthening the codes that are just below it, rarest first: not quite the optimum, which package-merge gives, but within a
 * hundredth of a percent of it where few symbols are concerned.
 * @param order scratch, one element a symbol at least
 * @param weights scratch, likewise
 */
export function codeLengths(frequencies: Uint32Array, symbols: number, limit: number, lengths: Uint8Array, order: Float64Array, weights: Float64Array): void {
  let used = 0;
  lengths.fill(0, 0, symbols);
  // Frequency and symbol in one number, so that plain numbers are sorted.
  for (let symbol = 0; symbol < symbols; symbol++) {
    const frequency = frequencies[symbol] as number;
    if (frequency > 0) order[used++] = frequency * 512 + symbol;
  }
  if (used === 0) return;
  const sorted = order.subarray(0, used).sort();
  if (used === 1) {
    lengths[(sorted[0] as number) % 512] = 1;
    return;
  }
  for (let i = 0; i < used; i++) weights[i] = Math.floor((sorted[i] as number) / 512);
  treeDepths(weights, used);
  limitDepths(weights, used, limit);
  for (let i = 0; i < used; i++) lengths[(sorted[i] as number) % 512] = weights[i] as number;
}

/** Replaces weights, smallest first, by the depths of their leaves, deepest first. */
function treeDepths(a: Float64Array, n: number): void {
  // Weights become parents, from left to right.
  let root = 0;
  let leaf = 0;
  for (let next = 0; next < n - 1; next++) {
    let sum = 0;
    for (let child = 0; child < 2; child++) {
      if (leaf >= n || (root < next && (a[root] as number) < (a[leaf] as number))) {
        sum += a[root] as number;
        a[root++] = next;
      } else {
        sum += a[leaf++] as number;
      }
    }
    a[next] = sum;
  }
  // Parents become the depths of inner nodes, from right to left.
  a[n - 2] = 0;
  for (let next = n - 3; next >= 0; next--) a[next] = (a[a[next] as number] as number) + 1;
  // Depths of inner nodes become those of leaves.
  let available = 1;
  let depth = 0;
  let inner = n - 2;
  let next = n - 1;
  while (available > 0) {
    let used = 0;
    while (inner >= 0 && a[inner] === depth) {
      used++;
      inner--;
    }
    for (; available > used; available--) a[next--] = depth;
    available = 2 * used;
    depth++;
  }
}

/** Cuts depths, deepest first, to `limit`, and lengthens others until they are a prefix code again (Kraft's sum is 1 at most). */
function limitDepths(depths: Float64Array, n: number, limit: number): void {
  if ((depths[0] as number) <= limit) return;
  // In units of the shortest share there may be, 2^-limit.
  const whole = 2 ** limit;
  let sum = 0;
  for (let i = 0; i < n; i++) {
    if ((depths[i] as number) > limit) depths[i] = limit;
    sum += 2 ** (limit - (depths[i] as number));
  }
  for (let i = 0; sum > whole; ) {
    // The first that is still above the limit is the rarest of those.
    while ((depths[i] as number) >= limit) i++;
    depths[i] = (depths[i] as number) + 1;
    sum -= 2 ** (limit - (depths[i] as number));
  }
  // What was gained too much goes to the most frequent that can take it.
  for (let i = n - 1; i >= 0 && sum < whole; i--) {
    while ((depths[i] as number) > 1 && sum + 2 ** (limit - (depths[i] as number)) <= whole) {
      sum += 2 ** (limit - (depths[i] as number));
      depths[i] = (depths[i] as number) - 1;
    }
  }
}

const longestCode = 15;

/** Canonical codes of these lengths, each with its bits in the order in which deflate writes them: the first is the lowest. */
export function canonicalCodes(lengths: Uint8Array, symbols: number, codes: Uint16Array): void {
  const counts = new Uint16Array(longestCode + 1);
  for (let symbol = 0; symbol < symbols; symbol++) counts[lengths[symbol] as number] = (counts[lengths[symbol] as number] as number) + 1;
  counts[0] = 0;
  // The first code of each length: RFC 1951 section 3.2.2.
  const next = new Uint16Array(longestCode + 1);
  for (let length = 1, code = 0; length <= longestCode; length++) {
    code = (code + (counts[length - 1] as number)) << 1;
    next[length] = code;
  }
  for (let symbol = 0; symbol < symbols; symbol++) {
    const length = lengths[symbol] as number;
    if (length === 0) continue;
    const code = next[length] as number;
    next[length] = code + 1;
    codes[symbol] = reverse(code, length);
  }
}

function reverse(code: number, length: number): number {
  let reversed = 0;
  for (let i = 0; i < length; i++) reversed |= ((code >> i) & 1) << (length - 1 - i);
  return reversed;
}
