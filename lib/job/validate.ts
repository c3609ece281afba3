/** From an unknown document to a job spec, or to one error that lists everything wrong with it. */
import * as z from 'zod';
import { nearestName } from '../base/nearest.ts';
import { checkSchema, shownValue } from '../base/schema-problems.ts';
import { codeKind, moduleEndings, namedKinds, operationKinds, runtimeOf } from './operation-kind.ts';
import { jsonPath, throwProblems, type Problem } from './problems.ts';
import { resultFormat } from './result-format.ts';
import { jobSpec, resultFormats, resultMerges, type JobInput, type JobSpec } from './spec.ts';

export type JsonSchema = z.core.JSONSchema.BaseSchema;

/** The published JSON Schema (draft 2020-12) of a job spec as users write it. */
export function jobJsonSchema(): JsonSchema {
  return documentJsonSchema(jobSpec);
}

/** The JSON Schema of a document as users write it. */
export function documentJsonSchema(schema: z.ZodType): JsonSchema {
  return z.toJSONSchema(schema, {
    io: 'input',
    override: ({ jsonSchema }) => {
      // zod writes the bounds of safe integers where the schema sets none.
      if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
      if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum;
    },
  });
}

/**
 * Parses a job spec. Unknown fields are errors.
 * @param problems gets what is wrong between the fields of a document of the right form, to be reported with what is found later
 * @throws JobError JOB_INVALID that lists every problem of form with its JSON path; those between the fields too, when nobody gathers them
 */
export function parseJobSpec(document: unknown, problems?: Problem[]): JobSpec {
  return parseDocument(jobSpec, crossFieldProblems, document, problems);
}

/** The same for a document of another form. @param check finds what no single field shows */
export function parseDocument<Schema extends z.ZodType>(
  schema: Schema,
  check: (job: z.output<Schema>) => readonly Problem[],
  document: unknown,
  problems: Problem[] | undefined,
): z.output<Schema> {
  refusePrototypes(document, []);
  let json: JsonSchema | undefined;
  const checked = checkSchema(schema, document, (path) => knownFields((json ??= documentJsonSchema(schema)), path));
  if (!checked.success) {
    const problems = checked.problems.map(({ path, message, unknown }): Problem => ({ path: jsonPath(path), message, ...(unknown === true ? { code: 'JOB_UNKNOWN_FIELD' } : {}) }));
    throwProblems('JOB_INVALID', 'the job spec is not valid', problems);
  }
  const job = schema.parse(document);
  const found = check(job);
  if (problems === undefined) throwProblems('JOB_INVALID', 'the job spec is not valid', found);
  else problems.push(...found);
  return job;
}

/** How deep names that a user chooses can lie in a job. */
const namesDepth = 3;

/** An object of JavaScript can't have this name for a field of its own in all places: it would silently get lost. */
function refusePrototypes(value: unknown, path: readonly string[]): void {
  if (typeof value !== 'object' || value === null || path.length > namesDepth) return;
  for (const [key, inner] of Object.entries(value)) {
    if (key === '__proto__') throwProblems('JOB_INVALID', 'the job spec is not valid', [{ path: jsonPath([...path, key]), message: 'bad name: __proto__ has a meaning of its own in JavaScript' }]);
    refusePrototypes(inner, [...path, key]);
  }
}

/** Problems that no single field shows. */
function crossFieldProblems(job: JobSpec): Problem[] {
  const problems: Problem[] = [];
  const kinds = namedKinds(job.operation);
  if (kinds.length !== 1) {
    problems.push({ path: '$.operation', message: `wanted one of ${operationKinds.join(', ')}; found ${kinds.length === 0 ? 'none' : kinds.join(' and ')}` });
  }
  const inputs = Object.keys(job.inputs);
  const { copy } = job.operation;
  if (Object.keys(job.inputs).length === 0 && job.operation.module === undefined) problems.push({ path: '$.inputs', message: 'wanted at least one input; found none' });
  // Without an operation nothing fits it.
  if (kinds.length > 0) problems.push(...(codeKind(job.operation) === undefined ? pixelProblems(job) : codeProblems(job)));
  for (const [output, input] of Object.entries(copy ?? {})) {
    if (!inputs.includes(input)) problems.push({ path: jsonPath(['operation', 'copy', output]), message: `no input ${JSON.stringify(input)}; inputs are ${inputs.join(', ')}` });
  }
  for (const [name, input] of Object.entries(job.inputs)) if (typeof input !== 'string') problems.push(...inputProblems(name, input));
  problems.push(...gridProblems(job.grid));
  const { like } = job.grid;
  if (like !== undefined && !inputs.includes(like)) {
    problems.push({ path: '$.grid.like', message: `no input ${JSON.stringify(like)}; inputs are ${inputs.join(', ')}` });
  }
  return problems;
}

