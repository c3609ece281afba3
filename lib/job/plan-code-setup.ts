/** What the processes that run a plan's code are told first. */
import { toJsonNumber } from '../base/json-number.ts';
import type { CodeSetup } from '../code/code-setup.ts';
import { modelOptions, type ModelSetup } from '../code/model/model-setup.ts';
import { displayHref } from '../store/href.ts';
import { codeMemoryBytes, localWorkers } from './code-memory.ts';
import { nodataOf, tilingOf, type Plan } from './plan.ts';
import { localCapacity } from './capacity.ts';
import { tileGrid } from './tiling.ts';

/**
 * @param code path of the local copy of the code; empty for commands
 * @param threads processes that share a task's memory
 * @param env the worker's
 */
export function codeSetupOf(plan: Plan, code: string, threads: number, env: NodeJS.ProcessEnv): CodeSetup {
  const { job, grid, inputs, outputs, tileSize, halo, memory } = plan;
  const planned = memory.code / Math.max(1, threads);
  const { operation } = job;
  return {
    code,
    function: operation.function ?? null,
    parameters: operation.parameters,
    lists: operation.lists,
    serial: operation.serial,
    inputs: inputs.map((input) => ({ name: input.name, dtype: input.dtype, bands: input.bands, nodata: jsonNodata(input), masked: input.masked, files: input.scenes.map(({ href, convertedFrom }) => displayHref(convertedFrom ?? href)) })),
    outputs: outputs.map((output) => ({ name: output.name, dtype: output.dtype, bands: output.bands, nodata: jsonNodata(output), file: displayHref(output.href) })),
    grid: { columns: grid.columns, rows: grid.rows, geotransform: grid.geotransform, crs: grid.epsg === null ? (grid.wkt ?? null) : `EPSG:${String(grid.epsg)}` },
    tileSize,
    halo,
    tiles: tileGrid(tilingOf(plan)),
    model: modelSetup(operation.model),
    memoryBytes: codeMemoryBytes({ limit: memory.limit, others: memory.total - planned, planned, runtime: plan.code?.runtime ?? null, sharing: sharing(plan, env) }),
  };
}

/** Processes that share a machine with others; undefined for a task, which is there for nothing else, and where the job says how much memory there is. */
function sharing({ job, state, threads }: Plan, env: NodeJS.ProcessEnv): number | undefined {
  if (job.compute.memory !== undefined || state.compute.strategy[0]?.CapacityProvider !== localCapacity) return undefined;
  return localWorkers(env) * threads;
}

function jsonNodata(of: Parameters<typeof nodataOf>[0]): CodeSetup['inputs'][number]['nodata'] {
  const nodata = nodataOf(of);
  return nodata === undefined ? null : toJsonNumber(nodata);
}

export function modelSetup(model: Plan['job']['operation']['model']): ModelSetup | null {
  if (model === undefined) return null;
  const { href: _href, ...setup } = typeof model === 'string' ? modelOptions.parse({ href: model }) : model;
  return setup;
}
