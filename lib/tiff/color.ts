/**
 * What the bands mean as colours: alpha bands (ExtraSamples, tag 338), colour tables (ColorMap, tag 320) and the names GDAL has for bands.
 *
 * Sources: TIFF 6.0 §5 and §18, and how GDAL's GTiff driver reads them (gdal.org, GDALColorInterp).
 */

import { type Directory } from './directory.ts';
import { tagError } from './fault.ts';
import { type BlockLayout } from './layout.ts';
import { tags } from './tags.ts';

/** GDAL's names of a band's meaning (GDALGetColorInterpretationName); those from `Pan` on are of GDAL 3.10. */
export const colorInterpretations = [
  'Undefined', 'Gray', 'Palette', 'Red', 'Green', 'Blue', 'Alpha', 'Hue', 'Saturation', 'Lightness', 'Cyan', 'Magenta', 'Yellow', 'Black',
  'YCbCr_Y', 'YCbCr_Cb', 'YCbCr_Cr', 'Pan', 'Coastal', 'RedEdge', 'NIR', 'SWIR', 'MWIR', 'LWIR', 'TIR', 'OtherIR',
  'SAR_Ka', 'SAR_K', 'SAR_Ku', 'SAR_X', 'SAR_C', 'SAR_S', 'SAR_L', 'SAR_P',
] as const;

export type ColorInterpretation = (typeof colorInterpretations)[number];

/** Red, green, blue, alpha: 0 to 255. */
export type ColorEntry = readonly [number, number, number, number];

export interface ColorInformation {
  /** By band. */
  readonly colorInterpretations: readonly ColorInterpretation[];
  /** 0-based; 0 in it is transparent. Null where no band is alpha; the last where several are, as gdalwarp takes it. */
  readonly alphaBand: number | null;
  /** The bands were multiplied by alpha (ExtraSamples 1, "associated"), so they are not the values themselves. */
  readonly premultiplied: boolean;
  /** By sample value, of the first band; alpha is 0 for nodata and else 255, as GDAL gives it. Null where there is none. */
  readonly colorTable: readonly ColorEntry[] | null;
}

/** PhotometricInterpretation (TIFF 6.0 §8). */
const photometric = { whiteIsZero: 0, blackIsZero: 1, rgb: 2, palette: 3, separated: 5, ycbcr: 6 } as const;

/** ExtraSamples (TIFF 6.0 §18): 0 is unspecified. */
const extraSample = { associatedAlpha: 1, unassociatedAlpha: 2 } as const;

/** @throws DataError TIFF_BAD_VALUE for a colour map that has not one red, green and blue for each sample value. */
export async function readColor(
  directory: Directory,
  layout: BlockLayout,
  nodata: number | null,
  names: readonly (string | null)[],
): Promise<ColorInformation> {
  const colorTable = await readColorTable(directory, layout, nodata);
  const extra = (await directory.numbers(tags.ExtraSamples)) ?? [];
  const interpretations: ColorInterpretation[] = isBitmap(layout)
    ? ['Palette']
    : Array.from({ length: layout.bands }, (_, band) => named(names[band]) ?? byTags(layout, band, colorTable !== null, extra));
  const alphaBand = interpretations.lastIndexOf('Alpha');
  return {
    colorInterpretations: interpretations,
    alphaBand: alphaBand < 0 ? null : alphaBand,
    premultiplied: alphaBand >= 0 && extra[alphaBand - layout.bands + extra.length] === extraSample.associatedAlpha,
    colorTable,
  };
}

/** GDAL takes a single band of single bits for black and white, whatever else the file says. */
function isBitmap({ bands, bitsPerSample }: BlockLayout): boolean {
  return bands === 1 && bitsPerSample === 1;
}

function named(name: string | null | undefined): ColorInterpretation | undefined {
  if (name === null || name === undefined) return undefined;
  return colorInterpretations.find((known) => known.toLowerCase() === name.toLowerCase()) ?? 'Undefined';
}

const baseNames: Readonly<Record<number, readonly ColorInterpretation[]>> = {
  [photometric.blackIsZero]: ['Gray'],
  [photometric.rgb]: ['Red', 'Green', 'Blue'],
  [photometric.separated]: ['Cyan', 'Magenta', 'Yellow', 'Black'],
  // YCbCr is read in JPEG only, and decoded to RGB.
  [photometric.ycbcr]: ['Red', 'Green', 'Blue'],
};

function byTags(layout: BlockLayout, band: number, paletted: boolean, extra: readonly number[]): ColorInterpretation {
  if (paletted && band === 0) return 'Palette';
  const base = paletted ? undefined : baseNames[layout.photometric]?.[band];
  if (base !== undefined) return base;
  // The extra samples are the last ones, however many colours come before them.
  const kind = extra[band - layout.bands + extra.length];
  return kind === extraSample.associatedAlpha || kind === extraSample.unassociatedAlpha ? 'Alpha' : 'Undefined';
}

async function readColorTable(directory: Directory, layout: BlockLayout, nodata: number | null): Promise<ColorEntry[] | null> {
  if (layout.bitsPerSample > 16) return null;
  const count = 2 ** layout.bitsPerSample;
  if (layout.photometric === photometric.whiteIsZero) return invertedGrey(count);
  const map = layout.photometric === photometric.palette ? await directory.numbers(tags.ColorMap) : undefined;
  if (map === undefined) return isBitmap(layout) ? invertedGrey(count).toReversed() : null;
  if (map.length < 3 * count) {
    throw tagError('TIFF_BAD_VALUE', directory.href, directory.index, tags.ColorMap, map.length, `has ${map.length} values; samples of ${layout.bitsPerSample} bits need ${3 * count}`);
  }
  // Some writers put 0 to 255 where the specification has 0 to 65535; GDAL sees it at the largest value.
  const most = map.reduce((a, b) => Math.max(a, b), 0);
  const divisor = most < 256 ? 1 : 257;
  const part = (place: number): number => Math.floor((map[place] ?? 0) / divisor);
  return Array.from({ length: count }, (_, i): ColorEntry => [part(i), part(count + i), part(2 * count + i), i === nodata ? 0 : 255]);
}

/** White is zero: the values stay as they are, and the colours run backwards. */
function invertedGrey(count: number): ColorEntry[] {
  return Array.from({ length: count }, (_, i): ColorEntry => {
    const grey = Math.floor((255 * (count - 1 - i)) / (count - 1));
    return [grey, grey, grey, 255];
  });
}