/** Of expressions and copies: each output has one, and nothing is asked for that they don't have. */
function pixelProblems(job: JobSpec): Problem[] {
  const problems: Problem[] = [];
  const { expression, copy, parameters } = job.operation;
  const outputs = Object.keys(job.outputs);
  const kind = expression === undefined ? 'copy' : 'expression';
  const made = Object.keys({ ...expression, ...copy });
  if (outputs.length === 0) return [{ path: '$.outputs', message: 'wanted at least one output' }];
  for (const name of outputs) {
    if (!made.includes(name)) {
      problems.push({ path: jsonPath(['outputs', name]), message: `no ${kind} of this name; ${made.length === 0 ? `operation.${kind} has none` : `${kind === 'copy' ? 'copies' : 'expressions'} are ${made.join(', ')}`}` });
    }
    if (job.outputs[name]?.bands !== undefined) problems.push({ path: jsonPath(['outputs', name, 'bands']), message: `has a meaning for functions, models and commands; ${kind === 'copy' ? 'a copy has the bands of its input' : 'there is one band for each expression'}` });
  }
  for (const name of made) {
    if (!outputs.includes(name)) {
      const near = nearestName(name, outputs);
      problems.push({
        path: jsonPath(['operation', kind, name]),
        message: `no output of this name; outputs are ${outputs.join(', ')}${near === undefined ? '' : `; did you mean ${JSON.stringify(near)}?`}`,
      });
    }
  }
  for (const [name, value] of Object.entries(parameters)) {
    const path = jsonPath(['operation', 'parameters', name]);
    if (typeof value !== 'number') problems.push({ path, message: `wanted number, found ${shownValue(value)}` });
    if (Object.hasOwn(job.inputs, name)) problems.push({ path, message: 'an input has the same name' });
  }
  if (job.results !== undefined) problems.push({ path: '$.results', message: `wanted a function, model or command, whose results these are; found ${kind === 'copy' ? 'copies' : 'expressions'}` });
  for (const field of codeFields) if (isGiven(job.operation[field])) problems.push({ path: `$.operation.${field}`, message: 'has a meaning for functions, models and commands only' });
  return problems;
}

/** Fields that belong to code. */
const codeFields = ['function', 'lists', 'requirements', 'credentials', 'serial'] as const;

/** Whether a field of the operation says something else than its default. */
function isGiven(value: JobSpec['operation'][(typeof codeFields)[number]]): boolean {
  return value !== undefined && value !== false && (typeof value !== 'object' || Object.keys(value).length > 0);
}

