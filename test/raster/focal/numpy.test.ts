/**
 * Would catch: focal statistics and convolutions that differ from numpy's and scipy's, at edges, beside nodata, for any type. The oracle is
 * oracle.py, run here. Means of whole numbers, extremes, medians and convolutions are compared bit for bit; sums of fractions, which
 * numpy adds in another order, and deviations to 12 digits.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type Dtype, dtypeFacts, isFloat } from '../../../lib/raster/dtype.ts';
import { base64, type Band, compileText, computeImage, makeBand, random } from './image.ts';

const python = '/usr/bin/python3';
const [columns, rows] = [61, 43];
const kernels = {
  sobel: [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]],
  wide: [[0.1, 0.2, 0.4, 0.2, 0.1]],
  odd: [[0.3, 1, -2], [0, 0, 0], [7, 0.01, 0], [1, 1, 1], [0, 0, 5]],
};
const types: readonly Dtype[] = ['uint8', 'int8', 'uint16', 'int16', 'int32', 'uint32', 'float32', 'float64'];

function valuesOf(dtype: Dtype, next: () => number): () => number {
  if (isFloat(dtype)) return () => (next() - 0.3) * 1000;
  const { min, max } = dtypeFacts(dtype);
  // Neighbouring values are alike, as on the ground, and now and then the whole type is crossed.
  const near = Math.min(200, max - min);
  return () => (next() < 0.2 ? Math.floor(min + next() * (max - min + 1)) : Math.floor(min + (max - min) / 2 + next() * near) - near / 2);
}

interface Row {
  readonly text: string;
  readonly name: string;
  readonly size: readonly [rows: number, columns: number];
  readonly weights: readonly (readonly number[])[] | null;
  readonly band: Band;
  readonly exact: boolean;
  readonly what: string;
}

function makeRows(): Row[] {
  const list: Row[] = [];
  for (const [i, dtype] of types.entries()) {
    for (const missing of ['none', 'nodata', 'mask'] as const) {
      const next = random(100 * i + missing.length);
      const value = valuesOf(dtype, next);
      const nodata = missing === 'nodata' ? dtypeFacts(dtype).min : undefined;
      // A hole that windows fit into, and single pixels.
      const gone = Array.from({ length: columns * rows }, (_, k) => (k % columns > 40 && k % columns < 54 && k < 900) || next() < 0.02);
      const band = makeBand(dtype, columns * rows, (k) => (nodata !== undefined && gone[k] === true ? nodata : value()), nodata);
      const whole = missing === 'mask' ? { ...band, validity: Uint8Array.from(gone, (is) => Number(!is)) } : band;
      for (const name of ['mean', 'median', 'min', 'max', 'std']) {
        for (const [width, height] of [[3, 3], [5, 5], [9, 1], [1, 7], [15, 21]] as const) {
          const exact = name === 'mean' ? !isFloat(dtype) : name !== 'std';
          list.push({ text: `focal_${name}(a, ${String(width)}, ${String(height)})`, name, size: [height, width], weights: null, band: whole, exact, what: `${dtype}, ${missing}` });
        }
      }
      for (const [name, weights] of Object.entries(kernels)) {
        list.push({ text: `convolve(a, ${name})`, name, size: [1, 1], weights, band: whole, exact: true, what: `${dtype}, ${missing}` });
      }
    }
  }
  return list;
}

const hasScipy = spawnSync(python, ['-c', 'import scipy.ndimage']).status === 0;
void describe('focal functions', { skip: hasScipy ? false : `${python} with scipy is needed and not there` }, () => {
  const all = makeRows();
  const asked = all.map(({ name, size, weights, band }) => ({
    name,
    size,
    weights,
    dtype: band.dtype,
    shape: [rows, columns],
    data: base64(band.array),
    nodata: band.nodata ?? null,
    validity: band.validity === undefined ? null : base64(band.validity),
  }));
  const script = fileURLToPath(new URL('oracle.py', import.meta.url));
  const answer = hasScipy ? spawnSync(python, [script], { input: JSON.stringify(asked), encoding: 'utf8', maxBuffer: 2 ** 29 }) : undefined;
  const answers = answer?.status === 0 ? (JSON.parse(answer.stdout) as string[]) : [];
  void it('have an oracle', () => assert.equal(answer?.status, 0, answer?.stderr));

  for (const [text, group] of Map.groupBy(all.map((row, i) => ({ row, answer: answers[i] ?? '' })), ({ row }) => row.text)) {
    void it(`${text} equals numpy's for every type`, () => {
      for (const { row, answer: bytes } of group) {
        const wanted = new Float64Array(new Uint8Array(Buffer.from(bytes, 'base64')).buffer);
        const program = compileText(text, { a: row.band }, { dtype: 'float64', nodata: NaN }, { kernels });
        const found = computeImage(program, { columns, rows, bands: { a: row.band } });
        let there = 0;
        for (let k = 0; k < columns * rows; k++) {
          const [x, y] = [found[k] ?? 0, wanted[k] ?? 0];
          if (!Number.isNaN(y)) there++;
          if (x === y || (Number.isNaN(x) && Number.isNaN(y))) continue;
          if (!row.exact && Math.abs(x - y) <= 1e-12 * Math.max(1000, Math.abs(y))) continue;
          assert.fail(`${row.what}: column ${String(k % columns)}, row ${String(Math.floor(k / columns))}: numpy has ${String(y)}, found ${String(x)}`);
        }
        assert.ok(there > 500, `${row.what}: only ${String(there)} pixels to compare`);
      }
    });
  }
});
