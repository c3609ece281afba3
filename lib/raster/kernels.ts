/**
 * The compiled loops of kernels/, and the memory that they work in. Samples that lie in such memory are taken where they are; others are copied into it, chunk by chunk
 * (docs/decisions/kernels.md).
 */
import { OperationError } from '../base/errors.ts';
import { dtypeOf, sampleArrays, type Dtype, type SampleArray } from './dtype.ts';
import { kernelModule } from './kernels.generated.ts';

/** What kernels/*.ts export. Addresses are bytes in their memory. */
type Kernels = {
  readonly [name in `statistics_${Dtype}`]: (at: number, length: number, empty: number, shift: number, state: number) => void;
} & {
  readonly [name in `average_${Dtype}`]: (from: number, columns: number, rows: number, to: number, hasNodata: boolean, nodata: number, replacement: number) => void;
} & {
  readonly [name in `difference_${8 | 16 | 32}`]: (at: number, columns: number, rows: number, distance: number) => void;
} & {
  readonly [name in `predict_${'float32' | 'float64'}`]: (from: number, stride: number, samples: number, rows: number, bands: number, to: number) => void;
} & {
  readonly [name in `sum_${8 | 16 | 32 | 64}`]: (from: number, rowSamples: number, rows: number, band: number, step: number, column: number, columns: number, to: number) => void;
} & {
  readonly join_planes: (from: number, pixels: number, rows: number, column: number, columns: number, sampleBytes: number, to: number) => void;
} & {
  readonly [name in `read_${Dtype}`]: (from: number, pixels: number, out: number) => void;
} & {
  readonly [name in `readValid_${Dtype}`]: (from: number, pixels: number, out: number, empty: number, valid: number) => 0 | 1;
} & {
  readonly [name in `binary_${CompiledOperation}`]: (out: number, a: number, b: number, pixels: number) => void;
} & {
  readonly where: (out: number, c: number, a: number, b: number, pixels: number) => void;
  readonly choose: (out: number, valid: number, a: number, b: number, pixels: number) => void;
  readonly fill: (out: number, valid: number, a: number, value: number, pixels: number) => void;
  readonly roundWithin: (out: number, a: number, low: number, high: number, pixels: number) => 0 | 1;
} & {
  readonly [name in `deflate_${'runs' | 'matches'}`]: (source: number, length: number, bytes: number, work: number) => number;
} & {
  readonly [name in `deflate_${'runs' | 'matches'}Memory`]: () => number;
} & {
  readonly huffman_lengths: (frequencies: number, symbols: number, limit: number, lengths: number, scratch: number) => void;
  readonly huffman_codes: (lengths: number, symbols: number, codes: number, scratch: number) => void;
  readonly huffman_scratchBytes: () => number;
} & {
  readonly [name in `write_${Exclude<Dtype, 'float64'>}`]: (from: number, pixels: number, to: number) => void;
};

/** Operations of two operands that are compiled. */
export const compiledOperations = ['add', 'subtract', 'multiply', 'divide', 'normalizedDifference', 'less', 'lessEqual', 'greater', 'greaterEqual', 'equal', 'notEqual', 'and', 'or', 'minimum', 'maximum'] as const;

export type CompiledOperation = (typeof compiledOperations)[number];

interface Memory {
  readonly buffer: ArrayBuffer;
}

/** The part of the global that is used: types for Node leave it to those of browsers. */
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Memory: new (pages: { readonly initial: number; readonly maximum: number }) => Memory;
  readonly Instance: new (module: object, imports: { readonly env: { readonly memory: Memory } }) => { readonly exports: unknown };
};

const pageBytes = 64 * 1024;
/** Every array begins at a multiple. */
const alignment = 64;
/** No memory is made larger for its arrays. */
const mostBytes = 2 ** 30;

/** So much is copied at a time: with what comes of it, it stays in the second level of a processor's cache. */
const chunkBytes = 128 * 1024;

/** How many rows, of so many bytes, make a chunk: at least one. */
export function chunkRows(rowBytes: number): number {
  return Math.max(1, Math.floor(chunkBytes / rowBytes));
}

/** By its memory. */
const spaces = new WeakMap<ArrayBufferLike, KernelSpace>();

/**
 * The loops, and memory of their own: arrays that are handed out once and stay, and behind them room that belongs to whoever is at work, until its call returns.
 */
