/** Functions over items as a worker runs them: objects fetched, files put, and each item's failure its own. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';

import { DataError, InputUnavailableError, JobError, OperationError, OutputError, TilefanError, TryAgainError } from '../../../lib/base/errors.ts';
import { isItemsOwn } from '../../../lib/job/items/item-outcome.ts';
import type { ClosableItemWorker } from '../../../lib/job/items/function-items.ts';
import { fileHref, folderHref } from '../../../lib/store/href.ts';
import { createStore } from '../../../lib/store/routing-store.ts';
import { withoutGdal } from '../../support/gdal.ts';
import { startS3Server, whyNoS3Server } from '../../support/s3-server.ts';
import { createWorkspace } from '../../support/workspace.ts';
import { objectItem, parameterItem, startWorker, type WorkerFixture } from './item-worker-fixture.ts';

const workspace = createWorkspace('function-items');
const store = createStore();
after(async () => {
  await store.close();
  workspace.remove();
});

async function withWorker<Result>(fixture: Omit<WorkerFixture, 'store' | 'workspace'> & Partial<Pick<WorkerFixture, 'store'>>, work: (worker: ClosableItemWorker) => Promise<Result>): Promise<Result> {
  const worker = await startWorker({ store, workspace, ...fixture });
  try {
    return await work(worker);
  } finally {
    await worker.close();
  }
}

async function thrown(work: Promise<unknown>): Promise<TilefanError> {
  const error = await work.then(() => assert.fail('it did not fail'), (each: unknown) => each);
  if (error instanceof TilefanError) return error;
  throw error;
}

function sha256(bytes: Uint8Array | string): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** Folders of this process's code that lie about. */
function leftFolders(): string[] {
  return readdirSync(tmpdir()).filter((name) => name.startsWith(`tilefan-code-${String(process.pid)}-`));
}

/** Writes files with awkward names into its folder. */
const writer = `
import os
def f(item):
    with open(item.file, 'rb') as file: data = file.read()
    os.makedirs(item.folder + '/a b/ü')
    for name in ('plain.txt', 'a b/ü/naïve 100%#?.json', 'a b/+.bin', '.hidden'):
        with open(os.path.join(item.folder, name), 'wb') as file: file.write(name.encode() + data)
    os.symlink('plain.txt', item.folder + '/link.txt')
    os.mkdir(item.folder + '/empty')
    return len(data)
`;

