/** The arrays that a function sees: typed arrays that know their shape. */
import type { SampleArray } from '../../raster/dtype.ts';
import type { TileArray } from '../tile-function.ts';

export interface ArrayShape {
  readonly bands: number;
  readonly rows: number;
  readonly cols: number;
}

/**
 * Gives a typed array its shape (bands, rows, cols) and `band(n)`. The additions don't show when it is printed or made JSON.
 * @param validity makes `valid`, when it is first asked for
 */
export function tileArray(samples: SampleArray, { bands, rows, cols }: ArrayShape, validity?: () => Uint8Array): TileArray {
  const plane = rows * cols;
  const band = (number: number): SampleArray => {
    if (!Number.isInteger(number) || number < 1 || number > bands) {
      throw new RangeError(`there is no band ${String(number)}: bands count from 1 to ${String(bands)}`);
    }
    return samples.subarray((number - 1) * plane, number * plane);
  };
  let made: Uint8Array | undefined;
  const valid = (): Uint8Array | undefined => (made ??= validity?.());
  Object.defineProperties(samples, { bands: { value: bands }, rows: { value: rows }, cols: { value: cols }, band: { value: band }, valid: { get: valid } });
  return samples as TileArray;
}
