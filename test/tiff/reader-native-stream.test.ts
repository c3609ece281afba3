/** Decoding into memory that is used again, and the public functions where Node can't: the same bytes and the same refusals. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { constants, createZstdDecompress, deflateSync, zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { StreamDecoder, type StreamKind } from '../../lib/tiff/native-stream.ts';

/** zstd's frames as libtiff makes them, which don't say how long they are, too. */
const zstdFrames = (contentSizeFlag: number, checksumFlag: number) => (bytes: Uint8Array): Buffer =>
  zstdCompressSync(bytes, { params: { [constants.ZSTD_c_contentSizeFlag]: contentSizeFlag, [constants.ZSTD_c_checksumFlag]: checksumFlag } });
const encoders = { deflate: [deflateSync], zstd: [zstdFrames(1, 0), zstdFrames(0, 0), zstdFrames(0, 1)] } as const;

for (const kind of ['deflate', 'zstd'] as const satisfies readonly StreamKind[]) {
  // Would catch: a Node in which the way that needs no new memory has silently gone, and every block costs 5 to 15 % more.
  void test(`${kind}: this Node decodes into given memory`, () => {
    assert.equal(new StreamDecoder(kind).reusesMemory, true, 'lib/tiff/native-stream.ts must follow this version of Node, or be dropped');
    assert.equal(new StreamDecoder(kind, false).reusesMemory, false);
  });

  // Would catch: a state that keeps something of the block before, above all after a damaged one.
  void test(`${kind}: one decoder for many blocks gives what a new one gives for each, good or damaged`, () => {
    const block = fc.record({
      bytes: fc.oneof(fc.uint8Array({ maxLength: 3000 }), fc.nat({ max: 100_000 }).map((length) => new Uint8Array(length))),
      encoder: fc.nat(),
      damage: fc.option(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { freq: 3 }),
      shared: fc.boolean(),
      more: fc.constantFrom(-1, 0, 1, 1, 5000),
    });
    const room = new Uint8Array(105_000);
    const decoder = new StreamDecoder(kind);
    fc.assert(
      fc.property(fc.array(block, { minLength: 1, maxLength: 6 }), (blocks) => {
        for (const { bytes, encoder, damage, shared, more } of blocks) {
          const encode = encoders[kind][encoder % encoders[kind].length] ?? deflateSync;
          const encoded = encode(bytes);
          if (damage !== null) encoded[damage[0] % encoded.length] = damage[1];
          // A larger window is refused where the length isn't known.
          if (kind === 'zstd') encoded[windowAt] = Math.min(encoded[windowAt] ?? 0, largestWindow);
          const given = shared ? new Uint8Array(new SharedArrayBuffer(encoded.length)) : new Uint8Array(encoded.length);
          given.set(encoded);
          const into = room.subarray(0, Math.max(1, bytes.length + more));
          assert.deepEqual(outcome(decoder, given, into), outcome(new StreamDecoder(kind, false), given, into));
        }
      }),
      { numRuns: 300 },
    );
  });
}

// Would catch: blocks that can't be read at all where zstd doesn't know the parameter, or Node hands it on in another way.
void test('zstd: a Node that refuses what is asked of it decodes by the public function', () => {
  const prototype = Reflect.getPrototypeOf(Reflect.get(createZstdDecompress(), '_handle') as object) as object;
  const init = Reflect.get(prototype, 'init') as (...args: unknown[]) => unknown;
  const bytes = Uint8Array.from({ length: 1000 }, (_, i) => i);
  Reflect.set(prototype, 'init', function (this: unknown, params: Uint32Array, ...rest: unknown[]): unknown {
    // One that zstd doesn't know: Node throws then.
    const asked = new Uint32Array(1151).fill(2 ** 32 - 1);
    asked.set(params);
    if (params.length > 1000) asked[1150] = 1;
    return Reflect.apply(init, this, [asked, ...rest]);
  });
  try {
    const decoder = new StreamDecoder('zstd');
    assert.equal(decoder.reusesMemory, false);
    assert.equal(Buffer.compare(decoder.decode(zstdFrames(0, 0)(bytes), new Uint8Array(1001)), bytes), 0);
  } finally {
    Reflect.set(prototype, 'init', init);
  }
});

/** Where a frame says how large its window is (RFC 8878 section 3.1.1.1). */
const windowAt = 5;
/** 128 MiB. */
const largestWindow = (27 - 10) << 3;

/** The bytes, or that there was an error. What fills its room may be an error or a part of it: either is too long. */
function outcome(decoder: StreamDecoder, bytes: Uint8Array, into: Uint8Array): string {
  try {
    const decoded = decoder.decode(bytes, into);
    return decoded.length >= into.length ? 'error' : Buffer.from(decoded).toString('base64');
  } catch {
    return 'error';
  }
}
