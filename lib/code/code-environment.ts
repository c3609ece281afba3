/** The environment of user code: the worker's, without what is none of its business. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** What user code never sees: how the worker reaches AWS and its own orders. */
const withheld = /^(?:AWS|TILEFAN|ECS)_/;

/** With `credentials: true` these stay. */
const ofAws = /^AWS_/;

/** Each process has one core of its own: the worker runs as many as there are. Libraries that would start a thread for every core are told so. */
const oneThread = ['OMP_NUM_THREADS', 'OPENBLAS_NUM_THREADS', 'MKL_NUM_THREADS'] as const;

/**
 * glibc gives the memory of large arrays back to the system as soon as they are gone, and has it cleared for the next ones: a tile's worth of them, for every tile. 32 MiB is the
 * largest threshold that it takes. https://man7.org/linux/man-pages/man3/mallopt.3.html
 */
const keptMemory = { MALLOC_MMAP_THRESHOLD_: String(32 * 2 ** 20), MALLOC_TRIM_THRESHOLD_: String(2 ** 30) } as const;

/** What a test runner or a debugger leaves for its own children. */
const ofTheParent = ['NODE_CHANNEL_FD', 'NODE_TEST_CONTEXT', 'NODE_V8_COVERAGE'] as const;

export interface CodeEnvironmentOptions {
  /** The process's folder: its home, its place for temporary files, where it starts. */
  readonly scratch: string;
  /** Whether it may act as the worker on AWS. */
  readonly credentials: boolean;
}

/** The whole environment of a code process or command, made from the worker's. */
export function codeEnvironment(base: NodeJS.ProcessEnv, { scratch, credentials }: CodeEnvironmentOptions): NodeJS.ProcessEnv {
  const environment: NodeJS.ProcessEnv = {};
  for (const [name, value] of Object.entries(base)) {
    if (withheld.test(name) && !(credentials && ofAws.test(name))) continue;
    if (!(ofTheParent as readonly string[]).includes(name)) environment[name] = value;
  }
  if (credentials) keepProfiles(environment, base);
  // An SDK that finds no credentials would ask the machine for them.
  else environment['AWS_EC2_METADATA_DISABLED'] = 'true';
  for (const name of oneThread) environment[name] ??= '1';
  for (const [name, value] of Object.entries(keptMemory)) environment[name] ??= value;
  return { ...environment, HOME: scratch, TMPDIR: scratch, TILEFAN_SCRATCH: scratch };
}

/** The profiles on a developer's machine lie in the home folder, which is another one now. */
function keepProfiles(environment: NodeJS.ProcessEnv, base: NodeJS.ProcessEnv): void {
  const home = base['HOME'];
  if (home === undefined) return;
  for (const [name, file] of [
    ['AWS_SHARED_CREDENTIALS_FILE', 'credentials'],
    ['AWS_CONFIG_FILE', 'config'],
  ] as const) {
    const path = join(home, '.aws', file);
    if (environment[name] === undefined && existsSync(path)) environment[name] = path;
  }
}
