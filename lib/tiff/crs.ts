/**
 * Coordinate reference systems: as GeoKeys, as an EPSG code, or as the WKT of a VRT. Coordinates are only transformed here to see where
 * rasters lie, to a pixel or so; pixels themselves are warped by GDAL. Datum shifts are left out, which can be some 100 m.
 */
import type { Point } from '../raster/affine.ts';
import { DataError, messageOf } from '../base/errors.ts';
import type { GeoReference, GeoTags } from './geo.ts';

/** What is known of a CRS. */
export interface Crs {
  readonly epsg: number | null;
  readonly keys: GeoReference['keys'];
  /** Where there are no GeoKeys, as in a VRT. */
  readonly wkt: string | null;
}

/** GTCitationGeoKey, GeodeticCitationGeoKey, ProjectedCitationGeoKey: names for people, which writers spell differently. */
const citationKeys = [3073, 1026, 2049];
/** GTRasterTypeGeoKey says how the tie point is meant, and the geotransform has taken it in already. */
const rasterTypeKey = 1025;
const modelTypeKey = 1024;
const geographicKey = 2048;
const projectedKey = 3072;

/** Whether a raster says in which CRS it is. */
export function hasCrs({ epsg, keys, wkt }: Crs): boolean {
  return epsg !== null || (wkt !== null && wkt !== '') || tellingKeys(keys).length > 0;
}

export function sameCrs(a: Crs, b: Crs): boolean {
  if (a.epsg !== null && b.epsg !== null) return a.epsg === b.epsg;
  if (a.wkt !== null || b.wkt !== null) return a.wkt === b.wkt;
  return JSON.stringify(tellingKeys(a.keys)) === JSON.stringify(tellingKeys(b.keys));
}

function tellingKeys(keys: Crs['keys']): [string, unknown][] {
  return Object.entries(keys).filter(([key]) => !citationKeys.includes(Number(key)) && Number(key) !== rasterTypeKey);
}

/** A CRS as a person knows it. */
export function crsName(crs: Crs): string {
  if (crs.epsg !== null) return `EPSG:${String(crs.epsg)}`;
  const citation = citationKeys.map((key) => crs.keys[key]).find((value) => typeof value === 'string');
  if (citation !== undefined) return JSON.stringify(citation);
  const named = /^\w+\["([^"]*)"/.exec(crs.wkt ?? '')?.[1];
  if (named !== undefined) return JSON.stringify(named);
  return hasCrs(crs) ? 'user-defined' : 'none';
}

/** The EPSG code that a WKT ends with, version 1 or 2; null without. */
export function epsgOfWkt(wkt: string): number | null {
  const code = /(?:AUTHORITY\["EPSG","(\d+)"\]|ID\["EPSG",(\d+)\])\s*\]\s*$/i.exec(wkt);
  return code === null ? null : Number(code[1] ?? code[2]);
}

/**
 * The CRS of an EPSG code, and the tags that say so in a file.
 * @throws DataError CRS_UNKNOWN
 */
export async function crsOfEpsg(code: number): Promise<{ readonly crs: Crs; readonly geographic: boolean }> {
  for (const [modelType, key] of [[1, projectedKey], [2, geographicKey]] as const) {
    const keys = { [modelTypeKey]: modelType, [rasterTypeKey]: 1, [key]: code };
    const crs = { epsg: code, keys, wkt: null };
    // The tables find a geographic CRS under the key for projected ones, too.
    const geographic = modelType === 2;
    if ((await definition(crs))?.geographic === geographic) return { crs, geographic };
  }
  throw new DataError('CRS_UNKNOWN', `EPSG:${String(code)} isn't known`);
}

/** The tags of a grid: its CRS, and where its pixels lie. Pixels are areas, and the geotransform is that of their corners. */
export function geoTagsOf(crs: Crs, tags: GeoTags, geotransform: readonly [number, number, number, number, number, number]): GeoTags {
  const [x0, xc, xr, y0, yc, yr] = geotransform;
  const { geoDoubleParams, geoAsciiParams } = tags;
  const place: GeoTags =
    xr === 0 && yc === 0 && xc > 0 && yr < 0
      ? { modelPixelScale: [xc, -yr, 0], modelTiepoint: [0, 0, 0, x0, y0, 0] }
      : { modelTransformation: [xc, xr, 0, x0, yc, yr, 0, y0, 0, 0, 0, 0, 0, 0, 0, 1] };
  const geoKeyDirectory = tags.geoKeyDirectory === undefined ? directoryOf(crs.keys) : pixelIsArea(tags.geoKeyDirectory);
  return {
    ...place,
    ...(geoKeyDirectory === undefined ? {} : { geoKeyDirectory }),
    ...(geoDoubleParams === undefined ? {} : { geoDoubleParams }),
    ...(geoAsciiParams === undefined ? {} : { geoAsciiParams }),
  };
}

