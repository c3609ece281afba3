/** Operations of two operands over a chunk that are not compiled, one loop each (unary-kernels.ts says why). The others are in kernels/registers.ts. */
import { compiledOperations, type CompiledOperation } from '../kernels.ts';
import { chunkPixels } from './chunk.ts';
import { type BinaryOperation, floorRemainder, ieeePower } from './operations.ts';

/** A constant of this module is one in its compiled loops; an import would be read again for every pixel. */
const pixels = chunkPixels;

/** out[i] = operation(a[i], b[i]). `out` may be `a` or `b`. */
export type BinaryKernel = (out: Float64Array, a: Float64Array, b: Float64Array) => void;

export const binaryKernels: Readonly<Record<Exclude<BinaryOperation, CompiledOperation>, BinaryKernel>> = {
  remainder(out, a, b) {
    for (let i = 0; i < pixels; i++) out[i] = floorRemainder(a[i] as number, b[i] as number);
  },
  power(out, a, b) {
    for (let i = 0; i < pixels; i++) out[i] = ieeePower(a[i] as number, b[i] as number);
  },
  atan2(out, a, b) {
    for (let i = 0; i < pixels; i++) out[i] = Math.atan2(a[i] as number, b[i] as number);
  },
};

const compiled: ReadonlySet<string> = new Set(compiledOperations);

export function isCompiled(operation: BinaryOperation): operation is CompiledOperation {
  return compiled.has(operation);
}
