/** From the tags of one directory to the layout of its blocks; what can't be read is refused here, before any block is fetched. */

import { type Dtype } from '../raster/dtype.ts';
import { type Directory } from './directory.ts';
import { tagError } from './fault.ts';
import { blockBytes, blockCount, type BlockLayout, type Compression, type Predictor } from './layout.ts';
import { type TagNumber, tags } from './tags.ts';
import { isWideInteger, wideNodata } from './wide-integers.ts';

/** Largest decoded block. A thread must hold it whole; GDAL's own limit on a strip is 2 GiB, usual blocks have 2 MiB. */
export const maxBlockBytes = 1024 * 1024 * 1024;

/** GDAL can't go beyond this either (a signed 32-bit number of pixels). */
const maxImageSidePx = 2_147_483_647;

const compressions: Readonly<Record<number, Compression>> = {
  1: 'none',
  5: 'lzw',
  7: 'jpeg',
  8: 'deflate',
  32_773: 'packbits',
  32_946: 'deflate',
  34_887: 'lerc',
  50_000: 'zstd',
  50_001: 'webp',
};

const compressionNames: Readonly<Record<number, string>> = {
  2: 'CCITT RLE',
  3: 'CCITT fax 3',
  4: 'CCITT fax 4',
  6: 'old-style JPEG',
  32_771: 'CCITT RLE/W',
  34_712: 'JPEG 2000',
  34_925: 'LZMA',
  50_002: 'JPEG XL',
};

/**
 * Photometric interpretations whose samples are what they are, as GDAL hands them out: white or black is zero, RGB, palette,
 * mask, inks, YCbCr (in JPEG only), Lab and its variants. The others (colour filter array, LogLuv, linear raw) are not.
 * CMYK and CIELab of 8 bits are refused below, because GDAL makes RGBA of them.
 */
const photometrics = new Set([0, 1, 2, 3, 4, 5, 6, 8, 9, 10]);

const formatNames: Readonly<Record<number, string>> = {
  1: 'unsigned integer',
  2: 'signed integer',
  3: 'floating point',
  4: 'undefined',
  5: 'complex integer',
  6: 'complex floating point',
};

/**
 * The layout of one directory's image.
 * @throws DataError TIFF_UNSUPPORTED for a kind that can't be read, TIFF_BAD_VALUE or TIFF_MISSING_TAG for a broken one, TIFF_TOO_LARGE
 * for a block above `maxBlockBytes`; each names tag and value.
 */
export async function readLayout(directory: Directory, byteOrder: 'little' | 'big', mask: boolean): Promise<BlockLayout> {
  const width = await side(directory, tags.ImageWidth);
  const height = await side(directory, tags.ImageLength);
  const bands = (await directory.number(tags.SamplesPerPixel)) ?? 1;
  if (bands < 1) throw bad(directory, tags.SamplesPerPixel, bands, `is ${bands}; wanted at least 1`);
  if (((await directory.number(tags.FillOrder)) ?? 1) !== 1) {
    throw unsupported(directory, tags.FillOrder, 2, 'is not 1; only bytes filled from the highest bit can be read');
  }
  const compressionTag = (await directory.number(tags.Compression)) ?? 1;
  const compression = compressions[compressionTag];
  if (compression === undefined) {
    const name = compressionNames[compressionTag];
    throw unsupported(directory, tags.Compression, compressionTag, `is ${compressionTag}${name === undefined ? '' : ` (${name})`}; can be read: none (1), LZW (5), JPEG (7), deflate (8, 32946), PackBits (32773), LERC (34887), zstd (50000), WebP (50001)`);
  }
  const interleave = bands === 1 ? 'pixel' : await readInterleave(directory);
  const sample = await readSample(directory, mask);
  const photometric = (await directory.number(tags.PhotometricInterpretation)) ?? 1;
  const blocks = await readBlocks(directory, width, height);
  const layout: BlockLayout = {
    href: directory.href,
    directory: directory.index,
    width,
    height,
    bands,
    ...sample,
    ...blocks,
    interleave,
    compression,
    predictor: await readPredictor(directory, compression, sample),
    byteOrder,
    photometric,
    mask,
    jpegTables: compression === 'jpeg' ? await readJpegTables(directory) : null,
    lercInner: compression === 'lerc' ? await readLercInner(directory) : null,
    wideNodata: isWideInteger(sample) ? await readWideNodata(directory, sample) : null,
  };
  await checkPhotometric(directory, layout);
  checkCodec(directory, layout, compressionTag);
  checkBlockSize(directory, layout);
  return layout;
}

async function side(directory: Directory, tag: TagNumber): Promise<number> {
  const value = await required(directory, tag);
  if (value < 1 || value > maxImageSidePx) throw bad(directory, tag, value, `is ${value}; wanted 1 to ${maxImageSidePx} pixels`);
  return value;
}

