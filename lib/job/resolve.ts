/** A job's hrefs made absolute, and filled in: `{run}`, `{name}` and the like in outputs, the uploaded file in a template. */
import { messageOf } from '../base/errors.ts';
import { nearestName } from '../base/nearest.ts';
import { parseHref, resolveHref, sameHref, stem } from '../store/href.ts';
import { isPlacedLater, placeOutput, type OutputPlace } from './output-place.ts';
import { hrefResolver } from './job-hrefs.ts';
import { jsonPath, type Problem } from './problems.ts';
import type { JobOperation, JobSpec } from './spec.ts';

export interface ResolveOptions {
  /** The folder of the job file, an href that ends in `/`; undefined for a job that has no file. */
  readonly base: string | undefined;
  /** The job file itself, which no output may replace. */
  readonly file?: string | undefined;
  /** The uploaded file that the placeholders `{key}`, `{stem}` and `{bucket}` stand for; the job is then a template. */
  readonly object?: string | undefined;
  readonly runId: string;
  /** What `s3://{outputBucket}/` stands for. */
  readonly outputPlace?: OutputPlace;
}

/** An href of an input, and where in the job it stands. */
export interface NamedHref {
  readonly href: string;
  readonly path: readonly (string | number)[];
}

/** Every href that an input is read from: its own, those of a mosaic, or that of a list of items. */
export function inputHrefs(name: string, input: JobSpec['inputs'][string]): NamedHref[] {
  if (typeof input === 'string') return [{ href: input, path: ['inputs', name] }];
  const { href, hrefs = [], stac } = input;
  return [
    ...(href === undefined ? [] : [{ href, path: ['inputs', name, 'href'] }]),
    ...hrefs.map((each, i) => ({ href: each, path: ['inputs', name, 'hrefs', i] })),
    ...(stac === undefined ? [] : [{ href: stac.href, path: ['inputs', name, 'stac', 'href'] }]),
  ];
}

/** An input with each of its hrefs replaced, those of the folders that a VRT may read included. */
function replaceHrefs(name: string, input: JobSpec['inputs'][string], replace: (place: NamedHref) => string): JobSpec['inputs'][string] {
  if (typeof input === 'string') return replace({ href: input, path: ['inputs', name] });
  const { href, hrefs, stac, sources } = input;
  const at = (field: string, ...rest: (string | number)[]): (string | number)[] => ['inputs', name, field, ...rest];
  return {
    ...input,
    ...(href === undefined ? {} : { href: replace({ href, path: at('href') }) }),
    ...(hrefs === undefined ? {} : { hrefs: hrefs.map((each, i) => replace({ href: each, path: at('hrefs', i) })) }),
    ...(stac === undefined ? {} : { stac: { ...stac, href: replace({ href: stac.href, path: at('stac', 'href') }) } }),
    ...(sources === undefined ? {} : { sources: sources.map((each, i) => replace({ href: each, path: at('sources', i) })) }),
  };
}

/** Whether an input's href is that of a template that nothing has filled. Keys may have braces, names of buckets may not. */
function isTemplate(href: string): boolean {
  return href.startsWith('s3://{bucket}/');
}

/** How a template names the uploaded file itself, wherever it lies: in S3, or in a folder that stands for a bucket. */
const wholeObject = 's3://{bucket}/{key}';

/**
 * Makes every href canonical. Doing it again changes nothing.
 * @param problems gets hrefs that can't be, placeholders that don't exist, and outputs that are inputs or each other
 */
export function resolveJob(job: JobSpec, { base, file, object, runId, outputPlace }: ResolveOptions, problems: Problem[]): JobSpec {
  const uploaded = object === undefined ? undefined : resolveHref(object);
  const resolve = hrefResolver(base, problems);
  const inputs = Object.fromEntries(
    Object.entries(job.inputs).map(([name, input]) => [
      name,
      replaceHrefs(name, input, ({ href: text, path }) => {
        if (uploaded === undefined && isTemplate(text)) {
          problems.push({ path: jsonPath(path), message: `${text} is to be filled with an uploaded file, and this job was started without one; wanted an upload to incoming/<template>/, or "object" beside "job" (--object)` });
          return text;
        }
        return resolve(uploaded === undefined ? text : fillInput(text, uploaded, jsonPath(path), problems), path);
      }),
    ]),
  );
  const like = job.grid.like ?? Object.keys(inputs)[0] ?? '';
  const reference = inputHrefs(like, inputs[like] ?? '')[0]?.href ?? '';
  const values = { run: runId, name: job.name, ...placeholders(uploaded ?? reference, uploaded !== undefined) };
  const written = (text: string, path: readonly string[]): string => {
    try {
      const placed = placeOutput(text, outputPlace, (each) => fill(each, values, jsonPath(path), problems));
      return isPlacedLater(placed, outputPlace) ? placed : resolve(placed, path);
    } catch (error) {
      problems.push({ path: jsonPath(path), message: messageOf(error) });
      return text;
    }
  };
  const outputs = Object.fromEntries(Object.entries(job.outputs).map(([name, output]) => [name, { ...output, href: written(output.href, ['outputs', name, 'href']) }]));
  const results = job.results === undefined ? undefined : { ...job.results, href: written(job.results.href, ['results', 'href']) };
  checkCollisions(inputs, { ...outputs, ...(results === undefined ? {} : { [resultsOutput]: results }) }, file, problems);
  return { ...job, inputs, outputs, operation: resolveCode(job.operation, resolve), ...(results === undefined ? {} : { results }) };
}

