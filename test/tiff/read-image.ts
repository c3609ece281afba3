/** Reads whole images through the public halves of the reader, as a worker would: header, ranges, decode, extract. */

import { allocateSamples, type SampleArray } from '../../lib/raster/dtype.ts';
import { BlockReader } from '../../lib/tiff/block-reader.ts';
import { type ExtractOptions, fillSparse } from '../../lib/tiff/extract.ts';
import { blockCount, blockWindow } from '../../lib/tiff/layout.ts';
import { type Tiff, type TiffImage, type TiffSource } from '../../lib/tiff/open.ts';

/** All bands of one image, one plane after the other: (bands, rows, cols). */
export async function readImage(reader: TiffSource, tiff: Tiff, image: TiffImage, sparse = 0): Promise<SampleArray> {
  const { layout } = image;
  const { width, height, bands } = layout;
  const samples = allocateSamples(layout.dtype, width * height * bands);
  const blocks = Array.from({ length: blockCount(layout) }, (_, i) => i);
  const ranges = await tiff.blockRanges(image, blocks);
  const decoder = new BlockReader(layout);
  for (const [index, range] of ranges.entries()) {
    const part = blockWindow(layout, index);
    const inBlock = { column: 0, row: 0, columns: part.columns, rows: part.rows };
    const plane = Math.floor(index / (layout.blocksAcross * layout.blocksDown));
    const inside = layout.interleave === 'pixel' ? Array.from({ length: bands }, (_, i) => i) : [plane];
    let raw: Uint8Array | undefined;
    if (range.length > 0) {
      const bytes = new Uint8Array(new SharedArrayBuffer(range.length));
      await reader.readInto(tiff.href, range.offset, bytes, tiff.version);
      raw = await decoder.decode(bytes, index);
    }
    for (const band of inside) {
      const options: ExtractOptions = { band, window: inBlock, targetOffset: (band * height + part.row) * width + part.column, targetStride: width };
      if (raw === undefined) fillSparse(samples, options, sparse);
      else decoder.extract(raw, samples, options);
    }
  }
  return samples;
}
