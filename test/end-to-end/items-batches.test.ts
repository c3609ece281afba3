/** Batches of items that end without having done all of them: the others are done all the same, and what is missing is listed. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { after, describe, it } from 'node:test';
import sharp from 'sharp';
import { runCli } from '../support/cli.ts';
import { createWorkspace } from '../support/workspace.ts';

const space = createWorkspace('items-batches');
after(() => space.remove());

void describe('a batch of items that fails', () => {
  // Catches: one batch that keeps the others from being done, and a run that ends without table and lists.
  void it('leaves the others, and is listed', async () => {
    const photos = space.path('photos');
    const image = await sharp({ create: { width: 40, height: 30, channels: 3, background: '#204060' } }).jpeg().toBuffer();
    for (const name of ['a', 'b', 'c/d', 'e', 'f']) {
      mkdirSync(dirname(`${photos}/${name}`), { recursive: true });
      writeFileSync(`${photos}/${name}.jpg`, image);
    }
    // Where the folder of one copy has to be, a link to a disk that isn't there: nothing that is wrong with the photo, or with its name.
    mkdirSync(space.path('out/thumbs'), { recursive: true });
    symlinkSync(space.path('not-mounted'), space.path('out/thumbs/c'));
    const job = space.job('job.json', {
      name: 'photos',
      items: { prefix: 'photos/' },
      operation: { images: { thumbs: { width: 20 } } },
      outputs: { prefix: 'out/' },
      results: { href: 'table.jsonl' },
      compute: { itemsPerTask: 1 },
    });
    const { exitCode, stderr } = await runCli(['run', job, '--work', space.path('work'), '--run', 'r']);
    assert.equal(exitCode, 73, stderr);
    assert.match(stderr, /1 of 5 items failed/);
    assert.deepEqual(readdirSync(space.path('out/thumbs')).toSorted(), ['a.jpg', 'b.jpg', 'c', 'e.jpg', 'f.jpg']);
    assert.equal(readFileSync(space.path('table.jsonl'), 'utf8').trim().split('\n').length, 4);
    const [failure, ...others] = readFileSync(space.path('out/r-failures.jsonl'), 'utf8').trim().split('\n').map((line) => JSON.parse(line) as { path: string; error: { code: string; message: string } });
    assert.equal(others.length, 0);
    assert.equal(failure?.path, 'c/d.jpg');
    assert.match(failure?.error.message ?? '', /its batch \d has ended without it: .*thumbs/);
    assert.ok(existsSync(space.path('work/runs/r/run.json')));
  });
});
