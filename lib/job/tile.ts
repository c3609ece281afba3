/**
 * One tile, from the bytes of its input blocks to the encoded blocks of its outputs. This is what a compute thread does; no input or
 * output happens here.
 */
import { DataError, InputUnavailableError, OperationError, TilefanError } from '../base/errors.ts';
import { allocateSamples, type SampleArray } from '../raster/dtype.ts';
import { Evaluator } from '../raster/expression/evaluator.ts';
import type { ExpressionProgram } from '../raster/expression/program.ts';
import { intersect, type Window } from '../raster/window.ts';
import { BlockReader } from '../tiff/block-reader.ts';
import { blockWindow, type BlockLayout } from '../tiff/layout.ts';
import { TileOutputWriter, type TileOutput, type TileOutputResult } from './tile-output.ts';

/** An image of an input file, and which of its bands the program reads. Plain data. */
export interface TileImage {
  readonly layout: BlockLayout;
  /** What sparse blocks are filled with. */
  readonly fill: number;
  /** For each source of the program that is a band of this image: the source's index, and the 0-based band of the file. */
  readonly sources: readonly { readonly source: number; readonly band: number }[];
  /** Sources that this image, a mask, is the validity of. */
  readonly masks: readonly number[];
}

/** What stays the same for all tiles of a run. Plain data, given to each thread once. */
export interface TileSetup {
  readonly tileSize: number;
  readonly images: readonly TileImage[];
  readonly program: ExpressionProgram;
  readonly outputs: readonly TileOutput[];
}

/** A block that a tile needs: where its bytes lie in the task's buffer; length 0 for a sparse block. */
export interface TileBlock {
  readonly image: number;
  readonly index: number;
  readonly offset: number;
  readonly length: number;
}

export interface TileTask {
  /** Place in the grid of tiles. */
  readonly column: number;
  readonly row: number;
  readonly window: Window;
  readonly blocks: readonly TileBlock[];
  readonly bytes: Uint8Array;
}

export interface TileResult {
  readonly column: number;
  readonly row: number;
  readonly outputs: readonly TileOutputResult[];
}

/** Rows that are computed together, at least: fewer would make the steps of a program too short to be worth their calls. */
const leastStripRows = 256;

/**
 * Rows of a tile that are read and computed together. The planes of the inputs then hold a strip instead of a tile. No block may lie in two strips, or
 * it would be decoded twice; where the blocks of the inputs don't allow that, the strip is the whole tile.
 */
export function stripRows(tileSize: number, blockHeights: readonly number[]): number {
  const together = blockHeights.reduce((a, b) => (a / greatestCommonDivisor(a, b)) * b, 1);
  const strip = together * Math.ceil(leastStripRows / together);
  return strip < tileSize && tileSize % strip === 0 ? strip : tileSize;
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}

/** Computes tiles one after another; buffers are allocated once, for the largest tile. */
export class TileProcessor {
  readonly #setup: TileSetup;
  readonly #discard: () => void;
  readonly #stripRows: number;
  readonly #readers: readonly BlockReader[];
  readonly #sources: readonly SampleArray[];
  readonly #validity: readonly (Uint8Array | undefined)[];
  readonly #targets: readonly SampleArray[];
  readonly #evaluator: Evaluator;
  readonly #writers: readonly TileOutputWriter[];

