/** The object of an item, and the places of the files that are made of it. */
import { DataError } from '../../base/errors.ts';
import { displayHref, formatHref, parseHref } from '../../store/href.ts';
import type { ObjectReader, ObjectStat } from '../../store/store.ts';
import type { Item } from './item.ts';

/**
 * What an item's object is: as it was when the run was planned, or as it is now where that wasn't asked.
 * @throws InputUnavailableError STORE_NOT_FOUND
 */
export async function findObject(reader: ObjectReader, href: string, { size, version }: Pick<Item, 'size' | 'version'>): Promise<ObjectStat> {
  // A size without a version is what a list once said.
  return size === null || version === null ? await reader.stat(href) : { href, size, version };
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
