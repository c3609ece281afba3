/** What only files have: folders, pipes, descriptors, full disks, permissions, several processes on one folder. */
import assert from 'node:assert/strict';
import { execFile, execFileSync, spawn } from 'node:child_process';
import { chmodSync, closeSync, mkdirSync, mkdtempSync, openSync, readdirSync, readlinkSync, rmSync, symlinkSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import { freemem, tmpdir } from 'node:os';

import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { promisify } from 'node:util';

import { readError, writeError } from '../../lib/store/file-errors.ts';
import { FileStore } from '../../lib/store/file-store.ts';
import { fileHref } from '../../lib/store/href.ts';
import { all, layOut, pattern, rejects } from './contract.ts';

const run = promisify(execFile);
const home = mkdtempSync(join(tmpdir(), 'tilefan-file-store-'));
const storeModule = join(import.meta.dirname, '../../lib/store/file-store.ts');
let count = 0;
function folder(): string {
  const path = join(home, `t${++count}`);
  mkdirSync(path);
  return path;
}
after(() => rmSync(home, { recursive: true, force: true }));

void describe('file store: bad paths', () => {
  const store = new FileStore();

  void it('writes into a missing folder only when asked to create it', async () => {
    const root = folder();
    const href = fileHref(`${root}/no such/folder/o.tif`);
    await rejects(store.put(href, pattern(1, 1)), 'STORE_NO_FOLDER', 'OutputError', `${root}/no such/folder`);
    await rejects(store.assemble(href), 'STORE_NO_FOLDER', 'OutputError', `${root}/no such/folder`);
    assert.deepEqual(readdirSync(root), []);
    assert.equal(await store.put(href, pattern(1, 1), { createFolders: true }), 'written');
    await (await store.assemble(fileHref(`${root}/other/o.tif`), { createFolders: true })).abort();
  });

  void it('makes a folder again that has gone since the last file', async () => {
    const root = folder();
    const href = fileHref(`${root}/results/o`);
    for (const body of [pattern(10, 1), [pattern(5, 2), pattern(6, 3)]]) {
      assert.equal(await store.put(href, body, { createFolders: true }), 'written');
      assert.equal(await store.put(href, body), 'written');
      assert.deepEqual(readdirSync(`${root}/results`), ['o']);
      assert.deepEqual(await store.readAll(href), body instanceof Uint8Array ? body : new Uint8Array(Buffer.concat(body)));
      rmSync(`${root}/results`, { recursive: true });
      await rejects(store.put(href, body), 'STORE_NO_FOLDER', 'OutputError', `${root}/results`);
    }
  });

  void it('tells folders, pipes and files in the way of a path from files', async () => {
    const root = folder();
    mkdirSync(join(root, 'dir.tif'));
    writeFileSync(join(root, 'plain'), 'x');
    const dir = fileHref(`${root}/dir.tif`);
    for (const work of [() => store.stat(dir), () => store.readAll(dir), () => store.readInto(dir, 0, new Uint8Array(1))]) await rejects(work(), 'STORE_IS_DIRECTORY', 'InputUnavailableError', 'it is a folder');
    for (const work of [() => store.put(dir, pattern(1, 1)), () => store.put(dir, pattern(1, 1), { ifAbsent: true }), () => store.assemble(dir)]) await rejects(work(), 'STORE_IS_DIRECTORY', 'OutputError', 'a folder of that name exists');
    await rejects(store.stat(fileHref(`${root}/plain/o`)), 'STORE_NOT_FOUND', 'InputUnavailableError', 'a part of its path is a file');
    await rejects(store.put(fileHref(`${root}/plain/o`), pattern(1, 1), { createFolders: true }), 'STORE_NOT_A_FOLDER', 'OutputError', 'a part of its path is a file');
    // Would hang for ever if it were opened like a file.
    execFileSync('mkfifo', [join(root, 'pipe')]);
    const pipe = fileHref(`${root}/pipe`);
    for (const work of [() => store.stat(pipe), () => store.readAll(pipe), () => store.readInto(pipe, 0, new Uint8Array(1))]) await rejects(work(), 'STORE_NOT_A_FILE', 'InputUnavailableError', 'pipe');
    await rejects(store.put(pipe, pattern(1, 1)), 'STORE_NOT_A_FILE', 'OutputError', 'pipe');
    assert.deepEqual(readdirSync(root).sort((a, b) => (a < b ? -1 : 1)), ['dir.tif', 'pipe', 'plain'], 'nothing left behind');
  });

  void it('explains names that are too long and links that go round', async () => {
    const root = folder();
    const long = fileHref(`${root}/${'n'.repeat(256)}`);
    await rejects(store.stat(long), 'STORE_UNREADABLE', 'InputUnavailableError', 'name is too long');
    await rejects(store.put(long, pattern(1, 1)), 'STORE_BAD_NAME', 'OutputError', 'name is too long');
    symlinkSync('round', join(root, 'round'));
    await rejects(store.readAll(fileHref(`${root}/round`)), 'STORE_UNREADABLE', 'InputUnavailableError', 'circle');
    // The longest name that a file system takes, in characters of four bytes: the temporary name must be cut without breaking one.
    const longest = fileHref(`${root}/${'😀'.repeat(63)}`);
    assert.equal(await store.put(longest, pattern(1, 1)), 'written');
    const parts = layOut([[{ kind: 'bytes', bytes: pattern(3, 1) }]]);
    const assembly = await store.assemble(longest);
    for (const part of parts) await assembly.put(part);
    assert.equal((await assembly.complete(parts)).size, 3);
  });

  // Catches: a read of more than the system does at once, which ends Node itself.
  void it('reads more than 2 GiB at once', { skip: Math.min(freemem(), process.availableMemory()) < 8 * 2 ** 30 ? 'wants 8 GiB of free memory' : false }, async () => {
    const path = join(folder(), 'large');
    const size = 2 ** 31 + 5;
    writeFileSync(path, '');
    truncateSync(path, size);
    const file = openSync(path, 'r+');
    writeSync(file, 'end', size - 3);
    closeSync(file);
    const bytes = Buffer.allocUnsafeSlow(size);
    await store.readInto(fileHref(path), 0, bytes);
    assert.equal(bytes.subarray(-5).toString(), '\0\0end');
  });

  // Catches: files that are left out of a listing without a word, the character that stands for lost bytes taken for them where it is really there.
  void it('refuses to list what has a name that is no UTF-8', { skip: process.platform === 'linux' ? false : 'names are UTF-8 here' }, async () => {
    const root = folder();
    const name = (text: string): Buffer => Buffer.from(`${root}/${text}`, 'latin1');
    const listed = async (below: string): Promise<string[]> => {
      const hrefs: string[] = [];
      for await (const { href } of store.list(fileHref(`${root}/${below}`))) hrefs.push(href);
      return hrefs;
    };
    mkdirSync(`${root}/z\uFFFD`);
    for (const each of ['a', 'z\uFFFD/\uFFFD.jpg', '\uFEFFmarked']) writeFileSync(`${root}/${each}`, 'x');
    symlinkSync('nowhere\uFFFD', join(root, 'link'));
    const all = ['\uFEFFmarked', 'a', 'z\uFFFD/\uFFFD.jpg'].map((each) => fileHref(`${root}/${each}`));
    assert.deepEqual(await listed(''), all);
    for (const href of all) assert.equal((await store.readAll(href)).length, 1);
    await rejects(store.readAll(fileHref(`${root}/gone\uFFFD`)), 'STORE_NOT_FOUND', 'InputUnavailableError', 'does not exist');

    writeFileSync(name('caf\u00e9.jpg'), 'x');
    await rejects(listed(''), 'STORE_NAME', 'InputUnavailableError', String.raw`it has names that aren't UTF-8, and so can't be said: caf\xe9.jpg; rename`);
    for (const each of ['d\u00e9', '\u00e4', '\u00e5', '\u00e6']) writeFileSync(name(each), 'x');
    await rejects(listed(''), 'STORE_NAME', 'InputUnavailableError', ' and 2 more; rename');
    assert.deepEqual(await listed('z'), all.slice(2));
    mkdirSync(name('z\u00ef\u00bf\u00bd/d\u00e9'));
    await rejects(listed('z'), 'STORE_NAME', 'InputUnavailableError', String.raw`can't be said: d\xe9; rename`);
    assert.equal(await store.removePrefix(fileHref(`${root}/z\uFFFD/`)), 2);
    assert.deepEqual(readdirSync(root, { encoding: 'buffer' }).filter((each) => each[0] === 0x7a), []);
  });

  void it('has words for every system error that a user can meet', () => {
    const made = (code: string): Error => Object.assign(new Error(`${code}: made up`), { code });
    const table = { EACCES: 'STORE_DENIED', EPERM: 'STORE_DENIED', EROFS: 'STORE_DENIED', ENOSPC: 'STORE_FULL', EDQUOT: 'STORE_FULL', EFBIG: 'STORE_FULL', EMFILE: 'STORE_BUSY', ENFILE: 'STORE_BUSY', ESTALE: 'STORE_BUSY', ELOOP: 'STORE_BAD_NAME', EIO: 'STORE_UNWRITABLE' };
    for (const [errno, code] of Object.entries(table)) {
      const error = writeError(made(errno), 'file:///out/a%20b.tif');
      assert.equal(error.code, code);
      assert.equal(error.retryable, code === 'STORE_BUSY');
      assert.match(error.message, /\/out\/a b\.tif/);
      assert.match(error.message, new RegExp(errno));
    }
    assert.equal(readError(made('EMFILE'), 'file:///in').exitCode, 75);
    assert.equal(readError(made('EACCES'), 'file:///in').exitCode, 69);
    assert.equal(readError(made('EIO'), 'file:///in').code, 'STORE_UNREADABLE');
  });

  void it('never removes the root, and never follows links when it removes', async () => {
    const root = folder();
    const kept = join(folder(), 'kept');
    writeFileSync(kept, 'x');
    mkdirSync(join(root, 'run'));
    symlinkSync(join(kept, '..'), join(root, 'run', 'link'));
    await rejects(store.removePrefix('file:///'), 'HREF_NOT_A_PREFIX', 'JobError');
    await store.removePrefix(fileHref(`${root}/run/`));
    assert.deepEqual(readdirSync(root), []);
    assert.equal(Buffer.from(await store.readAll(fileHref(kept))).toString(), 'x');
  });

  void it('refuses a token that is not its own, which would otherwise become part of a path', async () => {
    await rejects(store.assemble(fileHref(`${folder()}/o`), { token: '../../etc/passwd' }), 'STORE_ASSEMBLY_GONE', 'OutputError');
  });
});

void describe('file store: what lies in the making', () => {
  const store = new FileStore();

  void it('shows neither temporary files nor assemblies, and removes them with their folder', async () => {
    const root = folder();
    const assembly = await store.assemble(fileHref(`${root}/run/o.tif`), { createFolders: true });
    await assembly.put({ number: 1, offset: 0, length: 1, pieces: [{ kind: 'bytes', bytes: pattern(1, 1) }] });
    writeFileSync(`${root}/run/.o.tif.0123456789abcdef01234567.tmp`, 'left by a killed process');
    writeFileSync(`${root}/run/.mine.part`, 'a user may call files so');
    assert.deepEqual((await all(store.list(fileHref(`${root}/run/`)))).map(({ href }) => href), [fileHref(`${root}/run/.mine.part`)]);
    assert.equal(await store.removePrefix(fileHref(`${root}/run/`)), 1);
    assert.deepEqual(readdirSync(root), []);
  });

  void it('takes no line of a part that a killed process did not finish', async () => {
    const root = folder();
    const parts = layOut([[{ kind: 'bytes', bytes: pattern(5_300_000, 1) }], [{ kind: 'bytes', bytes: pattern(12, 2) }]]);
    const assembly = await store.assemble(fileHref(`${root}/o`));
    const [first] = parts;
    assert.ok(first);
    await assembly.put(first);
    const list = readdirSync(root).find((name) => name.endsWith('.parts'));
    assert.ok(list);
    writeFileSync(join(root, list), '\n2 5300000 12', { flag: 'a' });
    assert.deepEqual(await assembly.stored(), new Set([1]));
    await rejects(assembly.complete(parts), 'STORE_INCOMPLETE', 'DataError', ': 2');
    for (const part of parts.slice(1)) await assembly.put(part);
    await assembly.complete(parts);
    assert.deepEqual(readdirSync(root), ['o']);
  });

  void it('does not take a part for stored that was stored under another layout', async () => {
    const assembly = await store.assemble(fileHref(`${folder()}/o`));
    const before = layOut([[{ kind: 'bytes', bytes: pattern(6_000_000, 1) }], [{ kind: 'bytes', bytes: pattern(50, 2) }]]);
    const now = layOut([[{ kind: 'bytes', bytes: pattern(5_300_000, 1) }], [{ kind: 'bytes', bytes: pattern(60, 2) }]]);
    for (const part of before) await assembly.put(part);
    await rejects(assembly.complete(now), 'STORE_INCOMPLETE', 'DataError', '1, 2');
    for (const part of now) await assembly.put(part);
    assert.equal((await assembly.complete(now)).size, 5_300_060);
  });
});

void describe('file store: descriptors', () => {
  void it('keeps at most so many files open, opens each once, and closes all', async () => {
    const root = folder();
    const names = Array.from({ length: 20 }, (_, index) => `${root}/f${index}`);
    for (const name of names) writeFileSync(name, pattern(100, 1));
    const open = (): string[] =>
      readdirSync('/proc/self/fd').flatMap((fd) => {
        try {
          const path = readlinkSync(`/proc/self/fd/${fd}`);
          return path.startsWith(root) ? [path] : [];
        } catch {
          return [];
        }
      });
    const store = new FileStore({ maxOpenFiles: 5 });
    let most = 0;
    await Promise.all(
      Array.from({ length: 400 }, async (_, index) => {
        await store.readInto(fileHref(names[index % 20] ?? ''), index % 90, new Uint8Array(10));
        most = Math.max(most, open().length);
      }),
    );
    assert.ok(most > 1 && most <= 6, `${most} files open at once; one more than the bound may be closing`);
    assert.ok(open().length <= 5);
    await store.readInto(fileHref(names[0] ?? ''), 0, new Uint8Array(10));
    rmSync(names[0] ?? '');
    await store.readInto(fileHref(names[0] ?? ''), 0, new Uint8Array(10));
    await store.close();
    assert.deepEqual(open(), []);
    await rejects(store.readInto(fileHref(names[0] ?? ''), 0, new Uint8Array(10)), 'STORE_NOT_FOUND', 'InputUnavailableError');
    await store.close();
  });
});

void describe('file store: several processes', () => {
  void it('lets exactly one of two racing processes write, and its bytes are whole', async () => {
    const root = folder();
    const program = `
      import { FileStore } from ${JSON.stringify(storeModule)};
      const store = new FileStore();
      const answers = [];
      while (Date.now() < Number(process.argv[2])) {}
      for (let n = 0; n < 100; n++) answers.push(await store.put(process.argv[1] + '/o' + n, Buffer.alloc(50_000, process.pid % 251), { ifAbsent: true }));
      console.log(JSON.stringify({ pid: process.pid, answers }));`;
    const start = String(Date.now() + 500);
    const outputs = await Promise.all([1, 2].map(async () => (await run(process.execPath, ['--input-type=module', '-e', program, root, start])).stdout));
    const [a, b] = outputs.map((text): { pid: number; answers: string[] } => JSON.parse(text));
    assert.ok(a && b);
    const store = new FileStore();
    for (let n = 0; n < 100; n++) {
      assert.deepEqual([a.answers[n], b.answers[n]].sort((x, y) => ((x ?? '') < (y ?? '') ? -1 : 1)), ['exists', 'written'], `object ${n}`);
      const winner = a.answers[n] === 'written' ? a.pid : b.pid;
      assert.ok(Buffer.from(await store.readAll(`${root}/o${n}`)).equals(Buffer.alloc(50_000, winner % 251)));
    }
    assert.equal(readdirSync(root).length, 100, 'no temporary file is left');
  });

  void it('shows nothing of an object whose writer is killed', async () => {
    const root = folder();
    const program = `
      import { FileStore } from ${JSON.stringify(storeModule)};
      const store = new FileStore();
      console.log('go');
      for (let n = 0; ; n++) await store.put(process.argv[1] + '/o' + n, Buffer.alloc(3_000_000, 7), { ifAbsent: true });`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', program, root], { stdio: ['ignore', 'pipe', 'inherit'] });
    await new Promise((resolve) => child.stdout.once('data', resolve));
    await new Promise((resolve) => setTimeout(resolve, 60));
    child.kill('SIGKILL');
    await new Promise((resolve) => child.once('close', resolve));
    const found = await all(new FileStore().list(`${root}/`));
    assert.deepEqual(found.filter(({ size }) => size !== 3_000_000), []);
  });
});

/** A small file system of our own, where this user may mount one. */
function mounted(options: string): string | undefined {
  const path = folder();
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tilefan-test', path], { stdio: 'ignore' });
  } catch {
    return undefined;
  }
  after(() => execFileSync('umount', [path]));
  return path;
}

