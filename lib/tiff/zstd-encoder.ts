/**
 * zstd with one state for all blocks, into memory that is used again.
 *
 * `zstdCompressSync` makes a new state and a new buffer for every block: megabytes of garbage outside of V8's heap, and with level 1 more time than the
 * compression itself. As in native-stream.ts, the object behind Node's stream is used only after it has shown that it works as expected here; another
 * version of Node, where it doesn't, compresses by the public function. The bytes are the same.
 */
import { constants, createZstdCompress, zstdCompressSync } from 'node:zlib';

/** Compresses into `to`; gives how many bytes. @throws Error when they don't fit */
type Native = (from: Uint8Array, to: Uint8Array) => number;

export class ZstdEncoder {
  readonly #params: Readonly<Record<number, number>>;
  readonly #native: Native | undefined;
  #room = new Uint8Array(0);

  /** @param reuse false for the public function, whatever this Node has */
  constructor(level: number, reuse = true) {
    this.#params = { [constants.ZSTD_c_compressionLevel]: level };
    const native = reuse ? findNative(this.#params) : undefined;
    this.#native = native !== undefined && this.#works(native) ? native : undefined;
  }

  /** Whether blocks are compressed with one state. */
  get reusesMemory(): boolean {
    return this.#native !== undefined;
  }

  /**
   * @param room where the result is to be: memory for so many bytes
   * @returns a view of it; without one, a view that the next call overwrites
   */
  encode(block: Uint8Array, room: (bytes: number) => Uint8Array = (bytes) => this.#ownRoom(bytes)): Uint8Array {
    const most = mostBytes(block);
    if (this.#native === undefined) return zstdCompressSync(block, { params: this.#params, chunkSize: most });
    const to = room(most);
    return to.subarray(0, this.#native(block, to));
  }

  #ownRoom(bytes: number): Uint8Array {
    if (this.#room.length < bytes) this.#room = new Uint8Array(bytes);
    return this.#room;
  }

  /** Compresses two blocks, the second of them once more after the first. */
  #works(native: Native): boolean {
    const first = Uint8Array.from({ length: 1000 }, (_, i) => (i * i) >> 3);
    const second = new Uint8Array(3000);
    const to = new Uint8Array(mostBytes(second));
    const isRight = (block: Uint8Array): boolean => Buffer.compare(to.subarray(0, native(block, to)), zstdCompressSync(block, { params: this.#params })) === 0;
    try {
      return isRight(first) && isRight(second) && isRight(first);
    } catch {
      return false;
    }
  }
}

/**
 * zstd's own bound of a compressed block (ZSTD_COMPRESSBOUND of zstd.h) and a little more. With so much room it compresses from one memory straight into
 * the other; with less it does so through buffers of its own, which takes a tenth longer.
 */
function mostBytes(block: Uint8Array): number {
  return block.length + (block.length >> 8) + 1024;
}

function findNative(params: Readonly<Record<number, number>>): Native | undefined {
  const stream = createZstdCompress({ params, chunkSize: 64 });
  const handle: unknown = Reflect.get(stream, '_handle');
  // After a call: how much room is left in the output, and how much of the input was not looked at.
  const state: unknown = Reflect.get(stream, '_writeState');
  if (typeof handle !== 'object' || handle === null || !(state instanceof Uint32Array)) return undefined;
  const writeSync: unknown = Reflect.get(handle, 'writeSync');
  if (typeof writeSync !== 'function') return undefined;
  let problem: string | undefined;
  Reflect.set(handle, 'onerror', (message: unknown) => {
    problem = String(message);
  });
  return (from, to) => {
    problem = undefined;
    // The end of a frame begins the next one, with the same parameters; a reset would lose them.
    Reflect.apply(writeSync, handle, [constants.ZSTD_e_end, from, 0, from.length, to, 0, to.length]);
    const [room = 0, left = 0] = state;
    if (problem !== undefined || room === 0 || left > 0) throw new Error(`zstd could not compress a block of ${String(from.length)} bytes: ${problem ?? 'no room'}`);
    return to.length - room;
  };
}
