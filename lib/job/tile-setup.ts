/** What compute threads are told of a plan. */
import type { ExpressionProgram } from '../raster/expression/program.ts';
import { encodingOf, levelOwners, type Plan } from './plan.ts';
import type { TileImage, TileSetup } from './tile.ts';

export function tileSetupOf(plan: Plan, program: ExpressionProgram, images: readonly TileImage[]): TileSetup {
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
  return { tileSize: plan.tileSize, images, program, outputs };
}
