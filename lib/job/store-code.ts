/** Code on its way under the run prefix, named after its content: whatever becomes of the file that it came from, the run has its own. */
import { createHash } from 'node:crypto';
import { OutputError, TilefanError } from '../base/errors.ts';
import type { ObjectReader, Store } from '../store/store.ts';
import { runFiles } from './plan.ts';
import { problemOf, throwProblems } from './problems.ts';

export interface StoredCode {
  readonly bytes: Uint8Array;
  /** Where it lies. */
  readonly href: string;
  readonly sha256: string;
}

export interface StoreCodeOptions {
  /** Whether it is TypeScript or JavaScript, which is bundled with what it imports. */
  readonly bundles: boolean;
  /** Where the job names it: a JSON path. */
  readonly path: string;
  /** Looks at the bytes before they are stored. */
  readonly check?: (bytes: Uint8Array) => Promise<void>;
}

/** @throws JobError PLAN_REFUSED naming what is wrong with the file; OutputError and others as the store does when it is put */
export async function storeBytes(store: Store, run: string, source: string, { bundles, path, check }: StoreCodeOptions): Promise<StoredCode> {
  try {
    const { bytes, sha256, extension } = await bytesOfCode(store, source, bundles);
    await check?.(bytes);
    const href = `${run}${runFiles.code}${sha256}${extension}`;
    await store.put(href, bytes, { ifAbsent: true, createFolders: true });
    return { bytes, href, sha256 };
  } catch (error) {
    // Where it can't be stored, the file that it comes from is not to blame.
    if (!(error instanceof TilefanError) || error instanceof OutputError || error.retryable) throw error;
    throwProblems('PLAN_REFUSED', "the job can't run", [problemOf(path, error)]);
    throw error;
  }
}

/** What is stored of a file with code. @param bundles whether it is TypeScript or JavaScript @throws what the store and bundling throw */
export async function bytesOfCode(store: Store, source: string, bundles: boolean): Promise<CodeBytes> {
  return bundles ? await bundle(store, source) : await asItIs(store, source);
}

export interface CodeBytes {
  readonly bytes: Uint8Array;
  readonly sha256: string;
  readonly extension: string;
}

/** Of a file with code: a model has its weights in it. */
export const mostCodeBytes = 4 * 1024 ** 3;

async function asItIs(reader: ObjectReader, href: string): Promise<CodeBytes> {
  const bytes = await reader.readAll(href, mostCodeBytes);
  return { bytes, sha256: createHash('sha256').update(bytes).digest('hex'), extension: /\.[a-z]+$/i.exec(href)?.[0]?.toLowerCase() ?? '' };
}

/** Loaded for modules in TypeScript only. */
async function bundle(store: Store, href: string): Promise<CodeBytes> {
  const { bundleModule } = await import('../code/bundle.ts');
  return await bundleModule(href, store);
}
