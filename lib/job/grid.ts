/** Whether rasters share one pixel grid. */
import type { GeoReference, Geotransform } from '../tiff/geo.ts';
import type { Tiff } from '../tiff/open.ts';

/** Grids whose corners are nearer than this, in pixels, are the same: decimals in headers are rounded. */
const tolerancePixels = 0.01;

/** How `other` differs from `reference`, each difference with what was wanted and found; empty for the same grid. */
export function gridDifferences(reference: Tiff, other: Tiff): string[] {
  const differences: string[] = [];
  const { width, height } = reference.main.layout;
  const layout = other.main.layout;
  if (width !== layout.width || height !== layout.height) {
    differences.push(`wanted ${String(width)} x ${String(height)} pixels, found ${String(layout.width)} x ${String(layout.height)}`);
  }
  if (!sameCrs(reference.geo, other.geo)) differences.push(`wanted CRS ${crsName(reference.geo)}, found ${crsName(other.geo)}`);
  const wanted = reference.geo.geotransform;
  const found = other.geo.geotransform;
  if (!sameTransform(wanted, found, width, height)) {
    differences.push(`wanted geotransform ${show(wanted)}, found ${show(found)}`);
  }
  return differences;
}

/** A CRS as a person knows it. */
export function crsName({ epsg, keys }: GeoReference): string {
  if (epsg !== null) return `EPSG:${String(epsg)}`;
  const citation = citationKeys.map((key) => keys[key]).find((value) => typeof value === 'string');
  if (citation !== undefined) return JSON.stringify(citation);
  return Object.keys(keys).length > 0 ? 'user-defined' : 'none';
}

/** GTCitationGeoKey, GeodeticCitationGeoKey, ProjectedCitationGeoKey: names for people, which writers spell differently. */
const citationKeys = [3073, 1026, 2049];
/** GTRasterTypeGeoKey says how the tie point is meant, and the geotransform has taken it in already. */
const rasterTypeKey = 1025;

function sameCrs(a: GeoReference, b: GeoReference): boolean {
  if (a.epsg !== null && b.epsg !== null) return a.epsg === b.epsg;
  const telling = ({ keys }: GeoReference): string =>
    JSON.stringify(Object.entries(keys).filter(([key]) => !citationKeys.includes(Number(key)) && Number(key) !== rasterTypeKey));
  return telling(a) === telling(b);
}

function sameTransform(a: Geotransform | null, b: Geotransform | null, width: number, height: number): boolean {
  if (a === null || b === null) return a === b;
  const determinant = a[1] * a[5] - a[2] * a[4];
  if (determinant === 0) return a.every((value, i) => value === b[i]);
  return [[0, 0], [width, 0], [0, height], [width, height]].every(([x = 0, y = 0]) => {
    const dx = b[0] + x * b[1] + y * b[2] - (a[0] + x * a[1] + y * a[2]);
    const dy = b[3] + x * b[4] + y * b[5] - (a[3] + x * a[4] + y * a[5]);
    // The offset on the ground, in pixels of `a`.
    const columns = (dx * a[5] - dy * a[2]) / determinant;
    const rows = (dy * a[1] - dx * a[4]) / determinant;
    return Math.hypot(columns, rows) < tolerancePixels;
  });
}

function show(transform: Geotransform | null): string {
  return transform === null ? 'none' : `[${transform.join(', ')}]`;
}
