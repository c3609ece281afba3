/** Compiles an expression and computes it over a whole image, or cut into windows, for tests. */
import { allocateSamples, type Dtype, type SampleArray } from '../../../lib/raster/dtype.ts';
import { readExpression } from '../../../lib/raster/expression/check.ts';
import { compileProgram, type CompileOptions } from '../../../lib/raster/expression/compile.ts';
import { Evaluator } from '../../../lib/raster/expression/evaluator.ts';
import type { Kernels } from '../../../lib/raster/expression/focal-call.ts';
import { expressionError } from '../../../lib/raster/expression/problem.ts';
import { type ExpressionProgram, programSchema } from '../../../lib/raster/expression/program.ts';

export interface Band {
  readonly dtype: Dtype;
  readonly array: SampleArray;
  readonly nodata?: number;
  readonly validity?: Uint8Array;
}
export type Bands = Readonly<Record<string, Band>>;

export interface Image {
  readonly columns: number;
  readonly rows: number;
  readonly bands: Bands;
}

export interface Target {
  readonly dtype: Dtype;
  readonly nodata?: number;
}

/** The program as a worker gets it: through JSON, through its schema. */
export function compileText(text: string, bands: Bands, target: Target, options: CompileOptions & { readonly kernels?: Kernels } = {}): ExpressionProgram {
  const inputs = Object.fromEntries(Object.keys(bands).map((name) => [name, { bands: 1 }]));
  const { expression, problems } = readExpression(text, { inputs, parameters: {}, kernels: options.kernels });
  if (expression === undefined) throw expressionError(text, problems);
  const program = compileProgram([{ expression, dtype: target.dtype, nodata: target.nodata }], (name) => describe(bands, name), options);
  return programSchema.parse(JSON.parse(JSON.stringify(program)));
}

function describe(bands: Bands, name: string) {
  const band = bands[name];
  if (band === undefined) throw new RangeError(name);
  return { dtype: band.dtype, nodata: band.nodata, masked: band.validity !== undefined };
}

export interface Cut {
  readonly column: number;
  readonly row: number;
  readonly columns: number;
  readonly rows: number;
  readonly margin: number;
}

/** Computes one window; what lies outside of the image is filled with numbers that would be seen if they were looked at. */
export function computeWindow(evaluator: Evaluator, program: ExpressionProgram, { columns, rows, bands }: Image, cut: Cut): SampleArray {
  const { margin } = cut;
  const stride = cut.columns + 2 * margin;
  const height = cut.rows + 2 * margin;
  const [left, top] = [cut.column - margin, cut.row - margin];
  const sources = program.sources.map(({ input }) => {
    const band = bands[input];
    if (band === undefined) throw new RangeError(input);
    const array = allocateSamples(band.dtype, stride * height).fill(77);
    const validity = band.validity && new Uint8Array(stride * height).fill(1);
    for (let r = Math.max(0, -top); r < height && r + top < rows; r++) {
      for (let c = Math.max(0, -left); c < stride && c + left < columns; c++) {
        const from = (r + top) * columns + c + left;
        array[r * stride + c] = band.array[from] ?? 0;
        if (validity) validity[r * stride + c] = band.validity?.[from] ?? 0;
      }
    }
    return { array, validity };
  });
  const targets = program.targets.map(({ dtype }) => allocateSamples(dtype, cut.columns * cut.rows));
  const inside = { column: -left, row: -top, columns, rows };
  evaluator.runWindow({ columns: cut.columns, rows: cut.rows, margin, inside }, sources, targets);
  const [target] = targets;
  if (target === undefined) throw new RangeError('no target');
  return target;
}

export function computeImage(program: ExpressionProgram, image: Image): SampleArray {
  const { columns, rows } = image;
  return computeWindow(new Evaluator(program), program, image, { column: 0, row: 0, columns, rows, margin: program.halo });
}

/** The same numbers each time (a linear congruential generator, Numerical Recipes). */
export function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

export function makeBand(dtype: Dtype, pixels: number, make: (i: number) => number, nodata?: number): Band {
  const array = allocateSamples(dtype, pixels);
  for (let i = 0; i < pixels; i++) array[i] = make(i);
  return { dtype, array, ...(nodata !== undefined && { nodata }) };
}

export function base64({ buffer, byteOffset, byteLength }: SampleArray): string {
  return Buffer.from(buffer as ArrayBuffer, byteOffset, byteLength).toString('base64');
}