async function readInterleave(directory: Directory): Promise<'pixel' | 'band'> {
  const value = (await directory.number(tags.PlanarConfiguration)) ?? 1;
  if (value !== 1 && value !== 2) throw bad(directory, tags.PlanarConfiguration, value, `is ${value}; wanted 1 (pixel) or 2 (band)`);
  return value === 1 ? 'pixel' : 'band';
}

type Sample = Pick<BlockLayout, 'dtype' | 'sampleFormat' | 'bitsPerSample'>;

const dtypesOf: Readonly<Record<string, Dtype>> = {
  uint1: 'uint8',
  uint8: 'uint8',
  uint16: 'uint16',
  uint32: 'uint32',
  uint64: 'float64',
  int8: 'int8',
  int16: 'int16',
  int32: 'int32',
  int64: 'float64',
  float16: 'float32',
  float32: 'float32',
  float64: 'float64',
};

async function readSample(directory: Directory, mask: boolean): Promise<Sample> {
  const bits = await uniform(directory, tags.BitsPerSample, 1);
  const format = await uniform(directory, tags.SampleFormat, 1);
  // 4 is "undefined": libtiff and GDAL take it for unsigned integers.
  const sampleFormat = format === 2 ? 'int' : format === 3 ? 'float' : 'uint';
  const dtype = format >= 1 && format <= 4 ? dtypesOf[`${sampleFormat}${bits}`] : undefined;
  // Nobody writes masks of such samples, and there is no place for them where 0 and 1 are drawn.
  if (dtype === undefined || (mask && bits === 64)) {
    const tag = format < 1 || format > 4 ? tags.SampleFormat : tags.BitsPerSample;
    const value = tag === tags.SampleFormat ? format : bits;
    throw unsupported(directory, tag, value, `is ${value}: samples of ${bits} bits, SampleFormat ${format} (${formatNames[format] ?? 'unknown'}); can be read: unsigned integers of 1, 8, 16, 32, 64 bits, signed integers of 8, 16, 32, 64 bits, floating point of 16, 32, 64 bits`);
  }
  return { dtype, sampleFormat, bitsPerSample: bits as Sample['bitsPerSample'] };
}

/** The one value that a tag with a value per band must have for all of them. */
async function uniform(directory: Directory, tag: TagNumber, absent: number): Promise<number> {
  const values = (await directory.numbers(tag)) ?? [];
  const [first = absent] = values;
  if (values.some((value) => value !== first)) {
    throw unsupported(directory, tag, values.slice(0, 16), `differs between bands: ${values.slice(0, 16).join(', ')}; only bands of one type can be read`);
  }
  return first;
}

type Blocks = Pick<BlockLayout, 'organisation' | 'blockWidth' | 'blockHeight' | 'blocksAcross' | 'blocksDown'>;

async function readBlocks(directory: Directory, width: number, height: number): Promise<Blocks> {
  const organisation = directory.entry(tags.TileWidth) === undefined ? 'striped' : 'tiled';
  let blockWidth = width;
  let blockHeight = height;
  if (organisation === 'tiled') {
    blockWidth = await blockSide(directory, tags.TileWidth);
    blockHeight = await blockSide(directory, tags.TileLength);
  } else if (directory.entry(tags.RowsPerStrip) !== undefined) {
    // The default, and what some writers put, is 2^32 - 1: one strip (TIFF 6.0 §8).
    blockHeight = Math.min(height, await blockSide(directory, tags.RowsPerStrip));
  }
  return {
    organisation,
    blockWidth,
    blockHeight,
    blocksAcross: Math.ceil(width / blockWidth),
    blocksDown: Math.ceil(height / blockHeight),
  };
}

async function blockSide(directory: Directory, tag: TagNumber): Promise<number> {
  const value = await required(directory, tag);
  if (value < 1 || value > 4_294_967_295) throw bad(directory, tag, value, `is ${value}; wanted 1 or more pixels`);
  return value;
}

/** libtiff looks at the predictor with these codecs only, and ignores the tag with the others. */
const withPredictor = new Set<Compression>(['lzw', 'deflate', 'zstd']);

async function readPredictor(directory: Directory, compression: Compression, sample: Sample): Promise<Predictor> {
  if (!withPredictor.has(compression)) return 1;
  const value = (await directory.number(tags.Predictor)) ?? 1;
  const { bitsPerSample: bits, sampleFormat } = sample;
  if (value === 1) return 1;
  if (value === 2 && bits >= 8) return 2;
  if (value === 3 && sampleFormat === 'float') return 3;
  const why = value === 2 || value === 3 ? ` with samples of ${bits} bits (${sampleFormat})` : '';
  throw unsupported(directory, tags.Predictor, value, `is ${value}${why}; can be read: 1 (none), 2 (horizontal) with 8 to 64 bits, 3 (floating point) with floating point samples`);
}

async function readJpegTables(directory: Directory): Promise<string | null> {
  const bytes = await directory.bytes(tags.JPEGTables);
  return bytes === undefined ? null : Buffer.from(bytes).toString('base64');
}

