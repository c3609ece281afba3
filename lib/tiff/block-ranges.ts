/**
 * Where the blocks of one image are: the arrays of offsets and byte counts (tags 273/279, 324/325).
 *
 * A small pair of arrays is read once, in one request. Arrays of a huge image (16 million blocks have 256 MB of them) are read in
 * pages around the blocks that are asked for, so that one tile costs a few requests and little memory.
 */

import { bytesOfType, type Directory, type Entry, readNumber } from './directory.ts';
import { tagError, tiffError } from './fault.ts';
import { type HeaderSource } from './header-source.ts';
import { blockBytes, blockCount, type BlockLayout, type BlockRange } from './layout.ts';
import { type TagNumber, tags } from './tags.ts';

/** Arrays up to this size together, gaps included, are read at once and kept: 65,536 blocks of BigTIFF. */
const smallArrayBytes = 1024 * 1024;

/** One page of a large array: 8192 offsets of 8 bytes. */
const pageBytes = 64 * 1024;

/** Pages kept for each array: 2 MiB, so that neighbouring tiles find what they share. */
const maxPages = 32;

/** The two arrays of one image. */
export class BlockRanges {
  readonly #layout: BlockLayout;
  readonly #source: HeaderSource;
  readonly #littleEndian: boolean;
  readonly #offsets: Entry;
  readonly #counts: Entry;
  readonly #pages = new Map<string, Promise<DataView>>();
  readonly #small: { readonly offset: number; readonly length: number } | undefined;
  readonly #maxLength: number;

  /** @throws DataError TIFF_MISSING_TAG, TIFF_BAD_DIRECTORY or TIFF_TRUNCATED when the arrays can't hold what the layout needs. */
  constructor(directory: Directory, layout: BlockLayout) {
    const tiled = layout.organisation === 'tiled';
    this.#layout = layout;
    this.#source = directory.source;
    this.#littleEndian = directory.littleEndian;
    this.#offsets = checkArray(directory, tiled ? tags.TileOffsets : tags.StripOffsets, layout);
    this.#counts = checkArray(directory, tiled ? tags.TileByteCounts : tags.StripByteCounts, layout);
    const start = Math.min(this.#offsets.valueOffset, this.#counts.valueOffset);
    const end = Math.max(endOf(this.#offsets), endOf(this.#counts));
    this.#small = end - start <= smallArrayBytes ? { offset: start, length: end - start } : undefined;
    // No codec here makes a block of real data four times larger; JPEG and WebP have headers besides. What is longer is hostile.
    this.#maxLength = 4 * blockBytes(layout) + 1024 * 1024;
  }

  /**
   * Where each of the blocks is, in the order asked; offset 0 and length 0 for a sparse one.
   * @throws DataError TIFF_TRUNCATED for a block beyond the end of the file, TIFF_TOO_LARGE for one that can't be that long.
   */
  async of(blocks: readonly number[]): Promise<BlockRange[]> {
    const total = blockCount(this.#layout);
    const wrong = blocks.find((block) => !Number.isInteger(block) || block < 0 || block >= total);
    if (wrong !== undefined) throw new RangeError(`block ${wrong} of ${this.#layout.href}: wanted 0 to ${total - 1}`);
    // All pages are asked for before any is awaited, so that the requests overlap.
    const [offsets, counts] = await Promise.all([this.#values(this.#offsets, blocks), this.#values(this.#counts, blocks)]);
    return blocks.map((block, i) => this.#range(block, offsets[i] ?? 0, counts[i] ?? 0));
  }

  #range(block: number, offset: number, length: number): BlockRange {
    // GDAL marks a block that was never written by two zeros; either alone can't be a block.
    if (offset === 0 || length === 0) return { offset: 0, length: 0 };
    const { href, directory } = this.#layout;
    if (offset + length > this.#source.size) {
      const tag = offset >= this.#source.size ? this.#offsets.tag : this.#counts.tag;
      const value = tag === this.#offsets.tag ? offset : length;
      throw tagError('TIFF_TRUNCATED', href, directory, tag, value, `says that block ${block} lies at bytes ${offset} to ${offset + length}, but the file has ${this.#source.size} bytes`);
    }
    if (length > this.#maxLength) {
      throw tagError('TIFF_TOO_LARGE', href, directory, this.#counts.tag, length, `says that block ${block} has ${length} bytes; a block of ${blockBytes(this.#layout)} bytes decoded can't have more than ${this.#maxLength}`);
    }
    return { offset, length };
  }

  async #values(entry: Entry, blocks: readonly number[]): Promise<number[]> {
    const size = bytesOfType(entry.type);
    const reads = blocks.map(async (block) => {
      const at = block * size;
      const page = this.#small ?? pageOf(entry, at);
      const view = await this.#page(page);
      return readNumber(view, entry.valueOffset + at - page.offset, entry.type, this.#littleEndian);
    });
    return Promise.all(reads);
  }

  #page(page: { readonly offset: number; readonly length: number }): Promise<DataView> {
    const key = `${page.offset}`;
    const known = this.#pages.get(key);
    const loading = known ?? this.#load(page.offset, page.length);
    // The page used last is the last to go.
    this.#pages.delete(key);
    this.#pages.set(key, loading);
    if (known !== undefined) return known;
    // A failed request may succeed when it is made again.
    loading.catch(() => this.#pages.delete(key));
    if (this.#pages.size > 2 * maxPages) {
      const [oldest] = this.#pages.keys();
      if (oldest !== undefined) this.#pages.delete(oldest);
    }
    return loading;
  }

  async #load(offset: number, length: number): Promise<DataView> {
    const bytes = this.#source.cached(offset, length) ?? (await this.#source.read(offset, length));
    return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }
}

function pageOf(entry: Entry, at: number): { offset: number; length: number } {
  const start = Math.floor(at / pageBytes) * pageBytes;
  return { offset: entry.valueOffset + start, length: Math.min(pageBytes, endOf(entry) - entry.valueOffset - start) };
}

function endOf(entry: Entry): number {
  return entry.valueOffset + entry.count * bytesOfType(entry.type);
}

/** Integer types that an array of offsets or byte counts may have. */
const integerTypes = new Set([3, 4, 13, 16, 18]);

function checkArray(directory: Directory, tag: TagNumber, layout: BlockLayout): Entry {
  const entry = directory.entry(tag);
  const wanted = blockCount(layout);
  if (entry === undefined) throw tagError('TIFF_MISSING_TAG', directory.href, directory.index, tag, null, `is missing; wanted one value for each of ${wanted} blocks`);
  if (!integerTypes.has(entry.type)) {
    throw tagError('TIFF_BAD_DIRECTORY', directory.href, directory.index, tag, entry.type, `has field type ${entry.type}; wanted SHORT (3), LONG (4) or LONG8 (16)`);
  }
  if (entry.count < wanted) {
    throw tagError('TIFF_BAD_DIRECTORY', directory.href, directory.index, tag, entry.count, `has ${entry.count} values; wanted one for each of ${wanted} blocks`);
  }
  // Values beyond the last block are of no use; a count of 2^32 must not matter.
  const trimmed = { ...entry, count: wanted };
  if (endOf(trimmed) > directory.source.size) {
    throw tiffError('TIFF_TRUNCATED', directory.href, `directory ${directory.index}: the ${wanted} values of tag ${tag} lie at bytes ${entry.valueOffset} to ${endOf(trimmed)}, but the file has ${directory.source.size} bytes`, { directory: directory.index, tag });
  }
  return trimmed;
}
