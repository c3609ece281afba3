/** The first step of a run: the job is checked and planned; plan and manifest are written under the run prefix. */
import { JobError, messageOf, TilefanError } from '../base/errors.ts';
import { findGdal, gdalMissing } from '../gdal/find-gdal.ts';
import { displayHref, folderHref, parentHref, resolveHref } from '../store/href.ts';
import type { Store } from '../store/store.ts';
import { builtInTemplate } from './built-in-templates.ts';
import { checkTriggers } from './check-outputs.ts';
import { checkSameJob, continuedPlan } from './continue-run.ts';
import { addressOf, type SplitEvent, type SplitResult, type TaskCompute } from './events.ts';
import { checkConvertedSources, conversionManifest, findConversions, readConversions } from './find-conversions.ts';
import { askForExtents, ExtentsWanted, recordedExtents, type FindExtents } from './gdal-extents.ts';
import { makePlan, type KnownFiles } from './make-plan.ts';
import type { ItemPlan } from './items/item-plan.ts';
import { isItemJob } from './items/item-documents.ts';
import { parseJobText } from './job-text.ts';
import { encodeManifest, trialNumber, type ConvertLine } from './manifest.ts';
import { codeKind } from './operation-kind.ts';
import { plan as planSchema, runFiles, tilingOf, type Plan, type PlanCode } from './plan.ts';
import { readPrepared, trialPlanHref, type PreparedCode } from './prepared-code.ts';
import { throwProblems, type Problem } from './problems.ts';
import { encodeDocument, readDocument } from './records.ts';
import { resolveJob, type ResolveOptions } from './resolve.ts';
import { readSettings, type Settings } from './settings.ts';
import type { JobSpec } from './spec.ts';
import { checkTile } from './tile-report.ts';
import { batchCount, batchWindow } from './tiling.ts';
import { writeTrialRequest } from './try-request.ts';
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
  /** Tries user code here, on this machine; absent on AWS, where a worker does it, whose image has what the code needs. */
  readonly prepareCode?: ((store: Store, plan: Plan) => Promise<PreparedCode>) | undefined;
  /** The same for jobs over items, whose code is only stored. */
  readonly prepareItems?: ((store: Store, plan: ItemPlan) => Promise<PlanCode>) | undefined;
  /** Finds extents that only GDAL knows here, on this machine; absent on AWS, where a worker does it. */
  readonly findExtents?: FindExtents | undefined;
  /** Told the plan that the run goes by, be it new or that of a run that is continued. */
  readonly onPlan?: (plan: Plan | ItemPlan) => void;
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
export async function split(event: SplitEvent, environment: SplitEnvironment): Promise<SplitResult> {
  const { job: document, file, run = event.execution, object, try: tile } = await readJob(event.input, environment.store);
  checkRunId(run);
  const place = { base: file && parentHref(file), file, object, runId: run, outputPlace: outputPlaceOf(environment.env) };
  if (isItemJob(document)) {
    if (tile !== undefined) throw new JobError('JOB_OVER_ITEMS', 'a job over items has no tiles that could be tried: run it on a few items');
    return await splitItems(document, place, environment);
  }
  return await splitRasters(document, place, environment, tile);
}

/** Over items: they are listed, and become batches. */
async function splitItems(document: unknown, place: ResolveOptions, { store, env, taskDefinitions, prepareItems, onPlan }: SplitEnvironment): Promise<SplitResult> {
  const { splitItemJob } = await import('./items/split-item-job.ts');
  const { readItemCode } = await import('./items/item-code-record.ts');
  const options = { store, env, place, readCode: async (run: string) => await readItemCode(store, run) };
  let found = await splitItemJob(document, options);
  if (!found.ready && prepareItems !== undefined) {
    await prepareItems(store, found.plan);
    found = await splitItemJob(document, options);
  }
  const { plan, settings } = found;
  const compute = { ...settings.compute, taskDefinition: await definitionFor(plan.job.compute.image, settings, taskDefinitions) };
  if (found.ready) onPlan?.(plan);
  if (found.ready) return { ...plan.state, compute: { ...compute, size: plan.state.compute.size, larger: plan.state.compute.larger } };
  const manifest = await writeTrial(store, plan);
  return { ...firstPassState(place.runId, plan.state.run.href, settings, manifest), compute };
}

