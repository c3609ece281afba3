/** Copies made in processes of their own. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { hash } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { after, describe, it } from 'node:test';
import sharp from 'sharp';
import { imageLimits } from '../../lib/images/image-limits.ts';
import type { ImageRequest } from '../../lib/images/image-process.ts';
import { ImageProcesses } from '../../lib/images/image-processes.ts';
import { makeVariants } from '../../lib/images/make-variants.ts';
import { imageVariants } from '../../lib/images/variant-spec.ts';
import { fileHref } from '../../lib/store/href.ts';
import { createWorkspace } from '../support/workspace.ts';

const workspace = createWorkspace('image-process');
after(() => {
  workspace.remove();
});

const limits = imageLimits.parse({});
const variants = imageVariants.parse({ thumbs: { width: 30, height: 30 }, web: { width: 100, format: 'webp' } });
const photo = await sharp({ create: { width: 300, height: 200, channels: 3, background: '#123456', noise: { type: 'gaussian', mean: 128, sigma: 30 } } }).jpeg().toBuffer();

/** A file with such bytes, and what a process is asked to make of it. */
function requestOf(name: string, bytes: Uint8Array, version: string | null = null): ImageRequest {
  const path = workspace.path(name);
  writeFileSync(path, bytes);
  return { href: fileHref(path), version, variants, limits };
}

const request = requestOf('photo.jpg', photo);

/** A stand-in for the process. */
function program(text: string): string {
  const path = workspace.path(`${hash('sha256', text).slice(0, 12)}.mjs`);
  writeFileSync(path, text);
  return path;
}

