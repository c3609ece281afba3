/** Our deflate encoder against zlib, Python's zlib and GDAL. Would catch a stream that only our own tests can read, and one that is larger than it need be. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, it } from 'node:test';
import { constants, deflateSync, inflateSync } from 'node:zlib';
import fc from 'fast-check';
import { createCompressor } from '../../lib/tiff/compressor.ts';
import { KernelSpace } from '../../lib/raster/kernels.ts';
import { Deflater } from '../../lib/tiff/deflate-encoder.ts';
import { bitsOf, seededRandom } from '../support/arrays.ts';
import { withoutGdal } from '../support/gdal.ts';
import { writeCog } from './write-cog.ts';

const deflater = new Deflater('runs');

function assertInflates(bytes: Uint8Array): void {
  assert.ok(inflateSync(deflater.encode(bytes)).equals(bytes), `${String(bytes.length)} bytes`);
}

/** Bytes of which the n-th kind is `ratio` times as frequent as the next: codes as unequal as can be. */
function unequal(length: number, kinds: number, ratio: number): Uint8Array {
  const random = seededRandom(5);
  return Uint8Array.from({ length }, () => Math.min(kinds - 1, Math.floor(-Math.log(1 - random()) / Math.log(ratio))));
}

/** Lengths of codes, and the codes above their lengths, as the compiled loops make them. */
function huffman(frequencies: readonly number[], limit: number): { readonly lengths: Uint8Array; readonly codes: Uint32Array } {
  const symbols = frequencies.length;
  const space = new KernelSpace(64 * 1024);
  const given = space.allocate('uint32', symbols) as Uint32Array;
  const lengths = space.allocate('uint8', symbols) as Uint8Array;
  const codes = space.allocate('uint32', symbols) as Uint32Array;
  const scratch = space.allocate('uint8', space.kernels.huffman_scratchBytes());
  given.set(frequencies);
  // What was there before has no influence.
  for (const each of [lengths, codes, scratch]) each.fill(201);
  space.kernels.huffman_lengths(given.byteOffset, symbols, limit, lengths.byteOffset, scratch.byteOffset);
  space.kernels.huffman_codes(lengths.byteOffset, symbols, codes.byteOffset, scratch.byteOffset);
  return { lengths, codes };
}

const noise = ((random) => Uint8Array.from({ length: 300_000 }, () => Math.floor(random() * 256)))(seededRandom(1));

/** Literals, runs and both, at the ends of what one token, one block and one stored block hold. */
const hard: Readonly<Record<string, Uint8Array>> = {
  nothing: new Uint8Array(0),
  'one byte': Uint8Array.of(7),
  'two bytes': Uint8Array.of(7, 7),
  'all equal': new Uint8Array(1_000_003).fill(9),
  alternating: Uint8Array.from({ length: 200_001 }, (_, i) => (i % 2) * 255),
  noise,
  'noise and runs': Uint8Array.from({ length: 300_000 }, (_, i) => (i % 1000 < 700 ? (noise[i] ?? 0) : 0)),
  'every byte once': Uint8Array.from({ length: 256 }, (_, i) => i),
  'codes that have to be cut': unequal(250_000, 40, 2),
  'codes that have to be cut, all bytes': Uint8Array.from([...unequal(250_000, 40, 1.9), ...noise.subarray(0, 600)]),
  'runs of every length': Uint8Array.from(Array.from({ length: 600 }, (_, i) => i).flatMap((length) => [...new Uint8Array(length).fill(length), 1, 2])),
};

