/**
 * Operations of one operand over a chunk.
 *
 * Every operation has a loop of its own, over float64 registers only: V8 compiles a loop for the types that it has seen, and one
 * that takes the operation as a function sees them all and becomes several times slower. The casts are free; a check is not.
 */
import { chunkPixels } from './chunk.ts';
import { roundHalfToEven, type UnaryOperation } from './operations.ts';

/** A constant of this module is one in its compiled loops; an import would be read again for every pixel. */
const pixels = chunkPixels;

/** out[i] = operation(a[i]). `out` may be `a`. */
export type UnaryKernel = (out: Float64Array, a: Float64Array) => void;

export const unaryKernels: Readonly<Record<UnaryOperation, UnaryKernel>> = {
  negate(out, a) {
    for (let i = 0; i < pixels; i++) out[i] = -(a[i] as number);
  },
  not(out, a) {
    for (let i = 0; i < pixels; i++) out[i] = Number(a[i] === 0);
  },
  isnan(out, a) {
    for (let i = 0; i < pixels; i++) {
      const x = a[i] as number;
      out[i] = Number(x !== x);
    }
  },
  abs(out, a) {
    for (let i = 0; i < pixels; i++) out[i] = Math.abs(a[i] as number);
  },
  sign(out, a) {
    for (let i = 0; i < pixels; i++) out[i] = Math.sign(a[i] as number);
  },
  floor(out, a) {
    for (let i = 0; i < pixels; i++) out[i] = Math.floor(a[i] as number);
  },
  ceil(out, a) {
    for (let i = 0; i < pixels; i++) out[i] = Math.ceil(a[i] as number);
  },
  trunc(out, a) {
    for (let i = 0; i < pixels; i++) out[i] = Math.trunc(a[i] as number);
  },
  round(out, a) {
    for (let i = 0; i < pixels; i++) out[i] = roundHalfToEven(a[i] as number);
  },
  sqrt(out, a) {
    for (let i = 0; i < pixels; i++) out[i] = Math.sqrt(a[i] as number);
  },
  exp(out, a) {
    for (let i = 0; i < pixels; i++) out[i] = Math.exp(a[i] as number);
  },
  log(out, a) {
    for (let i = 0; i < pixels; i++) out[i] = Math.log(a[i] as number);
  },
  log2(out, a) {
    for (let i = 0; i < pixels; i++) out[i] = Math.log2(a[i] as number);
  },
  log10(out, a) {
    for (let i = 0; i < pixels; i++) out[i] = Math.log10(a[i] as number);
  },
  sin(out, a) {
    for (let i = 0; i < pixels; i++) out[i] = Math.sin(a[i] as number);
  },
  cos(out, a) {
    for (let i = 0; i < pixels; i++) out[i] = Math.cos(a[i] as number);
  },
  tan(out, a) {
    for (let i = 0; i < pixels; i++) out[i] = Math.tan(a[i] as number);
  },
  asin(out, a) {
    for (let i = 0; i < pixels; i++) out[i] = Math.asin(a[i] as number);
  },
  acos(out, a) {
    for (let i = 0; i < pixels; i++) out[i] = Math.acos(a[i] as number);
  },
  atan(out, a) {
    for (let i = 0; i < pixels; i++) out[i] = Math.atan(a[i] as number);
  },
};
