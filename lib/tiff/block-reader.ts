/**
 * Turns the bytes of a block into samples: the half of the reader that runs on compute threads. No input or output happens here.
 *
 * Decoding and extracting are two steps, because a block by pixel holds all bands but an expression often wants two of four: a block is
 * decompressed once, and `extract` undoes predictor and byte order only for the band and the window that are wanted.
 */

import { type SampleArray } from '../raster/dtype.ts';
import { unpackBits, unpackStream } from './codec-bytes.ts';
import { decodeJpeg } from './codec-jpeg.ts';
import { LercDecoder } from './codec-lerc.ts';
import { unpackNone } from './codec-none.ts';
import { decodeWebp } from './codec-webp.ts';
import { DecodeMemory } from './decode-memory.ts';
import { type ExtractOptions, Extractor } from './extract.ts';
import { blockRowBytes, type BlockLayout, decodedRows } from './layout.ts';

export class BlockReader {
  readonly layout: BlockLayout;
  readonly #extractor: Extractor;
  readonly #lerc = new LercDecoder();
  readonly #memory: DecodeMemory;
  /** The block that was decoded last. */
  #index = 0;

  /** @param memory of a thread: with it, readers that take turns share one block's memory, and a mosaic of many files needs no more than one file. */
  constructor(layout: BlockLayout, memory = new DecodeMemory()) {
    this.layout = layout;
    this.#memory = memory;
    this.#extractor = new Extractor(layout);
  }

  /**
   * Decompresses block `index`. The result is good for `extract` only, and only until the next `decode` with the same memory: it
   * is used again, or is `bytes` itself. A promise comes only from JPEG, WebP and the first LERC block.
   * @throws DataError TIFF_BAD_BLOCK when the bytes are damaged or make fewer or more bytes than the layout says.
   */
  decode(bytes: Uint8Array, index: number): Uint8Array | Promise<Uint8Array> {
    const { layout } = this;
    const memory = this.#memory;
    this.#index = index;
    const rowBytes = blockRowBytes(layout);
    // A short last strip may be written in full; anything beyond that is no block of this image.
    const size = { wanted: rowBytes * decodedRows(layout, index), most: rowBytes * layout.blockHeight };
    switch (layout.compression) {
      case 'none':
        return unpackNone(layout, index, bytes, size, memory);
      case 'deflate':
      case 'zstd':
        return unpackStream(layout, index, bytes, size, memory.stream(layout.compression), memory.room(size.most + 1));
      case 'packbits':
        return unpackBits(layout, index, bytes, size, memory.room(size.most));
      case 'lzw':
        return memory.lzw.decode(layout, index, bytes, size);
      case 'lerc':
        return this.#lerc.decode(layout, index, bytes, size, memory);
      case 'jpeg':
        return decodeJpeg(layout, index, bytes, size);
      case 'webp':
        return decodeWebp(layout, index, bytes, size);
    }
  }

  /**
   * Copies one band's window of a decoded block into `target`, an array of the layout's dtype (Uint8Array with 0 and 1 for masks),
   * and undoes predictor and byte order for it on the way. `raw` is what `decode` gave last; it is not changed, so that further bands can be taken out of it.
   * @throws DataError TIFF_BAD_SAMPLE for an integer of 64 bits that float64 doesn't hold. RangeError when the window or its rows don't fit in the block or in `target`.
   */
  extract(raw: Uint8Array, target: SampleArray, options: ExtractOptions): void {
    this.#extractor.extract(raw, target, options, this.#index);
  }
}
