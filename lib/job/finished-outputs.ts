/** Outputs that are finished although the run goes on, or fails: results come after them. */
import { TilefanError, withWords } from '../base/errors.ts';
import { displayHref } from '../store/href.ts';
import type { Store } from '../store/store.ts';
import { readFinished } from './merge-state.ts';
import type { Plan } from './plan.ts';

/** Outputs that a message names, at most. */
const namedOutputs = 3;

/** The error that results failed with, and which outputs lie finished where the job wants them all the same. What passes is left as it is. */
export async function withFinished(store: Store, plan: Plan, error: unknown): Promise<unknown> {
  if (!(error instanceof TilefanError) || error.retryable) return error;
  try {
    const there: string[] = [];
    for (const output of plan.outputs) if ((await readFinished(store, plan, output)) !== undefined) there.push(`${output.name} (${displayHref(output.href)})`);
    if (there.length === 0) return error;
    const more = there.length > namedOutputs ? ` and ${String(there.length - namedOutputs)} more` : '';
    return withWords(error, `; finished and there all the same: ${there.slice(0, namedOutputs).join(', ')}${more}`);
  } catch {
    // Its own reason says more than this could.
    return error;
  }
}
