/** Our search for matches against zlib, Python's zlib and GDAL. Would catch a stream that only our own tests can read, and one that is larger than it need be. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, it } from 'node:test';
import { deflateSync, inflateSync } from 'node:zlib';
import fc from 'fast-check';
import { createCompressor } from '../../lib/tiff/compressor.ts';
import { Deflater } from '../../lib/tiff/deflate-encoder.ts';
import { differenceHorizontally } from '../../lib/tiff/predictor.ts';
import { bitsOf, seededRandom } from '../support/arrays.ts';
import { withoutGdal } from '../support/gdal.ts';
import { writeCog } from './write-cog.ts';

const deflater = new Deflater('matches');

function assertInflates(bytes: Uint8Array, name = ''): void {
  assert.ok(inflateSync(deflater.encode(bytes)).equals(bytes), `${name} ${String(bytes.length)} bytes`);
}

const noise = ((random) => Uint8Array.from({ length: 400_000 }, () => Math.floor(random() * 256)))(seededRandom(1));

function joined(...pieces: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(pieces));
}

/** Twice the same `length` bytes, the second time `distance` after the first, with noise around them. */
function repeated(distance: number, length: number): Uint8Array {
  const bytes = noise.slice(0, distance + length + 700);
  bytes.copyWithin(distance + 200, 200, 200 + length);
  return bytes;
}

/** Means of noise over 5 x 5 pixels, on slow slopes. */
function smooth(columns: number, rows: number): Uint16Array {
  const random = seededRandom(3);
  const wide = columns + 4;
  const field = Float64Array.from({ length: wide * (rows + 4) }, (_, i) => 3000 + 400 * Math.sin((i % wide) / 40) + 300 * Math.cos(i / wide / 30) + 300 * random());
  return Uint16Array.from({ length: columns * rows }, (_, i) => {
    const corner = Math.floor(i / columns) * wide + (i % columns);
    let sum = 0;
    for (let y = 0; y < 5; y++) for (let x = 0; x < 5; x++) sum += field[corner + y * wide + x] ?? 0;
    return sum / 25;
  });
}

function predicted(samples: Uint16Array, columns: number): Uint8Array {
  const copy = samples.slice();
  differenceHorizontally(copy, columns, copy.length / columns, 1);
  return new Uint8Array(copy.buffer);
}

/** Literals, matches and both, at the ends of what the window, one match and one block hold. */
const hard: Readonly<Record<string, Uint8Array>> = {
  nothing: new Uint8Array(0),
  'one byte': Uint8Array.of(7),
  'all equal': new Uint8Array(1_000_003).fill(9),
  alternating: Uint8Array.from({ length: 200_001 }, (_, i) => (i % 2) * 255),
  noise,
  'a period that is odd': Uint8Array.from({ length: 300_000 }, (_, i) => noise[i % 777] ?? 0),
  'a period of the window': Uint8Array.from({ length: 300_000 }, (_, i) => noise[i % 32_768] ?? 0),
  'a period beyond the window': Uint8Array.from({ length: 300_000 }, (_, i) => noise[i % 32_770] ?? 0),
  'a period of what places are counted by': Uint8Array.from({ length: 300_000 }, (_, i) => noise[i % 65_536] ?? 0),
  'smooth samples': predicted(smooth(512, 512), 512),
  'matches of every length': joined(...Array.from({ length: 600 }, (_, length) => joined(noise.subarray(0, length), noise.subarray(1000 + length, 1003 + length)))),
  'noise, then a match over the end of the block': joined(noise.subarray(0, 131_000), noise.subarray(110_000, 111_000), noise.subarray(200_000, 340_000)),
};

