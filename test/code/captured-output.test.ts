/** What is kept of what a program prints. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import fc from 'fast-check';

import { CapturedOutput, lastLine } from '../../lib/code/captured-output.ts';

void describe('captured output', () => {
  // Catches ends that depend on the pieces in which a pipe gives them, and counts that are of what is kept only.
  void it('is the end of all that came, in whatever pieces', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 50 }), { maxLength: 400 }), fc.integer({ min: 1, max: 64 }), (pieces, limit) => {
        const captured = new CapturedOutput(limit);
        for (const piece of pieces) captured.take(piece.map((byte) => byte & 0x7f));
        const all = Buffer.concat(pieces.map((piece) => piece.map((byte) => byte & 0x7f)));
        assert.equal(captured.text(), all.toString('latin1').slice(-limit));
        assert.equal(captured.bytes, all.length);
      }),
    );
  });

  // Catches a text that begins with a broken character.
  void it('begins with a whole character', () => {
    const captured = new CapturedOutput(10);
    captured.take(Buffer.from('ééééééé'));
    assert.equal(captured.text(), 'ééééé');
    captured.take(Buffer.from('x'));
    assert.equal(captured.text(), 'ééééx');
  });

  // Catches a large buffer that lives as long as a small piece of it.
  void it('holds nothing but what it keeps', () => {
    const captured = new CapturedOutput(4);
    const piece = Buffer.from('abcdef');
    captured.take(piece);
    piece.fill(0);
    assert.equal(captured.text(), 'cdef');
    captured.reset();
    assert.deepEqual([captured.text(), captured.bytes], ['', 0]);
  });

  // Catches progress bars, which end lines with a carriage return, and messages of a megabyte.
  void it('has a last line', () => {
    assert.equal(lastLine('a\n  b \r\n\n'), 'b');
    assert.equal(lastLine('10 %\r20 %\r'), '20 %');
    assert.equal(lastLine(' \n'), undefined);
    assert.equal(lastLine('x'.repeat(400), 10), `${'x'.repeat(10)}…`);
  });
});
