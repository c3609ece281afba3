/** The user's function, out of its bundle. */
import { pathToFileURL } from 'node:url';

import { nearestName } from '../../base/nearest.ts';
import { defaultExport } from '../source-names.ts';
import type { Tile } from '../tile-function.ts';
import { CodeError } from './code-error.ts';

export type AnyTileFunction = (tile: Tile) => unknown;
export type AnyMergeFunction = (a: unknown, b: unknown) => unknown;
export type AnyItemFunction = (item: unknown, second?: unknown) => unknown;

const kinds = {
  tile: { wanted: 'a function of one argument, the object { inputs, outputs, info, parameters }', least: 0, most: 1 },
  // One that doesn't look at its second argument would lose all results but the first.
  merge: { wanted: 'a function merge(a, b) of two results', least: 2, most: 2 },
  item: { wanted: 'a function of an item, or of (parameters, item) for sets of parameters', least: 0, most: 2 },
} as const;

/**
 * @param name null: the default export
 * @throws CodeError missing, signature; whatever the module throws while it is loaded
 */
export async function loadFunction(path: string, name: string | null): Promise<AnyTileFunction> {
  return (await load(path, name, kinds.tile)) as AnyTileFunction;
}

/** As loadFunction, for a function that makes one result of two. */
export async function loadMerge(path: string, name: string | null): Promise<AnyMergeFunction> {
  return (await load(path, name, kinds.merge)) as AnyMergeFunction;
}

/** As loadFunction, for a function over items. */
export async function loadItemFunction(path: string, name: string | null): Promise<AnyItemFunction> {
  return (await load(path, name, kinds.item)) as AnyItemFunction;
}

async function load(path: string, name: string | null, { wanted, least, most }: (typeof kinds)[keyof typeof kinds]): Promise<(...args: never[]) => unknown> {
  const found = exportsOf((await import(pathToFileURL(path).href)) as Readonly<Record<string, unknown>>);
  if (!found.has(name ?? 'default')) {
    throw missing(
      name,
      [...found.keys()].filter((known) => known !== 'default'),
      found.has('default'),
    );
  }
  const value = found.get(name ?? 'default');
  const called = name ?? defaultExport;
  const wrong = (what: string): CodeError => new CodeError('signature', `${called} ${what}; wanted ${wanted}`);
  if (typeof value !== 'function') throw wrong(`is ${value === null ? 'null' : value === undefined ? 'undefined' : Array.isArray(value) ? 'an array' : `a value of type ${typeof value}`}`);
  if (/^class\b/.test(Function.prototype.toString.call(value))) throw wrong('is a class');
  // Not by node:util: imported, it makes prints fail that come faster than they are read (EAGAIN).
  if (Object.prototype.toString.call(value).endsWith('GeneratorFunction]')) throw wrong('is a generator (function*), which nothing runs to its end');
  if (value.length > most) throw wrong(`takes ${String(value.length)} arguments`);
  const plain = plainArguments(value);
  if (plain !== undefined && plain < least) throw wrong(`takes ${plain === 0 ? 'no argument' : 'one argument'}`);
  return value as (...args: never[]) => unknown;
}

/** Arguments of a function that takes none or one, as its source has it; undefined for all others, such as (a, b = {}) and (...results), whose `length` says as little. */
function plainArguments(value: object): 0 | 1 | undefined {
  const source = Function.prototype.toString.call(value);
  const [, inBrackets, bare] = /^(?:async\b\s*)?(?:function\b\s*)?(?:[\w$]*\s*\(\s*([\w$]*)\s*\)|([\w$]+)\s*=>)/.exec(source) ?? [];
  if ((inBrackets === undefined && bare === undefined) || /\barguments\b/.test(source)) return undefined;
  return inBrackets === '' ? 0 : 1;
}

/** What a function is called in messages: its name in the job, else in its module. @param run what loadFunction and the others gave */
export function shownName(name: string | null, run: { readonly name: string }): string {
  if (name !== null) return name;
  // esbuild names a default that has no name after its file: ndvi_default.
  return run.name === '' || run.name === 'default' || /_default\d*$/.test(run.name) ? defaultExport : run.name;
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
