/**
 * Where coordinates of a CRS lie. They are only transformed here to see where rasters lie, to a pixel or so; pixels themselves are warped by GDAL. Datum shifts are
 * left out, which can be some 100 m.
 */
import { DataError, messageOf } from '../base/errors.ts';
import type { Point } from '../raster/affine.ts';
import { crsName, epsgOfWkt, isWkt, keysOfWkt, ownWkt, sameCrs, type Crs } from './crs.ts';
import { datumRanges, datumShifts } from './datums.generated.ts';

/** GeoKeys by their number. */
const modelTypeKey = 1024;
const rasterTypeKey = 1025;
const geographicKey = 2048;
const projectedKey = 3072;
const coordTransKey = 3075;
const unitKeys = [3076, 3077];
const datumKey = 2050;
const toWgs84Key = 2062;

/** Values of GeoKeys: "user-defined", CT_PolarStereographic and CT_TransvMercator_SouthOriented (GeoTIFF 1.1 §7.1, annex C). */
const userDefined = 32_767;
const polarStereographic = 15;
const southOriented = 27;

/**
 * The CRS of an EPSG code, and the tags that say so in a file.
 * @throws DataError CRS_UNKNOWN
 */
export async function crsOfEpsg(code: number): Promise<{ readonly crs: Crs; readonly geographic: boolean }> {
  const found = await crsOfKnownCode(code);
  if (found === undefined) throw new DataError('CRS_UNKNOWN', `EPSG:${String(code)} isn't known as a projected or geographic CRS`);
  return found;
}

async function crsOfKnownCode(code: number): Promise<{ readonly crs: Crs; readonly geographic: boolean } | undefined> {
  for (const [modelType, key] of [[1, projectedKey], [2, geographicKey]] as const) {
    const keys = { [modelTypeKey]: modelType, [rasterTypeKey]: 1, [key]: code };
    const crs = { epsg: code, keys, wkt: null };
    // The tables find a geographic CRS under the key for projected ones, too.
    const geographic = modelType === 2;
    if ((await definition(crs))?.geographic === geographic) return { crs, geographic };
  }
  return undefined;
}

/** The CRS of a WKT as a GeoTIFF can say it: by its EPSG code where it has one that is known, else whole. */
export async function crsOfWkt(wkt: string): Promise<Crs> {
  const epsg = epsgOfWkt(wkt);
  const known = epsg === null ? undefined : await crsOfKnownCode(epsg);
  return known?.crs ?? { epsg: null, keys: keysOfWkt(wkt), wkt: null };
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
  /** Whether what proj4 computes is near the true place. */
  readonly accurate: boolean;
}

/** What proj4 understands; undefined for a CRS that it doesn't know. */
async function definition(crs: Crs): Promise<Definition | undefined> {
  const wkt = ownWkt(crs);
  if (wkt !== undefined) return { text: wkt, unit: 1, geographic: /^GEOG/i.test(wkt), accurate: isAccurateWkt(wkt) };
  // Its tables are large, and only rasters of different CRSs need them.
  const { toProj4 } = await import('geotiff-geokeys-to-proj4');
  // A code says the units, too: the converter applies those of GDAL's key for feet a second time.
  const repeated = crs.epsg === null ? [] : unitKeys;
  const named = Object.fromEntries(Object.entries(crs.keys).filter(([key]) => !repeated.includes(Number(key))).map(([key, value]) => [keyNames[Number(key)] ?? key, value]));
  for (const keys of crs.wkt === null ? [named] : [{ GTModelTypeGeoKey: 1, ProjectedCSTypeGeoKey: crs.epsg }, { GTModelTypeGeoKey: 2, GeographicTypeGeoKey: crs.epsg }]) {
    try {
      const { proj4: text, errors, coordinatesConversionParameters, isGCS } = toProj4(keys as unknown as Parameters<typeof toProj4>[0]);
      const faults = Object.keys(errors).filter((name) => name !== mayBeBoth);
      // Geocentric coordinates have no place on a map.
      if (faults.length > 0 || text.includes('+proj=geocent')) continue;
      const whole = mended(text, crs.keys);
      const accurate = crs.epsg === null ? isAccurateOwn(whole, crs.keys) : isAccurateCode(whole, crs.epsg);
      return { text: whole, unit: coordinatesConversionParameters.x, geographic: isGCS, accurate };
    } catch {
      // Keys that contradict each other: not a CRS that is known.
    }
  }
  return undefined;
}

