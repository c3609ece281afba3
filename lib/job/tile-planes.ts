/**
 * The planes that an operation reads, filled for one region of the grid from the scenes that lie under it. This is the compute thread's half
 * of reading; which blocks there are, and their bytes, come from the main thread (tile-inputs.ts).
 */
import { allocateSamples, type Dtype, type SampleArray, viewSamples, bytesPerSample } from '../raster/dtype.ts';
import type { ExpressionProgram } from '../raster/expression/program.ts';
import { MosaicBand, ScratchPlanes, type MosaicRule } from '../raster/mosaic.ts';
import { area, intersect, type Window } from '../raster/window.ts';
import { BlockReader } from '../tiff/block-reader.ts';
import { DecodeMemory } from '../tiff/decode-memory.ts';
import { blockWindow, type BlockLayout } from '../tiff/layout.ts';
import { bandOfBlock, blockOnGrid, sampleBytes } from './block-grid.ts';

/** An input as the threads know it. Plain data. */
export interface TileInput {
  /** For each source of the program that is a band of this input: the source's index, and the input's band, 0-based. */
  readonly sources: readonly { readonly source: number; readonly band: number }[];
  readonly nodata: number | undefined;
  readonly masked: boolean;
  /** What it is where no scene lies, and whether that counts as data. */
  readonly fill: number;
  readonly fillIsData: boolean;
  /** null for a single scene. */
  readonly rule: MosaicRule | null;
}

/** An image of a file. The number tells images apart, so that a thread keeps one reader for each. */
export interface TileImage {
  readonly id: number;
  readonly layout: BlockLayout;
}

/** A block that a tile needs. */
export interface TileBlock {
  readonly index: number;
  /** Where its bytes lie in the task's; length 0 for a sparse block. */
  readonly offset: number;
  readonly length: number;
  /** The block decoded already, because other tiles need it, too: the bands of the image that the task names, one after another. */
  readonly decoded?: SharedArrayBuffer;
}

/** Blocks of one image, and which of its bands are wanted, 0-based and ascending. */
export interface ImageBlocks {
  readonly image: TileImage;
  readonly bands: readonly number[];
  readonly blocks: readonly TileBlock[];
}

interface SceneBase {
  /** Index of the input. */
  readonly input: number;
  readonly dtype: Dtype;
  readonly nodata: number | undefined;
  /** Pixels of the grid that it may have. */
  readonly window: Window;
}

/** A scene that is read block by block. */
export interface BlockScene extends SceneBase {
  readonly by: 'blocks';
  /** Where its first pixel lies on the grid. */
  readonly column: number;
  readonly row: number;
  readonly main: ImageBlocks;
  /** The band of the file for each band of the input. */
  readonly bands: readonly number[];
  /** 0-based. */
  readonly alphaBand: number | null;
  readonly mask: ImageBlocks | null;
}

/** A scene that GDAL has brought onto the grid. */
export interface PlaneScene extends SceneBase {
  readonly by: 'planes';
  /** The pixels of the grid that there are. */
  readonly area: Window;
  /** Bands of the input, in the order of the planes. */
  readonly bands: readonly number[];
  /** Where the first plane begins in the task's bytes. */
  readonly offset: number;
  /** Where the plane of validity begins, a byte a pixel; null without. */
  readonly validityOffset: number | null;
}

export type TileScene = BlockScene | PlaneScene;

/** Where a scene is drawn: planes of a region, one a source, and one for its mask. */
interface Canvas {
  readonly region: Window;
  readonly planeOf: (source: number) => SampleArray;
  readonly validity: Uint8Array | undefined;
}

/** Readers that are kept; a mosaic has more images than a thread needs at a time. */
const maxReaders = 64;

