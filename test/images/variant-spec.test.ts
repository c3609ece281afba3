/** What a job may say about copies, and what it is told when it says something else. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { imageVariants } from '../../lib/images/variant-spec.ts';

void describe('the spec of copies', () => {
  // Catches: another default than documented.
  void it('fills in defaults', () => {
    assert.deepEqual(imageVariants.parse({ thumbs: { width: 192, height: 192 } }), {
      thumbs: { width: 192, height: 192, fit: 'inside', position: 'centre', enlarge: false, format: 'same', progressive: false, metadata: 'none', icc: 'srgb', animation: 'keep' },
    });
  });

  const cases: readonly (readonly [string, unknown, RegExp])[] = [
    ['no copy', {}, /at least one copy/],
    ['a name with a slash', { 'a/b': {} }, /part of a key/],
    ['a name that climbs', { '..': {} }, /part of a key/],
    ['no name', { '': {} }, /part of a key/],
    ['an unknown field', { a: { widht: 10 } }, /widht/],
    ['a width of 0', { a: { width: 0 } }, /width|>=1/],
    ['a side that no WebP has', { a: { width: 16_384 } }, /16383/],
    ['cover without a height', { a: { width: 10, fit: 'cover' } }, /cover wanted a width and a height, found only the width/],
    ['contain without both', { a: { fit: 'contain' } }, /contain wanted a width and a height, found neither/],
    ['attention without cover', { a: { width: 1, height: 1, position: 'attention' } }, /attention wanted fit cover, found inside/],
    ['a quality of 0', { a: { quality: 0 } }, />=1/],
    ['a colour by a name we do not know', { a: { background: 'reddish' } }, /#rrggbb/],
    ['an unknown format', { a: { format: 'bmp' } }, /"jpeg"/],
    ['65 copies', Object.fromEntries(Array.from({ length: 65 }, (_, index) => [`v${String(index)}`, {}])), /64 copies/],
  ];
  for (const [what, spec, words] of cases) {
    // Catches: nonsense that gets through, or an error that doesn't say what was wanted.
    void it(`refuses ${what}`, () => {
      const parsed = imageVariants.safeParse(spec);
      assert.ok(!parsed.success);
      assert.match(parsed.error.message, words);
    });
  }
});
