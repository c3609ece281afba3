/** Would catch: a wrong precedence or associativity, text that is taken though the language lacks it, and a parser that can be made to hang or throw. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { parseExpression } from '../../../lib/raster/expression/parse.ts';
import { expressionError, problemCodes } from '../../../lib/raster/expression/problem.ts';
import type { SyntaxNode } from '../../../lib/raster/expression/syntax.ts';

/** The tree with every node in parentheses of its own. */
function show(node: SyntaxNode): string {
  switch (node.kind) {
    case 'number':
      return String(node.value);
    case 'name':
      return node.name;
    case 'band':
      return `${node.input}[${String(node.band)}]`;
    case 'unary':
      return `(${node.operator} ${show(node.operand)})`;
    case 'binary':
      return `(${show(node.left)} ${node.operator} ${show(node.right)})`;
    case 'conditional':
      return `(${show(node.test)} ? ${show(node.consequent)} : ${show(node.alternate)})`;
    case 'call':
      return `${node.name}(${node.operands.map(show).join(', ')})`;
    case 'invalid':
      return '<invalid>';
  }
}

void describe('parsing an expression', () => {
  const trees: readonly (readonly [text: string, tree: string])[] = [
    ['a - b - c', '((a - b) - c)'],
    ['a - b * c / d', '(a - ((b * c) / d))'],
    ['a ** b ** c', '(a ** (b ** c))'],
    ['a * b ** c * d', '((a * (b ** c)) * d)'],
    ['-a ** 2', '(- (a ** 2))'],
    ['!-a ** 2', '(! (- (a ** 2)))'],
    ['(-a) ** 2', '((- a) ** 2)'],
    ['-(a) ** 2', '(- (a ** 2))'],
    ['a ** -b ** c', '(a ** (- (b ** c)))'],
    ['2 ** -1', '(2 ** (- 1))'],
    ['-a * b', '((- a) * b)'],
    ['a - -b', '(a - (- b))'],
    ['a < b && c >= d || e', '(((a < b) && (c >= d)) || e)'],
    ['!a == b', '((! a) == b)'],
    ['(a < b) == (c < d)', '((a < b) == (c < d))'],
    ['a ? b : c ? d : e', '(a ? b : (c ? d : e))'],
    ['a || b ? c + 1 : d', '((a || b) ? (c + 1) : d)'],
    ['a % b + c', '((a % b) + c)'],
    ['min(a, b[2], -c)', 'min(a, b[2], (- c))'],
    [' a\n +\tb ', '(a + b)'],
    ['.5 + 5. + 1e-3 + 2E+2', '(((0.5 + 5) + 0.001) + 200)'],
  ];
  for (const [text, tree] of trees) {
    void it(`reads ${JSON.stringify(text)} as ${tree}`, () => {
      const { ast, problems } = parseExpression(text);
      assert.deepEqual(problems, []);
      assert.equal(ast && show(ast), tree);
    });
  }

  const refusals: readonly (readonly [text: string, code: string, column: number, words: RegExp])[] = [
    ['', 'EXPRESSION_EMPTY', 1, /empty/],
    [' \n', 'EXPRESSION_EMPTY', 1, /empty/],
    ['a = 1', 'EXPRESSION_SYNTAX', 3, /found "="; write "==" to compare/],
    ['a += 1', 'EXPRESSION_SYNTAX', 4, /found "="/],
    ['a.b', 'EXPRESSION_UNSUPPORTED', 1, /member access/],
    ['a?.b', 'EXPRESSION_UNSUPPORTED', 1, /member access/],
    ['a.constructor("x")()', 'EXPRESSION_UNSUPPORTED', 15, /text in quotes/],
    ['a[1](2)', 'EXPRESSION_UNSUPPORTED', 1, /only functions of the language can be called/],
    ['a["b"]', 'EXPRESSION_UNSUPPORTED', 3, /text in quotes/],
    ["'x'", 'EXPRESSION_UNSUPPORTED', 1, /text in quotes/],
    ['`x`', 'EXPRESSION_SYNTAX', 1, /wanted a value, found "`"/],
    ['this', 'EXPRESSION_UNSUPPORTED', 1, /"this"/],
    ['/x/', 'EXPRESSION_SYNTAX', 1, /wanted a value, found "\/"/],
    ['a, b', 'EXPRESSION_SYNTAX', 2, /wanted an operator or the end, found ","/],
    ['(a, b)', 'EXPRESSION_SYNTAX', 3, /wanted an operator or "\)", found ","/],
    ['a; b', 'EXPRESSION_SYNTAX', 2, /found ";"/],
    ['a;', 'EXPRESSION_SYNTAX', 2, /found ";"/],
    ['a b', 'EXPRESSION_SYNTAX', 3, /wanted an operator or the end, found "b"/],
    ['a and b', 'EXPRESSION_SYNTAX', 3, /found "and"; write "&&"/],
    ['2(a)', 'EXPRESSION_SYNTAX', 2, /write "\*" to multiply/],
    ['a & b', 'EXPRESSION_UNSUPPORTED', 3, /operator "&".*write "&&"/],
    ['a | b', 'EXPRESSION_UNSUPPORTED', 3, /operator "\|"/],
    ['a ^ b', 'EXPRESSION_UNSUPPORTED', 3, /operator "\^".*write "\*\*" for a power/],
    ['~a', 'EXPRESSION_UNSUPPORTED', 1, /operator "~"/],
    ['a << 1', 'EXPRESSION_UNSUPPORTED', 3, /operator "<<"/],
    ['a >>> 1', 'EXPRESSION_UNSUPPORTED', 3, /operator ">>>"/],
    ['a === b', 'EXPRESSION_UNSUPPORTED', 3, /write "=="/],
    ['a ?? b', 'EXPRESSION_UNSUPPORTED', 3, /coalesce/],
    ['true', 'EXPRESSION_UNSUPPORTED', 1, /truth is written 1 or 0/],
    ['null', 'EXPRESSION_UNSUPPORTED', 1, /"null"/],
    ['[1, 2]', 'EXPRESSION_UNSUPPORTED', 1, /lists/],
    ['a < b < c', 'EXPRESSION_UNSUPPORTED', 1, /can't be chained.*a < b && b < c/],
    ['a == b == c', 'EXPRESSION_UNSUPPORTED', 1, /can't be chained/],
    ['a[0]', 'EXPRESSION_BAND', 3, /whole number from 1, as in a\[1\], found 0/],
    ['a[1.5]', 'EXPRESSION_BAND', 3, /found 1\.5/],
    ['a[-1]', 'EXPRESSION_BAND', 3, /whole number from 1/],
    ['a[b]', 'EXPRESSION_BAND', 3, /whole number from 1/],
    ['a[1][2]', 'EXPRESSION_UNSUPPORTED', 1, /may only follow the name of an input/],
    ['a[', 'EXPRESSION_SYNTAX', 3, /found the end/],
    ['a[1', 'EXPRESSION_SYNTAX', 4, /Unclosed \[; found the end/],
    ['(a', 'EXPRESSION_SYNTAX', 1, /"\(" is never closed/],
    ['1 + min(a, 2', 'EXPRESSION_SYNTAX', 8, /"\(" is never closed/],
    ['a)', 'EXPRESSION_SYNTAX', 2, /found "\)"/],
    ['()', 'EXPRESSION_SYNTAX', 2, /wanted a value after "\("/],
    ['min(a b)', 'EXPRESSION_SYNTAX', 7, /wanted an operator, "," or "\)", found "b"/],
    ['min(a,)', 'EXPRESSION_SYNTAX', 7, /wanted an argument, found "\)"/],
    ['min(,a)', 'EXPRESSION_SYNTAX', 5, /wanted an argument, found ","/],
    ['a +', 'EXPRESSION_SYNTAX', 4, /found the end/],
    ['* a', 'EXPRESSION_SYNTAX', 1, /wanted a value, found "\*"/],
    ['-', 'EXPRESSION_SYNTAX', 2, /wanted a value after the sign; found the end/],
    ['a ? b', 'EXPRESSION_SYNTAX', 6, /wanted ":"/],
    ['a ? : b', 'EXPRESSION_SYNTAX', 5, /wanted a value; found ":"/],
    ['0x10', 'EXPRESSION_SYNTAX', 2, /found "x10"/],
    ['1e', 'EXPRESSION_SYNTAX', 3, /found the end/],
    ['1e999', 'EXPRESSION_SYNTAX', 1, /too large for float64/],
    ['a\u00a0+ 1', 'EXPRESSION_SYNTAX', 2, /invisible character \(U\+00A0\)/],
    ['a +\u200b 1', 'EXPRESSION_SYNTAX', 4, /U\+200B/],
    ['new a()', 'EXPRESSION_SYNTAX', 5, /found "a"/],
    ['a => b', 'EXPRESSION_SYNTAX', 3, /found "=>"/],
    ['@', 'EXPRESSION_SYNTAX', 1, /found "@"/],
    [`${'('.repeat(5000)}1${')'.repeat(4999)}`, 'EXPRESSION_TOO_LARGE', 91, /nested more than 90 deep/],
    [`${'-'.repeat(9000)}1`, 'EXPRESSION_TOO_LARGE', 180, /nested more than 90 deep/],
    [`${'1?'.repeat(3000)}1`, 'EXPRESSION_TOO_LARGE', 359, /nested more than 90 deep/],
    [`${'a+'.repeat(4999)}a`, 'EXPRESSION_TOO_LARGE', 2001, /more than 1000 operands/],
    ['1'.repeat(10_001), 'EXPRESSION_TOO_LARGE', 10_001, /10001 characters; at most 10000/],
  ];
  for (const [text, code, column, words] of refusals) {
    void it(`refuses ${JSON.stringify(text.slice(0, 40))} with ${code}`, () => {
      const { problems } = parseExpression(text);
      assert.equal(problems.length, 1, JSON.stringify(problems));
      assert.equal(problems[0]?.code, code, problems[0]?.message);
      assert.match(problems[0]?.message ?? '', words);
      assert.equal(problems[0]?.column, column);
    });
  }

  void it('reports every problem of one text, in the order of columns', () => {
    const { problems } = parseExpression('(a & b) + a[0] * this ^ 2');
    assert.deepEqual(
      problems.map(({ code, column }) => [code, column]),
      [
        ['EXPRESSION_UNSUPPORTED', 4],
        ['EXPRESSION_BAND', 13],
        ['EXPRESSION_UNSUPPORTED', 18],
        ['EXPRESSION_UNSUPPORTED', 23],
      ],
    );
    const error = expressionError('(a & b) + a[0] * this ^ 2', problems);
    assert.equal(error.code, 'EXPRESSION_UNSUPPORTED');
    assert.equal(error.exitCode, 64);
    assert.match(error.message, /column 4: .*\n.*column 13: .*\n.*column 18: .*\n.*column 23: /);
  });

  void it('takes an expression of the largest size and depth', () => {
    assert.deepEqual(parseExpression(`${'a+'.repeat(999)}a`).problems, []);
    assert.deepEqual(parseExpression(`${'('.repeat(89)}a${')'.repeat(89)}`).problems, []);
    assert.deepEqual(parseExpression(`${'abs('.repeat(89)}a${')'.repeat(89)}`).problems, []);
  });

  void it('answers any text with a tree or problems, and never throws', () => {
    const piece = fc.constantFrom('a', 'b[1]', '1', '.5', '(', ')', '[', ']', ',', ';', '?', ':', '.', '"', '+', '-', '**', '!', '<', '==', '=', '&', 'min', 'this', ' ', '\u00e9');
    const text = fc.oneof(fc.string({ unit: 'binary', maxLength: 60 }), fc.array(piece, { maxLength: 40 }).map((pieces) => pieces.join('')));
    fc.assert(
      fc.property(text, (written) => {
        const { ast, problems } = parseExpression(written);
        assert.ok(ast !== undefined || problems.length > 0);
        for (const { code, column, message } of problems) {
          assert.ok(problemCodes.includes(code));
          assert.ok(column >= 1 && column <= written.length + 1, `${message} at ${String(column)}`);
        }
      }),
      { numRuns: 3000 },
    );
  });
});
