import type { Dtype } from '../raster/dtype.ts';
import type { ColorEntry, ColorInterpretation } from '../tiff/color.ts';
import type { Crs } from '../tiff/crs.ts';
import type { GeoTags, Geotransform } from '../tiff/geo.ts';

/** A file as it was when it was looked at. */
export interface VersionedFile {
  readonly href: string;
  readonly version: string;
}

/** What a header says of a scene. */
export interface SceneFacts {
  readonly version: string;
  /** Files that it reads itself, as a VRT does. */
  readonly sources: readonly VersionedFile[];
  readonly bytes: number;
  /** Pixels. */
  readonly width: number;
  readonly height: number;
  readonly bands: number;
  readonly dtype: Dtype;
  readonly nodata: number | null;
  readonly masked: boolean;
  /** 0-based. */
  readonly alphaBand: number | null;
  readonly geotransform: Geotransform | null;
  readonly groundControlPoints: number;
  readonly crs: Crs;
  /** The tags to write back for a grid like this; empty for a VRT. */
  readonly tags: GeoTags;
  /** What copies take over. Lists are one a band, null where a band has none. */
  readonly bandDescriptions: readonly (string | null)[];
  readonly scales: readonly (number | null)[];
  readonly offsets: readonly (number | null)[];
  /** Of a raster of one band; of others, that of the first. */
  readonly colorTable: readonly ColorEntry[] | null;
  readonly colorInterpretations: readonly ColorInterpretation[];
}
