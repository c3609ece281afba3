/** What kind of operation a job has, and what follows from it. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { codeHref, codeKind, namedKinds, nodataRule, runtimeOf } from '../../lib/job/operation-kind.ts';
import type { JobOperation } from '../../lib/job/spec.ts';
import { parseJobSpec } from '../../lib/job/validate.ts';

/** An operation with its defaults, over one input and one output. */
function operation(given: object): JobOperation {
  return parseJobSpec({ inputs: { a: 'a.tif' }, operation: given, outputs: { o: { href: 'o.tif' } } }).operation;
}

void describe('kinds of operations', () => {
  // Catches: a kind that is forgotten where code is told from expressions, another default of nodata than the documented one.
  void it('tells code from expressions, and what nodata is to each', () => {
    const kinds = [
      [{ expression: { o: 'a' } }, undefined, 'mask', undefined],
      [{ copy: { o: 'a' } }, undefined, 'mask', undefined],
      [{ module: 'f.py', function: 'f' }, 'module', 'handle', 'f.py'],
      [{ model: 'm.onnx' }, 'model', 'handle', 'm.onnx'],
      [{ model: { href: 'm.onnx' } }, 'model', 'handle', 'm.onnx'],
      [{ command: ['cp', '{input.a}', '{output.o}'] }, 'command', 'handle', undefined],
    ] as const;
    for (const [given, kind, nodata, href] of kinds) {
      const parsed = operation(given);
      assert.deepEqual([codeKind(parsed), nodataRule(parsed), codeHref(parsed)], [kind, nodata, href], JSON.stringify(given));
      assert.deepEqual(namedKinds(parsed), [Object.keys(given)[0]]);
      assert.equal(nodataRule({ ...parsed, nodata: 'mask' }), 'mask');
      assert.equal(nodataRule({ ...parsed, nodata: 'handle' }), 'handle');
    }
  });

  // Catches: an ending that only works in small letters, or inside of a name; Node started for what it can't run.
  void it('finds the runtime by the ending', () => {
    const found = { 'f.ts': 'node', 'f.mts': 'node', 'f.js': 'node', 'f.mjs': 'node', 'F.TS': 'node', 's3://b/k/f.py': 'python', 'f.pkl': 'python', 'f.py.txt': undefined, 'py': undefined, 'f.cts': undefined, 'f.tsx': undefined, 'f': undefined };
    assert.deepEqual(Object.fromEntries(Object.keys(found).map((href) => [href, runtimeOf(href)])), found);
  });
});
