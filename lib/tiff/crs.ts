/** Coordinate reference systems: as GeoKeys, as an EPSG code, or as the WKT of a VRT; and the tags that say so in a file. Where their coordinates lie is projection.ts's. */
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
const asciiParamsTag = 34_737;
const projectedCitationKey = 3073;
/** Value of a key (GeoTIFF 1.1 §7.1). */
const userDefined = 32_767;

/** GDAL keeps a projection that GeoKeys have no code for, such as Mollweide's, in ProjectedCitationGeoKey: as WKT, after these words (gt_wkt_srs.cpp). It reads any WKT there. */
const wktPrefix = 'ESRI PE String = ';

/** Whether a raster says in which CRS it is. */
export function hasCrs({ epsg, keys, wkt }: Crs): boolean {
  return epsg !== null || (wkt !== null && wkt !== '') || tellingKeys(keys).length > 0;
}

export function sameCrs(a: Crs, b: Crs): boolean {
  if (a.epsg !== null && b.epsg !== null) return a.epsg === b.epsg;
  const [ofA, ofB] = [ownWkt(a), ownWkt(b)];
  if (ofA !== undefined || ofB !== undefined) return ofA === ofB;
  return JSON.stringify(tellingKeys(a.keys)) === JSON.stringify(tellingKeys(b.keys));
}

function tellingKeys(keys: Crs['keys']): [string, unknown][] {
  return Object.entries(keys).filter(([key]) => !citationKeys.includes(Number(key)) && Number(key) !== rasterTypeKey);
}

/** The WKT of a CRS without a code, of a VRT or in the keys of a GeoTIFF. */
export function ownWkt({ epsg, keys, wkt }: Crs): string | undefined {
  if (epsg !== null) return undefined;
  if (wkt !== null) return writtenWkt(wkt);
  const citation = keys[projectedCitationKey];
  return typeof citation === 'string' && citation.startsWith(wktPrefix) ? citation.slice(wktPrefix.length) : undefined;
}

/** Keys that say a WKT, as GDAL writes and reads them. */
export function keysOfWkt(wkt: string): Crs['keys'] {
  return { [modelTypeKey]: userDefined, [rasterTypeKey]: 1, [projectedCitationKey]: `${wktPrefix}${writtenWkt(wkt)}` };
}

/** In a tag is ASCII, in which `|` ends a text. What else there is in a WKT is in its names. */
function writtenWkt(wkt: string): string {
  return wkt.trim().replaceAll(/\s+/g, ' ').replaceAll(/[^ -{}~]/g, '?');
}

/** A CRS as a person knows it. */
export function crsName(crs: Crs): string {
  if (crs.epsg !== null) return `EPSG:${String(crs.epsg)}`;
  const citation = citationKeys.map((key) => crs.keys[key]).find((value) => typeof value === 'string' && !value.startsWith(wktPrefix));
  if (citation !== undefined) return JSON.stringify(citation);
  const named = /^\w+\s*\[\s*"([^"]*)"/.exec(ownWkt(crs) ?? '')?.[1];
  if (named !== undefined) return JSON.stringify(named);
  return hasCrs(crs) ? 'user-defined' : 'none';
}

/** Whether a text is WKT of a map's coordinates, version 1 or 2, and not cut off. */
export function isWkt(text: string): boolean {
  const [start = '', keyword = ''] = /^\s*(\w+)\s*\[/.exec(text) ?? [];
  if (!/^(?:PROJCS|GEOGCS|COMPD_CS|PROJCRS|PROJECTEDCRS|GEOGCRS|GEOGRAPHICCRS|GEODCRS|GEODETICCRS|COMPOUNDCRS|BOUNDCRS)$/i.test(keyword)) return false;
  // A CRS without a figure of the Earth isn't one.
  if (!/(?:SPHEROID|ELLIPSOID)\s*\[/i.test(text)) return false;
  let open = 1;
  for (const [bracket] of text.slice(start.length).replaceAll(/"(?:[^"]|"")*"/g, '').trim().matchAll(/[[\]]|[^[\]]+/g)) {
    if (open === 0) return false;
    if (bracket === '[') open += 1;
    else if (bracket === ']') open -= 1;
  }
  return open === 0;
}

/** The EPSG code that a WKT ends with, version 1 or 2; null without. */
export function epsgOfWkt(wkt: string): number | null {
  const code = /(?:AUTHORITY\["EPSG","(\d+)"\]|ID\["EPSG",(\d+)\])\s*\]\s*$/i.exec(wkt);
  return code === null ? null : Number(code[1] ?? code[2]);
}

/** The tags of a grid: its CRS, and where its pixels lie. Pixels are areas, and the geotransform is that of their corners. */
export function geoTagsOf(crs: Crs, tags: GeoTags, geotransform: readonly [number, number, number, number, number, number]): GeoTags {
  const [x0, xc, xr, y0, yc, yr] = geotransform;
  const place: GeoTags =
    xr === 0 && yc === 0 && xc > 0 && yr < 0
      ? { modelPixelScale: [xc, -yr, 0], modelTiepoint: [0, 0, 0, x0, y0, 0] }
      : { modelTransformation: [xc, xr, 0, x0, yc, yr, 0, y0, 0, 0, 0, 0, 0, 0, 0, 1] };
  const { geoKeyDirectory, geoDoubleParams, geoAsciiParams } = tags;
  if (geoKeyDirectory === undefined) return { ...place, ...tagsOf(crs.keys) };
  return {
    ...place,
    geoKeyDirectory: pixelIsArea(geoKeyDirectory),
    ...(geoDoubleParams === undefined ? {} : { geoDoubleParams }),
    ...(geoAsciiParams === undefined ? {} : { geoAsciiParams }),
  };
}

/** GeoTIFF 1.1 §7.1.2, for keys that hold single numbers or texts. */
function tagsOf(keys: Crs['keys']): GeoTags {
  let texts = '';
  const entries = Object.entries(keys).flatMap(([key, value]): number[][] => {
    if (typeof value === 'number') return [[Number(key), 0, 1, value]];
    if (typeof value !== 'string') return [];
    texts += `${value}|`;
    return [[Number(key), asciiParamsTag, value.length + 1, texts.length - value.length - 1]];
  });
  if (entries.length === 0) return {};
  return { geoKeyDirectory: [1, 1, 0, entries.length, ...entries.flat()], ...(texts === '' ? {} : { geoAsciiParams: texts }) };
}

function pixelIsArea(directory: readonly number[]): readonly number[] {
  const at = directory.findIndex((value, i) => i >= 4 && i % 4 === 0 && value === rasterTypeKey);
  return at < 0 ? directory : directory.with(at + 3, 1);
}
