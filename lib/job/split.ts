/** The first step of a run: the job is checked and planned; plan and manifest are written under the run prefix. */
import { isDeepStrictEqual } from 'node:util';
import { JobError, messageOf } from '../base/errors.ts';
import { displayHref, parentHref, resolveHref } from '../store/href.ts';
import type { Store } from '../store/store.ts';
import { checkTriggers } from './check-outputs.ts';
import type { SplitEvent, SplitResult, TaskCompute } from './events.ts';
import { makePlan } from './make-plan.ts';
import { plan as planSchema, runFiles, tilingOf, type Plan } from './plan.ts';
import { throwProblems, type Problem } from './problems.ts';
import { encodeDocument, readDocument } from './records.ts';
import { resolveJob } from './resolve.ts';
import { readSettings } from './settings.ts';
import type { JobSpec } from './spec.ts';
import { batchCount, batchWindow } from './tiling.ts';
import { parseJobSpec } from './validate.ts';

/** Task definitions for jobs that bring an image of their own. */
export interface TaskDefinitions {
  /**
   * The ARN of a definition that is `base` but for its image; made when there is none yet.
   * @param base ARN of the deployment's own definition
   */
  withImage(base: string, image: string): Promise<string>;
}

export interface SplitEnvironment {
  readonly store: Store;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Absent where there are no task definitions: a run on this machine starts the worker without an image. */
  readonly taskDefinitions?: TaskDefinitions | undefined;
  /** Told the plan that the run goes by, be it new or that of a run that is continued. */
  readonly onPlan?: (plan: Plan) => void;
}

/** Names that are safe in object keys and file names, and as the name of an execution (at most 80 characters). */
const runIdPattern = /^[A-Za-z0-9][A-Za-z0-9_-]{0,79}$/;

/** How executions that continue a run are named: the run id, and which one it is. CloudWatch Logs takes no other marks than - and _ in names. */
export const continuedName = /--(\d+)$/;

/** @throws JobError RUN_ID for what can't be one */
export function checkRunId(id: string): void {
  if (runIdPattern.test(id) && !continuedName.test(id)) return;
  const shown = id.length > 100 ? `${id.slice(0, 99)}…` : id;
  throw new JobError('RUN_ID', `${JSON.stringify(shown)} can't be a run id: wanted letters, digits, - and _, beginning with a letter or digit, 80 at most, and no -- and a number at the end`);
}

/**
 * @throws JobError JOB_INVALID, PLAN_REFUSED and others that list every problem with the job; RUN_EXISTS for a run id that another job has used
 */
export async function split(event: SplitEvent, { store, env, taskDefinitions, onPlan }: SplitEnvironment): Promise<SplitResult> {
  const { job: document, file, run = event.execution, object } = await readJob(event.input, store);
  checkRunId(run);
  const problems: Problem[] = [];
  const job = resolveJob(parseJobSpec(document, problems), { base: file && parentHref(file), file, object, runId: run }, problems);
  const settings = readSettings(env, job.compute, problems);
  await checkTriggers(job, settings.triggers, problems);
  const earlier = await readDocument(store, `${settings.work}runs/${run}/${runFiles.plan}`, planSchema);
  if (earlier !== undefined) throwProblems('PLAN_REFUSED', "the job can't run", problems);
  const plan = earlier === undefined ? await writePlan(store, { ...(await makePlan(store, job, run, settings, problems)), ...reduceBlocksOf(env) }) : checkSameJob(earlier, job);
  await writeManifest(store, plan);
  const { image } = job.compute;
  const taskDefinition =
    image === undefined || image === null || taskDefinitions === undefined
      ? settings.compute.taskDefinition
      : await taskDefinitions.withImage(settings.compute.taskDefinition, image);
  onPlan?.(plan);
  return { ...plan.state, compute: { ...settings.compute, ...sizesOf(plan), taskDefinition } };
}

/** How much reduce may read for overviews before workers make them, where the deployment says so. */
function reduceBlocksOf({ TILEFAN_REDUCE_BLOCKS: text }: SplitEnvironment['env']): Pick<Plan, 'reduceBlocks'> {
  if (text === undefined || text === '') return {};
  const blocks = Number(text);
  if (Number.isInteger(blocks) && blocks > 0) return { reduceBlocks: blocks };
  throw new JobError('SETTINGS_INVALID', `the environment is not set up for tilefan: TILEFAN_REDUCE_BLOCKS: wanted a whole number above 0, found ${JSON.stringify(text)}`);
}

