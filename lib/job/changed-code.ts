/** Whether a file with code is still what a run has stored of it: a run that is continued goes on with what it began with, whatever has become of the file. */
import { TilefanError } from '../base/errors.ts';
import { parseHref } from '../store/href.ts';
import type { Store } from '../store/store.ts';
import { codeHref } from './operation-kind.ts';
import { readPrepared } from './prepared-code.ts';
import type { JobSpec } from './spec.ts';
import { bytesOfCode } from './store-code.ts';

export interface ChangedCode {
  /** The file as the job names it. */
  readonly href: string;
  readonly how: 'changed' | 'gone';
}

/** @returns undefined where nothing has changed, or nothing can be said of it: code in S3, a program, a run without a trial */
export async function changedCode(store: Store, run: string, { operation }: Pick<JobSpec, 'operation'>): Promise<ChangedCode | undefined> {
  const href = codeHref(operation);
  if (href === undefined || parseHref(href).scheme !== 'file') return undefined;
  const code = (await readPrepared(store, run).catch(() => undefined))?.code;
  if (code === undefined || code.sha256 === null) return undefined;
  try {
    const { sha256 } = await bytesOfCode(store, href, code.kind === 'module' && code.runtime === 'node');
    return sha256 === code.sha256 ? undefined : { href, how: 'changed' };
  } catch (error) {
    if (!(error instanceof TilefanError)) throw error;
    // One that can't be bundled any more has changed, too.
    return { href, how: error.code === 'STORE_NOT_FOUND' ? 'gone' : 'changed' };
  }
}
