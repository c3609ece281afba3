/** Reads the header of an image, and refuses what is not one or is too large, before a pixel is decoded. */
import type { Metadata, SharpOptions } from 'sharp';
import { DataError, messageOf } from '../base/errors.ts';
import type { Size } from './fit.ts';
import { findImageFormat, type ImageFormat } from './image-format.ts';
import type { ImageLimits } from './image-limits.ts';
import { loadSharp } from './sharp-setup.ts';

export interface OpenedImage {
  readonly bytes: Uint8Array;
  readonly format: ImageFormat;
  /** As it is seen, its orientation applied; of one frame. */
  readonly size: Size;
  /** EXIF's, 1 to 8; 1 where there is none. */
  readonly orientation: number;
  /** Frames of an animation; 1 of everything else, as only first pages are read. */
  readonly frames: number;
  readonly hasAlpha: boolean;
  /** A progressive JPEG or an interlaced PNG, which no decoder reads in rows. */
  readonly progressive: boolean;
  /** Of a JPEG: samples of a pixel, where some are of several pixels; 3 of everything else. */
  readonly samplesPerPixel: number;
  /** Of a sample, as it lies in the file. */
  readonly bytesPerSample: number;
  /** The EXIF block, as it lies in the file. */
  readonly exif: Uint8Array | undefined;
}

/** sharp's own name of what we call AVIF is the container's. */
const nameOfSharp: Readonly<Partial<Record<string, ImageFormat>>> = { jpeg: 'jpeg', png: 'png', gif: 'gif', webp: 'webp', tiff: 'tiff', heif: 'avif', svg: 'svg' };

/** By sharp's names. CMYK is never subsampled there. */
const subsampled: Readonly<Record<string, number>> = { '4:2:0': 1.5, '4:2:2': 2, '4:4:4': 3, '4:2:0:4': 2.5, '4:4:4:4': 4 };
/** By libvips' names. */
const sampleBytes: Readonly<Record<Metadata['depth'], number>> = { uchar: 1, char: 1, ushort: 2, short: 2, uint: 4, int: 4, float: 4, double: 8, complex: 8, dpcomplex: 16 };

/** @throws DataError IMAGE_EMPTY, IMAGE_FORMAT, IMAGE_DAMAGED, IMAGE_TOO_LARGE */
export async function openImage(bytes: Uint8Array, limits: ImageLimits): Promise<OpenedImage> {
  const format = findImageFormat(bytes);
  const sharp = await loadSharp();
  let header: Metadata;
  try {
    // The limit is ours to check, so that the error has numbers; a header is read without decoding.
    header = await sharp(bytes, { failOn: failOn(limits), limitInputPixels: false }).metadata();
  } catch (cause) {
    throw damaged(format, bytes, cause);
  }
  const found = nameOfSharp[header.format];
  if (found !== format) throw new DataError('IMAGE_FORMAT', `wanted a ${describeFormat(format)}, as the file begins like one, found ${header.format}`);
  const { width, height } = header.autoOrient;
  const orientation = header.orientation ?? 1;
  const pages = format === 'gif' || format === 'webp' ? (header.pages ?? 1) : 1;
  // libvips can't turn frames on their side; no program is known to write such files.
  const frames = orientation === 1 ? pages : 1;
  checkPixels(`the ${describeFormat(format)}`, { width, height }, 1, limits);
  return {
    bytes,
    format,
    size: { width, height },
    orientation,
    frames,
    hasAlpha: header.hasAlpha,
    progressive: header.isProgressive,
    samplesPerPixel: subsampled[header.chromaSubsampling ?? ''] ?? 3,
    bytesPerSample: sampleBytes[header.depth],
    exif: header.exif,
  };
}

/** @throws DataError IMAGE_TOO_LARGE */
export function checkPixels(what: string, { width, height }: Size, frames: number, { maxPixels }: ImageLimits): void {
  const pixels = width * height * frames;
  if (pixels <= maxPixels) return;
  const shape = `${String(width)} x ${String(height)}${frames > 1 ? ` in ${String(frames)} frames` : ''}`;
  const hint = frames > 1 ? ' (the first frame alone: animation "first")' : '';
  throw new DataError('IMAGE_TOO_LARGE', `${what}: wanted ${String(maxPixels)} pixels at most (maxPixels), found ${String(pixels)}: ${shape}${hint}`, { where: { width, height, frames, maxPixels } });
}

/** Options with which the image is decoded, once it has been opened. */
export function decodeOptions({ frames }: OpenedImage, limits: ImageLimits, allFrames: boolean): SharpOptions {
  return { autoOrient: true, animated: allFrames && frames > 1, failOn: failOn(limits), limitInputPixels: limits.maxPixels };
}

/** libjpeg only warns of wrong bits in the middle of a file, so `warning` is what finds them. */
function failOn({ damaged }: ImageLimits): 'warning' | 'none' {
  return damaged === 'fail' ? 'warning' : 'none';
}

/** An error for an image that can't be decoded. What its decoder says is whole in `where`. */
export function damaged(format: ImageFormat, bytes: Uint8Array, cause: unknown): DataError {
  const said = decoderWords(messageOf(cause));
  const words = said.length === 0 ? '' : `; its decoder says: ${said.join('; ')}`;
  return new DataError('IMAGE_DAMAGED', `wanted a whole ${describeFormat(format)}, found one of ${String(bytes.length)} bytes that is truncated or damaged${words}`, { cause, where: { decoder: messageOf(cause).slice(0, mostDecoderWords) } });
}

/** Characters of what a decoder says that are kept. */
const mostDecoderWords = 2000;
/** Names of the parts of libvips before what they say. */
const partNames = /^(?:Input buffer has corrupt header:\s*)?(?:(?:vips\w*|\w+2vips|\w+load(?:_\w+)?|glib|heif|webp):\s*)*/i;
/** What says no more than that it has failed, or speaks of options and of the file that is being written. */
const sayNothing = [/failOn/, /^source: bad seek/, /^vips2\w+:/, /^Input buffer contains unsupported image format$/, /lib\w+ (?:read|write) error$/];

/** The first few things that a decoder says which may tell a person something. */
function decoderWords(message: string): string[] {
  const lines = message.split('\n').map((line) => line.trim());
  const words = lines.filter((line) => !sayNothing.some((pattern) => pattern.test(line))).map((line) => line.replace(partNames, ''));
  return [...new Set(words)].filter((each) => /[a-z]/i.test(each)).slice(0, 2);
}

export function describeFormat(format: ImageFormat): string {
  return format === 'webp' ? 'WebP' : format.toUpperCase();
}
