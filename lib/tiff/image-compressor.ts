/** Blocks as whole JPEG streams or WebP files, which is how TIFF holds them (TIFF Technical Note 2; libtiff's tif_webp.c). Made by sharp, off this thread. */
import type { Sharp } from 'sharp';

export type ImageCodec =
  /** 1 to 100. One band is grey; three are stored as YCbCr, chroma at half the resolution (4:2:0). */
  | { readonly compression: 'jpeg'; readonly quality: number }
  /** Without a quality nothing is lost. */
  | { readonly compression: 'webp'; readonly quality: number | undefined };

/**
 * @param block uint8 samples by pixel; they are copied before this returns
 * @param side of the block in pixels
 */
export function compressImage(codec: ImageCodec, block: Uint8Array, side: number, bands: number): Promise<Uint8Array> {
  // The caller goes on with its buffer while sharp is still reading.
  return encodeCopy(codec, Buffer.from(block), side, bands);
}

async function encodeCopy(codec: ImageCodec, samples: Buffer, side: number, bands: number): Promise<Uint8Array> {
  const { default: sharp } = await import('sharp');
  const image = sharp(samples, { raw: { width: side, height: side, channels: bands as 1 | 3 | 4 }, limitInputPixels: side * side });
  return await encoderOf(image.toColourspace(bands === 1 ? 'b-w' : 'srgb'), codec).toBuffer();
}

function encoderOf(image: Sharp, codec: ImageCodec): Sharp {
  if (codec.compression === 'jpeg') return image.jpeg({ quality: codec.quality, chromaSubsampling: '4:2:0' });
  // `exact` keeps the colours of pixels whose fourth sample is 0.
  return image.webp({ ...(codec.quality === undefined ? { lossless: true } : { quality: codec.quality }), exact: true });
}
