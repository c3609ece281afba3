/** The same as `mix` in user_code_mix.py, in TypeScript. */
import type { TileArray, TileFunction } from '../../lib/code/tile-function.ts';

/** Sum of the (2 reach + 1)^2 pixels around each pixel of a band; what lies outside of the array counts as 0. */
function windowSum(pixels: TileArray, band: number, reach: number): Float64Array {
  const { rows, cols } = pixels;
  const values = pixels.band(band);
  const total = new Float64Array(rows * cols);
  for (let row = 0; row < rows; row++) {
    for (let col = 0; col < cols; col++) {
      let sum = 0;
      for (let y = Math.max(0, row - reach); y <= Math.min(rows - 1, row + reach); y++) {
        for (let x = Math.max(0, col - reach); x <= Math.min(cols - 1, col + reach); x++) sum += values[y * cols + x] ?? 0;
      }
      total[row * cols + col] = sum;
    }
  }
  return total;
}

interface Inputs {
  readonly a: TileArray<Uint16Array>;
  readonly b: TileArray<Int16Array>;
  readonly c: TileArray<Uint8Array>;
}
type Outputs = Record<'smooth' | 'bytes' | 'half', TileArray>;

export const mix: TileFunction<Inputs, Outputs, { readonly reach: number }> = ({ inputs: { a, b, c }, outputs, parameters: { reach } }) => {
  const pixels = a.rows * a.cols;
  const around = [windowSum(a, 1, reach), windowSum(a, 2, reach)];
  for (let band = 0; band < 2; band++) {
    for (let i = 0; i < pixels; i++) outputs.smooth[band * pixels + i] = (around[band]?.[i] ?? 0) / (2 * reach + 1) ** 2 + (b[i] ?? 0);
  }
  // Assigned as a whole: of another type than the output, so it is rounded and saturated.
  Object.assign(outputs, { bytes: around[0]?.map((sum, i) => (sum - 400 * (b[i] ?? 0)) / 64), half: Float64Array.from({ length: pixels }, (_, i) => ((a[i] ?? 0) - 3 * (c[i] ?? 0)) / 2) });
  return { sum: a.reduce((sum, value) => sum + value, 0), shape: [a.bands, a.rows, a.cols] };
};
