/** Synchronous writes. Would catch: bytes that are lost or misplaced where the size of pieces changes, and large pieces that go on being written while they are slow. */
import assert from 'node:assert/strict';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { writePiecesHere } from '../../lib/store/file-pieces.ts';
import { seededRandom } from '../support/arrays.ts';

const kib = 1024;
const mib = 1024 ** 2;
/** After a slow piece so many bytes are written in small ones. */
const cautiousBytes = 64 * mib;

/** Writes pieces behind `position` bytes, each call taking so long by the clock. @returns the lengths of the calls, in order, and the file */
async function written(t: TestContext, pieces: readonly Uint8Array[], position: number, msPerMebibyte: number): Promise<{ readonly lengths: readonly number[]; readonly bytes: Buffer }> {
  const folder = mkdtempSync(path.join(tmpdir(), 'file-pieces-'));
  const lengths: number[] = [];
  let now = 0;
  const { writeSync } = fs;
  t.mock.method(performance, 'now', () => now);
  t.mock.method(fs, 'writeSync', (...args: [number, Uint8Array, number, number, number]) => {
    lengths.push(args[3]);
    now += (msPerMebibyte * args[3]) / mib;
    return writeSync(...args);
  });
  syncBuiltinESMExports();
  try {
    const file = path.join(folder, 'file');
    const descriptor = openSync(file, 'w');
    await writePiecesHere(descriptor, pieces, position);
    closeSync(descriptor);
    return { lengths, bytes: readFileSync(file) };
  } finally {
    t.mock.restoreAll();
    syncBuiltinESMExports();
    rmSync(folder, { recursive: true });
  }
}

function noise(length: number): Uint8Array {
  const random = seededRandom(length);
  return Uint8Array.from({ length }, () => Math.floor(random() * 256));
}

void describe('pieces of files', () => {
  void it('are large while that is quick', async (t) => {
    const pieces = [noise(3.5 * mib), noise(100 * kib)];
    const { lengths, bytes } = await written(t, pieces, 5, 0.3);
    assert.deepEqual(lengths, [mib, mib, mib, mib / 2, 100 * kib]);
    assert.ok(bytes.equals(Buffer.concat([new Uint8Array(5), ...pieces])));
  });

  void it('are small for a while after a slow one, until another large one is tried', async (t) => {
    const pieces = [noise(2.25 * mib + 7), new Uint8Array(cautiousBytes), noise(mib)];
    const { lengths, bytes } = await written(t, pieces, 0, 3);
    assert.ok(bytes.equals(Buffer.concat(pieces)));
    const large = lengths.flatMap((length, i) => (length > 32 * kib ? [[lengths.slice(0, i).reduce((sum, each) => sum + each, 0), length]] : []));
    // The first, and one when 64 MiB have been written since, or a little more: what is left of a turn of 2 MiB is a piece, too.
    assert.equal(large.length, 2, JSON.stringify(large));
    assert.deepEqual(large[0], [0, mib]);
    const [again = 0] = large[1] ?? [];
    assert.ok(again >= mib + cautiousBytes && again < mib + cautiousBytes + 32 * kib, String(again));
  });
});