/** How results are called among the outputs: no identifier, so that no output is called like that. */
const resultsOutput = 'results of tiles';

/** The hrefs of the code. */
function resolveCode(operation: JobOperation, resolve: (text: string, path: readonly string[]) => string): JobOperation {
  const { module, model } = operation;
  return {
    ...operation,
    ...(module === undefined ? {} : { module: resolve(module, ['operation', 'module']) }),
    ...(typeof model === 'string' ? { model: resolve(model, ['operation', 'model']) } : {}),
    ...(typeof model === 'object' ? { model: { ...model, href: resolve(model.href, ['operation', 'model', 'href']) } } : {}),
  };
}

/** What `{…}` may stand for, taken from the uploaded file or, in the outputs of a job that is no template, from the input that the grid is like. */
function placeholders(href: string, uploaded: boolean): Readonly<Record<string, string>> {
  try {
    const location = parseHref(href);
    if (location.scheme === 'file') return { key: location.path.replace(/^\//, ''), stem: stem(href) };
    return { key: location.key, stem: stem(href), ...(uploaded ? { bucket: location.bucket } : {}) };
  } catch {
    // The input's href is a problem of its own, which has been reported.
    return { key: 'key', stem: 'stem' };
  }
}

/** An input's href with the uploaded file filled in. What it becomes is not filled again, so braces in a key do no harm. */
function fillInput(text: string, uploaded: string, path: string, problems: Problem[]): string {
  if (text === wholeObject) return uploaded;
  const values = placeholders(uploaded, true);
  return replacePlaceholders(text, values, path, problems, () => undefined);
}

function fill(text: string, values: Readonly<Record<string, string>>, path: string, problems: Problem[]): string {
  return replacePlaceholders(text, values, path, problems, (whole, value) =>
    // They would be taken for placeholders where the filled job is read again.
    /[{}]/.test(value) ? `${whole} stands for ${JSON.stringify(value)} here, and an output's href can't hold braces; write the href out` : undefined,
  );
}

/** @param refuse says what is wrong with a value, if anything is */
function replacePlaceholders(
  text: string,
  values: Readonly<Record<string, string>>,
  path: string,
  problems: Problem[],
  refuse: (whole: string, value: string) => string | undefined,
): string {
  return text.replaceAll(/\{([^{}]*)\}/g, (whole, name: string) => {
    // Of its own: every object has a `constructor`.
    const value = Object.hasOwn(values, name) ? values[name] : undefined;
    const refused = value === undefined ? undefined : refuse(whole, value);
    if (value !== undefined && refused === undefined) return value;
    if (name === 'bucket' && value === undefined) {
      problems.push({ path, message: '{bucket} is known only of a file that was uploaded to S3' });
      return whole;
    }
    const near = nearestName(name, Object.keys(values));
    problems.push({
      path,
      message: refused ?? `unknown placeholder ${whole}; ${near === undefined ? `known are ${Object.keys(values).map((known) => `{${known}}`).join(', ')}` : `did you mean {${near}}?`}`,
    });
    return whole;
  });
}

/** A run never reads its own output, and two outputs never share a file. */
function checkCollisions(inputs: JobSpec['inputs'], outputs: Readonly<Record<string, { readonly href: string }>>, file: string | undefined, problems: Problem[]): void {
  const same = (a: string, b: string): boolean => {
    try {
      return sameHref(a, b);
    } catch {
      return false;
    }
  };
  const seen: [string, string][] = [];
  for (const [name, { href }] of Object.entries(outputs)) {
    const path = name === resultsOutput ? '$.results.href' : jsonPath(['outputs', name, 'href']);
    const input = Object.entries(inputs).find(([of, value]) => inputHrefs(of, value).some((each) => same(each.href, href)));
    if (input !== undefined) problems.push({ path, message: `is the same as input ${input[0]}; a run doesn't overwrite what it reads` });
    if (file !== undefined && same(file, href)) problems.push({ path, message: 'is the job file itself' });
    const other = seen.find(([, earlier]) => same(earlier, href));
    if (other !== undefined) problems.push({ path, message: `is the same as output ${other[0]}` });
    if (href.endsWith('/')) problems.push({ path, message: `${href} is a folder; wanted a file` });
    seen.push([name, href]);
  }
}