void describe('processes that make copies', () => {
  const apart = new ImageProcesses(1);
  after(() => {
    apart.close();
  });

  // Catches: copies that are others than a worker makes, errors that lose what they are on their way between processes.
  void it('makes the same bytes and throws the same errors', async () => {
    const [here, there] = [await makeVariants(photo, variants, limits), await apart.make(request)];
    assert.deepEqual(there.source, here.source);
    assert.deepEqual(there.variants.map(({ bytes, ...each }) => [Buffer.from(bytes), each]), here.variants.map(({ bytes, ...each }) => [Buffer.from(bytes), each]));
    const broken = await makeVariants(photo.subarray(0, 200), variants, limits).catch((error: unknown) => error as Error);
    await assert.rejects(apart.make(requestOf('broken.jpg', photo.subarray(0, 200))), { name: 'DataError', code: 'IMAGE_DAMAGED', message: (broken as Error).message });
    await assert.rejects(apart.make(requestOf('empty.jpg', Buffer.of())), { name: 'DataError', code: 'IMAGE_EMPTY' });
    await assert.rejects(apart.make({ ...request, href: fileHref(workspace.path('gone.jpg')) }), { name: 'InputUnavailableError', code: 'STORE_NOT_FOUND' });
    await assert.rejects(apart.make({ ...request, version: 'another' }), { name: 'DataError', code: 'STORE_CHANGED' });
  });

  // Catches: a request that waits for ever once nobody will answer.
  void it('rejects what is under way and what waits when it is closed', async () => {
    const closing = new ImageProcesses(2);
    const ends = [1, 2, 3].map(async () => await assert.rejects(closing.make(request), { name: 'TryAgainError', code: 'IMAGE_PROCESS_CLOSED' }));
    await sleep(20);
    closing.close();
    await Promise.all(ends);
    await assert.rejects(closing.make(request), { code: 'IMAGE_PROCESS_CLOSED' });
  });

  // Catches: a process that outlives the worker that it works for, by its own choice or because a signal to the group has ended it while it was needed.
  void it('goes on when its group is told to stop', { skip: process.platform === 'linux' ? false : 'needs /proc to find the process' }, async () => {
    const child = Number(readFileSync(`/proc/self/task/${String(process.pid)}/children`, 'utf8').trim().split(' ').at(-1));
    assert.ok(child > 1);
    process.kill(child, 'SIGTERM');
    const { variants: made } = await apart.make(request);
    assert.equal(made.length, 2);
    process.kill(child, 0);
    // Killed by somebody once, between two images or over one, it starts anew and nobody is blamed.
    process.kill(child, 'SIGKILL');
    assert.equal((await apart.make(request)).variants.length, 2);
    assert.throws(() => process.kill(child, 0));
  });

  // Catches: every image of a batch that is blamed, or a batch that hangs, where the machine can't run the process.
  void it('ends the batch, not an image, where it can not work', async () => {
    const asked = async (text: string, options = {}): Promise<unknown> => {
      const processes = new ImageProcesses(1, { program: program(text), ...options });
      try {
        return await processes.make(request);
      } finally {
        processes.close();
      }
    };
    const wanted = (words: RegExp): object => ({ name: 'TryAgainError', code: 'IMAGE_PROCESS_START', message: words });
    await assert.rejects(asked('process.exit(3);'), wanted(/it ended with exit code 3 before it could work/));
    await assert.rejects(asked('process.kill(process.pid, "SIGKILL"); setInterval(() => {}, 9);'), wanted(/it ended by SIGKILL before/));
    await assert.rejects(asked('process.disconnect(); setInterval(() => {}, 9);'), wanted(/it ended by SIGKILL before/));
    await assert.rejects(asked('setInterval(() => {}, 9);', { startSeconds: 0.2 }), wanted(/it ended as it gave no answer within 0\.2 s before/));
    const { execPath } = process;
    process.execPath = workspace.path('no-node');
    try {
      await assert.rejects(asked(''), wanted(/ENOENT/));
    } finally {
      process.execPath = execPath;
    }
    const bug = '{ error: { name: "TypeError", code: "UNEXPECTED", message: "x is no function", where: {} } }';
    await assert.rejects(asked(`process.on("message", () => process.send(${bug})); process.send("ready");`), (error: Error) => error.name === 'Error' && error.message === 'x is no function');
  });

  // Catches: an image that ends its process, and is tried for ever, or waited for.
  void it('blames an image that ends it twice, or gives no answer', async () => {
    const crashing = new ImageProcesses(2, { program: program('process.on("message", () => process.exit(7)); process.send("ready");') });
    const words = /^making copies of it has ended the process that does, twice, the second time alone: with exit code 7$/;
    await assert.rejects(crashing.make(request), { name: 'OperationError', code: 'IMAGE_CRASH', message: words });
    crashing.close();
    const silent = new ImageProcesses(1, { program: program('process.on("message", () => {}); process.send("ready");'), startSeconds: 2 });
    const quick = { ...request, limits: { ...limits, seconds: 0.1 } };
    await assert.rejects(silent.make(quick), { name: 'OperationError', code: 'IMAGE_CRASH', message: /alone: as it gave no answer within 2\.2 s$/ });
    silent.close();
  });

  // Catches: an image that is blamed for the memory that others take, and a second attempt in which they take it again.
  void it('makes an image alone over which a process has ended', { timeout: 60_000 }, async () => {
    const folder = workspace.newFolder();
    // Ends where another one is at work beside it; whoever is alone, works.
    const text = `
      import { readdirSync, rmSync, writeFileSync } from 'node:fs';
      const own = ${JSON.stringify(folder)} + '/' + process.pid;
      process.on('message', ({ href }) => {
        writeFileSync(own, '');
        setTimeout(() => {
          const others = readdirSync(${JSON.stringify(folder)}).length > 1;
          if (others && href.endsWith('greedy.jpg')) { rmSync(own); process.exit(9); }
          setTimeout(() => { rmSync(own); process.send({ made: { source: { alone: !others }, variants: [] } }); }, 300);
        }, 300);
      });
      process.send('ready');`;
    const processes = new ImageProcesses(3, { program: program(text) });
    const greedy = requestOf('greedy.jpg', photo);
    const made = await Promise.all([request, greedy, request, request].map(async (each) => await processes.make(each)));
    const alone = made.map(({ source }) => (source as unknown as { alone: boolean }).alone);
    // The fourth comes after them all.
    assert.deepEqual(alone.slice(0, 3), [false, true, false]);
    processes.close();
  });

  // Catches: a process that outlives a worker that was killed, and holds its memory.
  void it('is gone when its worker is', { skip: process.platform === 'linux' ? false : 'needs /proc to find the process' }, async () => {
    const text = `
      import { readFileSync } from 'node:fs';
      import { ImageProcesses } from ${JSON.stringify(join(import.meta.dirname, '../../lib/images/image-processes.ts'))};
      await new ImageProcesses(1).make(${JSON.stringify(request)});
      console.log(readFileSync('/proc/self/task/' + process.pid + '/children', 'utf8').trim());`;
    const worker = spawn(process.execPath, [program(text)], { stdio: ['ignore', 'pipe', 'inherit'] });
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
