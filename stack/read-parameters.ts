/** From what people write, in YAML and on the command line, to parameters, or to one error that says everything that is wrong. */
import { nearestName } from '../lib/base/nearest.ts';
import { checkTogether } from './checks.ts';
import { factsOf, parameterNames, parameters } from './parameters.ts';
import type { ParameterName, Parameters } from './parameters.ts';

/** Thrown before anything is packaged. The message has one line a problem. */
export class ParametersError extends Error {
  override readonly name = 'ParametersError';
  readonly problems: readonly string[];

  constructor(problems: readonly string[], source: string) {
    const count = problems.length === 1 ? '1 parameter is wrong' : `${String(problems.length)} things are wrong with the parameters`;
    super([`${count} (${source}):`, ...problems.map((problem) => `  ${problem}`), 'docs/parameters.md lists all parameters.'].join('\n'));
    this.problems = problems;
  }
}

export interface Sources {
  readonly stage: string;
  /** The deployment file's content, parsed; undefined: there is none. */
  readonly file?: { readonly name: string; readonly content: unknown } | undefined;
  /** What --param said, as `name=value`. */
  readonly options: readonly string[];
}

/** `deployment` names the file that the others are read from. */
const fileOption = 'deployment';

/**
 * Bucket names must stay within 63 characters: `tilefan-<stage>-output-<12 digits>-<region>`, with regions of up to 14 letters. They know no
 * upper-case letters.
 */
const stagePattern = /^[a-z](?:[a-z0-9-]{0,18}[a-z0-9])?$/;

/** The parts of a --param; a part without = is told by the reader. */
export function parseOption(option: string): { readonly name: string; readonly value: string | undefined } {
  const at = option.indexOf('=');
  return at === -1 ? { name: option.trim(), value: undefined } : { name: option.slice(0, at).trim(), value: option.slice(at + 1).trim() };
}

/** The value of `--param deployment=…`, the last one if there are several. */
export function deploymentFileOf(options: readonly string[]): string | undefined {
  return options.map(parseOption).findLast(({ name }) => name === fileOption)?.value;
}

/** Defaults, over them the file, over it the options. @throws ParametersError */
export function readParameters({ stage, file, options }: Sources): Parameters {
  const problems: string[] = [];
  if (!stagePattern.test(stage)) {
    problems.push(`stage: wanted 1 to 20 lower-case letters, digits and -, beginning with a letter and not ending in -, since buckets are named after it, found ${show(stage)}`);
  }
  const given = { ...readFile(file, problems), ...readOptions(options, problems) };
  const wrong = new Set<string>();
  const values: Record<string, unknown> = {};
  for (const name of parameterNames) {
    const written = given[name];
    const parsed = parameters.shape[name].safeParse(written === undefined ? undefined : coerce(name, written));
    if (parsed.success) values[name] = parsed.data;
    else {
      wrong.add(name);
      const [issue] = parsed.error.issues;
      const item = issue?.path[0];
      const found = typeof item === 'number' && Array.isArray(coerce(name, written)) ? (coerce(name, written) as unknown[])[item] : written;
      problems.push(`${name}: wanted ${factsOf(name).wanted}, found ${show(found)}`);
      values[name] = factsOf(name).default;
    }
  }
  const complete = values as Parameters;
  problems.push(...checkTogether(complete, wrong));
  if (problems.length > 0) throw new ParametersError(problems, describe(stage, file, options));
  return complete;
}

function readFile(file: Sources['file'], problems: string[]): Partial<Record<ParameterName, unknown>> {
  // A file of comments only is no document.
  if (file === undefined || file.content === null || file.content === undefined) return {};
  if (typeof file.content !== 'object' || Array.isArray(file.content)) {
    problems.push(`${file.name}: wanted parameters, one a line, as "name: value", found ${show(file.content)}`);
    return {};
  }
  const entries = Object.entries(file.content).filter(([name]) => known(name, problems));
  // "name:" with nothing behind it is YAML's null, and means the default.
  return Object.fromEntries(entries.filter(([, value]) => value !== null));
}

function readOptions(options: readonly string[], problems: string[]): Partial<Record<ParameterName, unknown>> {
  const values: Record<string, unknown> = {};
  for (const option of options) {
    const { name, value } = parseOption(option);
    if (name === fileOption) continue;
    if (!known(name, problems)) continue;
    if (value === undefined) problems.push(`${name}: wanted --param '${name}=value', found ${show(option)}`);
    else values[name] = value;
  }
  return values;
}

function known(name: string, problems: string[]): boolean {
  if ((parameterNames as readonly string[]).includes(name)) return true;
  const nearest = nearestName(name, [...parameterNames, fileOption]);
  problems.push(`${name}: there is no such parameter${nearest === undefined ? '' : `; did you mean ${nearest}?`}`);
  return false;
}

/** The command line has text only, and YAML may have it where a number is meant: exactly written numbers and truth values are taken, nothing else. */
function coerce(name: ParameterName, written: unknown): unknown {
  if (typeof written !== 'string') return written;
  const { type } = factsOf(name);
  if (type === 'array') return written.split(',').map((item) => item.trim()).filter((item) => item !== '');
  if (type === 'boolean') return written === 'true' ? true : written === 'false' ? false : written;
  if (type === 'integer') return /^\d+$/.test(written) ? Number(written) : written;
  if (type === 'number') return /^\d+(?:\.\d+)?$/.test(written) ? Number(written) : written;
  return written;
}

function describe(stage: string, file: Sources['file'], options: readonly string[]): string {
  const sources = [`stage ${stage}`, ...(file === undefined ? [] : [file.name]), ...(options.length === 0 ? [] : ['--param'])];
  return sources.join(', ');
}

function show(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length <= 80 ? text : `${text.slice(0, 79)}…`;
}
