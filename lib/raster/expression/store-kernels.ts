/** Float64 registers into target planes. The commonest sample types have a loop each, for the reason in unary-kernels.ts. */
import type { SampleArray } from '../dtype.ts';

/** plane[from + i] = a[i] for i below n, in the plane's own type; the values fit it. */
export function store(plane: SampleArray, from: number, a: Float64Array, n: number): void {
  if (plane instanceof Float32Array) storeFloat32(plane, from, a, n);
  else if (plane instanceof Uint8Array) storeUint8(plane, from, a, n);
  else if (plane instanceof Uint16Array) storeUint16(plane, from, a, n);
  else if (plane instanceof Int16Array) storeInt16(plane, from, a, n);
  else plane.set(n === a.length ? a : a.subarray(0, n), from);
}

function storeFloat32(plane: Float32Array, from: number, a: Float64Array, n: number): void {
  for (let i = 0; i < n; i++) plane[from + i] = a[i] as number;
}

function storeUint8(plane: Uint8Array, from: number, a: Float64Array, n: number): void {
  for (let i = 0; i < n; i++) plane[from + i] = a[i] as number;
}

function storeUint16(plane: Uint16Array, from: number, a: Float64Array, n: number): void {
  for (let i = 0; i < n; i++) plane[from + i] = a[i] as number;
}

function storeInt16(plane: Int16Array, from: number, a: Float64Array, n: number): void {
  for (let i = 0; i < n; i++) plane[from + i] = a[i] as number;
}
