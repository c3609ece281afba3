/** The layout of the blocks that our own encoder makes: what a reader needs to read them back. */
import { bytesPerSample, dtypeFacts, type Dtype } from '../raster/dtype.ts';
import type { Codec } from './block-encoding.ts';
import type { BlockLayout, Predictor } from './layout.ts';

/** What the layout depends on of how blocks are encoded. */
export interface EncodedBlocks {
  readonly dtype: Dtype;
  readonly bands: number;
  /** Side in pixels. */
  readonly blockSize: number;
  readonly codec: Codec;
  readonly predictor: Predictor;
}

/** One image of a file that is made of such blocks. */
export interface EncodedImage {
  /** For messages. */
  readonly href: string;
  readonly directory: number;
  readonly columns: number;
  readonly rows: number;
}

export function encodedLayout(encoding: EncodedBlocks, { href, directory, columns, rows }: EncodedImage): BlockLayout {
  const { dtype, bands, blockSize, codec, predictor } = encoding;
  return {
    href,
    directory,
    width: columns,
    height: rows,
    bands,
    dtype,
    sampleFormat: dtypeFacts(dtype).kind,
    bitsPerSample: (bytesPerSample(dtype) * 8) as 8 | 16 | 32 | 64,
    organisation: 'tiled',
    blockWidth: blockSize,
    blockHeight: blockSize,
    blocksAcross: Math.ceil(columns / blockSize),
    blocksDown: Math.ceil(rows / blockSize),
    interleave: 'pixel',
    compression: codec.compression,
    predictor,
    byteOrder: 'little',
    photometric: codec.compression === 'jpeg' && bands === 3 ? 6 : 1,
    mask: false,
    jpegTables: null,
    lercInner: codec.compression === 'lerc' ? (codec.level === undefined ? 'none' : 'zstd') : null,
    wideNodata: null,
  };
}
