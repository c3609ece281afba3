/** Which kernel serves an operation, by what is known of the numbers that it will meet. */
import { type Dtype, dtypeFacts, isFloat } from '../dtype.ts';
import { Convolution } from './convolution.ts';
import { ExactDeviation } from './exact-deviation.ts';
import { ExactMean } from './exact-mean.ts';
import { FocalMaximum, FocalMinimum } from './extremes.ts';
import { HistogramMedian } from './histogram-median.ts';
import type { FocalKernel } from './kernel.ts';
import { type PlacedFocalOperation, reachOf } from './operation.ts';
import { OrderedDeviation } from './ordered-deviation.ts';
import { OrderedMean } from './ordered-mean.ts';
import { SelectingMedian } from './selecting-median.ts';
import { Terrain } from './terrain.ts';

/** A kernel, not made yet. */
interface KernelPlan {
  /** What it holds. */
  readonly bytes: number;
  make(): FocalKernel;
}

/**
 * The kernel for planes of `stride` samples a row.
 * @param dtype of the samples, where the operand is a band as it is; a computed operand is float64
 */
export function planKernel(operation: PlacedFocalOperation, dtype: Dtype, stride: number): KernelPlan {
  const reach = reachOf(operation);
  const whole = !isFloat(dtype);
  const { min, max, bytes } = dtypeFacts(dtype);
  switch (operation.name) {
    case 'mean':
      if (whole) return { bytes: ExactMean.bytes(reach, stride), make: () => new ExactMean(reach, stride) };
      return { bytes: OrderedMean.bytes(reach, stride), make: () => new OrderedMean(reach, stride) };
    case 'std':
      if (whole && ExactDeviation.serves(reach, Math.max(-min, max))) {
        return { bytes: ExactDeviation.bytes(reach, stride), make: () => new ExactDeviation(reach, stride) };
      }
      return { bytes: OrderedDeviation.bytes(reach, stride), make: () => new OrderedDeviation(reach, stride) };
    case 'min':
      return { bytes: FocalMinimum.bytes(reach, stride), make: () => new FocalMinimum(reach, stride) };
    case 'max':
      return { bytes: FocalMaximum.bytes(reach, stride), make: () => new FocalMaximum(reach, stride) };
    case 'median':
      if (whole && bytes <= 2) {
        const values = max - min + 1;
        return { bytes: HistogramMedian.bytes(values), make: () => new HistogramMedian(reach, min, values) };
      }
      return { bytes: SelectingMedian.bytes(reach), make: () => new SelectingMedian(reach) };
    case 'convolve':
      return { bytes: 64 * operation.weights.length, make: () => new Convolution(reach, operation.weights) };
    case 'slope':
    case 'slopePercent':
    case 'aspect':
    case 'hillshade':
      return { bytes: Terrain.bytes(stride), make: () => new Terrain(operation, stride) };
  }
}
