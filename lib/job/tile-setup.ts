/** What compute threads are told of a plan. */
import type { ExpressionProgram } from '../raster/expression/program.ts';
import type { TileCode } from './code-tile.ts';
import { nodataRule } from './operation-kind.ts';
import { encodingOf, levelOwners, type Plan } from './plan.ts';
import type { TileSetup } from './tile.ts';
import type { TileInput } from './tile-scene.ts';

export function tileSetupOf(plan: Plan, program: ExpressionProgram, inputs: readonly TileInput[], stripRows: number): TileSetup {
  const outputs = plan.outputs.map((output) => {
    const owners = levelOwners(plan, output);
    return {
      encoding: encodingOf(output),
      // Without overviews there is one level, and nothing is resampled.
      resampling: output.overviews === 'none' ? ('nearest' as const) : output.overviews,
      tileLevel: owners.tile,
      remainder: owners.batch > owners.tile,
      statistics: output.statistics,
    };
  });
  const { columns, rows } = plan.grid;
  const code = plan.code === null ? {} : { stripRows: plan.tileSize, code: tileCode(plan) };
  return { grid: { columns, rows }, tileSize: plan.tileSize, halo: plan.halo, stripRows, inputs, program, outputs, ...code };
}

/** Before a thread has a shared file, its descriptor is none. */
function tileCode({ inputs, outputs, job }: Plan): TileCode {
  return {
    sharedFd: -1,
    inputs: inputs.map(({ bands, masked }) => ({ bands, masked })),
    outputs: outputs.map(({ bands }) => ({ bands })),
    masks: nodataRule(job.operation) === 'mask',
  };
}
