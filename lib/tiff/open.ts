/**
 * Opens a GeoTIFF or COG by range requests: which images it holds, how their blocks lie, where they are.
 *
 * This half runs on the main thread, which does all input and output. The other half, BlockReader, runs on compute threads.
 */

import { type ObjectReader } from '../store/store.ts';
import { DataError } from '../base/errors.ts';
import { BlockRanges } from './block-ranges.ts';
import { type ColorInformation, readColor } from './color.ts';
import { type Directory, readHeader } from './directory.ts';
import { tagError, type TiffErrorCode } from './fault.ts';
import { type GeoReference, readGeo } from './geo.ts';
import { HeaderSource } from './header-source.ts';
import { type BlockLayout, type BlockRange } from './layout.ts';
import { type GdalMetadata, readMetadata } from './metadata.ts';
import { readLayout } from './read-layout.ts';
import { tags } from './tags.ts';

/** One image of the file. */
export interface TiffImage {
  readonly role: 'main' | 'overview' | 'mask';
  readonly layout: BlockLayout;
  /** The mask that goes with it, of the same size: 0 is nodata, 1 is valid. */
  readonly mask: TiffImage | null;
}

/** An image that is not used, and why: a page of its own, an overview that can't be read. */
export interface IgnoredImage {
  readonly directory: number;
  readonly reason: string;
}

export interface Tiff extends GdalMetadata, ColorInformation {
  readonly href: string;
  /** Bytes. */
  readonly size: number;
  /** As ObjectStat.version; give it to readInto so that a file that changes meanwhile is noticed. */
  readonly version: string;
  readonly byteOrder: 'little' | 'big';
  readonly bigTiff: boolean;
  readonly main: TiffImage;
  /** Internal overviews, largest first. */
  readonly overviews: readonly TiffImage[];
  readonly geo: GeoReference;
  readonly ignored: readonly IgnoredImage[];
  /**
   * Where blocks of an image (the main one, an overview or a mask of this file) are, in the order of `blockIndices`; sparse ones have
   * offset 0 and length 0. Reads as much of the arrays as is needed, at most once.
   * @throws DataError TIFF_TRUNCATED or TIFF_TOO_LARGE, naming block, tag and value.
   */
  blockRanges(image: TiffImage, blockIndices: readonly number[]): Promise<BlockRange[]>;
}

/** What the reader needs of a store. */
export type TiffSource = Pick<ObjectReader, 'stat' | 'readInto'>;

/** Bits of NewSubfileType (TIFF 6.0 §8). */
const reducedResolution = 1;
const transparencyMask = 4;

/**
 * Reads the header. A COG takes one request of 64 KiB (after the stat); a file whose directories lie elsewhere takes one more for each place.
 * @throws DataError TIFF_* for a file that is broken or of a kind that can't be read; what `reader` throws.
 */
export async function openTiff(reader: TiffSource, href: string): Promise<Tiff> {
  const source = new HeaderSource(reader, await reader.stat(href));
  const { byteOrder, bigTiff, directories } = await readHeader(source);
  const [first, ...rest] = directories;
  if (first === undefined) throw new Error('readHeader gives at least one directory');
  const arrays = new Map<BlockLayout, BlockRanges>();

  async function image(directory: Directory, role: TiffImage['role']): Promise<TiffImage> {
    const layout = await readLayout(directory, byteOrder, role === 'mask');
    arrays.set(layout, new BlockRanges(directory, layout));
    return { role, layout, mask: null };
  }

  const bare = await image(first, 'main');
  const { overviews: bareOverviews, masks, ignored } = await readOthers(rest, bare, image);
  const main = withMask(bare, masks);
  if (masks.length > 0 && main.mask === null) {
    const [mask] = masks;
    throw tagError('TIFF_BAD_VALUE', href, mask?.layout.directory ?? 0, tags.ImageWidth, mask?.layout.width, `: the mask has ${mask?.layout.width} x ${mask?.layout.height} pixels; wanted the image's ${bare.layout.width} x ${bare.layout.height}`);
  }
  const metadata = await readMetadata(first, main.layout.dtype, main.layout.bands);
  return {
    href: source.href,
    size: source.size,
    version: source.version,
    byteOrder,
    bigTiff,
    main,
    overviews: bareOverviews.map((overview) => withMask(overview, masks)),
    geo: await readGeo(first),
    ...metadata,
    ...(await readColor(first, main.layout, metadata.nodata, metadata.colorInterpretationNames)),
    ignored,
    async blockRanges(of, blockIndices) {
      const array = arrays.get(of.layout);
      if (array === undefined) throw new RangeError(`not an image of ${href}: directory ${of.layout.directory} of ${of.layout.href}`);
      return array.of(blockIndices);
    },
  };
}

const forgiven: ReadonlySet<string> = new Set<TiffErrorCode>(['TIFF_UNSUPPORTED', 'TIFF_TOO_LARGE']);

interface OtherImages {
  readonly overviews: TiffImage[];
  readonly masks: TiffImage[];
  readonly ignored: IgnoredImage[];
}

/**
 * Sorts the directories after the first as GDAL does (GTiffDataset::ScanDirectories). A mask that can't be read is an error, because
 * pixels would silently become valid; an overview that can't is left out, because it holds nothing new.
 */
async function readOthers(
  directories: readonly Directory[],
  main: TiffImage,
  image: (directory: Directory, role: TiffImage['role']) => Promise<TiffImage>,
): Promise<OtherImages> {
  const others: OtherImages = { overviews: [], masks: [], ignored: [] };
  for (const directory of directories) {
    const subfile = (await directory.number(tags.NewSubfileType)) ?? 0;
    if ((subfile & transparencyMask) !== 0 || (await directory.number(tags.PhotometricInterpretation)) === 4) {
      others.masks.push(await image(directory, 'mask'));
    } else if ((subfile & reducedResolution) !== 0) {
      await addOverview(others, directory, main, image);
    } else {
      others.ignored.push({ directory: directory.index, reason: 'a page of its own, neither overview nor mask' });
    }
  }
  others.overviews.sort((a, b) => b.layout.width - a.layout.width);
  return others;
}

async function addOverview(
  others: OtherImages,
  directory: Directory,
  main: TiffImage,
  image: (directory: Directory, role: TiffImage['role']) => Promise<TiffImage>,
): Promise<void> {
  try {
    const overview = await image(directory, 'overview');
    const { bands, dtype } = overview.layout;
    if (bands === main.layout.bands && dtype === main.layout.dtype) others.overviews.push(overview);
    else others.ignored.push({ directory: directory.index, reason: `an overview of ${bands} bands ${dtype}; the image has ${main.layout.bands} bands ${main.layout.dtype}` });
  } catch (error) {
    // Only the kind of image is forgiven: a file that is broken or can't be reached is so for the main image, too.
    if (!(error instanceof DataError) || !forgiven.has(error.code)) throw error;
    others.ignored.push({ directory: directory.index, reason: error.message });
  }
}

function withMask(image: TiffImage, masks: readonly TiffImage[]): TiffImage {
  const { width, height } = image.layout;
  return { ...image, mask: masks.find(({ layout }) => layout.width === width && layout.height === height) ?? null };
}
