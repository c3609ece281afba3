/** From an unknown document to an object job, or to one error that lists everything wrong with it. */
import picomatch from 'picomatch';
import { messageOf } from '../../base/errors.ts';
import { moduleEndings, runtimeOf } from '../operation-kind.ts';
import type { Problem } from '../problems.ts';
import { resultFormat } from '../result-format.ts';
import { resultFormats } from '../spec.ts';
import { documentJsonSchema, parseDocument, type JsonSchema } from '../validate.ts';
import { itemJobSpec, manifestFormats, mostItems, type ItemJobSpec, type ItemOperation, type JobItems, type ManifestFormat } from './item-spec.ts';
import { gridSize } from './parameter-items.ts';

/** Where items can come from; a valid job names exactly one. */
export const itemSources = ['prefix', 'hrefs', 'manifest', 'parameters', 'parameterGrid', 'from'] as const satisfies readonly (keyof JobItems)[];
export type ItemSource = (typeof itemSources)[number];

export const itemOperationKinds = ['images', 'module', 'model'] as const satisfies readonly (keyof ItemOperation)[];
export type ItemOperationKind = (typeof itemOperationKinds)[number];

/** The published JSON Schema (draft 2020-12) of an object job as users write it. */
export function itemJobJsonSchema(): JsonSchema {
  return documentJsonSchema(itemJobSpec);
}

/**
 * Parses an object job. Unknown fields are errors.
 * @param problems gets what is wrong between the fields of a document of the right form, to be reported with what is found later
 * @throws JobError JOB_INVALID that lists every problem of form with its JSON path; those between the fields too, when nobody gathers them
 */
export function parseItemJob(document: unknown, problems?: Problem[]): ItemJobSpec {
  return parseDocument(itemJobSpec, itemProblems, document, problems);
}

/** The kind of a valid job's operation. */
export function itemOperationKind(operation: ItemOperation): ItemOperationKind {
  return itemOperationKinds.find((kind) => operation[kind] !== undefined) ?? 'module';
}

/** Where a valid job's items come from. */
export function itemSource(items: JobItems): ItemSource {
  return itemSources.find((source) => items[source] !== undefined) ?? 'prefix';
}

/** As the job says, or as the ending of the href does; undefined when neither does. */
export function manifestFormat({ manifest = '', format }: Pick<JobItems, 'manifest' | 'format'>): ManifestFormat | undefined {
  if (format !== undefined) return format;
  const ending = /\.([a-z]+)(?:\.gz)?$/i.exec(manifest)?.[1]?.toLowerCase() ?? '';
  const known: Readonly<Record<string, ManifestFormat>> = { csv: 'csv', jsonl: 'jsonl', ndjson: 'jsonl', json: 'inventory' };
  return known[ending];
}

/** Problems that no single field shows. */
export function itemProblems(job: ItemJobSpec): Problem[] {
  return [...sourceProblems(job.items), ...operationProblems(job)];
}

function sourceProblems(items: JobItems): Problem[] {
  const problems: Problem[] = [];
  const named = itemSources.filter((source) => items[source] !== undefined);
  if (named.length !== 1) problems.push({ path: '$.items', message: `wanted one of ${itemSources.join(', ')}; found ${named.length === 0 ? 'none' : named.join(' and ')}` });
  const { prefix, match, base, format, manifest, parameterGrid, hrefs, from } = items;
  if (match !== undefined) problems.push(...matchProblems(match));
  const withoutObjects = items.parameters !== undefined || parameterGrid !== undefined;
  if (withoutObjects && match !== undefined) problems.push({ path: '$.items.match', message: 'has a meaning for objects only: sets of parameters have no path' });
  if (base !== undefined && (prefix !== undefined || withoutObjects || from !== undefined)) {
    problems.push({ path: '$.items.base', message: prefix === undefined ? 'has a meaning with hrefs or manifest only' : 'has a meaning with hrefs or manifest only: the paths of objects below a prefix count from the prefix' });
  }
  if (format !== undefined && manifest === undefined) problems.push({ path: '$.items.format', message: 'has a meaning with manifest only' });
  if (manifest !== undefined && manifestFormat(items) === undefined) {
    problems.push({ path: '$.items.format', message: `missing, and ${JSON.stringify(manifest)} doesn't tell: wanted ${manifestFormats.join(', ')}` });
  }
  if (parameterGrid !== undefined) {
    const size = gridSize(parameterGrid);
    if (size > BigInt(mostItems)) problems.push({ path: '$.items.parameterGrid', message: `has ${size.toLocaleString('en')} combinations; wanted ${mostItems.toLocaleString('en')} at most` });
  }
  for (const [i, each] of (hrefs ?? []).entries()) if (each.endsWith('/')) problems.push({ path: `$.items.hrefs[${String(i)}]`, message: `${each} is a folder; wanted an object, or "prefix" for all that lie below it` });
  return problems;
}

