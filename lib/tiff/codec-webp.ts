/** WebP in TIFF (compression 50001, as libtiff defines it): each block is a whole WebP file of 3 or 4 channels. */

import { messageOf } from '../base/errors.ts';
import { blockError, type DecodedSize } from './codec-bytes.ts';
import { decodedRows, type BlockLayout, samplesPerBlockPixel } from './layout.ts';

/** @throws DataError TIFF_BAD_BLOCK when the file is damaged or of another size than the block. */
export async function decodeWebp(layout: BlockLayout, index: number, bytes: Uint8Array, size: DecodedSize): Promise<Uint8Array> {
  const channels = samplesPerBlockPixel(layout);
  const { default: sharp } = await import('sharp');
  try {
    const file = Buffer.from(bytes);
    if (file.toString('latin1', 0, 4) !== 'RIFF' || file.toString('latin1', 8, 12) !== 'WEBP') throw new Error('not a WebP file');
    const image = sharp(file, { failOn: 'warning', limitInputPixels: layout.blockWidth * layout.blockHeight });
    // A block whose alpha is 255 everywhere is stored without it.
    const shaped = channels === 4 ? image.ensureAlpha() : image.removeAlpha();
    const { data, info } = await shaped.raw().toBuffer({ resolveWithObject: true });
    const rows = decodedRows(layout, index);
    if (info.width !== layout.blockWidth || info.height < rows || info.height > layout.blockHeight || info.channels !== channels) {
      throw new Error(`${info.width} x ${info.height} pixels of ${info.channels} channels; wanted ${layout.blockWidth} x ${rows} of ${channels}`);
    }
    if (data.length < size.wanted) throw new Error(`${data.length} bytes; wanted ${size.wanted}`);
    return data;
  } catch (error) {
    throw blockError(layout, index, `can't be decoded: ${messageOf(error)}`, error);
  }
}
