/** The environment in which workers start before they are told what to do: what can't be changed later has to suit the job. */
import { readFileSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isImageJob } from '../lib/job/items/item-documents.ts';
import { mallocArenas, type WorkerKind } from '../lib/job/malloc-arenas.ts';
import { userFolder } from './user-folder.ts';

/** @param local as localEnvironment has it */
export function standbyEnvironment(local: Readonly<Record<string, string>>, kind: WorkerKind): Record<string, string | undefined> {
  return {
    ...process.env,
    ...local,
    MALLOC_ARENA_MAX: process.env['MALLOC_ARENA_MAX'] ?? mallocArenas[kind],
    // Threads that compute tiles, which images have no use for.
    ...(kind === 'images' ? { TILEFAN_LOCAL_THREADS: '0' } : {}),
  };
}

/** What a job's workers do, as far as a glance at the file tells: a pipe can be read only once, and S3 is far away. What is no job is told when it is read. */
export function workerKindAt(file: string): WorkerKind {
  try {
    const path = file.startsWith('file://') ? fileURLToPath(file) : resolve(userFolder(), file);
    if (!statSync(path).isFile()) return 'usual';
    return isImageJob(JSON.parse(readFileSync(path, 'utf8').replace(/^\uFEFF/, ''))) ? 'images' : 'usual';
  } catch {
    return 'usual';
  }
}
