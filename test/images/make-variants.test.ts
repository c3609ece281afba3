/** Copies of images: sizes, orientation, pixels and formats, as ImageMagick and PIL see them. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { after, describe, it } from 'node:test';
import fc from 'fast-check';
import sharp from 'sharp';
import type * as z from 'zod';
import { imageFits, imageVariants } from '../../lib/images/variant-spec.ts';
import { makeVariants, type MadeVariant } from '../../lib/images/make-variants.ts';
import { createWorkspace, realFile, withoutRealData } from '../support/workspace.ts';
import { type Difference, exifOf, identify, pil, tag, withoutImagePrograms } from './oracle.ts';

const space = createWorkspace('images');
after(() => space.remove());

type Wish = z.input<typeof imageVariants>;

/** Makes copies of a file, and writes each as NAME-VARIANT, without an extension that could tell a reader its format. */
async function copiesOf(path: string, wish: Wish): Promise<{ readonly source: unknown; readonly made: readonly (MadeVariant & { readonly path: string })[] }> {
  const { source, variants } = await makeVariants(readFileSync(path), imageVariants.parse(wish));
  const made = variants.map((variant) => ({ ...variant, path: `${path}-${variant.name}` }));
  for (const { path: to, bytes } of made) writeFileSync(to, bytes);
  return { source, made };
}

/** A source made by PIL. */
function scene(name: string, kind: string, width: number, height: number, options: object = {}): string {
  const path = space.path(name);
  pil([{ do: 'make', path, kind, width, height, ...options }]);
  return path;
}

/** JPEG of quality 80 changes samples of a small, detailed picture by some 5; a picture turned, mirrored or shifted differs by 30 and more. */
function assertAlike(differences: readonly Difference[]): void {
  for (const { mean } of differences) assert.ok(mean < 8, JSON.stringify(differences));
}

const reference: Wish = { resized: { fit: 'inside', width: 1024, height: 768, quality: 90 }, thumbs: { width: 192, height: 192 } };

