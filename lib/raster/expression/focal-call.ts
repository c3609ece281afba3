/** The constants of a call of a focal function, and its kernel: read from the syntax and checked. */
import { nearestName } from '../../base/nearest.ts';
import { type FocalOperation, maximumFocalSize } from '../focal/operation.ts';
import type { FocalFunction } from './functions.ts';
import type { ExpressionProblem } from './problem.ts';
import type { SyntaxNode } from './syntax.ts';

/** Matrices of weights by name, each row by row. */
export type Kernels = Readonly<Record<string, readonly (readonly number[])[]>>;

/** Reads the operands behind the first. Undefined where something has been reported. */
export function readFocalOperation(
  name: string,
  called: FocalFunction,
  operands: readonly SyntaxNode[],
  scope: { readonly parameters: Readonly<Record<string, number>>; readonly kernels?: Kernels | undefined },
  report: (problem: ExpressionProblem) => void,
): FocalOperation | undefined {
  const rest = operands.slice(1);
  if (called.kind === 'convolve') return rest[0] && readKernel(rest[0], scope.kernels ?? {}, report);
  const constants = rest.map((operand) => {
    const value = constantOf(operand, scope.parameters);
    if (value === undefined) {
      const message = `only the first operand of ${name} may vary from pixel to pixel; wanted a number or a parameter of the job`;
      report({ code: 'EXPRESSION_ARGUMENTS', message, column: operand.column });
    }
    return value;
  });
  if (constants.includes(undefined)) return undefined;
  const numbers = constants.filter((value) => value !== undefined);
  const fits = (i: number, test: (value: number) => boolean, wanted: string): boolean => {
    const value = numbers[i];
    if (value === undefined || test(value)) return true;
    report({ code: 'EXPRESSION_ARGUMENTS', message: `${name}: wanted ${wanted}, found ${String(value)}`, column: rest[i]?.column ?? 1 });
    return false;
  };
  const positive = (i: number, what: string): boolean => fits(i, (value) => value > 0 && value < Infinity, `${what} above 0`);
  const finite = (i: number, what: string): boolean => fits(i, Number.isFinite, `a finite ${what}`);
  switch (called.kind) {
    case 'statistic': {
      const size = `an odd whole number of pixels from 1 to ${String(maximumFocalSize)}, so that the window has a middle`;
      const sizes = rest.map((_, i) => fits(i, isSize, size));
      const [columns, rows = columns] = numbers;
      return sizes.includes(false) || columns === undefined || rows === undefined ? undefined : { name: called.statistic, columns, rows };
    }
    case 'slope':
      return positive(0, 'a scale') ? { name: called.percent ? 'slopePercent' : 'slope', scale: numbers[0] ?? 1 } : undefined;
    case 'aspect':
      return { name: 'aspect' };
    case 'hillshade': {
      const good = [finite(0, 'azimuth'), finite(1, 'altitude'), finite(2, 'factor of the heights'), positive(3, 'a scale')];
      const [azimuth = 315, altitude = 45, z = 1, scale = 1] = numbers;
      return good.includes(false) ? undefined : { name: 'hillshade', azimuth, altitude, z, scale };
    }
  }
}

function isSize(value: number): boolean {
  return Number.isInteger(value) && value >= 1 && value <= maximumFocalSize && value % 2 === 1;
}

function constantOf(node: SyntaxNode, parameters: Readonly<Record<string, number>>): number | undefined {
  if (node.kind === 'number') return node.value;
  if (node.kind === 'name') return Object.hasOwn(parameters, node.name) ? parameters[node.name] : undefined;
  if (node.kind !== 'unary' || node.operator === '!') return undefined;
  const value = constantOf(node.operand, parameters);
  return value === undefined || node.operator === '+' ? value : -value;
}

function readKernel(operand: SyntaxNode, kernels: Kernels, report: (problem: ExpressionProblem) => void): FocalOperation | undefined {
  const { column } = operand;
  if (operand.kind !== 'name') {
    report({ code: 'EXPRESSION_ARGUMENTS', message: 'the second operand of convolve is the name of a matrix in operation.kernels', column });
    return undefined;
  }
  const { name } = operand;
  const kernel = Object.hasOwn(kernels, name) ? kernels[name] : undefined;
  if (kernel === undefined) {
    const near = nearestName(name, Object.keys(kernels));
    const rest = near === undefined ? `known: ${Object.keys(kernels).join(', ') || 'none'}` : `did you mean "${near}"?`;
    report({ code: 'EXPRESSION_UNKNOWN_NAME', message: `no matrix in operation.kernels is named "${name}"; ${rest}`, column });
    return undefined;
  }
  const fault = faultOf(kernel);
  if (fault !== undefined) {
    report({ code: 'EXPRESSION_KERNEL', message: `the kernel "${name}" ${fault}`, column });
    return undefined;
  }
  return { name: 'convolve', columns: kernel[0]?.length ?? 0, rows: kernel.length, weights: kernel.flat() };
}

/** What is wrong with a kernel, to be read behind its name. */
function faultOf(kernel: readonly (readonly number[])[]): string | undefined {
  const columns = kernel[0]?.length ?? 0;
  if (columns === 0) return 'is empty; wanted rows of weights, such as [[0, 1, 0], [1, -4, 1], [0, 1, 0]]';
  const ragged = kernel.findIndex((row) => row.length !== columns);
  if (ragged >= 0) return `has rows of different lengths: ${String(columns)} weights in row 1, ${String(kernel[ragged]?.length)} in row ${String(ragged + 1)}`;
  if (!isSize(columns) || !isSize(kernel.length)) {
    return `has ${String(columns)} columns and ${String(kernel.length)} rows; wanted odd numbers from 1 to ${String(maximumFocalSize)}, so that it has a middle`;
  }
  const row = kernel.findIndex((weights) => !weights.every(Number.isFinite));
  return row < 0 ? undefined : `has a weight that is not a finite number, in row ${String(row + 1)}`;
}
