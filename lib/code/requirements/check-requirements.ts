/** Whether what a job's operation needs is where it is going to run. */
import { satisfies, valid } from '@renovatebot/pep440';

import { JobError } from '../../base/errors.ts';
import { findProgram } from '../command/find-program.ts';
import { parseRequirement, type Requirement } from './parse-requirement.ts';
import { pythonVersions, type PythonVersions } from './python-versions.ts';

export interface RequirementsOptions {
  /** The interpreter that runs Python functions (findPython), or `python3`. It is started once, and only when a requirement is about Python. */
  readonly python: string;
  /** What user code gets (codeEnvironment): its PATH, its PYTHONPATH. */
  readonly env: NodeJS.ProcessEnv;
}

/** One that isn't met. */
export interface MissingRequirement {
  /** As the job says it. */
  readonly wanted: string;
  /** What there is instead. */
  readonly found: string;
}

/** @throws JobError REQUIREMENT_MISSING that lists all that are not met; JobError REQUIREMENT_UNKNOWN for a text that is none (checkRequirementTexts finds them earlier) */
export async function checkRequirements(requirements: readonly string[], options: RequirementsOptions): Promise<void> {
  const missing = await missingRequirements(requirements, options);
  if (missing.length === 0) return;
  const lines = missing.map(({ wanted, found }) => `  ${wanted}: found ${found}`);
  throw new JobError(
    'REQUIREMENT_MISSING',
    `The operation needs what is not here, ${String(missing.length)} of ${String(requirements.length)} requirements:\n${lines.join('\n')}\n` +
      'On AWS it has to be in the worker\'s image: EXTRA_PACKAGES (Debian) and PIP_PACKAGES (Python) build it in, or an image of your own FROM tilefan (docs/worker.md); here, install it',
    { where: { requirements: missing } },
  );
}

/** The requirements that are not met, in the order of the job. */
export async function missingRequirements(requirements: readonly string[], { python, env }: RequirementsOptions): Promise<readonly MissingRequirement[]> {
  const parsed = requirements.map((text) => ({ text, requirement: parsedOrThrow(text) }));
  const packages = parsed.flatMap(({ requirement }) => (requirement.kind === 'package' ? [requirement.name] : []));
  const needsPython = parsed.some(({ requirement: { kind } }) => kind === 'package' || kind === 'python');
  const versions = needsPython ? await pythonVersions(python, packages, env) : undefined;
  const found = await Promise.all(parsed.map(async ({ text, requirement }) => ({ wanted: text, found: await shortfall(requirement, versions, python, env) })));
  return found.flatMap(({ wanted, found: instead }) => (instead === undefined ? [] : [{ wanted, found: instead }]));
}

function parsedOrThrow(text: string): Requirement {
  const parsed = parseRequirement(text);
  if (typeof parsed === 'string') throw new JobError('REQUIREMENT_UNKNOWN', `${JSON.stringify(text)} ${parsed}`, { where: { requirement: text } });
  return parsed;
}

/** What there is instead of a requirement; undefined when it is met. */
async function shortfall(requirement: Requirement, versions: PythonVersions | string | undefined, python: string, env: NodeJS.ProcessEnv): Promise<string | undefined> {
  switch (requirement.kind) {
    case 'program':
      if ((await findProgram(requirement.name, env)) !== undefined) return undefined;
      return requirement.name.startsWith('/') ? 'no such program that may be run' : `none of that name in PATH (${env['PATH'] ?? 'empty'})`;
    case 'node':
      // A nightly build, 25.0.0-nightly…, is as good as its release.
      return meets(process.versions.node.replace(/-.*/, ''), requirement.range) ? undefined : `Node ${process.versions.node}`;
    default:
      if (versions === undefined || typeof versions === 'string') return `no Python: ${python} can't be asked (${versions ?? ''})`;
      return pythonShortfall(requirement, versions, python);
  }
}

function pythonShortfall(requirement: Extract<Requirement, { kind: 'python' | 'node' | 'package' }>, { python: version, packages }: PythonVersions, python: string): string | undefined {
  if (requirement.kind !== 'package') return meets(version, requirement.range) ? undefined : `Python ${version} (${python})`;
  const found = packages[requirement.name] ?? null;
  if (found === null) return `no such package for Python ${version} (${python})`;
  if (meets(found, requirement.range)) return undefined;
  return found === 'unknown' ? 'it, but nothing says which version' : `version ${found}`;
}

/** A pre-release that is installed was chosen by somebody: it counts. A version that isn't one of PEP 440 can't be compared, and meets no range. */
function meets(version: string, range: string): boolean {
  return range === '' || (valid(version) !== null && satisfies(version, range, { prereleases: true }));
}
