/** How the blocks of an output are encoded, and what follows from it before any is: whether it loses something, which predictor helps, how much memory it takes. */
import { bytesPerSample, isFloat, type Dtype } from '../raster/dtype.ts';
import type { ImageCodec } from './image-compressor.ts';

/** `level` is zlib's or zstd's; undefined leaves deflate's strategy to sampling, and LERC's blobs as they are. */
export type Codec =
  | { readonly compression: 'none' }
  | { readonly compression: 'lzw' }
  | { readonly compression: 'deflate'; readonly level: number | undefined }
  | { readonly compression: 'zstd'; readonly level: number }
  | { readonly compression: 'lerc'; readonly maxError: number; readonly level: number | undefined }
  | ImageCodec;

/** How the blocks of one output are made. */
export interface BlockEncoding {
  readonly dtype: Dtype;
  readonly bands: number;
  /** Side in pixels. */
  readonly blockSize: number;
  readonly codec: Codec;
  readonly predictor: 1 | 2 | 3;
  /** Pads blocks at the edge, and tells which blocks need not be written at all; without one that is 0. */
  readonly nodata: number | undefined;
}

/** Whether blocks are read back with other values than they were made of. */
export function isLossy(codec: Codec, dtype: Dtype): boolean {
  switch (codec.compression) {
    case 'jpeg':
      return true;
    case 'webp':
      return codec.quality !== undefined;
    case 'lerc':
      return codec.maxError >= (isFloat(dtype) ? Number.MIN_VALUE : 1);
    default:
      return false;
  }
}

/** The codecs that TIFF has predictors for. */
const predicting: ReadonlySet<Codec['compression']> = new Set(['deflate', 'zstd', 'lzw']);

/** The predictor that `auto` stands for: GDAL's advice is 3 for floats and 2 for integers, where a codec gains from it. */
export function defaultPredictor(dtype: Dtype, compression: Codec['compression']): 1 | 2 | 3 {
  if (!predicting.has(compression)) return 1;
  return isFloat(dtype) ? 3 : 2;
}

/** What sharp takes before its first block, and LERC's decoder (WebAssembly) for reading back; measured. */
const imageLibraryBytes = 16 * 2 ** 20;
const lercDecoderBytes = 16 * 2 ** 20;

/** libwebp's bytes for each pixel, without loss; measured on blocks of 512 and 1024 px. With loss it takes less. */
const webpPixelBytes = 128;

/** Bytes of buffers that an encoder holds, for the memory projection. */
export function encoderBytes({ dtype, bands, blockSize, codec, predictor }: Omit<BlockEncoding, 'nodata'>): number {
  const pixels = blockSize ** 2;
  const block = pixels * bands * bytesPerSample(dtype);
  const settles = isLossy(codec, dtype);
  switch (codec.compression) {
    case 'lerc':
      // Samples, two sizes of micro-blocks and the compressed blob; two orders of symbols for Huffman's codes; and what is read back.
      return (bytesPerSample(dtype) === 1 ? 6 : 4) * block + (settles ? 3 * block + lercDecoderBytes : 0);
    case 'jpeg':
      // Samples, a copy for sharp, its lines and the stream; and the same once more for reading back.
      return 10 * block + imageLibraryBytes;
    case 'webp':
      return 4 * block + pixels * webpPixelBytes + imageLibraryBytes;
    case 'deflate':
      // Samples, what the predictor makes of them, and zlib's; or a copy and a stream for each of the two encoders of our own.
      return block * ((predictor === 3 ? 2 : 1) + (codec.level === undefined ? 4 : 2));
    default:
      return block * (predictor === 3 ? 4 : 3);
  }
}
