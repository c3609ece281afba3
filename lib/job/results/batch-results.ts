/** The results of one batch: where each lies, found from the indexes of its segments, and then the values, row by row, some at a time. */
import pLimit from 'p-limit';
import { DataError } from '../../base/errors.ts';
import type { Window } from '../../raster/window.ts';
import { planRanges } from '../../store/range-plan.ts';
import type { ObjectReader, ObjectStat } from '../../store/store.ts';
import { blockValues, readSegmentValues, type SegmentValues } from '../segment.ts';
import { foreignTile } from './collected-results.ts';

/** What a function returned for a tile. */
export interface TileResult {
  /** Place in the grid of tiles. */
  readonly column: number;
  readonly row: number;
  /** As JSON has it: numbers that JSON can't write are the words of json-number.ts. */
  readonly value: unknown;
}

/** Segments up to this size are read by one request, index and values together, and kept until the batch is done. */
const wholeSegmentBytes = 1024 * 1024;
/** … as long as those of a batch are no more than this together. */
const wholeBatchBytes = 16 * 1024 * 1024;
/** Text that is read and parsed at a time; parsed it takes some times as much. */
const chunkBytes = 4 * 1024 * 1024;
const chunkTiles = 8192;
/** Requests at a time, and how far apart two results may lie to be read together. */
const concurrency = 8;
const rangeOptions = { maxGapBytes: 16 * 1024, maxRequestBytes: chunkBytes };

interface Segment {
  readonly stat: ObjectStat;
  /** All of it, if it is small. */
  readonly bytes: Uint8Array | undefined;
}

/** With its index, which is of no use once the places are known. */
interface OpenedSegment extends Segment {
  readonly values: SegmentValues;
}

interface Place {
  readonly column: number;
  readonly row: number;
  readonly segment: Segment;
  readonly offset: number;
  readonly length: number;
}

/** Bytes that the segments of a batch take while they wait to be read out. */
export function waitingBytes(stats: readonly ObjectStat[]): number {
  const bytes = stats.reduce((sum, { size }) => sum + size, 0);
  return Math.min(bytes, wholeBatchBytes);
}

export class BatchResults {
  readonly #reader: ObjectReader;
  readonly #window: Window;
  readonly #segments: readonly Segment[];
  /** For each tile of the window: 1-based number of the segment that has its value, 0 for none; where it lies, and its length. */
  readonly #owners: Uint32Array;
  readonly #offsets: Float64Array;
  readonly #lengths: Uint32Array;

  private constructor(reader: ObjectReader, window: Window, segments: readonly OpenedSegment[]) {
    this.#reader = reader;
    this.#window = window;
    this.#segments = segments.map(({ stat, bytes }) => ({ stat, bytes }));
    const { columns, rows } = window;
    this.#owners = new Uint32Array(columns * rows);
    this.#offsets = new Float64Array(columns * rows);
    this.#lengths = new Uint32Array(columns * rows);
    const seen = new Uint32Array(columns * rows);
    for (const [i, segment] of segments.entries()) this.#take(segment, i + 1, seen);
  }

  /**
   * @param window the tiles of the batch
   * @param stats all of its segments, in order
   * @throws DataError SEGMENT_BROKEN; OperationError SEGMENT_TILE
   */
  static async open(reader: ObjectReader, window: Window, stats: readonly ObjectStat[]): Promise<BatchResults> {
    const whole = stats.reduce((sum, { size }) => sum + size, 0) <= wholeBatchBytes;
    const limit = pLimit(concurrency);
    return new BatchResults(reader, window, await Promise.all(stats.map((stat) => limit(() => openSegment(reader, stat, whole)))));
  }

  /** Takes the tiles that no earlier segment lists. A tile that is listed and has no block gave nothing. */
  #take(segment: OpenedSegment, number: number, seen: Uint32Array): void {
    const { tiles, tileStride, blocks } = segment.values;
    for (let at = 0; at < tiles.length; at += tileStride) {
      const tile = this.#tileAt(segment.stat, tiles[at] as number, tiles[at + 1] as number);
      if (seen[tile] === 0) seen[tile] = number;
    }
    for (let at = 0; at < blocks.length; at += blockValues) {
      if (blocks[at] !== 0) continue;
      const tile = this.#tileAt(segment.stat, blocks[at + 1] as number, blocks[at + 2] as number);
      if (seen[tile] !== number || this.#owners[tile] !== 0) continue;
      this.#owners[tile] = number;
      this.#offsets[tile] = blocks[at + 3] as number;
      this.#lengths[tile] = blocks[at + 4] as number;
    }
  }

