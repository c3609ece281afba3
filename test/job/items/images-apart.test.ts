/** Copies of items' images, made in processes of their own: of files, and of objects. */
import assert from 'node:assert/strict';
import { readdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { after, describe, it } from 'node:test';
import sharp from 'sharp';
import { imageLimits } from '../../../lib/images/image-limits.ts';
import { makeVariants } from '../../../lib/images/make-variants.ts';
import { imageVariants } from '../../../lib/images/variant-spec.ts';
import { ImagesApart } from '../../../lib/job/items/images-apart.ts';
import { FileStore } from '../../../lib/store/file-store.ts';
import { fileHref } from '../../../lib/store/href.ts';
import type { ObjectStat } from '../../../lib/store/store.ts';
import { createWorkspace } from '../../support/workspace.ts';

const workspace = createWorkspace('images-apart');
const photo = await sharp({ create: { width: 300, height: 200, channels: 3, background: '#123456' } }).png().toBuffer();

/** Files, and one bucket whose objects are all this photo. */
class Store extends FileStore {
  override async stat(href: string): Promise<ObjectStat> {
    return href.startsWith('s3:') ? { href, size: photo.length, version: 'v' } : await super.stat(href);
  }

  override async readInto(...[href, offset, target, version]: Parameters<FileStore['readInto']>): Promise<void> {
    if (href.startsWith('s3:')) photo.copy(target, 0, offset);
    else await super.readInto(href, offset, target, version);
  }
}

const store = new Store();
const variants = imageVariants.parse({ thumbs: { width: 30 } });
const limits = imageLimits.parse({});
const ownFolders = (): string[] => readdirSync(tmpdir()).filter((name) => name.startsWith(`tilefan-code-${String(process.pid)}-`));
after(async () => {
  await store.close();
  workspace.remove();
});

void describe('images apart', () => {
  // Catches: an object of S3 that nobody fetches, its copy left behind, other pixels than a worker makes, a file that is no longer what was planned.
  void it('are made of files and of objects, and leave nothing behind', async () => {
    const apart = await ImagesApart.start(store, 2);
    const path = workspace.path('photo.png');
    writeFileSync(path, photo);
    const file = await store.stat(fileHref(path));
    const object = { href: 's3://bucket/a/photo.png', size: photo.length, version: 'v' };
    const wanted = await makeVariants(photo, variants, limits);
    for (const { source, variants: [copy] } of await Promise.all([file, object, object, file].map(async (each) => await apart.make(each, variants, limits)))) {
      assert.deepEqual([source, Buffer.from(copy?.bytes ?? '')], [wanted.source, Buffer.from(wanted.variants[0]?.bytes ?? '')]);
    }
    const [root = ''] = ownFolders();
    assert.deepEqual(readdirSync(`${tmpdir()}/${root}`), []);
    writeFileSync(path, photo);
    await assert.rejects(apart.make(file, variants, limits), { code: 'STORE_CHANGED' });
    await apart.close();
    assert.deepEqual(ownFolders(), []);
    await assert.rejects(apart.make(object, variants, limits), { code: 'IMAGE_PROCESS_CLOSED' });
    assert.deepEqual(ownFolders(), []);
  });
});
