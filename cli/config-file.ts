/**
 * Defaults of a user or a project: `tilefan.config.json`, in the folder where one is or the nearest one above, and the environment. The command line and both clients read them:
 * an option wins over the environment, the environment over the file.
 */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type { Command } from 'commander';
import { JobError, messageOf } from '../lib/base/errors.ts';
import type { Config } from './config-schema.ts';
import { userFolder } from './user-folder.ts';

export type { Config } from './config-schema.ts';

type Environment = Readonly<Record<string, string | undefined>>;

const fileName = 'tilefan.config.json';

/** Names a file in place of looking for one; empty: none is read. */
const fileVariable = 'TILEFAN_CONFIG';

/** Fields by the variables that say the same. Region and profile have those of AWS, which its SDK reads itself. */
const variables: Readonly<Record<string, keyof Config>> = {
  TILEFAN_RUN_ON: 'where',
  TILEFAN_STAGE: 'stage',
  TILEFAN_STATE_MACHINE: 'stateMachine',
  TILEFAN_FOLDER: 'folder',
  TILEFAN_WORK: 'work',
  TILEFAN_WORKERS: 'workers',
  TILEFAN_THREADS: 'threads',
  TILEFAN_CAPACITY: 'capacity',
  TILEFAN_CPU: 'cpu',
  TILEFAN_MEMORY: 'memory',
  TILEFAN_EPHEMERAL_STORAGE: 'ephemeralStorage',
  TILEFAN_ARCHITECTURE: 'architecture',
  TILEFAN_IMAGE: 'image',
  TILEFAN_MAX_CONCURRENCY: 'maxConcurrency',
};
const numbers: ReadonlySet<string> = new Set(['workers', 'threads', 'cpu', 'maxConcurrency']);

/** Fields that become the job's `compute` where the job itself says nothing, on AWS. */
const computeFields = ['capacity', 'cpu', 'memory', 'ephemeralStorage', 'architecture', 'image', 'maxConcurrency'] as const;

/** Where credentials come from that no profile may take the place of. */
const credentialVariables = ['AWS_PROFILE', 'AWS_ACCESS_KEY_ID', 'AWS_WEB_IDENTITY_TOKEN_FILE', 'AWS_CONTAINER_CREDENTIALS_RELATIVE_URI', 'AWS_CONTAINER_CREDENTIALS_FULL_URI'];

/** The file that counts for a folder; undefined where there is none. */
export function findConfigFile(folder: string = userFolder(), env: Environment = process.env): string | undefined {
  const named = env[fileVariable];
  if (named !== undefined) return named === '' ? undefined : resolve(folder, named);
  for (let at = resolve(folder); ; at = dirname(at)) {
    const path = join(at, fileName);
    if (existsSync(path)) return path;
    if (dirname(at) === at) return undefined;
  }
}

/**
 * What the file and the environment say, the environment in front.
 * @throws JobError CONFIG_INVALID naming file or variable, and field; CONFIG_UNREADABLE for a named file that isn't there
 */
export async function readConfig(folder: string = userFolder(), env: Environment = process.env): Promise<Config> {
  const file = findConfigFile(folder, env);
  const said = readEnvironment(env);
  if (file === undefined && Object.keys(said).length === 0) return {};
  // Most have neither, and don't wait for the schema.
  const written = file === undefined ? {} : await readFileConfig(file);
  const spoken = Object.keys(said).length === 0 ? {} : await checkConfig(said, 'the environment is not', (field) => Object.entries(variables).find(([, each]) => each === field)?.[0] ?? field);
  return { ...withoutWhatAwsKnows(written, env), ...spoken };
}

function readEnvironment(env: Environment): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(variables).flatMap(([variable, field]) => {
      const text = env[variable];
      if (text === undefined || text === '') return [];
      return [[field, numbers.has(field) && /^\d+(\.\d+)?$/.test(text) ? Number(text) : text]];
    }),
  );
}

async function readFileConfig(file: string): Promise<Config> {
  const { work, ...rest } = await checkConfig(await readJson(file), `${file} is not`, undefined, { file });
  // Paths count from the file that says them.
  return work === undefined ? rest : { ...rest, work: work.includes('://') ? work : resolve(dirname(file), work) + (work.endsWith('/') ? '/' : '') };
}

