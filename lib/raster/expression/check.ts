/** Syntax to a checked expression: names are looked up, operands counted, bands found. */
import { nearestName } from '../../base/nearest.ts';
import type { FocalOperation } from '../focal/operation.ts';
import { type Kernels, readFocalOperation } from './focal-call.ts';
import { type FocalFunction, isFocal, languageFunctions, type LanguageFunction, type PixelFunction } from './functions.ts';
import type { BinaryOperation, UnaryOperation } from './operations.ts';
import { parseExpression } from './parse.ts';
import type { ExpressionProblem, ProblemCode } from './problem.ts';
import type { BinaryOperator, SyntaxNode } from './syntax.ts';

/** What an expression may speak of. */
export interface ExpressionScope {
  readonly inputs: Readonly<Record<string, { readonly bands: number }>>;
  readonly parameters: Readonly<Record<string, number>>;
  /** The matrices of weights that `convolve` may name. */
  readonly kernels?: Kernels | undefined;
}

/** An expression whose every name is known. Parameters have become numbers, functions have become operations. */
export type CheckedNode =
  | { readonly kind: 'number'; readonly value: number }
  | { readonly kind: 'band'; readonly input: string; readonly band: number }
  | { readonly kind: 'unary'; readonly operation: UnaryOperation; readonly operand: CheckedNode }
  | { readonly kind: 'binary'; readonly operation: BinaryOperation; readonly left: CheckedNode; readonly right: CheckedNode }
  | { readonly kind: 'where'; readonly condition: CheckedNode; readonly whenTrue: CheckedNode; readonly whenFalse: CheckedNode }
  | { readonly kind: 'isnodata'; readonly operand: CheckedNode }
  | { readonly kind: 'coalesce'; readonly operands: readonly CheckedNode[] }
  | { readonly kind: 'focal'; readonly operation: FocalOperation; readonly operand: CheckedNode };

export interface BandReference {
  readonly input: string;
  /** From 1. */
  readonly band: number;
}

export interface CheckedExpression {
  readonly root: CheckedNode;
  /** The bands it reads, each once, in the order of their first mention. */
  readonly bands: readonly BandReference[];
  /** Whether it has a division or remainder, which an integer output makes nodata where the divisor is 0. */
  readonly divides: boolean;
  /** Whether it asks about nodata itself (isnodata, coalesce). */
  readonly handlesNodata: boolean;
}

export interface CheckResult {
  /** Present when there are no problems. */
  readonly expression?: CheckedExpression;
  readonly problems: readonly ExpressionProblem[];
}

const operations: Readonly<Record<BinaryOperator, BinaryOperation>> = {
  '+': 'add',
  '-': 'subtract',
  '*': 'multiply',
  '/': 'divide',
  '%': 'remainder',
  '**': 'power',
  '&&': 'and',
  '||': 'or',
  '<': 'less',
  '<=': 'lessEqual',
  '>': 'greater',
  '>=': 'greaterEqual',
  '==': 'equal',
  '!=': 'notEqual',
};

/** Checks parsed syntax against what there is to speak of. All problems are reported together, by column. */
export function checkExpression(ast: SyntaxNode, scope: ExpressionScope): CheckResult {
  const checker = new Checker(scope);
  const root = checker.check(ast);
  if (root === undefined || checker.problems.length > 0) {
    return { problems: checker.problems.toSorted((a, b) => a.column - b.column) };
  }
  const { divides, handlesNodata } = checker;
  return { expression: { root, bands: [...checker.bands.values()], divides, handlesNodata }, problems: [] };
}

/** Parses and checks in one go, so that problems of both kinds are reported together. */
export function readExpression(text: string, scope: ExpressionScope): CheckResult {
  const parsed = parseExpression(text);
  if (parsed.ast === undefined) return { problems: parsed.problems };
  const checked = checkExpression(parsed.ast, scope);
  if (parsed.problems.length === 0) return checked;
  return { problems: [...parsed.problems, ...checked.problems].toSorted((a, b) => a.column - b.column) };
}

