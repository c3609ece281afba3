/** Outputs that are finished although the run goes on, or fails: results come after them. */
import { TilefanError, withWords } from '../base/errors.ts';
import { displayHref } from '../store/href.ts';
import type { Store } from '../store/store.ts';
import { isThere } from './finished-object.ts';
import { mergeState } from './merge-state.ts';
import { runFiles, type Plan } from './plan.ts';
import { readDocument } from './records.ts';

/** Outputs that a message names, at most. */
const namedOutputs = 3;

/** The error that results failed with, and which outputs lie finished where the job wants them all the same. What passes is left as it is. */
export async function withFinished(store: Store, plan: Plan, error: unknown): Promise<unknown> {
  if (!(error instanceof TilefanError) || error.retryable) return error;
  try {
    const there: string[] = [];
    for (const { name, href } of plan.outputs) {
      const merge = await readDocument(store, `${plan.state.run.href}${runFiles.merge(name)}`, mergeState);
      if (merge !== undefined && (await isThere(store, href, merge))) there.push(`${name} (${displayHref(href)})`);
    }
    if (there.length === 0) return error;
    const more = there.length > namedOutputs ? ` and ${String(there.length - namedOutputs)} more` : '';
    return withWords(error, `; finished and there all the same: ${there.slice(0, namedOutputs).join(', ')}${more}`);
  } catch {
    // Its own reason says more than this could.
    return error;
  }
}