export class SourcePlanes {
  readonly #inputs: readonly TileInput[];
  readonly #program: ExpressionProgram;
  readonly #planes: readonly SampleArray[];
  readonly #validity: readonly (Uint8Array | undefined)[];
  readonly #readers = new Map<number, BlockReader>();
  /** Shared by the readers, which take turns. */
  readonly #memory = new DecodeMemory();
  readonly #scratch = new ScratchPlanes();

  /** @param pixels of the largest region */
  constructor(inputs: readonly TileInput[], program: ExpressionProgram, pixels: number) {
    this.#inputs = inputs;
    this.#program = program;
    this.#planes = program.sources.map(({ dtype }) => allocateSamples(dtype, pixels));
    const validity: (Uint8Array | undefined)[] = program.sources.map(() => undefined);
    for (const { sources, masked, rule } of inputs) {
      if (!masked) continue;
      // The bands of a single scene have one mask; in a mosaic each has its own pixels.
      const shared = rule === null ? new Uint8Array(pixels) : undefined;
      for (const { source } of sources) validity[source] = shared ?? new Uint8Array(pixels);
    }
    this.#validity = validity;
  }

  /** What the program reads: (rows, columns) of the region that was filled last. */
  get sources(): { readonly array: SampleArray; readonly validity: Uint8Array | undefined }[] {
    return this.#planes.map((array, source) => ({ array, validity: this.#validity[source] }));
  }

  /**
   * Fills the planes for one region.
   * @param scenes in the order of the job
   * @param bytes of the task
   */
  async fill(region: Window, scenes: readonly TileScene[], bytes: Uint8Array): Promise<void> {
    for (const [index, input] of this.#inputs.entries()) {
      const own = scenes.filter((scene) => scene.input === index && area(intersect(scene.window, region)) > 0);
      const [only] = own;
      if (only !== undefined && own.length === 1 && this.#isPlain(input, only)) await this.#fillFromOne(input, only, region, bytes);
      else if (input.rule === null || own.length === 0) this.#fillAround(input, region, region);
      else await this.#fillFromMany(input, input.rule, own, region, bytes);
    }
  }

  /** Fills the planes for a region with what the inputs are where none of their scenes has anything. */
  fillEmpty(region: Window): void {
    for (const input of this.#inputs) this.#fillAround(input, region, region);
  }

  /**
   * Whether a tile has nothing but what inputs are where no scene has anything: no block of it was ever written, and blocks that weren't
   * mean the same as there being no scene.
   */
  isEmpty(scenes: readonly TileScene[]): boolean {
    return scenes.every((scene) => {
      if (scene.by === 'planes') return false;
      if (scene.main.blocks.some(({ length, decoded }) => length > 0 || decoded !== undefined)) return false;
      const { fill, fillIsData, nodata, rule } = this.#inputs[scene.input] as TileInput;
      const masked = scene.mask !== null || scene.alphaBand !== null;
      if (masked) return !fillIsData;
      if (scene.nodata !== undefined) return !fillIsData && Object.is(nodata, scene.nodata);
      // Blocks that were never written are zeros, and zeros are counted.
      return fillIsData && fill === 0 && rule !== 'count';
    });
  }

  /** Drawn straight into the planes: a single scene, or one of a mosaic that is alone here and needs no rule. */
  #isPlain({ rule, nodata, masked, fillIsData }: TileInput, scene: TileScene): boolean {
    if (rule === null) return true;
    // What has no data in any scene of a mosaic is filled, and then it isn't nodata any more.
    if (scene.nodata !== undefined && fillIsData) return false;
    if (rule !== 'first' && rule !== 'last' && rule !== 'min' && rule !== 'max') return false;
    const own = scene.by === 'blocks' ? scene.mask !== null || scene.alphaBand !== null : scene.validityOffset !== null;
    return !masked && !own && Object.is(scene.nodata, nodata) && this.#sameDtype(scene);
  }

  #sameDtype({ input, dtype }: TileScene): boolean {
    return (this.#inputs[input] as TileInput).sources.every(({ source }) => this.#program.sources[source]?.dtype === dtype);
  }

  async #fillFromOne(input: TileInput, scene: TileScene, region: Window, bytes: Uint8Array): Promise<void> {
    const within = intersect(scene.window, region);
    if (area(within) < area(region)) this.#fillAround(input, region, region);
    const [first] = input.sources;
    const validity = first === undefined ? undefined : this.#validity[first.source];
    const drawing = this.#draw(scene, { region, planeOf: (source) => this.#planes[source] as SampleArray, validity }, bytes);
    if (drawing !== undefined) await drawing;
  }

