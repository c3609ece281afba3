/**
 * One tile, from the bytes of its input blocks to the encoded blocks of its outputs. This is what a compute thread does; no input or
 * output happens here.
 */
import { allocateSamples, type SampleArray } from '../raster/dtype.ts';
import { KernelSpace } from '../raster/kernels.ts';
import { Evaluator } from '../raster/expression/evaluator.ts';
import type { ExpressionProgram } from '../raster/expression/program.ts';
import type { Plane } from '../raster/pyramid.ts';
import { noStatistics } from '../raster/statistics.ts';
import { intersect, type Window } from '../raster/window.ts';
import type { CodeReply } from '../code/code-setup.ts';
import { CodeTile, type CallCode, type TileCode } from './code-tile.ts';
import { inTile } from './tile-error.ts';
import { TileOutputWriter, type TileOutput, type TileOutputResult } from './tile-output.ts';
import { SourcePlanes } from './tile-planes.ts';
import type { ImageBlocks, TileInput, TileScene } from './tile-scene.ts';
import type { MadeBlock } from './upper-levels.ts';

/** What stays the same for all tiles of a run. Plain data, given to each thread once. */
export interface TileSetup {
  /** The whole grid. */
  readonly grid: { readonly columns: number; readonly rows: number };
  readonly tileSize: number;
  /** Margin in pixels that the operation sees; at least what the program needs. */
  readonly halo: number;
  /** Rows that are read and computed together. */
  readonly stripRows: number;
  readonly inputs: readonly TileInput[];
  readonly program: ExpressionProgram;
  readonly outputs: readonly TileOutput[];
  /** The operation is user code; undefined for expressions and copies. */
  readonly code?: TileCode | undefined;
}

export interface TileTask {
  /** Place in the grid of tiles. */
  readonly column: number;
  readonly row: number;
  readonly window: Window;
  /** What lies under the tile and its margin, input by input, and within an input in the order of the job. */
  readonly scenes: readonly TileScene[];
  readonly bytes: Uint8Array;
  /** For each output memory for its encoded bytes, where there is some that nobody uses any more. */
  readonly rooms?: readonly (SharedArrayBuffer | undefined)[];
}

/** Blocks to decode for several tiles. */
export interface DecodeTask {
  readonly images: readonly ImageBlocks[];
  readonly bytes: Uint8Array;
}

/** A block of a level above the tiles, whose pixels are there. */
export interface BlockTask {
  /** Index of the output. */
  readonly output: number;
  /** One a band. */
  readonly planes: readonly Plane[];
  /** Whether there is a level above it. */
  readonly halve: boolean;
}

export interface TileResult {
  readonly column: number;
  readonly row: number;
  readonly outputs: readonly TileOutputResult[];
  /** What the code returned, as JSON; undefined when it returned nothing. */
  readonly value?: string | undefined;
}

/** Computes tiles one after another; buffers are allocated once, for the largest tile. */
export class TileProcessor {
  readonly #setup: TileSetup;
  readonly #discard: () => void;
  readonly #planes: SourcePlanes;
  readonly #targets: readonly SampleArray[];
  readonly #evaluator: Evaluator;
  /** The program looks at one pixel at a time, and planes have no margin. */
  readonly #pixelwise: boolean;
  readonly #writers: readonly TileOutputWriter[];
  readonly #code: CodeTile | undefined;

