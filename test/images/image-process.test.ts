/** Copies made in a process of their own, and memory that images share. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
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
import { createWorkspace } from '../support/workspace.ts';

const workspace = createWorkspace('image-process');
after(() => {
  workspace.remove();
});

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

  // Catches: every image of a batch that is blamed, or a batch that hangs, where the machine can't run the process.
  void it('ends the batch, not an image, where it can not work', async () => {
    const program = (text: string): ImageProcess => {
      const path = workspace.path(`${String(text.length)}.mjs`);
      writeFileSync(path, text);
      return new ImageProcess(path);
    };
    const wanted = (words: RegExp): object => ({ name: 'TryAgainError', code: 'IMAGE_PROCESS_START', message: words });
    await assert.rejects(program('process.exit(3);').make(photo, variants, limits), wanted(/it ended with exit code 3 before it could work/));
    await assert.rejects(program('process.kill(process.pid, "SIGKILL"); setInterval(() => {}, 9);').make(photo, variants, limits), wanted(/it ended by SIGKILL before/));
    const deaf = program('process.disconnect(); setInterval(() => {}, 9);');
    await assert.rejects(deaf.make(photo, variants, limits), wanted(/it ended by SIGKILL before/));
    const { execPath } = process;
    process.execPath = workspace.path('no-node');
    try {
      await assert.rejects(new ImageProcess().make(photo, variants, limits), wanted(/ENOENT/));
    } finally {
      process.execPath = execPath;
    }
    const buggy = program('process.on("message", () => process.send({ error: { name: "TypeError", code: "UNEXPECTED", message: "x is no function", where: {} } })); process.send("ready");');
    await assert.rejects(buggy.make(photo, variants, limits), (error: Error) => error.name === 'Error' && error.message === 'x is no function');
    buggy.close();
    const crashing = program('process.on("message", () => process.exit(7)); process.send("ready");');
    await assert.rejects(crashing.make(photo, variants, limits), { name: 'OperationError', code: 'IMAGE_CRASH', message: /twice: with exit code 7$/ });
  });

  // Catches: a process that outlives a worker that was killed, and holds its memory.
  void it('is gone when its worker is', { skip: process.platform === 'linux' ? false : 'needs /proc to find the process' }, async () => {
    const folder = join(import.meta.dirname, '../../lib/images');
    const program = `
      import { readFileSync } from 'node:fs';
      import { ImageProcess } from ${JSON.stringify(`${folder}/image-process.ts`)};
      await new ImageProcess().make(Buffer.from(${JSON.stringify(photo.toString('base64'))}, 'base64'), { a: ${JSON.stringify(imageVariants.parse({ a: { width: 20 } })['a'])} }, ${JSON.stringify(limits)});
      console.log(readFileSync('/proc/self/task/' + process.pid + '/children', 'utf8').trim());`;
    const path = workspace.path('worker.mjs');
    writeFileSync(path, program);
    const worker = spawn(process.execPath, [path], { stdio: ['ignore', 'pipe', 'inherit'] });
    const told = await Promise.race([once(worker.stdout, 'data'), once(worker, 'exit')]);
    const child = Number(String(told[0]));
    assert.ok(child > 1 && readFileSync(`/proc/${String(child)}/cmdline`, 'utf8').includes('image-process-main'));
    worker.kill('SIGKILL');
    const isThere = (): boolean => {
      try {
        return readFileSync(`/proc/${String(child)}/cmdline`, 'utf8').includes('image-process-main');
      } catch {
        return false;
      }
    };
    for (let tries = 0; isThere(); tries++) {
      assert.ok(tries < 500, 'it outlives the process that it works for');
      await sleep(10);
    }
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
    const copies = [{ format: 'jpeg', frames: 1, scaled: { width: 30, height: 20 }, output: { width: 30, height: 20 } }] as const;
    const bytes = memoryOf(image, copies);
    assert.ok(bytes > 300 * 200 && bytes < 300 * 200 * 3);
    const interlaced = await openImage(await sharp(photo).png({ progressive: true }).toBuffer(), limits);
    const plain = await openImage(await sharp(photo).png().toBuffer(), limits);
    const deep = await openImage(await sharp(photo).toColourspace('rgb16').png({ progressive: true }).toBuffer(), limits);
    assert.ok(memoryOf(interlaced, copies) > 2 * memoryOf(plain, copies));
    assert.ok(memoryOf(deep, copies) > 1.9 * memoryOf(interlaced, copies));

    const budget = new MemoryBudget(1);
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
    const whole = { format: 'jpeg', frames: 1, scaled: { width: 300, height: 200 }, output: { width: 300, height: 200 } } as const;
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
    const svg = await opened(Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="3" height="2"><rect width="3" height="2"/></svg>'));
    assert.ok(memoryOf(svg, [whole]) > 30 * 300 * 200 && memoryOf(svg, [thumb]) < 60 * 30 * 20);
  });
});
