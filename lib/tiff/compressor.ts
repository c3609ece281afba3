/** Compression of blocks, and the choice of how hard to try. */
import { constants, deflateSync, zstdCompressSync } from 'node:zlib';
import { isFloat, viewSamples, type Dtype } from '../raster/dtype.ts';
import { compressImage, type ImageCodec } from './image-compressor.ts';
import { LercEncoder } from './lerc-encoder.ts';
import { LzwEncoder } from './lzw-encoder.ts';

/** `level` is zlib's or zstd's; undefined leaves deflate's strategy to sampling, and LERC's blobs as they are. */
export type Codec =
  | { readonly compression: 'none' }
  | { readonly compression: 'lzw' }
  | { readonly compression: 'deflate'; readonly level: number | undefined }
  | { readonly compression: 'zstd'; readonly level: number }
  | { readonly compression: 'lerc'; readonly maxError: number; readonly level: number | undefined }
  | ImageCodec;

/** What LERC, JPEG and WebP have to know of a block's samples, which lie by pixel. */
export interface BlockSamples {
  readonly dtype: Dtype;
  readonly bands: number;
  /** Side in pixels. */
  readonly blockSize: number;
  readonly nodata: number | undefined;
}

/** Compresses one block. The result may be a view that the next call overwrites. A promise comes from JPEG and WebP only, and the block may change at once. */
export interface Compressor {
  compress(block: Uint8Array): Uint8Array | Promise<Uint8Array>;
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

export function createCompressor(codec: Codec, samples: BlockSamples): Compressor {
  switch (codec.compression) {
    case 'none':
      return { compress: (block) => block };
    case 'lerc':
      return lercCompressor(codec.maxError, codec.level, samples);
    case 'jpeg':
    case 'webp':
      return { compress: (block) => compressImage(codec, block, samples.blockSize, samples.bands) };
    case 'lzw': {
      const encoder = new LzwEncoder();
      return { compress: (block) => encoder.encode(block) };
    }
    case 'zstd': {
      const params = { [constants.ZSTD_c_compressionLevel]: codec.level };
      return { compress: (block) => zstdCompressSync(block, { params, chunkSize: chunkFor(block) }) };
    }
    case 'deflate': {
      if (codec.level === undefined) return new SamplingDeflater();
      const settings = { level: codec.level };
      return { compress: (block) => deflateSync(block, { ...settings, chunkSize: chunkFor(block) }) };
    }
  }
}

function lercCompressor(maxError: number, level: number | undefined, { dtype, bands, blockSize, nodata }: BlockSamples): Compressor {
  const encoder = new LercEncoder({ dtype, bands, columns: blockSize, rows: blockSize, maxError, nodata });
  const encode = (block: Uint8Array): Uint8Array => encoder.encode(viewSamples(dtype, block.buffer, block.byteOffset, blockSize ** 2 * bands));
  if (level === undefined) return { compress: encode };
  const around = createCompressor({ compression: 'zstd', level }, { dtype, bands, blockSize, nodata });
  return { compress: (block) => around.compress(encode(block)) };
}

/** One output chunk for everything: the default of 16 KiB costs a fifth of the time. */
function chunkFor(block: Uint8Array): number {
  return block.length + (block.length >> 10) + 1024;
}

interface DeflateSettings {
  readonly level: number;
  readonly strategy?: number;
  readonly memLevel?: number;
}

/**
 * From fast to thorough. Run-length matching alone is two to three times as fast as level 6, and on noisy predicted samples it
 * compresses as well; on smooth data and class maps it does not, hence the sampling.
 */
const candidates: readonly DeflateSettings[] = [
  { level: 6, strategy: constants.Z_RLE, memLevel: 9 },
  { level: 1, memLevel: 9 },
  { level: 6 },
];

/** How much larger than level 6 the picked strategy may make the samples. */
const tolerance = 1.015;

/**
 * Deflate with the fastest strategy that stays within 1.5 % of level 6. Blocks number 0, 1, 3, 7, 15 … are compressed with every candidate,
 * and the sizes so far decide; so the choice follows the data, and its cost fades.
 */
class SamplingDeflater implements Compressor {
  readonly #sizes = candidates.map(() => 0);
  #picked = candidates[0] as DeflateSettings;
  #seen = 0;
  #nextSample = 0;

  compress(block: Uint8Array): Uint8Array {
    const chunkSize = chunkFor(block);
    if (this.#seen++ !== this.#nextSample) return deflateSync(block, { ...this.#picked, chunkSize });
    this.#nextSample = 2 * this.#nextSample + 1;
    const results = candidates.map((settings) => deflateSync(block, { ...settings, chunkSize }));
    for (const [i, result] of results.entries()) this.#sizes[i] = (this.#sizes[i] ?? 0) + result.length;
    const limit = (this.#sizes.at(-1) ?? 0) * tolerance;
    const index = this.#sizes.findIndex((size) => size <= limit);
    this.#picked = candidates[index] as DeflateSettings;
    return results[index] as Uint8Array;
  }
}
