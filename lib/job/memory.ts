/** How much memory a worker will need, so that a plan that can't work is refused before anything starts. */
import { bytesPerSample } from '../raster/dtype.ts';
import type { ExpressionProgram } from '../raster/expression/program.ts';
import { encoderBytes } from '../tiff/block-encoder.ts';
import { blockBytes } from '../tiff/layout.ts';
import { encodingOf, type MemoryProjection, type PlanOutput } from './plan.ts';
import { largestTileBytes, type MeasuredFile } from './read-ahead.ts';
import { stripRows } from './tile.ts';

/** Node with our modules loaded, its own heap and the store's buffers; measured (docs/performance.md). */
const processBytes = 120 * 2 ** 20;
/** A worker thread before its buffers: an estimate. */
const threadBytes = 30 * 2 ** 20;
/** Tiles whose bytes are held beside those of the threads: the one that is read ahead. */
const tilesAhead = 1;

/** What the projection is made from. */
export interface MemoryFacts {
  readonly threads: number;
  readonly segmentBytes: number;
  readonly program: ExpressionProgram;
  /** The input files that the program reads. */
  readonly files: readonly MeasuredFile[];
  readonly outputs: readonly PlanOutput[];
  /** Bytes that a task has. */
  readonly limit: number;
}

/** Bytes for one output on one thread: its pixels, the levels above them, the encoder's buffers, and the encoded tile (twice: one is made while the last one waits for its segment). */
export function outputBytes(output: PlanOutput, pixels: number): number {
  const samples = pixels * output.bands * bytesPerSample(output.dtype);
  const levels = output.overviews === 'none' ? 0 : samples * (1 / 4 + 1 / 16);
  const encoded = 2 * samples * (output.overviews === 'none' ? 1 : 4 / 3);
  return samples + levels + encoded + encoderBytes(encodingOf(output));
}

/** The projection for one size of tiles. */
export function projectMemory(facts: MemoryFacts, tileSize: number): MemoryProjection {
  const { threads, program, files, outputs, segmentBytes, limit } = facts;
  // Buffers are made for whole tiles, also where the grid is smaller.
  const pixels = tileSize ** 2;
  const stripPixels = tileSize * stripRows(tileSize, files.flatMap(({ tiff: { main } }) => [main.layout.blockHeight, ...(main.mask === null ? [] : [main.mask.layout.blockHeight])]));
  const sources = program.sources.reduce((sum, { dtype, masked }) => sum + stripPixels * (bytesPerSample(dtype) + (masked ? 1 : 0)), 0);
  const targets = outputs.reduce((sum, output) => sum + outputBytes(output, pixels), 0);
  const decoding = files.reduce((sum, { tiff }) => sum + 2 * blockBytes(tiff.main.layout), 0);
  const readAhead = files.reduce((sum, file) => sum + largestTileBytes(file, tileSize), 0);
  const overviews = outputs.reduce((sum, { blockSize, bands, dtype }) => sum + 16 * blockSize ** 2 * bands * bytesPerSample(dtype), 0);
  const parts = {
    process: processBytes,
    threads: threads * (threadBytes + sources + targets + decoding),
    readAhead: (threads + tilesAhead) * readAhead,
    // One segment is gathered while another is written.
    segments: 2 * segmentBytes * outputs.length,
    overviews,
  };
  const total = Object.values(parts).reduce((sum, bytes) => sum + bytes, 0);
  return { ...parts, total, limit };
}

/** The largest tile that fits, a power of two times the largest block size and smaller than the one asked for; undefined when none does. */
export function fittingTileSize(facts: MemoryFacts, tileSize: number): number | undefined {
  const smallest = Math.max(...facts.outputs.map(({ blockSize }) => blockSize));
  for (let size = tileSize / 2; size >= smallest; size /= 2) {
    if (projectMemory(facts, size).total <= facts.limit) return size;
  }
  return undefined;
}
