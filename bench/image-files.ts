/** The images that benchmarks make copies of. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';

const differentFiles = 100;

/**
 * JPEGs with the detail of photographs, roughly: noise of several sizes, each of its own. They are made once.
 * @param longSide pixels
 * @returns their paths
 */
export async function makeImageFiles(longSide: number): Promise<string[]> {
  const folder = fileURLToPath(new URL(`data/images-${String(longSide)}/`, import.meta.url));
  mkdirSync(folder, { recursive: true });
  return await Promise.all(
    Array.from({ length: differentFiles }, async (_, index) => {
      const path = `${folder}${String(index)}.jpg`;
      try {
        if (readFileSync(path).length > 0) return path;
      } catch {
        // It is made now.
      }
      const [width, height] = index % 3 === 0 ? [Math.round(longSide * 0.75), longSide] : [longSide, Math.round(longSide * 0.75)];
      const noise = async (divisor: number, sigma: number): Promise<Buffer> =>
        sharp({ create: { width: Math.ceil(width / divisor), height: Math.ceil(height / divisor), channels: 3, background: '#808080', noise: { type: 'gaussian', mean: 128, sigma } } })
          .resize(width, height, { fit: 'fill', kernel: 'cubic' })
          .png({ compressionLevel: 1 })
          .toBuffer();
      const [coarse, middle, fine] = await Promise.all([noise(64, 60), noise(8, 25), noise(1, 8)]);
      writeFileSync(path, await sharp(coarse).composite([{ input: middle, blend: 'soft-light' }, { input: fine, blend: 'soft-light' }]).jpeg({ quality: 88 }).toBuffer());
      return path;
    }),
  );
}
