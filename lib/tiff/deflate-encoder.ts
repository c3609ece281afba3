/** Our deflate encoders (RFC 1951, in zlib streams, RFC 1950), which are compiled: runs of one byte (kernels/deflate-runs.ts), and matches in smooth data (kernels/deflate-matches.ts). */
import { KernelSpace } from '../raster/kernels.ts';

export type DeflateMethod = 'runs' | 'matches';

/** RFC 1951 section 3.2.4. */
const largestStored = 65535;
/** No block of a stream but the last is of fewer bytes. */
const fewestBlockBytes = 1 << 16;
/** The loops look at bytes behind the source, and write some behind the stream. */
const bytesBehind = 32;

/** Where streams are made, so that the loops find it. */
interface Workplace {
  readonly space: KernelSpace;
  readonly source: Uint8Array;
  readonly bytes: Uint8Array;
  /** What the loops keep beside them. */
  readonly work: Uint8Array;
}

/** Encodes blocks of bytes one after another, in memory that is as large as the longest of them wants. */
export class Deflater {
  readonly #method: DeflateMethod;
  #workplace: Workplace | undefined;

  constructor(method: DeflateMethod) {
    this.#method = method;
  }

  /** @returns a whole zlib stream, a view that the next call overwrites */
  encode(block: Uint8Array): Uint8Array {
    const known = this.#workplace;
    const { space: { kernels }, source, bytes, work } = (this.#workplace = known !== undefined && known.source.length >= block.length + bytesBehind ? known : this.#make(block.length));
    source.set(block);
    const length = kernels[`deflate_${this.#method}`](source.byteOffset, block.length, bytes.byteOffset, work.byteOffset);
    return bytes.subarray(0, length);
  }

  #make(sourceBytes: number): Workplace {
    const lengths = [sourceBytes + bytesBehind, mostStreamBytes(sourceBytes) + bytesBehind, KernelSpace.withRoom(0).kernels[`deflate_${this.#method}Memory`]()];
    const space = new KernelSpace(KernelSpace.bytes(lengths.map((length) => ({ dtype: 'uint8', length }))), 64);
    const [source, bytes, work] = lengths.map((length) => {
      const made = space.allocate('uint8', length);
      if (KernelSpace.of(made) !== space) throw new Error(`a block of ${String(sourceBytes)} bytes is too large for one memory`);
      return made as Uint8Array;
    }) as [Uint8Array, Uint8Array, Uint8Array];
    return { space, source, bytes, work };
  }
}

/** Bytes of a stream for so many, at most: stored blocks are the worst that is written, five bytes each; and a block may end in the middle of its tokens' bytes. */
function mostStreamBytes(length: number): number {
  return length + 5 * (Math.ceil(length / largestStored) + Math.ceil(length / fewestBlockBytes) + 1) + 16;
}