  /** Fills a part of the region with what the input is where no scene lies. */
  #fillAround({ sources, fill, fillIsData }: TileInput, region: Window, part: Window): void {
    for (const { source } of sources) {
      fillWindow(this.#planes[source] as SampleArray, fill, region, part);
      const validity = this.#validity[source];
      if (validity !== undefined) fillWindow(validity, fillIsData ? 1 : 0, region, part);
    }
  }

  async #fillFromMany(input: TileInput, rule: MosaicRule, scenes: readonly TileScene[], region: Window, bytes: Uint8Array): Promise<void> {
    const pixels = area(region);
    const bands = input.sources.map(({ source }) => {
      const validity = this.#validity[source] ?? (this.#scratch.plane(`validity ${String(source)}`, 'uint8', pixels) as Uint8Array);
      const target = (this.#planes[source] as SampleArray).subarray(0, pixels);
      return { source, band: new MosaicBand(rule, target, validity.subarray(0, pixels), region.columns, region.rows), target, validity };
    });
    for (const scene of scenes) {
      const mask = scene.by === 'blocks' ? scene.mask !== null || scene.alphaBand !== null : scene.validityOffset !== null;
      const validity = mask ? (this.#scratch.plane('scene validity', 'uint8', pixels) as Uint8Array) : undefined;
      const planeOf = (source: number): SampleArray => this.#scratch.plane(`scene ${String(source)}`, scene.dtype, pixels);
      const drawing = this.#draw(scene, { region, planeOf, validity }, bytes);
      if (drawing !== undefined) await drawing;
      const shared = intersect(scene.window, region);
      const window = { ...shared, column: shared.column - region.column, row: shared.row - region.row };
      for (const { source, band } of bands) band.add({ samples: planeOf(source).subarray(0, pixels), nodata: scene.nodata, validity, window });
    }
    for (const { band, target, validity } of bands) {
      band.finish();
      fillInvalid(target, validity, pixels, input);
    }
  }

  /** Draws what a region needs of a scene. */
  #draw(scene: TileScene, canvas: Canvas, bytes: Uint8Array): Promise<void> | undefined {
    if (scene.by === 'blocks') return this.#drawBlocks(scene, canvas, bytes);
    this.#drawPlanes(scene, canvas, bytes);
    return undefined;
  }

  #drawPlanes({ input, dtype, bands, area: there, offset, validityOffset, window }: PlaneScene, canvas: Canvas, bytes: Uint8Array): void {
    const pixels = area(there);
    const part = intersect(intersect(there, window), canvas.region);
    for (const { source, band } of (this.#inputs[input] as TileInput).sources) {
      const plane = bands.indexOf(band);
      if (plane < 0) continue;
      const from = viewSamples(dtype, bytes.buffer, bytes.byteOffset + offset + plane * pixels * bytesPerSample(dtype), pixels);
      copyPart(from, there, canvas.planeOf(source), canvas.region, part);
    }
    if (canvas.validity === undefined) return;
    if (validityOffset === null) fillWindow(canvas.validity, 1, canvas.region, part);
    else copyPart(bytes.subarray(validityOffset, validityOffset + pixels), there, canvas.validity, canvas.region, part);
  }

