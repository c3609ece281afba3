/**
 * Node's own inflate and zstd, one block after another with the same state and into memory that the caller uses again.
 *
 * `inflateSync` and `zstdDecompressSync` make a new state and a new buffer for every block. In a worker that is megabytes of garbage outside of
 * V8's heap for every block, whose pages the system hands out and clears again. Node has no public call that decodes into given memory, but the
 * objects behind its streams do. They are used only after they have shown on a known block that they work as expected here;
 * another version of Node, where they don't, decodes by the public functions (docs/decisions/tiff-reader.md has the figures).
 */

import type { Transform } from 'node:stream';
import { constants, createInflate, createZstdDecompress, deflateSync, inflateSync, zstdCompressSync, zstdDecompressSync, type ZstdOptions } from 'node:zlib';

export type StreamKind = 'deflate' | 'zstd';

/** What is used of the object behind a stream. */
interface Native {
  /** Decodes one block whole; gives how much room of `to` is left. @throws Error of zlib; the object is of no use then. */
  readonly decode: (from: Uint8Array, to: Uint8Array) => number;
}

const kinds = {
  deflate: { create: createInflate, flush: constants.Z_FINISH },
  zstd: { create: createDirectZstd, flush: constants.ZSTD_e_end },
} as const;

/** Decodes whole blocks of one kind, one at a time. */
export class StreamDecoder {
  readonly #kind: StreamKind;
  #native: Native | undefined;

  /** @param reuse false for the public functions, whatever this Node has. */
  constructor(kind: StreamKind, reuse = true) {
    this.#kind = kind;
    if (reuse && works(kind)) this.#native = findNative(kind);
  }

  /** Whether blocks are decoded into the caller's memory. */
  get reusesMemory(): boolean {
    return this.#native !== undefined;
  }

  /**
   * The decoded block: a part of `into`, or memory of its own where this Node can't do that. One that is as long as `into` may go on.
   * @throws Error of zlib for damaged bytes.
   */
  decode(bytes: Uint8Array, into: Uint8Array): Uint8Array {
    if (this.#native === undefined) return this.#decodePublic(bytes, into.length);
    try {
      return into.subarray(0, into.length - this.#native.decode(bytes, into));
    } catch (error) {
      // The state of zstd keeps its error for ever (Node 24).
      this.#native = findNative(this.#kind);
      if (this.#kind === 'deflate') throw error;
      // Damaged, or longer than its room: the public function tells which.
      return this.#decodePublic(bytes, into.length);
    }
  }

  #decodePublic(bytes: Uint8Array, most: number): Uint8Array {
    // zlib's default chunk of 16 KiB costs 20 % in joining chunks; with room for all of it at once there is one. 64 is its smallest.
    const options = { chunkSize: most + 64, maxOutputLength: most };
    if (this.#kind === 'zstd') return zstdDecompressSync(bytes, options);
    // Deflate can't grow a byte to more than 1032, so a few bytes don't get the memory of a whole block.
    return inflateSync(bytes, { ...options, chunkSize: Math.min(options.chunkSize, 1032 * bytes.length + 64) });
  }
}

/** Whether the object behind a stream does what is expected of it here with a known block, one that is too long for its room, a damaged one, and the first again. */
function works(kind: StreamKind): boolean {
  const plain = Uint8Array.from({ length: 1000 }, (_, i) => (i * i) >> 3);
  const encoded = kind === 'deflate' ? [deflateSync(plain)] : [0, 1].map((flag) => zstdCompressSync(plain, { params: { [constants.ZSTD_c_contentSizeFlag]: flag } }));
  return encoded.every((block) => {
    let native: Native | undefined;
    const decode = (bytes: Uint8Array, room: number): Uint8Array => {
      native ??= findNative(kind);
      const into = new Uint8Array(room);
      return into.subarray(0, room - (native?.decode(bytes, into) ?? room));
    };
    const refuses = (bytes: Uint8Array, room: number): boolean => {
      const refused = throws(() => decode(bytes, room));
      if (refused) native = undefined;
      return refused;
    };
    const isRight = (room: number): boolean => Buffer.compare(decode(block, room), plain.subarray(0, room)) === 0;
    try {
      // zstd decodes a block that is too long as far as there is room for it, unless it has been told that the room is all there is.
      const isTooLong = kind === 'zstd' ? refuses(block, 999) : isRight(500);
      return isTooLong && isRight(1100) && refuses(Uint8Array.from(block).fill(255, 2), 1100) && isRight(1100) && isRight(1000);
    } catch {
      // This Node refuses the parameter, or the calls.
      return false;
    }
  });
}

function throws(run: () => unknown): boolean {
  try {
    run();
    return false;
  } catch {
    return true;
  }
}

function findNative(kind: StreamKind): Native | undefined {
  const stream = kinds[kind].create({ chunkSize: 64 });
  const handle: unknown = Reflect.get(stream, '_handle');
  // After a call: how much room is left in the output, and how much of the input was not looked at.
  const state: unknown = Reflect.get(stream, '_writeState');
  if (typeof handle !== 'object' || handle === null || !(state instanceof Uint32Array)) return undefined;
  const reset: unknown = Reflect.get(handle, 'reset');
  const writeSync: unknown = Reflect.get(handle, 'writeSync');
  if (typeof reset !== 'function' || typeof writeSync !== 'function') return undefined;
  let problem: string | undefined;
  Reflect.set(handle, 'onerror', (message: unknown) => {
    problem = String(message);
  });
  return {
    decode(from, to) {
      problem = undefined;
      // A frame of zstd that has ended leaves its state ready for the next; a reset would make a new one, and lose its parameters.
      if (kind === 'deflate') Reflect.apply(reset, handle, []);
      Reflect.apply(writeSync, handle, [kinds[kind].flush, from, 0, from.length, to, 0, to.length]);
      if (problem !== undefined) throw new Error(problem);
      return state[0] ?? to.length;
    },
  };
}

/**
 * ZSTD_d_stableOutBuffer of zstd.h: the room for the block is the window, too. Frames of libtiff don't say how long they are, and without this zstd decodes such a
 * frame into a window of its own and copies it from there, which takes a sixth longer.
 */
const stableOutBuffer = 1001;

/** A stream with that parameter. Node's streams take the parameters that Node has names for, so it is added to what the stream hands on when it is made. */
function createDirectZstd(options: ZstdOptions): Transform {
  const handle: unknown = Reflect.get(createZstdDecompress(options), '_handle');
  const prototype = typeof handle === 'object' && handle !== null ? Reflect.getPrototypeOf(handle) : null;
  const init: unknown = prototype === null ? undefined : Reflect.get(prototype, 'init');
  if (prototype === null || typeof init !== 'function') return createZstdDecompress(options);
  Reflect.set(prototype, 'init', function (this: unknown, params: unknown, ...rest: unknown[]): unknown {
    return Reflect.apply(init, this, [params instanceof Uint32Array ? withStableOutBuffer(params) : params, ...rest]);
  });
  try {
    return createZstdDecompress(options);
  } finally {
    Reflect.set(prototype, 'init', init);
  }
}

/** Parameters by their numbers; those that aren't set are -1. */
function withStableOutBuffer(params: Uint32Array): Uint32Array {
  const more = new Uint32Array(stableOutBuffer + 1).fill(2 ** 32 - 1);
  more.set(params);
  more[stableOutBuffer] = 1;
  return more;
}
