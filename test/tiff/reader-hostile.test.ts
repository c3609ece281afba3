/**
 * Broken and hostile files: every one ends in a DataError that names the tag and the value, within bounded time, memory and requests.
 * Would catch: an endless chain of directories, an array sized by a number in the file, an error of Node's own that escapes.
 */

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import fc from 'fast-check';
import { TilefanError } from '../../lib/base/errors.ts';
import { type ObjectReader, type ObjectStat } from '../../lib/store/store.ts';
import { openTiff } from '../../lib/tiff/open.ts';
import { blockCount } from '../../lib/tiff/layout.ts';
import { withoutGdal } from '../support/gdal.ts';
import { countedObject } from './counted-object.ts';
import { type FileSpec, withGdalFiles } from './gdal-files.ts';
import { blockOffset, field, handMadeTiff, simpleImage } from './hand-made-tiff.ts';
import { readImage } from './read-image.ts';

/** Opens the bytes and asks where every block is. */
async function openAll(bytes: Uint8Array): Promise<void> {
  const object = countedObject(bytes);
  const tiff = await openTiff(object, object.href);
  await tiff.blockRanges(tiff.main, Array.from({ length: Math.min(1000, blockCount(tiff.main.layout)) }, (_, i) => i));
}

const image = (...fields: Parameters<typeof simpleImage>[2] & object): Uint8Array => handMadeTiff({ directories: [simpleImage(4, 4, fields)] });

