/**
 * The compiled form of expressions: a list of steps over registers. It is plain JSON, because it lies in plan.json and crosses
 * to worker threads.
 */
import * as z from 'zod';
import { jsonNumber } from '../../base/json-number-schema.ts';
import { dtypes } from '../dtype.ts';
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
]);
export type Step = z.infer<typeof step>;

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

/** Shape of a program, for parsing the plan that holds it. Whether its register numbers fit is the evaluator's to check. */
export const programSchema = z.strictObject({
  /** The planes it reads, in the order in which `run` wants them. */
  sources: z.array(source),
  /** The planes it writes, one a band, in the order of the expressions. */
  targets: z.array(target),
  constants: z.array(jsonNumber),
  /** Float64 registers in all, the constants included. */
  registers: index,
  /** Validity registers in all, number 0 included. */
  validities: z.int().min(1),
  steps: z.array(step),
});
export type ExpressionProgram = z.infer<typeof programSchema>;
