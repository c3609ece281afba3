/** Which versions of packages a Python has: one start of it for all of them, and nothing is imported. */
import { execFile } from 'node:child_process';

import { messageOf } from '../../base/errors.ts';

export interface PythonVersions {
  readonly python: string;
  /** By the names that were asked for. `unknown`: the module is there but no metadata say which version it is. */
  readonly packages: Readonly<Record<string, string | null>>;
}

/** A cold disk of a new container is slow; whoever waits longer has other troubles. */
const timeoutMs = 120_000;

/**
 * A distribution by its name (metadata know `scikit-learn`), else a module (`sklearn`), through the distribution that it belongs to.
 * A module is looked for but not imported: that may take seconds, and print.
 */
const program = `
import importlib.metadata as metadata, importlib.util, json, sys

def version(name):
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        pass
    try:
        if importlib.util.find_spec(name) is None:
            return None
    except Exception:
        return None
    owners = metadata.packages_distributions() if hasattr(metadata, "packages_distributions") else {}
    for owner in owners.get(name.split(".")[0], []):
        return metadata.version(owner)
    return "unknown"

print(json.dumps({"python": "%d.%d.%d" % sys.version_info[:3], "packages": {name: version(name) for name in sys.argv[1:]}}))
`;

/** Asks a Python. @returns why it can't be asked, when it can't */
export async function pythonVersions(python: string, names: readonly string[], env: NodeJS.ProcessEnv): Promise<PythonVersions | string> {
  return await new Promise((resolve) => {
    // Of the root, because Python looks for modules in the working directory. -s: as code processes are started, packages of the user's home are none of the job's.
    execFile(python, ['-B', '-s', '-W', 'ignore', '-c', program, ...names], { env, cwd: '/', timeout: timeoutMs, encoding: 'utf8', maxBuffer: 16 * 1024 * 1024 }, (error, output, errors) => {
      if (error !== null) return resolve(reasonOf(error, errors));
      try {
        resolve(JSON.parse(output) as PythonVersions);
      } catch {
        resolve(`it answered ${JSON.stringify(output.slice(0, 200))}`);
      }
    });
  });
}

function reasonOf(error: Error, errors: string): string {
  const last = errors.trim().split('\n').at(-1) ?? '';
  return last === '' ? messageOf(error).split('\n')[0] ?? '' : last;
}
