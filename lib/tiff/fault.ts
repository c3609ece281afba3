/** How a broken or unreadable TIFF is reported: always a DataError with a code TIFF_*, naming file, tag, wanted and found. */

import { DataError } from '../base/errors.ts';
import { displayHref } from '../store/href.ts';
import { tagName } from './tags.ts';

export type TiffErrorCode =
  /** The first bytes are not those of a TIFF. */
  | 'TIFF_NOT_A_TIFF'
  /** Something lies beyond the end of the file. */
  | 'TIFF_TRUNCATED'
  /** The directories are broken: a cycle, too many, values of a wrong type. */
  | 'TIFF_BAD_DIRECTORY'
  /** A tag that must be there is missing. */
  | 'TIFF_MISSING_TAG'
  /** A tag's value makes no sense, whoever reads it. */
  | 'TIFF_BAD_VALUE'
  /** A well-formed TIFF of a kind that tilefan can't read. */
  | 'TIFF_UNSUPPORTED'
  /** More memory would be needed than a block or a header may take. */
  | 'TIFF_TOO_LARGE'
  /** A block's bytes don't decode to the block that the header promises. */
  | 'TIFF_BAD_BLOCK'
  /** A sample that the type it is read as can't hold. */
  | 'TIFF_BAD_SAMPLE';

/** A DataError about `href`; `where` names tag, block and image as data. */
export function tiffError(
  code: TiffErrorCode,
  href: string,
  message: string,
  where: Readonly<Record<string, unknown>> = {},
  cause?: unknown,
): DataError {
  const details = { where: { href, ...where } };
  return new DataError(code, `${displayHref(href)}: ${message}`, cause === undefined ? details : { ...details, cause });
}

/** A DataError about the value of one tag. */
export function tagError(
  code: TiffErrorCode,
  href: string,
  directory: number,
  tag: number,
  value: unknown,
  message: string,
): DataError {
  return tiffError(code, href, `directory ${directory}: ${tagName(tag)} ${message}`, { directory, tag, value });
}
