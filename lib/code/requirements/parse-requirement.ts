/**
 * What an operation needs where it runs, as a job says it:
 *
 *     numpy  scipy>=1.10  scikit-learn>=1.3,<2   a Python package, by its name on PyPI or by that of its module
 *     python>=3.9   node>=24                     the interpreters
 *     program:gdal_sieve.py  program:/opt/x/bin/y   a program, by name in PATH or by absolute path
 *
 * Versions are compared as Python compares them (PEP 440), Node's too.
 */
import { validRange } from '@renovatebot/pep440';

export type Requirement =
  /** @param range as PEP 440 writes it; empty for any version */
  | { readonly kind: 'python' | 'node'; readonly range: string }
  | { readonly kind: 'package'; readonly name: string; readonly range: string }
  | { readonly kind: 'program'; readonly name: string };

/** Letters, digits and single marks between them (PEP 508); modules may have dots, too. Extras such as `[io]` change what pip installs, not what is asked here. */
const pattern = /^\s*([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*(?:\[[A-Za-z0-9._,\s-]*\])?\s*((?:[<>=!~].*)?)$/;

/** The requirement, or what is wrong with its text: the rest of a sentence about it. */
export function parseRequirement(text: string): Requirement | string {
  if (/^\s*program\s*:/i.test(text)) return parseProgram(text.slice(text.indexOf(':') + 1).trim());
  const [, name, versions] = pattern.exec(text) ?? [];
  if (name === undefined || versions === undefined) {
    return 'is no requirement: wanted a Python package (numpy, scipy>=1.10), python>=3.9, node>=24, or a program (program:gdal_sieve.py)';
  }
  const range = versions.trim();
  if (range !== '' && !isRange(range)) return `has ${JSON.stringify(range)} where a version was wanted: for example >=1.10, ==1.5.2, ~=2.1, or several: >=1.10,<2`;
  const lower = name.toLowerCase();
  return lower === 'python' || lower === 'node' ? { kind: lower, range } : { kind: 'package', name, range };
}

function parseProgram(name: string): Requirement | string {
  if (name === '' || /[\0\n]/.test(name)) return 'names no program: wanted for example program:gdal_sieve.py';
  if (/[<>=!~]=|\s[<>]/.test(name)) return 'asks for the version of a program, which programs have no common way to tell: wanted the name alone, for example program:gdal_sieve.py';
  if (name.includes('/') && !name.startsWith('/')) return `has the relative path ${name}: wanted a name that is looked for in PATH, or an absolute path`;
  return { kind: 'program', name };
}

/** Each part by itself: the library takes an empty one for any version. */
function isRange(range: string): boolean {
  return range.split(',').every((part) => part.trim() !== '' && validRange(part.trim()));
}

export interface RequirementProblem {
  /** JSON path into the job. */
  readonly path: string;
  readonly message: string;
}

/** What is wrong with the texts of a job's requirements, before anything is looked for. */
export function checkRequirementTexts(requirements: readonly string[]): readonly RequirementProblem[] {
  return requirements.flatMap((text, i) => {
    const parsed = parseRequirement(text);
    return typeof parsed === 'string' ? [{ path: `$.operation.requirements[${String(i)}]`, message: `${JSON.stringify(text)} ${parsed}` }] : [];
  });
}
