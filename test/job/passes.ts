/** Overview passes in this process: what the state machine does between reduce and the workers. */
import { readFileSync } from 'node:fs';
import type { ReduceResult, RunState } from '../../lib/job/events.ts';
import { pyramidLine, type PyramidLine } from '../../lib/job/manifest.ts';
import { readPlan } from '../../lib/job/plan.ts';
import { runPyramidTask } from '../../lib/job/pyramid-task.ts';
import { reduce } from '../../lib/job/reduce.ts';
import type { Store } from '../../lib/store/store.ts';

/** The tasks that reduce has asked for. */
export function linesOf(state: RunState): PyramidLine[] {
  return readFileSync(state.manifest.key, 'utf8').trimEnd().split('\n').map((line) => pyramidLine.parse(JSON.parse(line)));
}

export async function runTasks(store: Store, state: RunState, lines: readonly PyramidLine[] = linesOf(state), signal = new AbortController().signal): Promise<void> {
  const plan = await readPlan(store, state.run.href);
  for (const line of lines) await runPyramidTask(line, { plan, store, signal });
}

export interface Finished {
  /** Tasks of each pass that was asked for. */
  readonly passes: readonly (readonly PyramidLine[])[];
  readonly calls: number;
  readonly state: ReduceResult;
}

/** Calls reduce until it is done, and does what it asks for in between. */
export async function finishRun(store: Store, start: RunState, deadline: () => number = () => Infinity): Promise<Finished> {
  const passes: PyramidLine[][] = [];
  let state: RunState = start;
  for (let calls = 1; calls < 200; calls++) {
    const result = await reduce(state, { store, deadline });
    if (result.status === 'DONE') return { passes, calls, state: result };
    const { status, ...next } = result;
    state = next;
    if (status !== 'MORE') continue;
    const lines = linesOf(state);
    passes.push(lines);
    await runTasks(store, state, lines);
  }
  throw new Error('reduce does not come to an end');
}
