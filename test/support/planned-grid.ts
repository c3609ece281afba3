/** The grid of a job, as split plans it on AWS: where it wants to know extents first, a worker finds them. */
import type { SplitResult } from '../../lib/job/events.ts';
import { runExtents } from '../../lib/job/find-extents.ts';
import { readPlan, type Plan } from '../../lib/job/plan.ts';
import { split } from '../../lib/job/split.ts';
import { fileHref } from '../../lib/store/href.ts';
import type { Store } from '../../lib/store/store.ts';

/** @param work an empty folder @param inputs paths by name */
export async function plannedGrid(store: Store, work: string, inputs: Readonly<Record<string, string>>, grid: object): Promise<Plan['grid']> {
  const [first = ''] = Object.keys(inputs);
  const job = { inputs, grid, operation: { expression: { o: `${first}[1]` } }, outputs: { o: { href: `${work}/o.tif` } } };
  const planned = async (): Promise<SplitResult> => await split({ input: { job, run: 'r' }, execution: 'r' }, { store, env: { TILEFAN_WORK: fileHref(`${work}/`), TILEFAN_LOCAL_THREADS: '1' } });
  let state = await planned();
  if (state.status === 'CONVERT') {
    await runExtents(store, state.run.href, new AbortController().signal);
    state = await planned();
  }
  return (await readPlan(store, state.run.href)).grid;
}
