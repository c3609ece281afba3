/**
 * Operations of two operands over a chunk, one loop each (unary-kernels.ts says why).
 *
 * Comparisons are stored as numbers without a branch: on real scenes a branch is guessed wrong often enough to cost five times
 * the comparison itself.
 */
import { chunkPixels } from './chunk.ts';
import { type BinaryOperation, floorRemainder, ieeePower } from './operations.ts';

/** A constant of this module is one in its compiled loops; an import would be read again for every pixel. */
const pixels = chunkPixels;

/** out[i] = operation(a[i], b[i]). `out` may be `a` or `b`. */
export type BinaryKernel = (out: Float64Array, a: Float64Array, b: Float64Array) => void;

export const binaryKernels: Readonly<Record<BinaryOperation, BinaryKernel>> = {
  add(out, a, b) {
    for (let i = 0; i < pixels; i++) out[i] = (a[i] as number) + (b[i] as number);
  },
  subtract(out, a, b) {
    for (let i = 0; i < pixels; i++) out[i] = (a[i] as number) - (b[i] as number);
  },
  multiply(out, a, b) {
    for (let i = 0; i < pixels; i++) out[i] = (a[i] as number) * (b[i] as number);
  },
  divide(out, a, b) {
    for (let i = 0; i < pixels; i++) out[i] = (a[i] as number) / (b[i] as number);
  },
  remainder(out, a, b) {
    for (let i = 0; i < pixels; i++) out[i] = floorRemainder(a[i] as number, b[i] as number);
  },
  power(out, a, b) {
    for (let i = 0; i < pixels; i++) out[i] = ieeePower(a[i] as number, b[i] as number);
  },
  less(out, a, b) {
    for (let i = 0; i < pixels; i++) out[i] = Number((a[i] as number) < (b[i] as number));
  },
  lessEqual(out, a, b) {
    for (let i = 0; i < pixels; i++) out[i] = Number((a[i] as number) <= (b[i] as number));
  },
  greater(out, a, b) {
    for (let i = 0; i < pixels; i++) out[i] = Number((a[i] as number) > (b[i] as number));
  },
  greaterEqual(out, a, b) {
    for (let i = 0; i < pixels; i++) out[i] = Number((a[i] as number) >= (b[i] as number));
  },
  equal(out, a, b) {
    for (let i = 0; i < pixels; i++) out[i] = Number(a[i] === b[i]);
  },
  notEqual(out, a, b) {
    for (let i = 0; i < pixels; i++) out[i] = Number(a[i] !== b[i]);
  },
  and(out, a, b) {
    for (let i = 0; i < pixels; i++) out[i] = Number(a[i] !== 0) & Number(b[i] !== 0);
  },
  or(out, a, b) {
    for (let i = 0; i < pixels; i++) out[i] = Number(a[i] !== 0) | Number(b[i] !== 0);
  },
  minimum(out, a, b) {
    for (let i = 0; i < pixels; i++) {
      const x = a[i] as number;
      const y = b[i] as number;
      out[i] = x < y || x !== x ? x : y;
    }
  },
  maximum(out, a, b) {
    for (let i = 0; i < pixels; i++) {
      const x = a[i] as number;
      const y = b[i] as number;
      out[i] = x > y || x !== x ? x : y;
    }
  },
  atan2(out, a, b) {
    for (let i = 0; i < pixels; i++) out[i] = Math.atan2(a[i] as number, b[i] as number);
  },
  normalizedDifference(out, a, b) {
    for (let i = 0; i < pixels; i++) {
      const x = a[i] as number;
      const y = b[i] as number;
      out[i] = (x - y) / (x + y);
    }
  },
};
