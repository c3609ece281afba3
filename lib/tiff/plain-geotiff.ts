/**
 * A GeoTIFF as simple as can be, for other programs to read: nothing compressed, band after band, each in strips that follow one another. So
 * everything but the header is planes as they lie in memory, and can be copied into the file without being looked at.
 *
 * Source: TIFF 6.0 sections 2, 3 and 8; for the mask GDAL's GTiff driver ("Internal nodata masks").
 */
import { bytesPerSample, dtypeFacts, type Dtype } from '../raster/dtype.ts';
import { needsBigTiff, nodataText } from './cog-header.ts';
import type { GeoTags } from './geo.ts';
import { TagBlock, type IfdFormat } from './tag-writer.ts';
import { tags } from './tags.ts';

export interface PlainImage {
  readonly dtype: Dtype;
  /** Pixels. */
  readonly columns: number;
  readonly rows: number;
  readonly bands: number;
  readonly nodata: number | undefined;
  /** A plane of bytes comes after the bands, 255 where there is data and 0 where there is none. */
  readonly mask: boolean;
  readonly geo: GeoTags;
}

/** Where everything lies in the file. */
export interface PlainGeoTiff {
  /** The beginning of the file. */
  readonly header: Uint8Array;
  /** Where bands begin, (rows, columns) each in C order, little-endian. */
  readonly bandOffsets: readonly number[];
  /** Where the mask begins, uint8 (rows, columns); undefined without. */
  readonly maskOffset: number | undefined;
  /** Of the whole file. */
  readonly bytes: number;
}

/** About what a reader takes at once; libtiff reads strips whole. */
const stripBytes = 64 * 1024;

/** One directory and the planes that it tells of. */
interface Page {
  readonly sampleBytes: number;
  readonly offsets: readonly number[];
  readonly columns: number;
  readonly rows: number;
}

/** Lays the file out, and writes its header. */
export function plainGeoTiff(image: PlainImage): PlainGeoTiff {
  const { columns, rows, bands, mask } = image;
  const pixels = columns * rows;
  const bandBytes = align(pixels * bytesPerSample(image.dtype));
  const planes = bandBytes * bands + (mask ? pixels : 0);
  // Headers take far less than the megabyte, and BigTIFF is as well read.
  const format: IfdFormat = needsBigTiff(planes + 2 ** 20 + 32 * bands * rows) ? 'big' : 'classic';
  const start = format === 'big' ? 16 : 8;
  const layOut = (from: number): { first: TagBlock; second: TagBlock | undefined; bandOffsets: number[]; maskOffset: number } => {
    const bandOffsets = Array.from({ length: bands }, (_, band) => from + band * bandBytes);
    const maskOffset = from + bands * bandBytes;
    const first = imageDirectory(image, format, { sampleBytes: bytesPerSample(image.dtype), offsets: bandOffsets, columns, rows });
    const second = mask ? maskDirectory(format, { sampleBytes: 1, offsets: [maskOffset], columns, rows }) : undefined;
    return { first, second, bandOffsets, maskOffset };
  };
  // The directories are as long wherever the planes lie.
  const sizes = layOut(0);
  const secondAt = align(start + sizes.first.bytes);
  const end = align(secondAt + (sizes.second?.bytes ?? 0));
  const { first, second, bandOffsets, maskOffset } = layOut(end);
  const header = new Uint8Array(end);
  writeStart(header, format, start);
  first.write(header, start, second === undefined ? 0 : secondAt);
  second?.write(header, secondAt, 0);
  return { header, bandOffsets, maskOffset: mask ? maskOffset : undefined, bytes: end + planes };
}

/** Byte order, version, and where the first directory lies. */
function writeStart(header: Uint8Array, format: IfdFormat, first: number): void {
  const view = new DataView(header.buffer);
  header.set([0x49, 0x49]);
  if (format === 'big') {
    view.setUint16(2, 43, true);
    view.setUint16(4, 8, true);
    view.setBigUint64(8, BigInt(first), true);
  } else {
    view.setUint16(2, 42, true);
    view.setUint32(4, first, true);
  }
}

function imageDirectory({ dtype, bands, nodata, geo }: PlainImage, format: IfdFormat, page: Page): TagBlock {
  const block = new TagBlock(format);
  block.long(tags.ImageWidth, [page.columns]);
  block.long(tags.ImageLength, [page.rows]);
  block.short(tags.BitsPerSample, new Array<number>(bands).fill(8 * page.sampleBytes));
  block.short(tags.Compression, [1]);
  block.short(tags.PhotometricInterpretation, [1]);
  strips(block, page, bands);
  if (bands > 1) block.short(tags.ExtraSamples, new Array<number>(bands - 1).fill(0));
  block.short(tags.SampleFormat, new Array<number>(bands).fill({ uint: 1, int: 2, float: 3 }[dtypeFacts(dtype).kind]));
  if (geo.modelPixelScale !== undefined) block.double(tags.ModelPixelScale, geo.modelPixelScale);
  if (geo.modelTiepoint !== undefined) block.double(tags.ModelTiepoint, geo.modelTiepoint);
  if (geo.modelTransformation !== undefined) block.double(tags.ModelTransformation, geo.modelTransformation);
  if (geo.geoKeyDirectory !== undefined) block.short(tags.GeoKeyDirectory, geo.geoKeyDirectory);
  if (geo.geoDoubleParams !== undefined) block.double(tags.GeoDoubleParams, geo.geoDoubleParams);
  if (geo.geoAsciiParams !== undefined) block.ascii(tags.GeoAsciiParams, geo.geoAsciiParams);
  if (nodata !== undefined) block.ascii(tags.GDAL_NODATA, nodataText(nodata));
  return block;
}

function maskDirectory(format: IfdFormat, page: Page): TagBlock {
  const block = new TagBlock(format);
  block.long(tags.NewSubfileType, [4]);
  block.long(tags.ImageWidth, [page.columns]);
  block.long(tags.ImageLength, [page.rows]);
  block.short(tags.BitsPerSample, [8]);
  block.short(tags.Compression, [1]);
  block.short(tags.PhotometricInterpretation, [4]);
  strips(block, page, 1);
  return block;
}

/** Tags 273 to 284: all strips of the first band, then those of the next. */
function strips(block: TagBlock, { sampleBytes, offsets: planes, columns, rows }: Page, bands: number): void {
  const rowBytes = columns * sampleBytes;
  const stripRows = Math.min(rows, Math.max(1, Math.floor(stripBytes / rowBytes)));
  const perBand = Math.ceil(rows / stripRows);
  const offsets = new Float64Array(perBand * bands);
  const lengths = new Uint32Array(perBand * bands);
  for (const [band, plane] of planes.entries()) {
    for (let strip = 0; strip < perBand; strip++) {
      offsets[band * perBand + strip] = plane + strip * stripRows * rowBytes;
      lengths[band * perBand + strip] = Math.min(stripRows, rows - strip * stripRows) * rowBytes;
    }
  }
  block.offsets(tags.StripOffsets, offsets);
  block.short(tags.SamplesPerPixel, [bands]);
  block.long(tags.RowsPerStrip, [stripRows]);
  block.lengths(tags.StripByteCounts, lengths);
  block.short(tags.PlanarConfiguration, [bands > 1 ? 2 : 1]);
}

function align(offset: number): number {
  return Math.ceil(offset / 8) * 8;
}
