/** Objects that an earlier call has finished: whether they are still there, as they were. */
import { TilefanError } from '../base/errors.ts';
import type { ObjectStat, Store } from '../store/store.ts';

/** @param finished what the object was when it was finished */
export async function isThere(store: Pick<Store, 'stat'>, href: string, finished: { readonly bytes: number; readonly version: string }): Promise<boolean> {
  const stat = await statIfThere(store, href);
  return stat?.size === finished.bytes && stat.version === finished.version;
}

/** Undefined for what isn't there. */
export async function statIfThere(store: Pick<Store, 'stat'>, href: string): Promise<ObjectStat | undefined> {
  try {
    return await store.stat(href);
  } catch (error) {
    if (error instanceof TilefanError && error.code === 'STORE_NOT_FOUND') return undefined;
    throw error;
  }
}