void describe('file store: disks and permissions', () => {
  const store = new FileStore();

  void it('says that the disk is full, and leaves nothing half-written', async (test) => {
    const root = mounted('size=2m');
    if (root === undefined) return skipped(test, 'no right to mount a tmpfs here');
    const href = fileHref(`${root}/o`);
    await rejects(store.put(href, pattern(3_000_000, 1)), 'STORE_FULL', 'OutputError', `${root}/o`);
    assert.deepEqual(readdirSync(root), []);
    const assembly = await store.assemble(href);
    const part = { number: 1, offset: 0, length: 3_000_000, pieces: [{ kind: 'bytes', bytes: pattern(3_000_000, 1) }] } as const;
    await rejects(assembly.put(part), 'STORE_FULL', 'OutputError', 'no space left');
    assert.deepEqual(await assembly.stored(), new Set());
    await assembly.abort();
    assert.equal(await store.put(href, pattern(1_200_000, 1)), 'written');
    // Small files are written in another way (local-files.ts).
    await rejects(store.put(fileHref(`${root}/p`), [pattern(600_000, 1), pattern(448_000, 1)]), 'STORE_FULL', 'OutputError', `${root}/p`);
    assert.deepEqual(readdirSync(root), ['o']);
  });

  void it('says that the file system is read-only', async (test) => {
    const root = mounted('size=2m,ro');
    if (root === undefined) return skipped(test, 'no right to mount a tmpfs here');
    await rejects(store.put(fileHref(`${root}/o`), pattern(1, 1)), 'STORE_DENIED', 'OutputError', 'read-only');
    await rejects(store.assemble(fileHref(`${root}/o`)), 'STORE_DENIED', 'OutputError', 'read-only');
  });

  void it('says that there is no permission', async (test) => {
    const root = folder();
    writeFileSync(`${root}/secret`, 'x', { mode: 0o000 });
    chmodSync(root, 0o555);
    // Root may do everything: so another user tries. The module tree must be readable for it.
    const program = `
      import { FileStore } from ${JSON.stringify(storeModule)};
      const store = new FileStore();
      const codes = [];
      for (const work of [() => store.readAll(process.argv[1] + '/secret'), () => store.put(process.argv[1] + '/o', Buffer.alloc(1)), () => store.assemble(process.argv[1] + '/o')])
        codes.push(await work().then(() => 'none', (error) => error.name + ' ' + error.code + ' ' + error.message.includes(process.argv[1])));
      console.log(JSON.stringify(codes));`;
    const isRoot = process.getuid?.() === 0;
    if (isRoot) chmodSync(home, 0o755);
    try {
      const { stdout } = await run(process.execPath, ['--input-type=module', '-e', program, root], isRoot ? { uid: 65534, gid: 65534 } : {});
      assert.deepEqual(JSON.parse(stdout), ['InputUnavailableError STORE_DENIED true', 'OutputError STORE_DENIED true', 'OutputError STORE_DENIED true']);
    } catch (error) {
      const cannotStart = isRoot && error instanceof Error && 'code' in error && (error.code === 'EACCES' || error.code === 'EPERM' || error.code === 'ENOENT');
      if (!cannotStart) throw error;
      skipped(test, `another user can't run Node here (${error.message})`);
    } finally {
      chmodSync(root, 0o755);
    }
  });
});

function skipped(test: { skip(reason: string): void; readonly name: string }, reason: string): void {
  console.log(`# skipped: ${test.name}: ${reason}`);
  test.skip(reason);
}
