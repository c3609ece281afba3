/** Makes copies of one image in other sizes and formats: bytes in, bytes out. */
import type { OutputInfo, Sharp } from 'sharp';
import { DataError } from '../base/errors.ts';
import { backgroundOf, withFormat, withMetadata } from './encode-variant.ts';
import { fitSize, type FittedSize, type Size } from './fit.ts';
import { formatFacts, type ImageFormat, type WrittenFormat } from './image-format.ts';
import { defaultImageLimits, type ImageLimits } from './image-limits.ts';
import { memoryOf } from './image-memory.ts';
import type { SharedBudget } from './shared-budget.ts';
import { checkPixels, damaged, decodeOptions, describeFormat, openImage, type OpenedImage } from './open-image.ts';
import { loadSharp } from './sharp-setup.ts';
import { isSoughtByContent, type ImageVariant, type ImageVariants } from './variant-spec.ts';

/** What the image was. */
export interface ImageSource extends Size {
  /** By its content. Width and height are as it is seen, its orientation applied. */
  readonly format: ImageFormat;
  /** EXIF's, 1 to 8. */
  readonly orientation: number;
}

export interface MadeVariant extends Size {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly format: WrittenFormat;
  /** How files of the format usually end, without a dot. Keys keep what they were uploaded with; this is for those who want otherwise. */
  readonly extension: string;
  /** The media type to store the copy with, as its key may say something else. */
  readonly contentType: string;
}

export interface MadeImages {
  readonly source: ImageSource;
  /** In the order of the spec. */
  readonly variants: readonly MadeVariant[];
}

/** One copy to make, everything about it known but its pixels. */
interface PlannedVariant extends FittedSize {
  readonly name: string;
  readonly variant: ImageVariant;
  readonly format: WrittenFormat;
  readonly frames: number;
  /** Whether the part that is kept is looked for in the pixels, which sharp doesn't do in several frames. */
  readonly sought: boolean;
  /** Whether it can be made from pixels alone: everything that has to be kept of the file was asked for otherwise. */
  readonly fromPixels: boolean;
}

/** The whole image scaled, decoded: what smaller copies are made from. */
interface Raster extends Size {
  readonly samples: Buffer;
  readonly channels: 1 | 2 | 3 | 4;
}

/** A copy made from a raster this many times its size can't be told from one made from the file. */
const rasterMargin = 2;
/** A JPEG this many times as wide as its largest copy costs more to decode again, at a fraction, than that copy to make smaller. */
const jpegMargin = 2;

/**
 * Makes every variant of one image. The file is decoded at the size of the largest copy (JPEG, WebP and SVG need not even be decoded
 * whole for that), and smaller copies are made from those pixels, as long as these are twice their size and it is less work; what is
 * nearer, keeps metadata or a profile, or has several frames is decoded for itself.
 *
 * The error names no file: the caller knows it.
 *
 * @param memory that it shares with other images: it waits for its part before anything is decoded
 * @throws DataError IMAGE_EMPTY, IMAGE_FORMAT, IMAGE_TOO_LARGE, IMAGE_DAMAGED, IMAGE_TIMEOUT
 */
export async function makeVariants(bytes: Uint8Array, variants: ImageVariants, limits: ImageLimits = defaultImageLimits, memory?: SharedBudget): Promise<MadeImages> {
  const image = await openImage(bytes, limits);
  const planned = Object.entries(variants).map(([name, variant]) => planVariant(name, variant, image, limits));
  const make = async (): Promise<MadeImages> => await makePlanned(image, planned, limits);
  return memory === undefined ? await make() : await memory.use(memoryOf(image, planned), make);
}

async function makePlanned(image: OpenedImage, planned: readonly PlannedVariant[], limits: ImageLimits): Promise<MadeImages> {
  const maker = await variantMaker(image, limits);
  const rasters: Raster[] = [];
  const made = new Map<string, MadeVariant>();
  // From large to small, one after another: a caller that has many images keeps its processors busy with several of them.
  const order = planned.toSorted((a, b) => b.scaled.width * b.scaled.height - a.scaled.width * a.scaled.height);
  for (const [index, each] of order.entries()) {
    let raster = each.fromPixels ? rasters.findLast((known) => isSource(known, each)) : undefined;
    if (raster === undefined && isWorthKeeping(each, image) && order.slice(index + 1).some((later) => later.fromPixels && isSource(each.scaled, later))) {
      raster = await maker.decode(each);
      rasters.push(raster);
    }
    made.set(each.name, await maker.make(each, raster));
  }
  const { format, size, orientation } = image;
  return { source: { format, ...size, orientation }, variants: planned.flatMap(({ name }) => made.get(name) ?? []) };
}

