/**
 * Turns the definition that AWS runs into one that aws-local-stepfunctions runs with the same meaning. The file stays as it is; this
 * works on a copy, and each change has its reason:
 *
 * - Every Task gets an envelope as its Parameters, so that its handler knows state, input and time limit. The library's own time limits
 *   are 60 s by default, overflow above 2,147,483 s and leave the handler running, so they are set out of reach and kept here instead.
 * - A Wait becomes a Task, so that it can be shortened, seen and aborted; retry intervals are scaled.
 * - A distributed Map becomes a Task, whose handler runs one child machine an item. The child begins with the ItemSelector as a Pass.
 * - `States.JsonToString` of a path is evaluated here: the library drops the backslashes of its result. A Pass hands on a marker instead of
 *   the text, which the Task that uses it replaces.
 *
 * What the library would run wrongly without a word is refused: JSONata, Parallel, inline Map, heartbeats, `IsPresent: false`.
 */
import * as z from 'zod';
import { OperationError } from '../lib/base/errors.ts';
import type { Json } from './engine.ts';

type State = { readonly Type: string } & { readonly [field: string]: Json };
type Machine = { readonly StartAt: string; readonly States: Readonly<Record<string, State>> } & { readonly [field: string]: Json };
type JsonObject = { readonly [key: string]: Json };

/** The largest number of seconds whose milliseconds fit a timer (2^31 - 1). */
const longestSeconds = 2_147_483;

/** The names of our own resources. */
export const waitResource = 'tilefan:wait';
export const mapResource = 'tilefan:map';

/** What every handler gets from an adapted Task. */
export const envelope = z.strictObject({
  state: z.string(),
  resource: z.string(),
  input: z.unknown(),
  arguments: z.unknown(),
  timeoutSeconds: z.number().positive().optional(),
});

/** The arguments of an adapted Wait. */
export const waitArguments = z.strictObject({ seconds: z.number().nonnegative() });

/** The arguments of an adapted Map. */
export const mapArguments = z.strictObject({
  reader: z.unknown(),
  maxConcurrency: z.int().nonnegative().optional(),
  toleratedFailurePercentage: z.number().min(0).max(100).optional(),
});

export interface AdaptedMachine {
  readonly machine: Machine;
  /** The Task states, which the interpreter must be given handlers for. */
  readonly tasks: readonly string[];
  /** The resources that need a handler from outside, children included. */
  readonly resources: ReadonlySet<string>;
  /** The child machines of the distributed Maps, by the Map's name. */
  readonly children: ReadonlyMap<string, AdaptedMachine>;
}

const machineShape = z.looseObject({ StartAt: z.string(), States: z.record(z.string(), z.looseObject({ Type: z.string() })) });

/** Adapts a machine. @throws OperationError ENGINE_UNSUPPORTED naming state and field. */
export function adaptDefinition(definition: Json, waitScale: number): AdaptedMachine {
  const machine = machineShape.parse(definition) as Machine;
  if ((machine['QueryLanguage'] ?? 'JSONPath') !== 'JSONPath') refuse('the machine', `QueryLanguage ${textOf(machine['QueryLanguage'])}`);
  const tasks: string[] = [];
  const resources = new Set<string>();
  const children = new Map<string, AdaptedMachine>();
  const states: Record<string, State> = {};
  for (const [name, state] of Object.entries(machine.States)) {
    refuseUnsupported(name, state);
    if (state.Type === 'Map') {
      const child = adaptDefinition(childOf(name, state), waitScale);
      children.set(name, child);
      for (const resource of child.resources) resources.add(resource);
    }
    if (state.Type === 'Task') resources.add(textOf(state['Resource']));
    const adapted = adaptState(name, state, waitScale);
    if (adapted.Type === 'Task') tasks.push(name);
    states[name] = adapted;
  }
  return { machine: { ...machine, States: states }, tasks, resources, children };
}

function adaptState(name: string, state: State, waitScale: number): State {
  switch (state.Type) {
    case 'Task':
      return adaptTask(name, state, waitScale);
    case 'Wait':
      return adaptWait(name, state);
    case 'Map':
      return adaptMap(name, state);
    case 'Pass':
      return state['Parameters'] === undefined ? state : { ...state, Parameters: deferJsonText(state['Parameters']) };
    default:
      return state;
  }
}

function adaptTask(name: string, state: State, waitScale: number): State {
  const { Parameters, TimeoutSeconds, TimeoutSecondsPath, Retry, ...rest } = state;
  const limit: JsonObject =
    TimeoutSecondsPath !== undefined ? { 'timeoutSeconds.$': TimeoutSecondsPath } : TimeoutSeconds !== undefined ? { timeoutSeconds: TimeoutSeconds } : {};
  const given: JsonObject = Parameters === undefined ? { 'arguments.$': '$' } : { arguments: deferJsonText(Parameters) };
  return {
    ...rest,
    Type: 'Task',
    TimeoutSeconds: longestSeconds,
    Parameters: { state: name, resource: textOf(state['Resource']), 'input.$': '$', ...given, ...limit },
    ...(Array.isArray(Retry) ? { Retry: Retry.map((rule: Json) => scaleRetry(rule, waitScale)) } : {}),
  };
}

function adaptWait(name: string, state: State): State {
  const { Seconds, SecondsPath, Timestamp, TimestampPath, ...rest } = state;
  if (Timestamp !== undefined || TimestampPath !== undefined) refuse(name, 'a Wait until a time');
  const seconds: JsonObject = SecondsPath === undefined ? { seconds: Seconds ?? 0 } : { 'seconds.$': SecondsPath };
  return {
    ...rest,
    Type: 'Task',
    Resource: waitResource,
    TimeoutSeconds: longestSeconds,
    ResultPath: null,
    Parameters: { state: name, resource: waitResource, 'input.$': '$', arguments: seconds },
  };
}

