/**
 * The parser proper: jsep, with columns and with less forgiveness.
 *
 * jsep takes lists of expressions, arguments without commas and text in quotes, and keeps no positions. The methods
 * overridden here are its documented grammar steps; its configuration is global and therefore left alone.
 */
import jsep from 'jsep';
import type { ExpressionProblem, ProblemCode } from './problem.ts';
import { binaryOperators, maximumNesting, maximumOperands } from './syntax.ts';

/** The parts of jsep's class that are used; its typings describe them only as the scope of hooks. */
interface Grammar {
  index: number;
  readonly expr: string;
  readonly code: number;
  gobbleSpaces(): void;
  gobbleExpression(): jsep.Expression | false | undefined;
  gobbleBinaryOp(): string | false;
  gobbleToken(): jsep.Expression | false | undefined;
}
const { Jsep } = jsep as unknown as { readonly Jsep: new (text: string) => Grammar };

const openParenthesis = 40;
const closeParenthesis = 41;
const comma = 44;

/** What users of other languages write, and what it is here. */
const operatorHints: Readonly<Record<string, string>> = {
  '&': '; write "&&" for and',
  '|': '; write "||" for or',
  '^': '; write "**" for a power',
  '===': '; write "=="',
  '!==': '; write "!="',
  '=': '; write "==" to compare',
  '<>': '; write "!="',
  and: '; write "&&"',
  or: '; write "||"',
  not: '; write "!"',
  '??': '; write coalesce(x, y)',
};

/** jsep's own words where they speak of its insides. */
const plainWords: Readonly<Record<string, string>> = {
  'missing unaryOp argument': 'wanted a value after the sign',
  'Expected expression': 'wanted a value',
  'Expected :': 'wanted ":" and a value for the other case',
};

/** Ends the parse: what follows can't be made sense of. */
class Stop extends Error {
  readonly problem: ExpressionProblem;
  constructor(problem: ExpressionProblem) {
    super(problem.message);
    this.problem = problem;
  }
}

/** jsep's tree of one text, with what jsep itself doesn't record. */
export interface ParsedText {
  /** Absent when the text has no tree at all; then there is a problem. */
  readonly root?: jsep.Expression;
  readonly problems: readonly ExpressionProblem[];
  /** Column (from 1) of the first character of a node. */
  columnOf(node: jsep.Expression): number;
  /** Whether a node stood in parentheses of its own. */
  isGrouped(node: jsep.Expression): boolean;
}

class Reader extends Jsep {
  readonly starts = new Map<jsep.Expression, number>();
  readonly grouped = new Set<jsep.Expression>();
  readonly problems: ExpressionProblem[] = [];
  private level = 0;
  private operands = 0;

  /** The one expression that the text is. */
  read(): jsep.Expression {
    const node = this.gobbleExpression();
    if (!node) this.stop('EXPRESSION_SYNTAX', `wanted a value, found ${this.found()}`);
    if (this.index < this.expr.length) {
      this.stop('EXPRESSION_SYNTAX', `wanted an operator or the end, found ${this.found()}${this.hint()}`);
    }
    return node;
  }

  override gobbleExpression(): jsep.Expression | false | undefined {
    this.enter();
    const node = super.gobbleExpression();
    this.level--;
    return node;
  }

  override gobbleToken(): jsep.Expression | false | undefined {
    this.enter();
    this.gobbleSpaces();
    const start = this.index;
    const node = super.gobbleToken();
    this.level--;
    if (node && !this.starts.has(node)) {
      this.starts.set(node, start);
      if (++this.operands > maximumOperands) {
        this.stop('EXPRESSION_TOO_LARGE', `the expression has more than ${String(maximumOperands)} operands`, start);
      }
    }
    return node;
  }

  /** Operators that jsep knows and this language doesn't are reported where they stand, and the parse goes on. */
  override gobbleBinaryOp(): string | false {
    this.gobbleSpaces();
    const start = this.index;
    const operator = super.gobbleBinaryOp();
    if (operator !== false && !binaryOperators.some((known) => known === operator)) {
      const message = `the operator "${operator}" is not part of the language${operatorHints[operator] ?? ''}`;
      this.problems.push({ code: 'EXPRESSION_UNSUPPORTED', message, column: start + 1 });
    }
    return operator;
  }

