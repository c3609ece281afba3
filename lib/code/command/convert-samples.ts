/** Samples of a program's file as those of the job's output: stored as expressions are (docs/expressions.md, "Storing"). */
import { allocateSamples, dtypeFacts, isFloat, type Dtype, type SampleArray } from '../../raster/dtype.ts';
import { quantize } from '../../raster/quantize.ts';

export interface Conversion {
  readonly dtype: Dtype;
  /** What the file says is nodata; null when it says nothing. */
  readonly fileNodata: number | null;
  /** What stands for nodata in the output; null when nothing does. */
  readonly nodata: number | null;
}

/**
 * The samples in the job's type: integers rounded half to even and saturated, their NaN as nodata (0 without). Pixels that the file declares
 * nodata, by value or by its mask, get the job's nodata where it has one, and are numbers like others where it has none.
 * @param valid of the same pixels: 0 is nodata; undefined where all are valid
 * @returns `samples` themselves when nothing has to change
 */
export function convertSamples(samples: SampleArray, fileDtype: Dtype, { dtype, fileNodata, nodata }: Conversion, valid: Uint8Array | undefined): SampleArray {
  const marks = nodata !== null && (valid !== undefined || (fileNodata !== null && !Object.is(fileNodata, nodata)));
  if (fileDtype === dtype && !marks) return samples;
  const out = allocateSamples(dtype, samples.length);
  if (isFloat(dtype) || holds(dtype, fileDtype)) out.set(samples);
  else quantize(out, 0, samples, 0, samples.length, dtypeFacts(dtype).min, dtypeFacts(dtype).max, nodata ?? 0);
  if (!marks) return out;
  // Looked for among the file's own samples: two values may have become one.
  if (fileNodata !== null) {
    if (Number.isNaN(fileNodata)) replaceNaN(out, samples, nodata);
    else replace(out, samples, fileNodata, nodata);
  }
  if (valid !== undefined) replaceInvalid(out, valid, nodata);
  return out;
}

/** Whether every value of the integer type `from` is one of `dtype`. */
function holds(dtype: Dtype, from: Dtype): boolean {
  const inner = dtypeFacts(from);
  const outer = dtypeFacts(dtype);
  return inner.kind !== 'float' && inner.min >= outer.min && inner.max <= outer.max;
}

function replace(out: SampleArray, samples: SampleArray, value: number, nodata: number): void {
  for (let i = 0; i < samples.length; i++) if (samples[i] === value) out[i] = nodata;
}

function replaceNaN(out: SampleArray, samples: SampleArray, nodata: number): void {
  for (let i = 0; i < samples.length; i++) if (Number.isNaN(samples[i])) out[i] = nodata;
}

function replaceInvalid(out: SampleArray, valid: Uint8Array, nodata: number): void {
  for (let i = 0; i < valid.length; i++) if (valid[i] === 0) out[i] = nodata;
}
