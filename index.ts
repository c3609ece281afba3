/**
 * What may be imported from `tilefan`: `run` and `map`, which start runs (docs/clients.md), and the types of the functions that run over tiles, or over items. Users' own code that
 * runs in a worker has a use for the types only. Editors of users read client/types.ts in its place (package.json), which names nothing of ours.
 */
export { ItemError, type ItemResult } from './client/item-result.ts';
export { map, type FunctionPlace } from './client/map.ts';
export { RunError } from './client/run-end.ts';
export { run } from './client/run.ts';
export type { MapOptions, RunOptions, RunProgress } from './client/types.ts';
export type { RunHandle, RunResult } from './client/handle.ts';
export type * from './lib/code/item-function.ts';
export type * from './lib/code/tile-function.ts';