  /**
   * @param discard called when much of what a tile needed is garbage, so that it doesn't pile up beside the buffers
   * @param call runs the code of a setup that has some
   */
  constructor(setup: TileSetup, discard: () => void = () => undefined, call?: CallCode) {
    const { program, outputs, tileSize, halo, inputs, code } = setup;
    this.#setup = setup;
    this.#discard = discard;
    this.#planes = new SourcePlanes(inputs, program, (tileSize + 2 * halo) * (setup.stripRows + 2 * halo));
    const targets = program.targets.map(({ dtype }) => ({ dtype, length: tileSize ** 2 }));
    const space = new KernelSpace(KernelSpace.bytes([...targets, ...outputs.flatMap((output) => TileOutputWriter.arrays(output, tileSize))]));
    this.#targets = targets.map(({ dtype, length }) => space.allocate(dtype, length));
    this.#evaluator = new Evaluator(program);
    this.#pixelwise = halo === 0 && program.stages.length === 0;
    if (code !== undefined && call !== undefined) this.#code = new CodeTile(code, program, halo, call);
    let first = 0;
    this.#writers = outputs.map((output) => {
      const own = this.#targets.slice(first, first + output.encoding.bands);
      first += output.encoding.bands;
      return new TileOutputWriter(output, own, tileSize, space);
    });
  }

  /**
   * @throws DataError or OperationError that names the tile, its window and, for a damaged block, the file
   */
  async process(task: TileTask): Promise<TileResult> {
    const { column, row, window } = task;
    try {
      if (this.#code !== undefined) return await this.#processByCode(this.#code, task);
      if (this.#planes.isEmpty(task.scenes)) {
        const constant = this.#constantResult();
        if (constant !== undefined) return { column, row, outputs: constant };
      }
      for (let top = 0; top < window.rows; top += this.#setup.stripRows) await this.#computeStrip(task, top);
      return { column, row, outputs: await this.#writeOutputs(task) };
    } catch (error) {
      throw inTile(error, task);
    }
  }

  /** What the code says of a tile without writing anything: what it makes of each output, and what it returns. */
  async probe(task: TileTask): Promise<CodeReply> {
    if (this.#code === undefined) throw new Error('the operation is not code');
    try {
      await this.#load(task.window, task);
      return await this.#code.compute(task, this.#planes.sources, [], true);
    } catch (error) {
      throw inTile(error, task);
    }
  }

  /** The pixels of the tile that was computed last, band by band of all outputs, (rows, columns). */
  get targets(): readonly SampleArray[] {
    return this.#targets;
  }

  async #processByCode(code: CodeTile, task: TileTask): Promise<TileResult> {
    const { column, row, window } = task;
    await this.#load(window, task);
    const targets = this.#targets.map((target) => target.subarray(0, window.columns * window.rows));
    const { result } = await code.compute(task, this.#planes.sources, targets);
    return { column, row, outputs: await this.#writeOutputs(task), ...(result === undefined ? {} : { value: JSON.stringify(result) }) };
  }

  async #writeOutputs({ window, rooms }: TileTask): Promise<TileOutputResult[]> {
    const outputs: TileOutputResult[] = [];
    for (const [i, writer] of this.#writers.entries()) outputs.push(await writer.write(window, rooms?.[i]));
    this.#discard();
    return outputs;
  }

  /** Fills the source planes for a part of the grid and its margin. @returns the region that they hold */
  async #load({ column, row, columns, rows }: Window, { scenes, bytes }: TileTask): Promise<Window> {
    const { halo } = this.#setup;
    const region = { column: column - halo, row: row - halo, columns: columns + 2 * halo, rows: rows + 2 * halo };
    await this.#planes.load(region, scenes, bytes);
    return region;
  }

  /** Decodes blocks that several tiles need into the memory that comes with them. */
  async decode({ images, bytes }: DecodeTask): Promise<void> {
    for (const image of images) await this.#planes.decode(image, bytes);
    this.#discard();
  }

  /** Encodes and halves a block of a level above the tiles. */
  async makeBlock({ output, planes, halve }: BlockTask): Promise<MadeBlock> {
    const writer = this.#writers[output];
    if (writer === undefined) throw new Error(`there is no output ${String(output)}`);
    return await writer.makeBlock(planes, halve);
  }

  /** Fills the source planes for one strip, and computes its part of the targets. */
  async #computeStrip(task: TileTask, top: number): Promise<void> {
    const { window } = task;
    const { halo, grid, stripRows: rows } = this.#setup;
    const strip = { ...window, row: window.row + top, rows: Math.min(rows, window.rows - top) };
    const region = await this.#load(strip, task);
    const first = top * window.columns;
    const pixels = strip.rows * window.columns;
    const targets = this.#targets.map((target) => target.subarray(first, first + pixels));
    if (this.#pixelwise) {
      this.#evaluator.run(this.#planes.sources, targets, pixels);
      return;
    }
    const inside = intersect(region, { column: 0, row: 0, ...grid });
    this.#evaluator.runWindow(
      { columns: strip.columns, rows: strip.rows, margin: halo, inside: { ...inside, column: inside.column - region.column, row: inside.row - region.row } },
      this.#planes.sources,
      targets,
    );
  }

  /**
   * What a tile comes to that has no data of any input, if that is nodata in every band: then there is nothing to encode. Without a margin one pixel
   * tells; with one, pixels at the edge could differ from others, unless there is nothing to see anywhere.
   */
  #constantResult(): TileOutputResult[] | undefined {
    const { program, outputs, inputs, halo } = this.#setup;
    if (halo > 0 && inputs.some(({ fillIsData }) => fillIsData)) return undefined;
    if (program.targets.some(({ nodata }) => nodata === undefined)) return undefined;
    const side = 1 + 2 * halo;
    const region = { column: 0, row: 0, columns: side, rows: side };
    this.#planes.fillEmpty(region);
    const pixel = program.targets.map(({ dtype }) => allocateSamples(dtype, 1));
    if (this.#pixelwise) this.#evaluator.run(this.#planes.sources, pixel, 1);
    else this.#evaluator.runWindow({ columns: 1, rows: 1, margin: halo, inside: region }, this.#planes.sources, pixel);
    const empty = this.#writers.every((writer, i) => writer.isNodata(pixelsOf(outputs, i, pixel)));
    if (!empty) return undefined;
    return outputs.map(({ encoding, statistics }) => ({
      bytes: new Uint8Array(0),
      blocks: [],
      statistics: statistics ? Array.from({ length: encoding.bands }, () => noStatistics) : [],
      remainder: undefined,
    }));
  }
}

/** The bands of output `index` out of those of all outputs. */
function pixelsOf(outputs: readonly TileOutput[], index: number, all: readonly SampleArray[]): number[] {
  const first = outputs.slice(0, index).reduce((sum, { encoding }) => sum + encoding.bands, 0);
  return all.slice(first, first + (outputs[index]?.encoding.bands ?? 0)).map((samples) => samples[0] as number);
}