/** GeoTIFF 1.1 §7.1.2, for keys that hold single numbers. */
function directoryOf(keys: Crs['keys']): number[] | undefined {
  const entries = Object.entries(keys).filter((entry): entry is [string, number] => typeof entry[1] === 'number');
  if (entries.length === 0) return undefined;
  return [1, 1, 0, entries.length, ...entries.flatMap(([key, value]) => [Number(key), 0, 1, value])];
}

function pixelIsArea(directory: readonly number[]): readonly number[] {
  const at = directory.findIndex((value, i) => i >= 4 && i % 4 === 0 && value === rasterTypeKey);
  return at < 0 ? directory : directory.with(at + 3, 1);
}

/** Names of GeoKeys (GeoTIFF 1.1 §7.2), by which the converter to PROJ's notation wants them. */
const keyNames: Readonly<Record<number, string>> = {
  1024: 'GTModelTypeGeoKey', 1025: 'GTRasterTypeGeoKey', 1026: 'GTCitationGeoKey',
  2048: 'GeographicTypeGeoKey', 2049: 'GeogCitationGeoKey', 2050: 'GeogGeodeticDatumGeoKey', 2051: 'GeogPrimeMeridianGeoKey', 2052: 'GeogLinearUnitsGeoKey',
  2053: 'GeogLinearUnitSizeGeoKey', 2054: 'GeogAngularUnitsGeoKey', 2055: 'GeogAngularUnitSizeGeoKey', 2056: 'GeogEllipsoidGeoKey', 2057: 'GeogSemiMajorAxisGeoKey',
  2058: 'GeogSemiMinorAxisGeoKey', 2059: 'GeogInvFlatteningGeoKey', 2060: 'GeogAzimuthUnitsGeoKey', 2061: 'GeogPrimeMeridianLongGeoKey', 2062: 'GeogTOWGS84GeoKey',
  3072: 'ProjectedCSTypeGeoKey', 3073: 'PCSCitationGeoKey', 3074: 'ProjectionGeoKey', 3075: 'ProjCoordTransGeoKey', 3076: 'ProjLinearUnitsGeoKey',
  3077: 'ProjLinearUnitSizeGeoKey', 3078: 'ProjStdParallel1GeoKey', 3079: 'ProjStdParallel2GeoKey', 3080: 'ProjNatOriginLongGeoKey', 3081: 'ProjNatOriginLatGeoKey',
  3082: 'ProjFalseEastingGeoKey', 3083: 'ProjFalseNorthingGeoKey', 3084: 'ProjFalseOriginLongGeoKey', 3085: 'ProjFalseOriginLatGeoKey',
  3086: 'ProjFalseOriginEastingGeoKey', 3087: 'ProjFalseOriginNorthingGeoKey', 3088: 'ProjCenterLongGeoKey', 3089: 'ProjCenterLatGeoKey',
  3090: 'ProjCenterEastingGeoKey', 3091: 'ProjCenterNorthingGeoKey', 3092: 'ProjScaleAtNatOriginGeoKey', 3093: 'ProjScaleAtCenterGeoKey',
  3094: 'ProjAzimuthAngleGeoKey', 3095: 'ProjStraightVertPoleLongGeoKey', 4096: 'VerticalCSTypeGeoKey', 4099: 'VerticalUnitsGeoKey',
};

interface Definition {
  /** For proj4. */
  readonly text: string;
  /** Units of coordinates in metres or degrees. */
  readonly unit: number;
  readonly geographic: boolean;
}

/** What proj4 understands; undefined for a CRS that it doesn't know. */
async function definition(crs: Crs): Promise<Definition | undefined> {
  if (crs.wkt !== null && crs.epsg === null) return { text: crs.wkt, unit: 1, geographic: /^GEOG/i.test(crs.wkt) };
  // Its tables are large, and only rasters of different CRSs need them.
  const { toProj4 } = await import('geotiff-geokeys-to-proj4');
  const named = Object.fromEntries(Object.entries(crs.keys).map(([key, value]) => [keyNames[Number(key)] ?? key, value]));
  for (const keys of crs.wkt === null ? [named] : [{ GTModelTypeGeoKey: 1, ProjectedCSTypeGeoKey: crs.epsg }, { GTModelTypeGeoKey: 2, GeographicTypeGeoKey: crs.epsg }]) {
    try {
      const { proj4: text, errors, coordinatesConversionParameters, isGCS } = toProj4(keys as unknown as Parameters<typeof toProj4>[0]);
      // Geocentric coordinates have no place on a map.
      if (Object.keys(errors).length === 0 && !text.includes('+proj=geocent')) return { text: mended(text), unit: coordinatesConversionParameters.x, geographic: isGCS };
    } catch {
      // Keys that contradict each other: not a CRS that is known.
    }
  }
  return undefined;
}

