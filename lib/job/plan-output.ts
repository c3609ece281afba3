/** What becomes of an output of a job: every default filled in, and checked against what the expressions yield. */
import { toJsonNumber } from '../base/json-number.ts';
import { bytesPerSample, dtypeFacts, fitsDtype, isFloat, type Dtype } from '../raster/dtype.ts';
import type { CheckedExpression } from '../raster/expression/check.ts';
import { defaultPredictor } from '../tiff/block-encoding.ts';
import type { OperationInput } from './operation.ts';
import { levelSides, type PlanOutput } from './plan.ts';
import { jsonPath, type Problem } from './problems.ts';
import type { JobOutput, JobSpec } from './spec.ts';

/** What an output that copies an input takes over from it, unless the job says otherwise. Lists are one a band that is copied. */
export interface CopiedInput {
  readonly dtype: Dtype;
  /** The value that means nodata; undefined for none. */
  readonly nodata: number | undefined;
  readonly bandNames: readonly (string | null)[];
  /** Of a single band: red, green, blue, alpha by pixel value. Alpha is nodata's, or can't be kept. */
  readonly colorTable: readonly (readonly [number, number, number, number])[] | null;
  readonly scales: readonly (number | null)[];
  readonly offsets: readonly (number | null)[];
  readonly photometric: 'gray' | 'rgb';
  /** The last band is alpha, and is copied as one. */
  readonly alpha: boolean;
}

/** How many bands an output has, of which type unless the job says so, and the inputs that may make its pixels nodata. */
export interface MadeOutput {
  readonly bands: number;
  readonly dtype?: Dtype | undefined;
  readonly inputs: readonly OperationInput[];
}

/** What the expressions of an output make. */
export function expressed(expressions: readonly CheckedExpression[], inputs: readonly OperationInput[]): MadeOutput {
  const used = new Set(expressions.flatMap(({ bands }) => bands.map(({ input }) => input)));
  return { bands: expressions.length, inputs: inputs.filter(({ name }) => used.has(name)) };
}

/** @param copied facts of the input that the output is a copy of; undefined for one that is computed */
export function planOutput(name: string, output: JobSpec['outputs'][string], made: MadeOutput, copied: CopiedInput | undefined): PlanOutput {
  const { compression, blockSize, level, quality, maxError } = output;
  const dtype = output.dtype ?? copied?.dtype ?? made.dtype ?? 'float32';
  const { bands } = made;
  const predictor = output.predictor === 'auto' ? defaultPredictor(dtype, compression) : output.predictor;
  const nodata = output.nodata !== undefined ? output.nodata : isBlurred(output) ? null : copied === undefined ? defaultNodata(dtype, made.inputs) : copiedNodata(copied, dtype);
  const fits = copied?.dtype === dtype;
  return {
    name,
    href: output.href,
    dtype,
    bands,
    bandNames: output.bandNames ?? namesOf(copied),
    // A float32 band holds the nearest float32 of what was written in the job.
    nodata: typeof nodata === 'number' && dtype === 'float32' ? toJsonNumber(Math.fround(nodata)) : nodata,
    compression,
    // Floats without loss are stored as they are in LERC, which would be no compression at all.
    level: level ?? (compression === 'lerc' && isFloat(dtype) && (maxError ?? 0) === 0 ? lercZstdLevel : null),
    quality: quality ?? null,
    maxError: maxError ?? null,
    predictor,
    blockSize,
    overviews: output.overviews ?? (isFloat(dtype) ? 'average' : 'nearest'),
    statistics: output.statistics,
    colorTable: output.colorTable === undefined ? copiedColors(copied, dtype, bands) : colorsOf(output.colorTable),
    photometric: photometricOf(output, dtype, bands, copied),
    alpha: fits && copied.alpha,
    addedAlpha: null,
    scales: perBand(output.scale, bands) ?? listOf(copied?.scales, 1),
    offsets: perBand(output.offset, bands) ?? listOf(copied?.offsets, 0),
  };
}

/** Zstd's level around LERC where the job doesn't say one. */
const lercZstdLevel = 3;

/** JPEG, and WebP with a quality, change values by what lies around them: no value could mean nodata. */
export function isBlurred({ compression, quality }: { readonly compression: JobOutput['compression']; readonly quality?: number | null | undefined }): boolean {
  return compression === 'jpeg' || (compression === 'webp' && typeof quality === 'number');
}

function copiedNodata({ nodata }: CopiedInput, dtype: Dtype): PlanOutput['nodata'] {
  return nodata !== undefined && fitsDtype(nodata, dtype) ? toJsonNumber(nodata) : null;
}

