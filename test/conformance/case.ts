/** One file of the conformance corpus, as data that corpus.py and the test both read. */

import { type Dtype } from '../../lib/raster/dtype.ts';

export interface Case {
  /** Says every axis; it names the file, too. */
  readonly name: string;
  /** GDAL's type to create the file with; the last two are refused. */
  readonly dtype: Dtype | 'int64' | 'uint64' | 'complex64' | 'complexint16';
  /** NBITS, where it is not the type's own. */
  readonly bits?: number;
  readonly width: number;
  readonly height: number;
  readonly bands: number;
  /** Creation options of the driver. */
  readonly options: readonly string[];
  /** `GTiff` by Create (the default), or `COG` by CreateCopy. */
  readonly driver?: 'COG';
  /** `nan`: floating point with NaN here and there. `corner`: only a part is written. `empty`: nothing is. */
  readonly pattern?: 'nan' | 'corner' | 'empty';
  readonly nodata?: string;
  /** `inside` the file, or `beside` it as .msk. */
  readonly mask?: 'inside' | 'beside';
  readonly overviews?: readonly number[];
  /** One letter a band, `A` where samples shall look like alpha. */
  readonly alpha?: string;
  readonly header?: Header;
  /** The code of our error and a part of its message; GDAL does read such a file. */
  readonly refused?: { readonly code: string; readonly message: string };
}

export interface Header {
  readonly geotransform?: readonly number[];
  readonly epsg?: number;
  readonly pixelIsPoint?: boolean;
  /** x, y, z, column, row. */
  readonly points?: readonly (readonly number[])[];
  readonly scales?: readonly number[];
  readonly offsets?: readonly number[];
  readonly units?: readonly string[];
  readonly descriptions?: readonly string[];
  /** Names as in GDAL's constants: `RedBand`, `AlphaBand`. */
  readonly colors?: readonly string[];
  readonly table?: readonly (readonly number[])[];
}
