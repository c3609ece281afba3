/** Watches a bucket by listing it again and again, since nothing on this machine gets its notifications. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ObjectReader } from '../lib/store/store.ts';
import type { FolderWatch, WatchedPlace } from './folder-uploads.ts';

/** Between two lists. */
const pauseMs = 2_000;

const watched = ['jobs/', 'incoming/'];

/**
 * Tells every object under jobs/ and incoming/, and every one that comes or gets another content (ETag) later.
 * @throws what the store throws when the bucket can't be listed at all; later that is told to `onError`, once until it can be listed again
 */
export async function watchBucket(store: ObjectReader, bucket: string, { onObject, onError, signal }: FolderWatch): Promise<WatchedPlace> {
  const seen = new Map<string, string>();
  const root = `s3://${bucket}/`;
  const look = async (): Promise<void> => {
    for (const prefix of watched) {
      for await (const { href, size, version } of store.list(`${root}${prefix}`)) {
        if (seen.get(href) === version) continue;
        seen.set(href, version);
        onObject({ bucket, key: href.slice(root.length), size, version });
      }
    }
  };
  const stop = new AbortController();
  const either = AbortSignal.any([signal, stop.signal]);
  const lookAgain = async (): Promise<void> => {
    let failing = false;
    for (;;) {
      await sleep(pauseMs, undefined, { signal: either }).catch(() => undefined);
      if (either.aborted) return;
      try {
        await look();
        failing = false;
      } catch (error) {
        if (!failing) onError(error);
        failing = true;
      }
    }
  };
  await look();
  const looking = lookAgain();
  return {
    scanned: Promise.resolve(),
    async close() {
      stop.abort();
      await looking;
    },
  };
}