/** A file's band names, if any band has one. */
function namesOf(copied: CopiedInput | undefined): PlanOutput['bandNames'] {
  return copied?.bandNames.some((name) => name !== null) === true ? copied.bandNames : null;
}

/** One number for each band, if there are any. */
function perBand(value: number | readonly number[] | undefined, bands: number): readonly number[] | null {
  if (value === undefined) return null;
  return typeof value === 'number' ? new Array<number>(bands).fill(value) : value;
}

function listOf(values: readonly (number | null)[] | undefined, absent: number): readonly number[] | null {
  if (values === undefined || values.every((value) => value === null)) return null;
  return values.map((value) => value ?? absent);
}

/** Whether a TIFF can hold a colour for each value: TIFF 6.0 has palettes for one band of unsigned integers. */
export function takesColors(dtype: Dtype, bands: number): boolean {
  return bands === 1 && (dtype === 'uint8' || dtype === 'uint16');
}

function copiedColors(copied: CopiedInput | undefined, dtype: Dtype, bands: number): PlanOutput['colorTable'] {
  const colors = copied?.colorTable ?? null;
  if (colors === null || !takesColors(dtype, bands)) return null;
  const values = dtypeFacts(dtype).max + 1;
  return Object.fromEntries(colors.slice(0, values).map(([red, green, blue], value): [string, [number, number, number]] => [String(value), [red, green, blue]]));
}

function colorsOf(table: NonNullable<JobOutput['colorTable']>): NonNullable<PlanOutput['colorTable']> {
  return Object.fromEntries(Object.entries(table).map(([value, color]) => [String(Number(value)), readColor(color).slice(0, 3) as [number, number, number]]));
}

/** A colour of the job as red, green, blue, alpha. */
export function readColor(color: NonNullable<JobOutput['colorTable']>[string]): readonly [number, number, number, number] {
  const parts = typeof color === 'string' ? (color.slice(1).match(/../g) ?? []).map((part) => Number.parseInt(part, 16)) : color;
  const [red = 0, green = 0, blue = 0, alpha = 255] = parts;
  return [red, green, blue, alpha];
}

/** Colours by their codec, or as the input has them. */
function photometricOf({ compression }: JobOutput, dtype: Dtype, bands: number, copied: CopiedInput | undefined): PlanOutput['photometric'] {
  if (bands < 3 || (dtype !== 'uint8' && dtype !== 'uint16')) return 'gray';
  return compression === 'jpeg' || compression === 'webp' ? 'rgb' : (copied?.photometric ?? 'gray');
}

/** NaN for floats; for integers the value that all inputs in use agree on, if the type can hold it. */
function defaultNodata(dtype: PlanOutput['dtype'], inputs: readonly OperationInput[]): PlanOutput['nodata'] {
  if (isFloat(dtype)) return 'nan';
  const values = new Set(inputs.filter(({ nodata }) => nodata !== undefined).map(({ nodata }) => nodata));
  const [only, ...others] = values;
  return only !== undefined && others.length === 0 && fitsDtype(only, dtype) ? only : null;
}

/** An integer output that may have nodata pixels needs a value for them. */
export function checkNodata(outputs: readonly PlanOutput[], targets: readonly { readonly yieldsNodata: boolean }[], problems: Problem[]): void {
  let first = 0;
  for (const output of outputs) {
    const { name, bands, nodata, dtype, compression } = output;
    const yields = targets.slice(first, first + bands).some(({ yieldsNodata }) => yieldsNodata);
    first += bands;
    if (!yields || nodata !== null) continue;
    if (isBlurred(output)) {
      problems.push({
        path: jsonPath(['outputs', name, 'compression']),
        message: `pixels may turn out nodata (of an input, or by a division by zero), and ${compression} keeps no value apart from its neighbours'; wanted ${otherCodecs(compression)}, or an operation that yields no nodata (operation.nodata "handle")`,
      });
      continue;
    }
    problems.push({
      path: jsonPath(['outputs', name, 'nodata']),
      message: `missing: pixels may turn out nodata (of an input, or by a division by zero), and the inputs don't agree on a value that ${dtype} can hold`,
    });
  }
}

/** What to take where no value may change. */
export function otherCodecs(compression: JobOutput['compression']): string {
  return compression === 'webp' ? 'webp without quality, or deflate, zstd, lzw or lerc' : 'deflate, zstd, lzw, lerc or webp without quality';
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
