/** The first step of a run over items: the job is checked, its items are listed and written down, and plan and manifest lie under the run prefix. */
import { isDeepStrictEqual } from 'node:util';
import { JobError } from '../../base/errors.ts';
import { displayHref } from '../../store/href.ts';
import type { Store } from '../../store/store.ts';
import { addressOf, type RunState } from '../events.ts';
import { encodeManifest } from '../manifest.ts';
import { runtimeOf } from '../operation-kind.ts';
import { runFiles, type PlanCode } from '../plan.ts';
import { throwProblems, type Problem } from '../problems.ts';
import { encodeDocument, readDocument } from '../records.ts';
import type { ResolveOptions } from '../resolve.ts';
import { readSettings, type Settings } from '../settings.ts';
import { checkRequirementTexts } from '../../code/requirements/parse-requirement.ts';
import { checkItemPlaces } from './item-places.ts';
import { itemsFile } from './item.ts';
import { itemPlan, type ItemMemory, type ItemPlan } from './item-plan.ts';
import { resolveItemJob } from './item-resolve.ts';
import type { ItemJobSpec } from './item-spec.ts';
import { itemOperationKind, parseItemJob } from './item-validate.ts';
import { splitItems } from './split-items.ts';

export interface ItemSplitOptions {
  readonly store: Store;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly place: ResolveOptions;
  /** The code of the job as the run keeps it; undefined before it has been looked at. */
  readonly readCode: (run: string) => Promise<PlanCode | undefined>;
  /** Plans only: items and manifest go under this prefix, whatever run is there already, and code isn't looked at. */
  readonly planOnly?: string;
}

/** What split found: a plan that is ready, or one whose code has to be looked at first. */
export type ItemSplit = { readonly settings: Settings; readonly plan: ItemPlan; readonly ready: boolean };

/** Another start of the same run has written its plan, or its list, while this one listed. */
class Overtaken extends Error {}

/**
 * Of several starts of one run at once, the first one to have a plan decides, and all go on with that: the items are numbered once.
 * @throws JobError JOB_INVALID, PLAN_REFUSED that list every problem; RUN_EXISTS for a run id that another job has used; what the listing meets
 */
export async function splitItemJob(document: unknown, options: ItemSplitOptions): Promise<ItemSplit> {
  for (;;) {
    try {
      return await splitOnce(document, options);
    } catch (error) {
      if (!(error instanceof Overtaken)) throw error;
    }
  }
}

