/** Synchronous writes to disks of this machine, in pieces whose size follows how quickly the system takes them, with turns for the rest of the process. */
import { writeSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';

/**
 * Bytes that a call writes. Linux takes memory for them in one piece, and keeps pieces of up to eight pages ready (PAGE_ALLOC_COSTLY_ORDER). Larger ones are quicker to fill; but on a virtual machine they may be memory
 * that the host has taken back, and has to give anew while it is filled, which takes ten times as long. So large ones are written while they are quick (docs/performance.md).
 */
export const mostPieceBytes = 1024 ** 2;
const smallPieceBytes = 32 * 1024;
/** Small pieces take half of this, cold large ones three times as long. */
const quickMsPerByte = 0.9 / 1024 ** 2;
/** After a large piece that was slow so many bytes are written in small ones. */
const cautiousBytes = 64 * 1024 ** 2;
/** How many of them are left. */
let cautious = 0;
/** After so many bytes the rest of the process has its turn. */
const turnBytes = 2 * 1024 ** 2;
let sinceTurn = 0;

/** @param written bytes, since it was called last */
export async function takeTurns(written: number): Promise<void> {
  sinceTurn += written;
  if (sinceTurn < turnBytes) return;
  sinceTurn = 0;
  await setImmediate();
}

/**
 * Writes pieces, one behind the other.
 * @param descriptor of a file on a disk of this machine
 * @param position of the first byte
 * @throws the system's errors
 */
export async function writePiecesHere(descriptor: number, pieces: readonly Uint8Array[], position: number): Promise<void> {
  for (const piece of pieces) {
    for (let from = 0; from < piece.length; from += turnBytes) {
      const part = piece.subarray(from, from + turnBytes);
      writeHere(descriptor, part, position);
      position += part.length;
      await takeTurns(part.length);
    }
  }
}

/** Writes bytes that are no more than a turn's, without giving the rest of the process one. @throws the system's errors */
export function writeHere(descriptor: number, bytes: Uint8Array, position: number): void {
  for (let done = 0; done < bytes.length; ) {
    const length = Math.min(cautious > 0 ? smallPieceBytes : mostPieceBytes, bytes.length - done);
    const began = performance.now();
    const written = writeSync(descriptor, bytes, done, length, position + done);
    if (cautious > 0) cautious -= written;
    else if (length > smallPieceBytes && performance.now() - began > length * quickMsPerByte) cautious = cautiousBytes;
    done += written;
  }
}
