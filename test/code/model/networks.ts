/** Small models, and rasters for them. */
import { allocateSamples, type Dtype } from '../../../lib/raster/dtype.ts';
import { seededRandom } from '../../support/arrays.ts';
import { onnxModel, type OnnxModel } from '../../support/onnx.ts';
import type { Raster } from './tiles.ts';

const open = ['n', 'c', 'h', 'w'] as const;

/** A convolution of 3 x 3 with zeros around the chip; weights are small whole numbers, so that sums are exact. */
export function convolution(bands: number, classes: number, shape: OnnxModel['inputs'][number]['shape'] = ['n', bands, 'h', 'w'], pad = 1): { model: Buffer; weights: number[] } {
  const random = seededRandom(bands * 10 + classes);
  const weights = Array.from({ length: classes * bands * 9 }, () => Math.floor(random() * 9) - 4);
  const model = onnxModel({
    inputs: [{ name: 'x', ...(shape === undefined ? {} : { shape }) }],
    outputs: [{ name: 'y', shape: ['n', classes, 'oh', 'ow'] }],
    nodes: [{ op: 'Conv', inputs: ['x', 'w'], outputs: ['y'], attributes: { kernel_shape: [3, 3], pads: [pad, pad, pad, pad] } }],
    weights: [{ name: 'w', shape: [classes, bands, 3, 3], values: weights }],
  });
  return { model, weights };
}

/** Each pixel less the mean of its chip and band: it shows which chip a pixel came from, and everything that was in it. */
export function lessMean(shape: readonly (number | string)[] = open): Buffer {
  return onnxModel({
    inputs: [{ name: 'x', shape }],
    outputs: [{ name: 'y', shape }],
    nodes: [
      { op: 'ReduceMean', inputs: ['x'], outputs: ['mean'], attributes: { axes: [2, 3], keepdims: 1 } },
      { op: 'Sub', inputs: ['x', 'mean'], outputs: ['y'] },
    ],
  });
}

/** What comes in goes out. */
export function identity(shape: readonly (number | string)[] = open, type: 'float32' | 'uint8' | 'float16' | 'float64' | 'int16' = 'float32'): Buffer {
  return onnxModel({ inputs: [{ name: 'x', shape, type }], outputs: [{ name: 'y', shape, type }], nodes: [{ op: 'Identity', inputs: ['x'], outputs: ['y'] }] });
}

/** Whole numbers below `limit` that look like noise. */
export function noise(bands: number, rows: number, columns: number, { dtype = 'int16', limit = 200, seed = 1 }: { dtype?: Dtype; limit?: number; seed?: number } = {}): Raster {
  const random = seededRandom(seed);
  const samples = allocateSamples(dtype, bands * rows * columns);
  for (let i = 0; i < samples.length; i++) samples[i] = Math.floor(random() * limit);
  return { dtype, bands, rows, columns, samples };
}
