/** Items below a prefix: which keys a pattern takes, and what they are called. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { after, describe, it } from 'node:test';
import { pathTest } from '../../../lib/job/items/item-path.ts';
import { createWorkspace } from '../../support/workspace.ts';
import { rejects } from '../../store/contract.ts';
import { splitHere } from './split-in-test.ts';

const names = [
  'cat.jpg', 'cat.JPG', 'Dog.Png', 'a b.jpg', 'ü.jpg', '日本.png', 'x[1].jpg', 'x{1}.jpg', 'notes.txt', 'noextension', 'jpg', '.hidden.jpg', '._cat.jpg',
  '2024/cat.jpg', '2024/05/cat 1+1%.jpg', '2024/05/CAT.PNG', '2024/.thumbs/cat.jpg', '2024/cat.jpg.txt', "it's.jpg", 'a#b?.jpg', 'new\nline.jpg', 'new\nfolder/cat.jpg',
];

void describe('items below a prefix', () => {
  const workspace = createWorkspace('prefix-items');
  after(() => workspace.remove());
  for (const name of names) {
    mkdirSync(dirname(workspace.path(`in/${name}`)), { recursive: true });
    writeFileSync(workspace.path(`in/${name}`), name);
  }

  /** The files that bash finds. */
  function bash(pattern: string): string[] {
    const found = execFileSync('bash', [...['globstar', 'nocaseglob', 'nullglob', 'extglob'].flatMap((option) => ['-O', option]), '-c', `for f in ${pattern}; do [ -f "$f" ] && printf '%s\\0' "$f"; done; true`], { cwd: workspace.path('in'), encoding: 'utf8', env: { ...process.env, LC_ALL: 'C.UTF-8' } });
    return [...new Set(found.split('\0').filter((name) => name !== ''))].toSorted();
  }

  void it('are those that bash finds with globstar and nocaseglob', async () => {
    for (const pattern of ['**/*.{jpg,png}', '*.jpg', '**/*', '*', '2024/**', '2024/*/*', '**/cat*.[jp]*', '?at.jpg', '[a-d]*', '**/.*', '*/cat.jpg', '**/05/*', '!(cat).jpg', '**/*.jp?(e)g', 'x\\[1\\].jpg', 'nothing*', '[!c]*.jpg', '**/2024/**/*.png']) {
      const test = pathTest(pattern);
      assert.deepEqual(names.filter((name) => test(name)).toSorted(), bash(pattern), pattern);
    }
    const { found } = await splitHere(workspace, { items: { prefix: 'in', match: '**/*.{jpg,png}' } });
    assert.deepEqual(found.map(({ path }) => path).toSorted(), bash('**/*.{jpg,png}'));
  });

  void it('are called by their path below the prefix, in the order of their hrefs, and numbered', async () => {
    const { found, items } = await splitHere(workspace, { items: { prefix: 'in' } });
    const visible = names.filter((name) => !name.split('/').some((part) => part.startsWith('.')));
    assert.deepEqual(found.map(({ path }) => path).toSorted(), visible.toSorted(), 'without a pattern all that is not hidden');
    assert.deepEqual(found.map(({ index }) => index), visible.map((_, i) => i));
    assert.deepEqual(found.map(({ href }) => href ?? ''), found.map(({ href }) => href ?? '').toSorted());
    assert.equal(items.bytes, visible.reduce((sum, name) => sum + Buffer.byteLength(name), 0));
    const cat = found.find(({ path }) => path === '2024/05/cat 1+1%.jpg');
    assert.deepEqual([cat?.href, cat?.size, cat?.parameters, typeof cat?.version], [`file://${workspace.path('in')}/2024/05/cat%201+1%25.jpg`, 20, null, 'string']);
  });

  void it('may be written in either form of Unicode', () => {
    const test = pathTest('é*.jpg');
    assert.deepEqual(['e\u0301t\u00e9.jpg', '\u00c9t.JPG', 'e.jpg'].map((path) => test(path)), [true, true, false]);
  });

  void it('have to be there', async () => {
    await rejects(splitHere(workspace, { items: { prefix: 'in', match: '**/*.gif' } }), 'ITEMS_NONE', 'JobError', 'has 22 objects, none of which matches "**/*.gif"');
    await rejects(splitHere(workspace, { items: { prefix: 'nowhere' } }), 'ITEMS_NONE', 'JobError', 'there is no folder');
    writeFileSync(workspace.path('one.jpg'), 'x');
    await rejects(splitHere(workspace, { items: { prefix: 'one.jpg' } }), 'ITEMS_NONE', 'JobError', 'one.jpg is a file; wanted a folder');
    mkdirSync(workspace.path('bare'));
    await rejects(splitHere(workspace, { items: { prefix: 'bare' } }), 'ITEMS_NONE', 'JobError', 'bare/ has no objects');
  });
});

void describe('items of a list in the job', () => {
  const workspace = createWorkspace('listed-items');
  after(() => workspace.remove());
  mkdirSync(workspace.path('a/b'), { recursive: true });
  writeFileSync(workspace.path('a/cat.jpg'), 'cat');
  writeFileSync(workspace.path('a/b/cat.jpg'), 'other');

  void it('know size and version; one that is missing is an item all the same', async () => {
    const { found, items } = await splitHere(workspace, { items: { hrefs: ['a/b/cat.jpg', 'a/gone.jpg'] } });
    assert.deepEqual(found.map(({ path, size, version }) => [path, size, version === null]), [['cat.jpg', 5, false], ['gone.jpg', null, true]]);
    assert.equal(items.count, 2);
  });

  void it('come once each, however often they are listed', async () => {
    const { found, items } = await splitHere(workspace, { items: { hrefs: ['a/cat.jpg', 'a/cat.jpg', `${workspace.folder}/a/cat.jpg`] } });
    assert.deepEqual([found.length, items.count, items.repeated], [1, 1, 2]);
  });

  void it('are refused where two copies would have one key, unless a base tells them apart', async () => {
    const images = { operation: { images: { small: { width: 10 } } }, outputs: { prefix: 'out' } };
    const hrefs = ['a/cat.jpg', 'a/b/cat.jpg'];
    await rejects(splitHere(workspace, { ...images, items: { hrefs } }), 'ITEM_PATH_TWICE', 'DataError', 'items 0 and 1');
    const { found } = await splitHere(workspace, { ...images, items: { hrefs, base: 'a' } });
    assert.deepEqual(found.map(({ path }) => path), ['cat.jpg', 'b/cat.jpg']);
    const functions = await splitHere(workspace, { items: { hrefs } });
    assert.deepEqual(functions.found.map(({ path }) => path), ['cat.jpg', 'cat.jpg.00000001'], 'of functions the second folder gets another name');
    await rejects(splitHere(workspace, { ...images, items: { hrefs, base: 'a/b' } }), 'MANIFEST_ROW', 'DataError', "doesn't lie below");
  });

  void it('are refused where the run writes', async () => {
    const images = { operation: { images: { b: { width: 10 } } }, outputs: { prefix: 'a' } };
    await rejects(splitHere(workspace, { ...images, items: { hrefs: ['a/b/cat.jpg'] } }), 'ITEM_WRITTEN', 'JobError', '$.operation.images.b');
  });
});
