/** The Python that runs user code: its own choice of one with numpy where there is one, whether or not it has GDAL. */
import { execFile } from 'node:child_process';

import { JobError, TryAgainError } from '../base/errors.ts';

export interface PythonFound {
  /** The interpreter itself (`sys.executable`), whatever shim or link led to it. */
  readonly python: string;
  /** For example `3.11.2`. */
  readonly version: string;
  /** numpy's version; null where it has none. */
  readonly numpy: string | null;
}

/** Another interpreter than `python3`. */
const interpreterVariable = 'TILEFAN_PYTHON';

/** What python/tilefan needs. */
const oldest = [3, 9] as const;

const timeoutMs = 60_000;

/** Does not import numpy: knowing that it is there takes a tenth of the time. Runs on any Python since 2.7, so that an old one can be named. */
const program = `
import json, sys
numpy = None
if sys.version_info >= (3, 8):
    import importlib.util, importlib.metadata
    if importlib.util.find_spec("numpy") is not None:
        try:
            numpy = importlib.metadata.version("numpy")
        except importlib.metadata.PackageNotFoundError:
            numpy = "unknown"
print(json.dumps({"python": sys.executable, "version": "%d.%d.%d" % sys.version_info[:3], "numpy": numpy}))
`;

/**
 * The first interpreter that is new enough and has numpy: the one in TILEFAN_PYTHON, else `python3` on the PATH, else the system's.
 * @param numpy whether the code needs it: functions over items don't, and get the first that is new enough where none has it, or where it is that of a virtual environment
 * @throws JobError PYTHON_MISSING, NUMPY_MISSING; TryAgainError PYTHON_ENDED when an interpreter was killed before it could answer: then nothing is known of it, and another one might be
 * another Python than that of the tasks before
 */
export async function findPython(environment: NodeJS.ProcessEnv = process.env, numpy: 'needed' | 'wanted' = 'needed'): Promise<PythonFound> {
  const named = environment[interpreterVariable];
  // PATH's may be one of pyenv or of a project, which doesn't see the system's packages.
  const names = named === undefined || named === '' ? ['python3', '/usr/bin/python3'] : [named];
  // Whoever works in a virtual environment has put there what the code imports.
  const isChosen = numpy === 'wanted' && ['VIRTUAL_ENV', 'CONDA_PREFIX'].some((name) => (environment[name] ?? '') !== '');
  const seen: PythonFound[] = [];
  for (const name of names) {
    // One after another: the first is nearly always the right one.
    // oxlint-disable-next-line no-await-in-loop
    const candidate = await ask(name, environment);
    if (candidate === undefined) continue;
    if (isNewEnough(candidate.version) && (candidate.numpy !== null || isChosen)) return candidate;
    seen.push(candidate);
  }
  const plain = seen.find(({ version }) => isNewEnough(version));
  if (plain !== undefined && numpy === 'wanted') return plain;
  throw missing(names, seen, numpy);
}

async function ask(python: string, environment: NodeJS.ProcessEnv): Promise<PythonFound | undefined> {
  return await new Promise((resolve, reject) => {
    execFile(python, ['-B', '-s', '-W', 'ignore', '-c', program], { env: environment, timeout: timeoutMs, encoding: 'utf8' }, (error, output) => {
      if (error !== null && typeof error.signal === 'string') {
        const how = error.killed === true ? `did not answer within ${String(timeoutMs / 1000)} s` : `was ended by ${error.signal} before it answered: most likely the machine had too little memory`;
        return reject(new TryAgainError('PYTHON_ENDED', `${python}, which was asked for its version, ${how}`, { cause: error, where: { python, signal: error.signal } }));
      }
      if (error !== null) return resolve(undefined);
      const said = parsed(output.trim());
      resolve(said === undefined ? undefined : { ...said, python: said.python === '' ? python : said.python });
    });
  });
}

function parsed(text: string): PythonFound | undefined {
  try {
    return JSON.parse(text) as PythonFound;
  } catch {
    return undefined;
  }
}

function isNewEnough(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > oldest[0] || (major === oldest[0] && minor >= oldest[1]);
}

function missing(names: readonly string[], seen: readonly PythonFound[], numpy: 'needed' | 'wanted'): JobError {
  const where = { tried: names, found: seen };
  const choose = `or name another one in ${interpreterVariable}`;
  const withoutNumpy = seen.find(({ version }) => isNewEnough(version));
  if (withoutNumpy !== undefined) {
    return new JobError(
      'NUMPY_MISSING',
      `Python functions need numpy, which ${withoutNumpy.python} (Python ${withoutNumpy.version}) does not have: install it (${withoutNumpy.python} -m pip install numpy), ${choose}. The worker's image has it`,
      { where },
    );
  }
  const old = seen[0];
  const wanted = `Python ${oldest.join('.')} or newer`;
  const found = old === undefined ? `${names.join(' and ')} cannot be started` : `${old.python} is Python ${old.version}`;
  return new JobError('PYTHON_MISSING', `Python functions need ${wanted}; ${found}: install it${numpy === 'needed' ? ' with numpy' : ''}, ${choose}. The worker's image has it`, { where });
}