void describe('functions over items in a worker', { skip: withoutGdal }, () => {
  // Catches names that are encoded twice or not at all, files of subfolders that are lost, and checksums of something else.
  void it('put the files that they leave', async () => {
    const input = workspace.newFolder('in');
    writeFileSync(`${input}/cät 1.txt`, 'miaow');
    const out = workspace.path('out');
    const outputs = folderHref(out);
    const { value, outputs: made } = await withWorker({ code: ['writer.py', writer], outputs }, async (worker) => await worker.work(objectItem(3, fileHref(`${input}/cät 1.txt`), 'pets/cät 1.txt')));
    assert.equal(value, 5);
    const names = ['.hidden', 'a b/+.bin', 'a b/ü/naïve 100%#?.json', 'link.txt', 'plain.txt'];
    assert.deepEqual(made.map(({ path }) => path), names.map((name) => `pets/cät 1.txt/${name}`));
    for (const [i, name] of names.entries()) {
      const wanted = `${name === 'link.txt' ? 'plain.txt' : name}miaow`;
      assert.equal(readFileSync(`${out}/pets/cät 1.txt/${name}`, 'utf8'), wanted);
      assert.deepEqual(made[i], { href: fileHref(`${out}/pets/cät 1.txt/${name}`), path: `pets/cät 1.txt/${name}`, size: Buffer.byteLength(wanted), sha256: sha256(wanted) });
    }
    assert.ok(!existsSync(`${out}/pets/cät 1.txt/empty`));
  });

  const evil: readonly (readonly [string, string, string, RegExp])[] = [
    ['a link to a file elsewhere', 'os.symlink("/etc/passwd", item.folder + "/x.txt")', 'FILE_OUTSIDE', /"x\.txt" that the function has made is a link out of its folder, to \/etc\/passwd/],
    ['a link that climbs', 'os.symlink("../code", item.folder + "/x")', 'FILE_OUTSIDE', /link out of its folder/],
    ['a link to a folder', 'os.mkdir(item.folder + "/d"); os.symlink("d", item.folder + "/x")', 'FILE_UNUSABLE', /link to what is no file/],
    ['a link that leads nowhere', 'os.symlink("gone", item.folder + "/x")', 'FILE_UNUSABLE', /leads nowhere/],
    ['a pipe', 'os.mkfifo(item.folder + "/x")', 'FILE_UNUSABLE', /neither a file nor a folder/],
    ['a file in the place of the folder', 'os.remove(item.folder + "/aaa.txt"); os.rmdir(item.folder); open(item.folder, "w").close()', 'FILE_UNUSABLE', /something else in the place of item\.folder/],
    ['a link in the place of the folder', 'os.remove(item.folder + "/aaa.txt"); os.rmdir(item.folder); os.symlink("/etc", item.folder)', 'FILE_UNUSABLE', /something else in the place of item\.folder/],
    ['a name that is not UTF-8', 'open(item.folder.encode() + b"/\\xff.txt", "w").close()', 'FILE_UNUSABLE', /not UTF-8/],
  ];
  // Catches a file of the machine that is given away, a worker that hangs in a pipe, and other files that are put although the item fails.
  void it('may leave files and folders only', async () => {
    const out = workspace.path('evil');
    const source = `import os\ndef f(how, item):\n    open(item.folder + '/aaa.txt', 'w').close()\n    ${evil.map(([, code], i) => `${i === 0 ? 'if' : 'elif'} how == ${String(i)}:\n        ${code}`).join('\n    ')}\n`;
    await withWorker({ code: ['evil.py', source], outputs: folderHref(out) }, async (worker) => {
      for (const [i, [what, , code, words]] of evil.entries()) {
        const error = await thrown(worker.work(parameterItem(i, { how: i })));
        assert.ok(error instanceof OperationError && isItemsOwn(error), what);
        assert.equal(error.code, code, `${what}: ${error.message}`);
        assert.match(error.message, words);
      }
      assert.ok(!existsSync(out));
      assert.deepEqual((await worker.work(parameterItem(9, { how: 9 }))).outputs.map(({ path }) => path), ['00000009/aaa.txt']);
    });
  });

  // Catches a batch that ends because of the name of one output: a folder where the file should go, a file where its folder should be, a name that is too long.
  void it("fail alone where their own output can't have its name, and not where none can be written", async () => {
    const out = workspace.newFolder('names');
    const source = "def f(name, item):\n    open(item.folder + '/' + name, 'w').close()\n";
    mkdirSync(`${out}/00000000/o.txt`, { recursive: true });
    writeFileSync(`${out}/00000001`, '');
    const cases: readonly [string, string][] = [['00000000', 'STORE_IS_DIRECTORY'], ['00000001', 'STORE_NOT_A_FOLDER'], ['n'.repeat(304), 'STORE_BAD_NAME']];
    await withWorker({ code: ['f.py', source], outputs: folderHref(out) }, async (worker) => {
      for (const [i, [path, code]] of cases.entries()) {
        const error = await thrown(worker.work({ ...parameterItem(i, { name: 'o.txt' }), path }));
        assert.deepEqual([error.code, isItemsOwn(error)], [code, true], error.message);
      }
      assert.deepEqual((await worker.work(parameterItem(3, { name: 'o.txt' }))).outputs.map(({ path }) => path), ['00000003/o.txt']);
    });
    for (const code of ['STORE_FULL', 'STORE_DENIED', 'STORE_NO_CREDENTIALS', 'STORE_NO_FOLDER', 'STORE_UNWRITABLE']) assert.ok(!isItemsOwn(new OutputError(code, 'none can be written')), code);
  });

  // Catches files that vanish without a word.
  void it('may leave none where the job says no place for them', async () => {
    await withWorker({ code: ['f.py', "def f(n, item):\n    if n: open(item.folder + '/x.txt', 'w').close()\n    return n\n"] }, async (worker) => {
      const error = await thrown(worker.work(parameterItem(0, { n: 1 })));
      assert.equal(error.code, 'FILES_NOWHERE');
      assert.match(error.message, /left x\.txt in its folder.*wanted "outputs"/);
      assert.deepEqual(await worker.work(parameterItem(1, { n: 0 })), { value: 0, outputs: [] });
    });
  });

  // Catches parameters of the job that hide an item's own, or are lost.
  void it("get the job's parameters and the item's", async () => {
    for (const code of [['f.py', 'def f(**all): return all\n'], ['f.ts', 'export const f = (all: unknown) => all;']] as const) {
      const { value } = await withWorker({ code, operation: { parameters: { a: 1, b: { c: 2 } } } }, async (worker) => await worker.work(parameterItem(0, { a: 'own', d: null })));
      assert.deepEqual(value, { a: 'own', b: { c: 2 }, d: null });
    }
  });

  // Catches processes that wait for each other, results that go to another item, and items that aren't side by side at all.
  void it('work side by side', async () => {
    // Each process waits for the other; which items they have is no matter.
    const source = 'import os, time\ndef f(n, folder):\n    open(f"{folder}/{os.getpid()}", "w").close()\n    while len(os.listdir(folder)) < 2: time.sleep(0.01)\n    return [n, os.getpid()]\n';
    const folder = workspace.newFolder('meet');
    await withWorker({ code: ['f.py', source], count: 2, operation: { parameters: { folder }, timeout: '2m' } }, async (worker) => {
      assert.equal(worker.atOnce, 4);
      const done = await Promise.all(Array.from({ length: 12 }, async (_, n) => (await worker.work(parameterItem(n, { n }))).value as [number, number]));
      assert.deepEqual(done.map(([n]) => n), Array.from({ length: 12 }, (_, n) => n));
      assert.equal(new Set(done.map(([, pid]) => pid)).size, 2);
    });
  });

  // Catches an item whose end takes its neighbours with it, and processes that aren't there any more for the next items.
  void it('lose items that end their process, and no others', async () => {
    const source = 'import os\ndef f(n):\n    if n % 3 == 0: os._exit(7)\n    if n % 3 == 1: raise ValueError(f"no {n}")\n    return n\n';
    await withWorker({ code: ['f.py', source], count: 2 }, async (worker) => {
      const settled = await Promise.allSettled(Array.from({ length: 12 }, async (_, n) => (await worker.work(parameterItem(n, { n }))).value));
      for (const [n, result] of settled.entries()) {
        if (n % 3 === 2) assert.deepEqual(result, { status: 'fulfilled', value: n });
        else {
          assert.ok(result.status === 'rejected' && result.reason instanceof OperationError && isItemsOwn(result.reason));
          assert.equal(result.reason.code, n % 3 === 0 ? 'FUNCTION_DIED' : 'FUNCTION_FAILED');
          if (n % 3 === 1) assert.match(`${result.reason.message}\n${String(result.reason.where['traceback'])}`, new RegExp(String.raw`f\.py:4: ValueError: no ${String(n)}\n[^]*line 4, in f`));
        }
      }
    });
  });

  // Catches objects that aren't there, or are others by now, that end the batch of all the rest.
  void it('fail alone where their object is missing or has changed', async () => {
    const folder = workspace.newFolder('in');
    writeFileSync(`${folder}/a`, 'a');
    const href = fileHref(`${folder}/a`);
    const { version } = await store.stat(href);
    await withWorker({ code: ['f.py', 'def f(item): return open(item.file).read()\n'] }, async (worker) => {
      assert.equal((await worker.work(objectItem(0, href, 'a', { version }))).value, 'a');
      const missing = await thrown(worker.work(objectItem(1, fileHref(`${folder}/b`), 'b')));
      assert.ok(missing instanceof InputUnavailableError && isItemsOwn(missing));
      writeFileSync(`${folder}/a`, 'other');
      const changed = await thrown(worker.work(objectItem(0, href, 'a', { version })));
      assert.ok(changed instanceof DataError && changed.code === 'STORE_CHANGED' && isItemsOwn(changed));
    });
  });

  // Catches code that is found to be wrong again for each of a million items.
  void it('are refused before the first item', async () => {
    const before = leftFolders();
    const error = await thrown(withWorker({ code: ['f.py', 'def g(item): pass\n'] }, async () => await Promise.resolve()));
    assert.ok(error instanceof JobError && !isItemsOwn(error));
    assert.equal(error.code, 'FUNCTION_MISSING');
    assert.deepEqual(leftFolders(), before);
  });

  // Catches a worker that can't be stopped before a long item is over, and folders and processes that it leaves.
  void it('are given up when the worker closes', async () => {
    const before = leftFolders();
    const worker = await startWorker({ store, workspace, code: ['f.py', 'import time\ndef f(item): time.sleep(1000)\n'] });
    const all = Promise.allSettled([worker.work(parameterItem(0, {})), worker.work(parameterItem(1, {}))]);
    await worker.close();
    for (const result of await all) assert.ok(result.status === 'rejected' && result.reason instanceof TryAgainError && !isItemsOwn(result.reason), JSON.stringify(result));
    assert.deepEqual(leftFolders(), before);
  });

  // Catches scratch folders that fill the disk, item after item.
  void it('leave nothing on the disk of the worker', async () => {
    await withWorker({ code: ['f.py', "def f(n, item):\n    open(item.folder + '/big', 'w').write('x' * 1000)\n    return item.folder\n"], outputs: folderHref(workspace.path('clean')) }, async (worker) => {
      const folder = String((await worker.work(parameterItem(0, { n: 1 }))).value);
      assert.ok(!existsSync(folder));
      assert.deepEqual(readdirSync(join(folder, '..')).sort(), ['code', 'scratch-0']);
    });
  });
});

