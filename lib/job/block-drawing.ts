/** Blocks of files decoded and drawn into planes, on compute threads. */
import { viewSamples, type SampleArray } from '../raster/dtype.ts';
import { copyPart, fillPart } from '../raster/planes.ts';
import { area, intersect, type Window } from '../raster/window.ts';
import { BlockReader } from '../tiff/block-reader.ts';
import { DecodeMemory } from '../tiff/decode-memory.ts';
import { blockWindow } from '../tiff/layout.ts';
import { bandOfBlock, blockOnGrid, sampleBytes } from './block-grid.ts';
import type { ImageBlocks, TileImage } from './tile-scene.ts';

/** A band of an image, and where it is drawn. */
export interface WantedBand {
  /** Of the file, 0-based. */
  readonly band: number;
  /** (rows, columns) of the region. */
  readonly plane: SampleArray;
}

/** Where an image is drawn. */
export interface Place {
  readonly region: Window;
  /** Where its first pixel lies on the grid. */
  readonly column: number;
  readonly row: number;
  /** What blocks hold that were never written. */
  readonly empty: number;
}

/** Readers that are kept; a mosaic has more images than a thread needs at a time. */
const maxReaders = 64;

/** Keeps a reader for each image that it met lately. */
export class BlockDrawing {
  readonly #readers = new Map<number, BlockReader>();
  /** Shared by the readers, which take turns. */
  readonly #memory = new DecodeMemory();

  /** Draws the blocks of an image that lie under the region. A promise only while a codec is asynchronous. */
  draw({ image, bands, blocks }: ImageBlocks, wanted: readonly WantedBand[], place: Place, bytes: Uint8Array): Promise<void> | undefined {
    const reader = this.#reader(image);
    const { layout } = image;
    let waiting: Promise<void> | undefined;
    for (const block of blocks) {
      const within = blockOnGrid(layout, block.index, place);
      const part = intersect(within, place.region);
      if (area(part) === 0) continue;
      const planeBand = bandOfBlock(layout, block.index);
      const own = wanted.filter(({ band }) => planeBand === undefined || planeBand === band);
      if (block.decoded !== undefined) {
        const { decoded } = block;
        const pixels = area(within);
        const sample = sampleBytes(layout);
        for (const { band, plane } of own) {
          const at = planeBand === undefined ? bands.indexOf(band) : 0;
          copyPart(viewSamples(layout.mask ? 'uint8' : layout.dtype, decoded, at * pixels * sample, pixels), within, plane, place.region, part);
        }
      } else if (block.length === 0) {
        for (const { plane } of own) fillPart(plane, place.empty, place.region, part);
      } else {
        const extract = (raw: Uint8Array): void => {
          const window = { ...part, column: part.column - within.column, row: part.row - within.row };
          const targetOffset = (part.row - place.region.row) * place.region.columns + part.column - place.region.column;
          for (const { band, plane } of own) reader.extract(raw, plane, { band, window, targetOffset, targetStride: place.region.columns });
        };
        const decode = (): Uint8Array | Promise<Uint8Array> => reader.decode(bytes.subarray(block.offset, block.offset + block.length), block.index);
        // Most codecs are synchronous, and a turn of the event loop for each block would be a waste.
        if (waiting !== undefined) waiting = waiting.then(async () => { extract(await decode()); });
        else {
          const raw = decode();
          if (raw instanceof Uint8Array) extract(raw);
          else waiting = raw.then(extract);
        }
      }
    }
    return waiting;
  }

  /** Decodes blocks for all tiles that need them: the wanted bands, one after another, clipped to the image. */
  async decode({ image, bands, blocks }: ImageBlocks, bytes: Uint8Array): Promise<void> {
    const reader = this.#reader(image);
    const { layout } = image;
    for (const { index, offset, length, decoded } of blocks) {
      if (decoded === undefined) continue;
      const answer = reader.decode(bytes.subarray(offset, offset + length), index);
      const raw = answer instanceof Uint8Array ? answer : await answer;
      const { columns, rows } = blockWindow(layout, index);
      const window = { column: 0, row: 0, columns, rows };
      const planeBand = bandOfBlock(layout, index);
      for (const [i, band] of (planeBand === undefined ? bands : [planeBand]).entries()) {
        const plane = viewSamples(layout.mask ? 'uint8' : layout.dtype, decoded, i * columns * rows * sampleBytes(layout), columns * rows);
        reader.extract(raw, plane, { band, window, targetOffset: 0, targetStride: columns });
      }
    }
  }

  #reader({ id, layout }: TileImage): BlockReader {
    const known = this.#readers.get(id);
    const reader = known ?? new BlockReader(layout, this.#memory);
    if (known === undefined && this.#readers.size >= maxReaders) {
      const [oldest] = this.#readers.keys();
      if (oldest !== undefined) this.#readers.delete(oldest);
    }
    // The one used last is the last to go.
    this.#readers.delete(id);
    this.#readers.set(id, reader);
    return reader;
  }
}
