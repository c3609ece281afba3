/** Copies of images as a worker makes them of items: where they go, what is said of them, and what is wrong with an item alone. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { after, describe, it } from 'node:test';
import sharp from 'sharp';
import { TilefanError, TryAgainError } from '../../../lib/base/errors.ts';
import { imagesAtATime } from '../../../lib/images/sharp-setup.ts';
import { ImageItems } from '../../../lib/job/items/image-items.ts';
import { isItemsOwn, type ItemResult } from '../../../lib/job/items/item-outcome.ts';
import type { ItemPlan } from '../../../lib/job/items/item-plan.ts';
import { parseItemJob } from '../../../lib/job/items/item-validate.ts';
import type { Item } from '../../../lib/job/items/item.ts';
import type { PutOptions } from '../../../lib/store/store.ts';
import { FileStore } from '../../../lib/store/file-store.ts';
import { fileHref } from '../../../lib/store/href.ts';
import { createWorkspace } from '../../support/workspace.ts';

const workspace = createWorkspace('image-items');
/** Files, and what type they are put as. */
class TypedStore extends FileStore {
  readonly types = new Map<string, string | undefined>();

  override async put(href: string, body: Uint8Array | readonly Uint8Array[], options?: PutOptions): Promise<'written' | 'exists'> {
    this.types.set(href, options?.contentType);
    return await super.put(href, body, options);
  }
}
const store = new TypedStore();
after(async () => {
  await store.close();
  workspace.remove();
});

const out = workspace.newFolder('out');
const memory: ItemPlan['memory'] = { process: 0, items: 0, code: 0, total: 0, limit: 8 * 2 ** 30 };
function images(variants: object, limits: object = {}, from = store, threads = 2, limit = memory.limit): ImageItems {
  const job = parseItemJob({ items: { prefix: '/in/' }, operation: { images: variants, imageLimits: limits }, outputs: { prefix: `${fileHref(out)}/` } });
  return new ImageItems(from, { job, threads, memory: { ...memory, limit } });
}

async function itemOf(path: string, bytes: Uint8Array | string, more: Partial<Item> = {}): Promise<Item> {
  const file = workspace.path(`in-${createHash('sha256').update(path).digest('hex').slice(0, 8)}`);
  writeFileSync(file, bytes);
  const { size, version } = await store.stat(fileHref(file));
  return { index: 0, href: fileHref(file), path, size, version, parameters: null, ...more };
}

async function thrown(work: Promise<ItemResult>): Promise<TilefanError> {
  const error = await work.then(() => assert.fail('it did not fail'), (each: unknown) => each);
  if (error instanceof TilefanError) return error;
  throw error;
}

const png = await sharp({ create: { width: 300, height: 200, channels: 3, background: '#123456' } }).png().toBuffer();
const two = { thumbs: { width: 30, height: 30 }, web: { width: 100, format: 'webp' } };

