/** What the language means, one pixel at a time and as plainly as can be: the answer that the compiled form has to give. */
import { type Dtype, dtypeFacts, isFloat } from '../../../lib/raster/dtype.ts';
import type { CheckedNode } from '../../../lib/raster/expression/check.ts';

/** The value of a pixel, or undefined where it is nodata. */
export type Pixel = number | undefined;

export function evaluatePixel(node: CheckedNode, band: (input: string) => Pixel, divisionByZero: 'ieee' | 'nodata'): Pixel {
  const evaluate = (operand: CheckedNode): Pixel => evaluatePixel(operand, band, divisionByZero);
  switch (node.kind) {
    case 'number':
      return node.value;
    case 'band':
      return band(node.input);
    case 'unary': {
      const a = evaluate(node.operand);
      return a === undefined ? undefined : unary(node.operation, a);
    }
    case 'binary': {
      const a = evaluate(node.left);
      const b = evaluate(node.right);
      if (a === undefined || b === undefined) return undefined;
      const divides = node.operation === 'divide' || node.operation === 'remainder';
      return divides && b === 0 && divisionByZero === 'nodata' ? undefined : binary(node.operation, a, b);
    }
    case 'where': {
      const condition = evaluate(node.condition);
      return condition === undefined ? undefined : evaluate(condition === 0 ? node.whenFalse : node.whenTrue);
    }
    case 'isnodata':
      return evaluate(node.operand) === undefined ? 1 : 0;
    case 'coalesce':
      return node.operands.map(evaluate).find((value) => value !== undefined);
    case 'focal':
      throw new RangeError('one pixel alone has no neighbours');
  }
}

/** What a target holds for a pixel. */
export function storePixel(pixel: Pixel, dtype: Dtype, nodata: number): number {
  if (dtype === 'float32') return Math.fround(pixel ?? nodata);
  if (pixel === undefined) return nodata;
  if (isFloat(dtype)) return pixel;
  if (Number.isNaN(pixel)) return nodata;
  const { min, max } = dtypeFacts(dtype);
  return Math.min(max, Math.max(min, halfToEven(pixel))) + 0;
}

function halfToEven(a: number): number {
  const below = Math.floor(a);
  if (a - below === 0.5) return below % 2 === 0 ? below : below + 1;
  return a - below < 0.5 ? below : below + 1;
}

function unary(operation: Extract<CheckedNode, { kind: 'unary' }>['operation'], a: number): number {
  switch (operation) {
    case 'negate':
      return -a;
    case 'not':
      return a === 0 ? 1 : 0;
    case 'isnan':
      return Number.isNaN(a) ? 1 : 0;
    case 'round':
      if (!Number.isFinite(a)) return a;
      return a < 0 ? -halfToEven(-a) : halfToEven(a);
    default:
      return Math[operation](a);
  }
}

function binary(operation: Extract<CheckedNode, { kind: 'binary' }>['operation'], a: number, b: number): number {
  switch (operation) {
    case 'add':
      return a + b;
    case 'subtract':
      return a - b;
    case 'multiply':
      return a * b;
    case 'divide':
      return a / b;
    case 'remainder': {
      const r = a % b;
      return r !== 0 && Math.sign(r) === -Math.sign(b) ? r + b : r;
    }
    case 'power':
      if (b === 2) return a * a;
      return a === 1 || (a === -1 && Math.abs(b) === Infinity) ? 1 : Math.pow(a, b);
    case 'less':
      return a < b ? 1 : 0;
    case 'lessEqual':
      return a <= b ? 1 : 0;
    case 'greater':
      return a > b ? 1 : 0;
    case 'greaterEqual':
      return a >= b ? 1 : 0;
    case 'equal':
      return a === b ? 1 : 0;
    case 'notEqual':
      return a === b ? 0 : 1;
    case 'and':
      return a !== 0 && b !== 0 ? 1 : 0;
    case 'or':
      return a !== 0 || b !== 0 ? 1 : 0;
    case 'minimum':
      return a < b || Number.isNaN(a) ? a : b;
    case 'maximum':
      return a > b || Number.isNaN(a) ? a : b;
    case 'atan2':
      return Math.atan2(a, b);
    case 'normalizedDifference':
      return (a - b) / (a + b);
  }
}
