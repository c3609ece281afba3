/** Codecs with ways of their own: JPEG, WebP, LERC's masks, LZW's corner cases, PackBits, and blocks that are damaged. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deflateSync, zstdCompressSync } from 'node:zlib';
import { BlockReader } from '../../lib/tiff/block-reader.ts';
import { type BlockLayout, type Compression } from '../../lib/tiff/layout.ts';
import { openTiff } from '../../lib/tiff/open.ts';
import { runPython, withoutGdal } from '../support/gdal.ts';
import { countedFile } from './counted-object.ts';
import { expectedBytes, type FileSpec, withGdalFiles } from './gdal-files.ts';
import { readImage } from './read-image.ts';

const rgb = { dtype: 'uint8', width: 117, height: 83, bands: 3 } as const;
const tiled = ['TILED=YES', 'BLOCKXSIZE=32', 'BLOCKYSIZE=48'];
const striped = ['BLOCKYSIZE=16'];

/** Largest difference between what we read and what GDAL reads, over all files. */
async function compare(specs: readonly FileSpec[]): Promise<Map<string, number>> {
  const differences = new Map<string, number>();
  await withGdalFiles(specs, async (files) => {
    for (const file of files) {
      assert.equal(file.refused, undefined, file.name);
      const object = await countedFile(file.path);
      const tiff = await openTiff(object, object.href);
      const found = new Uint8Array((await readImage(object, tiff, tiff.main)).buffer);
      const wanted = await expectedBytes(file.pixels[0] ?? '');
      assert.equal(found.length, wanted.length, file.name);
      differences.set(file.name, found.reduce((most, value, i) => Math.max(most, Math.abs(value - (wanted[i] ?? 0))), 0));
    }
  });
  return differences;
}

void test('JPEG equals GDAL sample for sample: grey, RGB and YCbCr, every way of sharing tables', { skip: withoutGdal }, async () => {
  const specs: FileSpec[] = [];
  for (const [layout, blocks] of Object.entries({ tiled, striped })) {
    for (const tables of [0, 1, 2, 3]) {
      const options = ['COMPRESS=JPEG', `JPEGTABLESMODE=${tables}`, ...blocks];
      specs.push(
        { ...rgb, name: `grey-${layout}-${tables}`, bands: 1, options },
        { ...rgb, name: `ycbcr-${layout}-${tables}`, options: [...options, 'PHOTOMETRIC=YCBCR', 'JPEG_QUALITY=60'] },
        { ...rgb, name: `rgb-${layout}-${tables}`, options: [...options, 'PHOTOMETRIC=RGB', 'JPEG_QUALITY=90'] },
        { ...rgb, name: `none-${layout}-${tables}`, options: [...options, 'PHOTOMETRIC=MINISBLACK'] },
        { ...rgb, name: `bands-${layout}-${tables}`, bands: 4, options: [...options, 'INTERLEAVE=BAND', 'ENDIANNESS=BIG'] },
      );
    }
  }
  const differences = await compare(specs);
  assert.deepEqual([...differences].filter(([, most]) => most > 0), []);
});

void test('WebP equals GDAL sample for sample: lossless and lossy, with and without alpha', { skip: withoutGdal }, async () => {
  const specs: FileSpec[] = [];
  for (const [layout, blocks] of Object.entries({ tiled, striped })) {
    for (const bands of [3, 4]) {
      const options = ['COMPRESS=WEBP', ...blocks];
      specs.push({ ...rgb, bands, name: `lossless-${bands}-${layout}`, options: [...options, 'WEBP_LOSSLESS=YES'] });
      specs.push({ ...rgb, bands, name: `lossy-${bands}-${layout}`, options: [...options, 'WEBP_LEVEL=70'] });
    }
  }
  const differences = await compare(specs);
  assert.deepEqual([...differences].filter(([, most]) => most > 0), []);
});