  gobbleGroup(): jsep.Expression {
    const open = this.index;
    this.index++;
    const node = this.gobbleExpression();
    if (!node) this.stop('EXPRESSION_SYNTAX', `wanted a value after "(", found ${this.found()}`);
    if (this.code !== closeParenthesis) this.unclosed(open, ')', 'an operator or ")"');
    this.index++;
    this.grouped.add(node);
    return node;
  }

  /** Arguments, from behind the opening bracket on; `until` is the code of the closing one. */
  gobbleArguments(until: number): jsep.Expression[] {
    const open = this.index - 1;
    const close = String.fromCharCode(until);
    const nodes: jsep.Expression[] = [];
    this.gobbleSpaces();
    if (this.code === until) {
      this.index++;
      return nodes;
    }
    for (;;) {
      const node = this.gobbleExpression();
      if (!node) {
        if (this.index >= this.expr.length) this.unclosed(open, close, 'an argument');
        this.stop('EXPRESSION_SYNTAX', `wanted an argument, found ${this.found()}`);
      }
      nodes.push(node);
      const { code } = this;
      if (code !== until && code !== comma) this.unclosed(open, close, `an operator, "," or "${close}"`);
      this.index++;
      if (code === until) return nodes;
    }
  }

  gobbleStringLiteral(): never {
    return this.stop('EXPRESSION_UNSUPPORTED', 'text in quotes is not part of the language; wanted a number, a name or a band');
  }

  /** Where jsep itself gives up. */
  throwError(message: string): never {
    return this.stop('EXPRESSION_SYNTAX', `${plainWords[message] ?? message}; found ${this.found()}`);
  }

  private enter(): void {
    // A parenthesis or a call takes two levels: the token that opens it and the expression inside.
    if (++this.level > 2 * maximumNesting) {
      this.stop('EXPRESSION_TOO_LARGE', `nested more than ${String(maximumNesting)} deep`);
    }
  }

  private unclosed(open: number, close: string, wanted: string): never {
    if (this.index >= this.expr.length) {
      this.stop('EXPRESSION_SYNTAX', `"${this.expr.charAt(open)}" is never closed: wanted "${close}", found the end`, open);
    }
    this.stop('EXPRESSION_SYNTAX', `wanted ${wanted}, found ${this.found()}${this.hint()}`);
  }

  private stop(code: ProblemCode, message: string, index = this.index): never {
    throw new Stop({ code, message, column: index + 1 });
  }

  /** The word or sign at the reader's place. */
  private word(): string {
    const rest = this.expr.slice(this.index, this.index + 40);
    return /^(?:[\p{L}\p{N}_$.]+|[=<>!&|^]+|.)/su.exec(rest)?.[0] ?? '';
  }

  private found(): string {
    return this.index >= this.expr.length ? 'the end' : JSON.stringify(this.word());
  }

  private hint(): string {
    return operatorHints[this.word()] ?? (this.code === openParenthesis ? '; write "*" to multiply' : '');
  }
}

/** Parses text into jsep's tree. Never throws for anything that is written in the text. */
export function parseText(text: string): ParsedText {
  const reader = new Reader(text);
  const parsed = {
    problems: reader.problems,
    columnOf: (node: jsep.Expression) => columnOf(reader.starts, node),
    isGrouped: (node: jsep.Expression) => reader.grouped.has(node),
  };
  try {
    return { ...parsed, root: reader.read() };
  } catch (error) {
    if (!(error instanceof Stop)) throw error;
    reader.problems.push(error.problem);
    return parsed;
  }
}

/** Binary and conditional nodes begin where their leftmost operand begins. */
function columnOf(starts: ReadonlyMap<jsep.Expression, number>, node: jsep.Expression): number {
  for (let at: unknown = node; typeof at === 'object' && at !== null; ) {
    const start = starts.get(at as jsep.Expression);
    if (start !== undefined) return start + 1;
    const { left, test } = at as { left?: unknown; test?: unknown };
    at = left ?? test;
  }
  return 1;
}
