/**
 * Before the fan-out: the code is stored under the run prefix, and tried on the first tile, so that a mistake costs one tile and not ten thousand tasks. What it makes
 * there decides what the job leaves open, and shows whether results can be merged. On AWS a worker does this, since only its image has what the code needs; on a laptop split does it itself.
 */
import { describeError, OperationError } from '../base/errors.ts';
import { requirementOf } from '../code/command/check-command.ts';
import { basename } from '../store/href.ts';
import type { ObjectReader, Store } from '../store/store.ts';
import { trialNumber } from './manifest.ts';
import { meetRequirements } from './meet-requirements.ts';
import { OneTile } from './one-tile.ts';
import { codeHref, runtimeOf } from './operation-kind.ts';
import { modelSetup } from './plan-code-setup.ts';
import { plan as planSchema, runFiles, tilingOf, type Plan, type PlanCode } from './plan.ts';
import { preparedHref, readPrepared, trialPlanHref, type PreparedCode } from './prepared-code.ts';
import { encodeDocument, readDocument, type BatchRecord } from './records.ts';
import { checkTrialResults, type TrialResult } from './results/check-trial.ts';
import { storeBytes } from './store-code.ts';
import { tileGrid } from './tiling.ts';

export interface PrepareEnvironment {
  readonly env: NodeJS.ProcessEnv;
  /** Gives the trial up. */
  readonly signal: AbortSignal;
  /** Another tile than the first. */
  readonly tile?: TilePlace | undefined;
  /** Told of each tile before the code is tried on it: loading alone may take a while. */
  readonly onTrial?: ((trial: TrialBegun) => void) | undefined;
}

/** Code that is about to be tried. */
export interface TrialBegun {
  /** What the code is called: the function, else its file or program. */
  readonly code: string;
  readonly tile: TilePlace;
}

interface TilePlace {
  readonly column: number;
  readonly row: number;
}

/** The tiles that code is tried on: the first, whose outputs decide what types outputs have, as in RIOS. Where failures are tolerated and it fails on that one, two others. */
function trialTiles(plan: Plan, tile: TilePlace | undefined): readonly TilePlace[] {
  if (tile !== undefined) return [tile];
  const places = farTiles(plan);
  return plan.job.tolerateFailures.percentage === 0 ? places.slice(0, 1) : places;
}

/** The first tile, one in the middle, and the last. */
function farTiles(plan: Plan): TilePlace[] {
  const { across, down } = tileGrid(tilingOf(plan));
  const places = [{ column: 0, row: 0 }, { column: across >> 1, row: down >> 1 }, { column: across - 1, row: down - 1 }];
  return places.filter(({ column, row }, i) => places.findIndex((other) => other.column === column && other.row === row) === i);
}

/** What the code returns for other tiles than the one that it was tried on, as far as it does. */
async function resultsElsewhere(store: Store, trial: Plan, tried: TilePlace, { env, signal }: PrepareEnvironment): Promise<TrialResult[]> {
  const results: TrialResult[] = [];
  for (const tile of farTiles(trial).filter(({ column, row }) => column !== tried.column || row !== tried.row)) {
    try {
      const { value } = await tryTile(store, trial, tile, env, signal);
      results.push({ tile, value });
    } catch (error) {
      if (signal.aborted || !(error instanceof OperationError)) throw error;
    }
  }
  return results;
}

/** The plan that the code was tried with; undefined when there was no trial. @throws DataError RECORD_BROKEN */
export async function readTrialPlan(reader: ObjectReader, run: string): Promise<Plan | undefined> {
  return await readDocument(reader, trialPlanHref(run), planSchema);
}

/**
 * Stores the code of a plan and tries it. Doing it again gives what came of it the first time.
 * @param plan made without knowing what the code makes
 * @throws JobError PLAN_REFUSED naming what is wrong with the code's file; REQUIREMENT_MISSING; whatever the code's processes throw on the tile
 */
export async function prepareCode(store: Store, plan: Plan, environment: PrepareEnvironment): Promise<PreparedCode> {
  const { env, signal, tile } = environment;
  const run = plan.state.run.href;
  const earlier = await readPrepared(store, run);
  if (earlier !== undefined) return earlier;
  const { operation } = plan.job;
  const requirements = [...operation.requirements, ...(operation.command === undefined ? [] : [requirementOf(operation.command, operation.parameters)])];
  await meetRequirements(requirements, { runtime: plan.code?.runtime ?? null, items: false, credentials: operation.credentials }, env);
  const { code, model } = await storeCode(store, plan);
  const trial = { ...plan, code, halo: Math.max(plan.halo, model.halo), outputs: plan.outputs.map((output) => ({ ...output, bands: plan.job.outputs[output.name]?.bands ?? model.bands[output.name] ?? output.bands })) };
  let tried: Pick<PreparedCode, 'outputs' | 'seconds' | 'tile'>;
  const startedAt = new Date().toISOString();
  // So that a trial that fails can be replayed.
  await store.put(trialPlanHref(run), encodeDocument(trial), { contentType: 'application/json', createFolders: true });
  try {
    const { value, ...made } = await tryTiles(store, trial, trialTiles(plan, tile), environment);
    const [column, row] = made.tile;
    await checkTrialResults(store, trial, { tile: { column, row }, value }, () => resultsElsewhere(store, trial, { column, row }, environment), env, signal);
    tried = made;
  } catch (error) {
    // The message alone goes through the state machine; traceback and prints are kept here.
    if (!signal.aborted) await store.put(`${run}${runFiles.result(trialNumber)}`, encodeDocument(failedTrial(error, startedAt)), { contentType: 'application/json', createFolders: true });
    throw error;
  }
  const prepared: PreparedCode = { code, halo: model.halo, ...tried };
  await store.put(preparedHref(run), encodeDocument(prepared), { contentType: 'application/json', createFolders: true });
  return prepared;
}

