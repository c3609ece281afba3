/** Memory for the pixels of one input or output, used again for each tile. */
import { readSync, writeSync } from 'node:fs';

import { bytesPerSample, viewSamples, type Dtype, type SampleArray } from '../../raster/dtype.ts';

export class PixelBuffer {
  #buffer = new ArrayBuffer(0);

  /** `length` samples; what is in them is left over from before. The user's code may have transferred the buffer away, which makes another one. */
  samples(dtype: Dtype, length: number): SampleArray {
    const bytes = length * bytesPerSample(dtype);
    if (this.#buffer.detached || this.#buffer.byteLength < bytes) this.#buffer = new ArrayBuffer(bytes);
    return viewSamples(dtype, this.#buffer, 0, length);
  }
}

/** Fills the array from the file. */
export function readPixels(fd: number, offset: number, into: ArrayBufferView): void {
  const bytes = new Uint8Array(into.buffer, into.byteOffset, into.byteLength);
  for (let at = 0; at < bytes.length; ) {
    const got = readSync(fd, bytes, at, bytes.length - at, offset + at);
    if (got === 0) throw new Error(`the shared file ends at byte ${String(offset + at)}`);
    at += got;
  }
}

/** Writes the array into the file. */
export function writePixels(fd: number, offset: number, from: ArrayBufferView): void {
  const bytes = new Uint8Array(from.buffer, from.byteOffset, from.byteLength);
  for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at, bytes.length - at, offset + at);
}
