/** What GDAL opens: an href, perhaps a subdataset in it, and options of the driver. */
import { JobError } from '../base/errors.ts';
import { displayHref, parseHref } from '../store/href.ts';

export interface GdalSource {
  /** A canonical href: `file:///…` or `s3://…`. */
  readonly href: string;
  /** A part of a file that holds several rasters: for NetCDF a variable, for HDF a path, for GeoPackage a table. */
  readonly subdataset?: string;
  /** The driver that knows the subdataset, as GDAL spells the prefix of its names; guessed from the file's name where left out. */
  readonly driver?: string;
  /** Options for the driver (`-oo`). */
  readonly openOptions?: Readonly<Record<string, string>>;
  /** What the file was converted from, by which its user knows it: for messages. */
  readonly convertedFrom?: string;
}

/** How drivers spell the names of their subdatasets (GDAL's documentation of each driver, "Subdatasets"). */
const subdatasetNames: Readonly<Record<string, (path: string, name: string) => string>> = {
  NETCDF: (path, name) => `NETCDF:"${path}":${name.includes(':') ? `"${name}"` : name}`,
  HDF5: (path, name) => `HDF5:"${path}"://${name.replace(/^\/+/, '')}`,
  HDF4_SDS: (path, name) => `HDF4_SDS:UNKNOWN:"${path}":${name}`,
  HDF4_EOS: (path, name) => `HDF4_EOS:EOS_GRID:"${path}":${name}`,
  GPKG: (path, name) => `GPKG:${path}:${name}`,
  ZARR: (path, name) => `ZARR:"${path}":${name.startsWith('/') ? name : `/${name}`}`,
};

/** What a file's name says of the driver. */
const driversByExtension: readonly (readonly [pattern: RegExp, driver: string])[] = [
  [/\.(?:nc|nc4|cdf)$/i, 'NETCDF'],
  [/\.(?:h5|hdf5|he5|hdf)$/i, 'HDF5'],
  [/\.gpkg$/i, 'GPKG'],
  [/\.zarr\/?$/i, 'ZARR'],
];

/** The path by which GDAL knows an object: a path of the file system, or one below /vsis3/. */
export function gdalPath(href: string): string {
  const location = parseHref(href);
  return location.scheme === 's3' ? `/vsis3/${location.bucket}/${location.key}` : location.path;
}

/** The name of the subdataset of a source; undefined when no driver is known for it. */
export function subdatasetName(source: GdalSource): string | undefined {
  const path = gdalPath(source.href);
  if (source.subdataset === undefined || path.includes('"')) return undefined;
  const driver = driverOf(source);
  return driver === undefined ? undefined : subdatasetNames[driver]?.(path, source.subdataset);
}

function driverOf(source: GdalSource): string | undefined {
  return source.driver?.toUpperCase() ?? driversByExtension.find(([pattern]) => pattern.test(gdalPath(source.href)))?.[1];
}

/**
 * The name by which GDAL opens a source.
 * @throws JobError GDAL_SUBDATASET when no driver is known for it
 */
export function gdalName(source: GdalSource): string {
  if (source.subdataset === undefined) return gdalPath(source.href);
  const name = subdatasetName(source);
  if (name === undefined) {
    throw new JobError(
      'GDAL_SUBDATASET',
      `Cannot name the subdataset ${JSON.stringify(source.subdataset)} of ${displayHref(source.href)}: wanted a file of a driver that has subdatasets (${Object.keys(subdatasetNames).join(', ')}) and no quotation mark in its name, found ${driverOf(source) ?? 'a name that tells none'}`,
      { where: { href: source.href, subdataset: source.subdataset } },
    );
  }
  return name;
}
