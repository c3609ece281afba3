import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { DataError } from '../../lib/base/errors.ts';
import { encodeIndex, footerBytes, parseSegmentName, readSegmentIndex, segmentName, segmentPrefix, type SegmentIndex } from '../../lib/job/segment.ts';
import { noStatistics } from '../../lib/raster/statistics.ts';
import { countedObject } from '../tiff/counted-object.ts';

const number = fc.double({ noNaN: false });
const place = fc.nat({ max: 2 ** 31 });
const statistics = fc.record({ count: place, minimum: number, maximum: number, mean: number, squares: number }, { noNullPrototype: true });

/** An index whose tiles all have the same number of bands, as a worker's do. */
const indexes: fc.Arbitrary<SegmentIndex> = fc.nat({ max: 4 }).chain((bands) =>
  fc.record(
    {
      complete: fc.boolean(),
      tiles: fc.array(fc.record({ column: place, row: place, statistics: fc.array(statistics, { minLength: bands, maxLength: bands }) }, { noNullPrototype: true }), { maxLength: 12 }),
      blocks: fc.array(fc.record({ level: fc.nat({ max: 20 }), column: place, row: place, offset: fc.nat({ max: 2 ** 40 }), length: place }, { noNullPrototype: true }), { maxLength: 12 }),
      dataBytes: fc.nat({ max: 3000 }),
    },
    { noNullPrototype: true },
  ),
);

function segmentBytes(index: SegmentIndex): Uint8Array {
  const tail = encodeIndex(index);
  const bytes = new Uint8Array(index.dataBytes + tail.length).fill(0xa5);
  bytes.set(tail, index.dataBytes);
  return bytes;
}

async function read(bytes: Uint8Array) {
  const object = countedObject(bytes, 'file:///run/segments/out/0000012-00003.seg');
  const index = await readSegmentIndex(object, await object.stat(object.href));
  return { index, requests: object.requests };
}

const sample: SegmentIndex = {
  complete: true,
  tiles: [{ column: 3, row: 4, statistics: [{ count: 9, minimum: -1, maximum: 1, mean: 0.1, squares: 2 }] }, { column: 4, row: 4, statistics: [noStatistics] }],
  blocks: [{ level: 0, column: 3, row: 4, offset: 0, length: 100 }],
  dataBytes: 100,
};

void describe('segments', () => {
  void it('give back what was put in, infinities and NaN too', async () => {
    await fc.assert(
      fc.asyncProperty(indexes, async (index) => {
        assert.deepEqual((await read(segmentBytes(index))).index, index);
      }),
      { seed: 41, numRuns: 200 },
    );
  });

  void it('take one request for a short index, and two for a long one', async () => {
    assert.equal((await read(segmentBytes(sample))).requests.length, 1);
    const many = { ...sample, blocks: Array.from({ length: 5000 }, (_, column) => ({ level: 0, column, row: 0, offset: column, length: 1 })), dataBytes: 5000 };
    const { index, requests } = await read(segmentBytes(many));
    assert.deepEqual(index, many);
    assert.equal(requests.length, 2);
    assert.ok(requests.every(({ offset, length }) => offset >= 5000 - 16_384 && length < 16_384 + 5000 * 40 + 200), 'the blocks themselves are not read');
  });

  void it('that are cut off anywhere, or empty, are refused', async () => {
    const whole = segmentBytes(sample);
    for (let length = 0; length < whole.length; length++) {
      await assert.rejects(read(whole.subarray(0, length)), (error) => error instanceof DataError && error.code === 'SEGMENT_BROKEN' && error.message.includes('0000012-00003.seg'), `${length}`);
    }
    await assert.rejects(read(new Uint8Array([...whole, 0])), { code: 'SEGMENT_BROKEN' });
  });

  void it('with any one bit of index or footer wrong are refused', async () => {
    const whole = segmentBytes(sample);
    for (let bit = sample.dataBytes * 8; bit < whole.length * 8; bit++) {
      const bytes = whole.slice();
      const at = Math.floor(bit / 8);
      bytes[at] = (bytes[at] ?? 0) ^ (1 << (bit % 8));
      await assert.rejects(read(bytes), { code: 'SEGMENT_BROKEN' }, `bit ${bit % 8} of byte ${at}`);
    }
  });

  void it('whose footer says absurd sizes are refused before memory is taken for them', async () => {
    const whole = segmentBytes(sample);
    for (const [data, index] of [[-1e15, 1e15], [1e15, -1e15], [100.5, -0.5], [0, Number.NaN], [Infinity, -Infinity], [3, 0]] as const) {
      const bytes = whole.slice();
      const footer = new DataView(bytes.buffer, bytes.length - 24);
      const rest = bytes.length - footerBytes;
      footer.setFloat64(0, data, true);
      footer.setFloat64(8, Number.isFinite(index) && index !== 0 ? rest - data : index, true);
      await assert.rejects(read(bytes), { code: 'SEGMENT_BROKEN' }, `${data} ${index}`);
    }
  });

  void it('have names that sort as batches and numbers do, and that can be read back', () => {
    assert.equal(segmentName(12, 3), '0000012-00003.seg');
    assert.deepEqual(parseSegmentName(`s3://w/runs/r/segments/out/${segmentName(8999, 120)}`), { batch: 8999, number: 120 });
    assert.ok(segmentName(12, 3).startsWith(segmentPrefix(12)));
    assert.ok(!segmentName(120, 3).startsWith(segmentPrefix(12)), 'no batch takes the segments of another for its own');
    const names = [[9, 99_999], [10, 0], [10, 1], [10, 10], [11, 2], [100, 0], [8999, 5]].map(([batch = 0, n = 0]) => segmentName(batch, n));
    assert.deepEqual(names.toSorted(), names);
    assert.equal(parseSegmentName('file:///x/.0000012-00003.seg.tmp'), undefined);
    assert.equal(parseSegmentName('file:///x/12-3.seg'), undefined);
  });
});
