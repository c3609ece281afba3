/** What a process with GDAL can be asked, and what it answers. */
import type { Dtype } from '../raster/dtype.ts';
import type { Window } from '../raster/window.ts';
import type { GdalSource } from './gdal-source.ts';

/** How pixels are made from those of another grid, as `gdalwarp -r` names them, except `nearest` for `near`. */
export const warpResamplings = ['nearest', 'bilinear', 'cubic', 'average', 'mode', 'min', 'max', 'med'] as const;
export type WarpResampling = (typeof warpResamplings)[number];

/** For how long a request may run. */
export interface RequestLimits {
  /** Seconds, waiting for a free process left out; default: as long as it takes. */
  readonly timeoutSeconds?: number;
}

/** Memory for samples, filled in the machine's byte order: bands, rows, columns; then, with `validity`, rows x columns bytes of 0 and 1. */
export interface SampleTarget {
  readonly into: Uint8Array;
}

export interface WarpRequest extends SampleTarget, RequestLimits {
  readonly source: GdalSource;
  /** Pixels of the output grid. It may reach beyond the grid: what lies there holds `init`. */
  readonly window: Window;
  /** 1-based. */
  readonly bands: readonly number[];
  readonly dtype: Dtype;
  readonly resampling: WarpResampling;
  /** What stands for no data in the source, whatever the file says, and in the result; null for nothing. A value that the source's type can't hold counts as null. */
  readonly nodata: number | null;
  /** What pixels hold that the source doesn't reach; default: `nodata`, else 0. */
  readonly init?: number;
  /** Whether a plane is wanted that says which pixels have data: for sources with a mask or an alpha band. A pixel counts where gdalwarp's alpha band would not be 0. */
  readonly validity?: boolean;
  /** Whether pixels that the source doesn't reach count as data in that plane; default false. */
  readonly outsideIsData?: boolean;
  /**
   * Whether the last of `bands` is an alpha band and is to be warped as such; default false. Pixels of the other bands then count as much as they are opaque, and the last plane holds
   * gdalwarp's own alpha: together what gdalwarp makes of a source whose alpha band it knows. Where the source doesn't reach, alpha is 0 whatever `init` is. Not for int8.
   */
  readonly alpha?: boolean;
  /** Largest error of the coordinates, in pixels of the source; 0 (the default) is exact. */
  readonly errorThreshold?: number;
  /** Pixels of the grid to a pixel of the source, along x and y: the warp options XSCALE and YSCALE. Default: `GdalPool.warpScale`, which is the same for every window. */
  readonly scale?: readonly [x: number, y: number];
}

export interface ReadRequest extends SampleTarget, RequestLimits {
  readonly source: GdalSource;
  /** Pixels of the source. It may reach beyond the source: what lies there holds `init`. */
  readonly window: Window;
  readonly bands: readonly number[];
  readonly dtype: Dtype;
  /** Default 0. */
  readonly init?: number;
  /** Whether a plane of GDAL's mask of the first band is wanted. */
  readonly validity?: boolean;
  /** Whether pixels that the source doesn't reach count as data in that plane; default false. */
  readonly outsideIsData?: boolean;
}

export interface RasterizeRequest extends SampleTarget, RequestLimits {
  readonly source: GdalSource;
  /** Needed where the source has several. */
  readonly layer?: string;
  /** Which features: the right side of an SQL WHERE, as OGR reads it. */
  readonly where?: string;
  /** What features burn: the number in an attribute, or the same for all. */
  readonly value: { readonly attribute: string } | { readonly burn: number };
  readonly allTouched?: boolean;
  readonly dtype: Dtype;
  /** What pixels hold that no feature covers; default 0. */
  readonly init?: number;
  readonly window: Window;
}

export interface ConvertRequest extends RequestLimits {
  readonly source: GdalSource;
  /** Path of the GeoTIFF to write. */
  readonly target: string;
  /** 1-based; default: all. */
  readonly bands?: readonly number[];
  /** Default: zstd where GDAL has it, else deflate. */
  readonly compression?: 'zstd' | 'deflate' | 'lzw' | 'none';
}

export interface CrsFacts {
  readonly name: string | null;
  /** WKT 2. */
  readonly wkt: string;
  readonly epsg: number | null;
}

export interface BandFacts {
  /** One of `Dtype`, or GDAL's name of a type that tilefan has no samples for, such as CFloat32. */
  readonly dtype: string;
  readonly nodata: number | null;
  /** Empty where there is none. */
  readonly description: string;
  readonly scale: number | null;
  readonly offset: number | null;
  /** GDAL's colour interpretation, such as `Gray`, `Palette`, `Alpha`. */
  readonly interpretation: string;
  readonly mask: 'none' | 'nodata' | 'dataset' | 'alpha' | 'band';
  /** Red, green, blue, alpha. */
  readonly colorTable: readonly (readonly [number, number, number, number])[] | null;
  readonly blockSize: readonly [columns: number, rows: number];
}

export interface RasterFacts {
  readonly columns: number;
  readonly rows: number;
  readonly bands: readonly BandFacts[];
  readonly geotransform: readonly [number, number, number, number, number, number] | null;
  readonly crs: CrsFacts | null;
  readonly groundControlPoints: number;
  readonly rpc: boolean;
  readonly geolocation: boolean;
}

export interface LayerFacts {
  readonly name: string;
  readonly features: number;
  readonly geometryType: string;
  readonly fields: readonly { readonly name: string; readonly type: string }[];
  readonly crs: CrsFacts | null;
  /** In the layer's CRS: xmin, ymin, xmax, ymax. */
  readonly bounds: readonly [number, number, number, number] | null;
}

export interface SourceFacts {
  readonly driver: string;
  /** Names as GDAL opens them. */
  readonly subdatasets: readonly { readonly name: string; readonly description: string }[];
  /** Null where there are no bands. */
  readonly raster: RasterFacts | null;
  /** Empty where there are none. */
  readonly layers: readonly LayerFacts[];
}

/** A number as the process reads it: JSON has no NaN and no infinities. */
export function sendNumber(value: number | null | undefined): number | string | null {
  if (value === null || value === undefined) return null;
  return Number.isFinite(value) ? value : String(value);
}

/** The other way. */
export function receiveNumber(value: unknown): number | null {
  return value === null || value === undefined ? null : Number(value);
}
