/** Kernels over validity, which is a byte a pixel, 0 or 1. Those that are compiled are in kernels/registers.ts. */
import { chunkPixels } from './chunk.ts';

/** A constant of this module is one in its compiled loops; an import would be read again for every pixel. */
const pixels = chunkPixels;

/** out[i] = valid[i] ? 0 : 1 */
export function invert(out: Float64Array, valid: Uint8Array): void {
  for (let i = 0; i < pixels; i++) out[i] = 1 - (valid[i] as number);
}

/** out[i] = c[i] is true ? a[i] : b[i] */
export function pick(out: Uint8Array, c: Float64Array, a: Uint8Array, b: Uint8Array): void {
  for (let i = 0; i < pixels; i++) {
    const mask = -Number(c[i] !== 0);
    out[i] = ((a[i] as number) & mask) | ((b[i] as number) & ~mask);
  }
}

/** Both valid, four pixels at a time. */
export function both(out: Int32Array, a: Int32Array, b: Int32Array): void {
  for (let i = 0; i < pixels / 4; i++) out[i] = (a[i] as number) & (b[i] as number);
}

/** Either valid, four pixels at a time. */
export function either(out: Int32Array, a: Int32Array, b: Int32Array): void {
  for (let i = 0; i < pixels / 4; i++) out[i] = (a[i] as number) | (b[i] as number);
}

/** out[i] = mask[i] is not 0 */
export function isSet(out: Uint8Array, mask: Uint8Array): void {
  for (let i = 0; i < pixels; i++) out[i] = Number(mask[i] !== 0);
}

/** out[i] = a[i] differs from `value`, which is no NaN */
export function differs(out: Uint8Array, a: Float64Array, value: number): void {
  for (let i = 0; i < pixels; i++) out[i] = Number(a[i] !== value);
}