const refusals: readonly [string, Uint8Array, string, RegExp][] = [
  ['empty', new Uint8Array(0), 'TIFF_NOT_A_TIFF', /wanted at least 8 bytes, found 0/],
  ['a PNG', Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10, 0), 'TIFF_NOT_A_TIFF', /found 89504e470d0a1a0a/],
  ['no directory', Uint8Array.of(0x49, 0x49, 42, 0, 0, 0, 0, 0), 'TIFF_BAD_DIRECTORY', /offset of the first directory is 0/],
  ['directory beyond the end', Uint8Array.of(0x49, 0x49, 42, 0, 255, 255, 0, 0), 'TIFF_TRUNCATED', /directory 0 lies at bytes 65535 to 65537/],
  ['a cycle', handMadeTiff({ directories: [simpleImage(4, 4)], next: 'cycle' }), 'TIFF_BAD_DIRECTORY', /is a cycle: directory 1/],
  ['too many directories', handMadeTiff({ directories: Array.from({ length: 1025 }, () => simpleImage(4, 4)) }), 'TIFF_BAD_DIRECTORY', /more than 1024/],
  ['a count of 2^32 - 1', image({ tag: 258, type: 3, values: [8], count: 0xffff_ffff, offset: 8 }), 'TIFF_TOO_LARGE', /tag 258 BitsPerSample has 4294967295 values/],
  ['a BigTIFF count of 2^52', handMadeTiff({ bigTiff: true, directories: [simpleImage(4, 4, [{ tag: 258, type: 3, values: [8], count: 2 ** 52, offset: 8 }])] }), 'TIFF_TOO_LARGE', /BitsPerSample has 4503599627370496 values/],
  ['values beyond the end', image({ tag: 258, type: 3, values: [8], count: 900, offset: 4_000_000 }), 'TIFF_TRUNCATED', /tag 258 BitsPerSample \(900 values\) lies at bytes 4000000/],
  ['no width', handMadeTiff({ directories: [simpleImage(4, 4).filter(({ tag }) => tag !== 256)] }), 'TIFF_MISSING_TAG', /tag 256 ImageWidth is missing/],
  ['width 0', image(field(256, 0)), 'TIFF_BAD_VALUE', /tag 256 ImageWidth is 0; wanted 1 to 2147483647/],
  ['height 2^32 - 1', image(field(257, 0xffff_ffff)), 'TIFF_BAD_VALUE', /ImageLength is 4294967295/],
  ['no rows a strip', image(field(278, 0)), 'TIFF_BAD_VALUE', /tag 278 RowsPerStrip is 0/],
  ['tiles of no width', image(field(322, 0), field(323, 16), field(324, 16), field(325, 16)), 'TIFF_BAD_VALUE', /tag 322 TileWidth is 0/],
  ['enormous tiles', image(field(322, 65_536), field(323, 65_536), field(324, 16), field(325, 16)), 'TIFF_TOO_LARGE', /tag 323 TileLength makes a block of 65536 x 65536 pixels, 4294967296 bytes decoded; wanted at most 1073741824/],
  ['enormous strips', image(field(256, 2_000_000_000)), 'TIFF_TOO_LARGE', /tag 278 RowsPerStrip makes a block of 2000000000 x 4/],
  ['too few offsets', image(field(278, 1)), 'TIFF_BAD_DIRECTORY', /tag 273 StripOffsets has 1 values; wanted one for each of 4 blocks/],
  ['too few byte counts', image(field(278, 2), field(273, 16, 17)), 'TIFF_BAD_DIRECTORY', /tag 279 StripByteCounts has 1 values; wanted one for each of 2 blocks/],
  ['no byte counts', handMadeTiff({ directories: [simpleImage(4, 4).filter(({ tag }) => tag !== 279)] }), 'TIFF_MISSING_TAG', /tag 279 StripByteCounts is missing/],
  ['offsets of floating point', image({ tag: 273, type: 12, values: [16] }), 'TIFF_BAD_DIRECTORY', /tag 273 StripOffsets has field type 12/],
  ['array beyond the end', image(field(278, 1), { tag: 273, type: 4, values: [], count: 4, offset: 9_000_000 }, field(279, 1, 1, 1, 1)), 'TIFF_TRUNCATED', /the 4 values of tag 273 lie at bytes 9000000/],
  ['block beyond the end', image(field(273, 5_000_000)), 'TIFF_TRUNCATED', /tag 273 StripOffsets says that block 0 lies at bytes 5000000/],
  ['byte count larger than the file', image(field(279, 6_000_000)), 'TIFF_TRUNCATED', /tag 279 StripByteCounts says that block 0 lies at bytes 16 to 6000016/],
  ['differing bits', image(field(277, 3), field(258, 8, 8, 16)), 'TIFF_UNSUPPORTED', /tag 258 BitsPerSample differs between bands: 8, 8, 16/],
  ['12 bits', image(field(258, 12)), 'TIFF_UNSUPPORTED', /tag 258 BitsPerSample is 12: .*can be read: unsigned integers of 1, 8, 16, 32, 64 bits/],
  ['LERC of 64-bit integers', image(field(258, 64), field(259, 34_887)), 'TIFF_UNSUPPORTED', /tag 259 Compression is 34887 \(LERC\) with 1 uint of 64 bits a pixel; LERC can be read with integers of 8, 16 or 32 bits/],
  ['predictor 3 of 64-bit integers', image(field(258, 64), field(259, 8), field(317, 3)), 'TIFF_UNSUPPORTED', /tag 317 Predictor is 3 with samples of 64 bits \(uint\)/],
  ['a mask of 64-bit integers', handMadeTiff({ directories: [simpleImage(4, 4), simpleImage(4, 4, [field(254, 4), field(258, 64)])] }), 'TIFF_UNSUPPORTED', /directory 1: tag 258 BitsPerSample is 64: samples of 64 bits, SampleFormat 1 \(unsigned integer\)/],
  ['complex', image(field(258, 64), field(339, 6)), 'TIFF_UNSUPPORTED', /tag 339 SampleFormat is 6: .*complex floating point/],
  ['CCITT', image(field(259, 4), field(258, 1)), 'TIFF_UNSUPPORTED', /tag 259 Compression is 4 \(CCITT fax 4\); can be read: none \(1\)/],
  ['FillOrder 2', image(field(266, 2)), 'TIFF_UNSUPPORTED', /tag 266 FillOrder is not 1/],
  ['predictor 3 of integers', image(field(259, 8), field(317, 3)), 'TIFF_UNSUPPORTED', /tag 317 Predictor is 3 with samples of 8 bits \(uint\)/],
  ['predictor 7', image(field(259, 5), field(317, 7)), 'TIFF_UNSUPPORTED', /tag 317 Predictor is 7; can be read: 1/],
  ['planar configuration 3', image(field(277, 3), field(258, 8, 8, 8), field(284, 3)), 'TIFF_BAD_VALUE', /tag 284 PlanarConfiguration is 3/],
  ['JPEG of 16 bits', image(field(259, 7), field(258, 16)), 'TIFF_UNSUPPORTED', /is 7 \(JPEG\) with 1 uint16 of 16 bits/],
  ['WebP of one band', image(field(259, 50_001)), 'TIFF_UNSUPPORTED', /is 50001 \(WebP\) with 1 uint8/],
  ['LERC in something else', image(field(259, 34_887), field(50_674, 4, 9)), 'TIFF_UNSUPPORTED', /tag 50674 LercParameters says additional compression 9/],
  ['raw YCbCr', image(field(262, 6), field(277, 3), field(258, 8, 8, 8)), 'TIFF_UNSUPPORTED', /PhotometricInterpretation is 6 \(YCbCr\) with none/],
  ['LogLuv', image(field(262, 32_845)), 'TIFF_UNSUPPORTED', /tag 262 PhotometricInterpretation is 32845/],
  ['nodata that is no number', image({ tag: 42_113, type: 2, values: [...Buffer.from('none\0')] }), 'TIFF_BAD_VALUE', /tag 42113 GDAL_NODATA is "none"; wanted a number or nan/],
  ['a pixel of no known width', image({ tag: 33_550, type: 12, values: [Number.NaN, 1, 0] }), 'TIFF_BAD_VALUE', /tag 33550 ModelPixelScale has the value NaN at place 0; wanted finite numbers/],
  ['a tie point at the end of the world', image({ tag: 33_922, type: 12, values: [0, 0, 0, 5, -Infinity, 0] }), 'TIFF_BAD_VALUE', /tag 33922 ModelTiepoint has the value -Infinity at place 4/],
  ['an infinite transformation', image({ tag: 34_264, type: 12, values: [Infinity, ...Array.from({ length: 15 }, () => 0)] }), 'TIFF_BAD_VALUE', /tag 34264 ModelTransformation has the value Infinity at place 0/],
  ['an ellipsoid of no known size', image({ tag: 34_736, type: 12, values: [6_378_137, Number.NaN] }), 'TIFF_BAD_VALUE', /tag 34736 GeoDoubleParams has the value NaN at place 1/],
  ['a colour map cut short', image(field(262, 3), { tag: 320, type: 3, values: [1, 2, 3] }), 'TIFF_BAD_VALUE', /tag 320 ColorMap has 3 values; samples of 8 bits need 768/],
  ['CMYK, which GDAL gives as RGBA', image(field(262, 5), field(277, 4), field(258, 8, 8, 8, 8)), 'TIFF_UNSUPPORTED', /tag 262 PhotometricInterpretation is 5 \(CMYK\) with samples of 8 bits/],
  ['GeoKeys cut short', image(field(34_735, 1, 1, 0, 7, 1024, 0, 1, 1)), 'TIFF_BAD_VALUE', /tag 34735 GeoKeyDirectory has 8 values; 7 keys need 32/],
];

