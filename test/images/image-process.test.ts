/** Copies made in a process of their own, and memory that images share. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { after, describe, it } from 'node:test';
import fc from 'fast-check';
import sharp from 'sharp';
import { imageLimits } from '../../lib/images/image-limits.ts';
import { memoryOf } from '../../lib/images/image-memory.ts';
import { ImageProcess } from '../../lib/images/image-process.ts';
import { makeVariants } from '../../lib/images/make-variants.ts';
import { MemoryBudget } from '../../lib/images/memory-budget.ts';
import { openImage } from '../../lib/images/open-image.ts';
import { imageVariants } from '../../lib/images/variant-spec.ts';

const limits = imageLimits.parse({});
const variants = imageVariants.parse({ thumbs: { width: 30, height: 30 }, web: { width: 100, format: 'webp' } });
const photo = await sharp({ create: { width: 300, height: 200, channels: 3, background: '#123456', noise: { type: 'gaussian', mean: 128, sigma: 30 } } }).jpeg().toBuffer();

void describe('a process that makes copies', () => {
  const apart = new ImageProcess();
  after(() => {
    apart.close();
  });

  // Catches: copies that are others than a worker makes, errors that lose what they are on their way between processes.
  void it('makes the same bytes and throws the same errors', async () => {
    const [here, there] = [await makeVariants(photo, variants, limits), await apart.make(photo, variants, limits)];
    assert.deepEqual(there.source, here.source);
    assert.deepEqual(there.variants.map(({ bytes, ...each }) => [Buffer.from(bytes), each]), here.variants.map(({ bytes, ...each }) => [Buffer.from(bytes), each]));
    const broken = await makeVariants(photo.subarray(0, 200), variants, limits).catch((error: unknown) => error as Error);
    await assert.rejects(apart.make(photo.subarray(0, 200), variants, limits), { name: 'DataError', code: 'IMAGE_DAMAGED', message: (broken as Error).message });
  });

  // Catches: a request that waits for ever once nobody will answer.
  void it('rejects what is under way and what waits when it is closed', async () => {
    const closing = new ImageProcess();
    const ends = [closing.make(photo, variants, limits), closing.make(photo, variants, limits)].map(async (each) => await assert.rejects(each, { name: 'TryAgainError', code: 'IMAGE_PROCESS_CLOSED' }));
    await sleep(20);
    closing.close();
    await Promise.all(ends);
    await assert.rejects(closing.make(photo, variants, limits), { code: 'IMAGE_PROCESS_CLOSED' });
  });

  // Catches: a process that outlives the worker that it works for, by its own choice or because a signal to the group has ended it while it was needed.
  void it('goes on when its group is told to stop', { skip: process.platform === 'linux' ? false : 'needs /proc to find the process' }, async () => {
    const child = Number(readFileSync(`/proc/self/task/${String(process.pid)}/children`, 'utf8').trim().split(' ').at(-1));
    assert.ok(child > 1);
    process.kill(child, 'SIGTERM');
    const { variants: made } = await apart.make(photo, variants, limits);
    assert.equal(made.length, 2);
    process.kill(child, 0);
    // Killed by somebody once, between two images or over one, it starts anew and nobody is blamed.
    process.kill(child, 'SIGKILL');
    assert.equal((await apart.make(photo, variants, limits)).variants.length, 2);
    assert.throws(() => process.kill(child, 0));
  });
});

void describe('memory that images share', () => {
  // Catches: more taken at once than there is, work that never gets its turn, a failure that keeps what it held.
  void it('is never more than there is, and everything gets its turn', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 100 }), fc.array(fc.record({ bytes: fc.integer({ min: 0, max: 150 }), turns: fc.integer({ min: 0, max: 5 }), fails: fc.boolean() }), { maxLength: 30 }), async (total, works) => {
        const budget = new MemoryBudget(total);
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
    const copies = [{ format: 'jpeg', frames: 1, output: { width: 30, height: 20 } }] as const;
    const bytes = memoryOf(image, copies);
    assert.ok(bytes > 300 * 200 && bytes < 300 * 200 * 3);
    const interlaced = await openImage(await sharp(photo).png({ progressive: true }).toBuffer(), limits);
    const plain = await openImage(await sharp(photo).png().toBuffer(), limits);
    const deep = await openImage(await sharp(photo).toColourspace('rgb16').png({ progressive: true }).toBuffer(), limits);
    assert.ok(memoryOf(interlaced, copies) > 2 * memoryOf(plain, copies));
    assert.ok(memoryOf(deep, copies) > 1.9 * memoryOf(interlaced, copies));

    class WatchedBudget extends MemoryBudget {
      readonly wanted: number[] = [];

      override async use<Result>(wanted: number, work: () => Promise<Result>): Promise<Result> {
        this.wanted.push(wanted);
        return await super.use(wanted, work);
      }
    }
    const budget = new WatchedBudget(1);
    const made = await Promise.all([makeVariants(photo, variants, limits, budget), makeVariants(photo, variants, limits, budget)]);
    assert.deepEqual(made.map((each) => each.variants.length), [2, 2]);
    assert.equal(budget.wanted.length, 2);
  });
});
