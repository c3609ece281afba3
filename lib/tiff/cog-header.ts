/**
 * The header of a cloud-optimized GeoTIFF: everything that lies before the first block. GDAL's COG driver documentation says what
 * makes one: directories first, the image before its overviews, and each overview's data before that of the next larger one.
 *
 * Offsets depend on the header's length, which depends on the number of blocks only; so the length is asked first, and the header
 * is written when the blocks have their places.
 */
import { bytesPerSample, dtypeFacts, type Dtype } from '../raster/dtype.ts';
import type { Codec } from './block-encoding.ts';
import type { GeoTags } from './geo.ts';
import { TagBlock, type IfdFormat } from './tag-writer.ts';

/** The blocks of one level in row order. A block that was left out has offset 0 and length 0. */
export interface BlockTable {
  readonly offsets: Float64Array;
  readonly lengths: Uint32Array;
}

export interface CogImage {
  readonly dtype: Dtype;
  readonly bands: number;
  readonly blockSize: number;
  readonly compression: Codec['compression'];
  /** Zstd lies around the LERC blobs. */
  readonly lercInZstd?: boolean;
  readonly predictor: 1 | 2 | 3;
  readonly nodata: number | undefined;
  /** What the bands mean: the first is grey, or the first three are red, green and blue. */
  readonly photometric?: 'gray' | 'rgb';
  /** The last band is alpha, which the colours aren't multiplied with. */
  readonly alpha?: boolean;
  /** Red, green and blue (0 to 255) by pixel value, for one band of uint8 or uint16; values that are missing are black. */
  readonly colorTable?: ReadonlyMap<number, readonly [number, number, number]> | undefined;
  readonly geo: GeoTags;
  /** XML of GDAL's metadata tag; empty for none. */
  readonly metadata: string;
  /** Sides of every level, the image first. */
  readonly levels: readonly { readonly columns: number; readonly rows: number }[];
}

/** Number of blocks across and down a level. */
export function blockGrid(level: { readonly columns: number; readonly rows: number }, blockSize: number): { across: number; down: number } {
  return { across: Math.ceil(level.columns / blockSize), down: Math.ceil(level.rows / blockSize) };
}

export function createBlockTable(level: { readonly columns: number; readonly rows: number }, blockSize: number): BlockTable {
  const { across, down } = blockGrid(level, blockSize);
  return { offsets: new Float64Array(across * down), lengths: new Uint32Array(across * down) };
}

/** Values of tag 259 (TIFF 6.0; 8 is Adobe's deflate; 50000 is GDAL's and libtiff's zstd). */
const compressionTag: Readonly<Record<Codec['compression'], number>> = { none: 1, lzw: 5, deflate: 8, lerc: 34_887, jpeg: 7, webp: 50_001, zstd: 50_000 };

/** Values of tag 339. */
const sampleFormatTag = { uint: 1, int: 2, float: 3 } as const;

/** Values of tag 262 (TIFF 6.0 section 8). */
const photometricTag = { gray: 1, rgb: 2, palette: 3, ycbcr: 6 } as const;

/** Values of tag 338 (TIFF 6.0 section 18). */
const extraSampleTag = { unspecified: 0, alpha: 2 } as const;

/** Tag 50674 (libtiff's tif_lerc.c): version 4 of LERC2, and what lies around the blobs, nothing or zstd. */
const lercParameters = { version: 4, none: 0, zstd: 2 } as const;

/**
 * GDAL's note to readers (COG driver, "header ghost area"): directories come before data. Nothing is claimed about the order of blocks
 * within a level, because segments follow each other as they were written.
 */
const structuralMetadata = 'LAYOUT=IFDS_BEFORE_DATA\nKNOWN_INCOMPATIBLE_EDITION=NO\n '
  // The first directory follows at once, and 8-byte values in it should be aligned.
  .padEnd(61);

function ghostArea(): Uint8Array {
  const size = String(structuralMetadata.length).padStart(6, '0');
  return new TextEncoder().encode(`GDAL_STRUCTURAL_METADATA_SIZE=${size} bytes\n${structuralMetadata}`);
}

/** A nodata value as GDAL writes it in tag 42113. */
export function nodataText(nodata: number): string {
  if (Number.isNaN(nodata)) return 'nan';
  if (!Number.isFinite(nodata)) return nodata > 0 ? 'inf' : '-inf';
  return String(nodata);
}

/** Classic TIFF has 32-bit offsets; BigTIFF is used when the last byte lies beyond. */
export function needsBigTiff(totalBytes: number): boolean {
  return totalBytes > 0xffff_ffff;
}

/** The header's length in bytes. */
export function cogHeaderBytes(image: CogImage, format: IfdFormat): number {
  return directories(image, format, undefined).end;
}

