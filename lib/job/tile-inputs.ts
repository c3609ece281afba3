/**
 * What tiles need of the inputs: which scenes lie under a tile, which of their blocks, where those are, and their bytes, by as few range
 * requests as make sense. Scenes that aren't on the grid come from GDAL, window by window.
 */
import type { ExpressionProgram } from '../raster/expression/program.ts';
import { area, intersect, type Window } from '../raster/window.ts';
import { planRanges } from '../store/range-plan.ts';
import type { ObjectReader } from '../store/store.ts';
import { bandOfBlock, blockOnGrid } from './block-grid.ts';
import { tilingOf, type Plan, type PlanInput } from './plan.ts';
import { sceneFileKey, SceneFiles, type OpenFile } from './scene-files.ts';
import { sceneWindow, sceneWindowBytes, type WindowSource } from './scene-windows.ts';
import { SharedBlocks } from './shared-blocks.ts';
import { stripRows } from './strips.ts';
import type { DecodeTask, TileTask } from './tile.ts';
import type { ImageBlocks, TileImage, TileInput } from './tile-scene.ts';
import { blocksUnder, decodedBytes, fileBands, tileBlock, tileInput, tileScene, windowOffsets, type BlockNeed, type ImageNeed, type InputScene, type SceneNeed } from './tile-needs.ts';
import { tileWindow } from './tiling.ts';

/** What reading needs of the compute threads: blocks that several tiles share are decoded before any of them is computed. */
export interface BlockDecoder {
  readonly threads: number;
  decode(task: DecodeTask): Promise<void>;
}

/** Tiles differ a little in what they take; a buffer with some room serves the next one too. */
const spare = 1.1;
/** The inputs of a run, for reading the tiles of one batch. */
export class TileInputs {
  readonly #plan: Plan;
  readonly #files: SceneFiles;
  readonly #windows: WindowSource | undefined;
  readonly #scenes: readonly InputScene[];
  readonly #tiles: Window;
  readonly #shared = new SharedBlocks();
  readonly #sharedOf = new WeakMap<TileTask, readonly string[]>();
  /** Scenes that are the same file: inputs may take different bands of one, and a mosaic may name one twice. */
  readonly #ofFile: ReadonlyMap<string, readonly InputScene[]>;
  /** Buffers of tiles that are done. Without them every tile would leave megabytes for the garbage collector, which is in no hurry. */
  readonly #free: SharedArrayBuffer[] = [];
  #isExpected: (column: number, row: number) => boolean = () => true;

  /** What threads are told of the inputs, in the order of the plan. */
  readonly inputs: readonly TileInput[];