/**
 * Of a run that is continued the sizes stay, since its tiles were planned to fit them; the place is that of the deployment as it is now: the
 * one of then may be gone.
 */
function sizesOf({ state: { compute } }: Plan): Pick<TaskCompute, 'size' | 'larger'> {
  return { size: compute.size, larger: compute.larger };
}

/** The job out of an execution's input: the spec itself, inside `job`, or where it lies. */
async function readJob(
  input: SplitEvent['input'],
  store: Store,
): Promise<{ readonly job: unknown; readonly file?: string; readonly run?: string | undefined; readonly object?: string | undefined }> {
  if (!('job' in input)) return { job: input };
  const { job, ...rest } = input as { job: unknown; run?: string; object?: string };
  if (typeof job !== 'string') return { job, ...rest };
  const href = resolveHref(job);
  const text = new TextDecoder().decode(await store.readAll(href));
  try {
    return { job: JSON.parse(text), file: href, ...rest };
  } catch (cause) {
    throw new JobError('JOB_NOT_JSON', `${displayHref(href)} is not JSON: ${messageOf(cause)}`, { cause, where: { href } });
  }
}

/** Whether two jobs, or parts of them, are written alike: a plan was JSON in between, which makes 0 of -0. */
function sameJob(a: unknown, b: unknown): boolean {
  const written = (value: unknown): unknown => (value === undefined ? undefined : JSON.parse(JSON.stringify(value)));
  return isDeepStrictEqual(written(a), written(b));
}

/** The plan of an earlier execution, which is gone on with, so that tiles and batches are the ones that are committed already. */
function checkSameJob(plan: Plan, job: JobSpec): Plan {
  if (sameJob(plan.job, job)) return plan;
  const changed = Object.keys({ ...plan.job, ...job }).filter((key) => !sameJob(plan.job[key as keyof JobSpec], job[key as keyof JobSpec]));
  throw new JobError(
    'RUN_EXISTS',
    `run ${plan.state.run.id} has been started with another job (${changed.join(', ')} ${changed.length === 1 ? 'differs' : 'differ'}): take another run id, or the same job`,
    { where: { run: plan.state.run.href } },
  );
}

/** Bytes of manifest lines that are gathered before they are encoded. */
const chunkLines = 10_000;

/** Writes the plan. Of two executions with one id at once, whoever comes first decides, and both go on with that plan. */
async function writePlan(store: Store, plan: Plan): Promise<Plan> {
  const { href } = plan.state.run;
  const written = await store.put(`${href}${runFiles.plan}`, encodeDocument(plan), { contentType: 'application/json', createFolders: true, ifAbsent: true });
  if (written === 'written') return plan;
  const other = await readDocument(store, `${href}${runFiles.plan}`, planSchema);
  return other === undefined ? plan : checkSameJob(other, plan.job);
}

/** What follows from the plan, so that writing it again changes nothing. */
async function writeManifest(store: Store, plan: Plan): Promise<void> {
  const { href } = plan.state.run;
  await store.put(`${href}${runFiles.job}`, encodeDocument(plan.job), { contentType: 'application/json', createFolders: true });
  await store.put(`${href}${runFiles.manifest(0)}`, [...manifestChunks(plan)], { contentType: 'application/jsonl', createFolders: true });
}

function* manifestChunks(plan: Plan): Generator<Uint8Array> {
  const tiling = tilingOf(plan);
  const encoder = new TextEncoder();
  const count = batchCount(tiling);
  let lines: string[] = [];
  for (let batch = 0; batch < count; batch++) {
    const { column, row, columns, rows } = batchWindow(tiling, batch);
    lines.push(`{"batch":${String(batch)},"tiles":[${[column, row, columns, rows].join(',')}]}\n`);
    if (lines.length < chunkLines && batch < count - 1) continue;
    yield encoder.encode(lines.join(''));
    lines = [];
  }
}
