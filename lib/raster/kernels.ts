/**
 * The compiled loops of kernels/, and the memory that they work in. What they are given is copied into it, chunk by chunk, so that it stays in a processor's
 * cache, and samples may lie anywhere: that costs a tenth of what the loops take (docs/decisions/kernels.md).
 */
import type { Dtype, SampleArray } from './dtype.ts';
import { kernelModule } from './kernels.generated.ts';

/** What kernels/*.ts export. Addresses are bytes in their memory. */
type Kernels = { readonly memory: { readonly buffer: ArrayBuffer; readonly grow: (pages: number) => number } } & {
  readonly [name in `statistics_${Dtype}`]: (at: number, length: number, empty: number, shift: number, state: number) => void;
} & {
  readonly [name in `average_${Dtype}`]: (from: number, columns: number, rows: number, to: number, hasNodata: boolean, nodata: number, replacement: number) => void;
} & {
  readonly [name in `difference_${8 | 16 | 32}`]: (at: number, columns: number, rows: number, distance: number) => void;
} & {
  readonly [name in `predict_${'float32' | 'float64'}`]: (from: number, samples: number, rows: number, bands: number, to: number) => void;
} & {
  readonly [name in `sum_${8 | 16 | 32 | 64}`]: (from: number, rowSamples: number, rows: number, band: number, step: number, column: number, columns: number, to: number) => void;
} & {
  readonly join_planes: (from: number, pixels: number, rows: number, column: number, columns: number, sampleBytes: number, to: number) => void;
};

/** The part of the global that is used: types for Node leave it to those of browsers. */
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object) => { readonly exports: unknown };
};

/** The loops. Each thread has its own, and a call runs to its end, so nobody else is in their memory. */
export const kernels = new WebAssembly.Instance(new WebAssembly.Module(Buffer.from(kernelModule, 'base64'))).exports as Kernels;

/** So much is worked on at a time: with what comes of it, it stays in the second level of a processor's cache. */
export const chunkBytes = 128 * 1024;
const pageBytes = 64 * 1024;

/** How many rows, of so many bytes, make a chunk: at least one. */
export function chunkRows(rowBytes: number): number {
  return Math.max(1, Math.floor(chunkBytes / rowBytes));
}

/** Makes the memory large enough. What lies in it stays. */
export function reserve(bytes: number): void {
  const more = bytes - kernels.memory.buffer.byteLength;
  if (more > 0) kernels.memory.grow(Math.ceil(more / pageBytes));
}

/** `length` samples of the kind of `like`, in the kernels' memory. They are gone when it grows. */
export function inMemory<T extends SampleArray>(like: T, address: number, length: number): T {
  return new (like.constructor as new (buffer: ArrayBuffer, offset: number, length: number) => T)(kernels.memory.buffer, address, length);
}

/**
 * Copies rows into the memory, close together.
 * @param offset of the first sample
 * @param stride samples from one row to the next
 */
export function copyIn(samples: SampleArray, offset: number, columns: number, rows: number, stride: number, address: number): void {
  const there = inMemory(samples, address, columns * rows);
  if (stride === columns) there.set(samples.subarray(offset, offset + columns * rows));
  else for (let row = 0, from = offset, to = 0; row < rows; row++, from += stride, to += columns) there.set(samples.subarray(from, from + columns), to);
}

/** The other direction. */
export function copyOut(address: number, samples: SampleArray, offset: number, columns: number, rows: number, stride: number): void {
  const there = inMemory(samples, address, columns * rows);
  if (stride === columns) samples.set(there, offset);
  else for (let row = 0, from = 0, to = offset; row < rows; row++, from += columns, to += stride) samples.set(there.subarray(from, from + columns), to);
}