/** The converter leaves out at which pole a stereographic projection lies, and writes a scale of 1 that hides where a Mercator projection is true. */
function mended(text: string): string {
  const trueAt = Number(/\+lat_ts=(\S+)/.exec(text)?.[1] ?? 0);
  if (trueAt === 0) return text;
  if (text.includes('+proj=stere ') && !text.includes('+lat_0=')) return `${text} +lat_0=${trueAt < 0 ? '-90' : '90'}`;
  return text.includes('+proj=merc ') ? text.replace(/\+k_0=\S+/, '') : text;
}

/** Takes points from one CRS to another; coordinates that have no place there become NaN. */
export type PointTransform = (points: readonly Point[]) => Point[];

/** @throws DataError CRS_UNKNOWN that names the CRS */
export async function pointTransform(from: Crs, to: Crs): Promise<PointTransform> {
  if (sameCrs(from, to)) return (points) => [...points];
  const [source, target] = await Promise.all([known(from), known(to)]);
  const { default: proj4 } = await import('proj4');
  let converter: { forward(point: number[]): number[] };
  try {
    converter = proj4(source.text, target.text);
  } catch (cause) {
    throw new DataError('CRS_UNKNOWN', `coordinates can't be taken from ${crsName(from)} to ${crsName(to)}: ${messageOf(cause)}`, { cause });
  }
  return (points) =>
    points.map(([x, y]): Point => {
      try {
        const [px = NaN, py = NaN] = converter.forward([x * source.unit, y * source.unit]);
        return [px / target.unit, py / target.unit];
      } catch {
        return [NaN, NaN];
      }
    });
}

async function known(crs: Crs): Promise<Definition> {
  const found = await definition(crs);
  if (found === undefined) throw new DataError('CRS_UNKNOWN', `the CRS ${crsName(crs)} isn't known`);
  return found;
}

/**
 * Whether coordinates that are computed here are near the true ones; where they aren't, only GDAL knows where a raster lies. Of EPSG's codes all are
 * within the datum shifts but those that count to the west or south, spheres, oblique Mercators other than the Swiss, Krovak, Colombia's towns, and
 * some with units of their own (compared with PROJ's, code by code). Projections of users' own may be among those that aren't known here.
 * @throws DataError CRS_UNKNOWN for what is neither projected nor geographic
 */
export async function isPlaceable(crs: Crs): Promise<boolean> {
  const found = await definition(crs);
  if (found === undefined && [1, 2].includes(Number(crs.keys[modelTypeKey])) && crs.epsg === null) return false;
  const { text } = found ?? (await known(crs));
  const [, a, b] = /\+a=(\S+) \+b=(\S+)/.exec(text) ?? [];
  if (a !== undefined && a === b && crs.epsg !== webMercator) return false;
  const oblique = /\+proj=(?:omerc|krovak|col_urban)\b/.test(text) && !(text.includes('+alpha=90 ') && text.includes('+gamma=90 '));
  return !oblique && !/\+axis=\w?[ws]/.test(text) && !/\+to_meter=(?!0\.3048)/.test(text) && !text.includes('undefined');
}

/** A sphere by its formulas only. */
const webMercator = 3857;

/** Metres by which datums differ at most: those that go with satellites, and all others. */
const datumShift = { modern: 400, any: 1500 } as const;

/** How far datum shifts, which are left out here, can move a raster, in units of the CRS that it is brought to. */
export async function datumSlack(from: Crs, to: Crs): Promise<number> {
  const [source, target] = await Promise.all([known(from), known(to)]);
  const metres = [source, target].every(({ text }) => /\+(?:ellps|datum)=(?:WGS84|GRS80)\b/.test(text) && !text.includes('+towgs84=')) ? datumShift.modern : datumShift.any;
  return target.geographic ? metres / 111_320 / target.unit : metres / target.unit;
}

/** The whole turn that x makes around the Earth, in units of a geographic CRS; undefined for others. */
export async function fullTurn(crs: Crs): Promise<number | undefined> {
  if (crs.keys[modelTypeKey] === 1) return undefined;
  const found = await definition(crs);
  return found?.geographic === true ? 360 / found.unit : undefined;
}

