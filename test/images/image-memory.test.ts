/** Memory that images share while they are made, and what they are taken to need. */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import sharp from 'sharp';
import { imageLimits } from '../../lib/images/image-limits.ts';
import { memoryOf } from '../../lib/images/image-memory.ts';
import { makeVariants } from '../../lib/images/make-variants.ts';
import { openImage } from '../../lib/images/open-image.ts';
import { SharedBudget } from '../../lib/images/shared-budget.ts';
import { imageVariants } from '../../lib/images/variant-spec.ts';

const limits = imageLimits.parse({});
const variants = imageVariants.parse({ thumbs: { width: 30, height: 30 }, web: { width: 100, format: 'webp' } });
const photo = await sharp({ create: { width: 300, height: 200, channels: 3, background: '#123456', noise: { type: 'gaussian', mean: 128, sigma: 30 } } }).jpeg().toBuffer();

void describe('memory that images share', () => {
  // Catches: more taken at once than there is, work that never gets its turn, a failure that keeps what it held.
  void it('is never more than there is, and everything gets its turn', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 100 }), fc.array(fc.record({ bytes: fc.integer({ min: 0, max: 150 }), turns: fc.integer({ min: 0, max: 5 }), fails: fc.boolean() }), { maxLength: 30 }), async (total, works) => {
        const budget = new SharedBudget(total);
        let taken = 0;
        let most = 0;
        const begun: number[] = [];
        const ends = await Promise.allSettled(
          works.map(async ({ bytes, turns, fails }, index) => {
            await budget.use(bytes, async () => {
              begun.push(index);
              taken += Math.min(bytes, total);
              most = Math.max(most, taken);
              for (let turn = 0; turn < turns; turn++) await Promise.resolve();
              taken -= Math.min(bytes, total);
              if (fails) throw new Error('failed');
            });
          }),
        );
        assert.ok(most <= total);
        assert.deepEqual(begun, works.map((_, index) => index), 'in the order in which they came');
        assert.deepEqual(ends.map(({ status }) => status), works.map(({ fails }) => (fails ? 'rejected' : 'fulfilled')));
      }),
    );
  });

  // Catches: two images decoded at once that don't fit together.
  void it('lets images that need all of it be made one after the other', async () => {
    const image = await openImage(photo, limits);
    const copies = [{ format: 'jpeg', frames: 1, scaled: { width: 30, height: 20 }, output: { width: 30, height: 20 }, sought: false }] as const;
    const bytes = memoryOf(image, copies);
    assert.ok(bytes > 300 * 200 && bytes < 300 * 200 * 3);
    const interlaced = await openImage(await sharp(photo).png({ progressive: true }).toBuffer(), limits);
    const plain = await openImage(await sharp(photo).png().toBuffer(), limits);
    const deep = await openImage(await sharp(photo).toColourspace('rgb16').png({ progressive: true }).toBuffer(), limits);
    assert.ok(memoryOf(interlaced, copies) > 2 * memoryOf(plain, copies));
    assert.ok(memoryOf(deep, copies) > 1.9 * memoryOf(interlaced, copies));

    const budget = new SharedBudget(1);
    const held = Promise.withResolvers<undefined>();
    const other = budget.use(1, async () => await held.promise);
    const ended: number[] = [];
    const made = Promise.all([0, 1].map(async (index) => {
      const { variants: copiesMade } = await makeVariants(photo, variants, limits, budget);
      ended.push(index);
      return copiesMade.length;
    }));
    // Each takes some 10 ms.
    await sleep(300);
    assert.deepEqual(ended, []);
    held.resolve(undefined);
    assert.deepEqual(await made, [2, 2]);
    await other;
  });

  // Catches: an estimate that knows nothing of what a file has (samples of four bytes, pixels that have to be turned), of drawings, or of copies that are made from one another.
  void it('is taken to be more for what takes more', async () => {
    const whole = { format: 'jpeg', frames: 1, scaled: { width: 300, height: 200 }, output: { width: 300, height: 200 }, sought: false } as const;
    const thumb = { ...whole, scaled: { width: 30, height: 20 }, output: { width: 30, height: 20 } };
    const opened = async (bytes: Uint8Array): Promise<Awaited<ReturnType<typeof openImage>>> => await openImage(bytes, limits);
    const tiff = await opened(await sharp(photo).tiff({ compression: 'deflate' }).toBuffer());
    const float = await opened(await sharp(photo).toColourspace('scrgb').tiff({ compression: 'deflate' }).toBuffer());
    assert.equal(float.bytesPerSample, 4);
    assert.ok(memoryOf(float, [thumb]) > 3 * memoryOf(tiff, [thumb]));
    const plain = await opened(photo);
    const turned = await opened(await sharp(photo).withMetadata({ orientation: 6 }).jpeg().toBuffer());
    assert.ok(memoryOf(turned, [whole]) - memoryOf(plain, [whole]) >= 3 * 300 * 200);
    assert.ok(memoryOf(plain, [whole, thumb]) > memoryOf(plain, [whole]));
    const full = await opened(await sharp(photo).jpeg({ progressive: true, chromaSubsampling: '4:4:4' }).toBuffer());
    const halved = await opened(await sharp(photo).jpeg({ progressive: true }).toBuffer());
    assert.ok(memoryOf(full, [thumb]) - memoryOf(halved, [thumb]) >= 2.9 * 300 * 200);
    assert.ok(memoryOf(plain, [{ ...whole, sought: true }]) - memoryOf(plain, [whole]) >= 5 * 300 * 200);
    const svg = await opened(Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="3" height="2"><rect width="3" height="2"/></svg>'));
    assert.ok(memoryOf(svg, [whole]) > 30 * 300 * 200 && memoryOf(svg, [thumb]) < 60 * 30 * 20);
  });
});
