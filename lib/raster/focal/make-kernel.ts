/** Which kernel serves an operation, by what is known of the numbers that it will meet. */
import { type Dtype, dtypeFacts, isFloat } from '../dtype.ts';
import { Convolution } from './convolution.ts';
import { ExactDeviation } from './exact-deviation.ts';
import { ExactMean } from './exact-mean.ts';
import { FocalMaximum, FocalMinimum } from './extremes.ts';
import { HistogramMedian } from './histogram-median.ts';
import type { FocalKernel } from './kernel.ts';
import { NetworkMedian } from './network-median.ts';
import { type PlacedFocalOperation, reachOf } from './operation.ts';
import { OrderedDeviation } from './ordered-deviation.ts';
import { OrderedMean } from './ordered-mean.ts';
import type { FocalResult } from './result.ts';
import { SelectingMedian } from './selecting-median.ts';
import { Terrain } from './terrain.ts';
import { WholeExtreme } from './whole-extremes.ts';
import { WholeMean } from './whole-mean.ts';

/** In which form samples lie. */
export type RowForm = 'float64' | 'whole';

/** A kernel, not made yet. */
export interface KernelPlan {
  /** What it reads of its operand, and what it fills. */
  readonly reads: RowForm;
  readonly fills: RowForm;
  /** What it holds. */
  readonly bytes: number;
  make(): FocalKernel;
}

/**
 * The kernel for planes of `stride` samples a row.
 * @param dtype of the samples, where the operand is a band as it is; a computed operand is float64
 * @param result what becomes of the result
 */
export function planKernel(operation: PlacedFocalOperation, dtype: Dtype, stride: number, result: FocalResult): KernelPlan {
  return planWhole(operation, dtype, stride, result) ?? { reads: 'float64', fills: 'float64', ...planFloat64(operation, dtype, stride) };
}

/** Kernels that work in 32 bits, for numbers of at most 16. */
function planWhole(operation: PlacedFocalOperation, dtype: Dtype, stride: number, result: FocalResult): KernelPlan | undefined {
  const { min, max, bytes } = dtypeFacts(dtype);
  if (isFloat(dtype) || bytes > 2) return undefined;
  const reach = reachOf(operation);
  const fills = result === 'whole' ? 'whole' : 'float64';
  switch (operation.name) {
    case 'mean':
      if (!WholeMean.serves(reach, Math.max(-min, max))) return undefined;
      return { reads: 'whole', fills, bytes: WholeMean.bytes(reach, stride), make: () => new WholeMean(reach, stride, result) };
    case 'min':
    case 'max': {
      const { name } = operation;
      return { reads: 'whole', fills, bytes: WholeExtreme.bytes(reach, stride), make: () => new WholeExtreme(name, reach, stride, fills) };
    }
    case 'median': {
      const values = max - min + 1;
      const makeHistogram = (): HistogramMedian => new HistogramMedian(reach, min, values, fills);
      const held = HistogramMedian.bytes(values);
      const side = reach.columns;
      if (side !== reach.rows || (side !== 1 && side !== 2)) return { reads: 'whole', fills, bytes: held, make: makeHistogram };
      return { reads: 'whole', fills, bytes: held + NetworkMedian.bytes(side, stride), make: () => new NetworkMedian(side, stride, makeHistogram(), fills) };
    }
    default:
      return undefined;
  }
}

function planFloat64(operation: PlacedFocalOperation, dtype: Dtype, stride: number): Pick<KernelPlan, 'bytes' | 'make'> {
  const reach = reachOf(operation);
  const whole = !isFloat(dtype);
  const { min, max } = dtypeFacts(dtype);
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
