/** One object held in memory, which counts the requests made to it: the reader's cost is its requests. */

import { readFile } from 'node:fs/promises';
import { DataError } from '../../lib/base/errors.ts';
import { type ObjectReader, type ObjectStat } from '../../lib/store/store.ts';

export interface CountedObject extends ObjectReader {
  readonly href: string;
  /** The ranges read so far. */
  readonly requests: { readonly offset: number; readonly length: number }[];
}

export function countedObject(bytes: Uint8Array, href = 'file:///memory.tif'): CountedObject {
  const requests: { offset: number; length: number }[] = [];
  return {
    href,
    requests,
    stat: (of) => Promise.resolve({ href: of, size: bytes.length, version: '1' }),
    readInto(of, offset, target) {
      requests.push({ offset, length: target.length });
      if (offset + target.length > bytes.length) return Promise.reject(new DataError('STORE_TRUNCATED', `${of}: ends at ${bytes.length}`));
      target.set(bytes.subarray(offset, offset + target.length));
      return Promise.resolve();
    },
    readAll: () => Promise.resolve(bytes),
    async *list(): AsyncIterable<ObjectStat> {},
  };
}

export async function countedFile(path: string): Promise<CountedObject> {
  return countedObject(await readFile(path), `file://${path}`);
}
