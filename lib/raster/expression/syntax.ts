/** The syntax of an expression: what was written, before names are looked up. */

export const unaryOperators = ['-', '+', '!'] as const;
export type UnaryOperator = (typeof unaryOperators)[number];

export const comparisonOperators = ['<', '<=', '>', '>=', '==', '!='] as const;
export const binaryOperators = ['+', '-', '*', '/', '%', '**', '&&', '||', ...comparisonOperators] as const;
export type BinaryOperator = (typeof binaryOperators)[number];

/** Every node knows its column (from 1), for messages. `invalid` stands where a
 * problem has been reported; its parts may hold more. */
export type SyntaxNode = { readonly column: number } & (
  | { readonly kind: 'number'; readonly value: number }
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'band'; readonly input: string; readonly band: number }
  | { readonly kind: 'unary'; readonly operator: UnaryOperator; readonly operand: SyntaxNode }
  | { readonly kind: 'binary'; readonly operator: BinaryOperator; readonly left: SyntaxNode; readonly right: SyntaxNode }
  | { readonly kind: 'conditional'; readonly test: SyntaxNode; readonly consequent: SyntaxNode; readonly alternate: SyntaxNode }
  | { readonly kind: 'call'; readonly name: string; readonly operands: readonly SyntaxNode[] }
  | { readonly kind: 'invalid'; readonly parts: readonly SyntaxNode[] }
);

/** As many characters as one expression may have. It bounds the parser's work on hostile text. */
export const maximumCharacters = 10_000;
/** As many operands (numbers, names, bands) as one expression may have. It bounds the depth of a chain such as `a + b + …`. */
export const maximumOperands = 1000;
/** As many parentheses, calls or conditions as may lie inside each other. It keeps the recursive parser's stack small. */
export const maximumNesting = 90;
