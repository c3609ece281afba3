/**
 * What editors are told of the client (client/types.ts) is what it is: tsc checks this file with the rest. Each line says that a value of the client may stand where a user has
 * the type that was told, or the other way round for what users hand in.
 */
import type * as real from '../../../index.ts';
import type * as told from '../../../client/types.ts';

type Fits<Value extends Wanted, Wanted> = [Value, Wanted];

export type Given = [
  Fits<real.RunHandle<number>, told.RunHandle<number>>,
  Fits<real.RunResult<number>, told.RunResult<number>>,
  Fits<real.ItemResult<number>, told.ItemResult<number>>,
  Fits<real.ItemError, told.ItemError>,
  Fits<told.ItemError, real.ItemError>,
  Fits<real.RunError, told.RunError>,
  Fits<told.RunError, real.RunError>,
];

export type Taken = [
  Fits<keyof real.RunHandle, keyof told.RunHandle>,
  Fits<told.FunctionPlace, real.FunctionPlace>,
  Fits<Parameters<typeof told.run>, Parameters<typeof real.run>>,
  Fits<Exclude<Parameters<typeof told.map>[1], told.RunHandle>, Parameters<typeof real.map>[1]>,
  Fits<Parameters<typeof told.map>[0], Parameters<typeof real.map>[0]>,
];