  /**
   * @param tiles of the batch, as a window of the grid of tiles
   * @param windows where scenes come from that aren't read block by block; undefined when the plan has none
   */
  constructor(reader: ObjectReader, plan: Plan, program: ExpressionProgram, tiles: Window, windows: WindowSource | undefined) {
    this.#plan = plan;
    this.#files = new SceneFiles(reader);
    this.#windows = windows;
    this.#tiles = tiles;
    this.inputs = plan.inputs.map((input) => tileInput(input, program));
    const { tileSize } = plan;
    const batch = this.#reach({ column: tiles.column * tileSize, row: tiles.row * tileSize, columns: tiles.columns * tileSize, rows: tiles.rows * tileSize });
    this.#scenes = plan.inputs.flatMap(({ scenes }, input) => {
      const inputBands = [...new Set((this.inputs[input] as TileInput).sources.map(({ band }) => band))].toSorted((a, b) => a - b);
      if (inputBands.length === 0) return [];
      return scenes.filter((scene) => area(intersect(scene.window, batch)) > 0).map((scene) => ({ input, scene, inputBands, fileBands: fileBands(scene, inputBands) }));
    });
    this.#ofFile = Map.groupBy(this.#scenes, ({ scene }) => sceneFileKey(scene));
  }

  /** The most bytes that decoded blocks took at a time which tiles share. */
  get mostSharedBytes(): number {
    return this.#shared.mostBytes;
  }

  /** Says which tiles will be read, so that blocks are kept for these only; before it, all tiles of the batch count. */
  expect(isExpected: (column: number, row: number) => boolean): void {
    this.#isExpected = isExpected;
  }

  /** Rows of a tile that threads can take together without decoding a block twice. */
  async stripRows(): Promise<number> {
    const { tileSize, halo, inputs } = this.#plan;
    if (halo > 0 || inputs.some(({ rule }) => rule !== null)) return tileSize;
    const blocks = await Promise.all(
      this.#scenes.map(async ({ scene }) => {
        if (scene.reading.by !== 'blocks') return [];
        const { main, mask } = await this.#files.open(scene);
        const begin = scene.reading.row;
        return [main, ...(mask === null ? [] : [mask])].map(({ layout }) => ({ height: layout.blockHeight, begin }));
      }),
    );
    return stripRows(tileSize, blocks.flat());
  }

  /**
   * Reads everything that a tile needs. The bytes lie in shared memory, so that handing them to a thread costs nothing.
   * @throws DataError INPUT_CHANGED when a file is not what it was when the run was planned; what the store, the reader or GDAL throw
   */
  async read(column: number, row: number, decoder: BlockDecoder): Promise<TileTask> {
    const window = tileWindow(tilingOf(this.#plan), column, row);
    const reach = this.#reach(window);
    const touching = this.#scenes.filter(({ scene }) => area(intersect(scene.window, reach)) > 0);
    const files = await Promise.all(touching.map(async ({ scene }) => (scene.reading.by === 'blocks' ? await this.#files.open(scene) : undefined)));
    const keys: string[] = [];
    const needs = touching.map((of, i) => this.#need(of, files[i], reach, keys));
    const images = needs.flatMap(({ main, mask }) => [main, mask]).filter((need) => need !== undefined);
    try {
      const bytes = await this.#fetch(needs, images);
      await this.#decodeShared(images, bytes, decoder);
      const offsets = windowOffsets(needs);
      const scenes = needs.map((need, i) => tileScene(need, offsets[i] as number));
      const task = { column, row, window, scenes, bytes };
      this.#sharedOf.set(task, keys);
      return task;
    } catch (error) {
      // Other tiles wait for what this one was to fetch. Of those that have arrived this is of no consequence.
      for (const { blocks } of images) for (const { arrival } of blocks) arrival?.reject(error);
      throw error;
    }
  }

  /** Takes back the bytes of a task that nobody reads any more, and what it shared with others. */
  release(task: TileTask): void {
    this.#free.push(task.bytes.buffer as SharedArrayBuffer);
    for (const key of this.#sharedOf.get(task) ?? []) this.#shared.release(key);
  }

  /** The pixels of the grid that a tile sees. */
  #reach({ column, row, columns, rows }: Window): Window {
    const { halo, grid } = this.#plan;
    return intersect({ column: column - halo, row: row - halo, columns: columns + 2 * halo, rows: rows + 2 * halo }, { column: 0, row: 0, columns: grid.columns, rows: grid.rows });
  }

  #need(of: InputScene, file: OpenFile | undefined, reach: Window, keys: string[]): SceneNeed {
    const { scene, input, inputBands } = of;
    const same = this.#ofFile.get(sceneFileKey(scene)) as readonly InputScene[];
    // A block that is decoded for several inputs has the bands of all of them.
    const bands = same.length === 1 ? of.fileBands : [...new Set(same.flatMap(({ fileBands: own }) => own))].toSorted((a, b) => a - b);
    const part = intersect(scene.window, reach);
    if (file === undefined || scene.reading.by !== 'blocks') {
      return { of, main: undefined, mask: undefined, window: sceneWindow(this.#plan.inputs[input] as PlanInput, scene, inputBands, part) };
    }
    const { column, row } = scene.reading;
    const image = (wanted: TileImage, ownBands: readonly number[], decodedBands: readonly number[], users: (band: number | undefined) => number): ImageNeed => ({
      file,
      image: wanted,
      bands: decodedBands,
      blocks: blocksUnder(wanted.layout, ownBands, { ...part, column: part.column - column, row: part.row - row }).map((index) =>
        this.#needBlock(wanted, index, intersect(blockOnGrid(wanted.layout, index, { column, row }), scene.window), users(bandOfBlock(wanted.layout, index)), keys),
      ),
    });
    const main = image(file.main, of.fileBands, bands, (band) => (band === undefined ? same.length : same.filter(({ fileBands: own }) => own.includes(band)).length));
    const mask = file.mask === null || !scene.masked ? undefined : image(file.mask, [0], [0], () => same.filter((other) => other.scene.masked).length);
    return { of, main, mask, window: undefined };
  }

  /**
   * @param within pixels of the grid that the block has
   * @param users scenes of the plan that read it
   */
  #needBlock(image: TileImage, index: number, within: Window, users: number, keys: string[]): BlockNeed {
    const need = { index, offset: 0, length: 0, decoded: undefined };
    const key = `${String(image.id)}/${String(index)}`;
    const arriving = this.#shared.get(key);
    if (arriving === undefined) {
      const uses = this.#uses(within) * users;
      if (uses < 2) return { ...need, arriving: undefined, arrival: undefined };
      keys.push(key);
      return { ...need, arriving: undefined, arrival: this.#shared.announce(key, uses) };
    }
    keys.push(key);
    return { ...need, arriving, arrival: undefined };
  }

  /** How many tiles of the batch that are still to be computed see any of these pixels. */
  #uses({ column, row, columns, rows }: Window): number {
    const { tileSize, halo } = this.#plan;
    const first = { column: Math.floor((column - halo) / tileSize), row: Math.floor((row - halo) / tileSize) };
    const last = { column: Math.floor((column + columns - 1 + halo) / tileSize), row: Math.floor((row + rows - 1 + halo) / tileSize) };
    const tiles = intersect({ ...first, columns: last.column - first.column + 1, rows: last.row - first.row + 1 }, this.#tiles);
    let uses = 0;
    for (let y = tiles.row; y < tiles.row + tiles.rows; y++) {
      for (let x = tiles.column; x < tiles.column + tiles.columns; x++) if (this.#isExpected(x, y)) uses++;
    }
    return uses;
  }

  /** Fetches the blocks that nobody else fetches, and the windows. */
  async #fetch(needs: readonly SceneNeed[], images: readonly ImageNeed[]): Promise<Uint8Array> {
    const byFile = Map.groupBy(images, ({ file }) => file);
    const requests = await Promise.all([...byFile].map(async ([file, ofFile]) => ({ file, ...(await this.#locate(ofFile)) })));
    const offsets = windowOffsets(needs);
    const windowBytes = offsets.at(-1) as number;
    const bytes = this.#allocate(windowBytes + requests.flatMap((each) => each.requests).reduce((sum, { length }) => sum + length, 0));
    const reads: Promise<void>[] = [];
    for (const [i, { window }] of needs.entries()) {
      if (window === undefined) continue;
      if (this.#windows === undefined) throw new Error(`nothing reads windows of ${window.scene.href}`);
      const start = offsets[i] as number;
      reads.push(this.#windows.read(window, bytes.subarray(start, start + sceneWindowBytes(window))));
    }
    let start = windowBytes;
    for (const { file, blocks, requests: ofFile } of requests) {
      for (const { offset, length, ranges } of ofFile) {
        reads.push(this.#files.read(file, { offset, length }, bytes.subarray(start, start + length)));
        for (const { index, at } of ranges) (blocks[index] as BlockNeed).offset = start + at;
        start += length;
      }
    }
    await Promise.all(reads);
    return bytes;
  }

  /** Where the blocks of one file lie, and the requests that bring them. */
  async #locate(images: readonly ImageNeed[]): Promise<{ blocks: BlockNeed[]; requests: ReturnType<typeof planRanges> }> {
    const located = await Promise.all(
      images.map(async ({ file, image, blocks }) => {
        const fetched = blocks.filter(({ arriving }) => arriving === undefined);
        const ranges = await this.#files.locate(file, image, fetched.map(({ index }) => index));
        return fetched.map((block, i) => Object.assign(block, ranges[i]));
      }),
    );
    const blocks = located.flat();
    return { blocks, requests: planRanges(blocks) };
  }

  /** Decodes the blocks that other tiles want too, on all threads. */
  async #decodeShared(images: readonly ImageNeed[], bytes: Uint8Array, decoder: BlockDecoder): Promise<void> {
    const tasks: ImageBlocks[][] = Array.from({ length: decoder.threads }, () => []);
    let next = 0;
    for (const { image, bands, blocks } of images) {
      const shared = blocks.filter(({ arrival, length }) => arrival !== undefined && length > 0);
      const perThread = Math.ceil(shared.length / decoder.threads);
      for (let start = 0; start < shared.length; start += perThread) {
        const some = shared.slice(start, start + perThread);
        for (const block of some) block.decoded = this.#shared.allocate(decodedBytes(image.layout, bands, block.index));
        tasks[next++ % tasks.length]?.push({ image, bands, blocks: some.map(tileBlock) });
      }
    }
    await Promise.all(tasks.filter(({ length }) => length > 0).map((some) => decoder.decode({ images: some, bytes })));
    // Told before any other tile is waited for, or two tiles could wait for each other.
    for (const { blocks } of images) for (const { arrival, decoded } of blocks) arrival?.resolve(decoded);
    await Promise.all(
      images.flatMap(({ blocks }) =>
        blocks.map(async (block) => {
          if (block.arriving !== undefined) block.decoded = await block.arriving;
        }),
      ),
    );
  }

  #allocate(length: number): Uint8Array {
    const fitting = this.#free.findIndex(({ byteLength }) => byteLength >= length);
    // None fits: the first is given up for a larger one, so that there are never more than tiles under way.
    const [buffer] = this.#free.splice(Math.max(fitting, 0), 1);
    const large = buffer !== undefined && buffer.byteLength >= length ? buffer : new SharedArrayBuffer(Math.ceil(length * spare));
    return new Uint8Array(large, 0, length);
  }
}
