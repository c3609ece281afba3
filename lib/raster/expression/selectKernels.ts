/** Kernels that choose between operands, and those over validity, which is 0 or 1 a pixel. */

/**
 * out[i] = c[i] is true ? a[i] : b[i]; NaN is true, as in numpy.
 * Both go through `pair`, two numbers of scratch, because an index is never guessed wrong and a branch is.
 */
export function where(out: Float64Array, c: Float64Array, a: Float64Array, b: Float64Array, pair: Float64Array, n: number): void {
  for (let i = 0; i < n; i++) {
    pair[0] = b[i] as number;
    pair[1] = a[i] as number;
    out[i] = pair[Number(c[i] !== 0)] as number;
  }
}

/** out[i] = valid[i] ? a[i] : b[i] */
export function choose(out: Float64Array, valid: Uint8Array, a: Float64Array, b: Float64Array, n: number): void {
  for (let i = 0; i < n; i++) out[i] = valid[i] === 0 ? (b[i] as number) : (a[i] as number);
}

/** out[i] = valid[i] ? 0 : 1 */
export function invert(out: Float64Array, valid: Uint8Array, n: number): void {
  for (let i = 0; i < n; i++) out[i] = 1 - (valid[i] as number);
}

/** out[i] = c[i] is true ? a[i] : b[i] */
export function pick(out: Uint8Array, c: Float64Array, a: Uint8Array, b: Uint8Array, n: number): void {
  for (let i = 0; i < n; i++) {
    const mask = -Number(c[i] !== 0);
    out[i] = ((a[i] as number) & mask) | ((b[i] as number) & ~mask);
  }
}

/** Both valid, four pixels at a time: `words` counts 32-bit words. */
export function both(out: Int32Array, a: Int32Array, b: Int32Array, words: number): void {
  for (let i = 0; i < words; i++) out[i] = (a[i] as number) & (b[i] as number);
}

/** Either valid, four pixels at a time. */
export function either(out: Int32Array, a: Int32Array, b: Int32Array, words: number): void {
  for (let i = 0; i < words; i++) out[i] = (a[i] as number) | (b[i] as number);
}

/** out[i] = plane[from + i] is not 0. Answers how many are valid. */
export function readMask(out: Uint8Array, plane: Uint8Array, from: number, n: number): number {
  let count = 0;
  for (let i = 0; i < n; i++) {
    const valid = Number(plane[from + i] !== 0);
    out[i] = valid;
    count += valid;
  }
  return count;
}

/** out[i] = a[i] differs from `value`. Answers how many do. */
export function differs(out: Uint8Array, a: Float64Array, value: number, n: number): number {
  let count = 0;
  for (let i = 0; i < n; i++) {
    const valid = Number(a[i] !== value);
    out[i] = valid;
    count += valid;
  }
  return count;
}

/** out[i] = a[i] is a number. Answers how many are. */
export function isNumber(out: Uint8Array, a: Float64Array, n: number): number {
  let count = 0;
  for (let i = 0; i < n; i++) {
    const x = a[i] as number;
    const valid = Number(x === x);
    out[i] = valid;
    count += valid;
  }
  return count;
}
