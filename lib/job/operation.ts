/** The job's operation: its expressions read, checked against the inputs, and compiled to one program for all outputs. */
import { toJsonNumber, type JsonNumber } from '../base/json-number.ts';
import type { Dtype } from '../raster/dtype.ts';
import { readExpression, type CheckedExpression } from '../raster/expression/check.ts';
import { compileProgram, type OutputBand } from '../raster/expression/compile.ts';
import type { ExpressionProgram } from '../raster/expression/program.ts';
import { nodataRule } from './operation-kind.ts';
import { nodataOf, type Plan } from './plan.ts';
import { jsonPath, type Problem } from './problems.ts';
import type { JobSpec } from './spec.ts';

/** Copies that get an alpha band, and what it holds where there is data. */
export type AddedAlphas = ReadonlyMap<string, number>;

/** The checked expressions of each output, one a band. */
export type Expressions = ReadonlyMap<string, readonly CheckedExpression[]>;

/**
 * Reads every expression of a job.
 * @param names of all inputs
 * @param bands number of bands of each input that is known, as the job may count them; whatever is asked of others is believed
 * @param problems gets what is wrong, with the JSON path and the column
 * @param alphas the largest alpha value of each copy that gets an alpha band behind the bands of its input
 */
export function readExpressions(
  operation: JobSpec['operation'],
  names: readonly string[],
  bands: Readonly<Record<string, number>>,
  problems: Problem[],
  alphas: AddedAlphas = new Map(),
): Expressions {
  const inputs = Object.fromEntries(names.map((name) => [name, { bands: bands[name] ?? Number.MAX_SAFE_INTEGER }]));
  const allKnown = names.every((name) => bands[name] !== undefined);
  const expressions = new Map<string, readonly CheckedExpression[]>();
  const { kernels } = operation;
  const parameters = numbersOf(operation);
  for (const { output, texts, path: of } of expressionTexts(operation, bands, alphas)) {
    const checked = texts.flatMap((text, band) => {
      const result = readExpression(text, { inputs, parameters, kernels });
      const path = [...of, ...(of[1] === 'expression' && typeof operation.expression?.[output] !== 'string' ? [band] : [])];
      for (const { code, message, column } of result.problems) {
        if (code === 'EXPRESSION_BAND' && !allKnown) continue;
        problems.push({ path: jsonPath(path), message: `column ${String(column)}: ${message}`, code });
      }
      return result.expression ?? [];
    });
    expressions.set(output, checked);
  }
  return expressions;
}

/** The parameters of an expression; that they are numbers has been checked. */
function numbersOf({ parameters }: JobSpec['operation']): Readonly<Record<string, number>> {
  return Object.fromEntries(Object.entries(parameters).flatMap(([name, value]): [string, number][] => (typeof value === 'number' ? [[name, value]] : [])));
}

/** The expressions of each output as text, one a band. A copy is one of each band of its input; of an input that isn't known, none. */
function* expressionTexts(
  { expression = {}, copy = {} }: JobSpec['operation'],
  bands: Readonly<Record<string, number>>,
  alphas: AddedAlphas,
): Generator<{ readonly output: string; readonly texts: readonly string[]; readonly path: readonly string[] }, void, undefined> {
  for (const [output, value] of Object.entries(expression)) {
    yield { output, texts: typeof value === 'string' ? [value] : value, path: ['operation', 'expression', output] };
  }
  for (const [output, input] of Object.entries(copy)) {
    const texts = Array.from({ length: bands[input] ?? 0 }, (_, band) => `${input}[${String(band + 1)}]`);
    const opaque = alphas.get(output);
    const copied = opaque === undefined ? texts : [...texts.map((text) => `coalesce(${text}, 0)`), `where(isnodata(${input}[1]), 0, ${String(opaque)})`];
    yield { output, texts: copied, path: ['operation', 'copy', output] };
  }
}

/** What the program has to know of an input. */
export interface OperationInput {
  readonly name: string;
  readonly bands: number;
  readonly dtype: Dtype;
  readonly nodata: number | undefined;
  readonly masked: boolean;
}

