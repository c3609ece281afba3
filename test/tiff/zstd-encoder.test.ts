/** zstd with one state for many blocks, and the public function where Node can't: the same bytes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { zstdDecompressSync } from 'node:zlib';
import fc from 'fast-check';
import { ZstdEncoder } from '../../lib/tiff/zstd-encoder.ts';

// Would catch: a Node in which the way without a new state has silently gone, and every block costs a hundred MB of garbage more a worker.
void test('this Node compresses with one state', () => {
  assert.equal(new ZstdEncoder(1).reusesMemory, true, 'lib/tiff/zstd-encoder.ts must follow this version of Node, or be dropped');
  assert.equal(new ZstdEncoder(1, false).reusesMemory, false);
});

// Would catch: a frame that needs the one before, a level that is forgotten after the first block, and blocks that don't fit because they can't be compressed.
void test('one encoder for many blocks gives what a new one gives for each', () => {
  const block = fc.oneof(
    fc.uint8Array({ maxLength: 3000 }),
    fc.nat({ max: 300_000 }).map((length) => new Uint8Array(length)),
    fc.tuple(fc.nat({ max: 300_000 }), fc.nat()).map(([length, seed]) => Uint8Array.from({ length }, (_, i) => Math.imul(i + seed, 0x9e37_79b1) >>> 24)),
    fc.nat().map((seed) => {
      let state = seed;
      return Uint8Array.from({ length: 262_144 }, () => (state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0) >>> 24);
    }),
  );
  fc.assert(
    fc.property(fc.array(block, { minLength: 1, maxLength: 5 }), fc.constantFrom(1, 3, 9, 19), (blocks, level) => {
      const encoder = new ZstdEncoder(level);
      for (const bytes of blocks) {
        const encoded = encoder.encode(bytes);
        assert.equal(Buffer.compare(encoded, new ZstdEncoder(level, false).encode(bytes)), 0);
        assert.equal(Buffer.compare(zstdDecompressSync(encoded), bytes), 0);
      }
    }),
    { numRuns: 20 },
  );
});
