import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import fc from 'fast-check';

import { planRanges } from '../../lib/store/range-plan.ts';

void describe('range plan', () => {
  void it('joins neighbours, reads across small gaps, and asks around large ones', () => {
    const ranges = [{ offset: 1000, length: 10 }, { offset: 0, length: 100 }, { offset: 150, length: 50 }, { offset: 100, length: 0 }];
    assert.deepEqual(planRanges(ranges, { maxGapBytes: 50 }), [
      { offset: 0, length: 200, ranges: [{ index: 1, at: 0, length: 100 }, { index: 2, at: 150, length: 50 }] },
      { offset: 1000, length: 10, ranges: [{ index: 0, at: 0, length: 10 }] },
    ]);
    assert.equal(planRanges(ranges, { maxGapBytes: 49 }).length, 3);
    assert.equal(planRanges(ranges).length, 1);
    assert.deepEqual(planRanges([]), []);
  });

  void it('does not let a request grow beyond its bound, nor cuts a range', () => {
    const blocks = Array.from({ length: 10 }, (_, index) => ({ offset: index * 100, length: 100 }));
    assert.deepEqual(planRanges(blocks, { maxRequestBytes: 250 }).map(({ length }) => length), [200, 200, 200, 200, 200]);
    assert.deepEqual(planRanges([{ offset: 0, length: 1000 }, { offset: 10, length: 5 }, { offset: 1000, length: 1 }], { maxRequestBytes: 250 }).map(({ length }) => length), [1000, 1]);
  });

  void it('holds each range whole in exactly one request, for any ranges', () => {
    const range = fc.record({ offset: fc.nat({ max: 5000 }), length: fc.nat({ max: 600 }) }, { noNullPrototype: true });
    fc.assert(
      fc.property(fc.array(range, { maxLength: 60 }), fc.nat({ max: 300 }), fc.integer({ min: 1, max: 2000 }), (ranges, maxGapBytes, maxRequestBytes) => {
        const given = structuredClone(ranges);
        const plan = planRanges(ranges, { maxGapBytes, maxRequestBytes });
        assert.deepEqual(ranges, given, 'the input is not changed');
        const seen = plan.flatMap((request) => request.ranges.map(({ index }) => index)).sort((a, b) => a - b);
        assert.deepEqual(seen, ranges.flatMap(({ length }, index) => (length > 0 ? [index] : [])));
        let previous = -1;
        for (const request of plan) {
          assert.ok(request.offset > previous || request.ranges.length > 0);
          assert.ok(request.offset >= previous, 'ascending');
          previous = request.offset;
          assert.ok(request.length <= Math.max(maxRequestBytes, ...request.ranges.map(({ length }) => length)), 'bounded');
          const covered = new Uint8Array(request.length);
          for (const { index, at, length } of request.ranges) {
            assert.deepEqual({ offset: request.offset + at, length }, ranges[index]);
            assert.ok(at >= 0 && at + length <= request.length);
            covered.fill(1, at, at + length);
          }
          assert.equal(covered[0], 1);
          assert.equal(covered.at(-1), 1, 'nothing is read beyond the last range');
          const gaps = Buffer.from(covered).toString('latin1').split('\x01').map(({ length }) => length);
          assert.ok(Math.max(...gaps) <= maxGapBytes, 'no gap above the bound is read');
        }
      }),
    );
  });
});
