/** Gathers the finished tiles of a batch and commits them in segments. */
import { OutputError } from '../base/errors.ts';
import type { ObjectWriter } from '../store/store.ts';
import { encodeIndex, type SegmentBlock, type SegmentTile } from './segment.ts';
import type { TileOutputResult } from './tile-output.ts';

interface Piece {
  readonly level: number;
  readonly column: number;
  readonly row: number;
  readonly bytes: Uint8Array;
}

/** Attempts at finding a free number, before something must be wrong: workers on the same batch are two or three, never a hundred. */
const maxNumbers = 1000;

/** The open segment of one output. */
export class SegmentWriter {
  readonly #store: ObjectWriter;
  readonly #hrefOf: (number: number) => string;
  #number: number;
  #tiles: SegmentTile[] = [];
  #pieces: Piece[] = [];
  #bytes = 0;
  /** Memory of the tiles that wait to be written. */
  #rooms: SharedArrayBuffer[] = [];
  readonly #freeRooms: SharedArrayBuffer[] = [];

  /** @param number of the first segment to write; it counts up from there, over numbers that are taken */
  constructor(store: ObjectWriter, hrefOf: (number: number) => string, number: number) {
    this.#store = store;
    this.#hrefOf = hrefOf;
    this.#number = number;
  }

  /** Bytes of blocks that wait in memory. */
  get bytes(): number {
    return this.#bytes;
  }

  get isEmpty(): boolean {
    return this.#tiles.length === 0 && this.#pieces.length === 0;
  }

  addTile(column: number, row: number, { bytes, blocks, statistics }: TileOutputResult): void {
    this.#tiles.push({ column, row, statistics });
    if (bytes.buffer instanceof SharedArrayBuffer) this.#rooms.push(bytes.buffer);
    for (const { offset, length, ...place } of blocks) this.#add({ ...place, bytes: bytes.subarray(offset, offset + length) });
  }

  /** Memory whose bytes have been written, for the next tile. */
  takeRoom(): SharedArrayBuffer | undefined {
    return this.#freeRooms.pop();
  }

  /** Adds a block that belongs to no single tile; the bytes are copied. */
  addBlock(level: number, column: number, row: number, bytes: Uint8Array): void {
    this.#add({ level, column, row, bytes: bytes.slice() });
  }

  #add(piece: Piece): void {
    this.#pieces.push(piece);
    this.#bytes += piece.bytes.length;
  }

  /**
   * Writes what has been gathered as one segment. Small levels come first, so that a file made of one segment is in COG order already.
   * @param complete says that the batch has nothing more to come
   * @returns the href of the segment
   * @throws OutputError as the store does
   */
  async commit(complete: boolean): Promise<string> {
    const pieces = this.#pieces.toSorted((a, b) => b.level - a.level);
    const tiles = this.#tiles;
    const dataBytes = this.#bytes;
    const rooms = this.#rooms;
    this.#rooms = [];
    this.#pieces = [];
    this.#tiles = [];
    this.#bytes = 0;
    let offset = 0;
    const blocks = pieces.map(({ level, column, row, bytes }): SegmentBlock => {
      const block = { level, column, row, offset, length: bytes.length };
      offset += bytes.length;
      return block;
    });
    const body = [...pieces.map(({ bytes }) => bytes), encodeIndex({ complete, tiles, blocks, dataBytes })];
    for (let tries = 0; tries < maxNumbers; tries++) {
      const href = this.#hrefOf(this.#number++);
      if ((await this.#store.put(href, body, { ifAbsent: true, createFolders: true })) !== 'written') continue;
      this.#freeRooms.push(...rooms);
      return href;
    }
    throw new OutputError('SEGMENT_NUMBERS', `${String(maxNumbers)} segments before ${this.#hrefOf(this.#number)} exist already`);
  }
}
