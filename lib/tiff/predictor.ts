/**
 * TIFF predictors, the writing direction, in the byte order of this machine (little-endian, checked in block-encoder.ts).
 * Predictor 2: TIFF 6.0 section 14. Predictor 3: Adobe Photoshop TIFF Technical Note 3.
 */
import { KernelSpace, chunkRows } from '../raster/kernels.ts';

type IntegerSamples = Uint8Array | Int8Array | Uint16Array | Int16Array | Uint32Array | Int32Array;
type FloatSamples = Float32Array | Float64Array;

const differences = { 1: 'difference_8', 2: 'difference_16', 4: 'difference_32' } as const;

/**
 * Replaces each sample by its difference from the sample of the same band one pixel to the left, in place.
 * @param samples pixel-interleaved rows: (rows, columns, bands)
 */
export function differenceHorizontally(samples: IntegerSamples, columns: number, rows: number, bands: number): void {
  const sampleBytes = samples.BYTES_PER_ELEMENT;
  const kernel = differences[sampleBytes as 1 | 2 | 4];
  const rowSamples = columns * bands;
  const own = KernelSpace.of(samples);
  if (own !== undefined) {
    own.kernels[kernel](samples.byteOffset, rowSamples, rows, bands);
    return;
  }
  const step = Math.min(rows, chunkRows(rowSamples * sampleBytes));
  const space = KernelSpace.withRoom(step * rowSamples * sampleBytes);
  for (let row = 0; row < rows; row += step) {
    const some = Math.min(step, rows - row);
    space.copyIn(samples, row * rowSamples, rowSamples, some, rowSamples, space.room);
    space.kernels[kernel](space.room, rowSamples, some, bands);
    space.copyOut(space.room, samples, row * rowSamples, rowSamples, some, rowSamples);
  }
}

/**
 * Predictor 3: each row's bytes are sorted by significance, most significant first, and then differenced byte by byte.
 * @param samples (rows, columns, bands), of which those from `first` on are taken
 * @param stride samples from one row to the next
 * @param target the bytes of all samples, rows close together
 */
export function predictFloats(samples: FloatSamples, first: number, stride: number, columns: number, rows: number, bands: number, target: Uint8Array): void {
  const sampleBytes = samples.BYTES_PER_ELEMENT;
  const kernel = sampleBytes === 4 ? 'predict_float32' : 'predict_float64';
  const rowSamples = columns * bands;
  const rowBytes = rowSamples * sampleBytes;
  const own = KernelSpace.of(samples);
  if (own !== undefined && KernelSpace.of(target) === own) {
    own.kernels[kernel](samples.byteOffset + first * sampleBytes, stride, rowSamples, rows, bands, target.byteOffset);
    return;
  }
  const step = Math.min(rows, chunkRows(rowBytes));
  const space = KernelSpace.withRoom(2 * step * rowBytes);
  const [from, to] = [space.room, space.room + step * rowBytes];
  for (let row = 0; row < rows; row += step) {
    const some = Math.min(step, rows - row);
    space.copyIn(samples, first + row * stride, rowSamples, some, stride, from);
    space.kernels[kernel](from, rowSamples, rowSamples, some, bands, to);
    space.copyOut(to, target, row * rowBytes, rowBytes, some, rowBytes);
  }
}
