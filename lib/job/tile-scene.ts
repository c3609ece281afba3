/** What a tile's task says of inputs and scenes: plain data that crosses from the thread that reads to those that compute. */
import type { Dtype } from '../raster/dtype.ts';
import type { MosaicRule } from '../raster/mosaic.ts';
import type { Window } from '../raster/window.ts';
import type { BlockLayout } from '../tiff/layout.ts';

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