  #drawBlocks(scene: BlockScene, canvas: Canvas, bytes: Uint8Array): Promise<void> | undefined {
    const { input, main, mask, bands, alphaBand, column, row, nodata } = scene;
    const { sources } = this.#inputs[input] as TileInput;
    const wanted: WantedBand[] = sources.map(({ source, band }) => ({ band: bands[band] as number, plane: canvas.planeOf(source) }));
    const { validity } = canvas;
    if (alphaBand !== null && validity !== undefined) wanted.push({ band: alphaBand, plane: this.#alphaPlane(main.image.layout.dtype, canvas) });
    const drawing = this.#drawImage(main, wanted, { region: canvas.region, column, row, empty: nodata ?? 0 }, bytes);
    const finish = (): Promise<void> | undefined => {
      if (validity === undefined) return undefined;
      const part = intersect(scene.window, canvas.region);
      if (alphaBand !== null) toValidity((wanted.at(-1) as WantedBand).plane, validity, canvas.region, part);
      else if (mask === null) fillWindow(validity, 1, canvas.region, part);
      // A mask block that was never written masks everything under it, as in GDAL.
      else return this.#drawImage(mask, [{ band: 0, plane: validity }], { region: canvas.region, column, row, empty: 0 }, bytes);
      return undefined;
    };
    return drawing === undefined ? finish() : drawing.then(() => finish());
  }

  #alphaPlane(dtype: Dtype, { region, validity }: Canvas): SampleArray {
    return dtype === 'uint8' && validity !== undefined ? validity : this.#scratch.plane('alpha', dtype, area(region));
  }

  /** Draws the blocks of an image that lie under the region. A promise only while a codec is asynchronous. */
  #drawImage({ image, bands, blocks }: ImageBlocks, wanted: readonly WantedBand[], place: Place, bytes: Uint8Array): Promise<void> | undefined {
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
        for (const { plane } of own) fillWindow(plane, place.empty, place.region, part);
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

interface WantedBand {
  /** Of the file, 0-based. */
  readonly band: number;
  readonly plane: SampleArray;
}

/** Where an image is drawn. */
interface Place {
  readonly region: Window;
  /** Where its first pixel lies on the grid. */
  readonly column: number;
  readonly row: number;
  /** What blocks hold that were never written. */
  readonly empty: number;
}

/** Fills the part of a region's plane. */
function fillWindow(plane: SampleArray, value: number, region: Window, part: Window): void {
  if (part.columns === region.columns) {
    const start = (part.row - region.row) * region.columns;
    plane.fill(value, start, start + area(part));
    return;
  }
  for (let row = 0; row < part.rows; row++) {
    const start = (part.row - region.row + row) * region.columns + part.column - region.column;
    plane.fill(value, start, start + part.columns);
  }
}

/** Copies the part that both windows have from one plane to another. */
function copyPart(from: SampleArray, fromWindow: Window, to: SampleArray, toWindow: Window, part: Window): void {
  for (let row = 0; row < part.rows; row++) {
    const start = (part.row - fromWindow.row + row) * fromWindow.columns + part.column - fromWindow.column;
    const target = (part.row - toWindow.row + row) * toWindow.columns + part.column - toWindow.column;
    to.set(from.subarray(start, start + part.columns), target);
  }
}

/** Alpha becomes validity: 0 is transparent, all else is data, as in GDAL's masks. */
function toValidity(alpha: SampleArray, validity: Uint8Array, region: Window, part: Window): void {
  for (let row = 0; row < part.rows; row++) {
    const start = (part.row - region.row + row) * region.columns + part.column - region.column;
    for (let at = start; at < start + part.columns; at++) validity[at] = alpha[at] === 0 ? 0 : 1;
  }
}

/** What a mosaic is where none of its scenes has data. */
function fillInvalid(target: SampleArray, validity: Uint8Array, pixels: number, { fill, fillIsData }: TileInput): void {
  for (let at = 0; at < pixels; at++) {
    if (validity[at] !== 0) continue;
    target[at] = fill;
    if (fillIsData) validity[at] = 1;
  }
}
