/** The plan of an earlier execution, which is gone on with, so that tiles and batches are the ones that are committed already. */
import { isDeepStrictEqual } from 'node:util';
import { JobError } from '../base/errors.ts';
import type { Store } from '../store/store.ts';
import { checkWritable } from './check-outputs.ts';
import { runFiles, type Plan } from './plan.ts';
import { throwProblems, type Problem } from './problems.ts';
import { encodeDocument } from './records.ts';
import { abandonAssembly } from './results/object-sink.ts';
import { readResultsState, resultFiles, resultsFinished } from './results/results-state.ts';
import type { JobResults, JobSpec } from './spec.ts';

/** Whether two jobs, or parts of them, are written alike: a plan was JSON in between, which makes 0 of -0. */
function sameJob(a: unknown, b: unknown): boolean {
  const written = (value: unknown): unknown => (value === undefined ? undefined : JSON.parse(JSON.stringify(value)));
  return isDeepStrictEqual(written(a), written(b));
}

/** @throws JobError RUN_EXISTS for another job */
export function checkSameJob(plan: Plan, job: JobSpec): Plan {
  const changed = changedFields(plan.job, job);
  if (changed.length > 0) throw anotherJob(plan, changed, '');
  return plan;
}

function changedFields(a: JobSpec, b: JobSpec): string[] {
  return Object.keys({ ...a, ...b }).filter((key) => !sameJob(a[key as keyof JobSpec], b[key as keyof JobSpec]));
}

function anotherJob({ state: { run } }: Plan, changed: readonly string[], more: string): JobError {
  return new JobError('RUN_EXISTS', `run ${run.id} has been started with another job (${changed.join(', ')} ${changed.length === 1 ? 'differs' : 'differ'})${more}: take another run id, or the same job`, { where: { run: run.href } });
}

/**
 * The plan to go on with. What becomes of results may be another thing than the run began with, as long as they aren't written: tiles keep their values, and a merge
 * that fails on them would be the end of a run whose tiles are all there.
 * @throws JobError RUN_EXISTS for another job; PLAN_REFUSED when the new results can't be written
 */
export async function continuedPlan(store: Store, plan: Plan, job: JobSpec): Promise<Plan> {
  const { results: before } = plan.job;
  const { results } = job;
  const changed = changedFields(plan.job, job);
  if (changed.length !== 1 || changed[0] !== 'results') return checkSameJob(plan, job);
  // Without results in the job nothing was collected.
  if (before === undefined || results === undefined) throw anotherJob(plan, changed, '; a run has results from its beginning, or none');
  if (await resultsFinished(store, plan)) throw anotherJob(plan, changed, ', and its results are written');
  return await withResults(store, plan, before, results);
}

async function withResults(store: Store, plan: Plan, before: JobResults, results: JobResults): Promise<Plan> {
  const { href } = plan.state.run;
  const changed = { ...plan, job: { ...plan.job, results } };
  const problems: Problem[] = [];
  await checkWritable(store, { ...changed.job, outputs: {} }, plan.inputs.flatMap(({ name, scenes }) => scenes.map((scene) => ({ name, href: scene.href, version: scene.version }))), problems);
  throwProblems('PLAN_REFUSED', "the results can't be written", problems);
  const state = await readResultsState(store, plan);
  if (state !== undefined) {
    if (state.token !== null) await abandonAssembly(store, before.href, state.token);
    await store.put(`${href}${resultFiles.state}`, encodeDocument({ ...state, asked: null, token: null, tooShort: 0 }), { contentType: 'application/json' });
  }
  // What another function has made of the values is none of these: no choice of segments is called like that.
  const nothing = { generation: '', tiles: 0, value: null };
  if (!sameJob(before.merge, results.merge)) await store.put(`${href}${resultFiles.value}`, encodeDocument(nothing), { contentType: 'application/json', createFolders: true });
  // Last: until then the run is what it was.
  await store.put(`${href}${runFiles.plan}`, encodeDocument(changed), { contentType: 'application/json' });
  return changed;
}
