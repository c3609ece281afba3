/** Watches a folder that stands for the input bucket. */
import { mkdir, stat } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { watch } from 'chokidar';
import { InputUnavailableError } from '../lib/base/errors.ts';
import { errnoOf, readError, writeError } from '../lib/store/file-errors.ts';
import { fileHref } from '../lib/store/href.ts';
import type { FoundObject } from './upload-events.ts';

export interface WatchedPlace {
  /** When what lay there at the start has been told. */
  readonly scanned: Promise<void>;
  close(): Promise<void>;
}

export interface FolderWatch {
  readonly onObject: (object: FoundObject) => void;
  readonly onError: (error: unknown) => void;
  readonly signal: AbortSignal;
}

/** Uploads that start runs lie here, and `templates` beside them. */
const watched = ['jobs', 'incoming'];

/** A file that hasn't changed for so long is taken for whole: copying writes all the time. */
const stableMs = 2_000;

/**
 * Tells every file under jobs/ and incoming/, and every one that comes or changes later, once nothing is written to it any more.
 * @param folder path; it and its folders are made when they are missing
 */
export async function watchFolder(folder: string, { onObject, onError, signal }: FolderWatch): Promise<WatchedPlace> {
  for (const name of [...watched, 'templates']) {
    const path = join(folder, name);
    await mkdir(path, { recursive: true }).catch((error: unknown) => {
      throw writeError(error, fileHref(path));
    });
  }
  const settling = new Map<string, Promise<void>>();
  const tell = async (path: string): Promise<void> => {
    const facts = await settled(path, signal);
    if (facts === undefined) return;
    onObject({ bucket: folder, key: relative(folder, path).split(sep).join('/'), size: Number(facts.size), version: `${facts.mtimeNs.toString(16)}-${facts.size.toString(16)}` });
  };
  const changed = (path: string): void => {
    if (settling.has(path)) return;
    const told = tell(path).catch(onError).finally(() => settling.delete(path));
    settling.set(path, told);
  };
  const watcher = watch(watched.map((name) => join(folder, name)), { awaitWriteFinish: { stabilityThreshold: stableMs, pollInterval: 100 } });
  watcher.on('add', changed).on('change', changed).on('error', (error) => onError(unseen(error, folder)));
  const ready = new Promise<void>((resolve) => watcher.once('ready', resolve));
  return {
    // What chokidar finds at the start it doesn't hold back until it is whole.
    scanned: ready.then(async () => { await Promise.all(settling.values()); }),
    close: () => watcher.close(),
  };
}

/** What can't be looked into: uploads in it would be missed without a word. */
function unseen(error: unknown, folder: string): unknown {
  if (errnoOf(error) === undefined) return error;
  const path = error instanceof Error && 'path' in error && typeof error.path === 'string' ? error.path : folder;
  const { message, code, where } = readError(error, fileHref(path));
  return new InputUnavailableError(code, `${message}; uploads in it are not seen`, { cause: error, where });
}

type Facts = Awaited<ReturnType<typeof factsOf>>;

/** Size and time of a file, once they are those of a while ago. Undefined when it has gone. */
async function settled(path: string, signal: AbortSignal): Promise<Facts> {
  let before = await factsOf(path);
  while (before !== undefined && Math.abs(Date.now() - Number(before.mtimeNs / 1_000_000n)) < stableMs) {
    if (signal.aborted) return undefined;
    await sleep(stableMs, undefined, { signal }).catch(() => undefined);
    const now = await factsOf(path);
    if (now?.mtimeNs === before.mtimeNs && now.size === before.size) return now;
    before = now;
  }
  return before;
}

async function factsOf(path: string): Promise<{ readonly size: bigint; readonly mtimeNs: bigint } | undefined> {
  try {
    const facts = await stat(path, { bigint: true });
    return facts.isFile() ? facts : undefined;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}
