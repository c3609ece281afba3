/** What making copies of an image takes of memory, by what was measured (docs/images.md, bench/image-memory.ts). */
import type { Size } from './fit.ts';
import type { ImageFormat, WrittenFormat } from './image-format.ts';
import type { OpenedImage } from './open-image.ts';

/** A copy, as far as its memory goes. */
export interface CopyToMake {
  readonly format: WrittenFormat;
  readonly frames: number;
  /** The whole image at the copy's scale. */
  readonly scaled: Size;
  /** What is left of it, or has room for it. */
  readonly output: Size;
  /** Whether the part of it that is kept is looked for in the pixels. */
  readonly sought: boolean;
}

/**
 * Bytes for each pixel that is decoded, where samples have one byte: of the dearest of its kind. WebP is lossless, with transparency; PNG has transparency; TIFF has tiles or
 * strips as high as thousands of pixels. Drawings have no pixels before they are drawn.
 */
const decoding: Readonly<Record<ImageFormat, number>> = { jpeg: 1.2, png: 2.5, webp: 4.5, avif: 20, tiff: 8, gif: 6, svg: 0 };
/** The same of an interlaced PNG, which can't be decoded in rows. */
const interlaced = 6;
/** A progressive JPEG is there as coefficients of two bytes, and some rows of pixels. */
const coefficient = 2;
const progressiveRows = 0.8;
/** Bytes for each pixel of a copy while it is written, without transparency. */
const encoding: Readonly<Record<WrittenFormat, number>> = { jpeg: 10, png: 6, webp: 11, avif: 40, tiff: 4, gif: 15 };
const withAlpha = 4 / 3;
/** Copies are made one after the other, but each in a thread of its own, which may still keep what it had: this part of it. */
const keptByThreads = 0.5;
/** Bytes for each pixel of the largest copy, before it is cut: of a drawing with filters, of pixels in which the part to keep is looked for, and of those that are kept for the copies that follow, each of which has a quarter at most. */
const drawing = 34;
const seeking = 6;
const kept = 4 * (1 + 1 / 4 + 1 / 16);
/** Bytes for each pixel, where samples have one byte, of what has to be whole to be turned. */
const turning = 4;
/** Where they are decoded at a half, a quarter, … of their size: to at most twice the copy's width and height. */
const scaledWhileDecoding: ReadonlySet<ImageFormat> = new Set(['jpeg', 'webp']);

/** @returns bytes, of which the file itself is none: an estimate from above of what was measured, which a drawing or a file that nobody thought of may exceed */
export function memoryOf(image: OpenedImage, copies: readonly CopyToMake[]): number {
  const { format, size, orientation, bytesPerSample, hasAlpha } = image;
  const pixels = size.width * size.height * Math.max(1, ...copies.map(({ frames }) => frames));
  const largest = Math.max(0, ...copies.map(({ scaled, frames }) => scaled.width * scaled.height * frames));
  const source = decodingOf(image) * bytesPerSample * pixels;
  const turned = orientation === 1 ? 0 : turning * bytesPerSample * (scaledWhileDecoding.has(format) ? Math.min(pixels, 4 * largest) : pixels);
  const drawn = format === 'svg' ? drawing * largest : 0;
  const sought = copies.some((copy) => copy.sought) ? seeking * largest : 0;
  const rasters = copies.length > 1 ? kept * largest : 0;
  const written = copies.map(({ output, ...copy }) => encoding[copy.format] * (hasAlpha ? withAlpha : 1) * output.width * output.height * copy.frames);
  const most = Math.max(0, ...written);
  return source + turned + drawn + sought + rasters + most + keptByThreads * (written.reduce((sum, each) => sum + each, 0) - most);
}

function decodingOf({ format, progressive, samplesPerPixel }: OpenedImage): number {
  if (progressive && format === 'png') return interlaced;
  return progressive && format === 'jpeg' ? coefficient * samplesPerPixel + progressiveRows : decoding[format];
}