/** Of functions, models and commands. */
function codeProblems(job: JobSpec): Problem[] {
  const problems: Problem[] = [];
  const { module, function: called, lists, serial, command } = job.operation;
  const names = [...Object.keys(job.inputs), ...Object.keys(job.outputs)];
  const runtime = module === undefined ? undefined : runtimeOf(module);
  if (module !== undefined && runtime === undefined) problems.push({ path: '$.operation.module', message: `wanted a file that ends in ${moduleEndings.map((ending) => `.${ending}`).join(', ')}; found ${JSON.stringify(module)}` });
  if (runtime === 'python' && called === undefined && module?.endsWith('.pkl') === false) problems.push({ path: '$.operation.function', message: 'missing; wanted the name of a function of the Python module' });
  if (module === undefined && called !== undefined) problems.push({ path: '$.operation.function', message: 'has a meaning with module only' });
  if (serial && module === undefined) problems.push({ path: '$.operation.serial', message: 'has a meaning with module only' });
  if (command?.[0]?.trim() === '') problems.push({ path: '$.operation.command[0]', message: 'wanted the name of a program, found an empty one' });
  for (const [list, members] of Object.entries(lists)) {
    const path = jsonPath(['operation', 'lists', list]);
    if (module === undefined) problems.push({ path, message: 'has a meaning with module only' });
    if (names.includes(list)) problems.push({ path, message: 'an input or output has the same name' });
    const unknown = members.filter((member) => !names.includes(member));
    if (unknown.length > 0) problems.push({ path, message: `no input or output ${unknown.map((name) => JSON.stringify(name)).join(', ')}; there are ${names.join(', ')}` });
    const kinds = new Set(members.filter((member) => names.includes(member)).map((member) => Object.hasOwn(job.inputs, member)));
    if (kinds.size > 1) problems.push({ path, message: 'wanted either inputs or outputs, found both' });
  }
  if (Object.keys(job.outputs).length === 0 && job.results === undefined) problems.push({ path: '$.outputs', message: 'wanted at least one output, or results' });
  const { results } = job;
  if (typeof results?.merge === 'object' && module === undefined) problems.push({ path: '$.results.merge', message: `a function merge(a, b) is one of the module; wanted module, or one of ${resultMerges.join(', ')}` });
  if (results !== undefined && resultFormat(results) === undefined) problems.push({ path: '$.results.format', message: `missing, and ${JSON.stringify(results.href)} doesn't tell: wanted ${resultFormats.join(', ')}` });
  return problems;
}

/** Fields of an input that don't go together. */
function inputProblems(name: string, input: JobInput): Problem[] {
  const path = jsonPath(['inputs', name]);
  const problems: Problem[] = [];
  const places = (['href', 'hrefs', 'stac'] as const).filter((field) => input[field] !== undefined);
  if (places.length !== 1) problems.push({ path, message: `wanted one of href, hrefs and stac, found ${places.length === 0 ? 'none' : places.join(' and ')}` });
  const refuse = (fields: readonly (keyof JobInput)[], why: string): void => {
    for (const field of fields) if (input[field] !== undefined) problems.push({ path: `${path}.${field}`, message: why });
  };
  if (input.href !== undefined) refuse(['rule'], 'a single raster has nothing to merge; a rule goes with hrefs or stac');
  if (input.vector !== undefined) {
    refuse(['hrefs', 'stac', 'rule', 'subdataset', 'sources', 'bands', 'resampling'], 'has no meaning for features');
    if (input.vector.burn !== undefined && input.vector.attribute !== undefined) problems.push({ path: `${path}.vector`, message: 'wanted either burn or attribute, found both' });
  }
  return problems;
}

/** Fields of the grid that don't go together. */
function gridProblems({ like, crs, resolution, bounds, alignedPixels }: JobSpec['grid']): Problem[] {
  const problems: Problem[] = [];
  if (crs !== undefined && like !== undefined) problems.push({ path: '$.grid', message: 'wanted either like or crs, found both: like brings the CRS along' });
  if (like !== undefined && resolution !== undefined) problems.push({ path: '$.grid', message: 'wanted either like or resolution, found both: like brings the resolution along' });
  if (crs !== undefined && resolution === undefined) problems.push({ path: '$.grid.resolution', message: 'missing: a grid of a CRS of its own needs the size of its pixels' });
  if (alignedPixels !== undefined && resolution === undefined) problems.push({ path: '$.grid.alignedPixels', message: 'has a meaning with resolution only' });
  if (bounds !== undefined) {
    const [xmin, ymin, xmax, ymax] = bounds;
    if (!(xmin < xmax && ymin < ymax)) problems.push({ path: '$.grid.bounds', message: `wanted [xmin, ymin, xmax, ymax] with xmin < xmax and ymin < ymax, found [${bounds.join(', ')}]` });
  }
  return problems;
}

/** Names of the fields that the schema knows at `path`, whichever branch of a union they belong to. */
function knownFields(schema: JsonSchema, path: readonly PropertyKey[]): string[] {
  const branches = (node: JsonSchema): JsonSchema[] => [node, ...(node.anyOf ?? []).flatMap((inner) => branches(inner))];
  let nodes = branches(schema);
  for (const segment of path) {
    nodes = nodes.flatMap((node) => {
      const inner = node.properties?.[String(segment)] ?? node.additionalProperties;
      return typeof inner === 'object' ? branches(inner) : [];
    });
  }
  return [...new Set(nodes.flatMap((node) => Object.keys(node.properties ?? {})))];
}
