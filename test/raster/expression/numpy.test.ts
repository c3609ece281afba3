/**
 * Would catch: arithmetic, rounding or stores that differ from numpy's, whose results users compare with. The oracle is
 * numpy_oracle.py, run here: `/usr/bin/python3 test/raster/expression/numpy_oracle.py < rows.json`.
 * Arithmetic is compared bit for bit; functions that no standard rounds exactly (sin, exp, pow…) to 2 units in the last place.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, it } from 'node:test';
import { type Dtype, type SampleArray, viewSamples } from '../../../lib/raster/dtype.ts';
import { compile, evaluate, read, source, type TestSources } from './planes.ts';

const python = '/usr/bin/python3';
const pixels = 3000;

/** The same numbers each time (a linear congruential generator, Numerical Recipes). */
function numbers(seed: number, make: (fraction: number, i: number) => number): number[] {
  let state = seed;
  return Array.from({ length: pixels }, (_, i) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return make(state / 2 ** 32, i);
  });
}
const special = [0, -0, 1, -1, 0.5, 2.5, -2.5, Infinity, -Infinity, NaN, 1e300, 1e-300, -9999];

const sources: TestSources = {
  a: source('uint16', numbers(1, (x) => Math.floor(x * 200) * 50), 0),
  b: source('int16', numbers(2, (x) => Math.floor(x * 12) - 6), -6),
  c: source('uint8', numbers(3, (x) => Math.floor(x * 256)), 255),
  f: source('float32', numbers(4, (x, i) => special[i % 40] ?? (x - 0.5) * 1000), -9999),
  d: source('float64', numbers(5, (x) => x * 4 - 2)),
};

interface Row {
  readonly text: string;
  /** The same for numpy, where it is written differently. */
  readonly numpy?: string;
  readonly dtype: Dtype;
  readonly divisors?: readonly string[];
  /** Whether the last bits may differ. */
  readonly about?: boolean;
}

const rows: readonly Row[] = [
  { text: '(a - b) / (a + b)', dtype: 'float32' },
  { text: '(a - b) / (a + b)', dtype: 'float64' },
  { text: '(a - b) / (a + b) * 10000', dtype: 'int16', divisors: ['a + b'] },
  { text: '2.5 * (a - b) / (a + 6 * b - 7.5 * c + 1)', dtype: 'float64' },
  { text: 'a * b + f / d - c', dtype: 'float64' },
  { text: 'a / b', dtype: 'float64' },
  { text: 'a / b', dtype: 'uint8', divisors: ['b'] },
  { text: 'a % b', numpy: 'np.remainder(a, b)', dtype: 'float64' },
  { text: 'f % d', numpy: 'np.remainder(f, d)', dtype: 'float64' },
  { text: 'd % f', numpy: 'np.remainder(d, f)', dtype: 'float64' },
  { text: 'a % b', numpy: 'np.remainder(a, b)', dtype: 'int16', divisors: ['b'] },
  { text: '-d ** 2', dtype: 'float64' },
  { text: 'd * 2.5', dtype: 'int8' },
  { text: 'c / 2', dtype: 'uint8' },
  { text: 'b / 4', dtype: 'int32' },
  { text: 'f', dtype: 'int16' },
  { text: 'f', dtype: 'uint32' },
  { text: 'f * 1e30', dtype: 'float32' },
  { text: 'a > b && c < 100 || !b', numpy: '((a > b) & (c < 100)) | (b == 0)', dtype: 'uint8' },
  { text: 'f && d', numpy: 'np.logical_and(f, d)', dtype: 'uint8' },
  { text: 'f || b', numpy: 'np.logical_or(f, b)', dtype: 'uint8' },
  { text: '!f', numpy: 'np.logical_not(f)', dtype: 'uint8' },
  { text: '(f <= d) + (f >= d) * 2 + (f == b) * 4 + (f != b) * 8', numpy: '(f <= d) * 1 + (f >= d) * 2 + (f == b) * 4 + (f != b) * 8', dtype: 'uint8' },
  { text: 'where(f, a, c)', numpy: 'np.where(f, a, c)', dtype: 'float32' },
  { text: 'd > 0 ? sqrt(d) : d * d', numpy: 'np.where(d > 0, np.sqrt(d), d * d)', dtype: 'float64' },
  { text: 'min(f, d, b)', numpy: 'np.minimum(np.minimum(f, d), b)', dtype: 'float64' },
  { text: 'max(f, d, b)', numpy: 'np.maximum(np.maximum(f, d), b)', dtype: 'float64' },
  { text: 'clamp(f, -1, b)', numpy: 'np.clip(f, -1, b)', dtype: 'float64' },
  { text: 'abs(f) + sign(d) + isnan(f)', numpy: 'np.abs(f) + np.sign(d) + np.isnan(f)', dtype: 'float64' },
  { text: 'floor(f) - ceil(d) + trunc(f * 1.5)', numpy: 'np.floor(f) - np.ceil(d) + np.trunc(f * 1.5)', dtype: 'float64' },
  { text: 'round(f * 0.5)', numpy: 'np.rint(f * 0.5)', dtype: 'float64' },
  { text: 'sqrt(f)', numpy: 'np.sqrt(f)', dtype: 'float64' },
  { text: 'pow(f, b)', numpy: 'np.power(f, b)', dtype: 'float64', about: true },
  { text: 'd ** f', numpy: 'np.power(d, f)', dtype: 'float64', about: true },
  { text: 'exp(d)', numpy: 'np.exp(d)', dtype: 'float64', about: true },
  { text: 'log(f)', numpy: 'np.log(f)', dtype: 'float64', about: true },
  { text: 'log2(a)', numpy: 'np.log2(a)', dtype: 'float64', about: true },
  { text: 'log10(a)', numpy: 'np.log10(a)', dtype: 'float64', about: true },
  { text: 'sin(f)', numpy: 'np.sin(f)', dtype: 'float64', about: true },
  { text: 'cos(d)', numpy: 'np.cos(d)', dtype: 'float64', about: true },
  { text: 'tan(d)', numpy: 'np.tan(d)', dtype: 'float64', about: true },
  { text: 'asin(d)', numpy: 'np.arcsin(d)', dtype: 'float64', about: true },
  { text: 'acos(d)', numpy: 'np.arccos(d)', dtype: 'float64', about: true },
  { text: 'atan(f)', numpy: 'np.arctan(f)', dtype: 'float64', about: true },
  { text: 'atan2(f, d)', numpy: 'np.arctan2(f, d)', dtype: 'float64', about: true },
];

