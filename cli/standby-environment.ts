/** The environment in which workers start before they are told what to do: what can't be changed later has to suit the job. */
import { readFileSync, statSync } from 'node:fs';
import { isItemJob } from '../lib/job/items/item-documents.ts';
import { mallocArenas } from '../lib/job/malloc-arenas.ts';

/** @param local as localEnvironment has it */
export function standbyEnvironment(local: Readonly<Record<string, string>>, kind: keyof typeof mallocArenas): Record<string, string | undefined> {
  return {
    ...process.env,
    ...local,
    MALLOC_ARENA_MAX: process.env['MALLOC_ARENA_MAX'] ?? mallocArenas[kind],
    // Threads that compute tiles, which items have no use for.
    ...(kind === 'items' ? { TILEFAN_LOCAL_THREADS: '0' } : {}),
  };
}

/** What a job is about, as far as a glance tells: what is no file, or no JSON, is looked at when the job is read. */
export function jobKindAt(file: string): keyof typeof mallocArenas {
  try {
    // What comes by a pipe can be read only once.
    if (!statSync(file).isFile()) return 'tiles';
    return isItemJob(JSON.parse(readFileSync(file, 'utf8'))) ? 'items' : 'tiles';
  } catch {
    return 'tiles';
  }
}
