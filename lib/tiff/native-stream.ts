/**
 * Node's own inflate and zstd, one block after another with the same state and into memory that the caller uses again.
 *
 * `inflateSync` and `zstdDecompressSync` make a new state and a new buffer for every block. In a worker that is megabytes of garbage outside of
 * V8's heap for every block, whose pages the system hands out and clears again. Node has no public call that decodes into given memory, but the
 * objects behind its streams do. They are used only after they have shown on a known block that they work as expected here;
 * another version of Node, where they don't, decodes by the public functions (docs/decisions/tiff-reader.md has the figures).
 */

import { constants, createInflate, createZstdDecompress, deflateSync, inflateSync, zstdCompressSync, zstdDecompressSync } from 'node:zlib';

export type StreamKind = 'deflate' | 'zstd';

/** What is used of the object behind a stream. */
interface Native {
  /** Decodes one block whole; gives how much room of `to` is left. @throws Error of zlib; the object is of no use then. */
  readonly decode: (from: Uint8Array, to: Uint8Array) => number;
}

const kinds = {
  deflate: { create: createInflate, encode: deflateSync, flush: constants.Z_FINISH },
  zstd: { create: createZstdDecompress, encode: zstdCompressSync, flush: constants.ZSTD_e_end },
} as const;

/** Decodes whole blocks of one kind, one at a time. */
export class StreamDecoder {
  readonly #kind: StreamKind;
  #native: Native | undefined;
  readonly #frames = new SizedFrames();

  /** @param reuse false for the public functions, whatever this Node has. */
  constructor(kind: StreamKind, reuse = true) {
    this.#kind = kind;
    this.#native = reuse ? findNative(kind) : undefined;
    if (this.#native !== undefined && !this.#works()) this.#native = undefined;
  }

  /** Whether blocks are decoded into the caller's memory. */
  get reusesMemory(): boolean {
    return this.#native !== undefined;
  }

  /**
   * The decoded block: a part of `into`, or memory of its own where this Node can't do that. One that is as long as `into` may go on.
   * @param likely how long it should be; decoding is faster when it is
   * @throws Error of zlib for damaged bytes.
   */
  decode(bytes: Uint8Array, into: Uint8Array, likely?: number): Uint8Array {
    const native = this.#native;
    if (native === undefined) return this.#decodePublic(bytes, into.length);
    const sized = this.#kind === 'zstd' && likely !== undefined ? this.#frames.sized(bytes, likely) : undefined;
    if (sized === undefined) return this.#decodeInto(native, bytes, into);
    try {
      return this.#decodeInto(native, sized, into);
    } catch {
      // It is longer or shorter, or damaged, which the frame as it is will show.
      return this.decode(bytes, into);
    }
  }

  #decodeInto(native: Native, bytes: Uint8Array, into: Uint8Array): Uint8Array {
    try {
      const left = native.decode(bytes, into);
      // What fills its room may not have ended.
      if (left === 0 && this.#kind === 'zstd') this.#native = findNative(this.#kind);
      return into.subarray(0, into.length - left);
    } catch (error) {
      // The state of zstd keeps its error for ever (Node 24).
      this.#native = findNative(this.#kind);
      throw error;
    }
  }

  #decodePublic(bytes: Uint8Array, most: number): Uint8Array {
    // zlib's default chunk of 16 KiB costs 20 % in joining chunks; with room for all of it at once there is one. 64 is its smallest.
    const options = { chunkSize: most + 64, maxOutputLength: most };
    if (this.#kind === 'zstd') return zstdDecompressSync(bytes, options);
    // Deflate can't grow a byte to more than 1032, so a few bytes don't get the memory of a whole block.
    return inflateSync(bytes, { ...options, chunkSize: Math.min(options.chunkSize, 1032 * bytes.length + 64) });
  }

  /** Decodes a known block, one that is too long for its room, a damaged one, and the first again. */
  #works(): boolean {
    const plain = Uint8Array.from({ length: 1000 }, (_, i) => (i * i) >> 3);
    const encoded = kinds[this.#kind].encode(plain);
    const isRight = (room: number): boolean => Buffer.compare(this.decode(encoded, new Uint8Array(room)), plain.subarray(0, room)) === 0;
    const damaged = Uint8Array.from(encoded).fill(255, 2);
    try {
      return isRight(1100) && isRight(500) && throws(() => this.decode(damaged, new Uint8Array(1100))) && isRight(1000);
    } catch {
      return false;
    }
  }
}

/**
 * Frames of zstd that say how long they are. Those of libtiff don't, so zstd would decode them into a window of its own and copy them from there, which takes a
 * fifth longer; and whoever reads a TIFF knows how long a block is. If it isn't so, zstd says so.
 */
class SizedFrames {
  #room = new Uint8Array(0);

  /** The frame with its content size (RFC 8878 section 3.1.1.1), which the next call overwrites; undefined where it has one, and where it isn't plain. */
  sized(frame: Uint8Array, size: number): Uint8Array | undefined {
    const [a, b, c, d, descriptor = 0] = frame;
    const isFrame = a === 0x28 && b === 0xb5 && c === 0x2f && d === 0xfd;
    // All but the flag of a checksum is 0: no content size, no single segment, no dictionary.
    if (!isFrame || (descriptor & ~checksumFlag) !== 0 || size >= 2 ** 32) return undefined;
    const length = frame.length + sizeBytes;
    if (this.#room.length < length) this.#room = new Uint8Array(length);
    const room = this.#room;
    room.set(frame.subarray(0, headerBytes));
    room[descriptorAt] = descriptor | fourByteSize;
    new DataView(room.buffer).setUint32(headerBytes, size, true);
    room.set(frame.subarray(headerBytes), headerBytes + sizeBytes);
    return room.subarray(0, length);
  }
}

/** Magic number, descriptor, window. */
const headerBytes = 6;
const descriptorAt = 4;
const checksumFlag = 0x04;
const fourByteSize = 0x80;
const sizeBytes = 4;

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
      // A frame of zstd that has ended leaves its state ready for the next; a reset would make a new one, with a window of megabytes.
      if (kind === 'deflate') Reflect.apply(reset, handle, []);
      Reflect.apply(writeSync, handle, [kinds[kind].flush, from, 0, from.length, to, 0, to.length]);
      if (problem !== undefined) throw new Error(problem);
      return state[0] ?? to.length;
    },
  };
}
