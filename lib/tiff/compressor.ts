/** Compression of blocks, and the choice of how hard to try. */
import { deflateSync } from 'node:zlib';
import { viewSamples, type Dtype } from '../raster/dtype.ts';
import type { Codec } from './block-encoding.ts';
import { compressImage } from './image-compressor.ts';
import { LercEncoder } from './lerc-encoder.ts';
import { Deflater, type DeflateMethod } from './deflate-encoder.ts';
import { LzwEncoder } from './lzw-encoder.ts';
import { ZstdEncoder } from './zstd-encoder.ts';

/** What LERC, JPEG and WebP have to know of a block's samples, which lie by pixel. */
export interface BlockSamples {
  readonly dtype: Dtype;
  readonly bands: number;
  /** Side in pixels. */
  readonly blockSize: number;
  readonly nodata: number | undefined;
}

/** Memory of at least so many bytes where the result is wanted. */
export type Room = (bytes: number) => Uint8Array;

/** Compresses one block. The result may be a view that the next call overwrites. A promise comes from JPEG and WebP only, and the block may change at once. */
export interface Compressor {
  /** @param room where the result is to be, which only zstd heeds: the others have memory of their own */
  compress(block: Uint8Array, room?: Room): Uint8Array | Promise<Uint8Array>;
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
      const encoder = new ZstdEncoder(codec.level);
      return { compress: (block, room) => encoder.encode(block, room) };
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

/** How much larger than level 6 the picked way may make the samples. */
const tolerance = 1.015;

/** A sample is so many stretches of a block, evenly spread, of so many bytes each: what lies in its middle only may be unlike the rest. Level 6 takes 1.3 ms for it. */
const sampleStretches = 4;
const stretchBytes = 16 * 1024;

/** A way to deflate. */
class Candidate {
  readonly compress: (block: Uint8Array) => Uint8Array;
  /** What it made of the samples that it was tried on, and what level 6 made of them. */
  #own = 0;
  #thorough = 0;

  constructor(compress: (block: Uint8Array) => Uint8Array) {
    this.compress = compress;
  }

  /** Whether it stays within the tolerance, by this sample and those before it. */
  isGoodEnough(sample: Uint8Array, thorough: number): boolean {
    this.#own += this.compress(sample).length;
    this.#thorough += thorough;
    return this.#own <= this.#thorough * tolerance;
  }
}

function zlibCandidate(settings: { readonly level: number; readonly memLevel?: number }): Candidate {
  return new Candidate((block) => deflateSync(block, { ...settings, chunkSize: chunkFor(block) }));
}

/**
 * Deflate in the fastest way that stays within 1.5 % of level 6. Runs alone take a sixth of its time, and on noisy predicted samples they compress as well; our
 * own search for matches takes a third, and is as good on many predicted integers; class maps need zlib. Hence the samples: blocks number 0, 1, 3, 7, 15 …, at
 * level 6, and from the fastest way on until one is good enough. So the choice follows the data, and its cost fades.
 */
class SamplingDeflater implements Compressor {
  readonly #thorough = zlibCandidate({ level: 6 });
  /** From fast to thorough; all of them faster than level 6. */
  readonly #candidates: readonly Candidate[] = [ownCandidate('runs'), ownCandidate('matches'), zlibCandidate({ level: 1, memLevel: 9 }), zlibCandidate({ level: 4 })];
  #picked = this.#thorough;
  #seen = 0;
  #nextSample = 0;

  compress(block: Uint8Array): Uint8Array {
    if (this.#seen++ === this.#nextSample) {
      this.#nextSample = 2 * this.#nextSample + 1;
      this.#picked = this.#pick(block);
    }
    return this.#picked.compress(block);
  }

  #pick(block: Uint8Array): Candidate {
    const sample = sampleOf(block);
    const thorough = this.#thorough.compress(sample).length;
    return this.#candidates.find((candidate) => candidate.isGoodEnough(sample, thorough)) ?? this.#thorough;
  }
}

function sampleOf(block: Uint8Array): Uint8Array {
  if (block.length <= sampleStretches * stretchBytes) return block;
  const sample = new Uint8Array(sampleStretches * stretchBytes);
  for (let i = 0; i < sampleStretches; i++) {
    const middle = ((2 * i + 1) * block.length) / (2 * sampleStretches);
    // Whole words, as they are in the block.
    const start = Math.floor(middle - stretchBytes / 2) & ~7;
    sample.set(block.subarray(start, start + stretchBytes), i * stretchBytes);
  }
  return sample;
}

function ownCandidate(method: DeflateMethod): Candidate {
  const deflater = new Deflater(method);
  return new Candidate((block) => deflater.encode(block));
}
