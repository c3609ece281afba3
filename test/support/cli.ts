/** The command line as a child process, as a user starts it. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import { runRecord, type RunRecord } from '../../lib/job/records.ts';

export const projectFolder = fileURLToPath(new URL('../..', import.meta.url));
const tilefan = fileURLToPath(new URL('../../cli/tilefan.mjs', import.meta.url));

/** A child that has not ended by then hangs, and is killed. */
const longestSeconds = 120;

export interface CliOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Another program in front: `sh -c`, `unshare`, `setpriv`. */
  readonly prefix?: readonly string[];
}

export interface CliResult {
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunningCli {
  readonly child: ChildProcess;
  readonly pid: number;
  readonly ended: Promise<CliResult>;
  /** What it has printed up to now. */
  stderr(): string;
}

/** The environment of this process without what npm and other tests put into it. */
function environment(more: CliOptions['env'] = {}): NodeJS.ProcessEnv {
  const { npm_lifecycle_event: _event, INIT_CWD: _folder, TILEFAN_WORK: _work, NODE_TEST_CONTEXT: _context, ...rest } = process.env;
  return { ...rest, ...more };
}

export function startCli(args: readonly string[], { cwd = projectFolder, env, prefix = [] }: CliOptions = {}): RunningCli {
  const [program = '', ...rest] = [...prefix, process.execPath, tilefan, ...args];
  const child = spawn(program, rest, { cwd, env: environment(env), stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const timer = setTimeout(() => child.kill('SIGKILL'), longestSeconds * 1000);
  const ended = once(child, 'close').then(([exitCode, signal]): CliResult => {
    clearTimeout(timer);
    return { exitCode: exitCode as number | null, signal: signal as NodeJS.Signals | null, stdout, stderr };
  });
  if (child.pid === undefined) throw new Error(`${program} could not be started`);
  return { child, pid: child.pid, ended, stderr: () => stderr };
}

export async function runCli(args: readonly string[], options: CliOptions = {}): Promise<CliResult> {
  return await startCli(args, options).ended;
}

/** A run that must end well: its record, parsed with the schema that the project publishes. */
export async function runJob(args: readonly string[], options: CliOptions = {}): Promise<RunRecord> {
  const result = await runCli(['run', ...args, '--json'], options);
  return recordOf(result);
}

/** The record out of the standard output of `run --json`. @throws Error with what the child said when there is none */
export function recordOf({ exitCode, signal, stdout, stderr }: CliResult): RunRecord {
  if (exitCode !== 0) throw new Error(`the run ended with ${String(exitCode ?? signal)}: ${stderr}`);
  return runRecord.parse(JSON.parse(stdout));
}

/** A process as the system lists it. */
export interface ProcessInfo {
  readonly pid: number;
  readonly environment: string;
}

/** Workers of runs under a work folder, found by their environment; Linux only. Zombies are gone already and don't count. */
export function workersOf(work: string): ProcessInfo[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const variables = readFileSync(`/proc/${name}/environ`, 'utf8');
        const state = / ([A-Z]) /.exec(readFileSync(`/proc/${name}/stat`, 'utf8').replace(/^.*\)/, ''))?.[1];
        const values = new Map(variables.split('\0').map((variable): [string, string] => [variable.slice(0, variable.indexOf('=')), variable.slice(variable.indexOf('=') + 1)]));
        // A worker that was started ahead is told its run later.
        const standby = values.get('TILEFAN_STANDBY') === '1' && values.get('TILEFAN_WORK')?.startsWith(work) === true;
        const ours = standby || values.get('TILEFAN_RUN')?.includes(encodeURI(work)) === true;
        return ours && state !== 'Z' ? [{ pid: Number(name), environment: variables }] : [];
      } catch {
        return [];
      }
    });
}

/** Waits until `look` gives something. @throws Error naming `what` after the time is up */
export async function until<Value>(what: string, look: () => Value | undefined | false, seconds = 30): Promise<Value> {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    const value = look();
    if (value !== undefined && value !== false) return value;
    if (Date.now() > end) throw new Error(`waited ${String(seconds)} s for ${what}`);
    await sleep(10);
  }
}

/** Whether a program can be run here, for a test's skip. */
export function hasProgram(name: string, args: readonly string[] = ['--version']): boolean {
  return spawnSync(name, args, { stdio: 'ignore' }).status === 0;
}