  #tileAt(stat: ObjectStat, column: number, row: number): number {
    const { column: left, row: top, columns, rows } = this.#window;
    if (column < left || row < top || column >= left + columns || row >= top + rows) {
      throw foreignTile(stat, column, row, `its batch has tiles ${String(left)},${String(top)} to ${String(left + columns - 1)},${String(top + rows - 1)}`);
    }
    return (row - top) * columns + (column - left);
  }

  /** The values, row by row, in lists of bounded length. @throws DataError RESULT_BROKEN that names the tile */
  async *chunks(): AsyncGenerator<readonly TileResult[], void, undefined> {
    let places: Place[] = [];
    let bytes = 0;
    const { column, row, columns } = this.#window;
    for (const [tile, owner] of this.#owners.entries()) {
      if (owner === 0) continue;
      const length = this.#lengths[tile] as number;
      if (places.length > 0 && (bytes + length > chunkBytes || places.length === chunkTiles)) {
        yield await this.#read(places);
        places = [];
        bytes = 0;
      }
      bytes += length;
      places.push({
        column: column + (tile % columns),
        row: row + Math.floor(tile / columns),
        segment: this.#segments[owner - 1] as Segment,
        offset: this.#offsets[tile] as number,
        length,
      });
    }
    if (places.length > 0) yield await this.#read(places);
  }

  async #read(places: readonly Place[]): Promise<TileResult[]> {
    const texts = new Array<Uint8Array>(places.length);
    const limit = pLimit(concurrency);
    const reads: Promise<void>[] = [];
    const indexes = places.map((_, index) => index);
    for (const [{ stat, bytes }, of] of Map.groupBy(indexes, (index) => (places[index] as Place).segment)) {
      const wanted = of.map((index) => places[index] as Place);
      if (bytes !== undefined) {
        for (const [i, { offset, length }] of wanted.entries()) texts[of[i] as number] = bytes.subarray(offset, offset + length);
        continue;
      }
      for (const { offset, length, ranges } of planRanges(wanted, rangeOptions)) {
        reads.push(
          limit(async () => {
            const answer = new Uint8Array(length);
            await this.#reader.readInto(stat.href, offset, answer, stat.version);
            // What lies between isn't kept, where it is much.
            const dense = 2 * ranges.reduce((sum, range) => sum + range.length, 0) >= length;
            for (const range of ranges) {
              const text = answer.subarray(range.at, range.at + range.length);
              texts[of[range.index] as number] = dense ? text : text.slice();
            }
          }),
        );
      }
    }
    await Promise.all(reads);
    const decoder = new TextDecoder();
    return places.map(({ column, row, segment }, i): TileResult => {
      try {
        return { column, row, value: JSON.parse(decoder.decode(texts[i])) as unknown };
      } catch (cause) {
        throw new DataError('RESULT_BROKEN', `${segment.stat.href}: the result of tile ${String(column)},${String(row)} is not JSON`, {
          cause,
          where: { segment: segment.stat.href, tile: [column, row] },
        });
      }
    });
  }
}

async function openSegment(reader: ObjectReader, stat: ObjectStat, whole: boolean): Promise<OpenedSegment> {
  if (!whole || stat.size > wholeSegmentBytes) return { stat, values: await readSegmentValues(reader, stat), bytes: undefined };
  const bytes = new Uint8Array(stat.size);
  await reader.readInto(stat.href, 0, bytes, stat.version);
  const readInto = (_href: string, offset: number, target: Uint8Array): Promise<void> => {
    target.set(bytes.subarray(offset, offset + target.length));
    return Promise.resolve();
  };
  return { stat, values: await readSegmentValues({ readInto }, stat), bytes };
}
