/** What decoding uses again from block to block: memory for one decoded block, and the states of the decoders. */

import { KernelSpace } from '../raster/kernels.ts';
import { LzwDecoder } from './codec-lzw.ts';
import { StreamDecoder, type StreamKind } from './native-stream.ts';

/** For one thread, and one block at a time. It grows to the largest block that was decoded with it. */
export class DecodeMemory {
  readonly lzw = new LzwDecoder();
  readonly #streams = new Map<StreamKind, StreamDecoder>();
  #block: Uint8Array<ArrayBuffer> = new Uint8Array(0);

  /** At least `bytes`; what the last caller had is overwritten. */
  room(bytes: number): Uint8Array<ArrayBuffer> {
    // Where the compiled loops find it, which take samples out of it.
    if (this.#block.length < bytes) this.#block = new KernelSpace(bytes).allocate('uint8', bytes) as Uint8Array<ArrayBuffer>;
    return this.#block;
  }

  stream(kind: StreamKind): StreamDecoder {
    const known = this.#streams.get(kind);
    if (known !== undefined) return known;
    const made = new StreamDecoder(kind);
    this.#streams.set(kind, made);
    return made;
  }
}
