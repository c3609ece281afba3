/**
 * How the levels above the batches are cut into tasks, for grids so large that reduce alone would take too long. A task takes a square of 2^k x 2^k blocks of a
 * level that is there, and makes the k levels above, the last of which is one block. What is left after a pass is 4^k times less. All of it is arithmetic on the plan.
 */
import type { Window } from '../raster/window.ts';
import { blockGrid } from '../tiff/cog-header.ts';
import { passNumbers } from './manifest.ts';
import { levelOwners, levelsOf, type Plan, type PlanOutput } from './plan.ts';
import { floorPowerOfTwo } from './tiling.ts';

/** Blocks, times their bands, that reduce reads in about a minute: each is fetched, decoded and halved. */
const usualReduceBlocks = 1000;

export function reduceBlocks({ reduceBlocks: blocks = usualReduceBlocks }: Plan): number {
  return blocks;
}

/** One pass over one output. */
export interface PyramidPass {
  /** Counted from 1. */
  readonly pass: number;
  /** The level that is there, and the highest that is made. */
  readonly from: number;
  readonly last: number;
  /** Blocks of level `from`. */
  readonly blocks: { readonly across: number; readonly down: number };
  /** Side of a task's square, in blocks. */
  readonly side: number;
  /** Tasks, row by row: one for each block of level `last`. */
  readonly tasks: { readonly across: number; readonly down: number };
  /** Number of the first task. */
  readonly firstBatch: number;
}

/** All passes that an output can have; how many of them are worth it is seen from what there is to read. */
export function passesOf(plan: Plan, output: PlanOutput): PyramidPass[] {
  const before = new Map<number, number>();
  for (const other of plan.outputs) {
    const passes = cutPasses(plan, other, before);
    if (other.name === output.name) return passes;
    for (const { pass, tasks } of passes) before.set(pass, (before.get(pass) ?? 0) + tasks.across * tasks.down);
  }
  throw new Error(`the plan has no output ${output.name}`);
}

function cutPasses(plan: Plan, output: PlanOutput, before: ReadonlyMap<number, number>): PyramidPass[] {
  const levels = levelsOf(plan, output);
  const grid = (level: number): { across: number; down: number } => blockGrid(levels[level] as { columns: number; rows: number }, output.blockSize);
  const { batch, top } = levelOwners(plan, output);
  // Twice of what reduce takes on: a task is then some minutes of work, beside which its start is small.
  const side = Math.max(2, floorPowerOfTwo(Math.sqrt((2 * reduceBlocks(plan)) / output.bands)));
  const passes: PyramidPass[] = [];
  for (let from = batch; from < top; ) {
    const last = Math.min(top, from + Math.log2(side));
    const pass = passes.length + 1;
    passes.push({ pass, from, last, blocks: grid(from), side, tasks: grid(last), firstBatch: pass * passNumbers + (before.get(pass) ?? 0) });
    from = last;
  }
  return passes;
}

/** The blocks of level `from` that a task begins with. */
export function squareOf({ blocks, side, tasks }: PyramidPass, task: number): Window {
  const column = (task % tasks.across) * side;
  const row = Math.floor(task / tasks.across) * side;
  return { column, row, columns: Math.min(side, blocks.across - column), rows: Math.min(side, blocks.down - row) };
}
