/** A whole object, as it was when it was looked at. */
import type { ObjectReader, ObjectStat } from './store.ts';

/** @throws DataError STORE_CHANGED when it is not what it was; InputUnavailableError STORE_NOT_FOUND and others */
export async function readObject(reader: ObjectReader, { href, size, version }: ObjectStat): Promise<Uint8Array> {
  // Not filled with zeros first: whoever gets it gets it read whole.
  const bytes = Buffer.allocUnsafeSlow(size);
  if (size > 0) await reader.readInto(href, 0, bytes, version);
  return bytes;
}