function matchProblems(match: string): Problem[] {
  const path = '$.items.match';
  if (/^\.?\//.test(match)) return [{ path, message: `wanted a pattern for the path below the prefix, which doesn't begin with / or ./; found ${JSON.stringify(match)}` }];
  try {
    picomatch(match, { strictBrackets: true });
    return [];
  } catch (error) {
    return [{ path, message: `${messageOf(error)}; found ${JSON.stringify(match)}` }];
  }
}

function operationProblems(job: ItemJobSpec): Problem[] {
  const problems: Problem[] = [];
  const { operation, outputs, results, items } = job;
  const { module, function: called } = operation;
  const kinds = itemOperationKinds.filter((kind) => operation[kind] !== undefined);
  if (kinds.length !== 1) problems.push({ path: '$.operation', message: `wanted one of ${itemOperationKinds.join(', ')}; found ${kinds.length === 0 ? 'none' : kinds.join(' and ')}` });
  const runtime = module === undefined ? undefined : runtimeOf(module);
  if (module !== undefined && runtime === undefined) problems.push({ path: '$.operation.module', message: `wanted a file that ends in ${moduleEndings.map((ending) => `.${ending}`).join(', ')}; found ${JSON.stringify(module)}` });
  if (runtime === 'python' && called === undefined && module?.endsWith('.pkl') === false) problems.push({ path: '$.operation.function', message: 'missing; wanted the name of a function of the Python module' });
  if (module === undefined) {
    if (called !== undefined) problems.push({ path: '$.operation.function', message: 'has a meaning with module only' });
    if (Object.keys(operation.parameters).length > 0) problems.push({ path: '$.operation.parameters', message: 'has a meaning with module only' });
    for (const source of ['parameters', 'parameterGrid'] as const) {
      if (kinds.length === 1 && items[source] !== undefined) problems.push({ path: `$.items.${source}`, message: `sets of parameters are for functions; ${String(kinds[0])} wants images: prefix, hrefs, manifest or from` });
    }
  }
  if (operation.images !== undefined) {
    if (outputs === undefined) problems.push({ path: '$.outputs', message: 'missing; wanted { "prefix": … }, where the images go' });
    for (const field of ['requirements', 'credentials'] as const) {
      if (operation[field] !== false && operation[field].toString() !== '') problems.push({ path: `$.operation.${field}`, message: 'has a meaning for functions and models only' });
    }
  }
  if (operation.model !== undefined) {
    if (results === undefined) problems.push({ path: '$.results', message: 'missing; wanted { "href": … }, where the table of predictions goes' });
    if (outputs !== undefined) problems.push({ path: '$.outputs', message: 'a model makes no files; its predictions go to results' });
  }
  if (results !== undefined && resultFormat(results) === undefined) problems.push({ path: '$.results.format', message: `missing, and ${JSON.stringify(results.href)} doesn't tell: wanted ${resultFormats.join(', ')}` });
  return problems;
}
