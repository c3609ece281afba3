/** The object of an item as a local file, for code that wants one. */
import { mkdir, open } from 'node:fs/promises';
import { join } from 'node:path';
import { DataError, messageOf, OutputError, TilefanError } from '../../base/errors.ts';
import { basename, displayHref, parseHref } from '../../store/href.ts';
import type { ObjectReader } from '../../store/store.ts';
import type { Item } from './item.ts';
import { readPieces } from './object-stream.ts';

export interface LocalObject {
  readonly path: string;
  /** Bytes. */
  readonly size: number;
}

/**
 * A file is that file itself. What lies in S3 is copied, piece by piece, so an object may be larger than memory.
 * @param folder for the copy; made if there is one
 * @throws InputUnavailableError STORE_NOT_FOUND and others; DataError STORE_CHANGED when it is not what it was when the run was planned; OutputError SCRATCH_UNUSABLE
 */
export async function fetchObject(reader: ObjectReader, href: string, { size, version }: Pick<Item, 'size' | 'version'>, folder: string): Promise<LocalObject> {
  const location = parseHref(href);
  // Of an object whose size and version are known S3 isn't asked again: it reads that version, or refuses.
  const isKnown = location.scheme === 's3' && size !== null && version !== null;
  const stat = isKnown ? { href, size, version } : await reader.stat(href);
  if (version !== null && stat.version !== version) throw new DataError('STORE_CHANGED', `${displayHref(href)} has changed since this run looked at it first: start a new run`, { where: { href } });
  if (location.scheme === 'file') return { path: location.path, size: stat.size };
  const path = join(folder, fileName(basename(href)));
  try {
    await mkdir(folder, { mode: 0o700 });
    const file = await open(path, 'wx', 0o600);
    try {
      for await (const bytes of readPieces(reader, stat)) await file.writeFile(bytes);
    } finally {
      await file.close();
    }
  } catch (cause) {
    if (cause instanceof TilefanError) throw cause;
    throw new OutputError('SCRATCH_UNUSABLE', `The copy of ${displayHref(href)} can't be written to ${path}: ${messageOf(cause)}`, { cause, where: { href, path } });
  }
  return { path, size: stat.size };
}

/** Bytes of a file's name, at most, on the file systems there are. */
const longestName = 255;

/** Keys may end in what no file can be called; the ending is kept, for programs go by it. */
function fileName(name: string): string {
  if (name !== '' && name !== '.' && name !== '..' && Buffer.byteLength(name) <= longestName) return name;
  return `object${/\.[A-Za-z0-9]{1,16}$/.exec(name)?.[0] ?? ''}`;
}