/**
 * One program for all bands of all outputs, in the order of `outputs`; what they share is computed once.
 * @param geotransform of the grid; null without georeference
 * @throws JobError EXPRESSION_PIXEL_SIZE
 */
export function compileOperation(
  operation: JobSpec['operation'],
  expressions: Expressions,
  inputs: readonly OperationInput[],
  outputs: readonly { readonly name: string; readonly dtype: Dtype; readonly nodata: number | undefined }[],
  geotransform: readonly number[] | null,
): ExpressionProgram {
  const byName = new Map(inputs.map((input) => [input.name, input]));
  const bands: OutputBand[] = outputs.flatMap(({ name, dtype, nodata }) =>
    (expressions.get(name) ?? []).map((expression) => ({ expression, dtype, nodata })),
  );
  const describe = (name: string): OperationInput => {
    const input = byName.get(name);
    if (input === undefined) throw new Error(`the expression was checked, but there is no input ${name}`);
    return input;
  };
  return compileProgram(bands, describe, { nodata: nodataRule(operation), pixelSize: pixelSize(geotransform) });
}

/**
 * The planes that code reads and writes, all bands of all inputs and outputs, in the form of a program without steps: reading and encoding are the same
 * for every kind of operation.
 * @param halo margin in pixels that the code sees
 */
export function codeProgram(
  operation: JobSpec['operation'],
  inputs: readonly OperationInput[],
  outputs: readonly { readonly dtype: Dtype; readonly bands: number; readonly nodata: number | undefined }[],
  halo: number,
): ExpressionProgram {
  const masks = nodataRule(operation) === 'mask' && inputs.some(({ nodata, masked }) => nodata !== undefined || masked);
  const nodataField = (nodata: number | undefined): { readonly nodata?: JsonNumber } => (nodata === undefined ? {} : { nodata: toJsonNumber(nodata) });
  return {
    sources: inputs.flatMap(({ name, bands, dtype, nodata, masked }) => Array.from({ length: bands }, (_, band) => ({ input: name, band: band + 1, dtype, masked, ...nodataField(nodata) }))),
    targets: outputs.flatMap(({ dtype, bands, nodata }) => Array.from({ length: bands }, () => ({ dtype, yieldsNodata: masks, ...nodataField(nodata) }))),
    constants: [],
    registers: 0,
    validities: 1,
    steps: [],
    halo,
    stages: [],
  };
}

/** What a pixel covers on the ground, in units of the CRS. */
function pixelSize(geotransform: readonly number[] | null): { readonly x: number; readonly y: number } | undefined {
  if (geotransform === null) return undefined;
  const [, xc = 0, xr = 0, , yc = 0, yr = 0] = geotransform;
  return { x: Math.hypot(xc, yc), y: Math.hypot(xr, yr) };
}

/** The program of a plan: the worker's way to it. A plan was checked before it was written, so nothing can be wrong here. */
export function programOf(plan: Plan): ExpressionProgram {
  const inputs = plan.inputs.map((input) => ({ ...input, nodata: nodataOf(input) }));
  const outputs = plan.outputs.map((output) => ({ ...output, nodata: nodataOf(output) }));
  if (plan.code !== null) return codeProgram(plan.job.operation, inputs, outputs, plan.halo);
  const bands = Object.fromEntries(plan.inputs.map((input) => [input.name, input.bands]));
  const problems: Problem[] = [];
  const alphas = new Map(plan.outputs.flatMap(({ name, addedAlpha }): [string, number][] => (addedAlpha === null ? [] : [[name, addedAlpha]])));
  const expressions = readExpressions(plan.job.operation, Object.keys(bands), bands, problems, alphas);
  if (problems.length > 0) throw new Error(`the plan's expressions don't compile: ${JSON.stringify(problems)}`);
  return compileOperation(plan.job.operation, expressions, inputs, outputs, plan.grid.geotransform);
}
