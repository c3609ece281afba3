/** The user's function, out of its bundle. */
import { pathToFileURL } from 'node:url';

import { nearestName } from '../../base/nearest.ts';
import type { Tile } from '../tile-function.ts';
import { CodeError } from './code-error.ts';

export type AnyTileFunction = (tile: Tile) => unknown;

/**
 * @param name null: the default export
 * @throws CodeError missing, signature; whatever the module throws while it is loaded
 */
export async function loadFunction(path: string, name: string | null): Promise<AnyTileFunction> {
  const found = exportsOf((await import(pathToFileURL(path).href)) as Readonly<Record<string, unknown>>);
  const wanted = name ?? 'default';
  if (!found.has(wanted)) throw missing(name, [...found.keys()].filter((known) => known !== 'default'), found.has('default'));
  const value = found.get(wanted);
  const called = name === null ? 'the default export' : name;
  if (typeof value !== 'function') throw new CodeError('signature', `${called} is ${value === null ? 'null' : `a ${typeof value}`}; wanted a function of { inputs, outputs, info, parameters }`);
  if (/^class\b/.test(Function.prototype.toString.call(value))) throw new CodeError('signature', `${called} is a class; wanted a function of { inputs, outputs, info, parameters }`);
  if (value.length > 1) throw new CodeError('signature', `${called} takes ${String(value.length)} arguments; wanted one, the object { inputs, outputs, info, parameters }`);
  return value as AnyTileFunction;
}

/** What a module offers; of a CommonJS module the properties of its exports, too. */
function exportsOf(module: Readonly<Record<string, unknown>>): ReadonlyMap<string, unknown> {
  const inside = module['default'];
  const ofDefault = typeof inside === 'object' && inside !== null ? Object.entries(inside) : [];
  return new Map([...ofDefault, ...Object.entries(module)]);
}

function missing(name: string | null, names: readonly string[], hasDefault: boolean): CodeError {
  const offered = [...names, ...(hasDefault ? ['a default'] : [])];
  const list = offered.length === 0 ? 'it exports nothing' : `it exports ${offered.join(', ')}`;
  if (name === null) return new CodeError('missing', `the module has no default export; name one of its functions in "function": ${list}`);
  const near = nearestName(name, names);
  return new CodeError('missing', `the module has no export ${name}${near === undefined ? '' : `; did you mean ${near}?`}${near === undefined ? ': ' : ' '}${list}`);
}
