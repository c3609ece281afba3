/** Integers of 64 bits are read as float64, exactly or not at all. What GDAL reads of such files: test/conformance. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { DataError } from '../../lib/base/errors.ts';
import { openTiff } from '../../lib/tiff/open.ts';
import { wideNodata, widenToFloats } from '../../lib/tiff/wide-integers.ts';
import { countedObject } from './counted-object.ts';
import { blockOffset, field, handMadeTiff, simpleImage } from './hand-made-tiff.ts';
import { readImage } from './read-image.ts';

const limit = 2n ** 53n;
const int64 = { sampleFormat: 'int', bitsPerSample: 64 } as const;
const uint64 = { sampleFormat: 'uint', bitsPerSample: 64 } as const;

/** Many near the limits, and others of all magnitudes. */
function integers(least: bigint, most: bigint): fc.Arbitrary<bigint> {
  const near = (value: bigint): fc.Arbitrary<bigint> => fc.bigInt({ min: value - 3n, max: value + 3n });
  return fc.oneof(fc.bigInt({ min: least, max: most }), fc.bigInt({ min: -limit, max: limit }), near(limit), near(-limit), near(least), near(most), near(0n), near(2n ** 32n), near(-(2n ** 32n)))
    .filter((value) => value >= least && value <= most);
}

void describe('integers of 64 bits as floats', () => {
  for (const signed of [true, false]) {
    const [least, most] = signed ? [-(2n ** 63n), 2n ** 63n - 1n] : [0n, 2n ** 64n - 1n];

    // Catches: a sign or a carry that is lost between words, a limit that is off by one, a sample that is rounded, or taken for nodata that it only comes near.
    void it(`are exact, or not read (${signed ? 'signed' : 'unsigned'})`, () => {
      fc.assert(
        fc.property(fc.array(integers(least, most), { minLength: 1, maxLength: 20 }), fc.option(integers(least, most)), fc.nat(3), (values, nodata, from) => {
          const floats = new Float64Array(from + values.length + 1).fill(7);
          const raw = signed ? new BigInt64Array(floats.buffer) : new BigUint64Array(floats.buffer);
          raw.set(values, from);
          const bad = values.findIndex((value) => (value > limit || value < -limit) && value !== nodata);
          assert.equal(widenToFloats(floats, from, values.length, signed, nodata), bad < 0 ? -1 : from + bad);
          const done = bad < 0 ? values : values.slice(0, bad);
          assert.deepEqual(Array.from(floats.subarray(from, from + done.length)), done.map(Number));
          // The neighbours are as they were.
          assert.deepEqual([...floats.subarray(0, from), floats[from + values.length]], new Array<number>(from + 1).fill(7));
        }),
      );
    });
  }

  // Catches: nodata that is compared as a float, one of the job that is ignored, one that the type can't hold.
  void it('have the nodata that the file or the job means', () => {
    const least = '-9223372036854775808';
    const most = '18446744073709551615';
    assert.equal(wideNodata(int64, least, Number(least)), least);
    assert.equal(wideNodata(uint64, most, Number(most)), most);
    // The file's own, of several that are the same float.
    assert.equal(wideNodata(int64, '-9223372036854775800', Number(least)), '-9223372036854775800');
    // The job's, where the file says nothing or something else; JSON has no nearer number.
    assert.equal(wideNodata(int64, null, Number(least)), least);
    assert.equal(wideNodata(uint64, '0', Number(most)), most);
    assert.equal(wideNodata(int64, '5', Number('9223372036854775807')), '9223372036854775807');
    assert.equal(wideNodata(uint64, '1.8446744073709552e+19', 1.8446744073709552e19), most);
    // None that is beyond 2^53, and none that the type has.
    for (const value of [undefined, 0, -9999, 2 ** 53, -(2 ** 53), NaN, -Infinity, 0.5]) assert.equal(wideNodata(int64, least, value), null);
    assert.equal(wideNodata(uint64, least, Number(least)), null);
    assert.equal(wideNodata(int64, null, 1e300), null);
    assert.equal(wideNodata({ sampleFormat: 'float', bitsPerSample: 64 }, least, Number(least)), null);
  });
});

void describe('a TIFF of 64-bit integers', () => {
  async function read(values: readonly bigint[], { nodata, format = 2, byteOrder = 'little' }: { nodata?: string; format?: 1 | 2; byteOrder?: 'little' | 'big' }): Promise<number[]> {
    const blocks = new Uint8Array(8 * values.length);
    const view = new DataView(blocks.buffer);
    for (const [i, value] of values.entries()) view.setBigInt64(8 * i, value, byteOrder === 'little');
    const text = nodata === undefined ? [] : [{ tag: 42_113, type: 2, values: [...Buffer.from(`${nodata}\0`)] } as const];
    // Two strips of one row.
    const size = 4 * values.length;
    const fields = [field(258, 64), field(339, format), field(278, 1), field(273, blockOffset, blockOffset + size), field(279, size, size), ...text];
    const object = countedObject(handMadeTiff({ byteOrder, blocks, directories: [simpleImage(values.length / 2, 2, fields)] }));
    const tiff = await openTiff(object, object.href);
    assert.equal(tiff.main.layout.dtype, 'float64');
    return Array.from(await readImage(object, tiff, tiff.main));
  }

  // Catches: a place that is another than the sample's, an error without what was found and wanted.
  void it('says which sample it does not read', async () => {
    for (const byteOrder of ['little', 'big'] as const) {
      await assert.rejects(read([1n, 2n, 3n, 4n, limit + 1n, 6n], { byteOrder }), (error: unknown) => {
        assert.ok(error instanceof DataError);
        assert.equal(error.code, 'TIFF_BAD_SAMPLE');
        assert.match(error.message, /directory 0: block 1, band 1: the sample at column 1, row 1 is 9007199254740993; .*wanted one from -9007199254740992 \(2\^53\) to 9007199254740992 \(2\^53\)$/);
        return true;
      });
    }
    await assert.rejects(read([1n, -(2n ** 63n) + 1n], { nodata: '-9223372036854775808' }), /row 1 is -9223372036854775807; .*, or nodata, -9223372036854775808$/);
    await assert.rejects(read([1n, -2n], { format: 1, nodata: '18446744073709551615' }), /is 18446744073709551614; .*, or nodata, 18446744073709551615$/);
  });

  // Catches: nodata that isn't the value by which it is known.
  void it('has nodata beyond 2^53', async () => {
    assert.deepEqual(await read([limit, -(2n ** 63n), -limit, 0n], { nodata: '-9223372036854775808' }), [2 ** 53, -(2 ** 63), -(2 ** 53), 0]);
    assert.deepEqual(await read([limit, -1n, 5n, 0n], { nodata: '18446744073709551615', format: 1, byteOrder: 'big' }), [2 ** 53, 2 ** 64, 5, 0]);
  });
});
