/** Writes into open files, on whatever disk they are. */
import type { FileHandle } from 'node:fs/promises';
import { writePiecesHere } from './file-pieces.ts';
import { isLocal } from './local-files.ts';

/**
 * Writes pieces, one behind the other.
 * @param path of the file
 * @param position of the first byte
 * @throws the system's errors
 */
export async function writePieces(handle: FileHandle, path: string, pieces: readonly Uint8Array[], position: number): Promise<void> {
  if (await isLocal(path)) {
    await writePiecesHere(handle.fd, pieces, position);
    return;
  }
  for (const piece of pieces) {
    for (let done = 0; done < piece.length; ) done += (await handle.write(piece, done, piece.length - done, position + done)).bytesWritten;
    position += piece.length;
  }
}
