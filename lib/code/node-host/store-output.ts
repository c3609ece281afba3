/** Values of any type as samples of an output's, stored as expressions are. */
import { dtypeFacts, isFloat, type Dtype, type SampleArray } from '../../raster/dtype.ts';
import { quantize } from '../../raster/quantize.ts';

/** Arrays of numbers that a function may assign. */
export type NumberArray = SampleArray | Uint8ClampedArray | Float16Array | BigInt64Array | BigUint64Array;

/** A piece that stays in the processor's cache on its way through float64. */
const chunk = 8192;

/**
 * Stores `values` into `target`: whole numbers saturated and rounded half to even, NaN as `nodata`, else 0. A float target takes every value, NaN too.
 * As long as each other.
 */
export function storeValues(target: SampleArray, dtype: Dtype, values: NumberArray | readonly number[], nodata: number | undefined): void {
  if (isFloat(dtype) && !isBigInts(values)) {
    target.set(values);
    return;
  }
  const { min, max } = dtypeFacts(dtype);
  const part = new Float64Array(chunk);
  for (let start = 0; start < target.length; start += chunk) {
    const n = Math.min(chunk, target.length - start);
    if (isBigInts(values)) for (let i = 0; i < n; i++) part[i] = Number(values[start + i]);
    else part.set(Array.isArray(values) ? (values as readonly number[]).slice(start, start + n) : (values as SampleArray).subarray(start, start + n));
    if (!isFloat(dtype)) quantize(part, 0, part, 0, n, min, max, nodata ?? 0);
    target.set(part.subarray(0, n), start);
  }
}

function isBigInts(values: NumberArray | readonly number[]): values is BigInt64Array | BigUint64Array {
  return values instanceof BigInt64Array || values instanceof BigUint64Array;
}