void describe('deflate encoder with matches', () => {
  for (const [name, bytes] of Object.entries(hard)) {
    void it(`makes what zlib reads: ${name}`, () => {
      assertInflates(bytes);
      const again = deflater.encode(bytes).slice();
      deflater.encode(noise.subarray(7, 200_000));
      // What was encoded before has no influence.
      assert.deepEqual(deflater.encode(bytes), again);
      assert.deepEqual(new Deflater('matches').encode(bytes), again);
    });
  }

  void it('makes what zlib reads at any length around those that fill something, and at any place of a buffer', () => {
    const pattern = hard['a period that is odd'] ?? noise;
    for (const around of [0, 16, 258, 32_768, 65_536, 131_072, 262_144]) {
      for (let length = Math.max(0, around - 17); length < around + 17; length++) {
        assertInflates(pattern.subarray(1, length + 1), 'period');
        assertInflates(new Uint8Array(length).fill(200), 'equal');
        if (length % 5 === 0) assertInflates(noise.subarray(3, length + 3), 'noise');
      }
    }
  });

  void it('finds matches up to the window and none beyond, of all lengths', () => {
    for (const distance of [2, 4, 256, 258, 8192, 32_764, 32_766, 32_767, 32_768, 32_769, 32_770, 40_000, 65_534, 65_536, 65_538]) {
      for (const length of [3, 4, 5, 6, 7, 253, 254, 255, 256, 257, 258, 259, 260, 400]) assertInflates(repeated(distance, length), `${String(distance)} ${String(length)}`);
    }
    // Noise alone is stored; 2000 bytes that were there before make a difference that a distance too far can't.
    const saved = (distance: number): number => repeated(distance, 20_000).length - deflater.encode(repeated(distance, 20_000)).length;
    assert.ok(saved(32_768) > 15_000, String(saved(32_768)));
    assert.ok(saved(32_770) < 100, String(saved(32_770)));
  });

  void it('makes what zlib reads of any bytes', () => {
    const run = fc.tuple(fc.nat(255), fc.integer({ min: 1, max: 700 })).map(([byte, length]) => new Uint8Array(length).fill(byte));
    const few = fc.uint8Array({ maxLength: 3000, max: 2 });
    const again = fc.tuple(fc.nat(3000), fc.integer({ min: 1, max: 700 })).map(([from, length]) => noise.subarray(from, from + length));
    const far = fc.integer({ min: 30_000, max: 34_000 }).map((length) => noise.subarray(5000, 5000 + length));
    const pieces = fc.array(fc.oneof({ weight: 5, arbitrary: run }, { weight: 5, arbitrary: few }, { weight: 9, arbitrary: again }, { weight: 1, arbitrary: far }), { maxLength: 40 });
    fc.assert(fc.property(pieces, (each) => { assertInflates(joined(...each)); }), { seed: 33, numRuns: 300, endOnFailure: true });
  });

  void it('makes no more of smooth samples than zlib at level 1, within 1 %, and never much more than it was given', () => {
    const bytes = hard['smooth samples'] ?? noise;
    const zlibs = deflateSync(bytes, { level: 1, memLevel: 9 }).length;
    assert.ok(deflater.encode(bytes).length <= zlibs * 1.01, `${String(deflater.encode(bytes).length)} bytes, zlib ${String(zlibs)}`);
    for (const [name, each] of Object.entries(hard)) {
      const { length } = deflater.encode(each);
      assert.ok(length <= each.length + 11 + 5 * Math.ceil(each.length / 65_535 + each.length / 131_072), `${name}: ${String(length)} of ${String(each.length)} bytes`);
    }
  });

  void it('is what the compressor takes for smooth samples', async () => {
    const compressor = createCompressor({ compression: 'deflate', level: undefined }, { dtype: 'uint16', bands: 1, blockSize: 512, nodata: undefined });
    const bytes = hard['smooth samples'] ?? noise;
    assert.equal(Buffer.compare(await compressor.compress(bytes), deflater.encode(bytes)), 0);
  });

  void it('is read by Python, which computes the checksum for itself', { skip: spawnSync('/usr/bin/python3', ['-c', '']).status === 0 ? false : 'no /usr/bin/python3' }, () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'deflate-'));
    try {
      const names = Object.values(hard).map((bytes, i) => {
        writeFileSync(path.join(folder, `${String(i)}.raw`), bytes);
        writeFileSync(path.join(folder, `${String(i)}.z`), deflater.encode(bytes));
        return String(i);
      });
      const script = 'import sys,zlib\nf=sys.argv[1]\nfor n in sys.argv[2:]:\n assert zlib.decompress(open(f"{f}/{n}.z","rb").read())==open(f"{f}/{n}.raw","rb").read(), n';
      const { status, stderr } = spawnSync('/usr/bin/python3', ['-c', script, folder, ...names], { encoding: 'utf8' });
      assert.equal(status, 0, stderr);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  void it('makes blocks that GDAL reads', { skip: withoutGdal }, async () => {
    const columns = 700;
    const rows = 600;
    const samples = smooth(columns, rows);
    const { bytes } = await writeCog([{ samples, columns, rows }], { dtype: 'uint16', bands: 1, blockSize: 512, codec: { compression: 'deflate', level: undefined }, predictor: 2, nodata: undefined });
    const folder = mkdtempSync(path.join(tmpdir(), 'deflate-'));
    try {
      const file = path.join(folder, 'image.tif');
      writeFileSync(file, bytes);
      const { status, stderr } = spawnSync('gdal_translate', ['-q', '-of', 'ENVI', file, path.join(folder, 'image.raw')], { encoding: 'utf8' });
      assert.equal(status, 0, stderr);
      const { status: compared, stderr: difference } = spawnSync('/usr/bin/cmp', [path.join(folder, 'image.raw'), '-'], { input: bitsOf(samples), encoding: 'utf8' });
      assert.equal(compared, 0, difference);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