  /** @param discard called when much of what a tile needed is garbage, so that it doesn't pile up beside the buffers */
  constructor(setup: TileSetup, discard: () => void = () => undefined) {
    const { images, program, outputs, tileSize } = setup;
    const pixels = tileSize ** 2;
    this.#stripRows = stripRows(tileSize, images.map(({ layout }) => layout.blockHeight));
    const stripPixels = tileSize * this.#stripRows;
    this.#setup = setup;
    this.#discard = discard;
    this.#readers = images.map(({ layout }) => new BlockReader(layout));
    this.#sources = program.sources.map(({ dtype }) => allocateSamples(dtype, stripPixels));
    const masked = new Set(images.flatMap(({ masks }) => masks));
    this.#validity = program.sources.map((_, source) => (masked.has(source) ? new Uint8Array(stripPixels) : undefined));
    this.#targets = program.targets.map(({ dtype }) => allocateSamples(dtype, pixels));
    this.#evaluator = new Evaluator(program);
    let first = 0;
    this.#writers = outputs.map((output) => {
      const targets = this.#targets.slice(first, first + output.encoding.bands);
      first += output.encoding.bands;
      return new TileOutputWriter(output, targets, tileSize);
    });
  }

  /**
   * @throws DataError or OperationError that names the tile, its window and, for a damaged block, the file
   */
  async process(task: TileTask): Promise<TileResult> {
    const { column, row, window } = task;
    try {
      const byStrip = Map.groupBy(task.blocks, (block) => this.#stripOf(block, window));
      for (let strip = 0; strip * this.#stripRows < window.rows; strip++) {
        await this.#computeStrip(task, strip * this.#stripRows, byStrip.get(strip) ?? []);
      }
      this.#discard();
      const outputs = this.#writers.map((writer) => writer.write(window));
      this.#discard();
      return { column, row, outputs };
    } catch (error) {
      throw inTile(error, task);
    }
  }

  /** The strip that a block lies in. One that begins above the tile, as a tall block may, belongs to the first. */
  #stripOf({ image, index }: TileBlock, window: Window): number {
    const { layout } = this.#setup.images[image] as TileImage;
    return Math.max(0, Math.floor((blockWindow(layout, index).row - window.row) / this.#stripRows));
  }

  /** Fills the source planes for one strip, and computes its part of the targets. */
  async #computeStrip({ window, bytes }: TileTask, top: number, blocks: readonly TileBlock[]): Promise<void> {
    const strip = { ...window, row: window.row + top, rows: Math.min(this.#stripRows, window.rows - top) };
    for (const block of blocks) {
      const unpacking = this.#unpack(strip, bytes, block);
      // Most codecs are synchronous, and a turn of the event loop for each block would be a waste.
      if (unpacking !== undefined) await unpacking;
    }
    const first = top * window.columns;
    const pixels = strip.rows * window.columns;
    this.#evaluator.run(
      this.#sources.map((samples, i) => ({ array: samples, validity: this.#validity[i] })),
      this.#targets.map((target) => target.subarray(first, first + pixels)),
      pixels,
    );
  }

  /** Decodes a block and copies what the strip needs of it into the planes. */
  #unpack(strip: Window, bytes: Uint8Array, { image, index, offset, length }: TileBlock): Promise<void> | undefined {
    const reader = this.#readers[image] as BlockReader;
    if (length === 0) {
      this.#fillBlock(strip, image, index);
      return undefined;
    }
    const raw = reader.decode(bytes.subarray(offset, offset + length), index);
    if (raw instanceof Uint8Array) {
      this.#extract(strip, image, index, raw);
      return undefined;
    }
    return raw.then((decoded) => {
      this.#extract(strip, image, index, decoded);
    });
  }

  #extract(strip: Window, image: number, index: number, raw: Uint8Array): void {
    const reader = this.#readers[image] as BlockReader;
    const { layout, sources, masks } = this.#setup.images[image] as TileImage;
    const place = blockPlace(layout, index, strip);
    const planeBand = bandOfBlock(layout, index);
    for (const { source, band } of sources) {
      if (planeBand !== undefined && planeBand !== band) continue;
      reader.extract(raw, this.#sources[source] as SampleArray, { band, ...place });
    }
    const [first, ...rest] = masks;
    if (first === undefined) return;
    const validity = this.#validity[first] as Uint8Array;
    reader.extract(raw, validity, { band: 0, ...place });
    for (const other of rest) copyWindow(validity, this.#validity[other] as Uint8Array, place);
  }

  #fillBlock(strip: Window, image: number, index: number): void {
    const { layout, sources, masks, fill } = this.#setup.images[image] as TileImage;
    const place = blockPlace(layout, index, strip);
    const planeBand = bandOfBlock(layout, index);
    for (const { source, band } of sources) {
      if (planeBand === undefined || planeBand === band) fillWindow(this.#sources[source] as SampleArray, fill, place);
    }
    for (const source of masks) fillWindow(this.#validity[source] as Uint8Array, fill, place);
  }
}

/** The band whose blocks `index` belongs to, where each band has blocks of its own. */
function bandOfBlock(layout: BlockLayout, index: number): number | undefined {
  return layout.interleave === 'band' ? Math.floor(index / (layout.blocksAcross * layout.blocksDown)) : undefined;
}

interface Place {
  /** The part of the block that the strip needs, from the block's corner. */
  readonly window: Window;
  readonly targetOffset: number;
  readonly targetStride: number;
}

function blockPlace(layout: BlockLayout, index: number, strip: Window): Place {
  const block = blockWindow(layout, index);
  const shared = intersect(block, strip);
  return {
    window: { ...shared, column: shared.column - block.column, row: shared.row - block.row },
    targetOffset: (shared.row - strip.row) * strip.columns + (shared.column - strip.column),
    targetStride: strip.columns,
  };
}

function fillWindow(target: SampleArray, value: number, { window, targetOffset, targetStride }: Place): void {
  for (let row = 0; row < window.rows; row++) {
    const start = targetOffset + row * targetStride;
    target.fill(value, start, start + window.columns);
  }
}

function copyWindow(from: Uint8Array, to: Uint8Array, { window, targetOffset, targetStride }: Place): void {
  for (let row = 0; row < window.rows; row++) {
    const start = targetOffset + row * targetStride;
    to.set(from.subarray(start, start + window.columns), start);
  }
}

/** The same error with the tile named in message and data. */
export function inTile(error: unknown, { column, row, window }: Pick<TileTask, 'column' | 'row' | 'window'>): Error {
  const place = `tile ${String(column)},${String(row)} (columns ${String(window.column)} to ${String(window.column + window.columns - 1)}, rows ${String(window.row)} to ${String(window.row + window.rows - 1)})`;
  const where = { tile: [column, row], window };
  for (const Class of [DataError, InputUnavailableError]) {
    if (error instanceof Class) return new Class(error.code, `${place}: ${error.message}`, { cause: error, where: { ...error.where, ...where } });
  }
  if (error instanceof TilefanError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new OperationError('OPERATION_FAILED', `${place}: ${message}`, { cause: error, where });
}