void test('LERC keeps NaN, and alpha that became the mask', { skip: withoutGdal }, async () => {
  const specs: FileSpec[] = [];
  for (const dtype of ['float32', 'float64'] as const) {
    for (const bands of [1, 3]) {
      for (const interleave of ['PIXEL', 'BAND']) {
        const options = ['COMPRESS=LERC_ZSTD', `INTERLEAVE=${interleave}`, ...tiled];
        // libtiff 4.5.0 writes NaN in several bands by pixel, and then fails to read the block.
        const expectWritten = bands > 1 && interleave === 'PIXEL';
        specs.push({ name: `${dtype}-${bands}-${interleave}`, dtype, width: 60, height: 50, bands, options, pattern: 'nan', expectWritten });
      }
    }
  }
  const alpha = 'a = written.copy(); a[3] = np.where(a[3] > 128, 255, 0); ds.WriteArray(a)';
  for (const [name, script] of Object.entries({ alpha: 'ds.WriteArray(written)', mask: alpha })) {
    specs.push({ ...rgb, name: `rgba-${name}`, bands: 4, options: ['COMPRESS=LERC', 'ALPHA=YES', 'PHOTOMETRIC=RGB', ...tiled], script });
  }
  const differences = await compare(specs);
  assert.deepEqual([...differences].filter(([, most]) => most > 0), []);
});

const encodeWithMasks = `
import ctypes, numpy as np
lib = ctypes.CDLL('libLerc.so.4')
a = np.arange(3 * 16 * 16, dtype=np.float32).reshape(3, 16, 16)
valid = np.ones((3, 16, 16), np.uint8)
for i in range(3): valid[i, i, 4 + i] = 0
out = np.zeros(100000, np.uint8)
n = ctypes.c_uint(0)
p = lambda x: x.ctypes.data_as(ctypes.c_void_p)
status = lib.lerc_encode(p(a), 6, 1, 16, 16, 3, 3, p(valid), ctypes.c_double(0), p(out), out.size, ctypes.byref(n))
assert status == 0, status
print(out[:n.value].tobytes().hex())
`;

void test('LERC with a mask for each band, as libtiff writes since liblerc 3', { skip: withoutGdal }, async () => {
  const blob = Buffer.from(runPython(encodeWithMasks).trim(), 'hex');
  const side = { width: 16, height: 16, blockWidth: 16, blockHeight: 16 };
  const reader = new BlockReader(layoutOf('lerc', { ...side, bands: 3, dtype: 'float32', sampleFormat: 'float', bitsPerSample: 32 }));
  const raw = await reader.decode(blob, 0);
  for (const band of [0, 1, 2]) {
    const plane = new Float32Array(256);
    reader.extract(raw, plane, { band, window: { column: 0, row: 0, columns: 16, rows: 16 }, targetOffset: 0, targetStride: 16 });
    assert.deepEqual([...plane], Array.from({ length: 256 }, (_, i) => (i === band * 16 + 4 + band ? Number.NaN : band * 256 + i)));
  }
});

function layoutOf(compression: Compression, more: Partial<BlockLayout> = {}): BlockLayout {
  return {
    href: 'file:///block.tif',
    directory: 0,
    width: 64,
    height: 64,
    bands: 1,
    dtype: 'uint8',
    sampleFormat: 'uint',
    bitsPerSample: 8,
    organisation: 'tiled',
    blockWidth: 64,
    blockHeight: 64,
    blocksAcross: 1,
    blocksDown: 1,
    interleave: 'pixel',
    compression,
    predictor: 1,
    byteOrder: 'little',
    photometric: 1,
    mask: false,
    jpegTables: null,
    lercInner: compression === 'lerc' ? 'none' : null,
    wideNodata: null,
    ...more,
  };
}

async function decode(layout: BlockLayout, bytes: Uint8Array): Promise<Uint8Array> {
  return new BlockReader(layout).decode(bytes, 0);
}

