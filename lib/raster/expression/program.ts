/**
 * The compiled form of expressions: a list of steps over registers. It is plain JSON, because it lies in plan.json and crosses
 * to worker threads.
 */
import * as z from 'zod';
import { jsonNumber } from '../../base/json-number-schema.ts';
import { dtypes } from '../dtype.ts';
import { type PlacedFocalOperation, statisticNames } from '../focal/operation.ts';
import { type BinaryOperation, binaryOperations, type UnaryOperation, unaryOperations } from './operations.ts';

const index = z.int().min(0);
const unaryOperation = z.enum(Object.keys(unaryOperations) as UnaryOperation[]);
const binaryOperation = z.enum(Object.keys(binaryOperations) as BinaryOperation[]);

/**
 * One step, done over a chunk of pixels. `out`, `a`, `b`, `c` and `value` number float64 registers, the first of which are the
 * constants; `valid`, `validA`, `validB` and `validOut` number validity registers, of which 0 is always 1.
 */
const step = z.discriminatedUnion('do', [
  /** A source into a register; with `validOut`, compared with the source's nodata value on the way. */
  z.strictObject({ do: z.literal('load'), source: index, out: index, validOut: index.optional() }),
  z.strictObject({ do: z.literal('mask'), source: index, validOut: index }),
  z.strictObject({ do: z.literal('unary'), operation: unaryOperation, a: index, out: index }),
  z.strictObject({ do: z.literal('binary'), operation: binaryOperation, a: index, b: index, out: index }),
  z.strictObject({ do: z.literal('where'), c: index, a: index, b: index, out: index }),
  /** a where valid, else b. */
  z.strictObject({ do: z.literal('choose'), valid: index, a: index, b: index, out: index }),
  /** 1 where not valid, else 0, as a number. */
  z.strictObject({ do: z.literal('isnodata'), valid: index, out: index }),
  z.strictObject({ do: z.literal('nonzero'), a: index, validOut: index }),
  z.strictObject({ do: z.literal('both'), validA: index, validB: index, validOut: index }),
  z.strictObject({ do: z.literal('either'), validA: index, validB: index, validOut: index }),
  /** validA where c is true, else validB. */
  z.strictObject({ do: z.literal('pick'), c: index, validA: index, validB: index, validOut: index }),
  z.strictObject({ do: z.literal('store'), target: index, value: index, valid: index.optional() }),
  /** A source as it is into a target of its own type and nodata value; pixels without data by its mask get the nodata value. */
  z.strictObject({ do: z.literal('copy'), source: index, target: index, masked: z.boolean(), nodata: z.boolean() }),
  /** The result of a focal stage, and its validity. */
  z.strictObject({ do: z.literal('focal'), stage: index, out: index }),
  z.strictObject({ do: z.literal('focalMask'), stage: index, validOut: index }),
  /** Into the plane of this stage. */
  z.strictObject({ do: z.literal('keep'), value: index, valid: index.optional() }),
]);
export type Step = z.infer<typeof step>;
export type CopyStep = Extract<Step, { do: 'copy' }>;

const source = z.strictObject({
  input: z.string(),
  band: z.int().min(1),
  dtype: z.enum(dtypes),
  nodata: jsonNumber.optional(),
  /** Whether its planes may come with a validity plane. */
  masked: z.boolean(),
});
export type ProgramSource = z.infer<typeof source>;

const target = z.strictObject({
  dtype: z.enum(dtypes),
  nodata: jsonNumber.optional(),
  /** Whether some pixel may turn out nodata; then `nodata` must be there before the program can run. */
  yieldsNodata: z.boolean(),
});
export type ProgramTarget = z.infer<typeof target>;

const steps = {
  constants: z.array(jsonNumber),
  /** Float64 registers in all, the constants included. */
  registers: index,
  /** Validity registers in all, number 0 included. */
  validities: z.int().min(1),
  steps: z.array(step),
};

/** Steps, and the registers that they need. */
export type Steps = Pick<ExpressionProgram, keyof typeof steps>;

const pixelSize = z.strictObject({ x: z.number(), y: z.number() });
const side = z.int().min(1);
const focalOperation: z.ZodType<PlacedFocalOperation> = z.discriminatedUnion('name', [
  z.strictObject({ name: z.enum(statisticNames), columns: side, rows: side }),
  z.strictObject({ name: z.literal('convolve'), columns: side, rows: side, weights: z.array(z.number()) }),
  z.strictObject({ name: z.enum(['slope', 'slopePercent']), scale: z.number(), pixelSize }),
  z.strictObject({ name: z.literal('aspect') }),
  z.strictObject({ name: z.literal('hillshade'), azimuth: z.number(), altitude: z.number(), z: z.number(), scale: z.number(), pixelSize }),
]);

/**
 * One plane of a program that looks at neighbours, made before the last steps run. `margin` says how many rows above and below those of
 * the targets later stages read of it.
 */
const stage = z.discriminatedUnion('do', [
  /** A band as it is; `masked` and `nodata` say what counts as missing. */
  z.strictObject({ do: z.literal('source'), source: index, masked: z.boolean(), nodata: z.boolean(), margin: index }),
  /** What is computed pixel by pixel. */
  z.strictObject({ do: z.literal('plane'), margin: index, ...steps }),
  /** What comes from the neighbours of the pixels of an earlier stage. */
  z.strictObject({ do: z.literal('focal'), of: index, operation: focalOperation, margin: index }),
]);
export type Stage = z.infer<typeof stage>;

/** Shape of a program, for parsing the plan that holds it. Whether its register numbers fit is the evaluator's to check. */
export const programSchema = z.strictObject({
  /** The planes it reads, in the order in which `run` wants them. */
  sources: z.array(source),
  /** The planes it writes, one a band, in the order of the expressions. */
  targets: z.array(target),
  ...steps,
  /** Pixels around a window that the sources have to be there for; 0 where each pixel is computed from itself alone. */
  halo: index,
  /** In an order in which each only needs earlier ones. */
  stages: z.array(stage),
});
export type ExpressionProgram = z.infer<typeof programSchema>;
