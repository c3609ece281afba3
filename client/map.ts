/** `map`: a function over many items. */
import { basename, extname, resolve } from 'node:path';
import { JobError } from '../lib/base/errors.ts';
import { moduleEndings } from '../lib/job/operation-kind.ts';
import { userFolder } from '../cli/user-folder.ts';
import { fromCaller } from './caller-stack.ts';
import { RunHandle } from './handle.ts';
import { checkOptions, mapOptions } from './options.ts';
import { parameterSets } from './parameter-sets.ts';
import type { MapOptions } from './types.ts';
import { start } from './run.ts';
import type { AwsContext } from './start-aws.ts';

/** A file with a function, and which function of it. */
export interface FunctionPlace {
  /** Path or href of a .ts, .mts, .js, .mjs, .py or .pkl file. */
  readonly module: string | URL;
  /** Default: the module's only one. */
  readonly function?: string;
}

/**
 * Starts a run of a function over items: objects, whose hrefs or paths are given as texts or URLs (the function gets each as its item), or sets of parameters. Another value comes as the
 * parameter `value`. Or what another run has come to: its handle, whose end is waited for, or `run:ID`.
 * @throws JobError MAP_ITEMS, MAP_FUNCTION, OPTION_UNKNOWN; what `run` throws
 */
export async function map<Value = unknown>(code: string | URL | FunctionPlace, items: Iterable<unknown> | RunHandle, options: MapOptions = {}, aws?: AwsContext): Promise<RunHandle<Value>> {
  return await fromCaller(map, async () => {
    await checkOptions(options, mapOptions);
    return await start<Value>(mapJob(code, items instanceof RunHandle ? await sourceOf(items) : items, options), options, aws);
  });
}

/** A run whose results are the items: it has to succeed. @throws ItemError, RunError when it doesn't */
async function sourceOf(handle: RunHandle): Promise<string> {
  const { state, error } = await handle.result();
  if (state === 'SUCCEEDED') return `run:${handle.run}`;
  await handle.values();
  throw error ?? new Error(`run ${handle.run} has failed`);
}

/** The job that a call of `map` is. */
export function mapJob(code: string | URL | FunctionPlace, items: Iterable<unknown>, options: MapOptions): object {
  const { name, parameters, requirements, credentials, timeout, outputs, results, tolerate } = options;
  const place: FunctionPlace = typeof code === 'string' || code instanceof URL ? { module: code } : code;
  if (typeof code === 'function' || typeof place !== 'object' || place === null || place.module === undefined) {
    throw new JobError('MAP_FUNCTION', `map wants the file of a function (${moduleEndings.map((ending) => `.${ending}`).join(', ')}), or { module, function }, since the function runs in other processes; found ${typeof code}`);
  }
  const module = place.module instanceof URL ? place.module.href : place.module;
  return {
    name: jobName(name ?? place.function ?? basename(module, extname(module))),
    items: typeof items === 'string' ? fromRun(items) : itemsOf([...items]),
    operation: { module: absolute(module), ...defined({ function: place.function, parameters, requirements, credentials, timeout }) },
    ...(outputs === undefined ? {} : { outputs: { prefix: absolute(outputs) } }),
    ...(results === undefined ? {} : { results: { href: absolute(results) } }),
    ...(tolerate === undefined ? {} : { tolerateFailures: { percentage: tolerate } }),
  };
}

function fromRun(text: string): object {
  if (!text.startsWith('run:')) throw new JobError('MAP_ITEMS', `the items are one text, ${JSON.stringify(text)}; wanted a list, a run's handle, or run:ID`);
  return { from: text };
}

function itemsOf(items: readonly unknown[]): object {
  if (items.length === 0) throw new JobError('MAP_ITEMS', 'there are no items: wanted one at least');
  const texts = items.filter((item) => typeof item === 'string' || item instanceof URL);
  if (texts.length === items.length) return { hrefs: texts.map((item) => absolute(item instanceof URL ? item.href : item)) };
  if (texts.length > 0) {
    const first = items.findIndex((item) => typeof item !== 'string' && !(item instanceof URL));
    throw new JobError('MAP_ITEMS', `items ${String(items.findIndex((item) => typeof item === 'string' || item instanceof URL))} and ${String(first)} are of two kinds: wanted objects (texts or URLs) only, or sets of parameters only`);
  }
  return { parameters: parameterSets(items) };
}

function absolute(text: string): string {
  return text.includes('://') ? text : resolve(userFolder(), text) + (text.endsWith('/') ? '/' : '');
}

/** Letters, digits, _ and -, as names of jobs are. */
export function jobName(text: string): string {
  return text.replaceAll(/[^A-Za-z0-9_-]+/g, '-').replaceAll(/^[-_]+|[-_]+$/g, '').slice(0, 40) || 'map';
}

function defined(fields: Readonly<Record<string, unknown>>): object {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}
