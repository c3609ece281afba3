/** How large a copy becomes: arithmetic of widths and heights, without pixels. */
import type { ImageFit } from './variant-spec.ts';

export interface Size {
  readonly width: number;
  readonly height: number;
}

export interface FitWish {
  readonly fit: ImageFit;
  readonly width?: number | undefined;
  readonly height?: number | undefined;
  readonly enlarge: boolean;
}

export interface FittedSize {
  /** What the whole image is scaled to. */
  readonly scaled: Size;
  /** What the copy has: less after `cover` has cropped, more after `contain` has filled. */
  readonly output: Size;
}

/**
 * The side that decides is met exactly; the other is rounded half up from the exact quotient (products of two sides are far below 2^53),
 * and at least 1.
 *
 * @param source as it is seen, its orientation applied
 */
export function fitSize(source: Size, { fit, width, height, enlarge }: FitWish): FittedSize {
  const limit = (wanted: number, found: number): number => (enlarge ? wanted : Math.min(wanted, found));
  if (fit === 'fill') {
    // One side alone stretches that side only.
    const size = { width: limit(width ?? source.width, source.width), height: limit(height ?? source.height, source.height) };
    return { scaled: size, output: size };
  }
  const scaled = scaledSize(source, fit === 'outside' || fit === 'cover', width, height, enlarge);
  if (width === undefined || height === undefined || fit === 'inside' || fit === 'outside') return { scaled, output: scaled };
  if (fit === 'contain') return { scaled, output: { width, height } };
  return { scaled, output: { width: Math.min(width, scaled.width), height: Math.min(height, scaled.height) } };
}

function scaledSize(source: Size, covers: boolean, width: number | undefined, height: number | undefined, enlarge: boolean): Size {
  if (width === undefined && height === undefined) return source;
  if (byWidth(source, covers, width, height)) {
    const wanted = width ?? source.width;
    if (!enlarge && wanted >= source.width) return source;
    return { width: wanted, height: proportional(source.height, wanted, source.width) };
  }
  const wanted = height ?? source.height;
  if (!enlarge && wanted >= source.height) return source;
  return { width: proportional(source.width, wanted, source.height), height: wanted };
}

/** Whether the width decides: width / source.width against height / source.height, without dividing. */
function byWidth(source: Size, covers: boolean, width: number | undefined, height: number | undefined): boolean {
  if (width === undefined) return false;
  if (height === undefined) return true;
  const ofWidth = width * source.height;
  const ofHeight = height * source.width;
  return covers ? ofWidth >= ofHeight : ofWidth <= ofHeight;
}

function proportional(side: number, wanted: number, of: number): number {
  return Math.max(1, Math.round((side * wanted) / of));
}
