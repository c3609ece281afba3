/** Would catch: names that are looked up wrongly (or on an object's prototype), wrong operand counts, problems that hide each other. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type ExpressionScope, readExpression } from '../../../lib/raster/expression/check.ts';

const scope: ExpressionScope = {
  inputs: { scene: { bands: 4 }, dem: { bands: 1 }, twice: { bands: 1 } },
  parameters: { gain: 2.5, twice: 3 },
};

void describe('checking an expression', () => {
  const refusals: readonly (readonly [text: string, code: string, column: number, words: RegExp])[] = [
    ['1 + secne[1]', 'EXPRESSION_UNKNOWN_NAME', 5, /no input or parameter is named "secne"; did you mean "scene"\?/],
    ['gian * 2', 'EXPRESSION_UNKNOWN_NAME', 1, /did you mean "gain"\?/],
    ['xyzzyxyzzy', 'EXPRESSION_UNKNOWN_NAME', 1, /known: scene, dem, twice, gain/],
    ['sqr(dem)', 'EXPRESSION_UNKNOWN_NAME', 1, /no function is named "sqr"; did you mean "sqrt"\?/],
    ['eval(dem)', 'EXPRESSION_UNKNOWN_NAME', 1, /no function is named "eval"/],
    ['constructor', 'EXPRESSION_UNKNOWN_NAME', 1, /no input or parameter is named "constructor"/],
    ['toString(1)', 'EXPRESSION_UNKNOWN_NAME', 1, /no function is named "toString"/],
    ['__proto__[1]', 'EXPRESSION_UNKNOWN_NAME', 1, /"__proto__"/],
    ['abs + 1', 'EXPRESSION_UNKNOWN_NAME', 1, /"abs" is a function; write abs\(…\)/],
    ['scene(1)', 'EXPRESSION_UNKNOWN_NAME', 1, /"scene" is an input, not a function; a band is written scene\[1\]/],
    ['gain(1)', 'EXPRESSION_UNKNOWN_NAME', 1, /"gain" is a parameter, not a function/],
    ['twice', 'EXPRESSION_UNKNOWN_NAME', 1, /both an input and a parameter/],
    ['scene', 'EXPRESSION_BAND', 1, /has 4 bands; say which one, as in scene\[1\]/],
    ['scene[5]', 'EXPRESSION_BAND', 1, /has bands 1 to 4, found scene\[5\]/],
    ['dem[2]', 'EXPRESSION_BAND', 1, /has 1 band, found dem\[2\]/],
    ['gain[1]', 'EXPRESSION_BAND', 1, /"gain" is a parameter/],
    ['min(1)', 'EXPRESSION_ARGUMENTS', 1, /min\(x, y, …\) takes 2 or more operands, found 1/],
    ['abs()', 'EXPRESSION_ARGUMENTS', 1, /abs\(x\) takes 1 operand, found 0/],
    ['where(1, 2)', 'EXPRESSION_ARGUMENTS', 1, /where\(condition, x, y\) takes 3 operands, found 2/],
    ['clamp(1, 2, 3, 4)', 'EXPRESSION_ARGUMENTS', 1, /takes 3 operands, found 4/],
  ];
  for (const [text, code, column, words] of refusals) {
    void it(`refuses ${text} with ${code}`, () => {
      const { expression, problems } = readExpression(text, scope);
      assert.equal(expression, undefined);
      assert.equal(problems.length, 1, JSON.stringify(problems));
      assert.equal(problems[0]?.code, code);
      assert.match(problems[0]?.message ?? '', words);
      assert.equal(problems[0]?.column, column);
    });
  }

  void it('reports problems of syntax and of names together', () => {
    const { problems } = readExpression('secne[1] & scene[9] + foo(scene, 0 < dem < nod)', scope);
    assert.deepEqual(
      problems.map(({ code, column }) => [code, column]),
      [
        ['EXPRESSION_UNKNOWN_NAME', 1],
        ['EXPRESSION_UNSUPPORTED', 10],
        ['EXPRESSION_BAND', 12],
        ['EXPRESSION_UNKNOWN_NAME', 23],
        ['EXPRESSION_BAND', 27],
        ['EXPRESSION_UNSUPPORTED', 34],
        ['EXPRESSION_UNKNOWN_NAME', 44],
      ],
    );
  });

  void it('says which bands are read, each once, in the order of their mention', () => {
    const { expression } = readExpression('scene[3] + dem * gain - scene[1] / scene[3] + dem[1]', scope);
    assert.deepEqual(expression?.bands, [
      { input: 'scene', band: 3 },
      { input: 'dem', band: 1 },
      { input: 'scene', band: 1 },
    ]);
  });

  void it('says whether it divides and whether it handles nodata', () => {
    const facts = (text: string) => {
      const { expression } = readExpression(text, scope);
      return [expression?.divides, expression?.handlesNodata];
    };
    assert.deepEqual(facts('dem * 2'), [false, false]);
    assert.deepEqual(facts('dem / 2'), [true, false]);
    assert.deepEqual(facts('1 + dem % 2'), [true, false]);
    assert.deepEqual(facts('isnodata(dem)'), [false, true]);
    assert.deepEqual(facts('coalesce(dem, 1 / gain)'), [true, true]);
  });

  void it('makes parameters numbers and bare names of one-band inputs band 1', () => {
    assert.deepEqual(readExpression('dem + gain', scope).expression?.root, {
      kind: 'binary',
      operation: 'add',
      left: { kind: 'band', input: 'dem', band: 1 },
      right: { kind: 'number', value: 2.5 },
    });
  });
});
