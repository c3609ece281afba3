/** Scenes out of STAC documents: which href each item gives, and what is said of documents that give none. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { after, describe, it } from 'node:test';
import { stacScenes } from '../../lib/job/stac.ts';
import { FileStore } from '../../lib/store/file-store.ts';
import { fileHref } from '../../lib/store/href.ts';
import { createWorkspace } from '../support/workspace.ts';

const space = createWorkspace('stac');
const store = new FileStore();
after(async () => {
  await store.close();
  space.remove();
});

type Assets = Readonly<Record<string, unknown>>;

function item(id: string, assets: Assets): object {
  return { type: 'Feature', stac_version: '1.0.0', id, geometry: null, properties: {}, links: [], assets };
}

async function hrefsOf(document: unknown, asset = 'data'): Promise<readonly string[]> {
  const href = fileHref(space.path('items.json'));
  writeFileSync(space.path('items.json'), typeof document === 'string' ? document : JSON.stringify(document));
  const scenes = await stacScenes(store, 'a', { stac: { href, asset } });
  for (const { path } of scenes) assert.deepEqual(path, ['inputs', 'a', 'stac', 'href']);
  return scenes.map(({ href: found }) => found);
}

const collection = (...features: readonly object[]): object => ({ type: 'FeatureCollection', features });

void describe('the scenes of a STAC document', () => {
  // Catches: items in another order or left out, and hrefs that are taken relative to the working folder.
  void it('are the asset of every item, in their order, relative to the document', async () => {
    const items = collection(
      item('2', { data: { href: './b/2.tif' }, other: { href: 'x.tif' } }),
      item('1', { data: { href: '../1.tif' } }),
      item('3', { data: { href: 's3://bucket/a b%2.tif', 'raster:bands': [{ nodata: 0 }] } }),
      item('2', { data: { href: '/data/4.tif' } }),
    );
    assert.deepEqual(await hrefsOf(items), [fileHref(space.path('b/2.tif')), fileHref(space.path('../1.tif')), 's3://bucket/a b%2.tif', 'file:///data/4.tif']);
    assert.deepEqual(await hrefsOf(item('one', { data: { href: '1.tif' } })), [fileHref(space.path('1.tif'))]);
  });

  // Catches: assets of catalogues that give https and S3, refused; an alternate taken where the href itself can be read; one that isn't in S3.
  void it('lie at the alternate in S3 where their own href can not be read', async () => {
    const https = { href: 'https://example.com/b04.tif', alternate: { s3: { href: 's3://scenes/b04.tif', 'alternate:name': 'S3' } } };
    const readable = { href: 's3://mine/b04.tif', alternate: { s3: { href: 's3://scenes/b04.tif' } } };
    assert.deepEqual(await hrefsOf(collection(item('1', { data: https }), item('2', { data: readable }))), ['s3://scenes/b04.tif', 's3://mine/b04.tif']);
    for (const alternate of [undefined, {}, { azure: { href: 's3://scenes/b04.tif' } }, 'none', { s3: 7 }]) {
      // oxlint-disable-next-line no-await-in-loop
      await assert.rejects(hrefsOf(item('far', { data: { href: 'https://example.com/b04.tif', alternate } })), {
        code: 'STAC_HREF',
        message: /items\.json: item far, asset data: Cannot use "https:\/\/example\.com\/b04\.tif".*wanted s3:\/\/bucket\/key.*alternate\.s3\.href/,
      });
    }
    await assert.rejects(hrefsOf(item('far', { data: { ...https, alternate: { s3: { href: 'https://example.com/again.tif' } } } })), { code: 'STAC_HREF', message: /again\.tif/ });
  });

  // Catches: an asset that is taken for another, or off a prototype, and messages that don't say which item and what there is.
  void it('are refused with the item, and the asset that was meant', async () => {
    const assets = { nir08: { href: 'n.tif' }, red: { href: 'r.tif' } };
    await assert.rejects(hrefsOf(collection(item('good', { data: { href: '1.tif' } }), item('bad', { dat: { href: '1.tif' } }))), { code: 'STAC_ASSET', message: /item bad has no asset "data"; did you mean "dat"\?/ });
    await assert.rejects(hrefsOf(item('x', assets), 'thermal-infrared'), { code: 'STAC_ASSET', message: /item x has no asset "thermal-infrared"; it has nir08, red/ });
    await assert.rejects(hrefsOf(item('x', assets), 'toString'), { code: 'STAC_ASSET' });
  });

  // Catches: a stack trace, or an empty mosaic, in place of a sentence about the document.
  void it('are refused where the document is something else', async () => {
    await assert.rejects(hrefsOf('<html>not found</html>'), { code: 'STAC_NOT_JSON', message: /items\.json is not JSON/ });
    const others = [collection(), { type: 'Collection', id: 'sentinel', links: [], extent: {} }, [], null, 7, item('x', { data: { title: 'no href' } }), collection({ type: 'Feature', properties: {} })];
    for (const document of others) {
      // oxlint-disable-next-line no-await-in-loop
      await assert.rejects(hrefsOf(document), { code: 'STAC_INVALID', message: /items\.json is not a STAC ItemCollection or Item: wanted features with an id and assets with hrefs/ });
    }
  });
});
