/** The last step of a copy: its colours under transparency, its metadata, and its format. */
import type { Sharp } from 'sharp';
import { copyrightOf } from './exif-copyright.ts';
import { formatFacts, type WrittenFormat } from './image-format.ts';
import type { ImageVariant } from './variant-spec.ts';

/** sharp's form of a colour; alpha from 0 to 1. */
export interface Color {
  readonly r: number;
  readonly g: number;
  readonly b: number;
  readonly alpha: number;
}

const white: Color = { r: 255, g: 255, b: 255, alpha: 1 };
const named: Readonly<Record<string, Color>> = { white, black: { r: 0, g: 0, b: 0, alpha: 1 }, transparent: { ...white, alpha: 0 } };

/** A colour in the words of the spec. */
export function parseColor(text: string): Color {
  const known = named[text];
  if (known !== undefined) return known;
  const digits = text.length === 4 ? Array.from(text.slice(1), (digit) => digit + digit) : (text.slice(1).match(/../g) ?? []);
  const [r = 0, g = 0, b = 0, alpha = 255] = digits.map((pair) => parseInt(pair, 16));
  return { r, g, b, alpha: alpha / 255 };
}

/** What lies under and around the image: of formats without transparency never transparent, but on white. */
export function backgroundOf(variant: ImageVariant, format: WrittenFormat): Color {
  const color = parseColor(variant.background ?? 'transparent');
  if (formatFacts[format].alpha) return color;
  const onWhite = (value: number): number => Math.round(value * color.alpha + 255 * (1 - color.alpha));
  return { r: onWhite(color.r), g: onWhite(color.g), b: onWhite(color.b), alpha: 1 };
}

/** Says what becomes of metadata and profile. @param exif of the source */
export function withMetadata(image: Sharp, { metadata, icc }: ImageVariant, exif: Uint8Array | undefined): Sharp {
  // sharp's withMetadata converts to sRGB and embeds that profile; keepMetadata leaves colours and profile alone.
  if (metadata === 'keep') return icc === 'keep' ? image.keepMetadata() : image.withMetadata();
  const kept = icc === 'keep' ? image.keepIccProfile() : image;
  const fields = metadata === 'copyright' ? copyrightOf(exif) : {};
  return Object.keys(fields).length === 0 ? kept : kept.withExif({ IFD0: fields });
}

/** Losslessly where the format can: a quality is for formats that lose something anyway. */
export function withFormat(image: Sharp, variant: ImageVariant, format: WrittenFormat): Sharp {
  const { quality, progressive } = variant;
  const lossy = quality === undefined ? {} : { quality };
  switch (format) {
    case 'jpeg':
      return image.flatten({ background: backgroundOf(variant, format) }).jpeg({ ...lossy, progressive });
    case 'png':
      return image.png({ progressive });
    case 'webp':
      return image.webp(lossy);
    case 'avif':
      return image.avif(lossy);
    case 'tiff':
      return image.tiff({ compression: 'deflate', predictor: 'horizontal' });
    case 'gif':
      return image.gif({ progressive });
  }
}
