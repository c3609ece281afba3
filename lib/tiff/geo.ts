/**
 * Where an image lies on the Earth: the raw GeoTIFF tags, for writing them back unchanged, and what they mean.
 *
 * Sources: OGC GeoTIFF 1.1 (19-008r4) §7, and GDAL's reading of it (frmts/gtiff/gtiffdataset_read.cpp, LoadGeoreferencingAndPamIfNeeded).
 */

import { type Directory } from './directory.ts';
import { tagError } from './fault.ts';
import { type TagNumber, tags } from './tags.ts';

/** The tags as they are in the file; absent ones are undefined. Plain data. */
export interface GeoTags {
  /** 33550, three doubles. */
  readonly modelPixelScale?: readonly number[];
  /** 33922, six doubles a point. */
  readonly modelTiepoint?: readonly number[];
  /** 34264, sixteen doubles by rows. */
  readonly modelTransformation?: readonly number[];
  /** 34735, four shorts a key. */
  readonly geoKeyDirectory?: readonly number[];
  /** 34736. */
  readonly geoDoubleParams?: readonly number[];
  /** 34737, with its `|` separators, without the NUL at the end. */
  readonly geoAsciiParams?: string;
}

/** The six numbers of GDAL: x0, dx by column, dx by row, y0, dy by column, dy by row. */
export type Geotransform = readonly [number, number, number, number, number, number];

export interface GeoReference {
  readonly tags: GeoTags;
  /** Of pixel corners, also where the file means pixel centres (PixelIsPoint); null where there is none, as with ground control points. */
  readonly geotransform: Geotransform | null;
  /** How many ground control points the tie points are, where there is no geotransform; 0 where there is one, or none of either. */
  readonly groundControlPoints: number;
  /** GTRasterTypeGeoKey (1025) is 2. */
  readonly pixelIsPoint: boolean;
  /** Values of the GeoKeys by their number. */
  readonly keys: Readonly<Record<number, number | string | readonly number[]>>;
  /** EPSG code of the projected CRS (key 3072), or of the geographic one (key 2048) where there is no projected one; null where user-defined, also as a whole (key 1024), or absent. */
  readonly epsg: number | null;
}

const key = { modelType: 1024, rasterType: 1025, geographicCrs: 2048, projectedCrs: 3072 } as const;

/** Key value "user-defined" (GeoTIFF 1.1 §7.1); 0 is "undefined". */
const userDefined = 32_767;

/** @throws DataError TIFF_BAD_VALUE when a coordinate is NaN or infinite, or the key directory contradicts itself. */
export async function readGeo(directory: Directory): Promise<GeoReference> {
  const modelPixelScale = await finiteNumbers(directory, tags.ModelPixelScale);
  const modelTiepoint = await finiteNumbers(directory, tags.ModelTiepoint);
  const modelTransformation = await finiteNumbers(directory, tags.ModelTransformation);
  const geoKeyDirectory = await directory.numbers(tags.GeoKeyDirectory);
  const geoDoubleParams = await finiteNumbers(directory, tags.GeoDoubleParams);
  const geoAsciiParams = await directory.text(tags.GeoAsciiParams);
  const geoTags: GeoTags = {
    ...(modelPixelScale && { modelPixelScale }),
    ...(modelTiepoint && { modelTiepoint }),
    ...(modelTransformation && { modelTransformation }),
    ...(geoKeyDirectory && { geoKeyDirectory }),
    ...(geoDoubleParams && { geoDoubleParams }),
    ...(geoAsciiParams !== undefined && { geoAsciiParams }),
  };
  const keys = parseKeys(directory, geoTags);
  const pixelIsPoint = keys[key.rasterType] === 2;
  const geotransform = geotransformOf(geoTags, pixelIsPoint);
  return {
    tags: geoTags,
    geotransform,
    groundControlPoints: geotransform === null ? Math.floor((modelTiepoint?.length ?? 0) / 6) : 0,
    pixelIsPoint,
    keys,
    epsg: rasterEpsg(keys),
  };
}

