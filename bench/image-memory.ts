/**
 * Memory that copies of an image take, by formats of files and copies, against what lib/images/image-memory.ts takes them to need. Each case is a process of its own.
 *
 *     node bench/image-memory.ts [--megapixels 24]
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import sharp, { type Sharp } from 'sharp';
import type { CopyToMake } from '../lib/images/image-memory.ts';
import { defaultImageLimits } from '../lib/images/image-limits.ts';
import { makeVariants } from '../lib/images/make-variants.ts';
import { SharedBudget } from '../lib/images/shared-budget.ts';
import { imageVariants } from '../lib/images/variant-spec.ts';

const { values } = parseArgs({ options: { megapixels: { type: 'string', default: '24' }, file: { type: 'string' }, copies: { type: 'string', default: '{}' } } });
const pixels = Number(values.megapixels) * 1e6;

/** Tells what was taken to be needed. */
class ToldBudget extends SharedBudget {
  wanted = 0;

  override async use<Result>(wanted: number, work: () => Promise<Result>): Promise<Result> {
    this.wanted = wanted;
    return await super.use(wanted, work);
  }
}

if (values.file === undefined) await measureAll();
else await measureOne(values.file, values.copies);

async function measureOne(file: string, copies: string): Promise<void> {
  const variants = imageVariants.parse(JSON.parse(copies));
  const budget = new ToldBudget(Infinity);
  // The codecs are loaded by a small one.
  await makeVariants(await sharp({ create: { width: 64, height: 64, channels: 3, background: '#808080' } }).jpeg().toBuffer(), variants);
  const bytes = readFileSync(file);
  const before = process.memoryUsage.rss();
  let peak = before;
  // What the kernel counts as the most (maxRSS) begins with that of the process which has started this one.
  const look = setInterval(() => (peak = Math.max(peak, process.memoryUsage.rss())), 2);
  await makeVariants(bytes, variants, defaultImageLimits, budget);
  clearInterval(look);
  console.log(JSON.stringify({ measured: peak - before, projected: budget.wanted }));
}

async function measureAll(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'image-memory-'));
  const width = Math.round(Math.sqrt(pixels * 1.5));
  const height = Math.round(pixels / width);
  const noise = { type: 'gaussian', mean: 128, sigma: 30 } as const;
  const pixelsOfAll = await sharp({ create: { width: Math.ceil(width / 4), height: Math.ceil(height / 4), channels: 3, background: '#808080', noise } }).resize(width, height, { fit: 'fill' }).png({ compressionLevel: 1 }).toBuffer();
  const image = (): Sharp => sharp(pixelsOfAll, { limitInputPixels: false });
  const drawing = (side: number): Buffer => {
    const shapes = Array.from({ length: 200 }, (_, i) => `<circle cx="${String((i * 37) % 100)}%" cy="${String((i * 61) % 100)}%" r="5%" fill="#${String(100000 + i * 4000)}" opacity="0.5"/>`).join('');
    return Buffer.from(`<svg xmlns="http://www.w3.org/2000/svg" width="${String(width / side)}" height="${String(height / side)}">${shapes}</svg>`);
  };
  const files: readonly (readonly [string, () => Sharp | Buffer])[] = [
    ['JPEG', () => image().jpeg()],
    ['progressive JPEG', () => image().jpeg({ progressive: true })],
    ['progressive JPEG of 4:4:4', () => image().jpeg({ progressive: true, chromaSubsampling: '4:4:4' })],
    ['progressive JPEG of CMYK', () => image().toColourspace('cmyk').jpeg({ progressive: true, chromaSubsampling: '4:4:4' })],
    ['PNG', () => image().png({ compressionLevel: 1 })],
    ['PNG with alpha', () => image().ensureAlpha(0.5).png({ compressionLevel: 1 })],
    ['interlaced PNG with alpha', () => image().ensureAlpha(0.5).png({ compressionLevel: 1, progressive: true })],
    ['interlaced PNG of 16 bits, alpha', () => image().ensureAlpha(0.5).toColourspace('rgb16').png({ compressionLevel: 1, progressive: true })],
    ['WebP', () => image().webp({ effort: 0 })],
    ['lossless WebP', () => image().webp({ effort: 0, lossless: true })],
    ['TIFF', () => image().tiff({ compression: 'deflate' })],
    ['TIFF of 32 bits', () => image().toColourspace('scrgb').tiff({ compression: 'deflate', predictor: 'none' })],
    ['TIFF of 16 bits', () => image().toColourspace('rgb16').tiff({ compression: 'deflate' })],
    ['TIFF with tiles of 4096', () => image().tiff({ compression: 'deflate', tile: true, tileWidth: 4096, tileHeight: 4096 })],
    ['GIF', () => image().gif({ effort: 1, dither: 0 })],
    ['AVIF', () => image().avif({ effort: 0 })],
    ['JPEG on its side', () => image().withMetadata({ orientation: 6 }).jpeg()],
    ['progressive JPEG on its side', () => image().withMetadata({ orientation: 6 }).jpeg({ progressive: true })],
    ['WebP on its side', () => image().withMetadata({ orientation: 6 }).webp({ effort: 0 })],
    ['SVG', () => drawing(1)],
    ['PNG on its head', () => image().withMetadata({ orientation: 3 }).png({ compressionLevel: 1 })],
  ];
  const example = '{"resized":{"width":1024,"height":768,"quality":90},"thumbs":{"width":192,"height":192}}';
  const whole = (['jpeg', 'png', 'webp', 'avif', 'tiff', 'gif'] as const satisfies readonly CopyToMake['format'][]).map((format) => [`JPEG to a whole ${format}`, 0, `{"whole":{"format":"${format}"}}`] as const);
  try {
    const turned = files.flatMap(([name], index) => (/on its|^SVG/.test(name) ? [[`${name}, whole`, index, '{"whole":{}}'] as const] : []));
    const several = ['JPEG to four large copies', 0, JSON.stringify(Object.fromEntries([66, 65, 63, 62].map((part) => [`c${String(part)}`, { width: Math.round((width * part) / 100) }])))] as const;
    const sought = ['JPEG, a column by attention', 0, JSON.stringify({ column: { width: 300, height, fit: 'cover', position: 'attention' } })] as const;
    const small = ['small SVG, whole copy', files.length, JSON.stringify({ whole: { width, enlarge: true } })] as const;
    const cases = [...files.map(([name], index) => [name, index, example] as const), ...whole, ...turned, small, several, sought];
    const tell = (name: string, measured: string, projected: string): void => {
      console.log(`${name.padEnd(34)}${measured.padStart(10)}${projected.padStart(12)}`);
    };
    tell('bytes a pixel', 'measured', 'projected');
    const written = new Set<number>();
    for (const [name, index, copies] of cases) {
      const path = join(folder, String(index));
      if (!written.has(index)) {
        const file = files[index]?.[1]() ?? drawing(20);
        writeFileSync(path, Buffer.isBuffer(file) ? file : await file.toBuffer());
      }
      written.add(index);
      const { measured, projected } = JSON.parse(execFileSync(process.execPath, [import.meta.filename, '--file', path, '--copies', copies], { encoding: 'utf8' })) as { readonly measured: number; readonly projected: number };
      tell(name, (measured / pixels).toFixed(1), (projected / pixels).toFixed(1));
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
}
