/**
 * How the pixels of one image of a TIFF lie in its blocks.
 *
 * A layout is plain data (it survives JSON and postMessage), because the thread that reads the header is not the thread that decodes:
 * the main thread sends layouts and bytes, compute threads build a BlockReader from each.
 */

import type { Dtype } from '../raster/dtype.ts';
import { intersect, type Window } from '../raster/window.ts';

export type Compression = 'none' | 'lzw' | 'deflate' | 'zstd' | 'packbits' | 'jpeg' | 'webp' | 'lerc';

/** 1 none, 2 horizontal differences (TIFF 6.0 §14), 3 floating point (TIFF Technical Note 3). */
export type Predictor = 1 | 2 | 3;

export interface BlockLayout {
  /** The file, and which image of it, for messages. */
  readonly href: string;
  readonly directory: number;
  /** Pixels. */
  readonly width: number;
  readonly height: number;
  readonly bands: number;
  /** What a sample is in memory after `extract`. float16 becomes float32, a 1-bit sample uint8, an integer of 64 bits float64. */
  readonly dtype: Dtype;
  /** What a sample is in the file. */
  readonly sampleFormat: 'uint' | 'int' | 'float';
  readonly bitsPerSample: 1 | 8 | 16 | 32 | 64;
  /** Tiles are padded to their full size at the edges; a strip is as wide as the image, and the last one is short. */
  readonly organisation: 'tiled' | 'striped';
  readonly blockWidth: number;
  readonly blockHeight: number;
  readonly blocksAcross: number;
  readonly blocksDown: number;
  /** `pixel`: a block holds all bands; `band`: it holds one, and the blocks of band 0 come first. */
  readonly interleave: 'pixel' | 'band';
  readonly compression: Compression;
  /** Always 1 where the codec has no predictor. */
  readonly predictor: Predictor;
  readonly byteOrder: 'little' | 'big';
  /** PhotometricInterpretation (TIFF 6.0 §8), for example 1 for black is zero, 2 for RGB, 6 for YCbCr. */
  readonly photometric: number;
  /** A mask: `extract` gives 1 for valid and 0 for nodata. */
  readonly mask: boolean;
  /** The abbreviated stream of tag 347, in base64; null unless JPEG with shared tables. */
  readonly jpegTables: string | null;
  /** What lies around a LERC blob (tag 50674); null unless LERC. */
  readonly lercInner: 'none' | 'deflate' | 'zstd' | null;
  /** Of integers of 64 bits: the one sample beyond 2^53 that is read, which is nodata, in decimal digits; null where there is none. */
  readonly wideNodata: string | null;
}

/** Where a block's bytes are. A sparse block, which was never written, has offset 0 and length 0. */
export interface BlockRange {
  readonly offset: number;
  readonly length: number;
}

/** Samples of one pixel that lie side by side in a block. */
export function samplesPerBlockPixel(layout: BlockLayout): number {
  return layout.interleave === 'pixel' ? layout.bands : 1;
}

/** Bytes of one row of a decoded block; rows of 1-bit samples are filled up to a whole byte. */
export function blockRowBytes(layout: BlockLayout): number {
  return Math.ceil((layout.blockWidth * samplesPerBlockPixel(layout) * layout.bitsPerSample) / 8);
}

/** Number of blocks of the image, all bands together. */
export function blockCount(layout: BlockLayout): number {
  return layout.blocksAcross * layout.blocksDown * (layout.interleave === 'band' ? layout.bands : 1);
}

/** Index of the block at (column, row) of the block grid. `band` is 0-based and matters for interleave `band` only. */
export function blockIndex(layout: BlockLayout, column: number, row: number, band = 0): number {
  const plane = layout.interleave === 'band' ? band : 0;
  return (plane * layout.blocksDown + row) * layout.blocksAcross + column;
}

/** The pixels of the image that block `index` holds. Clipped to the image, although tiles carry padding beyond it. */
export function blockWindow(layout: BlockLayout, index: number): Window {
  const cell = index % (layout.blocksAcross * layout.blocksDown);
  const block = {
    column: (cell % layout.blocksAcross) * layout.blockWidth,
    row: Math.floor(cell / layout.blocksAcross) * layout.blockHeight,
    columns: layout.blockWidth,
    rows: layout.blockHeight,
  };
  return intersect(block, { column: 0, row: 0, columns: layout.width, rows: layout.height });
}

/** Rows that block `index` must have when decoded: all of them for a tile, those inside the image for a strip. */
export function decodedRows(layout: BlockLayout, index: number): number {
  return layout.organisation === 'tiled' ? layout.blockHeight : blockWindow(layout, index).rows;
}

/** Bytes of a whole decoded block; what a buffer for any block of the image needs. */
export function blockBytes(layout: BlockLayout): number {
  return blockRowBytes(layout) * layout.blockHeight;
}
