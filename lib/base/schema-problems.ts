/**
 * What is wrong with a document from outside, as its schema sees it, in words of one kind wherever it is said: what was wanted, and what was found. A schema's own messages are of the form
 * "wanted …"; for everything else zod's are replaced.
 */
import type * as z from 'zod';
import { nearestName } from './nearest.ts';

export interface SchemaProblem {
  readonly path: readonly PropertyKey[];
  readonly message: string;
  /** Set for a field that the schema doesn't have. */
  readonly unknown?: true;
}

export type Checked<Output> = { readonly success: true; readonly data: Output } | { readonly success: false; readonly problems: readonly SchemaProblem[]; readonly cause: z.ZodError };

/**
 * Parses a document, or says everything that is wrong with it.
 * @param knownFields names of the fields of the object at a path, for "did you mean"
 */
export function checkSchema<Schema extends z.ZodType>(schema: Schema, document: unknown, knownFields: (path: readonly PropertyKey[]) => readonly string[] = () => []): Checked<z.output<Schema>> {
  const parsed = schema.safeParse(document, { error: wanted });
  if (parsed.success) return parsed;
  return { success: false, problems: parsed.error.issues.flatMap((issue) => describeIssue(issue, [], document, knownFields)), cause: parsed.error };
}

/** All problems in one line. @param whole what an empty path is called */
export function problemsLine(problems: readonly SchemaProblem[], whole: string): string {
  return problems.map(({ path, message }) => `${path.length === 0 ? whole : path.map(String).join('.')}: ${message}`).join('; ');
}

type KnownFields = (path: readonly PropertyKey[]) => readonly string[];

function describeIssue(issue: z.core.$ZodIssue, above: readonly PropertyKey[], document: unknown, knownFields: KnownFields): SchemaProblem[] {
  const path = [...above, ...issue.path];
  const found = valueAt(document, path);
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((key) => {
        const known = knownFields(path);
        const near = nearestName(key, known);
        const hint = near !== undefined ? `; did you mean ${JSON.stringify(near)}?` : known.length === 0 ? '' : `; known are ${known.join(', ')}`;
        return { path: [...path, key], message: `unknown field${hint}`, unknown: true };
      });
    case 'invalid_union':
      return describeUnion(issue, path, document, knownFields);
    case 'invalid_key':
      return [{ path, message: `bad name: ${issue.issues.map((inner) => inner.message).join('; ')}` }];
    case 'invalid_type':
      return [{ path, message: found === undefined ? `missing; ${issue.message}` : `${issue.message}, found ${shownValue(found)}` }];
    case 'invalid_value':
      return [{ path, message: `${found === undefined ? 'missing; ' : ''}wanted ${issue.values.map((value) => shownValue(value)).join(', ')}${found === undefined ? '' : `; found ${shownValue(found)}${suggestion(found, issue.values)}`}` }];
    default:
      return [{ path, message: `${issue.message}; found ${shownValue(found)}` }];
  }
}

/** Of a union the branch that the user most likely meant: the one whose complaints lie deepest; else what all branches want. */
function describeUnion(issue: z.core.$ZodIssueInvalidUnion, path: readonly PropertyKey[], document: unknown, knownFields: KnownFields): SchemaProblem[] {
  const found = valueAt(document, path);
  if (found === undefined) return [{ path, message: 'missing' }];
  const meant = issue.errors.find((branch) =>
    branch.every((inner) => !(inner.path.length === 0 && (inner.code === 'invalid_type' || inner.code === 'invalid_value'))),
  );
  if (meant !== undefined && meant.length > 0) return meant.flatMap((inner) => describeIssue(inner, path, document, knownFields));
  const choices = issue.errors.flatMap((branch) =>
    branch.map((inner) => {
      if (inner.code === 'invalid_type') return expectedName(inner.expected);
      if (inner.code === 'invalid_value') return inner.values.map((value) => shownValue(value)).join(', ');
      return inner.message.replace(/^wanted /, '');
    }),
  );
  return [{ path, message: `wanted ${[...new Set(choices)].join(' or ')}; found ${shownValue(found)}` }];
}