void describe('deflate encoder', () => {
  for (const [name, bytes] of Object.entries(hard)) {
    void it(`makes what zlib reads: ${name}`, () => {
      assertInflates(bytes);
      // The checksum begins anew, and so does what came before the first byte.
      assertInflates(bytes);
    });
  }

  void it('makes what zlib reads at any length around those that fill something, and at any place of a buffer', () => {
    for (const length of [1, 2, 3, 4, 5, 257, 258, 259, 260, 261, 65_533, 65_534, 65_535, 65_536, 65_537, 65_540, 131_070, 131_071, 131_072]) {
      assertInflates(noise.subarray(1, length + 1));
      assertInflates(new Uint8Array(length).fill(200));
      assertInflates(Uint8Array.from({ length }, (_, i) => (i < length - 3 ? (noise[i] ?? 0) : 3)));
      assertInflates((hard['noise and runs'] ?? noise).subarray(3, length + 3));
    }
  });

  void it('makes what zlib reads of any bytes', () => {
    const run = fc.tuple(fc.nat(255), fc.integer({ min: 1, max: 700 })).map(([byte, length]) => new Uint8Array(length).fill(byte));
    const literals = fc.uint8Array({ maxLength: 300 });
    const few = fc.uint8Array({ maxLength: 3000, max: 2 });
    const bytes = fc.array(fc.oneof(run, literals, few), { maxLength: 40 }).map((pieces) => new Uint8Array(Buffer.concat(pieces)));
    fc.assert(fc.property(bytes, (each) => { assertInflates(each); }), { seed: 31, numRuns: 300, endOnFailure: true });
  });

  void it('makes no more than zlib with Z_RLE, but for half a percent (2 % where many codes had to be cut) and a few bytes, and never much more than it was given', () => {
    for (const [name, bytes] of Object.entries(hard)) {
      const { length } = deflater.encode(bytes);
      const zlibs = deflateSync(bytes, { level: 6, strategy: constants.Z_RLE, memLevel: 9 }).length;
      // Z_RLE has fixed codes for the smallest inputs.
      assert.ok(length <= zlibs * (name.includes('all bytes') ? 1.02 : 1.005) + 64, `${name}: ${String(length)} bytes, zlib ${String(zlibs)}`);
      assert.ok(length <= bytes.length + 11 + 5 * Math.ceil(bytes.length / 32_768), `${name}: ${String(length)} of ${String(bytes.length)} bytes`);
    }
  });

  void it('gives codes that are complete, none too long, and as short as frequencies allow', () => {
    const counts = fc.array(fc.oneof(fc.constant(0), fc.nat(5), fc.nat(1e6), fc.nat(33).map((power) => Math.floor(1.6 ** power))), { minLength: 2, maxLength: 286 });
    fc.assert(fc.property(counts, fc.constantFrom(9, 12, 15), (frequencies, limit) => {
      const { lengths, codes } = huffman(frequencies, limit);
      const used = frequencies.flatMap((frequency, symbol) => (frequency > 0 ? [symbol] : []));
      assert.deepEqual([...lengths].flatMap((length, symbol) => (length > 0 ? [symbol] : [])), used);
      assert.ok(Math.max(...lengths) <= limit);
      if (used.length > 1) assert.equal(used.reduce((sum, symbol) => sum + 2 ** -(lengths[symbol] ?? 0), 0), 1);
      // A more frequent symbol has no longer code; so, with complete codes, the average is within 1 bit of the entropy, wherever nothing was cut.
      for (const a of used) for (const b of used) if ((frequencies[a] ?? 0) > (frequencies[b] ?? 0)) assert.ok((lengths[a] ?? 0) <= (lengths[b] ?? 0), `${String(a)} ${String(b)}`);
      assert.deepEqual([...codes].map((entry) => entry & 31), [...lengths]);
      const written = used.map((symbol) => ((codes[symbol] ?? 0) >>> 5).toString(2).padStart(lengths[symbol] ?? 0, '0').split('').toReversed().join(''));
      for (const [i, one] of written.entries()) assert.ok(!written.some((other, j) => i !== j && other.startsWith(one)), 'a code begins with another');
    }), { seed: 32, numRuns: 60, endOnFailure: true });
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

  void it('is what the compressor takes for noise, and not for what repeats', async () => {
    const takenFor = async (block: Uint8Array): Promise<boolean> => {
      const compressor = createCompressor({ compression: 'deflate', level: undefined }, { dtype: 'uint8', bands: 1, blockSize: 512, nodata: undefined });
      return Buffer.compare(await compressor.compress(block), deflater.encode(block)) === 0;
    };
    assert.ok(await takenFor(hard['noise and runs'] ?? noise));
    assert.ok(!(await takenFor(Uint8Array.from({ length: 200_000 }, (_, i) => noise[i % 5000] ?? 0))));
    // A third of noise in the middle of what repeats.
    const third = 175_000;
    assert.ok(!(await takenFor(Uint8Array.from({ length: 3 * third }, (_, i) => noise[i >= third && i < 2 * third ? i - third : i % 128] ?? 0))));
  });

  void it('makes blocks that GDAL reads', { skip: withoutGdal }, async () => {
    const columns = 300;
    const rows = 200;
    const samples = Float32Array.from({ length: columns * rows }, (_, i) => (i % columns < 60 ? -9999 : ((noise[i] ?? 0) - 100) / (50 + (noise[i + 1] ?? 0))));
    const { bytes } = await writeCog([{ samples, columns, rows }], { dtype: 'float32', bands: 1, blockSize: 128, codec: { compression: 'deflate', level: undefined }, predictor: 3, nodata: -9999 });
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
