/** The file that pixels go through, and scratch folders. */
import assert from 'node:assert/strict';
import { chmodSync, existsSync, fstatSync, mkdirSync, readdirSync, readSync, statSync, symlinkSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';

import { makeScratchFolder, removeScratchFolder } from '../../lib/code/scratch-folder.ts';
import { makeSharedFile } from '../../lib/code/shared-file.ts';
import { createWorkspace } from '../support/workspace.ts';

const workspace = createWorkspace('shared-file');
after(() => workspace.remove());

void describe('a shared file', () => {
  // Catches a file that stays when its worker is killed, that has holes, or that others can read.
  void it('has its room and no name', () => {
    const folder = workspace.newFolder();
    const file = makeSharedFile(3 * 1024 ** 2 + 5, [folder]);
    try {
      const { size, blocks, mode } = fstatSync(file.fd);
      assert.deepEqual([size, mode & 0o777, file.folder, readdirSync(folder)], [3 * 1024 ** 2 + 5, 0o600, folder, []]);
      assert.ok(blocks * 512 >= size);
      writeSync(file.fd, Buffer.from('pixels'), 0, 6, 7);
      const back = Buffer.alloc(6);
      readSync(file.fd, back, 0, 6, 7);
      assert.equal(back.toString(), 'pixels');
    } finally {
      file.close();
    }
  });

  // Catches a container without /dev/shm, or with a small one, in which nothing runs.
  void it('lies in the next folder when the first has no room', () => {
    const folder = workspace.newFolder();
    const file = makeSharedFile(8, ['/nowhere', folder]);
    assert.equal(file.folder, folder);
    file.close();
  });

  // Catches a failure in the middle of a tile, instead of a sentence that says what there is and what helps.
  void it('says that there is no room', () => {
    assert.throws(() => makeSharedFile(2 ** 52, ['/nowhere', workspace.folder]), {
      name: 'OutputError',
      code: 'SHARED_FILE_NO_ROOM',
      message: /no room for the 4503599628 MB .*: \/nowhere cannot be used \(ENOENT.*; .* has room for \d+ MB\. Make tiles smaller/,
    });
  });
});

void describe('a scratch folder', () => {
  // Catches files that one batch leaves for the next, and a clean-up that a program can prevent or lead elsewhere.
  void it('is made empty, and goes with all that is in it', async () => {
    const path = workspace.path('scratch/deep');
    const elsewhere = workspace.newFolder();
    writeFileSync(join(elsewhere, 'kept'), '');
    const fill = (): void => {
      mkdirSync(join(path, 'closed/inner'), { recursive: true });
      writeFileSync(join(path, 'closed/inner/file'), '');
      symlinkSync(elsewhere, join(path, 'closed/link'));
      chmodSync(join(path, 'closed/inner'), 0);
      chmodSync(join(path, 'closed'), 0);
    };
    await makeScratchFolder(path);
    assert.equal(statSync(path).mode & 0o777, 0o700);
    fill();
    await makeScratchFolder(path);
    assert.deepEqual(readdirSync(path), []);
    fill();
    await removeScratchFolder(path);
    assert.ok(!existsSync(path));
    assert.deepEqual(readdirSync(elsewhere), ['kept']);
    // Again is harmless.
    await removeScratchFolder(path);
  });

  // Catches a failure of the system's that says nothing of what it was for.
  void it('says that it cannot be made', async () => {
    writeFileSync(workspace.path('file'), '');
    await assert.rejects(makeScratchFolder(workspace.path('file/scratch')), { name: 'OutputError', code: 'SCRATCH_UNUSABLE', message: /scratch folder .*file\/scratch for user code cannot be made: ENOTDIR/ });
  });
});
