/** What is wrong with a job or its plan. Problems are gathered, so that one message names them all. */
import { createError, type ErrorClass, type TilefanError } from '../base/errors.ts';

export interface Problem {
  /** JSON path into the job, for example `$.outputs.ndvi.dtype`. */
  readonly path: string;
  /** What was wanted and what was found. */
  readonly message: string;
  /** Set where a finer code than the gathering error's helps a program. */
  readonly code?: string;
  /** What is at fault, where it isn't the job: an input that can't be reached or read, an output that can't be written. */
  readonly blame?: ErrorClass;
}

/** The problem that an error of the store or a reader is. */
export function problemOf(path: string, error: TilefanError): Problem {
  return { path, message: error.message, code: error.code, blame: error.name as ErrorClass };
}

/** `$.a.b[0]`; keys that are not plain names are quoted. */
export function jsonPath(segments: readonly PropertyKey[]): string {
  return segments.reduce<string>((path, segment) => {
    if (typeof segment === 'number') return `${path}[${String(segment)}]`;
    const key = String(segment);
    return /^[A-Za-z_][\w-]*$/.test(key) ? `${path}.${key}` : `${path}[${JSON.stringify(key)}]`;
  }, '$');
}

/** Problems that a message lists; a mosaic of thousands of files that aren't there has as many. */
const listedProblems = 30;

/**
 * Throws one error that lists every problem, as far as anybody would read them; returns quietly when there are none. It is a JobError, unless all problems have
 * something else to blame, and the same.
 */
export function throwProblems(code: string, title: string, problems: readonly Problem[]): void {
  if (problems.length === 0) return;
  const lines = problems.slice(0, listedProblems).map(({ path, message }) => `  ${path}: ${message}`);
  if (problems.length > listedProblems) lines.push(`  … and ${String(problems.length - listedProblems)} more`);
  const count = problems.length === 1 ? '1 problem' : `${String(problems.length)} problems`;
  const blamed = [...new Set(problems.map(({ blame = 'JobError' }) => blame))];
  const [only = 'JobError', ...others] = blamed;
  throw createError(others.length === 0 ? only : 'JobError', code, `${title}: ${count}\n${lines.join('\n')}`, { where: { problems } });
}
