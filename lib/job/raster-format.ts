/** What kind of raster a file is, by its first bytes: what our own reader reads, what GDAL reads by window, and what has to be converted. */
import type { ObjectReader } from '../store/store.ts';

export type RasterFormat = 'tiff' | 'vrt' | 'other';

const tiffMagic: readonly (readonly number[])[] = [
  [0x49, 0x49, 42, 0],
  [0x4d, 0x4d, 0, 42],
  [0x49, 0x49, 43, 0],
  [0x4d, 0x4d, 0, 43],
];

/** A name that promises a TIFF: what is wrong with such a file, our own reader says best. */
const tiffName = /\.(?:tiff?|gtiff)$/i;

/** Bytes that tell. */
const headBytes = 1024;

export async function rasterFormat(reader: Pick<ObjectReader, 'stat' | 'readInto'>, href: string): Promise<RasterFormat> {
  if (tiffName.test(href)) return 'tiff';
  const { size, version } = await reader.stat(href);
  const head = new Uint8Array(Math.min(headBytes, size));
  if (head.length > 0) await reader.readInto(href, 0, head, version);
  if (tiffMagic.some((magic) => magic.every((byte, i) => head[i] === byte))) return 'tiff';
  return new TextDecoder().decode(head).trimStart().includes('<VRTDataset') ? 'vrt' : 'other';
}