/** The converter's complaint that there are codes of a projected and of a geographic CRS; a projection of one's own has the one under the other (GeoTIFF 1.1 §7.5). */
const mayBeBoth = 'bothGCSAndPCSAreSet';

/**
 * The converter leaves out at which pole a stereographic projection lies, and around which meridian one of a user's own; it writes a scale of 1 that hides where a Mercator projection is
 * true, and calls that parallel, of projections of users' own, by the name that it has in cones.
 */
function mended(text: string, keys: Crs['keys']): string {
  const number = (key: number): number => Number(keys[key] ?? 0);
  if (keys[coordTransKey] === polarStereographic) {
    const [latitude, meridian] = [number(3081), number(3095)];
    const pole = text.replace(/ \+(?:lat_0|lon_0)=\S+/g, '').replace('+proj=stere', `+proj=stere +lat_0=${latitude < 0 ? '-90' : '90'} +lon_0=${String(meridian)}`);
    return Math.abs(latitude) === 90 ? pole : pole.replace(/\+k_0=\S+/, `+lat_ts=${String(latitude)}`);
  }
  const cylinder = /\+proj=(?:merc|eqc) /.test(text);
  const renamed = cylinder && text.includes('+lat_1=') ? text.replace(/\+lat_ts=\S+ /, '').replace('+lat_1=', '+lat_ts=') : text;
  const trueAt = Number(/\+lat_ts=(\S+)/.exec(renamed)?.[1] ?? 0);
  if (trueAt === 0) return renamed;
  if (renamed.includes('+proj=stere ') && !renamed.includes('+lat_0=')) return `${renamed} +lat_0=${trueAt < 0 ? '-90' : '90'}`;
  return renamed.includes('+proj=merc ') ? renamed.replace(/\+k_0=\S+/, '') : renamed;
}

/**
 * Of EPSG's codes all are within the datum shifts but those that count to the west or south, spheres, oblique Mercators other than the Swiss, Krovak, Colombia's towns, and some with
 * units of their own (compared with PROJ's, code by code).
 */
function isAccurateCode(text: string, epsg: number): boolean {
  if (isSphere(text) && epsg !== webMercator) return false;
  const oblique = /\+proj=(?:omerc|krovak|col_urban)\b/.test(text) && !(text.includes('+alpha=90 ') && text.includes('+gamma=90 '));
  return !oblique && !/\+axis=\w?[ws]/.test(text) && !/\+to_meter=(?!0\.3048)/.test(text) && !text.includes('undefined');
}

/** Of projections of users' own those that were compared with PROJ's. PROJ takes latitudes of a sphere of a user's own for those of any ellipsoid, as proj4 does. */
function isAccurateOwn(text: string, keys: Crs['keys']): boolean {
  const compared = /\+proj=(?:longlat|utm|tmerc|merc|lcc|laea|aea|aeqd|eqdc|stere|sterea|eqc|cea|gnom|poly|robin|sinu|vandg|nzmg) /;
  // Of a sphere that has a datum PROJ shifts latitudes by up to 21 km.
  const onKnownSphere = isSphere(text) && (keys[geographicKey] !== userDefined || keys[toWgs84Key] !== undefined);
  return compared.test(text) && !onKnownSphere && keys[coordTransKey] !== southOriented && !/\+axis=\w?[ws]/.test(text) && !text.includes('undefined');
}

function isSphere(text: string): boolean {
  const [, a, b] = /\+a=(\S+) \+b=(\S+)/.exec(text) ?? [];
  return a !== undefined && a === b;
}

