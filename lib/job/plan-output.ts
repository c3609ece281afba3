/** What becomes of an output of a job: every default filled in, and checked against what the expressions yield. */
import { toJsonNumber } from '../base/json-number.ts';
import { bytesPerSample, fitsDtype, isFloat } from '../raster/dtype.ts';
import type { CheckedExpression } from '../raster/expression/check.ts';
import { defaultPredictor } from '../tiff/block-encoder.ts';
import type { OperationInput } from './operation.ts';
import { levelSides, type PlanOutput } from './plan.ts';
import { jsonPath, type Problem } from './problems.ts';
import type { JobSpec } from './spec.ts';

export function planOutput(
  name: string,
  output: JobSpec['outputs'][string],
  expressions: readonly CheckedExpression[],
  inputs: readonly OperationInput[],
): PlanOutput {
  const { compression, blockSize, bandNames } = output;
  const dtype = output.dtype ?? 'float32';
  const predictor = output.predictor === 'auto' ? defaultPredictor(dtype, compression) : output.predictor;
  const nodata = output.nodata ?? defaultNodata(dtype, expressions, inputs);
  return {
    name,
    href: output.href,
    dtype,
    bands: expressions.length,
    bandNames: bandNames ?? null,
    // A float32 band holds the nearest float32 of what was written in the job.
    nodata: typeof nodata === 'number' && dtype === 'float32' ? toJsonNumber(Math.fround(nodata)) : nodata,
    compression,
    level: output.level ?? null,
    quality: output.quality ?? null,
    maxError: output.maxError ?? null,
    predictor,
    blockSize,
    overviews: output.overviews ?? (isFloat(dtype) ? 'average' : 'nearest'),
    statistics: output.statistics,
    colorTable: null,
    scales: null,
    offsets: null,
  };
}

/** NaN for floats; for integers the value that all inputs in use agree on, if the type can hold it. */
function defaultNodata(dtype: PlanOutput['dtype'], expressions: readonly CheckedExpression[], inputs: readonly OperationInput[]): PlanOutput['nodata'] {
  if (isFloat(dtype)) return 'nan';
  const used = new Set(expressions.flatMap(({ bands }) => bands.map(({ input }) => input)));
  const values = new Set(inputs.filter(({ name, nodata }) => used.has(name) && nodata !== undefined).map(({ nodata }) => nodata));
  const [only, ...others] = values;
  return only !== undefined && others.length === 0 && fitsDtype(only, dtype) ? only : null;
}

/** An integer output that may have nodata pixels needs a value for them. */
export function checkNodata(outputs: readonly PlanOutput[], targets: readonly { readonly yieldsNodata: boolean }[], problems: Problem[]): void {
  let first = 0;
  for (const { name, bands, nodata, dtype } of outputs) {
    const yields = targets.slice(first, first + bands).some(({ yieldsNodata }) => yieldsNodata);
    first += bands;
    if (!yields || nodata !== null) continue;
    problems.push({
      path: jsonPath(['outputs', name, 'nodata']),
      message: `missing: pixels may turn out nodata (of an input, or by a division by zero), and the inputs don't agree on a value that ${dtype} can hold`,
    });
  }
}

/** Blocks of one output, overviews included, that reduce can hold the places of: 24 bytes each, about 1 GB. */
const maxBlocks = 40_000_000;

export function checkBlockCounts(outputs: readonly PlanOutput[], columns: number, rows: number, problems: Problem[]): void {
  for (const output of outputs) {
    const { name, blockSize } = output;
    const blocks = levelSides(columns, rows, output).reduce((sum, level) => sum + Math.ceil(level.columns / blockSize) * Math.ceil(level.rows / blockSize), 0);
    if (blocks <= maxBlocks) continue;
    problems.push({ path: jsonPath(['outputs', name, 'blockSize']), message: `blocks of ${String(blockSize)} px make ${String(blocks)} of them; wanted ${String(maxBlocks)} at most: take larger blocks` });
  }
}

/** Bytes of an output before compression, overviews included. */
export function largestOutputBytes({ bands, dtype, overviews }: PlanOutput, columns: number, rows: number): number {
  return columns * rows * bands * bytesPerSample(dtype) * (overviews === 'none' ? 1 : 4 / 3);
}
