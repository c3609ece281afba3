/** The object of an item, and the places of the files that are made of it. */
import { DataError } from '../../base/errors.ts';
import { displayHref, formatHref, parseHref } from '../../store/href.ts';
import type { ObjectReader } from '../../store/store.ts';
import type { Item } from './item.ts';

/** An image or a document above this is none that is worked on whole, in memory. */
const mostBytes = 1024 ** 3;

/**
 * The bytes of an item's object.
 * @throws DataError ITEM_TOO_LARGE; STORE_CHANGED when it is not what it was when the run was planned; InputUnavailableError STORE_NOT_FOUND
 */
export async function readObject(reader: ObjectReader, { href, size, version }: Item): Promise<Uint8Array> {
  if (href === null) throw new Error('an item without an object has no bytes');
  // A size without a version is what a list once said.
  const known = size === null || version === null ? await reader.stat(href) : { size, version };
  if (known.size > mostBytes) throw new DataError('ITEM_TOO_LARGE', `${displayHref(href)} has ${String(known.size)} bytes; wanted ${String(mostBytes)} at most`, { where: { href } });
  // Not filled with zeros first: whoever gets it gets it read whole.
  const bytes = Buffer.allocUnsafeSlow(known.size);
  if (bytes.length > 0) await reader.readInto(href, 0, bytes, known.version);
  return bytes;
}

/**
 * Where a file goes. Below a folder, dots in a path would lead out of it; in S3 they are parts of a key like others.
 * @param prefix ends in `/`
 * @throws DataError ITEM_PATH
 */
export function outputHref(prefix: string, path: string): string {
  const location = parseHref(prefix);
  if (location.scheme === 's3') return formatHref({ ...location, key: `${location.key}${path}` });
  if (path.split('/').some((part) => part === '..' || part === '.' || part === '')) {
    throw new DataError('ITEM_PATH', `${JSON.stringify(path)} can't be the place of a file below ${displayHref(prefix)}: wanted a path without . and .. and empty names`);
  }
  return formatHref({ ...location, path: `${location.path}${path}` });
}