async function splitOnce(document: unknown, { store, env, place, readCode, planOnly }: ItemSplitOptions): Promise<ItemSplit> {
  const problems: Problem[] = [];
  const job = resolveItemJob(parseItemJob(document, problems), place, problems);
  const settings = readSettings(env, { ...job.compute, tilesPerTask: 'auto' }, problems, job.operation.images === undefined ? 'usual' : 'images');
  const named = `${settings.work}runs/${place.runId}/`;
  const run = planOnly ?? named;
  problems.push(...checkRequirementTexts(job.operation.requirements));
  await checkItemPlaces(job, place.runId, settings.triggers, place.file, problems);
  throwProblems('PLAN_REFUSED', "the job can't run", problems);
  const earlierPlan = async (): Promise<ItemPlan | undefined> => await readDocument(store, `${run}${runFiles.plan}`, itemPlan);
  const earlier = await earlierPlan();
  if (earlier !== undefined) return { settings, plan: checkSameJob(earlier, job), ready: true };
  const kind = itemOperationKind(job.operation);
  const code = kind === 'images' ? null : ((await readCode(run)) ?? unreadCode(job));
  const common = { version: 1, kind: 'items', state: firstState(place.runId, named, settings), createdAt: new Date().toISOString(), job, code, threads: settings.threads, memory: memoryOf(kind, settings) } as const;
  if (code !== null && code.sha256 === null && planOnly === undefined) return { settings, plan: { ...common, items: { count: 1, bytes: 0, repeated: 0, version: '' }, batches: 1 }, ready: false };
  const { threads, maxConcurrency, startupSeconds } = settings;
  const { timeoutSeconds } = settings.compute;
  const beforeWritten = async (): Promise<void> => {
    if ((await earlierPlan()) !== undefined) throw new Overtaken();
  };
  const { lines, items } = await splitItems({ store, job, run: { id: place.runId, href: run }, work: settings.work, beforeWritten, wishes: { itemsPerTask: job.compute.itemsPerTask, maxConcurrency, threads, startupSeconds, timeoutSeconds } });
  const plan: ItemPlan = { ...common, items, batches: lines.length };
  const listStands = async (): Promise<void> => {
    if ((await store.stat(`${run}${itemsFile}`)).version !== items.version) throw new Overtaken();
  };
  await listStands();
  await store.put(`${run}${runFiles.job}`, encodeDocument(job), { contentType: 'application/json', createFolders: true });
  await store.put(`${run}${runFiles.manifest(0)}`, encodeManifest(lines), { contentType: 'application/jsonl', createFolders: true });
  // The plan comes last: a run that has one has everything else.
  const written = await store.put(`${run}${runFiles.plan}`, encodeDocument(plan), { contentType: 'application/json', createFolders: true, ifAbsent: true });
  if (written === 'written') return { settings, plan, ready: true };
  const other = await earlierPlan();
  if (other !== undefined) checkSameJob(other, job);
  if (other?.items.version === items.version) return { settings, plan: other, ready: true };
  // Its list was written over in the moment between its last look and its plan, so the plan of the list that is there has to stand.
  await listStands();
  await store.put(`${run}${runFiles.plan}`, encodeDocument(plan), { contentType: 'application/json', createFolders: true });
  return { settings, plan, ready: true };
}

/** Code that nobody has looked at. */
function unreadCode({ operation }: ItemJobSpec): PlanCode {
  const { module, model } = operation;
  const href = module ?? (typeof model === 'object' ? model.href : (model ?? null));
  return { kind: module === undefined ? 'model' : 'module', runtime: module === undefined ? 'node' : (runtimeOf(module) ?? 'node'), href, sha256: null };
}

function checkSameJob(plan: ItemPlan, job: ItemJobSpec): ItemPlan {
  // A plan was JSON in between, which has no undefined fields.
  const written: unknown = JSON.parse(JSON.stringify(job));
  if (isDeepStrictEqual(JSON.parse(JSON.stringify(plan.job)), written)) return plan;
  throw new JobError('RUN_EXISTS', `run ${plan.state.run.id} has been started with another job: take another run id, or the same job (${displayHref(plan.state.run.href)}${runFiles.job})`, { where: { run: plan.state.run.href } });
}

function firstState(id: string, href: string, settings: Settings): RunState {
  const { bucket, key: prefix } = addressOf(href);
  return {
    run: { id, href, bucket, prefix },
    pass: 0,
    manifest: addressOf(`${href}${runFiles.manifest(0)}`),
    // A batch that fails keeps no other from being done: how many items are missing in the end, reduce finds out and judges.
    limits: { maxConcurrency: settings.maxConcurrency, toleratedFailurePercentage: 100 },
    compute: settings.compute,
  };
}

/** Estimates, for each thread: two photos of 24 megapixels, which decoded take 72 MB, and files that wait; processes as for tiles. */
const processBytes = 120 * 2 ** 20;
const itemBytes = { images: 192 * 2 ** 20, model: 100 * 2 ** 20, module: 20 * 2 ** 20 } as const;
const codeBytes = { images: 0, model: 400 * 2 ** 20, module: 110 * 2 ** 20 } as const;

function memoryOf(kind: keyof typeof itemBytes, { threads, size }: Settings): ItemMemory {
  const parts = { process: processBytes, items: threads * itemBytes[kind], code: threads * codeBytes[kind] };
  return { ...parts, total: parts.process + parts.items + parts.code, limit: size.memoryMiB * 2 ** 20 };
}
