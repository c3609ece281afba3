/** Objects that an earlier call has finished: whether they are still there, as they were. */
import { TilefanError } from '../base/errors.ts';
import type { ObjectStat, Store } from '../store/store.ts';

/** @param done what the object was when it was finished; null while it is in the making */
export async function isThere(store: Pick<Store, 'stat'>, href: string, { done }: { readonly done: { readonly bytes: number; readonly version: string } | null }): Promise<boolean> {
  if (done === null) return false;
  let stat: ObjectStat;
  try {
    stat = await store.stat(href);
  } catch (error) {
    if (error instanceof TilefanError && error.code === 'STORE_NOT_FOUND') return false;
    throw error;
  }
  return stat.size === done.bytes && stat.version === done.version;
}
