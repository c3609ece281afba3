/**
 * Blocks of the inputs that more than one tile of a batch needs: those at the edges of tiles, when there is a margin or when the blocks of an
 * input don't end where tiles do. Each is fetched and decoded once, kept while tiles of the batch still want it, and then its memory is used
 * for another.
 */

/** A block on its way, or there. */
interface SharedBlock {
  /** Tiles that still want it. */
  uses: number;
  /** undefined for a block that was never written. */
  readonly decoded: Promise<SharedArrayBuffer | undefined>;
}

/** How the tile that fetches a block tells the others of it. */
export type Arrival = Pick<PromiseWithResolvers<SharedArrayBuffer | undefined>, 'resolve' | 'reject'>;

export class SharedBlocks {
  readonly #blocks = new Map<string, SharedBlock>();
  readonly #free = new Map<number, SharedArrayBuffer[]>();
  #bytes = 0;
  #mostBytes = 0;

  /** The most bytes of decoded blocks that there were at a time. */
  get mostBytes(): number {
    return this.#mostBytes;
  }

  /** The block, if an earlier tile has asked for it. */
  get(key: string): Promise<SharedArrayBuffer | undefined> | undefined {
    return this.#blocks.get(key)?.decoded;
  }

  /**
   * Announces a block that nobody has asked for yet.
   * @param uses how many tiles will, this one included
   * @returns what says that it is there, or that it can't be read
   */
  announce(key: string, uses: number): Arrival {
    const { promise, resolve, reject } = Promise.withResolvers<SharedArrayBuffer | undefined>();
    // Whoever waits for it sees the error; nobody may.
    promise.catch(() => undefined);
    this.#blocks.set(key, { uses, decoded: promise });
    return { resolve, reject };
  }

  /** Memory for a decoded block. */
  allocate(byteLength: number): SharedArrayBuffer {
    this.#bytes += byteLength;
    this.#mostBytes = Math.max(this.#mostBytes, this.#bytes);
    return this.#free.get(byteLength)?.pop() ?? new SharedArrayBuffer(byteLength);
  }

  /** Says that a tile has no more need of a block. */
  release(key: string): void {
    const block = this.#blocks.get(key);
    if (block === undefined) return;
    block.uses--;
    if (block.uses > 0) return;
    this.#blocks.delete(key);
    // It is there: the tile that has done with it had it.
    void block.decoded.then((buffer: SharedArrayBuffer | undefined) => {
      if (buffer === undefined) return;
      this.#bytes -= buffer.byteLength;
      const free = this.#free.get(buffer.byteLength) ?? [];
      free.push(buffer);
      this.#free.set(buffer.byteLength, free);
    });
  }
}