/** Of WKT, written as GDAL writes it, the projections that were compared with PROJ's, from Greenwich, and nothing that says something besides; no sphere that has a datum. */
function isAccurateWkt(wkt: string): boolean {
  if (!isWkt(wkt) || !/^(?:PROJ|GEOG)/.test(wkt)) return false;
  const names = [...wkt.matchAll(/(?:PROJECTION|METHOD)\["([^"]*)"/g)].map(([, name = '']) => name.toLowerCase().replaceAll(' ', '_'));
  const meridians = [...wkt.matchAll(/PRIMEM\["[^"]*",\s*([^,\]]+)/g)].map(([, degrees]) => Number(degrees));
  const [, flattening] = /(?:SPHEROID|ELLIPSOID)\["[^"]*",[^,]*,\s*([^,\]]+)/.exec(wkt) ?? [];
  const projections = wkt.startsWith('PROJ') ? 1 : 0;
  return (
    names.length === projections &&
    names.every((name) => comparedWkt.includes(name)) &&
    meridians.every((degrees) => degrees === 0) &&
    !(Number(flattening) === 0 && wkt.includes('TOWGS84')) &&
    !/(?:EXTENSION|DERIVINGCONVERSION|BOUNDCRS)\[|,\s*WEST\b|UNIT\["(?:grad|gon)\b/i.test(wkt)
  );
}

const comparedWkt = [
  'transverse_mercator', 'mercator_1sp', 'lambert_conformal_conic', 'lambert_conformal_conic_1sp', 'lambert_conformal_conic_2sp', 'lambert_azimuthal_equal_area', 'albers',
  'albers_conic_equal_area', 'equidistant_conic', 'polar_stereographic', 'polyconic', 'azimuthal_equidistant', 'new_zealand_map_grid', 'sinusoidal', 'mollweide', 'robinson',
  'vandergrinten', 'equal_earth',
];

/** Degrees, with room for rounding: an edge at 180° is no place at -180°. */
const halfTurn = 180 + 1e-9;

/** Takes points from one CRS to another; coordinates that have no place there become NaN. */
export type PointTransform = (points: readonly Point[]) => Point[];

/** @throws DataError CRS_UNKNOWN that names the CRS */
export async function pointTransform(from: Crs, to: Crs): Promise<PointTransform> {
  if (sameCrs(from, to)) return (points) => [...points];
  const [source, target] = await Promise.all([known(from), known(to)]);
  const { default: proj4 } = await import('proj4');
  let converter: { forward(point: number[]): number[] };
  try {
    // By WGS 84, proj4 would shift what PROJ doesn't, for a datum that nobody has named.
    const [sourceText, targetText] = [baseOf(from), baseOf(to)].includes('none') ? [withoutShift(source.text), withoutShift(target.text)] : [source.text, target.text];
    converter = proj4(sourceText, targetText);
  } catch (cause) {
    throw new DataError('CRS_UNKNOWN', `coordinates can't be taken from ${crsName(from)} to ${crsName(to)}: ${messageOf(cause)}`, { cause });
  }
  // Not every projection of proj4's finds a place by a longitude of more than half a turn, as in a raster of 0° to 360°.
  const longitude = (degrees: number): number => (source.geographic && !target.geographic && Math.abs(degrees) > halfTurn ? degrees - 360 * Math.round(degrees / 360) : degrees);
  return (points) =>
    points.map(([x, y]): Point => {
      try {
        const [px = NaN, py = NaN] = converter.forward([longitude(x * source.unit), y * source.unit]);
        return [px / target.unit, py / target.unit];
      } catch {
        return [NaN, NaN];
      }
    });
}

function withoutShift(text: string): string {
  return text.replace(/ \+(?:towgs84|nadgrids)=\S+/g, '').replace('+datum=NAD27', '+ellps=clrk66');
}

async function known(crs: Crs): Promise<Definition> {
  const found = await definition(crs);
  if (found === undefined) throw new DataError('CRS_UNKNOWN', `the CRS ${crsName(crs)} isn't known`);
  return found;
}

/**
 * Whether coordinates that are computed here are near the true ones; where they aren't, only GDAL knows where a raster lies.
 * @throws DataError CRS_UNKNOWN for what is neither projected nor geographic
 */
export async function isPlaceable(crs: Crs): Promise<boolean> {
  const found = await definition(crs);
  if (found === undefined && crs.epsg === null && [1, 2, userDefined].includes(Number(crs.keys[modelTypeKey]))) return false;
  return (found ?? (await known(crs))).accurate;
}

/** A sphere by its formulas only. */
const webMercator = 3857;

/**
 * The geographic CRS under a CRS, which has its datum: an EPSG code; `none` for a datum that nobody has named, for which PROJ moves nothing; undefined where it isn't known. A slack for
 * datums between neighbouring UTM zones would bring many a scene to tiles that it doesn't touch.
 */
function baseOf(crs: Crs): number | 'none' | undefined {
  const wkt = ownWkt(crs);
  if (wkt !== undefined) {
    if (/TOWGS84/i.test(wkt)) return undefined;
    const [, first, second] = /(?:AUTHORITY\["EPSG","(\d+)"\]|ID\["EPSG",(\d+)\])\]\s*,\s*(?:PROJECTION|CONVERSION)\b/.exec(wkt) ?? [];
    if (first !== undefined || second !== undefined) return Number(first ?? second);
    const [, name = ''] = /(?:DATUM|ENSEMBLE)\["(?:D_)?([^"]*)"/i.exec(wkt) ?? [];
    if (/^(?:WGS_?1984|WGS 84|World Geodetic System 1984)/i.test(name)) return 4326;
    if (/^(?:European_Terrestrial_Reference_System_1989|ETRS_1989)/i.test(name)) return 4258;
    if (/^(?:North_American_(?:Datum_)?1983)$/i.test(name)) return 4269;
    return /^(?:unknown|not[_ ]specified)/i.test(name) ? 'none' : undefined;
  }
  const { epsg, keys } = crs;
  if (epsg === null && keys[toWgs84Key] !== undefined) return undefined;
  if (epsg === null && keys[geographicKey] === userDefined && keys[datumKey] === userDefined) return 'none';
  const code = Number(epsg ?? keys[geographicKey]);
  return datumRanges.find(([first, last]) => code >= first && code <= last)?.[2];
}

/** Metres by which datums differ at most: those that go with satellites, and all others; of one datum, by which formulas do. */
const datumShift = { none: 1, modern: 400, any: 1500 } as const;

/** How far datum shifts, which are left out here, can move a raster, in units of the CRS that it is brought to. */
export async function datumSlack(from: Crs, to: Crs): Promise<number> {
  const [source, target] = await Promise.all([known(from), known(to)]);
  const base = baseOf(from);
  const modern = [source, target].every(({ text }) => /\+(?:ellps|datum)=(?:WGS84|GRS80)\b/.test(text) && !text.includes('+towgs84='));
  const same = base !== undefined && base === baseOf(to);
  return ofMetres(datumShift[same ? 'none' : modern ? 'modern' : 'any'], target);
}

function ofMetres(metres: number, { geographic, unit }: Definition): number {
  return geographic ? metres / 111_320 / unit : metres / unit;
}

/** Metres by which coordinates may be moved without anybody noticing: those of datums that go with satellites differ by so much, and PROJ mostly by nothing. */
const unnoticed = 3;

/** What PROJ moves coordinates by from one CRS to another, at most, in units of the latter: 0 where it is nothing to speak of. */
export async function datumShiftBetween(from: Crs, to: Crs): Promise<number> {
  const [a, b] = [baseOf(from), baseOf(to)];
  if (a === 'none' || b === 'none' || (a !== undefined && a === b)) return 0;
  const shifts = [a, b].map((base) => (base === undefined ? undefined : datumShifts[base]));
  const metres = shifts.reduce<number | undefined>((sum, shift) => (sum === undefined || shift === undefined ? undefined : sum + shift), 0);
  if (metres === undefined) return await datumSlack(from, to);
  return metres <= unnoticed ? 0 : ofMetres(metres, await known(to));
}

/** The whole turn that x makes around the Earth, in units of a geographic CRS; undefined for others. */
export async function fullTurn(crs: Crs): Promise<number | undefined> {
  if (crs.keys[modelTypeKey] === 1) return undefined;
  const found = await definition(crs);
  return found?.geographic === true ? 360 / found.unit : undefined;
}

