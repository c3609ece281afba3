/**
 * How the segments of one output become one file. Segments are taken over whole, so the file is the header, then segments one after another; a
 * block's offset in the file is its segment's place plus its offset there.
 *
 * A COG's overviews have to begin before the next larger level does. The first block of a level that would come too late is therefore copied to the
 * front; its bytes in the segment are then unused. That costs a few blocks in a file of any size.
 */
import { cogHeaderBytes, createBlockTable, blockGrid, needsBigTiff, writeCogHeader, type BlockTable, type CogImage } from '../tiff/cog-header.ts';
import type { IfdFormat } from '../tiff/tag-writer.ts';
import { maxPartBytes, maxParts, minPartBytes, type Part, type Piece } from '../store/store.ts';
import type { StoredBlock } from './quarters.ts';
import { blockValues } from './segment.ts';
import { OperationError } from '../base/errors.ts';

/** A segment in the file to be. */
interface Placed {
  readonly href: string;
  readonly bytes: number;
  /** Where its blocks begin, counted from the first segment of its group. */
  readonly place: number;
}

/** Where the first block of a level lies. */
interface FirstBlock {
  readonly index: number;
  readonly href: string;
  readonly offset: number;
  readonly length: number;
}

/** Segments that follow one another. */
class Group {
  readonly placed: Placed[] = [];
  bytes = 0;

  append(href: string, bytes: number): void {
    this.placed.push({ href, bytes, place: this.bytes });
    this.bytes += bytes;
  }

  /** The segment that a place lies in. */
  at(place: number): Placed {
    let low = 0;
    let high = this.placed.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.placed[middle] as Placed).place <= place) low = middle;
      else high = middle - 1;
    }
    return this.placed[low] as Placed;
  }
}

/**
 * Gathers the blocks of all segments, says where each lies, and then how the file is made. Memory: 12 bytes a block of the output.
 *
 * There are two groups of segments: those of the batches, and those of the levels above, which come first in the file but are made last. Until the end a
 * table's offset is a place among the batches' segments, or, below zero, -1 - place among those of the levels above.
 */
export class MergeLayout {
  readonly #image: CogImage;
  readonly #tables: readonly BlockTable[];
  readonly #grids: readonly { readonly across: number; readonly down: number }[];
  readonly #batches = new Group();
  readonly #upper = new Group();
  readonly #first: (FirstBlock | undefined)[];

  constructor(image: CogImage) {
    this.#image = image;
    this.#tables = image.levels.map((level) => createBlockTable(level, image.blockSize));
    this.#grids = image.levels.map((level) => blockGrid(level, image.blockSize));
    this.#first = image.levels.map(() => undefined);
  }

  /**
   * Appends a segment of a batch. Of blocks that two segments have, as after a repeated batch, the first is taken; a segment that has nothing new is left out.
   * @param blocks as in SegmentValues
   * @throws OperationError SEGMENT_BLOCK for a block that the image doesn't have
   */
  add(href: string, dataBytes: number, blocks: Float64Array): void {
    this.#add(this.#batches, href, dataBytes, blocks);
  }

  /** The same for a segment of levels above the batches. Its blocks lie before those of the batches. */
  addUpper(href: string, dataBytes: number, blocks: Float64Array): void {
    this.#add(this.#upper, href, dataBytes, blocks);
  }

