/** Request bodies made of pieces. */
import { Readable } from 'node:stream';

/** Up to here pieces are copied into one buffer: the SDK can then repeat the request by itself. Larger ones are not held twice. */
const joinBytes = 1024 * 1024;

export function lengthOf(pieces: readonly Uint8Array[]): number {
  return pieces.reduce((bytes, piece) => bytes + piece.length, 0);
}

/** Whether the body of these pieces is a stream, which can be sent only once. */
export function isStream(pieces: readonly Uint8Array[]): boolean {
  return pieces.length > 1 && lengthOf(pieces) > joinBytes;
}

/** A body for one attempt: one piece as it is, a few small ones joined, otherwise a stream. */
export function bodyOf(pieces: readonly Uint8Array[]): Uint8Array | Readable {
  if (isStream(pieces)) return Readable.from(pieces);
  return pieces.length === 1 && pieces[0] !== undefined ? pieces[0] : Buffer.concat(pieces);
}
