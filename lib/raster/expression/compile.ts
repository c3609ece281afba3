/** Checked expressions to a program: the graph is put in order and its nodes are given registers. */
import { toJsonNumber } from '../../base/json-number.ts';
import { type Dtype, fitsDtype, isFloat } from '../dtype.ts';
import type { CheckedExpression } from './check.ts';
import { Graph, type Lowered, type SourceFacts } from './graph.ts';
import type { ExpressionProgram, ProgramTarget } from './program.ts';
import { allocateRegisters } from './registers.ts';
import { Schedule } from './schedule.ts';

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

/**
 * Compiles expressions, one for each output band, into one program. Subexpressions that several bands share are computed once.
 * Where a target says `yieldsNodata` and has no nodata value, the caller has to provide one before the program can run.
 */
export function compileProgram(bands: readonly OutputBand[], describe: (input: string, band: number) => SourceBand): ExpressionProgram {
  const graph = new Graph((input, band) => matchable(describe(input, band)));
  const lowered = bands.map(({ expression, dtype }) => graph.lower(expression.root, isFloat(dtype) ? 'ieee' : 'nodata'));
  const schedule = new Schedule(graph);
  lowered.forEach(({ value, valid }, target) => schedule.store(target, value, valid));
  const targets = bands.map((band, i) => describeTarget(band, lowered[i]));
  return { sources: graph.sources, targets, ...allocateRegisters(schedule.steps, schedule.constants.map(toJsonNumber)) };
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