type Tried = Pick<PreparedCode, 'outputs' | 'seconds' | 'tile'> & { readonly value: unknown };

/** @throws what the code threw on the first of the tiles, when it threw on all */
async function tryTiles(store: Store, trial: Plan, places: readonly TilePlace[], { env, signal, onTrial }: PrepareEnvironment): Promise<Tried> {
  const code = shownCode(trial);
  let failure: unknown;
  for (const place of places) {
    onTrial?.({ code, tile: place });
    try {
      return await tryTile(store, trial, place, env, signal);
    } catch (error) {
      // Whatever isn't the tile's would meet the next one, too.
      if (signal.aborted || !(error instanceof OperationError)) throw error;
      failure ??= error;
    }
  }
  throw failure;
}

function shownCode({ job: { operation } }: Plan): string {
  const href = codeHref(operation);
  return operation.function ?? (href === undefined ? (operation.command?.[0] ?? '') : basename(href));
}

async function tryTile(store: Store, trial: Plan, place: TilePlace, env: NodeJS.ProcessEnv, signal: AbortSignal): Promise<Tried> {
  const tile = await OneTile.open(store, trial, place, env);
  const stop = (): void => void tile.close();
  signal.addEventListener('abort', stop, { once: true });
  try {
    // Starting an interpreter and loading a model happens once in a batch, and is not what a tile takes.
    await tile.load();
    const started = performance.now();
    const reply = await tile.probe();
    const outputs = Object.fromEntries(trial.outputs.map(({ name }, i) => [name, reply.outputs[i] ?? { dtype: 'float32' as const, bands: 1 }]));
    return { outputs, seconds: (performance.now() - started) / 1000, tile: [place.column, place.row], value: reply.result };
  } finally {
    signal.removeEventListener('abort', stop);
    await tile.close();
  }
}

/** A trial in a task of its own has a record as every task has; here it is the only thing that remains of one. */
function failedTrial(error: unknown, startedAt: string): BatchRecord {
  const { stack, ...described } = describeError(error);
  const recorded = { ...described, where: { ...described.where }, ...(stack === undefined ? {} : { stack }) };
  const attempt = { attempt: 1, state: 'FAILED', startedAt, endedAt: new Date().toISOString(), tilesComputed: 0, tilesReused: 0, error: recorded, task: null, log: null } as const;
  return { batch: trialNumber, task: 'trial of the code', state: 'FAILED', attempt: 1, tiles: 0, error: recorded, attempts: [attempt] };
}

/** What the file of a model tells without running it. */
interface ModelNeeds {
  readonly halo: number;
  readonly bands: Readonly<Record<string, number>>;
}

const noModel: ModelNeeds = { halo: 0, bands: {} };

/** Puts the code under the run prefix, named after its content. */
async function storeCode(store: Store, plan: Plan): Promise<{ readonly code: PlanCode; readonly model: ModelNeeds }> {
  const { operation } = plan.job;
  const href = codeHref(operation);
  if (href === undefined) return { code: { kind: 'command', runtime: null, href: null, sha256: null }, model: noModel };
  const runtime = operation.module === undefined ? 'node' : (runtimeOf(operation.module) ?? 'node');
  let model = noModel;
  const kind = operation.module === undefined ? 'model' : 'module';
  const stored = await storeBytes(store, plan.state.run.href, href, {
    bundles: kind === 'module' && runtime === 'node',
    path: `$.operation.${kind}`,
    async check(bytes) {
      if (kind === 'model') model = await modelNeeds(plan, bytes);
    },
  });
  return { code: { kind, runtime, href: stored.href, sha256: stored.sha256 }, model };
}

async function modelNeeds({ job, inputs, outputs, tileSize }: Plan, bytes: Uint8Array): Promise<ModelNeeds> {
  const [{ modelHalo }, { modelFacts }, { modelPlan }] = await Promise.all([import('../code/model/chips.ts'), import('../code/model/model-facts.ts'), import('../code/model/model-plan.ts')]);
  const setup = modelSetup(job.operation.model);
  if (setup === null) return noModel;
  const facts = modelFacts(bytes);
  const planned = modelPlan(setup, facts, inputs, outputs.map(({ name }) => name));
  return { halo: modelHalo(setup, facts, tileSize), bands: Object.fromEntries(planned.outputs.flatMap(({ bands }, i): [string, number][] => (bands === null ? [] : [[outputs[i]?.name ?? '', bands]]))) };
}