void describe('copies of images', { skip: withoutImagePrograms }, () => {
  // Catches: a photo larger than asked, another aspect, sizes reported that the file doesn't have.
  void it('makes the reference example of a real photo', { skip: withoutRealData }, async () => {
    const path = space.path('cat.jpg');
    writeFileSync(path, readFileSync(realFile('photo.jpg')));
    const { source, made } = await copiesOf(path, { ...reference, half: { width: 500 }, tall: { height: 100 } });
    assert.deepEqual(source, { format: 'jpeg', width: 1024, height: 768, orientation: 1 });
    assert.deepEqual(identify(made.map((each) => each.path)).map(({ format, width, height }) => [format, width, height]), [['JPEG', 1024, 768], ['JPEG', 192, 144], ['JPEG', 500, 375], ['JPEG', 133, 100]]);
    assert.deepEqual(made.map(({ name, width, height, extension, contentType }) => [name, width, height, extension, contentType]), [
      ['resized', 1024, 768, 'jpg', 'image/jpeg'],
      ['thumbs', 192, 144, 'jpg', 'image/jpeg'],
      ['half', 500, 375, 'jpg', 'image/jpeg'],
      ['tall', 133, 100, 'jpg', 'image/jpeg'],
    ]);
    const differences = pil(made.map((each) => ({ do: 'differ', path: each.path, like: path, size: [each.width, each.height] }))) as Difference[];
    assertAlike(differences);
  });

  for (const orientation of [1, 2, 3, 4, 5, 6, 7, 8]) {
    // Catches: a photo on its side or mirrored, turned twice (a tag left behind), width and height swapped in the fit.
    void it(`turns EXIF orientation ${String(orientation)} upright`, async () => {
      const path = scene(`turned-${String(orientation)}.jpg`, 'JPEG', 600, 401);
      tag(path, `Orientation#=${String(orientation)}`);
      const { source, made } = await copiesOf(path, { large: { width: 300, height: 1000 }, small: { width: 64, height: 64 }, crop: { width: 120, height: 200, fit: 'cover' }, webp: { format: 'webp', metadata: 'keep' } });
      const swapped = orientation >= 5;
      assert.deepEqual(source, { format: 'jpeg', width: swapped ? 401 : 600, height: swapped ? 600 : 401, orientation });
      const found = identify(made.map((each) => each.path));
      assert.deepEqual(
        found.map(({ width, height }) => [width, height]),
        swapped ? [[300, 449], [43, 64], [120, 200], [401, 600]] : [[300, 201], [64, 43], [120, 200], [600, 401]],
      );
      for (const each of found) assert.ok(['Undefined', 'TopLeft'].includes(each.orientation), each.orientation);
      const differences = pil(made.filter(({ name }) => name !== 'crop').map((each) => ({ do: 'differ', path: each.path, like: path, oriented: true, size: [each.width, each.height] }))) as Difference[];
      assertAlike(differences);
    });
  }

  // Catches: enlarging without being asked, in any fit; a contained image that is scaled up; `enlarge` without effect.
  void it('never enlarges unless asked', async () => {
    const path = scene('small.png', 'PNG', 60, 40);
    const box = { width: 100, height: 80 };
    const { made } = await copiesOf(path, {
      inside: box,
      outside: { ...box, fit: 'outside' },
      fill: { ...box, fit: 'fill' },
      cover: { ...box, fit: 'cover' },
      coverOne: { width: 30, height: 80, fit: 'cover' },
      contain: { ...box, fit: 'contain', background: '#0000ff' },
      asked: { ...box, enlarge: true },
      askedCover: { ...box, fit: 'cover', enlarge: true },
    });
    assert.deepEqual(identify(made.map((each) => each.path)).map(({ width, height }) => [width, height]), [[60, 40], [60, 40], [60, 40], [60, 40], [30, 40], [100, 80], [100, 67], [100, 80]]);
    const contain = made.find(({ name }) => name === 'contain');
    // 20 pixels around the image on each side.
    assert.deepEqual(pil([{ do: 'at', path: contain?.path, points: [[2, 2], [19, 40], [22, 22], [78, 58], [81, 40]] }]), [[[0, 0, 255], [0, 0, 255], [255, 255, 255], [220, 220, 60], [0, 0, 255]]]);
  });

  // Catches: cropping the wrong part, positions mixed up.
  void it('crops the part that is asked for', async () => {
    const path = scene('wide.png', 'PNG', 400, 100);
    const box = { width: 50, height: 50, fit: 'cover' } as const;
    const { made } = await copiesOf(path, { left: { ...box, position: 'left' }, right: { ...box, position: 'right' } });
    const points = [[45, 5], [45, 45]];
    assert.deepEqual(pil(made.map((each) => ({ do: 'at', path: each.path, points }))), [
      [[200, 40, 40], [40, 40, 200]],
      [[40, 180, 40], [220, 220, 60]],
    ]);
  });

  // Catches: trust in names: the format of the name instead of the content's, or a failure.
  void it('takes a PNG that is called .jpg for a PNG', async () => {
    const path = scene('really-a-png.jpg', 'PNG', 300, 200);
    const { source, made } = await copiesOf(path, { same: { width: 90 }, jpeg: { width: 90, format: 'jpeg' } });
    assert.deepEqual(source, { format: 'png', width: 300, height: 200, orientation: 1 });
    assert.deepEqual(identify(made.map((each) => each.path)).map(({ format, width, height }) => [format, width, height]), [['PNG', 90, 60], ['JPEG', 90, 60]]);
    assert.deepEqual(made.map(({ extension, contentType }) => [extension, contentType]), [['png', 'image/png'], ['jpg', 'image/jpeg']]);
  });

  /** ImageMagick names AVIF by its container; that it is AVIF, exiftool says. */
  const namesOfOthers = { jpeg: 'JPEG', png: 'PNG', webp: 'WEBP', avif: 'HEIC', tiff: 'TIFF', gif: 'GIF' } as const;
  const outputs = ['same', 'jpeg', 'png', 'webp', 'avif', 'tiff', 'gif'] as const;
  for (const input of ['jpeg', 'png', 'webp', 'avif', 'tiff', 'gif', 'svg'] as const) {
    // Catches: a pair of formats that fails, comes out as another, in another size, or with other colours.
    void it(`makes every format from ${input}`, async () => {
      let path = scene(`from-${input}`, input === 'avif' || input === 'svg' ? 'PNG' : namesOfOthers[input], 200, 120);
      if (input === 'avif') {
        // PIL writes no AVIF.
        const { made } = await copiesOf(path, { avif: { format: 'avif', quality: 90 } });
        path = made[0]?.path ?? '';
      }
      const like = path;
      if (input === 'svg') {
        path = space.path('drawn.svg');
        writeFileSync(path, `<?xml version="1.0"?>\n<!-- a picture -->\n<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="200" height="120"><image width="200" height="120" xlink:href="data:image/png;base64,${readFileSync(like).toString('base64')}"/></svg>`);
      }
      const { source, made } = await copiesOf(path, Object.fromEntries(outputs.map((format) => [format, { width: 100, format }])));
      assert.equal((source as { format: string }).format, input);
      const found = identify(made.map((each) => each.path));
      const wanted = outputs.map((format) => namesOfOthers[format === 'same' ? (input === 'svg' ? 'png' : input) : format]);
      assert.deepEqual(found.map(({ format, width, height }) => [format, width, height]), wanted.map((format) => [format, 100, 60]));
      for (const each of made.filter(({ format }) => format === 'avif')) assert.equal(exifOf(each.path)['File:FileType'], 'AVIF');
      if (input === 'avif') return;
      const readable = made.filter(({ format }) => format !== 'avif');
      const differences = pil(readable.map((each) => ({ do: 'differ', path: each.path, like, size: [100, 60] }))) as Difference[];
      assertAlike(differences);
    });
  }

  for (const kind of ['grey', 'cmyk', 'sixteen', 'palette'] as const) {
    // Catches: colours turned over (CMYK of Adobe), a sample type that overflows, a palette taken for grey.
    void it(`reads ${kind} pixels`, async () => {
      const path = scene(`kind-${kind}`, kind, 240, 160);
      const { made } = await copiesOf(path, { small: { width: 120, format: 'png' }, same: { width: 60 } });
      assert.deepEqual(identify(made.map((each) => each.path)).map(({ width, height }) => [width, height]), [[120, 80], [60, 40]]);
      if (kind === 'sixteen') {
        // A ramp from black to white: PIL can't scale it to eight bits by itself.
        const [[first, last]] = pil([{ do: 'at', path: made[0]?.path, points: [[0, 0], [119, 79]] }]) as [[number[], number[]]];
        assert.ok((first?.[0] ?? 255) < 6 && (last?.[0] ?? 0) > 249, JSON.stringify([first, last]));
        return;
      }
      const [{ mean }] = pil([{ do: 'differ', path: made[0]?.path, like: path, size: [120, 80] }]) as [Difference];
      // PIL converts CMYK without a profile: the colours are alike, not the same.
      assert.ok(mean < (kind === 'cmyk' ? 40 : 3), `differs by ${String(mean)}`);
    });
  }

  // Catches: black where an image was transparent; transparency lost where the format has it; `background` without effect.
  void it('lays transparent pixels over white in JPEG, over another colour if asked, and keeps them in PNG and WebP', async () => {
    const path = scene('alpha.png', 'alpha', 100, 60);
    const { made } = await copiesOf(path, { white: { format: 'jpeg' }, blue: { format: 'jpeg', background: '#00f' }, png: {}, webp: { format: 'webp' }, padded: { width: 50, height: 50, fit: 'contain' } });
    const [white, blue, png, webp, padded] = pil(made.map((each) => ({ do: 'at', path: each.path, points: each.name === 'padded' ? [[25, 2]] : [[90, 30]], alpha: true }))) as number[][][];
    assert.ok(white?.[0]?.every((value) => value > 250), JSON.stringify(white));
    assert.ok((blue?.[0]?.[0] ?? 255) < 8 && (blue?.[0]?.[2] ?? 0) > 245, JSON.stringify(blue));
    for (const each of [png, webp, padded]) assert.equal(each?.[0]?.[3], 0);
  });

  for (const format of ['GIF', 'WEBP'] as const) {
    // Catches: frames lost, frames in a row below each other, or an animation where one picture was asked for.
    void it(`keeps the frames of an animated ${format}, or the first`, async () => {
      const path = scene(`moving-${format}`, 'animation', 120, 80, { frames: 5, format });
      const { made } = await copiesOf(path, { all: { width: 60 }, first: { width: 60, animation: 'first' }, png: { width: 60, format: 'png' }, square: { width: 30, height: 30, fit: 'cover' }, sought: { width: 30, height: 30, fit: 'cover', position: 'attention' } });
      const found = pil(made.map((each) => ({ do: 'describe', path: each.path }))) as { width: number; height: number; frames: number }[];
      assert.deepEqual(found.map(({ width, height, frames }) => [width, height, frames]), [[60, 40, 5], [60, 40, 1], [60, 40, 1], [30, 30, 5], [30, 30, 5]]);
    });
  }

  // Catches: copies that depend on which others are made, beyond what the eye sees; a crop made from a crop; the spec's order lost.
  void it('makes a copy from a larger one as if alone', async () => {
    const path = scene('shared.jpg', 'JPEG', 1500, 1100);
    const wish = { tiny: { width: 90, height: 90 }, square: { width: 200, height: 200, fit: 'cover' }, large: { width: 1000, height: 1000 }, near: { width: 800 }, stretched: { width: 100, height: 300, fit: 'fill' } } as const;
    const together = await copiesOf(path, wish);
    assert.deepEqual(together.made.map(({ name }) => name), Object.keys(wish));
    for (const [name, variant] of Object.entries(wish)) {
      const shared = together.made.find((each) => each.name === name)?.path;
      const { made } = await copiesOf(path, { [`${name}-alone`]: variant });
      const [{ mean }] = pil([{ do: 'differ', path: shared, like: made[0]?.path }]) as [Difference];
      assert.ok(mean < 2, `${name}: ${String(mean)}`);
    }
  });

  // Catches: a size reported, and put into the table of results, that the file doesn't have, by any way through decoder, pixels and fit.
  void it('report the sizes that the files have', async () => {
    const side = fc.integer({ min: 1, max: 300 });
    const fits = fc.record({ fit: fc.constantFrom(...imageFits), enlarge: fc.boolean(), width: side, height: side });
    const formats = ['jpeg', 'png', 'webp', 'tiff', 'gif'] as const;
    // ImageMagick on Debian reads no side above 16,000 px, which an enlarged stripe of one pixel would have.
    const sourceSide = fc.integer({ min: 20, max: 300 });
    const sources = fc.record({ width: sourceSide, height: sourceSide, orientation: fc.integer({ min: 1, max: 8 }), format: fc.constantFrom(...formats) });
    let count = 0;
    const made: { readonly path: string; readonly size: readonly [number, number] }[] = [];
    await fc.assert(
      fc.asyncProperty(sources, fc.array(fits, { minLength: 2, maxLength: 3 }), async ({ width, height, orientation, format }, wishes) => {
        // ImageMagick takes a TIFF of one colour for a bomb, as it compresses too well.
        const bytes = await sharp({ create: { width, height, channels: 3, background: '#808080', noise: { type: 'gaussian', mean: 128, sigma: 60 } } }).withMetadata({ orientation }).toFormat(format).toBuffer();
        const wish = Object.fromEntries(wishes.map((each, index) => [`v${String(index)}`, each]));
        const { variants } = await makeVariants(bytes, imageVariants.parse(wish));
        for (const each of variants) {
          const path = space.path(`sized-${String(count++)}`);
          writeFileSync(path, each.bytes);
          made.push({ path, size: [each.width, each.height] });
        }
      }),
      { numRuns: 60 },
    );
    assert.deepEqual(identify(made.map(({ path }) => path)).map(({ width, height }) => [width, height]), made.map(({ size }) => size));
  });
});