void describe('functions over objects in S3', { skip: withoutGdal === false ? whyNoS3Server() : withoutGdal }, () => {
  // Catches keys that aren't file names, objects and files of more than one part, and bytes that are changed on the way.
  void it('get them as files, and put files', async () => {
    const server = await startS3Server('photos');
    Object.assign(process.env, server.env);
    const s3 = createStore();
    try {
      mkdirSync(`${server.root}/results`);
      // More than one range request to read, more than one part to put.
      const large = Buffer.alloc(21 * 2 ** 20 + 13, Buffer.from('0123456789abcdef!'));
      const keys = ['a b/ü+%20#?.txt', `long/${'x'.repeat(200)}.tar.gz`, 'large.bin'];
      for (const key of keys) await s3.put(`s3://photos/${key}`, key === 'large.bin' ? large : Buffer.from(key));
      const source = `
import hashlib, os, shutil
def f(item):
    with open(item.file, 'rb') as file: digest = hashlib.sha256(file.read()).hexdigest()
    os.mkdir(item.folder + '/copies')
    shutil.copy(item.file, item.folder + '/copies/a copy')
    return [digest, os.path.splitext(item.file)[1], item.size, item.name]
`;
      await withWorker({ store: s3, code: ['f.py', source], outputs: 's3://results/made/', count: 2 }, async (worker) => {
        const done = await Promise.all(keys.map(async (key, i) => await worker.work(objectItem(i, `s3://photos/${key}`, key))));
        for (const [i, key] of keys.entries()) {
          const bytes = key === 'large.bin' ? large : Buffer.from(key);
          const name = key.split('/').at(-1);
          assert.deepEqual(done[i]?.value, [sha256(bytes), /\.[a-z]+$/.exec(key)?.[0], bytes.length, name]);
          assert.deepEqual(done[i]?.outputs, [{ href: `s3://results/made/${key}/copies/a copy`, path: `${key}/copies/a copy`, size: bytes.length, sha256: sha256(bytes) }]);
          assert.equal(sha256(await s3.readAll(`s3://results/made/${key}/copies/a copy`)), sha256(bytes));
        }
        const error = await thrown(worker.work(objectItem(7, 's3://photos/gone', 'gone')));
        assert.ok(error instanceof InputUnavailableError && isItemsOwn(error));
        // As split has found it; then it is another, and then it is gone.
        const { size, version } = await s3.stat(`s3://photos/${keys[0] ?? ''}`);
        const known = objectItem(6, `s3://photos/${keys[0] ?? ''}`, 'known', { size, version });
        assert.equal(((await worker.work(known)).value as unknown[])[2], size);
        await s3.put(`s3://photos/${keys[0] ?? ''}`, Buffer.alloc(size, 'z'));
        assert.equal((await thrown(worker.work(known))).code, 'STORE_CHANGED');
        rmSync(`${server.root}/photos/${keys[0] ?? ''}`);
        assert.equal((await thrown(worker.work(known))).code, 'STORE_NOT_FOUND');
        const changed = await thrown(worker.work(objectItem(8, 's3://photos/large.bin', 'large.bin', { version: '"0123"' })));
        assert.equal(changed.code, 'STORE_CHANGED');
        // A key has 1024 bytes at most, and the item's path is in it.
        const long = await thrown(worker.work(objectItem(9, 's3://photos/large.bin', 'y'.repeat(1020))));
        assert.ok(long.code === 'FILE_UNUSABLE' && isItemsOwn(long), long.message);
      });
    } finally {
      await s3.close();
      await server.stop();
    }
  });
});
