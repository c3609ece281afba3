/**
 * One part of a run as a process of its own, for scenarios/scaling.ts:
 *
 *     node bench/scaling-step.ts split FOLDER TILES_PER_TASK
 *     node bench/scaling-step.ts reduce FOLDER
 *
 * FOLDER has sparse.tif, of tiles of 128 px. The state that passes between the parts is kept in FOLDER/state.json.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import type { ReduceResult, RunState } from '../lib/job/events.ts';
import { reduce } from '../lib/job/reduce.ts';
import { split } from '../lib/job/split.ts';
import { createStore } from '../lib/store/routing-store.ts';

const [part, folder = '', tilesPerTask = '1'] = process.argv.slice(2);
const stateFile = `${folder}/state.json`;
const store = createStore();

if (part === 'split') {
  const job = {
    inputs: { scene: `${folder}/sparse.tif` },
    grid: { tileSize: 128 },
    operation: { expression: { out: 'scene[1] * 2' } },
    outputs: { out: { href: `${folder}/out.tif`, dtype: 'uint8', nodata: 0, blockSize: 128 } },
    compute: { memory: '16 GiB', tilesPerTask: Number(tilesPerTask) },
  };
  const env = { TILEFAN_WORK: `${pathToFileURL(folder).href}/`, TILEFAN_LOCAL_THREADS: '2' };
  writeFileSync(stateFile, JSON.stringify(await split({ input: { job }, execution: 'scaling' }, { store, env })));
} else {
  // What follows a pass is decided by the state machine: MERGING is called again, MORE wants workers.
  let state = JSON.parse(readFileSync(stateFile, 'utf8')) as RunState | ReduceResult;
  do state = await reduce(state, { store });
  while ((state as ReduceResult).status === 'MERGING');
  writeFileSync(stateFile, JSON.stringify(state));
}
await store.close();
