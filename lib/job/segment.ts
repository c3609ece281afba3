/**
 * Segments: the objects in which a worker commits finished tiles. A segment is the encoded blocks of some tiles, one after another, then
 * an index of them, then a footer that says how long both are. It is written by one atomic put, so what is there is whole; the
 * checksum guards against a store that says otherwise.
 *
 * The index is a sequence of float64 values, little-endian:
 *   complete (1 or 0), tiles, bands, then for each tile: column, row, and for each band: count, minimum, maximum, mean, squares;
 *   blocks, then for each block: level, column, row, offset, length.
 * The footer: 8 bytes of magic, then as float64: bytes of blocks, bytes of index, CRC-32 of the index.
 */
import { crc32 } from 'node:zlib';
import { DataError } from '../base/errors.ts';
import type { Statistics } from '../raster/statistics.ts';
import type { ObjectReader, ObjectStat } from '../store/store.ts';

/** A tile whose blocks (those of its pixels, and of the overviews that lie within it) are in the segment. */
export interface SegmentTile {
  /** Place in the grid of tiles. */
  readonly column: number;
  readonly row: number;
  /** One a band; empty when statistics are not wanted. */
  readonly statistics: readonly Statistics[];
}

/** One encoded block. */
export interface SegmentBlock {
  /** 0 is the image; each level above has half the pixels on a side. */
  readonly level: number;
  /** Place in the level's grid of blocks. */
  readonly column: number;
  readonly row: number;
  /** Bytes from the beginning of the segment. */
  readonly offset: number;
  readonly length: number;
}

export interface SegmentIndex {
  /** The batch that wrote the segment had nothing more to come: all its tiles and overview blocks are in this segment and those before. */
  readonly complete: boolean;
  readonly tiles: readonly SegmentTile[];
  readonly blocks: readonly SegmentBlock[];
  /** Bytes of blocks: what goes into the finished file. */
  readonly dataBytes: number;
}

const magic = new TextEncoder().encode('TFSEG01\n');
export const footerBytes = magic.length + 3 * 8;
/** Of an index without tiles and blocks. */
const minIndexBytes = 4 * 8;

/** Values of a tile before its statistics, of the statistics of a band, and of a block. */
const tileValues = 2;
export const statisticsValues = 5;
export const blockValues = 5;

/**
 * An index as it lies in the segment: plain numbers, because the indexes of a large run have millions of tiles and blocks, and an object for each would cost
 * more than everything else that is done with them.
 */
export interface SegmentValues {
  readonly complete: boolean;
  readonly bands: number;
  /** For each tile: column, row, and for each band count, minimum, maximum, mean, squares. */
  readonly tiles: Float64Array;
  /** Values of one tile. */
  readonly tileStride: number;
  /** For each block: level, column, row, offset, length. */
  readonly blocks: Float64Array;
  readonly dataBytes: number;
}

/** Blocks as plain numbers, `blockValues` each. */
export function blocksAsValues(blocks: readonly SegmentBlock[]): Float64Array {
  const values = new Float64Array(blocks.length * blockValues);
  for (const [i, { level, column, row, offset, length }] of blocks.entries()) values.set([level, column, row, offset, length], i * blockValues);
  return values;
}

/** What has to be put after the blocks. */
export function encodeIndex({ complete, tiles, blocks, dataBytes }: SegmentIndex): Uint8Array {
  const bands = tiles[0]?.statistics.length ?? 0;
  const values = new Float64Array(4 + tiles.length * (tileValues + statisticsValues * bands) + blocks.length * blockValues);
  let at = 0;
  values[at++] = complete ? 1 : 0;
  values[at++] = tiles.length;
  values[at++] = bands;
  for (const { column, row, statistics } of tiles) {
    values[at++] = column;
    values[at++] = row;
    for (const { count, minimum, maximum, mean, squares } of statistics) {
      values.set([count, minimum, maximum, mean, squares], at);
      at += statisticsValues;
    }
  }
  values[at++] = blocks.length;
  values.set(blocksAsValues(blocks), at);
  const index = new Uint8Array(values.buffer);
  const bytes = new Uint8Array(index.length + footerBytes);
  bytes.set(index);
  bytes.set(magic, index.length);
  const footer = new DataView(bytes.buffer, index.length + magic.length);
  footer.setFloat64(0, dataBytes, true);
  footer.setFloat64(8, index.length, true);
  footer.setFloat64(16, crc32(index), true);
  return bytes;
}

/** Bytes at a segment's end that are read first; the index of most segments lies within. */
const tailBytes = 16 * 1024;

/**
 * Reads a segment's index: one range request, two when the index is long.
 * @param expectedBytes how long the index is likely to be, with its footer: so much is read at once
 * @throws DataError SEGMENT_BROKEN, naming the segment
 */
