import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { chipPlaces } from '../../../lib/code/model/chip-input.ts';

describe('places of the pixels of a chip', () => {
  // A tile from 96 to 159 with a margin of 4, in a grid of 200.
  const axis = { length: 200, from: 92, size: 72 };

  it('are refused beyond the tile and its margin on either side, instead of being read from elsewhere', () => {
    assert.deepEqual([...chipPlaces(axis, 92, 4, 'nodata')], [0, 1, 2, 3]);
    assert.deepEqual([...chipPlaces(axis, 160, 4, 'nodata')], [68, 69, 70, 71]);
    assert.throws(() => chipPlaces(axis, 91, 4, 'nodata'), { name: 'OperationError', code: 'MODEL_HALO', message: 'a chip needs the pixels from 91 to 94, and the tile with its margin has 92 to 163 only' });
    assert.throws(() => chipPlaces(axis, 161, 4, 'nodata'), { code: 'MODEL_HALO', message: /from 161 to 164,/ });
  });

  it('beyond the grid are none, or mirrored to and fro within the chip', () => {
    const last = { length: 98, from: 92, size: 72 };
    assert.deepEqual([...chipPlaces(last, 95, 8, 'nodata')], [3, 4, 5, -1, -1, -1, -1, -1]);
    assert.deepEqual([...chipPlaces(last, 95, 8, 'reflect')], [3, 4, 5, 4, 3, 4, 5, 4]);
    assert.deepEqual([...chipPlaces({ length: 50, from: -4, size: 40 }, -2, 5, 'reflect')], [6, 5, 4, 5, 6]);
    assert.deepEqual([...chipPlaces({ length: 1, from: -4, size: 9 }, -2, 4, 'reflect')], [4, 4, 4, 4]);
  });
});
