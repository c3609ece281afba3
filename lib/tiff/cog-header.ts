/**
 * The header of a cloud-optimized GeoTIFF: everything that lies before the first block. GDAL's COG driver documentation says what
 * makes one: directories first, the image before its overviews, and each overview's data before that of the next larger one.
 *
 * Offsets depend on the header's length, which depends on the number of blocks only; so the length is asked first, and the header
 * is written when the blocks have their places.
 */
import { bytesPerSample, dtypeFacts, type Dtype } from '../raster/dtype.ts';
import type { Codec } from './compressor.ts';
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
  readonly predictor: 1 | 2 | 3;
  readonly nodata: number | undefined;
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
  const { dtype, bands, blockSize, compression, predictor, nodata, geo, metadata } = image;
  const size = image.levels[level] as { columns: number; rows: number };
  const { across, down } = blockGrid(size, blockSize);
  const tags = new TagBlock(format);
  if (level > 0) tags.long(254, [1]);
  tags.long(256, [size.columns]);
  tags.long(257, [size.rows]);
  tags.short(258, new Array<number>(bands).fill(bytesPerSample(dtype) * 8));
  tags.short(259, [compressionTag[compression]]);
  tags.short(262, [1]);
  tags.short(277, [bands]);
  tags.short(284, [1]);
  if (predictor !== 1) tags.short(317, [predictor]);
  tags.short(322, [blockSize]);
  tags.short(323, [blockSize]);
  tags.offsets(324, table?.offsets ?? across * down);
  tags.lengths(325, table?.lengths ?? across * down);
  if (bands > 1) tags.short(338, new Array<number>(bands - 1).fill(0));
  tags.short(339, new Array<number>(bands).fill(sampleFormatTag[dtypeFacts(dtype).kind]));
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
  return tags;
}
