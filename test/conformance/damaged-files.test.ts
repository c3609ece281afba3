/**
 * Files of the corpus cut off, flipped, overwritten: what comes out is pixels, or an error of the tree with a code TIFF_*. Never an error of Node's
 * own, an endless loop, or memory that a number in the file decides: opening asks for no more bytes than the file has, a block for no more than its own.
 */

import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import fc from 'fast-check';
import { TilefanError } from '../../lib/base/errors.ts';
import { blockCount, type BlockLayout } from '../../lib/tiff/layout.ts';
import { openTiff, type Tiff, type TiffImage } from '../../lib/tiff/open.ts';
import { withoutGdal } from '../support/gdal.ts';
import { countedObject } from '../tiff/counted-object.ts';
import { readImage } from '../tiff/read-image.ts';
import { type Case } from './case.ts';
import { cases, products } from './cases.ts';
import { withCorpus } from './corpus.ts';

/** One file of each codec and of each place where a header can lie. */
function chosen(): Case[] {
  const names = ['jpeg-ycbcr-tiled-little', 'webp-lossless-rgba-striped-big', 'lerc-nan-tiled-big', 'cog-deflate-yes-uint16-mask', 'cog-sparse', 'colors-table', 'geo-control-points', 'bands-described'];
  const codings = new Set(products.map(({ name }) => name.split('.')[1] ?? ''));
  const ofCodings = [...codings].flatMap((coding) => products.find(({ name, width, height }) => name.includes(`.${coding}.`) && width > 16 && height < 40) ?? []);
  return [...cases.filter(({ name }) => names.includes(name)), ...ofCodings];
}

/** A flipped bit may make an image of a billion pixels, which is no fault of the reader: its caller sees the size and decides. */
function isSmall({ width, height, bands, blockWidth, blockHeight }: BlockLayout): boolean {
  return width * height * bands <= 200_000 && blockWidth * blockHeight * bands <= 4_000_000;
}

/** `pixels`, or the code of the error. */
async function readDamaged(bytes: Uint8Array): Promise<string> {
  const object = countedObject(bytes);
  let opened: number | undefined;
  try {
    const tiff = await openTiff(object, object.href);
    for (const image of imagesOf(tiff)) await tiff.blockRanges(image, Array.from({ length: Math.min(500, blockCount(image.layout)) }, (_, i) => i));
    opened = object.requests.length;
    for (const image of imagesOf(tiff).filter(({ layout }) => isSmall(layout))) await readImage(object, tiff, image);
    return 'pixels';
  } catch (error) {
    if (!(error instanceof TilefanError) || !error.code.startsWith('TIFF_')) throw error;
    assert.ok(error.message.startsWith('/memory.tif: '), error.message);
    return error.code;
  } finally {
    // Each of these files is shorter than one request of the header's reader, so one request is all that its header can need.
    const header = object.requests.slice(0, opened).reduce((sum, { length }) => sum + length, 0);
    assert.ok(header <= bytes.length, `${header} bytes asked for to open ${bytes.length}`);
    assert.ok(object.requests.every(({ offset, length }) => offset + length <= bytes.length));
  }
}

function imagesOf(tiff: Tiff): TiffImage[] {
  return [tiff.main, ...tiff.overviews].flatMap((image) => (image.mask === null ? [image] : [image, image.mask]));
}

type Damage = { readonly kind: 'flip' | 'fill' | 'copy'; readonly at: number; readonly value: number; readonly length: number };

/** Half of the damage hits the first directory, where it does most. */
function damages(bytes: Uint8Array): fc.Arbitrary<{ readonly cut: number; readonly list: readonly Damage[] }> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const little = view.getUint8(0) === 0x49;
  const bigTiff = view.getUint16(2, little) === 43;
  const directory = bigTiff ? Number(view.getBigUint64(8, little)) : view.getUint32(4, little);
  const last = bytes.length - 1;
  const inDirectory = fc.integer({ min: directory, max: Math.min(directory + 400, last) });
  // Without bias, since fast-check prefers the first bytes otherwise, and a file that doesn't begin as a TIFF tests nothing more.
  const at = fc.noBias(fc.oneof({ weight: 1, arbitrary: fc.nat({ max: 16 }) }, { weight: 9, arbitrary: inDirectory }, { weight: 10, arbitrary: fc.nat({ max: last }) }));
  const value = fc.oneof(fc.constantFrom(0, 1, 2, 127, 128, 255), fc.nat({ max: 255 }));
  const damage = fc.record({ kind: fc.constantFrom('flip' as const, 'flip' as const, 'fill' as const, 'copy' as const), at, value, length: fc.integer({ min: 1, max: 40 }) });
  const cut = fc.noBias(fc.oneof({ weight: 1, arbitrary: fc.nat({ max: last }) }, { weight: 4, arbitrary: fc.constant(bytes.length) }));
  return fc.record({ cut, list: fc.array(damage, { minLength: 1, maxLength: 3 }) });
}

function damaged(bytes: Uint8Array, cut: number, list: readonly Damage[]): Uint8Array {
  const changed = Uint8Array.from(bytes);
  for (const { kind, at, value, length } of list) {
    if (kind === 'flip') changed[at] = value;
    else if (kind === 'fill') changed.fill(value, at, at + length);
    else changed.copyWithin(at, (at * 7) % bytes.length, ((at * 7) % bytes.length) + length);
  }
  return changed.subarray(0, cut);
}

// A block that never ends would hang the process without the limit; it takes a few seconds.
void test('damaged files give pixels or an error TIFF_*', { skip: withoutGdal, timeout: 120_000 }, async (t) => {
  const seed = Number(process.env['TILEFAN_TEST_SEED'] ?? randomInt(2 ** 31));
  t.diagnostic(`TILEFAN_TEST_SEED=${seed}`);
  const outcomes: Record<string, number> = {};
  await withCorpus(chosen(), async (files) => {
    for (const file of files) {
      const bytes = await readFile(file.path);
      assert.equal(await readDamaged(bytes), 'pixels', file.case.name);
      assert.ok(bytes.length <= 65_536, `${file.case.name} is one request long`);
      await fc.assert(
        fc.asyncProperty(damages(bytes), async ({ cut, list }) => {
          const outcome = await readDamaged(damaged(bytes, cut, list));
          outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
        }),
        { numRuns: 120, seed },
      );
    }
  });
  t.diagnostic(JSON.stringify(outcomes));
  // The damage must reach blocks and tags, and not only make files that are no TIFF.
  for (const outcome of ['pixels', 'TIFF_BAD_BLOCK', 'TIFF_TRUNCATED', 'TIFF_UNSUPPORTED', 'TIFF_MISSING_TAG']) assert.ok((outcomes[outcome] ?? 0) > 20, `${outcome} happens`);
});
