import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { checkCode } from '../../lib/job/check-code.ts';
import type { Problem } from '../../lib/job/problems.ts';
import { parseJobSpec } from '../../lib/job/validate.ts';

function problemsOf(operation: object): [string, string][] {
  const problems: Problem[] = [];
  checkCode(parseJobSpec({ inputs: { a: 'a.tif' }, operation, outputs: { o: { href: 'o.tif' } } }), problems);
  return problems.map(({ path, message }) => [path, message]);
}

void describe('code before anything of it is started', () => {
  // Catches: placeholders that the shell-less command would get as they are, an output that no argument names, a requirement that nobody can check.
  void it('is looked at for what can be known', () => {
    assert.deepEqual(problemsOf({ command: ['cp', '{input.a}', '{output.o}'], requirements: ['numpy>=1.20', 'program:cp'] }), []);
    assert.deepEqual(problemsOf({ module: 'f.ts' }), []);
    const [unknown, ...others] = problemsOf({ command: ['cp', '{input.b}', '{output.o}'] });
    assert.ok(unknown !== undefined && others.length === 0);
    assert.equal(unknown[0], '$.operation.command[1]');
    assert.match(unknown[1], /input\.b.*a/);
    assert.deepEqual(problemsOf({ command: ['cp', '{input.a}', 'x'] }).map(([path, message]) => [path, /never writes the output o/.test(message)]), [['$.operation.command', true]]);
    assert.deepEqual(problemsOf({ module: 'f.ts', requirements: ['numpy>=>1'] }).map(([path]) => path), ['$.operation.requirements[0]']);
  });
});
