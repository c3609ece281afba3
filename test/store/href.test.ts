import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';

import fc from 'fast-check';

import { JobError } from '../../lib/base/errors.ts';
import { basename, displayHref, fileHref, folderHref, joinHref, parentHref, parseHref, pathOf, requireInside, resolveHref, sameHref, stem } from '../../lib/store/href.ts';

function refuses(work: () => unknown, code: string, words: string): void {
  assert.throws(work, (error: unknown) => {
    assert.ok(error instanceof JobError);
    assert.equal(error.code, code, error.message);
    assert.ok(error.message.includes(words), `${error.message} lacks ${words}`);
    return true;
  });
}

void describe('hrefs', () => {
  void it('makes one canonical href of every way to write it', () => {
    const table: readonly (readonly [text: string, base: string | undefined, href: string])[] = [
      ['/data/a b#?%20.tif', undefined, 'file:///data/a%20b%23%3F%2520.tif'],
      ['file:///data/a%20b.tif', undefined, 'file:///data/a%20b.tif'],
      ['file://localhost/data/a b.tif', undefined, 'file:///data/a%20b.tif'],
      ['file:/data/x', undefined, 'file:///data/x'],
      ['FILE:///data/../x', undefined, 'file:///x'],
      ['a.tif', 'file:///jobs', 'file:///jobs/a.tif'],
      ['a.tif', '/jobs/', 'file:///jobs/a.tif'],
      ['../é/./a.tif', 'file:///jobs/', 'file:///%C3%A9/a.tif'],
      ['sub/', '/jobs', 'file:///jobs/sub/'],
      ['odd:name.tif', '/jobs', 'file:///jobs/odd:name.tif'],
      ['s3://in/a b+c%20#?é😀', '/jobs', 's3://in/a b+c%20#?é😀'],
      ['s3://in/a/../b//c', undefined, 's3://in/a/../b//c'],
      ['S3://in/k', undefined, 's3://in/k'],
      ['s3://in', undefined, 's3://in/'],
      ['a%20b.tif', 's3://in/jobs', 's3://in/jobs/a%20b.tif'],
      ['../a.tif', 's3://in/jobs/', 's3://in/a.tif'],
      ['..', 's3://in/jobs/', 's3://in/'],
      ['/abs.tif', 's3://in/jobs/', 'file:///abs.tif'],
    ];
    for (const [text, base, href] of table) {
      assert.equal(resolveHref(text, base), href, text);
      assert.equal(resolveHref(href), href, `canonical: ${href}`);
    }
  });

  void it('refuses what it cannot use, and says what was found and what is wanted', () => {
    refuses(() => parseHref('http://example.com/a.tif'), 'HREF_UNKNOWN_SCHEME', 'does not read or write http://; wanted s3://bucket/key');
    refuses(() => parseHref('gs://bucket/a.tif'), 'HREF_UNKNOWN_SCHEME', 'gs://');
    refuses(() => parseHref('/vsis3/bucket/a.tif'), 'HREF_UNKNOWN_SCHEME', "GDAL's virtual paths");
    refuses(() => parseHref(''), 'HREF_EMPTY', 'wanted');
    refuses(() => parseHref('a.tif'), 'HREF_RELATIVE', 'relative path');
    refuses(() => parseHref('/a\0b'), 'HREF_BAD_CHARACTER', 'NUL');
    refuses(() => parseHref('s3://in/\ud800'), 'HREF_BAD_CHARACTER', 'surrogate');
    refuses(() => parseHref('file://host/a.tif'), 'HREF_BAD_FILE_URL', 'host');
    refuses(() => parseHref('file:///a#b.tif'), 'HREF_BAD_FILE_URL', '%23');
    refuses(() => parseHref('file:///a?b.tif'), 'HREF_BAD_FILE_URL', '%3F');
    refuses(() => parseHref('file:///a\\b.tif'), 'HREF_BAD_FILE_URL', 'backslash');
    refuses(() => fileHref('a.tif'), 'HREF_RELATIVE', 'relative path');
    refuses(() => parseHref('file:///a%2Fb'), 'HREF_BAD_FILE_URL', '%2F');
    refuses(() => parseHref('file:///a%ff'), 'HREF_BAD_FILE_URL', 'percent-encoding');
    refuses(() => parseHref('s3:///key'), 'HREF_BAD_BUCKET', '""');
    refuses(() => parseHref('s3://a b/key'), 'HREF_BAD_BUCKET', '"a b"');
    refuses(() => parseHref(`s3://in/${'é'.repeat(513)}`), 'HREF_KEY_TOO_LONG', '1026');
    refuses(() => pathOf('s3://in/k'), 'HREF_NOT_A_FILE', 's3://in/k');
    refuses(() => resolveHref('../../a.tif', 's3://in/jobs/'), 'HREF_CLIMBS_OUT', 'bucket in');
  });

  void it('joins, and takes names apart', () => {
    assert.equal(joinHref('s3://b/run', 'segments', 'a b.seg'), 's3://b/run/segments/a b.seg');
    assert.equal(joinHref('s3://b', 'k'), 's3://b/k');
    assert.equal(joinHref('file:///a%20b/', '100%.tif'), 'file:///a%20b/100%25.tif');
    refuses(() => joinHref('file:///run/', '../x'), 'HREF_CLIMBS_OUT', '/run');
    refuses(() => joinHref('s3://b/run/', '/x'), 'HREF_CLIMBS_OUT', 's3://b/run');
    assert.equal(parentHref('s3://b/a/b c'), 's3://b/a/');
    assert.equal(parentHref('s3://b/a/'), 's3://b/');
    assert.equal(parentHref('s3://b/a'), 's3://b/');
    assert.equal(parentHref('s3://b/'), 's3://b/');
    assert.equal(parentHref('file:///a'), 'file:///');
    assert.equal(parentHref('file:///'), 'file:///');
    assert.equal(folderHref('/a'), 'file:///a/');
    assert.equal(basename('file:///d/a%20b.tif'), 'a b.tif');
    assert.equal(basename('s3://b/d/a%20b.tif'), 'a%20b.tif');
    assert.equal(basename('s3://b/d/'), 'd');
    assert.equal(stem('s3://b/scene.ndvi.tif'), 'scene.ndvi');
    assert.equal(stem('/a/.hidden'), '.hidden');
    assert.equal(stem('/a/plain'), 'plain');
    assert.equal(displayHref('file:///d/a%20b.tif'), '/d/a b.tif');
    assert.equal(displayHref('s3://b/a%20b'), 's3://b/a%20b');
    assert.equal(displayHref('file:///broken%ff'), 'file:///broken%ff');
    assert.ok(sameHref('/a/../b', 'file:///b'));
  });

  void it('keeps an href inside a folder, or refuses it', () => {
    requireInside('s3://out/run/a.tif', 's3://out/run');
    requireInside('/out/x/../a.tif', 'file:///out');
    refuses(() => requireInside('/out/../a.tif', '/out'), 'HREF_CLIMBS_OUT', 'must lie under /out/');
    refuses(() => requireInside('/outside/a.tif', '/out'), 'HREF_CLIMBS_OUT', '/out/');
    refuses(() => requireInside('s3://out/run/../a.tif', 's3://out/run/'), 'HREF_CLIMBS_OUT', 's3://out/run/');
    refuses(() => requireInside('s3://out2/run/a.tif', 's3://out/'), 'HREF_CLIMBS_OUT', 's3://out/');
  });

  void it('gives back every path and every key', () => {
    const segment = fc.string({ unit: 'binary', minLength: 1, maxLength: 20 }).filter((text) => !/[/\0]/.test(text) && text !== '.' && text !== '..' && text.isWellFormed());
    const path = fc.array(segment, { minLength: 1, maxLength: 4 }).map((segments) => segments.join('/'));
    fc.assert(
      fc.property(path, (text) => {
        fc.pre(!text.startsWith('vsi'));
        // Node's own function is the model, but for what it loses at the end of a name.
        // oxlint-disable-next-line no-control-regex
        if (!/[\0- ]$/.test(text)) assert.equal(fileHref(`/${text}`), pathToFileURL(`/${text}`).href);
        assert.equal(pathOf(fileHref(`/${text}`)), `/${text}`);
        assert.deepEqual(parseHref(`s3://bucket/${text}`), { scheme: 's3', bucket: 'bucket', key: text });
        assert.equal(resolveHref(fileHref(`/${text}`)), fileHref(`/${text}`));
        for (const folder of ['s3://bucket/f/', 'file:///f%20/']) {
          const href = joinHref(folder, text);
          assert.equal(basename(href), text.split('/').at(-1));
          requireInside(href, folder);
          assert.equal(joinHref(parentHref(href), basename(href)), href);
        }
      }),
    );
  });
});
