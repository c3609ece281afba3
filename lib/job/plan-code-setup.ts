/** What the processes that run a plan's code are told first. */
import { toJsonNumber } from '../base/json-number.ts';
import type { CodeSetup } from '../code/code-setup.ts';
import { modelOptions, type ModelSetup } from '../code/model/model-setup.ts';
import { displayHref } from '../store/href.ts';
import { nodataOf, tilingOf, type Plan } from './plan.ts';
import { tileGrid } from './tiling.ts';

/**
 * @param code path of the local copy of the code; empty for commands
 * @param threads processes that share a task's memory
 */
export function codeSetupOf(plan: Plan, code: string, threads: number): CodeSetup {
  const { job, grid, inputs, outputs, tileSize, halo, memory } = plan;
  const { operation } = job;
  return {
    code,
    function: operation.function ?? null,
    parameters: operation.parameters,
    lists: operation.lists,
    serial: operation.serial,
    inputs: inputs.map((input) => ({ name: input.name, dtype: input.dtype, bands: input.bands, nodata: jsonNodata(input), masked: input.masked, files: input.scenes.map(({ href, convertedFrom }) => displayHref(convertedFrom ?? href)) })),
    outputs: outputs.map((output) => ({ name: output.name, dtype: output.dtype, bands: output.bands, nodata: jsonNodata(output), file: displayHref(output.href) })),
    grid: { columns: grid.columns, rows: grid.rows, geotransform: grid.geotransform, crs: grid.epsg === null ? null : `EPSG:${String(grid.epsg)}` },
    tileSize,
    halo,
    tiles: tileGrid(tilingOf(plan)),
    model: modelSetup(operation.model),
    // What the task has, without what the worker and the other processes need by the plan.
    memoryBytes: Math.max(leastMemoryBytes, Math.floor(memory.limit - memory.total + memory.code / Math.max(1, threads))),
  };
}

/** A limit below this keeps interpreters from starting, and tells nobody anything. */
const leastMemoryBytes = 512 * 2 ** 20;

function jsonNodata(of: Parameters<typeof nodataOf>[0]): CodeSetup['inputs'][number]['nodata'] {
  const nodata = nodataOf(of);
  return nodata === undefined ? null : toJsonNumber(nodata);
}

export function modelSetup(model: Plan['job']['operation']['model']): ModelSetup | null {
  if (model === undefined) return null;
  const { href: _href, ...setup } = typeof model === 'string' ? modelOptions.parse({ href: model }) : model;
  return setup;
}
