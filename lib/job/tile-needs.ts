/** What a tile needs of the scenes under it, and what its task says of them. */
import { bytesPerSample } from '../raster/dtype.ts';
import type { ExpressionProgram } from '../raster/expression/program.ts';
import { area, type Window } from '../raster/window.ts';
import { blockIndex, blockWindow, type BlockLayout } from '../tiff/layout.ts';
import { bandOfBlock, sampleBytes } from './block-grid.ts';
import { fillOf, nodataOf, type PlanInput, type PlanScene } from './plan.ts';
import type { OpenFile } from './scene-files.ts';
import { sceneWindowBytes, type SceneWindow } from './scene-windows.ts';
import type { Arrival } from './shared-blocks.ts';
import type { ImageBlocks, TileBlock, TileImage, TileInput, TileScene } from './tile-scene.ts';

/** Planes of samples begin where any type of sample may. */
const alignment = 8;

/** A scene of the plan that has something under the batch. */
export interface InputScene {
  readonly input: number;
  readonly scene: PlanScene;
  /** Bands of the input that the program reads, 0-based. */
  readonly inputBands: readonly number[];
  /** Bands of the file that are read, 0-based and ascending; an alpha band too. */
  readonly fileBands: readonly number[];
}

/** Blocks of one image that a tile needs. */
export interface ImageNeed {
  readonly file: OpenFile;
  readonly image: TileImage;
  readonly bands: readonly number[];
  readonly blocks: readonly BlockNeed[];
}

/** A block on its way to a tile. */
export interface BlockNeed {
  readonly index: number;
  /** Where the block comes from when an earlier tile has asked for it. */
  readonly arriving: Promise<SharedArrayBuffer | undefined> | undefined;
  /** Tells other tiles that the block is there, decoded, or can't be; undefined when no other tile wants it. */
  readonly arrival: Arrival | undefined;
  /** In the file, and then in the task's bytes. */
  offset: number;
  length: number;
  decoded: SharedArrayBuffer | undefined;
}

/** What a tile needs, scene by scene. */
export interface SceneNeed {
  readonly of: InputScene;
  readonly main: ImageNeed | undefined;
  readonly mask: ImageNeed | undefined;
  readonly window: SceneWindow | undefined;
}

export function tileInput(input: PlanInput, program: ExpressionProgram): TileInput {
  const { name, masked, fillIsData, rule } = input;
  const sources = program.sources.flatMap((source, index) => (source.input === name ? [{ source: index, band: source.band - 1 }] : []));
  return { sources, nodata: nodataOf(input), masked, fill: fillOf(input), fillIsData, rule };
}

export function fileBands({ bands, alphaBand, masked }: PlanScene, inputBands: readonly number[]): number[] {
  const wanted = new Set(inputBands.map((band) => bands[band] as number));
  if (masked && alphaBand !== null) wanted.add(alphaBand);
  return [...wanted].toSorted((a, b) => a - b);
}

/** Indices of the blocks that a window of an image touches; where each band has blocks of its own, of the wanted bands only. */
export function blocksUnder(layout: BlockLayout, bands: readonly number[], window: Window): number[] {
  const { blockWidth, blockHeight, interleave } = layout;
  const indices: number[] = [];
  for (const band of interleave === 'band' ? bands : [0]) {
    for (let row = Math.floor(window.row / blockHeight); row * blockHeight < window.row + window.rows; row++) {
      for (let column = Math.floor(window.column / blockWidth); column * blockWidth < window.column + window.columns; column++) {
        indices.push(blockIndex(layout, column, row, band));
      }
    }
  }
  return indices;
}

export function decodedBytes(layout: BlockLayout, bands: readonly number[], index: number): number {
  const planes = bandOfBlock(layout, index) === undefined ? bands.length : 1;
  return area(blockWindow(layout, index)) * planes * sampleBytes(layout);
}

/** Where the answer for each window begins in the task's bytes, and at last where all of them end. */
export function windowOffsets(needs: readonly SceneNeed[]): number[] {
  const offsets = [0];
  for (const { window } of needs) {
    const length = window === undefined ? 0 : sceneWindowBytes(window);
    offsets.push((offsets.at(-1) as number) + Math.ceil(length / alignment) * alignment);
  }
  return offsets;
}

export function tileBlock({ index, offset, length, decoded }: BlockNeed): TileBlock {
  return decoded === undefined ? { index, offset, length } : { index, offset, length, decoded };
}

export function tileScene({ of: { input, scene, inputBands }, main, mask, window }: SceneNeed, offset: number): TileScene {
  const base = { input, dtype: scene.dtype, nodata: nodataOf(scene), window: scene.window };
  const { reading } = scene;
  if (window !== undefined || main === undefined || reading.by !== 'blocks') {
    if (window === undefined) throw new Error(`a scene of ${scene.href} has neither blocks nor a window`);
    const planeBytes = area(window.window) * bytesPerSample(scene.dtype);
    return { ...base, by: 'planes', area: window.window, bands: inputBands, offset, validityOffset: window.validity ? offset + inputBands.length * planeBytes : null };
  }
  const blocks = ({ image, bands, blocks: needed }: ImageNeed): ImageBlocks => ({ image, bands, blocks: needed.map(tileBlock) });
  return {
    ...base,
    by: 'blocks',
    column: reading.column,
    row: reading.row,
    main: blocks(main),
    bands: scene.bands,
    alphaBand: scene.masked ? scene.alphaBand : null,
    mask: mask === undefined ? null : blocks(mask),
  };
}