/** Every row reads every source, so that one validity, which the oracle computes apart, is that of all. */
const readsAll = ' + 0 * (isnodata(a + b + c + f) ? a + b + c + f : 0)';
const nodataOf = (dtype: Dtype): number => (dtype === 'float32' || dtype === 'float64' ? -12_345 : 77);

function askNumpy(): SampleArray[] {
  const planes = Object.fromEntries(
    Object.entries(sources).map(([name, { dtype, array, nodata }]) => [name, { dtype, nodata: nodata ?? null, data: base64(array) }]),
  );
  const asked = rows.map(({ text, numpy, dtype, divisors }) => ({ numpy: numpy ?? text, dtype, divisors: divisors ?? [], nodata: nodataOf(dtype) }));
  const script = fileURLToPath(new URL('numpy_oracle.py', import.meta.url));
  const { status, stdout, stderr } = spawnSync(python, [script], { input: JSON.stringify({ sources: planes, rows: asked }), encoding: 'utf8', maxBuffer: 2 ** 28 });
  assert.equal(status, 0, stderr);
  return (JSON.parse(stdout) as string[]).map((text, i) => {
    const bytes = new Uint8Array(Buffer.from(text, 'base64'));
    return viewSamples(rows[i]?.dtype ?? 'float64', bytes.buffer, 0, pixels);
  });
}

function base64({ buffer, byteOffset, byteLength }: SampleArray): string {
  return Buffer.from(buffer as ArrayBuffer, byteOffset, byteLength).toString('base64');
}

function differs(found: number, wanted: number, about: boolean): boolean {
  if (found === wanted || (Number.isNaN(found) && Number.isNaN(wanted))) return false;
  // 2 units in the last place of a float64, at most.
  return !about || !(Math.abs(found - wanted) <= Math.abs(wanted) * 2 * Number.EPSILON);
}

const hasNumpy = spawnSync(python, ['-c', 'import numpy']).status === 0;
void describe('expressions', { skip: hasNumpy ? false : `${python} with numpy is needed and not there` }, () => {
  const answers = hasNumpy ? askNumpy() : [];
  rows.forEach(({ text, dtype, about }, i) => {
    void it(`${text} as ${dtype} equals numpy's`, () => {
      const program = compile([read(`(${text})${readsAll}`, sources)], sources, [{ dtype, nodata: nodataOf(dtype) }]);
      const [found] = evaluate(program, sources, pixels);
      const wanted = answers[i];
      let valid = 0;
      for (let k = 0; k < pixels; k++) {
        const [x, y] = [found?.[k] ?? 0, wanted?.[k] ?? 0];
        if (differs(x, y, about ?? false)) assert.fail(`pixel ${String(k)}: numpy has ${String(y)}, found ${String(x)}`);
        if (y !== nodataOf(dtype)) valid++;
      }
      assert.ok(valid > pixels / 4, `only ${String(valid)} pixels to compare`);
    });
  });
});
