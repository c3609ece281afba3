/** Images that end the process which opens them: each fails alone, and the batch is done. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import sharp from 'sharp';
import { createWorkspace } from '../support/workspace.ts';
import { failItems, jsonLines } from './items-run.ts';

const space = createWorkspace('items-killers');
after(() => space.remove());

const killing = `--import=${join(import.meta.dirname, '../support/killing-codec.mjs')}`;

void describe('images that kill whoever opens them', () => {
  // Catches: a batch that is given up with all of its images, an innocent image that is blamed, a killer that nobody names.
  void it('fail alone, two in one batch', async () => {
    const folder = space.newFolder('killers');
    mkdirSync(`${folder}/photos`);
    const photo = await sharp({ create: { width: 400, height: 300, channels: 3, background: '#204060' } }).jpeg().toBuffer();
    const killers = ['07.jpg', '19.jpg'];
    const names = Array.from({ length: 30 }, (_, i) => `${String(i).padStart(2, '0')}.jpg`);
    for (const name of names) writeFileSync(`${folder}/photos/${name}`, killers.includes(name) ? Buffer.concat([photo, Buffer.from('KILLS-ITS-CODEC')]) : photo);
    writeFileSync(`${folder}/broken.jpg`, photo.subarray(0, 300));
    writeFileSync(`${folder}/photos/broken.jpg`, photo.subarray(0, 300));
    writeFileSync(
      `${folder}/job.json`,
      JSON.stringify({ name: 'killers', items: { prefix: 'photos/' }, operation: { images: { thumbs: { width: 100 } } }, outputs: { prefix: 'out/' }, results: { href: 'table.jsonl' }, compute: { itemsPerTask: 1000 } }),
    );
    const { record, message } = await failItems([`${folder}/job.json`, '--work', `${folder}/work`, '--run', 'r', '--workers', '1', '--threads', '2'], { env: { NODE_OPTIONS: killing } });
    assert.deepEqual([record.items.total, record.items.done, record.items.failed, record.batches.failed], [31, 28, 3, []]);
    assert.deepEqual(record.batches.retried, [{ batch: 0, attempts: 2 }], 'what kills is found out in one more attempt');
    assert.deepEqual(
      record.errors.map(({ item, code }) => [item?.slice(item.lastIndexOf('/') + 1), code]),
      [['07.jpg', 'IMAGE_CRASH'], ['19.jpg', 'IMAGE_CRASH'], ['broken.jpg', 'IMAGE_DAMAGED']],
    );
    assert.match(message, /07\.jpg: making copies of it has ended the process that does, twice, the second time alone: by SIGKILL, as the kernel does for want of memory \(imageLimits\.maxPixels/);
    assert.deepEqual(jsonLines(`${folder}/out/r-failures.jsonl`).map(({ path }) => path), ['07.jpg', '19.jpg', 'broken.jpg']);
    for (const name of names) assert.equal(existsSync(`${folder}/out/thumbs/${name}`), !killers.includes(name), name);
  });
});
