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
}

/** Bytes for each pixel that is decoded, where samples have one byte. WebP and PNG as the dearest of their kind: lossless, with transparency. Drawings have no pixels before they are drawn. */
const decoding: Readonly<Record<ImageFormat, number>> = { jpeg: 1.2, png: 2.5, webp: 4.5, avif: 20, tiff: 2, gif: 6, svg: 0 };
/** The same of what can't be decoded in rows. */
const decodingWhole: Readonly<Partial<Record<ImageFormat, number>>> = { jpeg: 3.5, png: 6 };
/** Bytes for each pixel of a copy while it is written. */
const encoding: Readonly<Record<WrittenFormat, number>> = { jpeg: 10, png: 6, webp: 11, avif: 40, tiff: 4, gif: 15 };
/** Bytes for each pixel of the largest copy, before it is cut: of a drawing with filters, and of pixels that are kept for the copies that follow, each of which has a quarter at most. */
const drawing = 34;
const kept = 4 * (1 + 1 / 4 + 1 / 16);
/** Bytes for each pixel, where samples have one byte, of what has to be whole to be turned. */
const turning = 4;
/** Where they are decoded at a half, a quarter, … of their size: to at most twice the copy's width and height. */
const scaledWhileDecoding: ReadonlySet<ImageFormat> = new Set(['jpeg', 'webp']);

/** @returns bytes, of which the file itself is none. What was measured is less; a drawing may be made to take more */
export function memoryOf({ format, size, orientation, progressive, bytesPerSample }: Omit<OpenedImage, 'bytes'>, copies: readonly CopyToMake[]): number {
  const pixels = size.width * size.height * Math.max(1, ...copies.map(({ frames }) => frames));
  const largest = Math.max(0, ...copies.map(({ scaled, frames }) => scaled.width * scaled.height * frames));
  const source = ((progressive ? decodingWhole[format] : undefined) ?? decoding[format]) * bytesPerSample * pixels;
  const turned = orientation === 1 ? 0 : turning * bytesPerSample * (scaledWhileDecoding.has(format) ? Math.min(pixels, 4 * largest) : pixels);
  const drawn = format === 'svg' ? drawing * largest : 0;
  const rasters = copies.length > 1 ? kept * largest : 0;
  // They are made one after the other.
  const copy = Math.max(0, ...copies.map(({ output, ...each }) => encoding[each.format] * output.width * output.height * each.frames));
  return source + turned + drawn + rasters + copy;
}