async function readJson(file: string): Promise<unknown> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (cause) {
    const missing = typeof cause === 'object' && cause !== null && 'code' in cause && cause.code === 'ENOENT';
    throw new JobError('CONFIG_UNREADABLE', missing ? `there is no file ${file}, which ${fileVariable} names; wanted a tilefan.config.json, or nothing for none` : `${file} can't be read: ${messageOf(cause)}`, { cause, where: { file } });
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new JobError('CONFIG_UNREADABLE', `${file} can't be read as JSON: ${messageOf(cause)}`, { cause, where: { file } });
  }
}

/**
 * Checks fields that a config may have, wherever they are said.
 * @param title of the message, up to "is not" or "are not"
 * @param nameOf what a field is called there
 * @param where of the error
 * @throws JobError CONFIG_INVALID that lists every problem
 */
export async function checkConfig(document: unknown, title: string, nameOf: (field: string) => string = (field) => field, where: Readonly<Record<string, unknown>> = {}): Promise<Config> {
  const [{ configFile, placeElsewhere }, { checkSchema }] = await Promise.all([import('./config-schema.ts'), import('../lib/base/schema-problems.ts')]);
  const known = Object.keys(configFile.shape).filter((field) => field !== '$schema');
  const checked = checkSchema(configFile, document, () => known);
  if (checked.success) return checked.data;
  const lines = checked.problems.map(({ path, message, unknown }) => {
    const field = path.map(String).join('.');
    return `  ${path.length === 0 ? 'the file' : nameOf(field)}: ${(unknown === true ? placeElsewhere(field) : undefined) ?? message}`;
  });
  throw new JobError('CONFIG_INVALID', `${title} valid:\n${lines.join('\n')}`, { where });
}

/** Region and profile of the file where the environment has none of its own. */
function withoutWhatAwsKnows({ region, profile, ...rest }: Config, env: Environment): Config {
  const has = (name: string): boolean => env[name] !== undefined && env[name] !== '';
  return {
    ...rest,
    ...(region === undefined || has('AWS_REGION') || has('AWS_DEFAULT_REGION') ? {} : { region }),
    ...(profile === undefined || credentialVariables.some(has) ? {} : { profile }),
  };
}

/** The fields of a config that become a job's `compute`; undefined ones are left out. */
export function computeOf(config: Readonly<Partial<Record<(typeof computeFields)[number], unknown>>>): Record<string, unknown> {
  return Object.fromEntries(computeFields.flatMap((field) => (config[field] === undefined ? [] : [[field, config[field]]])));
}

/** A job's document with these defaults in its `compute`; what isn't an object is left for the schema to refuse. */
export function withCompute(document: unknown, defaults: Readonly<Record<string, unknown>>): unknown {
  if (Object.keys(defaults).length === 0 || typeof document !== 'object' || document === null) return document;
  const compute: unknown = 'compute' in document ? document.compute : {};
  if (typeof compute !== 'object' || compute === null) return document;
  return { ...document, compute: { ...defaults, ...compute } };
}

const shared = ['region', 'profile', 'stage', 'stateMachine', 'folder', 'work', 'workers', 'threads'] as const;

/** Fills in what a command was not told. `compute` becomes an option of `submit`, which hands it on to the job. */
export async function applyConfig(command: Command): Promise<void> {
  const config = await readConfig();
  const options = new Set(command.options.map((option) => option.attributeName()));
  const given = (name: string): boolean => ['cli', 'env'].includes(command.getOptionValueSource(name) ?? '');
  // An ARN says in which region it is, and a stage that was asked for is not that of another state machine.
  const skipped = new Set<string>([...(command.args.some((each) => each.startsWith('arn:')) || given('stateMachine') ? ['region'] : []), ...(command.getOptionValueSource('stage') === 'cli' ? ['stateMachine'] : [])]);
  for (const name of shared) {
    const value = config[name];
    if (value !== undefined && options.has(name) && !given(name) && !skipped.has(name)) command.setOptionValueWithSource(name, value, 'config');
  }
  // Commands without these options read S3, too: the SDK and the workers take both from the environment.
  if (!options.has('region') && config.region !== undefined) process.env['AWS_REGION'] = config.region;
  if (!options.has('profile') && config.profile !== undefined) process.env['AWS_PROFILE'] = config.profile;
  if (command.name() === 'submit') command.setOptionValueWithSource('compute', computeOf(config), 'config');
}
