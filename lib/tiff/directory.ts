/**
 * The chain of image file directories (IFDs), classic (TIFF 6.0 §2) and BigTIFF (www.awaresystems.be/imaging/tiff/bigtiff.html).
 *
 * Only the 12 or 20 bytes of each entry are read here. Values stay in the file until somebody asks for one by `numbers` or `text`,
 * with a bound on their count, so that a header can't make us read more than the tag can mean.
 */

import { tagError, tiffError } from './fault.ts';
import { type HeaderSource } from './header-source.ts';
import { fieldTypeBytes, tagName } from './tags.ts';

/** GDAL itself gives up on a directory of more than 4096 entries: the specifications define a few hundred tags. */
const maxEntries = 4096;

/** A pyramid with masks has at most about 60 images; more are pages of a document, not a raster with overviews. */
const maxDirectories = 1024;

/** Bytes that the values of one tag may take. GDAL_METADATA and tie points of real files stay below 1 MiB. */
const maxTagBytes = 16 * 1024 * 1024;

/** One entry. The values lie at `valueOffset` of the file, inside the entry itself if they fit there. */
export interface Entry {
  readonly tag: number;
  readonly type: number;
  readonly count: number;
  readonly valueOffset: number;
}

export interface TiffHeader {
  readonly byteOrder: 'little' | 'big';
  readonly bigTiff: boolean;
  readonly directories: readonly Directory[];
}

/** One IFD: which tags it has, and access to their values. */
export class Directory {
  /** 0-based place in the chain. */
  readonly index: number;
  readonly source: HeaderSource;
  readonly littleEndian: boolean;
  readonly #entries: ReadonlyMap<number, Entry>;

  constructor(index: number, source: HeaderSource, littleEndian: boolean, entries: ReadonlyMap<number, Entry>) {
    this.index = index;
    this.source = source;
    this.littleEndian = littleEndian;
    this.#entries = entries;
  }

  get href(): string {
    return this.source.href;
  }

  entry(tag: number): Entry | undefined {
    return this.#entries.get(tag);
  }

  /** The values of a numeric tag, or undefined where the tag is absent. Rationals become their quotient. */
  async numbers(tag: number): Promise<number[] | undefined> {
    const entry = this.#entries.get(tag);
    if (entry === undefined) return undefined;
    const view = await this.#values(entry);
    const size = bytesOfType(entry.type);
    return Array.from({ length: entry.count }, (_, i) => readNumber(view, i * size, entry.type, this.littleEndian));
  }

  /** The one value of a numeric tag (the first, if it has more), or undefined where the tag is absent or has no value. */
  async number(tag: number): Promise<number | undefined> {
    const entry = this.#entries.get(tag);
    if (entry === undefined || entry.count === 0) return undefined;
    const view = await this.#values({ ...entry, count: 1 });
    return readNumber(view, 0, entry.type, this.littleEndian);
  }

  /** The value of a text tag up to the first NUL, or undefined where the tag is absent. GDAL writes UTF-8 here. */
  async text(tag: number): Promise<string | undefined> {
    const bytes = await this.bytes(tag);
    if (bytes === undefined) return undefined;
    const end = bytes.indexOf(0);
    return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
  }

  /** The bytes of a tag's values as they are in the file, or undefined where the tag is absent. */
  async bytes(tag: number): Promise<Uint8Array | undefined> {
    const entry = this.#entries.get(tag);
    if (entry === undefined) return undefined;
    const view = await this.#values(entry);
    return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  }

  async #values(entry: Entry): Promise<DataView> {
    const bytes = entry.count * bytesOfType(entry.type);
    if (bytes > maxTagBytes) {
      throw tagError('TIFF_TOO_LARGE', this.href, this.index, entry.tag, entry.count, `has ${entry.count} values of type ${entry.type} (${bytes} bytes); at most ${maxTagBytes} bytes are read`);
    }
    return this.source.bytes(entry.valueOffset, bytes, `directory ${this.index}: ${tagName(entry.tag)} (${entry.count} values)`);
  }
}

/** Bytes of one value of a type that `parseEntries` has let through. */
export function bytesOfType(type: number): number {
  return fieldTypeBytes.get(type) ?? 1;
}

