/**
 * TIFF predictors, the writing direction, in the byte order of this machine (little-endian, checked in block-encoder.ts).
 * Predictor 2: TIFF 6.0 section 14. Predictor 3: Adobe Photoshop TIFF Technical Note 3.
 */
import { chunkRows, copyIn, copyOut, kernels, reserve } from '../raster/kernels.ts';

type IntegerSamples = Uint8Array | Int8Array | Uint16Array | Int16Array | Uint32Array | Int32Array;
type FloatSamples = Float32Array | Float64Array;

const differences = { 1: kernels.difference_8, 2: kernels.difference_16, 4: kernels.difference_32 } as const;

/**
 * Replaces each sample by its difference from the sample of the same band one pixel to the left, in place.
 * @param samples pixel-interleaved rows: (rows, columns, bands)
 */
export function differenceHorizontally(samples: IntegerSamples, columns: number, rows: number, bands: number): void {
  const difference = differences[samples.BYTES_PER_ELEMENT as 1 | 2 | 4];
  const rowSamples = columns * bands;
  const step = Math.min(rows, chunkRows(rowSamples * samples.BYTES_PER_ELEMENT));
  reserve(step * rowSamples * samples.BYTES_PER_ELEMENT);
  for (let row = 0; row < rows; row += step) {
    const some = Math.min(step, rows - row);
    copyIn(samples, row * rowSamples, rowSamples, some, rowSamples, 0);
    difference(0, rowSamples, some, bands);
    copyOut(0, samples, row * rowSamples, rowSamples, some, rowSamples);
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
  const predict = sampleBytes === 4 ? kernels.predict_float32 : kernels.predict_float64;
  const rowSamples = columns * bands;
  const rowBytes = rowSamples * sampleBytes;
  const step = Math.min(rows, chunkRows(rowBytes));
  const to = step * rowBytes;
  reserve(2 * to);
  for (let row = 0; row < rows; row += step) {
    const some = Math.min(step, rows - row);
    copyIn(samples, first + row * stride, rowSamples, some, stride, 0);
    predict(0, rowSamples, some, bands, to);
    copyOut(to, target, row * rowBytes, rowBytes, some, rowBytes);
  }
}
