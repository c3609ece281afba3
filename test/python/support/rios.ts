/** Programs in Python with the package on their path, and scripts as a user of the drop-in runs them. */
import { spawn, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

import { packageFolder, python } from './host.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));

/** The environment of a script: this package, this Node, this Python for the functions too. */
export function scriptEnvironment(more: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
  const { NODE_TEST_CONTEXT: _context, TILEFAN_RUN_ON: _place, ...rest } = process.env;
  const own = Object.fromEntries(Object.entries(rest).filter(([name]) => !name.startsWith('RIOS_')));
  return { ...own, PYTHONPATH: packageFolder, TILEFAN_COMMAND: `${process.execPath} ${root}cli/tilefan.mjs`, PYTHONDONTWRITEBYTECODE: '1', ...more };
}

/** Runs a program that prints one JSON document. @throws Error with what it says on standard error */
export function pythonJson(program: string, more: NodeJS.ProcessEnv = {}, cwd = root): unknown {
  const { stdout, stderr, status } = spawnSync(python, ['-c', program], { encoding: 'utf8', env: scriptEnvironment(more), cwd, maxBuffer: 64 * 1024 * 1024 });
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(stdout);
}

export interface ScriptEnd {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a script of a file, as a user does. */
export async function runScript(file: string, args: readonly string[], cwd: string, more: NodeJS.ProcessEnv = {}): Promise<ScriptEnd> {
  const child = spawn(python, [file, ...args], { cwd, env: scriptEnvironment(more), stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  return await new Promise((resolve) => child.once('close', (exitCode) => resolve({ exitCode, stdout, stderr })));
}
