/** Jobs from text: numbers stay what they are, or are refused. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { JobError } from '../../lib/base/errors.ts';
import { parseJobText } from '../../lib/job/job-text.ts';

const problemsOf = (text: string): string => {
  try {
    parseJobText(text);
  } catch (error) {
    assert.ok(error instanceof JobError && error.code === 'JOB_INVALID', String(error));
    return error.message;
  }
  return '';
};

void describe('a job from its text', () => {
  // Catches: 9007199254740993 that becomes …992 without a word, and a number that becomes null by way of infinity.
  void it('refuses numbers that would become others, each by its path', () => {
    const message = problemsOf('{"operation": {"parameters": {"z": 1e400, "low": -1e999, "n": 9007199254740993, "deep": [0, {"m": -9007199254740995}], "huge": 100000000000000000000001}}}');
    assert.match(message, /5 problems/);
    assert.match(message, /\$\.operation\.parameters\.z: 1e400 is too large for a number; wanted 1\.79\d*e\+308 at most/);
    assert.match(message, /\$\.operation\.parameters\.low: -1e999 is too large/);
    assert.match(message, /\$\.operation\.parameters\.n: the whole number 9007199254740993 can't be kept, it would become 9007199254740992; write it as text/);
    assert.match(message, /\$\.operation\.parameters\.deep\[1\]\.m: the whole number -9007199254740995 /);
    assert.match(message, /huge: the whole number 100000000000000000000001 can't be kept, it would become 100000000000000008388608; write it as text$/);
  });

  // Catches: a check that refuses what was always right.
  void it('takes every other number as JSON.parse does', () => {
    const text = '{"a": 9007199254740992, "b": -9007199254740994, "c": 0.1, "d": 9007199254740993.0, "e": 1e22, "f": 10000000000000000000000, "g": -0, "h": "9007199254740993", "i": 1e-400, "j": -56530366905575530}';
    assert.deepEqual(parseJobText(text), JSON.parse(text));
    assert.equal(problemsOf('{"a": 9007199254740993, "a": 1}'), '');
    fc.assert(fc.property(fc.jsonValue(), (value) => assert.deepEqual(parseJobText(JSON.stringify(value)), JSON.parse(JSON.stringify(value)))));
    assert.throws(() => parseJobText('{'), SyntaxError);
    const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`;
    assert.ok(Array.isArray(parseJobText(deep)));
  });
});