/** The definition of the worker that a job asks for. */
async function definitionFor(image: string | null | undefined, { compute }: Settings, taskDefinitions: TaskDefinitions | undefined): Promise<string> {
  return image === undefined || image === null || taskDefinitions === undefined ? compute.taskDefinition : await taskDefinitions.withImage(compute.taskDefinition, image);
}

/** Over rasters: the grid is fixed, and becomes tiles. @param tile the one that is to be tried, instead of all */
async function splitRasters(document: unknown, place: ResolveOptions, { store, env, taskDefinitions, prepareCode, findExtents: findHere, onPlan }: SplitEnvironment, tile: readonly [number, number] | undefined): Promise<SplitResult> {
  const run = place.runId;
  const problems: Problem[] = [];
  const job = resolveJob(parseJobSpec(document, problems), place, problems);
  const settings = readSettings(env, job.compute, problems);
  await checkTriggers(job, settings.triggers, problems);
  const runHref = `${settings.work}runs/${run}/`;
  const findExtents = findHere ?? recordedExtents(store, runHref);
  const earlier = await readDocument(store, `${runHref}${runFiles.plan}`, planSchema);
  if (earlier !== undefined) throwProblems('PLAN_REFUSED', "the job can't run", problems);
  const taskDefinition = async (): Promise<string> => await definitionFor(job.compute.image, settings, taskDefinitions);
  const firstPass = async (manifest: string, compute = settings.compute): Promise<SplitResult> => ({ ...firstPassState(run, runHref, settings, manifest), compute: { ...compute, taskDefinition: await taskDefinition() } });
  let plan: Plan;
  if (earlier === undefined) {
    const { lines, tiffs } = await findConversions(store, job, problems);
    const { conversions, missing } = await readConversions(store, runHref, lines);
    if (missing.length > 0) {
      throwProblems('PLAN_REFUSED', "the job can't run", problems);
      if (env['TILEFAN_LOCAL_THREADS'] !== undefined) await requireGdal(missing);
      return await firstPass(await writeConversions(store, runHref, job, missing));
    }
    const known = { conversions, tiffs, findExtents };
    try {
      if (tile !== undefined) return { ...(await firstPass(await writeTileTrial(store, job, run, { settings, problems, known }, tile))), status: 'TRY' };
      const tried = codeKind(job.operation) === undefined ? undefined : await readPrepared(store, runHref);
      let made = await makePlan(store, job, run, settings, problems, { ...known, prepared: tried });
      if (env['TILEFAN_LOCAL_THREADS'] !== undefined) await requireGdalFor(made);
      if (made.code !== null && tried === undefined) {
        if (prepareCode === undefined) return await firstPass(await writeTrial(store, made), made.state.compute);
        made = await makePlan(store, job, run, settings, [], { ...known, prepared: await prepareCode(store, made) });
      }
      plan = await writePlan(store, { ...made, ...reduceBlocksOf(env) });
    } catch (error) {
      if (!(error instanceof ExtentsWanted)) throw error;
      throwProblems('PLAN_REFUSED', "the job can't run", problems);
      return await firstPass(await askForExtents(store, runHref, error));
    }
  } else {
    if (tile !== undefined) throw new JobError('RUN_EXISTS', `run ${run} is there already: a tile is tried under an id of its own`);
    plan = await continuedPlan(store, earlier, job);
    await checkConvertedSources(store, runHref);
  }
  await writeManifest(store, plan);
  const definition = await taskDefinition();
  onPlan?.(plan);
  return { ...plan.state, compute: { ...settings.compute, ...sizesOf(plan), taskDefinition: definition } };
}

/** The state in which the machine converts inputs, finds extents, or has the code tried, and then calls split again. Whatever the job tolerates, none of that may fail: there would be no run. */
function firstPassState(id: string, href: string, settings: Settings, manifest: string): SplitResult {
  const { bucket, key: prefix } = addressOf(href);
  return {
    run: { id, href, bucket, prefix },
    pass: 0,
    manifest: addressOf(manifest),
    limits: { maxConcurrency: settings.maxConcurrency, toleratedFailurePercentage: 0 },
    compute: settings.compute,
    status: 'CONVERT',
  };
}

async function writeConversions(store: Store, runHref: string, job: JobSpec, lines: readonly ConvertLine[]): Promise<string> {
  const href = `${runHref}${conversionManifest}`;
  await store.put(`${runHref}${runFiles.job}`, encodeDocument(job), { contentType: 'application/json', createFolders: true });
  await store.put(href, encodeManifest(lines), { contentType: 'application/jsonl', createFolders: true });
  return href;
}