  #add(group: Group, href: string, dataBytes: number, blocks: Float64Array): void {
    let used = false;
    for (let at = 0; at < blocks.length; at += blockValues) {
      const level = blocks[at] as number;
      const column = blocks[at + 1] as number;
      const row = blocks[at + 2] as number;
      const table = this.#tables[level];
      const grid = this.#grids[level];
      if (table === undefined || grid === undefined) throw new OperationError('SEGMENT_BLOCK', `${href} has a block of level ${String(level)}, which the output doesn't have`);
      if (column >= grid.across || row >= grid.down) throw new OperationError('SEGMENT_BLOCK', `${href} has block ${String(column)},${String(row)} of level ${String(level)}, which has ${String(grid.across)} x ${String(grid.down)}`);
      const index = row * grid.across + column;
      if (table.lengths[index] !== 0) continue;
      used = true;
      const offset = blocks[at + 3] as number;
      const length = blocks[at + 4] as number;
      table.lengths[index] = length;
      table.offsets[index] = group === this.#batches ? group.bytes + offset : -1 - (group.bytes + offset);
      const first = this.#first[level];
      if (first === undefined || index < first.index) this.#first[level] = { index, href, offset, length };
    }
    if (used) group.append(href, dataBytes);
  }

  /** Where a block that has been added is stored; undefined for any other, which is nodata throughout or was never made. */
  locate(level: number, column: number, row: number): StoredBlock | undefined {
    const table = this.#tables[level];
    const index = this.#indexOf(level, column, row);
    const length = table?.lengths[index] ?? 0;
    if (table === undefined || length === 0) return undefined;
    const offset = table.offsets[index] as number;
    const [group, place] = offset < 0 ? [this.#upper, -1 - offset] : [this.#batches, offset];
    const segment = group.at(place);
    return { href: segment.href, offset: place - segment.place, length };
  }

  /** Whether a block has been added. */
  has(level: number, column: number, row: number): boolean {
    return (this.#tables[level]?.lengths[this.#indexOf(level, column, row)] ?? 0) !== 0;
  }

  /** -1 for a block outside of the level. */
  #indexOf(level: number, column: number, row: number): number {
    const grid = this.#grids[level];
    return grid === undefined || column >= grid.across || row >= grid.down ? -1 : row * grid.across + column;
  }

  /**
   * The finished file in pieces, and whether it is a BigTIFF. Call once, and nothing after it.
   * @param metadata XML of GDAL's metadata tag, in place of the image's: statistics are known only when all segments have been read
   */
  finish(metadata?: string): { readonly pieces: readonly Piece[]; readonly bytes: number; readonly bigTiff: boolean } {
    for (const { offsets, lengths } of this.#tables) {
      for (let i = 0; i < offsets.length; i++) {
        const offset = offsets[i] as number;
        if (lengths[i] !== 0) offsets[i] = offset < 0 ? -1 - offset : offset + this.#upper.bytes;
      }
    }
    const image = metadata === undefined ? this.#image : { ...this.#image, metadata };
    const lead = this.#leadingBlocks();
    const leadBytes = lead.reduce((sum, { block }) => sum + block.length, 0);
    const rest = leadBytes + this.#upper.bytes + this.#batches.bytes;
    const format: IfdFormat = needsBigTiff(cogHeaderBytes(image, 'classic') + rest) ? 'big' : 'classic';
    const headerBytes = cogHeaderBytes(image, format);
    for (const { offsets, lengths } of this.#tables) {
      for (let i = 0; i < offsets.length; i++) if (lengths[i] !== 0) offsets[i] = (offsets[i] as number) + headerBytes + leadBytes;
    }
    let place = headerBytes;
    for (const { level, block } of lead) {
      (this.#tables[level] as BlockTable).offsets[block.index] = place;
      place += block.length;
    }
    const header = writeCogHeader(image, format, this.#tables);
    const pieces: Piece[] = [
      { kind: 'bytes', bytes: header },
      ...lead.map(({ block: { href, offset, length } }): Piece => ({ kind: 'range', href, offset, length })),
      ...[...this.#upper.placed, ...this.#batches.placed].map(({ href, bytes }): Piece => ({ kind: 'range', href, offset: 0, length: bytes })),
    ];
    return { pieces, bytes: headerBytes + rest, bigTiff: format === 'big' };
  }

  /** Smallest level first: from the first level on, upwards, that begins after the level below it. */
  #leadingBlocks(): { readonly level: number; readonly block: FirstBlock }[] {
    const begins = (level: number): number | undefined => {
      const first = this.#first[level];
      return first === undefined ? undefined : (this.#tables[level] as BlockTable).offsets[first.index];
    };
    let from: number | undefined;
    let below: number | undefined;
    for (let level = 0; level < this.#first.length && from === undefined; level++) {
      const begin = begins(level);
      if (begin === undefined) continue;
      if (below !== undefined && begin > below) from = level;
      below = begin;
    }
    if (from === undefined) return [];
    const lead: { level: number; block: FirstBlock }[] = [];
    for (let level = this.#first.length - 1; level >= from; level--) {
      const block = this.#first[level];
      if (block !== undefined) lead.push({ level, block });
    }
    return lead;
  }
}

/**
 * Pieces in order, cut into parts of S3's sizes. A range of 5 MiB or more becomes a part of its own wherever it can, because that is copied within
 * S3; smaller ones are gathered, which takes bytes from the next large one only as far as the minimum needs.
 */
export function planParts(pieces: readonly Piece[]): Part[] {
  // Many attempts can leave more segments than an upload has parts; then more of them are gathered into each.
  for (let leastBytes = minPartBytes; ; leastBytes *= 2) {
    const parts = cutParts(pieces, leastBytes);
    if (parts.length <= maxParts) return parts;
  }
}

function cutParts(pieces: readonly Piece[], leastBytes: number): Part[] {
  const parts: Part[] = [];
  let offset = 0;
  let gathered: Piece[] = [];
  let gatheredBytes = 0;
  const flush = (): void => {
    if (gatheredBytes === 0) return;
    parts.push({ number: parts.length + 1, offset, length: gatheredBytes, pieces: gathered });
    offset += gatheredBytes;
    gathered = [];
    gatheredBytes = 0;
  };
  const take = (piece: Piece): void => {
    gathered.push(piece);
    gatheredBytes += pieceBytes(piece);
    if (gatheredBytes >= leastBytes) flush();
  };
  for (const piece of pieces) {
    let rest: Piece | undefined = pieceBytes(piece) === 0 ? undefined : piece;
    while (rest !== undefined) {
      const length = pieceBytes(rest);
      const missing = leastBytes - gatheredBytes;
      if (gatheredBytes > 0 && rest.kind === 'range' && length - missing >= leastBytes) {
        take(slice(rest, 0, missing));
        rest = slice(rest, missing, length - missing);
      } else if (length > maxPartBytes) {
        // The rest of what is cut off stays a legal part too.
        const cut: number = Math.min(maxPartBytes, length - minPartBytes);
        take(slice(rest, 0, cut));
        rest = slice(rest, cut, length - cut);
      } else {
        take(rest);
        rest = undefined;
      }
    }
  }
  flush();
  return parts;
}

function pieceBytes(piece: Piece): number {
  return piece.kind === 'bytes' ? piece.bytes.length : piece.length;
}

function slice(piece: Piece, offset: number, length: number): Piece {
  return piece.kind === 'bytes'
    ? { kind: 'bytes', bytes: piece.bytes.subarray(offset, offset + length) }
    : { kind: 'range', href: piece.href, offset: piece.offset + offset, length };
}