function adaptMap(name: string, state: State): State {
  const { Next, End, ResultPath, OutputPath, Comment } = state;
  const reader = state['ItemReader'];
  if (!isObject(reader) || !isObject(reader['ReaderConfig']) || reader['ReaderConfig']['InputType'] !== 'JSONL') refuse(name, 'an ItemReader other than JSONL');
  if (state['Retry'] !== undefined || state['Catch'] !== undefined) refuse(name, 'Retry or Catch on a distributed Map');
  return {
    Type: 'Task',
    Resource: mapResource,
    TimeoutSeconds: longestSeconds,
    Parameters: {
      state: name,
      resource: mapResource,
      'input.$': '$',
      arguments: {
        reader: reader['Parameters'] ?? {},
        ...pathOrValue('maxConcurrency', state['MaxConcurrencyPath'], state['MaxConcurrency']),
        ...pathOrValue('toleratedFailurePercentage', state['ToleratedFailurePercentagePath'], state['ToleratedFailurePercentage']),
      },
    },
    ...defined({ Next, End, ResultPath, OutputPath, Comment }),
  };
}

/** The child machine of a Map; a Pass in front makes the item's input, as `$$.Map.Item` is only known per child. */
function childOf(name: string, state: State): Json {
  const processor = state['ItemProcessor'];
  if (!isObject(processor)) return refuse(name, 'a Map without an ItemProcessor');
  const config = processor['ProcessorConfig'];
  if (!isObject(config) || config['Mode'] !== 'DISTRIBUTED') refuse(name, 'an inline Map');
  const first = `${name}: ItemSelector`;
  const states = isObject(processor['States']) ? processor['States'] : {};
  const selector: Json = state['ItemSelector'] ?? { 'item.$': '$$.Map.Item.Value' };
  const select: JsonObject = {
    Type: 'Pass',
    Parameters: selector,
    ...(state['ItemSelector'] === undefined ? { OutputPath: '$.item' } : {}),
    Next: processor['StartAt'] ?? '',
  };
  return { StartAt: first, States: { [first]: select, ...states } };
}

/** Scales the times of a retry rule; its counts stay. */
function scaleRetry(rule: Json, waitScale: number): Json {
  if (!isObject(rule)) return rule;
  const { IntervalSeconds, MaxDelaySeconds, ...rest } = rule;
  const scaled = (seconds: Json | undefined, fallback: number): number => (typeof seconds === 'number' ? seconds : fallback) * waitScale;
  return { ...rest, IntervalSeconds: scaled(IntervalSeconds, 1), ...(MaxDelaySeconds === undefined ? {} : { MaxDelaySeconds: scaled(MaxDelaySeconds, 0) }) };
}

const jsonText = /^States\.JsonToString\((\$[^()',]*)\)$/;
const deferredKey = 'tilefan:json';

/** Replaces `States.JsonToString($.path)` by a marker that resolveJsonText evaluates exactly. */
function deferJsonText(template: Json): Json {
  if (Array.isArray(template)) return template.map(deferJsonText);
  if (!isObject(template)) return template;
  return Object.fromEntries(
    Object.entries(template).map(([key, value]) => {
      const path = key.endsWith('.$') && typeof value === 'string' ? jsonText.exec(value)?.[1] : undefined;
      return path === undefined ? [key, deferJsonText(value)] : [key.slice(0, -2), { [`${deferredKey}.$`]: path }];
    }),
  );
}

/** Fills the markers of deferJsonText in evaluated arguments. */
export function resolveJsonText(value: Json): Json {
  if (Array.isArray(value)) return value.map(resolveJsonText);
  if (!isObject(value)) return value;
  const deferred = value[deferredKey];
  if (deferred !== undefined) return JSON.stringify(deferred);
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, resolveJsonText(inner)]));
}

function refuseUnsupported(name: string, state: State): void {
  if (state.Type === 'Parallel') refuse(name, 'a Parallel state');
  if (state['QueryLanguage'] !== undefined && state['QueryLanguage'] !== 'JSONPath') refuse(name, `QueryLanguage ${textOf(state['QueryLanguage'])}`);
  for (const field of ['Arguments', 'Output', 'Assign', 'HeartbeatSeconds', 'HeartbeatSecondsPath']) {
    if (state[field] !== undefined) refuse(name, field);
  }
  if (state.Type === 'Choice') refuseNegativeTests(name, state['Choices'] ?? []);
}

/** The library answers false to every `IsPresent: false` and its like; `Not` works. */
function refuseNegativeTests(name: string, rule: Json): void {
  if (Array.isArray(rule)) {
    for (const inner of rule) refuseNegativeTests(name, inner);
  } else if (isObject(rule)) {
    for (const [key, value] of Object.entries(rule)) {
      if (/^Is[A-Z]/.test(key) && value === false) refuse(name, `${key}: false (write it with Not)`);
      refuseNegativeTests(name, value);
    }
  }
}

function refuse(state: string, what: string): never {
  throw new OperationError('ENGINE_UNSUPPORTED', `The local engine cannot run ${state}: found ${what}, which its interpreter does not run as AWS does`, {
    where: { state, what },
  });
}

function textOf(value: Json | undefined): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function pathOrValue(name: string, path: Json | undefined, value: Json | undefined): JsonObject {
  if (path !== undefined) return { [`${name}.$`]: path };
  return value === undefined ? {} : { [name]: value };
}

function defined(fields: Readonly<Record<string, Json | undefined>>): JsonObject {
  return Object.fromEntries(Object.entries(fields).flatMap(([key, value]) => (value === undefined ? [] : [[key, value]])));
}

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
