/** Problems of documents in one wording: what was wanted, what was found, never the validator's own phrases. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as z from 'zod';
import { checkSchema, problemsLine, shownValue } from '../../lib/base/schema-problems.ts';

const schema = z.strictObject({
  list: z.array(z.int()).min(1).max(2).optional(),
  text: z.string().min(1).optional(),
  long: z.string().max(2).optional(),
  share: z.number().positive().max(1).optional(),
  step: z.number().multipleOf(5).optional(),
  where: z.enum(['local', 'aws']).optional(),
  only: z.literal('x').optional(),
  own: z.string().regex(/^a/, 'wanted an a').optional(),
  regex: z.string().regex(/^a/).optional(),
  either: z.union([z.number(), z.string().regex(/^a/, 'wanted an a')]).optional(),
});

function said(document: unknown): string {
  const checked = checkSchema(schema, document, () => Object.keys(schema.shape));
  return checked.success ? 'nothing' : problemsLine(checked.problems, 'it');
}

describe('problems of a document', () => {
  // Catches: a validator's phrases ("Too small: expected array to have >=1 items") between our own.
  void it('say what was wanted and what was found', () => {
    const table: readonly (readonly [object | number, string])[] = [
      [{ list: [] }, 'list: wanted at least 1 entry; found []'],
      [{ list: [1, 2, 3] }, 'list: wanted at most 2 entries; found [1,2,3]'],
      [{ list: [1.5] }, 'list.0: wanted whole number, found 1.5'],
      [{ list: [Number.NaN] }, 'list.0: wanted number, found NaN'],
      [{ text: '' }, 'text: wanted a string that isn\'t empty; found ""'],
      [{ long: 'abc' }, 'long: wanted at most 2 characters; found "abc"'],
      [{ share: 0 }, 'share: wanted more than 0; found 0'],
      [{ share: 2 }, 'share: wanted at most 1; found 2'],
      [{ step: 6 }, 'step: wanted a multiple of 5; found 6'],
      [{ where: 'awz' }, 'where: wanted "local", "aws"; found "awz"; did you mean "aws"?'],
      [{ only: 'elsewhere' }, 'only: wanted "x"; found "elsewhere"'],
      [{ own: 'b' }, 'own: wanted an a; found "b"'],
      [{ regex: 'b' }, 'regex: wanted a string that matches /^a/; found "b"'],
      [{ either: true }, 'either: wanted number or string; found true'],
      [{ either: 10n }, 'either: wanted number or string; found 10n, a bigint'],
      [{ txet: 'a' }, 'txet: unknown field; did you mean "text"?'],
      [5, 'it: wanted object, found 5'],
      [{ text: 1, list: 2 }, 'list: wanted array, found 2; text: wanted string, found 1'],
    ];
    for (const [document, words] of table) assert.equal(said(document), words);
    const missing = checkSchema(z.object({ a: z.string(), b: z.enum(['x', 'y']), c: z.union([z.string(), z.number()]) }), {});
    assert.ok(!missing.success);
    assert.equal(problemsLine(missing.problems, 'it'), 'a: missing; wanted string; b: missing; wanted "x", "y"; c: missing');
  });

  // Catches: "an object" for a bigint, "null" for NaN, and a function that ends the message itself.
  void it('name what JSON has no words for', () => {
    class Own {
      readonly a = 1;
    }
    const circle: unknown[] = [];
    circle.push(circle);
    const values = [10n, Number.NaN, -Infinity, undefined, () => 1, Symbol('s'), new Map(), new Own(), circle, { a: 10n }, null, [1], 'x'.repeat(100)];
    assert.deepEqual(values.map((value) => shownValue(value)), ['10n, a bigint', 'NaN', '-Infinity', 'nothing', 'a function', 'a symbol, Symbol(s)', 'an object of class Map', 'an object of class Own', 'a list', 'an object', 'null', '[1]', `"${'x'.repeat(76)}…`]);
  });
});