/** What a rule wants for which the schema has no words of its own. */
function wanted(issue: z.core.$ZodRawIssue): string | undefined {
  switch (issue.code) {
    case 'invalid_type':
      return `wanted ${expectedName(issue.expected)}`;
    case 'invalid_value':
      return `wanted ${issue.values.map((value) => shownValue(value)).join(', ')}`;
    case 'too_small':
      return `wanted ${bound(issue.origin, issue.minimum, issue.exact === true ? '' : issue.inclusive === false ? 'more than ' : 'at least ')}`;
    case 'too_big':
      return `wanted ${bound(issue.origin, issue.maximum, issue.exact === true ? '' : issue.inclusive === false ? 'less than ' : 'at most ')}`;
    case 'not_multiple_of':
      return `wanted a multiple of ${String(issue.divisor)}`;
    case 'invalid_format':
      return issue.format === 'regex' ? `wanted a string that matches ${String(issue.pattern)}` : `wanted a string of the form ${issue.format}`;
    default:
      return undefined;
  }
}

/** "at least 1", "at most 3 entries", "a string that isn't empty". */
function bound(origin: string, limit: number | bigint, how: string): string {
  const counted: Readonly<Record<string, readonly [string, string]>> = { array: ['entry', 'entries'], set: ['entry', 'entries'], map: ['entry', 'entries'], object: ['field', 'fields'], string: ['character', 'characters'] };
  const [one, many] = counted[origin] ?? ['', ''];
  if (origin === 'string' && how === 'at least ' && Number(limit) === 1) return "a string that isn't empty";
  return `${how}${String(limit)}${one === '' ? '' : ` ${Number(limit) === 1 ? one : many}`}`;
}

/** zod's names for types, in the words of JSON. */
function expectedName(expected: string): string {
  return { record: 'object', int: 'whole number' }[expected] ?? expected;
}

function valueAt(document: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (value, key) => (typeof value === 'object' && value !== null ? (value as Record<PropertyKey, unknown>)[key] : undefined),
    document,
  );
}

function suggestion(found: unknown, values: readonly unknown[]): string {
  if (typeof found !== 'string') return '';
  const near = nearestName(found, values.filter((value) => typeof value === 'string'));
  return near === undefined ? '' : `; did you mean ${JSON.stringify(near)}?`;
}

/** A value as it may stand in a message: JSON, cut at 80 characters; what JSON has no words for by its own. */
export function shownValue(value: unknown): string {
  const text = textOf(value);
  return text.length > 80 ? `${text.slice(0, 77)}…` : text;
}

function textOf(value: unknown): string {
  switch (typeof value) {
    case 'undefined':
      return 'nothing';
    case 'bigint':
      return `${String(value)}n, a bigint`;
    case 'number':
      return String(value);
    case 'function':
      return value.name === '' ? 'a function' : `a function, ${value.name}`;
    case 'symbol':
      return `a symbol, ${String(value)}`;
    case 'object': {
      const made = value === null ? undefined : madeBy(value);
      if (made !== undefined) return `an object of class ${made}`;
      break;
    }
    case 'string':
    case 'boolean':
  }
  try {
    return JSON.stringify(value);
  } catch {
    // Nested deeper than the stack reaches, in a circle, or with a bigint in it.
    return Array.isArray(value) ? 'a list' : 'an object';
  }
}

/** The class of an object that JSON has no form for: Map, Date, one of the user's own. */
function madeBy(value: object): string | undefined {
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype === null || prototype === Object.prototype || Array.isArray(value)) return undefined;
  const { constructor } = value;
  // Of another realm (node:vm) plain objects have another Object.
  return typeof constructor !== 'function' || constructor.name === 'Object' || constructor.name === '' ? undefined : constructor.name;
}