/** What a worker tries the code with. */
async function writeTrial(store: Store, plan: Plan | ItemPlan): Promise<string> {
  const { href } = plan.state.run;
  const manifest = `${href}manifest-prepare.jsonl`;
  await store.put(`${href}${runFiles.job}`, encodeDocument(plan.job), { contentType: 'application/json', createFolders: true });
  await store.put(trialPlanHref(href), encodeDocument(plan), { contentType: 'application/json', createFolders: true });
  await store.put(manifest, encodeManifest([{ batch: trialNumber, prepare: true }]), { contentType: 'application/jsonl', createFolders: true });
  return manifest;
}

/** What a worker tries a tile with. The plan is only made to see that there could be one. @throws JobError PLAN_REFUSED, TILE_UNKNOWN */
async function writeTileTrial(store: Store, job: JobSpec, run: string, { settings, problems, known }: { readonly settings: Settings; readonly problems: Problem[]; readonly known: KnownFiles }, tile: readonly [number, number]): Promise<string> {
  const plan = await makePlan(store, job, run, settings, problems, known);
  checkTile(plan, { column: tile[0], row: tile[1] });
  const { href } = plan.state.run;
  const manifest = `${href}manifest-try.jsonl`;
  await writeTrialRequest(store, href, { job, run, settings });
  await store.put(manifest, encodeManifest([{ batch: trialNumber, try: [tile[0], tile[1]] }]), { contentType: 'application/jsonl', createFolders: true });
  return manifest;
}

/** Inputs that are named in a message, at most. */
const namedInputs = 5;

/** Workers on this machine have what is on it. @throws InputUnavailableError GDAL_MISSING that names the inputs */
export async function requireGdal(lines: readonly ConvertLine[]): Promise<void> {
  await requireGdalTo('Converting', lines.map(({ convert }) => convert));
}

/** The same for inputs that aren't on the grid, and for features. */
async function requireGdalFor({ inputs }: Plan): Promise<void> {
  const windows = inputs.flatMap(({ name, scenes }) => scenes.filter(({ reading }) => reading.by !== 'blocks').map(({ href }) => ({ input: name, href })));
  if (windows.length > 0) await requireGdalTo('Bringing onto the grid', windows);
}

async function requireGdalTo(what: string, scenes: readonly { readonly input: string; readonly href: string }[]): Promise<void> {
  if ((await findGdal()) !== undefined) return;
  const shown = scenes.slice(0, namedInputs).map(({ input, href }) => `input ${input} (${displayHref(href)})`);
  const more = scenes.length > namedInputs ? ` and ${String(scenes.length - namedInputs)} more` : '';
  throw gdalMissing(`${what} ${shown.join(', ')}${more}`);
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

/** The form of an execution's input that has the job inside. */
interface StartedRun {
  readonly job: unknown;
  readonly run?: string | undefined;
  readonly object?: string | undefined;
  readonly try?: readonly [number, number] | undefined;
}

/** The job out of an execution's input: the spec itself, inside `job`, or where it lies. */
async function readJob(
  input: SplitEvent['input'],
  store: Store,
): Promise<Pick<StartedRun, 'run' | 'object' | 'try'> & { readonly job: unknown; readonly file?: string }> {
  if (!('job' in input)) return { job: input };
  const { job, ...rest } = input as StartedRun;
  if (typeof job !== 'string') return { job, ...rest };
  const href = resolveHref(job);
  const found = await readTemplate(store, href, rest.object);
  if (typeof found !== 'string') return { job: found.template, file: href, ...rest };
  const text = found;
  try {
    return { job: parseJobText(text), file: href, ...rest };
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    throw new JobError('JOB_NOT_JSON', `${displayHref(href)} is not JSON: ${messageOf(cause)}`, { cause, where: { href } });
  }
}

/** The text of a job file, or the template that is built in for one that is to be filled and isn't there. */
async function readTemplate(store: Store, href: string, object: string | undefined): Promise<string | { readonly template: unknown }> {
  try {
    return new TextDecoder().decode(await store.readAll(href));
  } catch (error) {
    const template = object === undefined ? undefined : builtInTemplate(href);
    if (template === undefined || !(error instanceof TilefanError) || error.code !== 'STORE_NOT_FOUND') throw error;
    return { template };
  }
}

/** Where outputs go that name no place of their own. */
function outputPlaceOf({ TILEFAN_OUTPUT: href = '' }: SplitEnvironment['env']): string | undefined {
  return href === '' ? undefined : folderHref(href);
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
