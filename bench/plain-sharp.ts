/** The copies of the example, as anybody would make them with sharp. */
import sharp from 'sharp';

/** As lib/images has it, so that both have the same threads. */
export function setUpSharp(): void {
  sharp.cache(false);
  sharp.concurrency(1);
}

/** Decodes the file once for each. */
export async function bothCopies(bytes: Buffer): Promise<[Buffer, Buffer]> {
  const resized = await sharp(bytes).autoOrient().resize({ width: 1024, height: 768, fit: 'inside', withoutEnlargement: true }).jpeg({ quality: 90 }).toBuffer();
  const thumbs = await sharp(bytes).autoOrient().resize({ width: 192, height: 192, fit: 'inside', withoutEnlargement: true }).jpeg().toBuffer();
  return [resized, thumbs];
}
