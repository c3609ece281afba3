/** What the processes that run an object job's function or model are told first. */
import type { CodeSetup } from '../../code/code-setup.ts';
import type { ImageModelSetup } from '../../code/model/image-model-setup.ts';
import type { ObjectReader } from '../../store/store.ts';
import { codeMemoryBytes, localWorkers } from '../code-memory.ts';
import type { ItemPlan } from './item-plan.ts';
import { itemModel, type ItemOperation } from './item-spec.ts';

/**
 * @param code path of the local copy of the code
 * @param count processes that share a task's memory
 * @param model as `imageModelOf` has it; null for a function
 * @param env the worker's
 */
export function itemSetupOf({ job, code: planned, memory }: Pick<ItemPlan, 'job' | 'code' | 'memory'>, code: string, count: number, model: ImageModelSetup | null, env: NodeJS.ProcessEnv): CodeSetup {
  const { operation } = job;
  const { TILEFAN_LOCAL_THREADS: threads } = env;
  const each = memory.code / Math.max(1, count);
  const sharing = threads === undefined || job.compute.memory !== undefined ? undefined : localWorkers(env) * Math.max(count, Number(threads));
  return {
    code,
    function: operation.function ?? null,
    parameters: operation.parameters,
    lists: {},
    serial: false,
    items: { model },
    inputs: [],
    outputs: [],
    grid: { columns: 0, rows: 0, geotransform: null, crs: null },
    tileSize: 0,
    halo: 0,
    tiles: { across: 0, down: 0 },
    model: null,
    // As for tiles: no process may take what all of a task's processes have together.
    memoryBytes: codeMemoryBytes({ limit: memory.limit, others: (count - 1) * each, planned: each, runtime: planned?.runtime ?? null, sharing }),
  };
}

/** Where the code of an operation lies as the job has it. */
export function itemCodeHref({ module, model }: ItemOperation): string | undefined {
  return module ?? (typeof model === 'object' ? model.href : model);
}

/** The job's model, its labels read. null for a function. @throws what the store throws, STORE_NOT_FOUND for labels that aren't there */
export async function imageModelOf(reader: ObjectReader, { model, imageLimits }: ItemOperation): Promise<ImageModelSetup | null> {
  if (model === undefined) return null;
  const { href: _, labels, ...setup } = typeof model === 'string' ? itemModel.parse({ href: model }) : model;
  return { ...setup, limits: imageLimits, labels: typeof labels === 'string' ? readLabels(await reader.readAll(labels)) : (labels ?? null) };
}

/** One a line; an empty line is a class without a name, and the end of the last line is none. */
function readLabels(bytes: Uint8Array): string[] {
  const lines = new TextDecoder().decode(bytes).split('\n').map((line) => line.replace(/\r$/, ''));
  return lines.at(-1) === '' ? lines.slice(0, -1) : lines;
}
