/** `tilefan results`: what became of each item of a run, one JSON line each. */
import { once } from 'node:events';
import { JobError, TilefanError } from '../lib/base/errors.ts';
import { displayHref } from '../lib/store/href.ts';
import { createStore } from '../lib/store/routing-store.ts';
import { findItemPlan, runOutcomes } from './run-outcomes.ts';
import { noRun, runPlace } from './run-place.ts';

/**
 * @param run its id under the work prefix, or the href of its run prefix
 * @throws InputUnavailableError RUN_UNKNOWN; JobError RUN_WITHOUT_ITEMS for the run of a raster job
 */
export async function results(run: string, options: { readonly work: string }): Promise<void> {
  const store = createStore();
  try {
    const prefix = runPlace(run, options.work);
    const plan = await findItemPlan(store, prefix).catch((error: unknown) => {
      throw error instanceof TilefanError && error.code === 'RUN_UNKNOWN' ? noRun(run, options.work) : error;
    });
    if (plan === undefined) throw new JobError('RUN_WITHOUT_ITEMS', `${displayHref(prefix)} is the run of a raster job, which has no items; what its functions returned is in the table that the job names`);
    for await (const outcome of runOutcomes(store, plan)) {
      // Whoever reads slower than the disk keeps this from filling the memory.
      if (!process.stdout.write(`${JSON.stringify(outcome)}\n`)) await once(process.stdout, 'drain');
    }
  } finally {
    await store.close();
  }
}