export async function readSegmentValues(reader: Pick<ObjectReader, 'readInto'>, stat: ObjectStat, expectedBytes = tailBytes): Promise<SegmentValues> {
  const broken = (what: string): DataError =>
    new DataError('SEGMENT_BROKEN', `${stat.href} is not a whole segment: ${what}`, { where: { segment: stat.href } });
  if (stat.size < footerBytes) throw broken(`it has ${String(stat.size)} bytes, wanted ${String(footerBytes)} at least`);
  const tail = new Uint8Array(Math.min(Math.max(expectedBytes, tailBytes), stat.size));
  await reader.readInto(stat.href, stat.size - tail.length, tail, stat.version);
  const footer = tail.subarray(tail.length - footerBytes);
  if (magic.some((byte, i) => footer[i] !== byte)) throw broken('its last bytes are not those of a segment');
  const view = new DataView(footer.buffer, footer.byteOffset + magic.length);
  const dataBytes = view.getFloat64(0, true);
  const indexBytes = view.getFloat64(8, true);
  // The footer has no checksum of its own: nothing is allocated or read by what it says before that fits.
  if (!Number.isSafeInteger(dataBytes) || dataBytes < 0 || !Number.isSafeInteger(indexBytes) || indexBytes < minIndexBytes || indexBytes % 8 !== 0) {
    throw broken(`its footer says ${String(dataBytes)} bytes of blocks and ${String(indexBytes)} of index`);
  }
  if (dataBytes + indexBytes + footerBytes !== stat.size) throw broken(`its parts have ${String(dataBytes + indexBytes + footerBytes)} bytes, it has ${String(stat.size)}`);
  const index = new Uint8Array(indexBytes);
  if (indexBytes + footerBytes <= tail.length) index.set(tail.subarray(tail.length - footerBytes - indexBytes, tail.length - footerBytes));
  else await reader.readInto(stat.href, dataBytes, index, stat.version);
  if (crc32(index) !== view.getFloat64(16, true)) throw broken('its index has another checksum');
  return valuesOf(new Float64Array(index.buffer), dataBytes);
}

function valuesOf(values: Float64Array, dataBytes: number): SegmentValues {
  const [complete = 0, tileCount = 0, bands = 0] = values;
  const tileStride = tileValues + statisticsValues * bands;
  const tilesEnd = 3 + tileCount * tileStride;
  const blockCount = values[tilesEnd] ?? 0;
  return {
    complete: complete === 1,
    bands,
    tiles: values.subarray(3, tilesEnd),
    tileStride,
    blocks: values.subarray(tilesEnd + 1, tilesEnd + 1 + blockCount * blockValues),
    dataBytes,
  };
}

/**
 * The same with an object for each tile and block, for the few segments of one batch.
 * @throws DataError SEGMENT_BROKEN, naming the segment
 */
export async function readSegmentIndex(reader: ObjectReader, stat: ObjectStat): Promise<SegmentIndex> {
  const { complete, bands, tiles: tileRows, tileStride, blocks: blockRows, dataBytes } = await readSegmentValues(reader, stat);
  const tiles: SegmentTile[] = [];
  for (let at = 0; at < tileRows.length; at += tileStride) {
    const statistics: Statistics[] = [];
    for (let band = 0; band < bands; band++) statistics.push(statisticsAt(tileRows, at + tileValues + band * statisticsValues));
    tiles.push({ column: tileRows[at] as number, row: tileRows[at + 1] as number, statistics });
  }
  const blocks: SegmentBlock[] = [];
  for (let at = 0; at < blockRows.length; at += blockValues) {
    const [level = 0, column = 0, row = 0, offset = 0, length = 0] = blockRows.subarray(at, at + blockValues);
    blocks.push({ level, column, row, offset, length });
  }
  return { complete, tiles, blocks, dataBytes };
}

/** Statistics that lie in a row of numbers. */
export function statisticsAt(values: Float64Array, at: number): Statistics {
  return {
    count: values[at] as number,
    minimum: values[at + 1] as number,
    maximum: values[at + 2] as number,
    mean: values[at + 3] as number,
    squares: values[at + 4] as number,
  };
}

/** `segments/<output>/<batch>-<n>.seg`: batch and number are padded, so that hrefs ascend as they do. */
export function segmentName(batch: number, number: number): string {
  return `${String(batch).padStart(7, '0')}-${String(number).padStart(5, '0')}.seg`;
}

/** Batch and number out of a segment's name; undefined for other objects. */
export function parseSegmentName(href: string): { batch: number; number: number } | undefined {
  const match = /\/(\d{7})-(\d{5})\.seg$/.exec(href);
  return match === null ? undefined : { batch: Number(match[1]), number: Number(match[2]) };
}

/** What the names of all segments of a batch begin with. */
export function segmentPrefix(batch: number): string {
  return `${String(batch).padStart(7, '0')}-`;
}
