import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { placePixels } from '../../../lib/code/model/chip-output.ts';

describe('pixels of a tensor', () => {
  const extent = { rows: 16, columns: 16, spare: 2 };

  it('are those axes that are as long as the chip, before those that are a little shorter', () => {
    // 14 bands could be rows without their edges.
    assert.deepEqual(placePixels([1, 14, 16, 16], 1, extent, 'nhwc', 'y'), { bands: 14, chip: 3584, band: 256, row: 16, column: 1, marginRows: 0, marginColumns: 0 });
    assert.deepEqual(placePixels([1, 16, 16, 14], 1, extent, 'nchw', 'y'), { bands: 14, chip: 3584, band: 1, row: 224, column: 14, marginRows: 0, marginColumns: 0 });
    // As many bands as pixels a side: the order of the input's axes decides.
    assert.equal(placePixels([1, 16, 16, 16], 1, extent, 'nhwc', 'y').band, 1);
    assert.equal(placePixels([1, 16, 16, 16], 1, extent, 'nchw', 'y').band, 256);
  });

  it('lie in the middle where there are fewer, by an even number that is spared', () => {
    assert.deepEqual(placePixels([2, 3, 12, 14], 2, extent, 'nchw', 'y'), { bands: 3, chip: 504, band: 168, row: 14, column: 1, marginRows: 2, marginColumns: 1 });
    for (const dims of [[1, 3, 10, 10], [1, 3, 15, 15], [1, 3, 18, 18], [2, 3, 16, 16], [3, 16], [1, 1, 3, 16, 16]]) {
      assert.throws(() => placePixels(dims, 1, extent, 'nchw', 'y'), { name: 'OperationError', code: 'MODEL_SHAPE', message: `the model's output "y" is (${dims.join(' x ')}): wanted 1 x bands x 16 x 16, the size of the chips, or up to 2 less on each side` });
    }
  });
});
