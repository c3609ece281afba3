/** Compiles and runs expressions over small planes, for tests. */
import { allocateSamples, type Dtype, type SampleArray } from '../../../lib/raster/dtype.ts';
import { type CheckedExpression, readExpression } from '../../../lib/raster/expression/check.ts';
import { compileProgram } from '../../../lib/raster/expression/compile.ts';
import { Evaluator } from '../../../lib/raster/expression/evaluator.ts';
import { expressionError } from '../../../lib/raster/expression/problem.ts';
import { type ExpressionProgram, programSchema } from '../../../lib/raster/expression/program.ts';

/** A source band `name`, which expressions call by its bare name. */
export interface TestSource {
  readonly dtype: Dtype;
  readonly array: SampleArray;
  readonly nodata?: number;
  readonly validity?: Uint8Array;
}
export type TestSources = Readonly<Record<string, TestSource>>;

export interface TestTarget {
  readonly dtype: Dtype;
  readonly nodata?: number;
}

export function samples(dtype: Dtype, values: readonly number[]): SampleArray {
  const array = allocateSamples(dtype, values.length);
  array.set(values);
  return array;
}

export function source(dtype: Dtype, values: readonly number[], nodata?: number, validity?: readonly number[]): TestSource {
  return {
    dtype,
    array: samples(dtype, values),
    ...(nodata !== undefined && { nodata }),
    ...(validity !== undefined && { validity: Uint8Array.from(validity) }),
  };
}

export function read(text: string, sources: TestSources, parameters: Readonly<Record<string, number>> = {}): CheckedExpression {
  const inputs = Object.fromEntries(Object.keys(sources).map((name) => [name, { bands: 1 }]));
  const { expression, problems } = readExpression(text, { inputs, parameters });
  if (expression === undefined) throw expressionError(text, problems);
  return expression;
}

/** The program as a worker gets it: through JSON, through its schema. */
export function compile(expressions: readonly CheckedExpression[], sources: TestSources, targets: readonly TestTarget[]): ExpressionProgram {
  const bands = expressions.map((expression, i) => ({ expression, dtype: targets[i]?.dtype ?? 'float64', nodata: targets[i]?.nodata }));
  const program = compileProgram(bands, (input) => {
    const found = sources[input];
    if (found === undefined) throw new RangeError(input);
    return { dtype: found.dtype, nodata: found.nodata, masked: found.validity !== undefined };
  });
  return programSchema.parse(JSON.parse(JSON.stringify(program)));
}

export function evaluate(program: ExpressionProgram, sources: TestSources, pixels: number): SampleArray[] {
  const planes = program.sources.map(({ input }) => {
    const found = sources[input];
    if (found === undefined) throw new RangeError(input);
    return { array: found.array, validity: found.validity };
  });
  const targets = program.targets.map(({ dtype }) => allocateSamples(dtype, pixels));
  new Evaluator(program).run(planes, targets, pixels);
  return targets;
}

/** The values of one expression stored as one target. */
export function compute(text: string, sources: TestSources, target: TestTarget): number[] {
  const pixels = Math.min(...Object.values(sources).map(({ array }) => array.length));
  const [plane] = evaluate(compile([read(text, sources)], sources, [target]), sources, pixels);
  return Array.from(plane ?? []);
}
