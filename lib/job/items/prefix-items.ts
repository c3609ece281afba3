/** Items below a prefix, or out of a list of hrefs in the job. */
import pLimit from 'p-limit';
import { InputUnavailableError } from '../../base/errors.ts';
import { displayHref } from '../../store/href.ts';
import type { ObjectReader } from '../../store/store.ts';
import { badRow } from './manifest-row.ts';
import type { FoundItem } from './found-item.ts';
import { listedPath, pathBelow } from './item-path.ts';

/** All objects below a prefix, in the order of their hrefs. @param prefix ends in `/` */
export async function* prefixItems(reader: Pick<ObjectReader, 'list'>, prefix: string): AsyncGenerator<FoundItem, void, undefined> {
  for await (const { href, size, version } of reader.list(prefix)) {
    // A folder, as the console makes them; one with content in it can't be told from a folder by those who write below it.
    if (href.endsWith('/')) continue;
    const path = pathBelow(href, prefix);
    if (path !== undefined) yield { href, path, size, version, parameters: null };
  }
}

/** Lists up to this length are looked at object by object, for sizes and versions; of longer ones workers find out. */
const mostAsked = 1000;
const concurrency = 16;

/**
 * Objects that a job names itself. One that isn't there is an item all the same: it fails alone.
 * @throws DataError MANIFEST_ROW for one that doesn't lie below the base
 */
export async function* listedItems(reader: Pick<ObjectReader, 'stat'>, hrefs: readonly string[], base: string | undefined): AsyncGenerator<FoundItem, void, undefined> {
  const limit = pLimit(concurrency);
  const ask = hrefs.length <= mostAsked;
  const stats = ask ? await Promise.all(hrefs.map((href) => limit(() => statOrNothing(reader, href)))) : [];
  for (const [i, href] of hrefs.entries()) {
    const path = listedPath(href, base);
    if (path === undefined) throw badRow({ href: 'the job' }, `$.items.hrefs[${String(i)}]`, `${displayHref(href)} doesn't lie below ${displayHref(base ?? '')}, the base of the items`);
    yield { href, path, size: stats[i]?.size ?? null, version: stats[i]?.version ?? null, parameters: null };
  }
}

async function statOrNothing(reader: Pick<ObjectReader, 'stat'>, href: string): Promise<{ readonly size: number; readonly version: string } | undefined> {
  try {
    return await reader.stat(href);
  } catch (error) {
    if (error instanceof InputUnavailableError) return undefined;
    throw error;
  }
}
