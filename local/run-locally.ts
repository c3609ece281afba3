/** Runs a job on this machine: the state machine, the handlers and the worker that AWS runs, with files or S3 as the store. */
import { readFile } from 'node:fs/promises';
import * as z from 'zod';
import { handler as failBatch } from '../functions/fail-batch/handler.ts';
import { createStore } from '../lib/store/routing-store.ts';
import type { Engine, Json, Outcome } from './engine.ts';
import { extentsHere } from './extents-here.ts';
import { LocalStepFunctionsEngine } from './local-stepfunctions-engine.ts';
import type { RunEventListener } from './run-events.ts';
import { createLocalEcs } from './run-task.ts';
import { getObjectHandler, getObjectResource, lambdaHandler, lambdaResource, manifestReader, runTaskResource, withPlainCause } from './services.ts';
import type { LambdaFunction } from './services.ts';
import { workerCommand, type StandbyWorkers } from './standby.ts';

export type { RunEvent, RunEventListener } from './run-events.ts';

const definitionFile = new URL('../statemachines/tile-pipeline.asl.json', import.meta.url);

/** Nobody waits half a minute for a machine that is his own: a back-off of 60 s lasts 1.2 s. */
const defaultWaitScale = 0.02;

/** Makes a function's handler for an environment, as functions/<name>/handler.ts exports it. */
export type CreateHandler = (env: Readonly<Record<string, string | undefined>>) => LambdaFunction;

export interface LocalRunOptions {
  /** The execution's input: a job spec with absolute hrefs, or `{ job, run? }`. */
  readonly input: Json;
  /** The name of the execution, which becomes the run id. The same id on the same work prefix continues that run. */
  readonly runId: string;
  /** Worker processes at a time, at most. */
  readonly workers: number;
  /** The href under which runs/ lie; ends in `/`. */
  readonly work: string;
  /** Ends the run within two seconds, workers included. */
  readonly signal?: AbortSignal;
  readonly onEvent?: RunEventListener;
  /** Added to this process's environment for handlers and workers. */
  readonly env?: Readonly<Record<string, string>>;
  /** Program and arguments of the worker; default: this Node and containers/worker/main.ts. */
  readonly workerCommand?: readonly string[];
  /** Workers of the default command that have been started already, with this process's environment and `env`. */
  readonly standby?: StandbyWorkers | undefined;
  /** Waits and retry intervals are multiplied by this; default 0.02. */
  readonly waitScale?: number;
  /** Other functions than those in functions/, for tests. */
  readonly functions?: { readonly split: CreateHandler; readonly reduce: CreateHandler };
  readonly engine?: Engine;
}

export interface FailedBatch {
  readonly batch: number;
  readonly error: string;
  readonly cause: string;
}

/** What the engine itself reads of the documents that pass through it. */
const passed = z.looseObject({ pass: z.int() });
const manifestLine = z.looseObject({ batch: z.int() });

/** How a run ended. With failures that the job tolerates a run succeeds, and `failedBatches` names them. */
export type LocalRunResult = { readonly failedBatches: readonly FailedBatch[] } & (
  | { readonly state: 'SUCCEEDED'; readonly output: Json }
  | { readonly state: 'FAILED'; readonly error: string; readonly cause: string }
  | { readonly state: 'ABORTED' }
);

/** Runs a job to its end. Rejects only for defects of the engine or the definition; what the job did is in the result. */
export async function runLocally(options: LocalRunOptions): Promise<LocalRunResult> {
  const { input, runId, workers, work, signal = new AbortController().signal, onEvent = () => undefined } = options;
  const engine = options.engine ?? new LocalStepFunctionsEngine();
  const [definition, functions] = await Promise.all([readDefinition(), options.functions ?? importFunctions(signal, onEvent)]);
  const env = { ...process.env, ...options.env, TILEFAN_WORK: work };
  const store = createStore();
  const ecs = createLocalEcs({ store, command: options.workerCommand ?? workerCommand, standby: options.standby, env, onEvent });
  const failedBatches: FailedBatch[] = [];
  try {
    const outcome = await engine.execute(definition, input, {
      name: runId,
      maxConcurrency: workers,
      waitScale: options.waitScale ?? defaultWaitScale,
      signal,
      readItems: manifestReader(store),
      tasks: {
        [lambdaResource]: lambdaHandler({
          '#{SplitLambdaFunction.Arn}': functions.split(env),
          '#{ReduceLambdaFunction.Arn}': functions.reduce(env),
          '#{FailBatchLambdaFunction.Arn}': failBatch,
        }),
        [runTaskResource]: ecs.runTask,
        [getObjectResource]: getObjectHandler(store),
      },
      onStateEntered: (state) => onEvent({ type: 'StateEntered', state }),
      onItemsStarted(_state, entered, batches) {
        options.standby?.dismiss(batches);
        // It loads while workers work; an error comes again when it is called.
        if (options.functions === undefined) importReduce().catch(() => undefined);
        onEvent({ type: 'BatchesStarted', pass: passed.parse(entered).pass, batches });
      },
      onItemEnded(item, outcome) {
        const { batch } = manifestLine.parse(item);
        const ended = withPlainCause(outcome);
        if (ended.state === 'SUCCEEDED') onEvent({ type: 'BatchSucceeded', batch });
        if (ended.state !== 'FAILED') return;
        failedBatches.push({ batch, error: ended.error, cause: ended.cause });
        onEvent({ type: 'BatchFailed', batch, error: ended.error, cause: ended.cause });
      },
    });
    return { ...explain(outcome, failedBatches), failedBatches };
  } finally {
    await ecs.drain();
    await store.close();
  }
}

async function readDefinition(): Promise<Json> {
  return JSON.parse(await readFile(definitionFile, 'utf8')) as Json;
}

/** Loaded only for a run, and while the interpreter loads; reduce, when it is called at the latest. */
async function importFunctions(signal: AbortSignal, onEvent: RunEventListener): Promise<{ readonly split: CreateHandler; readonly reduce: CreateHandler }> {
  const { createHandler } = await import('../functions/split/handler.ts');
  const splitHere: CreateHandler = (env) =>
    createHandler(env, {
      async prepareCode(store, plan) {
        const { prepareCode } = await import('../lib/job/prepare-code.ts');
        return await prepareCode(store, plan, { env, signal, onTrial: (trial) => onEvent({ type: 'TrialStarted', ...trial }) });
      },
      findExtents: extentsHere(signal),
      async prepareItems(store, plan) {
        const { prepareItems } = await import('../lib/job/items/prepare-items.ts');
        return await prepareItems(store, plan, env);
      },
    });
  return { split: splitHere, reduce: (env) => async (event, context) => (await importReduce()).createHandler(env)(event, context) };
}

async function importReduce(): Promise<{ readonly createHandler: CreateHandler }> {
  return await import('../functions/reduce/handler.ts');
}

/** Why a run failed: a Map only says how many of its batches failed, so the first of them is told too. */
function explain(outcome: Outcome, [first]: readonly FailedBatch[]): Outcome {
  if (outcome.state !== 'FAILED') return outcome;
  if (outcome.error !== 'States.ExceedToleratedFailureThreshold' || first === undefined) return withPlainCause(outcome);
  return { ...outcome, cause: `${outcome.cause} ${first.error}: ${first.cause}` };
}