function planVariant(name: string, variant: ImageVariant, image: OpenedImage, limits: ImageLimits): PlannedVariant {
  const fitted = fitSize(image.size, variant);
  const format = variant.format === 'same' ? (image.format === 'svg' ? 'png' : image.format) : variant.format;
  const frames = variant.animation === 'keep' && formatFacts[format].animated ? image.frames : 1;
  const what = `the copy ${JSON.stringify(name)}`;
  if (frames > 1) checkPixels(`the ${describeFormat(image.format)}`, image.size, frames, limits);
  checkPixels(what, fitted.scaled, frames, limits);
  checkPixels(what, fitted.output, frames, limits);
  const { width, height } = fitted.output;
  const { maxSidePx } = formatFacts[format];
  if (Math.max(width, height) > maxSidePx) {
    throw new DataError('IMAGE_TOO_LARGE', `${what}: wanted sides of ${String(maxSidePx)} pixels at most, as ${describeFormat(format)} has them, found ${String(width)} x ${String(height)}`, { where: { width, height, format } });
  }
  return { name, variant, format, frames, ...fitted, sought: frames === 1 && isSoughtByContent(variant), fromPixels: frames === 1 && variant.icc === 'srgb' && variant.metadata !== 'keep' };
}

/** Whether the copy can be made from such an image. */
function isSource(raster: Size, { scaled }: PlannedVariant): boolean {
  const same = raster.width === scaled.width && raster.height === scaled.height;
  return same || (raster.width >= scaled.width * rasterMargin && raster.height >= scaled.height * rasterMargin);
}

/**
 * Whether smaller copies are better made from these pixels than from the file. A stretched or enlarged image is no source for others. A
 * JPEG is decoded at 1/2, 1/4 or 1/8 of its size for little, so a small copy of it is made from the file faster than from pixels, unless
 * there are far less of those (docs/images.md has the measurements).
 */
function isWorthKeeping({ fromPixels, variant, scaled }: PlannedVariant, { size, format }: OpenedImage): boolean {
  if (!fromPixels || variant.fit === 'fill' || scaled.width > size.width || scaled.height > size.height) return false;
  return format !== 'jpeg' || size.width >= scaled.width * jpegMargin;
}

interface VariantMaker {
  decode(planned: PlannedVariant): Promise<Raster>;
  make(planned: PlannedVariant, raster: Raster | undefined): Promise<MadeVariant>;
}

async function variantMaker(image: OpenedImage, limits: ImageLimits): Promise<VariantMaker> {
  const sharp = await loadSharp();
  const open = (raster: Raster | undefined, allFrames: boolean): Sharp => {
    if (raster === undefined) return sharp(image.bytes, decodeOptions(image, limits, allFrames));
    const { samples, width, height, channels } = raster;
    return sharp(samples, { raw: { width, height, channels }, limitInputPixels: limits.maxPixels });
  };
  const finish = async (pipeline: Sharp): Promise<{ readonly data: Buffer; readonly info: OutputInfo }> => {
    const started = performance.now();
    try {
      return await pipeline.timeout({ seconds: limits.seconds }).toBuffer({ resolveWithObject: true });
    } catch (cause) {
      if (performance.now() - started >= limits.seconds * 1000) throw timeoutError(image, limits, cause);
      throw damaged(image.format, image.bytes, cause);
    }
  };
  return {
    async decode({ scaled }) {
      const { data, info } = await finish(open(undefined, false).resize({ ...scaled, fit: 'fill' }).raw());
      return { samples: data, width: info.width, height: info.height, channels: info.channels };
    },
    async make(planned, raster) {
      const { name, variant, format, frames, output } = planned;
      const resized = resize(open(raster, frames > 1), planned);
      const { data } = await finish(withFormat(withMetadata(resized, variant, image.exif), variant, format));
      const { extension, contentType } = formatFacts[format];
      return { name, bytes: data, format, ...output, extension, contentType };
    },
  };
}

/** Sizes are worked out here (fit.ts), from the size of the whole image: sharp would take them from what it has already scaled while decoding. */
function resize(image: Sharp, { variant, format, scaled, sought }: PlannedVariant): Sharp {
  const { fit, enlarge, width, height } = variant;
  const position = isSoughtByContent(variant) && !sought ? 'centre' : variant.position;
  if ((fit === 'cover' || fit === 'contain') && width !== undefined && height !== undefined) {
    return image.resize({ width, height, fit, position, withoutEnlargement: !enlarge, background: backgroundOf(variant, format) });
  }
  return image.resize({ width: scaled.width, height: scaled.height, fit: 'fill' });
}

function timeoutError(image: OpenedImage, { seconds }: ImageLimits, cause: unknown): DataError {
  const { width, height } = image.size;
  return new DataError('IMAGE_TIMEOUT', `wanted each copy of an image made within ${String(seconds)} s, found a ${describeFormat(image.format)} of ${String(width)} x ${String(height)} that takes longer`, { cause });
}