/** Reads the first bytes and every directory. @throws DataError TIFF_NOT_A_TIFF, TIFF_TRUNCATED, TIFF_BAD_DIRECTORY. */
export async function readHeader(source: HeaderSource): Promise<TiffHeader> {
  if (source.size < 8) {
    throw tiffError('TIFF_NOT_A_TIFF', source.href, `not a TIFF: wanted at least 8 bytes, found ${source.size}`);
  }
  const start = await source.bytes(0, 8, 'the header');
  const mark = start.getUint16(0, false);
  if (mark !== 0x4949 && mark !== 0x4d4d) throw notATiff(source, start);
  const littleEndian = mark === 0x4949;
  const version = start.getUint16(2, littleEndian);
  if (version !== 42 && version !== 43) throw notATiff(source, start);
  const bigTiff = version === 43;
  let offset = start.getUint32(4, littleEndian);
  if (bigTiff) {
    if (start.getUint16(4, littleEndian) !== 8 || start.getUint16(6, littleEndian) !== 0) throw notATiff(source, start);
    offset = uint64(await source.bytes(8, 8, 'the BigTIFF header'), 0, littleEndian);
  }
  if (offset === 0) throw tiffError('TIFF_BAD_DIRECTORY', source.href, 'has no image: the offset of the first directory is 0');

  const directories: Directory[] = [];
  const visited = new Set<number>();
  while (offset !== 0) {
    const index = directories.length;
    if (visited.has(offset)) {
      throw tiffError('TIFF_BAD_DIRECTORY', source.href, `the chain of directories is a cycle: directory ${index} would be at byte ${offset} again`, { offset });
    }
    if (index === maxDirectories) {
      throw tiffError('TIFF_BAD_DIRECTORY', source.href, `has more than ${maxDirectories} directories; a raster with overviews and masks has fewer`);
    }
    visited.add(offset);
    const { entries, next } = await readEntries(source, index, offset, bigTiff, littleEndian);
    directories.push(new Directory(index, source, littleEndian, entries));
    offset = next;
  }
  return { byteOrder: littleEndian ? 'little' : 'big', bigTiff, directories };
}

function notATiff(source: HeaderSource, start: DataView): Error {
  const hex = Buffer.from(start.buffer, start.byteOffset, 8).toString('hex');
  return tiffError('TIFF_NOT_A_TIFF', source.href, `not a TIFF: wanted 49492a00, 4d4d002a (TIFF), 49492b0008000000 or 4d4d002b00080000 (BigTIFF) as the first bytes, found ${hex}`);
}

async function readEntries(
  source: HeaderSource,
  index: number,
  offset: number,
  bigTiff: boolean,
  littleEndian: boolean,
): Promise<{ entries: Map<number, Entry>; next: number }> {
  const countBytes = bigTiff ? 8 : 2;
  const entryBytes = bigTiff ? 20 : 12;
  const head = await source.bytes(offset, countBytes, `directory ${index}`);
  const count = bigTiff ? uint64(head, 0, littleEndian) : head.getUint16(0, littleEndian);
  if (count === 0 || count > maxEntries) {
    throw tiffError('TIFF_BAD_DIRECTORY', source.href, `directory ${index} at byte ${offset} has ${count} entries; wanted 1 to ${maxEntries}`, { directory: index, offset, count });
  }
  const length = count * entryBytes;
  const view = await source.bytes(offset + countBytes, length + (bigTiff ? 8 : 4), `directory ${index} of ${count} entries`);
  const entries = new Map<number, Entry>();
  for (let at = 0; at < length; at += entryBytes) {
    const entry = parseEntry(view, at, offset + countBytes + at, bigTiff, littleEndian);
    // A type of later invention is to be passed over (TIFF 6.0 §2); of a tag that comes twice libtiff takes the first.
    if (entry !== undefined && !entries.has(entry.tag)) entries.set(entry.tag, entry);
  }
  return { entries, next: bigTiff ? uint64(view, length, littleEndian) : view.getUint32(length, littleEndian) };
}

function parseEntry(view: DataView, at: number, fileOffset: number, bigTiff: boolean, littleEndian: boolean): Entry | undefined {
  const tag = view.getUint16(at, littleEndian);
  const type = view.getUint16(at + 2, littleEndian);
  const size = fieldTypeBytes.get(type);
  if (size === undefined) return undefined;
  const count = bigTiff ? uint64(view, at + 4, littleEndian) : view.getUint32(at + 4, littleEndian);
  const fieldAt = bigTiff ? 12 : 8;
  if (count * size <= (bigTiff ? 8 : 4)) return { tag, type, count, valueOffset: fileOffset + fieldAt };
  const valueOffset = bigTiff ? uint64(view, at + fieldAt, littleEndian) : view.getUint32(at + fieldAt, littleEndian);
  return { tag, type, count, valueOffset };
}

/** An unsigned 64-bit number. Above 2^53 it is no longer exact, but also far beyond the end of any file, and refused as such. */
function uint64(view: DataView, at: number, littleEndian: boolean): number {
  const first = view.getUint32(at, littleEndian);
  const second = view.getUint32(at + 4, littleEndian);
  return littleEndian ? second * 4_294_967_296 + first : first * 4_294_967_296 + second;
}

/** One value of a numeric field type (TIFF 6.0 §2). */
export function readNumber(view: DataView, at: number, type: number, littleEndian: boolean): number {
  switch (type) {
    case 3:
      return view.getUint16(at, littleEndian);
    case 4:
    case 13:
      return view.getUint32(at, littleEndian);
    case 5:
      return view.getUint32(at, littleEndian) / view.getUint32(at + 4, littleEndian);
    case 6:
      return view.getInt8(at);
    case 8:
      return view.getInt16(at, littleEndian);
    case 9:
      return view.getInt32(at, littleEndian);
    case 10:
      return view.getInt32(at, littleEndian) / view.getInt32(at + 4, littleEndian);
    case 11:
      return view.getFloat32(at, littleEndian);
    case 12:
      return view.getFloat64(at, littleEndian);
    case 16:
    case 18:
      return uint64(view, at, littleEndian);
    case 17:
      return Number(view.getBigInt64(at, littleEndian));
    default:
      return view.getUint8(at);
  }
}