class Checker {
  readonly problems: ExpressionProblem[] = [];
  readonly bands = new Map<string, BandReference>();
  divides = false;
  handlesNodata = false;
  private readonly scope: ExpressionScope;

  constructor(scope: ExpressionScope) {
    this.scope = scope;
  }

  /** Undefined where a problem has been reported, here or by the parser. */
  check(node: SyntaxNode): CheckedNode | undefined {
    switch (node.kind) {
      case 'number':
        return { kind: 'number', value: node.value };
      case 'name':
        return this.name(node.name, node.column);
      case 'band':
        return this.band(node.input, node.band, node.column);
      case 'unary': {
        const operand = this.check(node.operand);
        if (operand === undefined || node.operator === '+') return operand;
        return { kind: 'unary', operation: node.operator === '-' ? 'negate' : 'not', operand };
      }
      case 'binary': {
        const [left, right] = [this.check(node.left), this.check(node.right)];
        if (node.operator === '/' || node.operator === '%') this.divides = true;
        return left && right && { kind: 'binary', operation: operations[node.operator], left, right };
      }
      case 'conditional': {
        const [condition, whenTrue, whenFalse] = [this.check(node.test), this.check(node.consequent), this.check(node.alternate)];
        return condition && whenTrue && whenFalse && { kind: 'where', condition, whenTrue, whenFalse };
      }
      case 'call':
        return this.call(node.name, node.operands, node.column);
      case 'invalid':
        node.parts.forEach((part) => this.check(part));
        return undefined;
    }
  }

  private name(name: string, column: number): CheckedNode | undefined {
    const { inputs, parameters } = this.scope;
    const parameter = Object.hasOwn(parameters, name) ? parameters[name] : undefined;
    const input = Object.hasOwn(inputs, name) ? inputs[name] : undefined;
    if (parameter !== undefined && input !== undefined) {
      return this.problem('EXPRESSION_UNKNOWN_NAME', column, `"${name}" is both an input and a parameter; write ${name}[1] or rename one`);
    }
    if (parameter !== undefined) return { kind: 'number', value: parameter };
    if (input === undefined) return this.unknown(name, column);
    if (input.bands !== 1) {
      return this.problem('EXPRESSION_BAND', column, `input "${name}" has ${String(input.bands)} bands; say which one, as in ${name}[1]`);
    }
    return this.reference(name, 1);
  }

  private band(name: string, band: number, column: number): CheckedNode | undefined {
    const input = Object.hasOwn(this.scope.inputs, name) ? this.scope.inputs[name] : undefined;
    if (input === undefined) {
      if (!Object.hasOwn(this.scope.parameters, name)) return this.unknown(name, column);
      return this.problem('EXPRESSION_BAND', column, `"${name}" is a parameter, a single number; only inputs have bands`);
    }
    if (band > input.bands) {
      const has = input.bands === 1 ? '1 band' : `bands 1 to ${String(input.bands)}`;
      return this.problem('EXPRESSION_BAND', column, `input "${name}" has ${has}, found ${name}[${String(band)}]`);
    }
    return this.reference(name, band);
  }

  private reference(input: string, band: number): CheckedNode {
    this.bands.set(`${input}[${String(band)}]`, { input, band });
    return { kind: 'band', input, band };
  }

  private call(name: string, syntax: readonly SyntaxNode[], column: number): CheckedNode | undefined {
    const called = languageFunctions.get(name);
    if (called !== undefined && isFocal(called)) return this.focal(name, called, syntax, column);
    const operands = syntax.map((operand) => this.check(operand)).filter((operand) => operand !== undefined);
    if (called === undefined) return this.unknownFunction(name, column);
    if (!this.takes(name, called, syntax.length, column)) return undefined;
    if (called.kind === 'isnodata' || called.kind === 'coalesce') this.handlesNodata = true;
    return operands.length === syntax.length ? apply(called, operands) : undefined;
  }