/** The header, `cogHeaderBytes` long. @param tables one a level, the image first */
export function writeCogHeader(image: CogImage, format: IfdFormat, tables: readonly BlockTable[]): Uint8Array {
  const { blocks, end } = directories(image, format, tables);
  const header = new Uint8Array(end);
  const view = new DataView(header.buffer);
  header.set([0x49, 0x49]);
  const [first] = blocks;
  if (format === 'big') {
    view.setUint16(2, 43, true);
    view.setUint16(4, 8, true);
    view.setBigUint64(8, BigInt(first?.offset ?? 0), true);
    header.set(ghostArea(), 16);
  } else {
    view.setUint16(2, 42, true);
    view.setUint32(4, first?.offset ?? 0, true);
    header.set(ghostArea(), 8);
  }
  for (const [i, { offset, block }] of blocks.entries()) {
    block.write(header, offset, blocks[i + 1]?.offset ?? 0);
  }
  return header;
}

function directories(
  image: CogImage,
  format: IfdFormat,
  tables: readonly BlockTable[] | undefined,
): { blocks: { offset: number; block: TagBlock }[]; end: number } {
  const blocks: { offset: number; block: TagBlock }[] = [];
  let offset = align((format === 'big' ? 16 : 8) + ghostArea().length);
  for (const [level] of image.levels.entries()) {
    const block = directory(image, level, format, tables?.[level]);
    blocks.push({ offset, block });
    offset = align(offset + block.bytes);
  }
  return { blocks, end: offset };
}

/** Directories begin at even offsets (TIFF 6.0 section 2); 8 keeps 64-bit values aligned too. */
function align(offset: number): number {
  return Math.ceil(offset / 8) * 8;
}

function directory(image: CogImage, level: number, format: IfdFormat, table: BlockTable | undefined): TagBlock {
  const { dtype, bands, blockSize, compression, predictor, nodata, geo, metadata, colorTable } = image;
  const size = image.levels[level] as { columns: number; rows: number };
  const { across, down } = blockGrid(size, blockSize);
  const tags = new TagBlock(format);
  if (level > 0) tags.long(254, [1]);
  tags.long(256, [size.columns]);
  tags.long(257, [size.rows]);
  tags.short(258, new Array<number>(bands).fill(bytesPerSample(dtype) * 8));
  tags.short(259, [compressionTag[compression]]);
  const photometric = photometricOf(image);
  tags.short(262, [photometricTag[photometric]]);
  tags.short(277, [bands]);
  tags.short(284, [1]);
  if (predictor !== 1) tags.short(317, [predictor]);
  if (photometric === 'palette') tags.short(320, colorMap(colorTable ?? new Map(), 2 ** (8 * bytesPerSample(dtype))));
  tags.short(322, [blockSize]);
  tags.short(323, [blockSize]);
  tags.offsets(324, table?.offsets ?? across * down);
  tags.lengths(325, table?.lengths ?? across * down);
  const extra = bands - (photometric === 'rgb' || photometric === 'ycbcr' ? 3 : 1);
  if (extra > 0) tags.short(338, Array.from({ length: extra }, (_, i) => (image.alpha === true && i === extra - 1 ? extraSampleTag.alpha : extraSampleTag.unspecified)));
  tags.short(339, new Array<number>(bands).fill(sampleFormatTag[dtypeFacts(dtype).kind]));
  if (photometric === 'ycbcr') {
    // As the codec makes it: chroma at half the resolution both ways, in the middle of its four pixels; full range (TIFF 6.0 section 21, JFIF).
    tags.short(530, [2, 2]);
    tags.short(531, [1]);
    tags.rational(532, [0, 255, 128, 255, 128, 255]);
  }
  if (level === 0) {
    if (geo.modelPixelScale !== undefined) tags.double(33_550, geo.modelPixelScale);
    if (geo.modelTiepoint !== undefined) tags.double(33_922, geo.modelTiepoint);
    if (geo.modelTransformation !== undefined) tags.double(34_264, geo.modelTransformation);
    if (geo.geoKeyDirectory !== undefined) tags.short(34_735, geo.geoKeyDirectory);
    if (geo.geoDoubleParams !== undefined) tags.double(34_736, geo.geoDoubleParams);
    if (geo.geoAsciiParams !== undefined) tags.ascii(34_737, geo.geoAsciiParams);
    if (metadata !== '') tags.ascii(42_112, metadata);
  }
  if (nodata !== undefined) tags.ascii(42_113, nodataText(nodata));
  if (compression === 'lerc') tags.long(50_674, [lercParameters.version, image.lercInZstd === true ? lercParameters.zstd : lercParameters.none]);
  return tags;
}

function photometricOf({ photometric = 'gray', compression, bands, colorTable }: CogImage): keyof typeof photometricTag {
  if (colorTable !== undefined) return 'palette';
  if (compression === 'jpeg' && bands === 3) return 'ycbcr';
  return bands >= 3 ? photometric : 'gray';
}

/** Tag 320: all reds, all greens, all blues, each from 0 to 65535 (TIFF 6.0 section 5). GDAL takes 255 for 65535, too. */
function colorMap(colors: ReadonlyMap<number, readonly [number, number, number]>, values: number): number[] {
  const map = new Array<number>(3 * values).fill(0);
  for (const [value, color] of colors) for (const [i, part] of color.entries()) map[i * values + value] = part * 257;
  return map;
}
