/**
 * Source planes into float64 registers, compared with nodata on the way.
 *
 * The commonest sample types have a loop each, for the reason in unaryKernels.ts; the others are copied by the engine itself
 * (TypedArray.set, slower from shared memory) and compared afterwards.
 */
import type { SampleArray } from '../dtype.ts';
import { differs, isNumber } from './selectKernels.ts';

/** out[i] = plane[from + i] for i below n. */
export function load(out: Float64Array, plane: SampleArray, from: number, n: number): void {
  if (plane instanceof Uint8Array) loadUint8(out, plane, from, n);
  else if (plane instanceof Uint16Array) loadUint16(out, plane, from, n);
  else if (plane instanceof Int16Array) loadInt16(out, plane, from, n);
  else if (plane instanceof Float32Array) loadFloat32(out, plane, from, n);
  else out.set(plane.subarray(from, from + n));
}

/** The same, and valid[i] = the value isn't `nodata`. Answers how many are valid. */
export function loadValid(out: Float64Array, valid: Uint8Array, plane: SampleArray, nodata: number, from: number, n: number): number {
  if (nodata === nodata) {
    if (plane instanceof Uint8Array) return loadValidUint8(out, valid, plane, nodata, from, n);
    if (plane instanceof Uint16Array) return loadValidUint16(out, valid, plane, nodata, from, n);
    if (plane instanceof Int16Array) return loadValidInt16(out, valid, plane, nodata, from, n);
    if (plane instanceof Float32Array) return loadValidFloat32(out, valid, plane, nodata, from, n);
  }
  load(out, plane, from, n);
  return nodata === nodata ? differs(valid, out, nodata, n) : isNumber(valid, out, n);
}

function loadUint8(out: Float64Array, plane: Uint8Array, from: number, n: number): void {
  for (let i = 0; i < n; i++) out[i] = plane[from + i] as number;
}

function loadUint16(out: Float64Array, plane: Uint16Array, from: number, n: number): void {
  for (let i = 0; i < n; i++) out[i] = plane[from + i] as number;
}

function loadInt16(out: Float64Array, plane: Int16Array, from: number, n: number): void {
  for (let i = 0; i < n; i++) out[i] = plane[from + i] as number;
}

function loadFloat32(out: Float64Array, plane: Float32Array, from: number, n: number): void {
  for (let i = 0; i < n; i++) out[i] = plane[from + i] as number;
}

function loadValidUint8(out: Float64Array, valid: Uint8Array, plane: Uint8Array, nodata: number, from: number, n: number): number {
  let count = 0;
  for (let i = 0; i < n; i++) {
    const x = plane[from + i] as number;
    const isValid = Number(x !== nodata);
    out[i] = x;
    valid[i] = isValid;
    count += isValid;
  }
  return count;
}

function loadValidUint16(out: Float64Array, valid: Uint8Array, plane: Uint16Array, nodata: number, from: number, n: number): number {
  let count = 0;
  for (let i = 0; i < n; i++) {
    const x = plane[from + i] as number;
    const isValid = Number(x !== nodata);
    out[i] = x;
    valid[i] = isValid;
    count += isValid;
  }
  return count;
}

function loadValidInt16(out: Float64Array, valid: Uint8Array, plane: Int16Array, nodata: number, from: number, n: number): number {
  let count = 0;
  for (let i = 0; i < n; i++) {
    const x = plane[from + i] as number;
    const isValid = Number(x !== nodata);
    out[i] = x;
    valid[i] = isValid;
    count += isValid;
  }
  return count;
}

function loadValidFloat32(out: Float64Array, valid: Uint8Array, plane: Float32Array, nodata: number, from: number, n: number): number {
  let count = 0;
  for (let i = 0; i < n; i++) {
    const x = plane[from + i] as number;
    const isValid = Number(x !== nodata);
    out[i] = x;
    valid[i] = isValid;
    count += isValid;
  }
  return count;
}