/** A NaN would spread to every coordinate that is computed from it, and has no place in JSON either. */
async function finiteNumbers(directory: Directory, tag: TagNumber): Promise<number[] | undefined> {
  const values = await directory.numbers(tag);
  const wrong = values?.findIndex((value) => !Number.isFinite(value)) ?? -1;
  if (wrong < 0) return values;
  throw tagError('TIFF_BAD_VALUE', directory.href, directory.index, tag, String(values?.[wrong]), `has the value ${values?.[wrong]} at place ${wrong}; wanted finite numbers`);
}

/** Under a projection of one's own lies a geographic CRS that has a code, and that isn't the raster's. */
function rasterEpsg(keys: GeoReference['keys']): number | null {
  if (keys[key.modelType] === userDefined) return null;
  return epsgOf(keys[key.projectedCrs] ?? keys[key.geographicCrs]);
}

function epsgOf(value: unknown): number | null {
  return typeof value === 'number' && value > 0 && value < userDefined ? value : null;
}

/** GDAL's order of preference: scale and first tie point, then the matrix; a negative scale of y is taken as positive. */
function geotransformOf(geoTags: GeoTags, pixelIsPoint: boolean): Geotransform | null {
  const { modelPixelScale: scale, modelTiepoint: tie, modelTransformation: matrix } = geoTags;
  const [scaleX = 0, scaleY = 0] = scale ?? [];
  if (scaleX !== 0 && scaleY !== 0 && tie !== undefined && tie.length >= 6) {
    const [column = 0, row = 0, , x = 0, y = 0] = tie;
    const dy = -Math.abs(scaleY);
    return toCorner([x - column * scaleX, scaleX, 0, y - row * dy, 0, dy], pixelIsPoint);
  }
  if (matrix?.length === 16) {
    const [a = 0, b = 0, , c = 0, d = 0, e = 0, , f = 0] = matrix;
    return toCorner([c, a, b, f, d, e], pixelIsPoint);
  }
  return null;
}

/** With PixelIsPoint, (0, 0) is the centre of the first pixel; GDAL counts from its corner. */
function toCorner([x0, xc, xr, y0, yc, yr]: Geotransform, pixelIsPoint: boolean): Geotransform {
  if (!pixelIsPoint) return [x0, xc, xr, y0, yc, yr];
  return [x0 - (xc * 0.5 + xr * 0.5), xc, xr, y0 - (yc * 0.5 + yr * 0.5), yc, yr];
}

/** GeoTIFF 1.1 §7.1.2: a header of four shorts, then key, place, count, value. */
function parseKeys(directory: Directory, geoTags: GeoTags): Record<number, number | string | number[]> {
  const { geoKeyDirectory: words = [], geoDoubleParams: doubles = [], geoAsciiParams: ascii = '' } = geoTags;
  const keys: Record<number, number | string | number[]> = {};
  if (words.length < 4) return keys;
  const wanted = words[3] ?? 0;
  if (words.length < 4 + 4 * wanted) {
    throw tagError('TIFF_BAD_VALUE', directory.href, directory.index, tags.GeoKeyDirectory, words.length, `has ${words.length} values; ${wanted} keys need ${4 + 4 * wanted}`);
  }
  for (let at = 4; at < 4 + 4 * wanted; at += 4) {
    const [id = 0, place = 0, count = 0, value = 0] = words.slice(at, at + 4);
    if (place === 0) keys[id] = value;
    else if (place === tags.GeoDoubleParams) keys[id] = single(doubles.slice(value, value + count));
    else if (place === tags.GeoAsciiParams) keys[id] = ascii.slice(value, value + count).replace(/\|$/, '');
    else if (place === tags.GeoKeyDirectory) keys[id] = single(words.slice(value, value + count));
  }
  return keys;
}

function single(values: number[]): number | number[] {
  const [first] = values;
  return values.length === 1 && first !== undefined ? first : values;
}
