/** Blocks without compression. */

import { checkLength, type DecodedSize } from './codec-bytes.ts';
import { type DecodeMemory } from './decode-memory.ts';
import { type BlockLayout } from './layout.ts';

/**
 * The block's own bytes; what follows them is ignored, as libtiff does. Where they don't lie as samples must, they are moved as a whole:
 * doing it row by row, for each band again, takes half as long again for two bands.
 */
export function unpackNone(layout: BlockLayout, index: number, bytes: Uint8Array, size: DecodedSize, memory: DecodeMemory): Uint8Array {
  checkLength(layout, index, bytes, size);
  if (bytes.byteOffset % Math.min(4, Math.max(1, layout.bitsPerSample / 8)) === 0) return bytes;
  const length = Math.min(bytes.length, size.most);
  const moved = memory.room(length).subarray(0, length);
  moved.set(bytes.subarray(0, length));
  return moved;
}
