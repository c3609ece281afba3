/** What GDAL keeps in private tags beside the pixels: nodata (42113) and the metadata XML (42112). */

import { type Dtype } from '../raster/dtype.ts';
import { type BandMetadataLists, readBandMetadata } from './band-metadata.ts';
import { type Directory } from './directory.ts';
import { tagError } from './fault.ts';
import { tags } from './tags.ts';

export interface GdalMetadata extends BandMetadataLists {
  /** The value as samples have it (rounded to float32 for such images, so that `===` finds it), NaN for 'nan'; null where there is none. */
  readonly nodata: number | null;
  /** The text of the tag, for writing it back unchanged. */
  readonly nodataText: string | null;
  /** The XML of tag 42112, unchanged. */
  readonly gdalMetadata: string | null;
}

/** @throws DataError TIFF_BAD_VALUE for a nodata that is no number. */
export async function readMetadata(directory: Directory, dtype: Dtype, bands: number): Promise<GdalMetadata> {
  const nodataText = (await directory.text(tags.GDAL_NODATA))?.trim() ?? null;
  const gdalMetadata = (await directory.text(tags.GDAL_METADATA)) ?? null;
  return {
    nodata: nodataText === null || nodataText === '' ? null : parseNodata(directory, nodataText, dtype),
    nodataText,
    gdalMetadata,
    ...readBandMetadata(gdalMetadata ?? '', bands),
  };
}

function parseNodata(directory: Directory, text: string, dtype: Dtype): number {
  const lower = text.toLowerCase();
  const special = /^([+-]?)(nan|inf)/.exec(lower);
  const value = special === null ? Number.parseFloat(text) : special[2] === 'nan' ? Number.NaN : special[1] === '-' ? -Infinity : Infinity;
  if (Number.isNaN(value) && special?.[2] !== 'nan') {
    throw tagError('TIFF_BAD_VALUE', directory.href, directory.index, tags.GDAL_NODATA, text.slice(0, 80), `is "${text.slice(0, 80)}"; wanted a number or nan`);
  }
  return dtype === 'float32' ? Math.fround(value) : value;
}