async function readLercInner(directory: Directory): Promise<'none' | 'deflate' | 'zstd'> {
  const parameters = (await directory.numbers(tags.LercParameters)) ?? [];
  const inner = (['none', 'deflate', 'zstd'] as const)[parameters[1] ?? 0];
  if (inner === undefined) {
    throw unsupported(directory, tags.LercParameters, parameters.slice(0, 4), `says additional compression ${parameters[1]}; can be read: 0 (none), 1 (deflate), 2 (zstd)`);
  }
  return inner;
}

async function readWideNodata(directory: Directory, sample: Sample): Promise<string | null> {
  const text = (await directory.text(tags.GDAL_NODATA))?.trim() ?? '';
  return wideNodata(sample, text, Number.parseFloat(text));
}

async function checkPhotometric(directory: Directory, layout: BlockLayout): Promise<void> {
  const { photometric, compression, bands, bitsPerSample } = layout;
  if (!photometrics.has(photometric)) {
    throw unsupported(directory, tags.PhotometricInterpretation, photometric, `is ${photometric}; can be read: ${[...photometrics].join(', ')}`);
  }
  if (photometric === 6 && (compression !== 'jpeg' || layout.interleave !== 'pixel' || layout.bands !== 3)) {
    throw unsupported(directory, tags.PhotometricInterpretation, photometric, `is 6 (YCbCr) with ${compression}, ${layout.bands} bands, interleave ${layout.interleave}; YCbCr can be read only in JPEG with 3 bands by pixel`);
  }
  const cmyk = photometric === 5 && bands >= 4 && ((await directory.number(tags.InkSet)) ?? 1) === 1;
  const lab = photometric === 8 && bands === 3;
  if (bitsPerSample === 8 && (cmyk || lab)) {
    throw unsupported(directory, tags.PhotometricInterpretation, photometric, `is ${photometric} (${cmyk ? 'CMYK' : 'CIELab'}) with samples of 8 bits, which GDAL turns into RGBA; convert the file with gdal_translate -b 1 -b 2 -b 3`);
  }
}

function checkCodec(directory: Directory, layout: BlockLayout, compressionTag: number): void {
  const { compression, bitsPerSample: bits, dtype, interleave, bands } = layout;
  const components = interleave === 'pixel' ? bands : 1;
  const found = `${components} ${isWideInteger(layout) ? layout.sampleFormat : dtype} of ${bits} bits a pixel`;
  if (compression === 'jpeg' && (bits !== 8 || dtype !== 'uint8' || (components !== 1 && components !== 3))) {
    throw unsupported(directory, tags.Compression, compressionTag, `is 7 (JPEG) with ${found}; JPEG can be read with 1 or 3 uint8 a pixel`);
  }
  if (compression === 'webp' && (bits !== 8 || dtype !== 'uint8' || (components !== 3 && components !== 4))) {
    throw unsupported(directory, tags.Compression, compressionTag, `is 50001 (WebP) with ${found}; WebP can be read with 3 or 4 uint8 a pixel`);
  }
  if (compression === 'lerc' && (bits === 1 || bits !== lercBits(dtype) || isWideInteger(layout))) {
    throw unsupported(directory, tags.Compression, compressionTag, `is 34887 (LERC) with ${found}; LERC can be read with integers of 8, 16 or 32 bits, float32 or float64`);
  }
}

function lercBits(dtype: Dtype): number {
  return Number(/\d+$/.exec(dtype)?.[0]);
}

function checkBlockSize(directory: Directory, layout: BlockLayout): void {
  const bytes = blockBytes(layout);
  const tag = layout.organisation === 'tiled' ? tags.TileLength : tags.RowsPerStrip;
  if (bytes > maxBlockBytes) {
    throw tagError('TIFF_TOO_LARGE', directory.href, directory.index, tag, layout.blockHeight, `makes a block of ${layout.blockWidth} x ${layout.blockHeight} pixels, ${bytes} bytes decoded; wanted at most ${maxBlockBytes} bytes. Rewrite the file with smaller blocks, for example with gdal_translate -of COG`);
  }
  if (!Number.isSafeInteger(blockCount(layout))) {
    throw bad(directory, tags.ImageWidth, layout.width, `makes ${blockCount(layout)} blocks`);
  }
}

async function required(directory: Directory, tag: TagNumber): Promise<number> {
  const value = await directory.number(tag);
  if (value !== undefined) return value;
  throw tagError('TIFF_MISSING_TAG', directory.href, directory.index, tag, null, 'is missing');
}

function bad(directory: Directory, tag: TagNumber, value: unknown, message: string): Error {
  return tagError('TIFF_BAD_VALUE', directory.href, directory.index, tag, value, message);
}

function unsupported(directory: Directory, tag: TagNumber, value: unknown, message: string): Error {
  return tagError('TIFF_UNSUPPORTED', directory.href, directory.index, tag, value, message);
}
