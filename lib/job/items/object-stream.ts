/** The bytes of one object from beginning to end, unpacked if they are packed. Memory holds two pieces, whatever its size. */
import { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { DataError, messageOf, TilefanError } from '../../base/errors.ts';
import { displayHref } from '../../store/href.ts';
import type { ObjectReader, ObjectStat } from '../../store/store.ts';

/** Bytes of a range request: a few dozen for the lists of a large run. */
const pieceBytes = 4 * 1024 * 1024;

/** The object as it was when `stat` was taken; the next piece is on its way while one is looked at. */
export async function* readPieces(reader: Pick<ObjectReader, 'readInto'>, { href, size, version }: ObjectStat): AsyncGenerator<Uint8Array, void, undefined> {
  const read = async (offset: number): Promise<Uint8Array> => {
    const bytes = new Uint8Array(Math.min(pieceBytes, size - offset));
    await reader.readInto(href, offset, bytes, version);
    return bytes;
  };
  let next = size > 0 ? read(0) : undefined;
  // Whoever awaits it sees the error; until then it must not count as unhandled.
  next?.catch(() => undefined);
  for (let offset = 0; next !== undefined; ) {
    const bytes = await next;
    offset += bytes.length;
    next = offset < size ? read(offset) : undefined;
    next?.catch(() => undefined);
    yield bytes;
  }
}

/**
 * The same, unpacked where the first bytes are those of gzip.
 * @throws DataError MANIFEST_BROKEN for broken gzip, which names the file
 */
export async function* unpacked(pieces: AsyncIterable<Uint8Array>, href: string): AsyncGenerator<Uint8Array, void, undefined> {
  const iterator = pieces[Symbol.asyncIterator]();
  const first = await iterator.next();
  if (first.done === true) return;
  const all = (async function* () {
    yield first.value;
    for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) yield next.value;
  })();
  if (first.value[0] !== 0x1f || first.value[1] !== 0x8b) {
    yield* all;
    return;
  }
  const source = Readable.from(all, { objectMode: false });
  const gunzip = createGunzip();
  source.on('error', (error) => gunzip.destroy(error));
  try {
    for await (const bytes of source.pipe(gunzip)) yield bytes as Uint8Array;
  } catch (cause) {
    if (cause instanceof TilefanError) throw cause;
    throw new DataError('MANIFEST_BROKEN', `${displayHref(href)} is broken: it can't be unpacked as gzip (${messageOf(cause)})`, { cause, where: { href } });
  } finally {
    source.destroy();
    gunzip.destroy();
  }
}
