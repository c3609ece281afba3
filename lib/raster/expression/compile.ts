/** Checked expressions to a program: the graph is put in order and its nodes are given registers. */
import { JobError } from '../../base/errors.ts';
import { toJsonNumber } from '../../base/json-number.ts';
import { type Dtype, fitsDtype, isFloat } from '../dtype.ts';
import { type FocalOperation, needsPixelSize, type PixelSize, type PlacedFocalOperation } from '../focal/operation.ts';
import type { CheckedExpression } from './check.ts';
import { Graph, type Lowered, type SourceFacts } from './graph.ts';
import type { CopyStep, ExpressionProgram, ProgramTarget } from './program.ts';
import { allocateRegisters } from './registers.ts';
import { Schedule } from './schedule.ts';
import { compileStages } from './stages.ts';

/** One band to compute: its expression, and how it will be stored. */
export interface OutputBand {
  readonly expression: CheckedExpression;
  readonly dtype: Dtype;
  /** The value that means no data (NaN allowed for float dtypes), or undefined while there is none. */
  readonly nodata: number | undefined;
}

/** A band of an input as it will be handed to the evaluator. */
export interface SourceBand {
  readonly dtype: Dtype;
  /** As the file says it; a value that the dtype can't hold never matches. NaN allowed. */
  readonly nodata: number | undefined;
  /** Whether planes may come with a validity plane (a mask, or pixels outside of the input). */
  readonly masked: boolean;
}

export interface CompileOptions {
  /** The ground that a pixel covers, in the units of the heights; slope and hillshade need it. */
  readonly pixelSize?: PixelSize | undefined;
  /**
   * 'mask' (the default): where an operand is nodata, so is the result. 'handle': nodata pixels of the inputs take part as the numbers
   * that they are, and only isnodata and coalesce see them as nodata.
   */
  readonly nodata?: 'mask' | 'handle' | undefined;
}

/**
 * Compiles expressions, one for each output band, into one program. Subexpressions that several bands share are computed once.
 * Where a target says `yieldsNodata` and has no nodata value, the caller has to provide one before the program can run.
 * @throws JobError EXPRESSION_PIXEL_SIZE: slope or hillshade is asked for, and there is no (or no sensible) size of a pixel
 */
export function compileProgram(
  bands: readonly OutputBand[],
  describe: (input: string, band: number) => SourceBand,
  options: CompileOptions = {},
): ExpressionProgram {
  const place = (operation: FocalOperation): PlacedFocalOperation => placed(operation, options.pixelSize);
  const graph = new Graph((input, band) => matchable(describe(input, band)), place, options.nodata === 'handle');
  const lowered = bands.map(({ expression, dtype }) => graph.lower(expression.root, isFloat(dtype) ? 'ieee' : 'nodata'));
  const schedule = new Schedule(graph);
  lowered.forEach((value, target) => {
    const copy = copyOf(graph, value, bands[target]);
    if (copy === undefined) schedule.store(target, value.value, value.valid);
    else schedule.copy({ ...copy, target });
  });
  const targets = bands.map((band, i) => describeTarget(band, lowered[i]));
  const last = allocateRegisters(schedule.steps, schedule.constants.map(toJsonNumber));
  return { sources: graph.sources, targets, ...last, ...compileStages(graph, last) };
}

function placed(operation: FocalOperation, pixelSize: PixelSize | undefined): PlacedFocalOperation {
  if (!needsPixelSize(operation)) return operation;
  if (pixelSize !== undefined && [pixelSize.x, pixelSize.y].every((size) => size > 0 && size < Infinity)) return { ...operation, pixelSize };
  const found = pixelSize === undefined ? 'there is none' : `found ${String(pixelSize.x)} by ${String(pixelSize.y)}`;
  const name = operation.name === 'slopePercent' ? 'slope_percent' : operation.name;
  throw new JobError('EXPRESSION_PIXEL_SIZE', `${name} needs the size of a pixel on the ground, two numbers above 0; ${found}`);
}

/** The source that a band is a plain copy of, sample by sample, if it is one. */
function copyOf(graph: Graph, { value, valid }: Lowered, band: OutputBand | undefined): Omit<CopyStep, 'do' | 'target'> | undefined {
  const load = graph.values[value];
  if (load?.kind !== 'load' || band === undefined) return undefined;
  const source = graph.sources[load.source];
  const kinds = valid.map((id) => graph.conditions[id]?.kind);
  if (source?.dtype !== band.dtype || !kinds.every((kind) => kind === 'mask' || kind === 'differs')) return undefined;
  const stored = band.nodata === undefined || band.dtype !== 'float32' ? band.nodata : Math.fround(band.nodata);
  const same = stored !== undefined && source.nodata !== undefined && toJsonNumber(stored) === source.nodata;
  if (kinds.includes('differs') && !same) return undefined;
  return { source: load.source, masked: kinds.includes('mask'), nodata: kinds.includes('differs') };
}

/** GDAL compares in the band's own type: a float32 band matches the nearest float32, an integer band only what it can hold. */
function matchable({ dtype, nodata, masked }: SourceBand): SourceFacts {
  if (nodata === undefined) return { dtype, nodata, masked };
  const value = dtype === 'float32' ? Math.fround(nodata) : nodata;
  return { dtype, masked, nodata: fitsDtype(value, dtype) ? value : undefined };
}

function describeTarget({ dtype, nodata }: OutputBand, lowered: Lowered | undefined): ProgramTarget {
  const yieldsNodata = lowered !== undefined && (lowered.valid.length > 0 || (!isFloat(dtype) && lowered.range.nan));
  return { dtype, yieldsNodata, ...(nodata !== undefined && { nodata: toJsonNumber(nodata) }) };
}
