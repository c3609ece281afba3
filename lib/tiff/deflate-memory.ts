/** Where deflate streams are made, so that the compiled loops find it: the source, the stream, and an encoder's own tables. */
import type { Dtype, SampleArray, sampleArrays } from '../raster/dtype.ts';
import { KernelSpace } from '../raster/kernels.ts';

type Tables = Readonly<Record<string, { readonly dtype: Dtype; readonly length: number }>>;

type Arrays<T extends Tables> = { readonly [name in keyof T]: InstanceType<(typeof sampleArrays)[T[name]['dtype']]> };

interface Stream<T extends Tables> {
  readonly space: KernelSpace;
  readonly source: Uint8Array;
  readonly bytes: Uint8Array;
  readonly tables: Arrays<T>;
}

/** The loops look at bytes behind the source, and write some behind the stream. */
const bytesBehind = 32;

/** For one stream at a time, and as large as the longest source that was there. */
export class DeflateMemory<T extends Tables> {
  readonly #tables: T;
  #stream: Stream<T> | undefined;

  constructor(tables: T) {
    this.#tables = tables;
  }

  /**
   * Room for a stream, with the source in it. What tables hold is of no use any more.
   * @param most bytes of the stream
   */
  begin(source: Uint8Array, most: number): Stream<T> {
    const known = this.#stream;
    const stream = known !== undefined && known.source.length >= source.length + bytesBehind && known.bytes.length >= most + bytesBehind ? known : this.#make(source.length, most);
    this.#stream = stream;
    stream.source.set(source);
    return stream;
  }

  #make(sourceBytes: number, most: number): Stream<T> {
    const lengths = { source: sourceBytes + bytesBehind, bytes: most + bytesBehind };
    const tables = Object.entries(this.#tables);
    const space = new KernelSpace(KernelSpace.bytes([{ dtype: 'uint8', length: lengths.source }, { dtype: 'uint8', length: lengths.bytes }, ...tables.map(([, table]) => table)]), 64);
    const allocate = (dtype: Dtype, length: number): SampleArray => {
      const made = space.allocate(dtype, length);
      if (KernelSpace.of(made) !== space) throw new Error(`a block of ${String(sourceBytes)} bytes is too large for one memory`);
      return made;
    };
    return {
      space,
      source: allocate('uint8', lengths.source) as Uint8Array,
      bytes: allocate('uint8', lengths.bytes) as Uint8Array,
      tables: Object.fromEntries(tables.map(([name, { dtype, length }]) => [name, allocate(dtype, length)])) as Arrays<T>,
    };
  }
}
