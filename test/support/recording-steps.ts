/** Steps of a run as the state machine takes them, for the scenario that is recorded. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import type { RunState } from '../../lib/job/events.ts';
import type { Stage } from './recording-stage.ts';

export function linesOf({ at }: Pick<Stage, 'at'>, { manifest }: RunState): string[] {
  return readFileSync(at(manifest.bucket, manifest.key), 'utf8').trim().split('\n');
}

/** Works on several batches at a time, as the state machine does. */
export async function workAll({ work }: Pick<Stage, 'work'>, state: RunState, lines: readonly string[]): Promise<void> {
  assert.deepEqual(await Promise.all(lines.map((line) => work(state, line))), lines.map(() => 0), 'exit codes');
}

/** Reduces until everything is done, with the passes of workers that it asks for, of which the first task is done twice. */
export async function reduceAll(stage: Pick<Stage, 'at' | 'work' | 'reduce'>, state: RunState): Promise<void> {
  let next = state;
  for (let status = ''; status !== 'DONE'; ) {
    const { status: answer, ...rest } = await stage.reduce(next);
    status = answer;
    next = rest;
    if (answer === 'MORE') for (const again of [0, 1]) await workAll(stage, next, linesOf(stage, next).slice(0, again === 0 ? undefined : 1));
  }
}