export class KernelSpace {
  /** Compiled when it is needed first: most processes only read and write. */
  static #module: object | undefined;
  /** For samples that lie elsewhere. It has no arrays, so another may take its place. */
  static #shared: KernelSpace | undefined;
  readonly memory: Memory;
  readonly kernels: Kernels;
  /** Where the room begins. It goes on to the end. */
  readonly room: number;
  #free = 0;

  /**
   * @param bytes of the arrays; what would be too much for one memory is allocated elsewhere
   * @param roomBytes of the room behind them: by default for a chunk and all that is made of it
   */
  constructor(bytes = 0, roomBytes = 4 * chunkBytes) {
    this.room = Math.ceil(Math.min(bytes, mostBytes) / alignment) * alignment;
    const pages = Math.max(1, Math.ceil((this.room + roomBytes) / pageBytes));
    KernelSpace.#module ??= new WebAssembly.Module(Buffer.from(kernelModule, 'hex'));
    try {
      // It never grows: then it would be another, and all arrays gone.
      this.memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    } catch (cause) {
      throw new OperationError(
        'KERNEL_MEMORY',
        `No memory of ${String(pages * pageBytes)} bytes for compiled loops can be made. V8 takes 10 GiB of addresses for each: where they are limited (ulimit -v), run with NODE_OPTIONS=--disable-wasm-trap-handler`,
        { cause },
      );
    }
    this.kernels = new WebAssembly.Instance(KernelSpace.#module, { env: { memory: this.memory } }).exports as Kernels;
    spaces.set(this.memory.buffer, this);
  }

  /** Bytes for arrays of which each is allocated by itself. */
  static bytes(arrays: readonly { readonly dtype: Dtype; readonly length: number }[]): number {
    return arrays.reduce((sum, { dtype, length }) => sum + length * sampleArrays[dtype].BYTES_PER_ELEMENT + alignment, 0);
  }

  /** The space in which samples lie. */
  static of(samples: SampleArray): KernelSpace | undefined {
    return spaces.get(samples.buffer);
  }

  /** Zeroed samples; in memory like any other where there is no place left. */
  allocate(dtype: Dtype, length: number): SampleArray {
    const type = sampleArrays[dtype];
    const from = this.#free;
    const end = from + length * type.BYTES_PER_ELEMENT;
    if (end > this.room) return new type(length);
    this.#free = Math.ceil(end / alignment) * alignment;
    return new type(this.memory.buffer, from, length);
  }

  /** The thread's space for samples that lie elsewhere, with so many bytes of room. */
  static withRoom(bytes: number): KernelSpace {
    const known = KernelSpace.#shared;
    if (known !== undefined && bytes <= known.memory.buffer.byteLength) return known;
    return (KernelSpace.#shared = new KernelSpace(0, Math.max(4 * chunkBytes, bytes)));
  }

  /** Itself, or the shared space of the thread if `bytes` of room are too much for this one, whose arrays must stay where they are. */
  withRoom(bytes: number): KernelSpace {
    return this.room + bytes <= this.memory.buffer.byteLength ? this : KernelSpace.withRoom(bytes);
  }

  /** `length` samples of the kind of `like` from an address on. */
  view<T extends SampleArray>(like: T, address: number, length: number): T {
    // Not its own constructor: that of a Buffer is another.
    return new sampleArrays[dtypeOf(like)](this.memory.buffer, address, length) as T;
  }

  /**
   * Copies rows to an address, close together.
   * @param offset of the first sample
   * @param stride samples from one row to the next
   */
  copyIn(samples: SampleArray, offset: number, columns: number, rows: number, stride: number, address: number): void {
    const there = this.view(samples, address, columns * rows);
    if (stride === columns) there.set(samples.subarray(offset, offset + columns * rows));
    else for (let row = 0, from = offset, to = 0; row < rows; row++, from += stride, to += columns) there.set(samples.subarray(from, from + columns), to);
  }

  /** The other direction. */
  copyOut(address: number, samples: SampleArray, offset: number, columns: number, rows: number, stride: number): void {
    const there = this.view(samples, address, columns * rows);
    if (stride === columns) samples.set(there, offset);
    else for (let row = 0, from = 0, to = offset; row < rows; row++, from += columns, to += stride) samples.set(there.subarray(from, from + columns), to);
  }
}
