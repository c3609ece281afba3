/** A small job, split by the project's own function, so that one batch waits for a worker. */
import { makeScene } from '../../examples/make-scene.ts';
import { createHandler as createReduce } from '../../functions/reduce/handler.ts';
import { createHandler as createSplit } from '../../functions/split/handler.ts';
import type { SplitResult } from '../../lib/job/events.ts';
import { runFiles } from '../../lib/job/plan.ts';
import { batchRecord, readDocument, runRecord, type BatchRecord, type RunRecord } from '../../lib/job/records.ts';
import { createStore } from '../../lib/store/routing-store.ts';
import type { Store } from '../../lib/store/store.ts';

/** Of 128 pixels. */
const sizePx = 1024;
export const tiles = 64;

export interface SmallRun {
  readonly state: SplitResult;
  /** What RunTask would put into the container's environment. */
  readonly env: Readonly<Record<string, string>>;
}

const context = { awsRequestId: 'request', getRemainingTimeInMillis: () => 900_000 };

export function makeSmallScene(path: string): void {
  makeScene(path, sizePx);
}

interface SmallRunOptions {
  /** For the function's environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Of the job; default: tiles of 128 px on the scene's own grid. */
  readonly grid?: object;
}

/**
 * @param base an href that ends in `/`; the scene lies there as scene.tif, and everything that the run writes comes there
 */
export async function splitSmallJob(base: string, run: string, { env = {}, grid = { tileSize: 128 } }: SmallRunOptions = {}): Promise<SmallRun> {
  const job = {
    name: 'small',
    inputs: { scene: `${base}scene.tif` },
    grid,
    compute: { tilesPerTask: tiles },
    operation: { expression: { ndvi: '(scene[4] - scene[3]) / (scene[4] + scene[3])', grey: 'min(255, scene[4] / 20)' } },
    outputs: {
      ndvi: { href: `${base}${run}-ndvi.tif`, dtype: 'float32', nodata: -9999, compression: 'zstd', blockSize: 128 },
      grey: { href: `${base}${run}-grey.tif`, dtype: 'uint8', blockSize: 128 },
    },
  };
  const split = createSplit({ TILEFAN_WORK: `${base}work/`, TILEFAN_LOCAL_THREADS: '1', TILEFAN_STARTUP_SECONDS: '0.1', ...env });
  const state = await split({ input: { job, run }, execution: run }, context);
  const line = await onlyLine(`${state.run.href}${runFiles.manifest(0)}`);
  return { state, env: { TILEFAN_RUN: state.run.href, TILEFAN_BATCH: line, TILEFAN_ATTEMPT: '1', TILEFAN_TIMEOUT_SECONDS: '600' } };
}

/** The line of a manifest that has one. */
async function onlyLine(href: string): Promise<string> {
  const store = createStore();
  try {
    const [line = '', ...others] = new TextDecoder().decode(await store.readAll(href)).trimEnd().split('\n');
    if (others.length > 0) throw new Error(`${href} has ${String(others.length + 1)} lines`);
    return line;
  } finally {
    await store.close();
  }
}

export async function readBatchRecord(store: Store, { state }: SmallRun): Promise<BatchRecord> {
  const record = await readDocument(store, `${state.run.href}${runFiles.result(0)}`, batchRecord);
  if (record === undefined) throw new Error(`no record of batch 0 under ${state.run.href}`);
  return record;
}

/** Merges what the worker has committed. @param env of the function */
export async function finish(store: Store, { state }: SmallRun, env: Readonly<Record<string, string>> = {}): Promise<RunRecord> {
  const { status } = await createReduce(env)(state, context);
  if (status !== 'DONE') throw new Error(`reduce said ${status}`);
  const record = await readDocument(store, `${state.run.href}${runFiles.record}`, runRecord);
  if (record === undefined) throw new Error(`no record of the run under ${state.run.href}`);
  return record;
}