for (const [name, bytes, code, message] of refusals) {
  void test(`refuses ${name}`, async () => {
    await assert.rejects(openAll(bytes), (error: unknown) => {
      assert.ok(error instanceof TilefanError, String(error));
      assert.equal(error.code, code, error.message);
      assert.match(error.message, message);
      assert.match(error.message, /^\/memory\.tif: /);
      return true;
    });
  });
}

void test('a block can\'t claim more bytes than such a block can have', async () => {
  const bytes = image(field(279, 2_000_000));
  const padded = new Uint8Array(3_000_000);
  padded.set(bytes);
  await assert.rejects(openAll(padded), /block 0 has 2000000 bytes; a block of 16 bytes decoded can't have more than 1048640/);
});

void test('a count of 2^32 in an array of blocks is harmless: only the image\'s own blocks are read', async () => {
  await openAll(image({ tag: 273, type: 4, values: [], count: 0xffff_ffff, offset: blockOffset }));
});

void test('one tile of an image of 16 million blocks costs one page of each array', async () => {
  const blocks = 4096 * 4096;
  const big = { tag: 324, type: 16, values: [], count: blocks, offset: 65_536 } as const;
  const counts = { tag: 325, type: 4, values: [], count: blocks, offset: 65_536 + 8 * blocks } as const;
  const tiled = [field(256, 4096 * 256), field(257, 4096 * 256), field(322, 256), field(323, 256), big, counts];
  const header = handMadeTiff({ bigTiff: true, directories: [simpleImage(4, 4, tiled).filter(({ tag }) => ![273, 278, 279].includes(tag))] });
  const requests: number[] = [];
  const reader: ObjectReader = {
    stat: (href) => Promise.resolve({ href, size: 1e12, version: '1' }),
    readInto(_href, offset, target) {
      requests.push(target.length);
      // Offsets and byte counts are all 0x0101…: somewhere in the file, and short enough.
      if (offset === 0) target.set(header.subarray(0, target.length));
      else target.fill(offset < counts.offset ? 0 : 1);
      if (offset >= 65_536 && offset < counts.offset) for (let i = 0; i < target.length; i += 8) target.set([0, 0, 1, 0, 0, 0, 0, 0], i);
      return Promise.resolve();
    },
    readAll: () => Promise.reject(new Error('not needed')),
    async *list(): AsyncIterable<ObjectStat> {},
  };
  const tiff = await openTiff(reader, 's3://bucket/huge.tif');
  assert.equal(blockCount(tiff.main.layout), blocks);
  assert.deepEqual(requests, [65_536]);
  await assert.rejects(tiff.blockRanges(tiff.main, [10_000_000]), { code: 'TIFF_TOO_LARGE' });
  assert.deepEqual(requests.slice(1), [65_536, 65_536]);
});

const mixed: readonly FileSpec[] = [
  { name: 'cog', dtype: 'uint16', width: 90, height: 70, bands: 2, driver: 'COG', options: ['BLOCKSIZE=32', 'COMPRESS=DEFLATE', 'PREDICTOR=2'], nodata: '0', mask: true },
  { name: 'big', dtype: 'float32', width: 40, height: 33, bands: 1, options: ['BIGTIFF=YES', 'COMPRESS=LZW', 'PREDICTOR=3', 'ENDIANNESS=BIG'] },
  { name: 'jpeg', dtype: 'uint8', width: 48, height: 48, bands: 3, options: ['COMPRESS=JPEG', 'PHOTOMETRIC=YCBCR', 'TILED=YES', 'BLOCKXSIZE=16', 'BLOCKYSIZE=16'] },
  { name: 'webp', dtype: 'uint8', width: 48, height: 48, bands: 4, options: ['COMPRESS=WEBP', 'BLOCKYSIZE=16'] },
  { name: 'lerc', dtype: 'float32', width: 48, height: 48, bands: 1, options: ['COMPRESS=LERC_DEFLATE'], pattern: 'nan' },
  { name: 'lerc-plain', dtype: 'uint16', width: 48, height: 48, bands: 2, options: ['COMPRESS=LERC'] },
  { name: 'zstd', dtype: 'int16', width: 48, height: 48, bands: 2, options: ['COMPRESS=ZSTD', 'INTERLEAVE=BAND', 'PREDICTOR=2'] },
  { name: 'packbits', dtype: 'uint8', width: 48, height: 48, bands: 1, options: ['COMPRESS=PACKBITS'], overviews: [2] },
];

/** Reads everything there is. Only errors of the tree may come out; what was read may be wrong, as GDAL's would be. */
async function readEverything(bytes: Uint8Array): Promise<void> {
  const object = countedObject(bytes);
  try {
    const tiff = await openTiff(object, object.href);
    for (const level of [tiff.main, ...tiff.overviews]) {
      for (const one of level.mask === null ? [level] : [level, level.mask]) {
        // A flipped bit may make an image of millions of pixels, which is no fault of the reader.
        if (one.layout.width * one.layout.height * one.layout.bands > 1e6) continue;
        await readImage(object, tiff, one);
      }
    }
  } catch (error) {
    if (!(error instanceof TilefanError)) throw error;
    assert.match(error.code, /^TIFF_/);
  }
  assert.ok(object.requests.length < 2000);
}

void test('files cut off anywhere give only errors of the tree', { skip: withoutGdal }, async () => {
  await withGdalFiles(mixed, async (files) => {
    for (const file of files) {
      const bytes = await readFile(file.path);
      const step = Math.max(1, Math.floor(bytes.length / 150));
      for (let length = 0; length < bytes.length; length += length < 600 ? 7 : step) await readEverything(bytes.subarray(0, length));
    }
  });
});

void test('files with changed bytes give only errors of the tree', { skip: withoutGdal }, async () => {
  await withGdalFiles(mixed, async (files) => {
    for (const file of files) {
      const bytes = await readFile(file.path);
      // Half of the changes hit the header, where they do most.
      const place = fc.oneof(fc.nat({ max: Math.min(700, bytes.length - 1) }), fc.nat({ max: bytes.length - 1 }));
      const changes = fc.array(fc.tuple(place, fc.oneof(fc.constantFrom(0, 1, 127, 128, 255), fc.nat({ max: 255 }))), { minLength: 1, maxLength: 6 });
      await fc.assert(
        fc.asyncProperty(changes, async (list) => {
          const changed = Uint8Array.from(bytes);
          for (const [at, value] of list) changed[at] = value;
          await readEverything(changed);
        }),
        { numRuns: 150 },
      );
    }
  });
});