  private focal(name: string, called: FocalFunction, syntax: readonly SyntaxNode[], column: number): CheckedNode | undefined {
    const operand = syntax[0] && this.check(syntax[0]);
    if (!this.takes(name, called, syntax.length, column)) return undefined;
    const operation = readFocalOperation(name, called, syntax, this.scope, (problem) => this.problems.push(problem));
    return operand && operation && { kind: 'focal', operation, operand };
  }

  private takes(name: string, { least, most, usage }: LanguageFunction, found: number, column: number): boolean {
    if (found >= least && found <= most) return true;
    const upTo = most - least > 1 ? `${String(least)} to ${String(most)}` : `${String(least)} or ${String(most)}`;
    const several = most === Infinity ? `${String(least)} or more` : upTo;
    const count = least === most ? String(least) : several;
    this.problem('EXPRESSION_ARGUMENTS', column, `${name}(${usage}) takes ${count} operand${count === '1' ? '' : 's'}, found ${String(found)}`);
    return false;
  }

  private unknown(name: string, column: number): undefined {
    if (this.scope.kernels !== undefined && Object.hasOwn(this.scope.kernels, name)) {
      return this.problem('EXPRESSION_UNKNOWN_NAME', column, `"${name}" is a kernel; it can only be the second operand of convolve`);
    }
    if (languageFunctions.has(name)) {
      return this.problem('EXPRESSION_UNKNOWN_NAME', column, `"${name}" is a function; write ${name}(…)`);
    }
    const known = [...Object.keys(this.scope.inputs), ...Object.keys(this.scope.parameters)];
    return this.nearest(`no input or parameter is named "${name}"`, name, known, column);
  }

  private unknownFunction(name: string, column: number): undefined {
    if (Object.hasOwn(this.scope.inputs, name)) {
      return this.problem('EXPRESSION_UNKNOWN_NAME', column, `"${name}" is an input, not a function; a band is written ${name}[1]`);
    }
    if (Object.hasOwn(this.scope.parameters, name)) {
      return this.problem('EXPRESSION_UNKNOWN_NAME', column, `"${name}" is a parameter, not a function; write "*" to multiply`);
    }
    return this.nearest(`no function is named "${name}"`, name, [...languageFunctions.keys()], column);
  }

  private nearest(message: string, name: string, known: readonly string[], column: number): undefined {
    const near = nearestName(name, known);
    const rest = near === undefined ? `known: ${known.join(', ') || 'none'}` : `did you mean "${near}"?`;
    return this.problem('EXPRESSION_UNKNOWN_NAME', column, `${message}; ${rest}`);
  }

  private problem(code: ProblemCode, column: number, message: string): undefined {
    this.problems.push({ code, message, column });
    return undefined;
  }
}

/** The call of a function on operands whose number has been checked. */
function apply(called: PixelFunction, operands: readonly CheckedNode[]): CheckedNode | undefined {
  const [first, second, third] = operands;
  if (first === undefined) return undefined;
  if (called.kind === 'unary') return { kind: 'unary', operation: called.operation, operand: first };
  if (called.kind === 'isnodata') return { kind: 'isnodata', operand: first };
  if (called.kind === 'coalesce') return { kind: 'coalesce', operands };
  if (second === undefined) return undefined;
  if (called.kind === 'binary') return { kind: 'binary', operation: called.operation, left: first, right: second };
  if (called.kind === 'chain') {
    return operands.reduce((left, right) => ({ kind: 'binary', operation: called.operation, left, right }));
  }
  if (third === undefined) return undefined;
  if (called.kind === 'where') return { kind: 'where', condition: first, whenTrue: second, whenFalse: third };
  // numpy's clip: the upper bound wins where the bounds cross.
  const raised: CheckedNode = { kind: 'binary', operation: 'maximum', left: first, right: second };
  return { kind: 'binary', operation: 'minimum', left: raised, right: third };
}