void describe('images as items', () => {
  // Catches: copies in the wrong place or called by the wrong type, sums that aren't those of the files, a path that loses its folders.
  void it('puts each copy below its variant, at the path of the item, and says what it is', async () => {
    const { value, outputs } = await images(two).work(await itemOf('a b/ü/Ä 100%#?.JPG', png));
    assert.deepEqual(outputs.map(({ path }) => path), ['thumbs/a b/ü/Ä 100%#?.JPG', 'web/a b/ü/Ä 100%#?.JPG']);
    for (const { path, href, size, sha256 } of outputs) {
      const bytes = readFileSync(`${out}/${path}`);
      assert.deepEqual([href, size, sha256], [fileHref(`${out}/${path}`), bytes.length, createHash('sha256').update(bytes).digest('hex')]);
    }
    assert.deepEqual(outputs.map(({ href }) => store.types.get(href)), ['image/png', 'image/webp']);
    const [thumbs, web] = outputs;
    assert.deepEqual(value, { format: 'png', width: 300, height: 200, variants: { thumbs: { width: 30, height: 20, bytes: thumbs?.size }, web: { width: 100, height: 67, bytes: web?.size } } });
  });

  // Catches: copies that differ from attempt to attempt, so that a list of checksums lies about files that were put twice.
  void it('makes the same bytes again', async () => {
    const item = await itemOf('again.png', png);
    assert.deepEqual(await images(two).work(item), await images(two).work(item));
  });

  // Catches: an item's fault that ends the batch, or some copies of an image of which another can't be made.
  const faults: readonly (readonly [string, string, () => Promise<Item>])[] = [
    ['nothing', 'IMAGE_EMPTY', async () => await itemOf('empty.jpg', '')],
    ['no image', 'IMAGE_FORMAT', async () => await itemOf('text.jpg', 'Dear all,')],
    ['too many pixels', 'IMAGE_TOO_LARGE', async () => await itemOf('large.png', png)],
    ['half of it', 'IMAGE_DAMAGED', async () => await itemOf('half.png', png.subarray(0, png.length / 2))],
    ['gone', 'STORE_NOT_FOUND', async () => await itemOf('gone.png', png, { href: fileHref(workspace.path('nowhere.png')), size: null, version: null })],
    ['another file by now', 'STORE_CHANGED', async () => await itemOf('changed.png', png, { version: 'another' })],
    ['to be written outside', 'ITEM_PATH', async () => await itemOf('../../outside.png', png)],
  ];
  for (const [what, code, item] of faults) {
    void it(`${what}: ${code}`, async () => {
      const limits = code === 'IMAGE_TOO_LARGE' ? { maxPixels: 59_999 } : {};
      const made = await item();
      const error = await thrown(images(two, limits).work(made));
      assert.equal(error.code, code, error.message);
      assert.ok(isItemsOwn(error), `${error.name} is the item's own`);
      assert.ok(!existsSync(`${out}/thumbs/${made.path}`));
    });
  }

  // Catches: a batch that ends because a copy can't have its name.
  void it('fails alone where a copy can\'t have its name', async () => {
    mkdirSync(`${out}/thumbs/folder.png/x`, { recursive: true });
    writeFileSync(`${out}/thumbs/file.png`, '');
    for (const [path, code] of [['folder.png', 'STORE_IS_DIRECTORY'], ['file.png/x.png', 'STORE_NOT_A_FOLDER'], [`${'n'.repeat(300)}.png`, 'STORE_BAD_NAME']] as const) {
      const error = await thrown(images(two).work(await itemOf(path, png)));
      assert.deepEqual([error.code, isItemsOwn(error)], [code, true], error.message);
    }
    const job = parseItemJob({ items: { prefix: '/in/' }, operation: { images: two }, outputs: { prefix: 's3://bucket/out/' } });
    const long = await thrown(new ImageItems(store, { job, threads: 2, memory }).work(await itemOf('k'.repeat(1020), png)));
    assert.deepEqual([long.code, isItemsOwn(long)], ['ITEM_PATH', true], long.message);
    assert.match(long.message, /S3 allows 1024/);
  });

  // Catches: processors that wait while an image comes from far away; more images decoded at a time than memory is for.
  void it('reads the next images while some are made, and makes only so many at a time', { timeout: 60_000 }, async () => {
    const allUnderWay = Promise.withResolvers<undefined>();
    let reads = 0;
    class SlowStore extends TypedStore {
      override async readInto(...read: Parameters<FileStore['readInto']>): Promise<void> {
        if (++reads === most) allUnderWay.resolve(undefined);
        await allUnderWay.promise;
        await super.readInto(...read);
      }
    }
    const slow = new SlowStore();
    // Of the four threads that libuv has here, only two may be busy.
    const worker = images(two, {}, slow, 1);
    const most = worker.atOnce + worker.ahead.items;
    assert.ok(most > imagesAtATime(1));
    const items = await Promise.all(Array.from({ length: 5 * most }, async (_, i) => await itemOf(`ahead-${String(i)}.png`, png)));
    const counts: number[] = [];
    const look = setInterval(() => counts.push(sharp.counters().process), 0);
    try {
      assert.equal((await Promise.all(items.map(async (item) => await worker.work(item)))).length, items.length);
    } finally {
      clearInterval(look);
    }
    const made = Math.max(...counts);
    assert.ok(made > 0 && made <= imagesAtATime(1), `${String(made)} made at a time`);
    await slow.close();
  });

  // Catches: images that are decoded together and take more memory than a task has.
  void it('makes large images one after the other where there is little memory', async () => {
    const large = await sharp({ create: { width: 4000, height: 3000, channels: 3, background: '#123456' } }).png({ progressive: true, compressionLevel: 1 }).toBuffer();
    const items = await Promise.all(Array.from({ length: 4 }, async (_, i) => await itemOf(`large-${String(i)}.png`, large)));
    const usual: (number | undefined)[] = [];
    for (const limit of [2 ** 20, memory.limit]) {
      const worker = images({ thumbs: { width: 30 } }, {}, store, 2, limit);
      const counts: number[] = [];
      const look = setInterval(() => counts.push(sharp.counters().process), 1);
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      await Promise.all(items.map(async (item) => await worker.work(item)));
      clearInterval(look);
      usual.push(counts.toSorted((x, y) => x - y)[Math.floor(counts.length / 2)]);
    }
    const [tight, roomy = 0] = usual;
    assert.ok(tight === 1 && roomy > 1, String(usual));
  });

  // Catches: files that are fetched until memory is full, whatever their sizes.
  void it('holds files of a few megabytes together at most, and refuses one that is too large for the task', async () => {
    const reading = new Set<string>();
    let most = 0;
    class WatchedStore extends TypedStore {
      override async readInto(...[href, ...rest]: Parameters<FileStore['readInto']>): Promise<void> {
        reading.add(href);
        most = Math.max(most, reading.size);
        await super.readInto(href, ...rest);
        await new Promise((resolve) => setTimeout(resolve, 20));
        reading.delete(href);
      }
    }
    const watched = new WatchedStore();
    const worker = images(two, {}, watched, 1, 2 ** 30);
    const megabytes = async (count: number): Promise<Item> => {
      const item = await itemOf(`${String(count)}.png`, '');
      truncateSync(fileURLToPath(item.href ?? ''), count * 2 ** 20);
      return { ...item, size: null, version: null };
    };
    // An eighth of the memory are 128 MiB.
    const errors = await Promise.all([60, 61, 62, 63, 64].map(async (count) => await thrown(worker.work(await megabytes(count)))));
    assert.deepEqual(errors.map(({ code }) => code), Array.from(errors, () => 'IMAGE_FORMAT'));
    assert.equal(most, 2);
    const refused = await thrown(worker.work(await megabytes(513)));
    assert.ok(isItemsOwn(refused));
    assert.deepEqual([refused.code, refused.message], ['ITEM_TOO_LARGE', 'the file has 537919488 bytes; wanted 536870912 at most, half of the memory that a task has beside its process (compute.memory)']);
    await watched.close();
  });

  // Catches: a stopped task that decodes all that it has read before it ends; an image that is said to have failed for that.
  void it('makes no more images once it is stopped', async () => {
    const error = await thrown(images(two).work(await itemOf('stopped.png', png), AbortSignal.abort()));
    assert.ok(error instanceof TryAgainError && !isItemsOwn(error));
    assert.equal(error.code, 'WORKER_STOPPED');
  });

  // Catches: a size taken from a list that is old: half an image, or one that ends too early.
  for (const size of [null, png.length - 1, png.length + 1]) {
    void it(`takes an object of which a list says that it has ${size === null ? 'no known size' : size < png.length ? 'less' : 'more'}`, async () => {
      const { value } = await images(two).work(await itemOf('unknown.png', png, { size, version: null }));
      assert.equal((value as { width: number }).width, 300);
    });
  }
});
