/** What making copies of an image takes of memory, by what was measured (docs/images.md, bench/image-memory.ts). */
import type { Size } from './fit.ts';
import type { ImageFormat, WrittenFormat } from './image-format.ts';
import type { OpenedImage } from './open-image.ts';

/** A copy, as far as its memory goes. */
export interface CopyToMake {
  readonly format: WrittenFormat;
  readonly frames: number;
  readonly output: Size;
}

/** Bytes for each pixel that is decoded, where samples have one byte. WebP and PNG as the dearest of their kind: lossless, with transparency. */
const decoding: Readonly<Record<ImageFormat, number>> = { jpeg: 1, png: 2.5, webp: 4.5, avif: 20, tiff: 2, gif: 6, svg: 4 };
/** The same of what can't be decoded in rows. */
const decodingWhole: Readonly<Partial<Record<ImageFormat, number>>> = { jpeg: 3.5, png: 6 };
/** Bytes for each pixel of a copy while it is written. */
const encoding: Readonly<Record<WrittenFormat, number>> = { jpeg: 10, png: 6, webp: 9, avif: 40, tiff: 4, gif: 15 };

/** @returns bytes, of which the file itself is none; an estimate from above */
export function memoryOf({ format, size, progressive, bytesPerSample }: OpenedImage, copies: readonly CopyToMake[]): number {
  const frames = Math.max(1, ...copies.map((copy) => copy.frames));
  const source = ((progressive ? decodingWhole[format] : undefined) ?? decoding[format]) * bytesPerSample * size.width * size.height * frames;
  // They are made one after the other.
  const copy = Math.max(0, ...copies.map(({ output, ...each }) => encoding[each.format] * output.width * output.height * each.frames));
  return source + copy;
}
