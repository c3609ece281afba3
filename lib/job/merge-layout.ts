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
import type { SegmentBlock } from './segment.ts';
import { OperationError } from '../base/errors.ts';

/** A segment in the file to be. */
interface Placed {
  readonly href: string;
  readonly bytes: number;
  /** Where its blocks begin, counted from the end of the header and the blocks copied to the front. */
  readonly place: number;
}

/** Where the first block of a level lies. */
interface FirstBlock {
  readonly index: number;
  readonly href: string;
  readonly offset: number;
  readonly length: number;
}

/** Gathers the blocks of all segments, and then says how the file is made. Memory: 12 bytes a block of the output. */
export class MergeLayout {
  readonly #image: CogImage;
  readonly #tables: readonly BlockTable[];
  readonly #placed: Placed[] = [];
  readonly #first: (FirstBlock | undefined)[];
  #dataBytes = 0;

  constructor(image: CogImage) {
    this.#image = image;
    this.#tables = image.levels.map((level) => createBlockTable(level, image.blockSize));
    this.#first = image.levels.map(() => undefined);
  }

  /**
   * Appends a segment. Of blocks that two segments have, as after a repeated batch, the first is taken; a segment that has nothing new is left out.
   * @throws OperationError SEGMENT_BLOCK for a block that the image doesn't have
   */
  add(href: string, dataBytes: number, blocks: readonly SegmentBlock[]): void {
    let used = false;
    for (const { level, column, row, offset, length } of blocks) {
      const table = this.#tables[level];
      const size = this.#image.levels[level];
      if (table === undefined || size === undefined) throw new OperationError('SEGMENT_BLOCK', `${href} has a block of level ${String(level)}, which the output doesn't have`);
      const { across, down } = blockGrid(size, this.#image.blockSize);
      if (column >= across || row >= down) throw new OperationError('SEGMENT_BLOCK', `${href} has block ${String(column)},${String(row)} of level ${String(level)}, which has ${String(across)} x ${String(down)}`);
      const index = row * across + column;
      if (table.lengths[index] !== 0) continue;
      used = true;
      table.lengths[index] = length;
      table.offsets[index] = this.#dataBytes + offset;
      const first = this.#first[level];
      if (first === undefined || index < first.index) this.#first[level] = { index, href, offset, length };
    }
    if (!used) return;
    this.#placed.push({ href, bytes: dataBytes, place: this.#dataBytes });
    this.#dataBytes += dataBytes;
  }

  /** The finished file in pieces, and whether it is a BigTIFF. Call once. */
  finish(): { readonly pieces: readonly Piece[]; readonly bytes: number; readonly bigTiff: boolean } {
    const lead = this.#leadingBlocks();
    const leadBytes = lead.reduce((sum, { block }) => sum + block.length, 0);
    const rest = leadBytes + this.#dataBytes;
    const format: IfdFormat = needsBigTiff(cogHeaderBytes(this.#image, 'classic') + rest) ? 'big' : 'classic';
    const headerBytes = cogHeaderBytes(this.#image, format);
    for (const { offsets, lengths } of this.#tables) {
      for (let i = 0; i < offsets.length; i++) if (lengths[i] !== 0) offsets[i] = (offsets[i] as number) + headerBytes + leadBytes;
    }
    let place = headerBytes;
    for (const { level, block } of lead) {
      (this.#tables[level] as BlockTable).offsets[block.index] = place;
      place += block.length;
    }
    const header = writeCogHeader(this.#image, format, this.#tables);
    const pieces: Piece[] = [
      { kind: 'bytes', bytes: header },
      ...lead.map(({ block: { href, offset, length } }): Piece => ({ kind: 'range', href, offset, length })),
      ...this.#placed.map(({ href, bytes }): Piece => ({ kind: 'range', href, offset: 0, length: bytes })),
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