void test('a block that is too short, too long or damaged is a DataError that says how many bytes were wanted and found', async () => {
  const bomb = new Uint8Array(64 * 1024 * 1024);
  const cases: [Compression, Uint8Array, RegExp][] = [
    ['none', new Uint8Array(4000), /4000 bytes; wanted 4096/],
    ['deflate', deflateSync(new Uint8Array(4000)), /4000 bytes; wanted 4096/],
    ['deflate', deflateSync(bomb), /more than 4096 bytes; wanted 4096/],
    ['deflate', deflateSync(new Uint8Array(4096)).subarray(0, 10), /can't be decoded/],
    ['deflate', new Uint8Array(0), /can't be decoded/],
    ['zstd', zstdCompressSync(new Uint8Array(4000)), /4000 bytes; wanted 4096/],
    ['zstd', zstdCompressSync(bomb), /more than 4096 bytes; wanted 4096/],
    ['zstd', zstdCompressSync(new Uint8Array(4096)).subarray(0, 12), /can't be decoded|wanted 4096/],
    ['packbits', Uint8Array.of(129, 7), /128 bytes; wanted 4096/],
    ['lzw', Uint8Array.of(0x80, 0x40), /bytes; wanted 4096/],
    ['lzw', Uint8Array.of(0x80, 0x7f, 0xff, 0xff), /a code is not in the table/],
    ['lzw', Uint8Array.of(0, 1, 2, 3), /old-style LZW/],
    ['jpeg', Uint8Array.of(1, 2, 3), /does not begin with SOI/],
    ['jpeg', Uint8Array.of(0xff, 0xd8, 0xff, 0xd9), /has no scan/],
    ['webp', new Uint8Array(40), /not a WebP file/],
    ['lerc', new Uint8Array(100), /no LERC2 blob/],
  ];
  for (const [compression, bytes, message] of cases) {
    const more = compression === 'webp' ? { bands: 3 } : {};
    await assert.rejects(() => decode(layoutOf(compression, more), bytes), (error: unknown) => {
      assert.ok(error instanceof Error && 'code' in error);
      assert.equal(error.code, 'TIFF_BAD_BLOCK', String(error));
      assert.match(error.message, message);
      assert.match(error.message, /^\/block\.tif: directory 0: block 0 /);
      return true;
    });
  }
});

void test('a JPEG or LERC block of another size than the layout is refused before its pixels are made', async () => {
  const { default: sharp } = await import('sharp');
  const big = await sharp({ create: { width: 3000, height: 3000, channels: 3, background: 'red' } }).jpeg().toBuffer();
  await assert.rejects(() => decode(layoutOf('jpeg', { bands: 3, photometric: 6 }), big), /3000 x 3000 pixels, 3 components/);
  const small = await sharp({ create: { width: 64, height: 64, channels: 3, background: 'red' } }).jpeg({ progressive: true }).toBuffer();
  const scans = Buffer.concat([small.subarray(0, -2), ...Array.from({ length: 100 }, () => Buffer.from('ffda0003000000', 'hex'))]);
  await assert.rejects(() => decode(layoutOf('jpeg', { bands: 3, photometric: 6 }), scans), /more than 100 scans/);
  assert.equal((await decode(layoutOf('jpeg', { bands: 3, photometric: 6 }), small)).length, 64 * 64 * 3);
  const blob = Buffer.alloc(100);
  blob.write('Lerc2 ', 'latin1');
  for (const [at, value] of [[6, 4], [14, 60_000], [18, 60_000], [22, 1]] as const) blob.writeInt32LE(value, at);
  await assert.rejects(() => decode(layoutOf('lerc'), blob), /60000 x 60000 pixels/);
});

void test('a short last strip may be written in full, and a full block may be followed by rubbish', async () => {
  const strip = layoutOf('deflate', { organisation: 'striped', height: 70, blocksDown: 2 });
  const reader = new BlockReader(strip);
  assert.equal((await reader.decode(deflateSync(new Uint8Array(6 * 64)), 1)).length, 6 * 64);
  assert.equal((await reader.decode(deflateSync(new Uint8Array(64 * 64)), 1)).length, 64 * 64);
  const packed = Uint8Array.from({ length: 80 }, (_, i) => (i % 2 === 0 ? 129 : 5));
  assert.equal((await decode(layoutOf('packbits'), packed)).length, 4096);
});

void test('extract refuses windows that leave the block or the target', () => {
  const reader = new BlockReader(layoutOf('none'));
  const raw = new Uint8Array(4096);
  const at = { band: 0, targetOffset: 0, targetStride: 64 };
  const all = { column: 0, row: 0, columns: 64, rows: 64 };
  assert.throws(() => reader.extract(raw, new Uint8Array(4096), { ...at, window: { ...all, column: 1 } }), /don't fit in a block/);
  assert.throws(() => reader.extract(raw.subarray(64), new Uint8Array(4096), { ...at, window: all }), /64 x 63 pixels/);
  assert.throws(() => reader.extract(raw, new Uint8Array(4095), { ...at, window: all }), /don't fit in Uint8Array/);
  assert.throws(() => reader.extract(raw, new Uint16Array(4096), { ...at, window: all }), /don't fit in Uint16Array/);
  assert.throws(() => reader.extract(raw, new Uint8Array(4096), { ...at, band: 1, window: all }), /band 1/);
});
