/**
 * The planes that an operation reads, filled for one region of the grid from the scenes that lie under it. This is the compute thread's half
 * of reading; which blocks there are, and their bytes, come from the main thread (tile-inputs.ts).
 */
import { allocateSamples, type Dtype, type SampleArray, viewSamples, bytesPerSample } from '../raster/dtype.ts';
import type { ExpressionProgram } from '../raster/expression/program.ts';
import { MosaicBand, ScratchPlanes, type MosaicRule } from '../raster/mosaic.ts';
import { alphaToValidity, copyPart, fillPart } from '../raster/planes.ts';
import { area, intersect, type Window } from '../raster/window.ts';
import { BlockDrawing, type WantedBand } from './block-drawing.ts';
import type { BlockScene, ImageBlocks, PlaneScene, TileInput, TileScene } from './tile-scene.ts';

/** Where a scene is drawn: planes of a region, one a source, and one for its mask. */
interface Canvas {
  readonly region: Window;
  readonly planeOf: (source: number) => SampleArray;
  readonly validity: Uint8Array | undefined;
}

export class SourcePlanes {
  readonly #inputs: readonly TileInput[];
  readonly #program: ExpressionProgram;
  readonly #planes: readonly SampleArray[];
  readonly #validity: readonly (Uint8Array | undefined)[];
  readonly #blocks = new BlockDrawing();
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
  async load(region: Window, scenes: readonly TileScene[], bytes: Uint8Array): Promise<void> {
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
      fillPart(this.#planes[source] as SampleArray, fill, region, part);
      const validity = this.#validity[source];
      if (validity !== undefined) fillPart(validity, fillIsData ? 1 : 0, region, part);
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
    if (validityOffset === null) fillPart(canvas.validity, 1, canvas.region, part);
    else copyPart(bytes.subarray(validityOffset, validityOffset + pixels), there, canvas.validity, canvas.region, part);
  }

  #drawBlocks(scene: BlockScene, canvas: Canvas, bytes: Uint8Array): Promise<void> | undefined {
    const { input, main, mask, bands, alphaBand, column, row, nodata } = scene;
    const { sources } = this.#inputs[input] as TileInput;
    const wanted: WantedBand[] = sources.map(({ source, band }) => ({ band: bands[band] as number, plane: canvas.planeOf(source) }));
    const { validity } = canvas;
    if (alphaBand !== null && validity !== undefined) wanted.push({ band: alphaBand, plane: this.#alphaPlane(main.image.layout.dtype, canvas) });
    const drawing = this.#blocks.draw(main, wanted, { region: canvas.region, column, row, empty: nodata ?? 0 }, bytes);
    const finish = (): Promise<void> | undefined => {
      if (validity === undefined) return undefined;
      const part = intersect(scene.window, canvas.region);
      if (alphaBand !== null) alphaToValidity((wanted.at(-1) as WantedBand).plane, validity, canvas.region, part);
      else if (mask === null) fillPart(validity, 1, canvas.region, part);
      // A mask block that was never written masks everything under it, as in GDAL.
      else return this.#blocks.draw(mask, [{ band: 0, plane: validity }], { region: canvas.region, column, row, empty: 0 }, bytes);
      return undefined;
    };
    return drawing === undefined ? finish() : drawing.then(() => finish());
  }

  #alphaPlane(dtype: Dtype, { region, validity }: Canvas): SampleArray {
    return dtype === 'uint8' && validity !== undefined ? validity : this.#scratch.plane('alpha', dtype, area(region));
  }

  /** Decodes blocks for all tiles that need them. */
  async decode(blocks: ImageBlocks, bytes: Uint8Array): Promise<void> {
    await this.#blocks.decode(blocks, bytes);
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
