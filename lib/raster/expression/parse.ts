/** Text to syntax: jsep's tree is taken over node by node, and what the language doesn't have is refused. */
import type jsep from 'jsep';
import type { ExpressionProblem, ProblemCode } from './problem.ts';
import { type BinaryOperator, binaryOperators, comparisonOperators, maximumCharacters, type SyntaxNode, unaryOperators } from './syntax.ts';
import { type ParsedText, parseText } from './tokens.ts';

export interface ParseResult {
  /** Absent when the text can't be read at all. With problems it may hold `invalid` nodes, so that checking finds the rest. */
  readonly ast?: SyntaxNode;
  readonly problems: readonly ExpressionProblem[];
}

/** Parses the text of an expression. Nothing is evaluated; whatever is written, the answer is a tree or problems, never a throw. */
export function parseExpression(text: string): ParseResult {
  if (text.length > maximumCharacters) {
    const message = `the expression has ${String(text.length)} characters; at most ${String(maximumCharacters)} are allowed`;
    return { problems: [{ code: 'EXPRESSION_TOO_LARGE', message, column: maximumCharacters + 1 }] };
  }
  if (text.trim() === '') {
    return { problems: [{ code: 'EXPRESSION_EMPTY', message: 'the expression is empty; wanted for example scene[1] * 2', column: 1 }] };
  }
  const strange = /[^\S \t\r\n]|\p{Cf}/u.exec(text);
  if (strange !== null) {
    const point = (strange[0].codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0');
    const message = `an invisible character (U+${point}); wanted plain spaces`;
    return { problems: [{ code: 'EXPRESSION_SYNTAX', message, column: strange.index + 1 }] };
  }
  const parsed = parseText(text);
  if (parsed.root === undefined) return { problems: parsed.problems };
  const converter = new Converter(parsed);
  const ast = converter.convert(parsed.root);
  return { ast, problems: [...parsed.problems, ...converter.problems].toSorted((a, b) => a.column - b.column) };
}

class Converter {
  readonly problems: ExpressionProblem[] = [];
  private readonly parsed: ParsedText;

  constructor(parsed: ParsedText) {
    this.parsed = parsed;
  }

  convert(expression: jsep.Expression): SyntaxNode {
    const node = expression as jsep.CoreExpression;
    const column = this.parsed.columnOf(node);
    switch (node.type) {
      case 'Literal':
        return this.literal(node, column);
      case 'Identifier':
        return { kind: 'name', column, name: node.name };
      case 'MemberExpression':
        return this.band(node, column);
      case 'UnaryExpression':
        return this.unary(node.operator, this.convert(node.argument), column);
      case 'BinaryExpression':
        return this.binary(node, column);
      case 'ConditionalExpression': {
        const [test, consequent, alternate] = [this.convert(node.test), this.convert(node.consequent), this.convert(node.alternate)];
        return { kind: 'conditional', column, test, consequent, alternate };
      }
      case 'CallExpression': {
        const operands = node.arguments.map((operand) => this.convert(operand));
        if (node.callee.type !== 'Identifier') {
          return this.refuse(column, 'only functions of the language can be called, by their plain name', operands);
        }
        return { kind: 'call', column, name: (node.callee as jsep.Identifier).name, operands };
      }
      case 'ThisExpression':
        return this.refuse(column, '"this" is not part of the language');
      case 'ArrayExpression':
        return this.refuse(column, 'lists in "[…]" are not part of the language; a band is written input[1]');
      default:
        return this.refuse(column, 'more than one expression; wanted one');
    }
  }

  private literal({ value, raw }: jsep.Literal, column: number): SyntaxNode {
    if (typeof value !== 'number') return this.refuse(column, `"${raw}" is not part of the language; truth is written 1 or 0`);
    if (!Number.isFinite(value)) return this.problem('EXPRESSION_SYNTAX', column, `the number ${raw} is too large for float64`);
    return { kind: 'number', column, value };
  }

  private band(node: jsep.MemberExpression, column: number): SyntaxNode {
    const { object, property } = node;
    if (!node.computed || node.optional === true) return this.refuse(column, 'member access with "." is not part of the language');
    if (object.type !== 'Identifier') return this.refuse(column, '"[…]" may only follow the name of an input, as in scene[1]');
    const input = (object as jsep.Identifier).name;
    const raw = property.type === 'Literal' ? (property as jsep.Literal).raw : undefined;
    if (raw === undefined || !/^\d+$/.test(raw) || Number(raw) < 1) {
      const found = raw === undefined ? '' : `, found ${raw}`;
      return this.problem('EXPRESSION_BAND', this.parsed.columnOf(property), `a band is a whole number from 1, as in ${input}[1]${found}`);
    }
    return { kind: 'band', column, input, band: Number(raw) };
  }

  private unary(sign: string, operand: SyntaxNode, column: number): SyntaxNode {
    const operator = unaryOperators.find((known) => known === sign);
    if (operator === undefined) return this.refuse(column, `the operator "${sign}" is not part of the language`, [operand]);
    return { kind: 'unary', column, operator, operand };
  }

  private binary(node: jsep.BinaryExpression, column: number): SyntaxNode {
    const operator = binaryOperators.find((known) => known === node.operator);
    if (operator === '**') return this.power(node, column);
    const left = this.convert(node.left);
    const right = this.convert(node.right);
    // The parser has reported the operator already, with its own column.
    if (operator === undefined) return { kind: 'invalid', column, parts: [left, right] };
    if (isComparison(operator)) {
      for (const side of [node.left, node.right]) {
        if (side.type === 'BinaryExpression' && isComparison((side as jsep.BinaryExpression).operator) && !this.parsed.isGrouped(side)) {
          const message = 'comparisons can\'t be chained; write "a < b && b < c", or parentheses if the 0 or 1 of a comparison is meant';
          return this.refuse(column, message, [left, right]);
        }
      }
    }
    return { kind: 'binary', column, operator, left, right };
  }

  /** A sign binds less tightly than a power, as in Python and in mathematics: -a ** 2 is -(a ** 2). jsep has it the other way. */
  private power(node: jsep.BinaryExpression, column: number): SyntaxNode {
    const signs: { readonly operator: string; readonly column: number }[] = [];
    let base = node.left;
    while (base.type === 'UnaryExpression' && !this.parsed.isGrouped(base)) {
      const { operator, argument } = base as jsep.UnaryExpression;
      signs.push({ operator, column: this.parsed.columnOf(base) });
      base = argument;
    }
    const left = this.convert(base);
    const right = this.convert(node.right);
    const power: SyntaxNode = { kind: 'binary', column: signs.length === 0 ? column : left.column, operator: '**', left, right };
    return signs.reduceRight<SyntaxNode>((operand, sign) => this.unary(sign.operator, operand, sign.column), power);
  }

  private refuse(column: number, message: string, parts: readonly SyntaxNode[] = []): SyntaxNode {
    return this.problem('EXPRESSION_UNSUPPORTED', column, message, parts);
  }

  private problem(code: ProblemCode, column: number, message: string, parts: readonly SyntaxNode[] = []): SyntaxNode {
    this.problems.push({ code, message, column });
    return { kind: 'invalid', column, parts };
  }
}

function isComparison(operator: string): operator is BinaryOperator {
  return comparisonOperators.some((known) => known === operator);
}
