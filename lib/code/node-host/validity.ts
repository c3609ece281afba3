/** Where an input has data: by its mask, and by the nodata value in its bands. */
import { isFloat, type Dtype, type SampleArray } from '../../raster/dtype.ts';

/**
 * Marks pixels without data: `valid[i]` becomes 0 where any band holds `nodata` in pixel i. NaN means NaN.
 * @param samples (bands, plane), as many bands as fit
 */
export function markNodata(valid: Uint8Array, samples: SampleArray, dtype: Dtype, nodata: number): void {
  const plane = valid.length;
  if (Number.isNaN(nodata)) {
    if (!isFloat(dtype)) return;
    for (let start = 0; start < samples.length; start += plane) {
      for (let i = 0; i < plane; i++) if (Number.isNaN(samples[start + i])) valid[i] = 0;
    }
    return;
  }
  // As a pixel of the input has it.
  const value = dtype === 'float32' ? Math.fround(nodata) : nodata;
  for (let start = 0; start < samples.length; start += plane) {
    for (let i = 0; i < plane; i++) if (samples[start + i] === value) valid[i] = 0;
  }
}
