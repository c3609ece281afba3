/** The environment of functions and of the worker: what the code reads is set, what is set is read, and split can use what it is given. */
import { fileURLToPath } from 'node:url';
import { buildSync } from 'esbuild';
import { workerFamilyPrefix } from '../../../lib/job/image-definitions.ts';
import { parseCapacities } from '../../../lib/job/capacity.ts';
import { readSettings } from '../../../lib/job/settings.ts';
import type { Problem } from '../../../lib/job/problems.ts';
import { environmentOf } from '../../support/iam-needs.ts';
import { ofType } from '../../support/packaged-stack.ts';
import { readDefinition } from '../../support/state-machine.ts';
import { at, breaking, list, type Assertion } from './assertion.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));

const programs = { start: 'functions/start/handler.ts', split: 'functions/split/handler.ts', reduce: 'functions/reduce/handler.ts', tidy: 'functions/tidy/handler.ts', worker: 'containers/worker/main.ts' } as const;

/** Variables that are not the template's to set, and who sets them. */
const others: Readonly<Record<string, string>> = {
  TILEFAN_LOCAL_THREADS: 'a run on one machine', TILEFAN_LOCAL_WORKERS: 'a run on one machine', TILEFAN_PARENT_PIPE: 'a run on one machine', TILEFAN_STARTUP_SECONDS: 'a run on one machine',
  TILEFAN_STANDBY: 'a run on one machine', TILEFAN_LOG_LEVEL: 'whoever looks for a fault',
  TILEFAN_PYTHON: 'a machine whose GDAL is elsewhere', TILEFAN_SCRATCH: 'the worker, for user code', TILEFAN_REDUCE_BLOCKS: 'whoever wants passes of workers earlier or later',
};
/** Set, and read by what is not bundled here: Node, glibc, and the library of the metrics. */
const foreign = new Set(['NODE_OPTIONS', 'MALLOC_ARENA_MAX', 'POWERTOOLS_METRICS_NAMESPACE', 'POWERTOOLS_SERVICE_NAME']);

/** What the state machine tells a worker. */
function toldByRunTask(): string[] {
  return [...JSON.stringify(readDefinition()).matchAll(/"Name":"([A-Z_]+)","Value/g)].map(([, name = '']) => name);
}

/** Names of our own variables in the code of a program, comments left out. */
function readBy(entry: string): ReadonlySet<string> {
  const { outputFiles: [file] } = buildSync({ absWorkingDir: root, entryPoints: [entry], bundle: true, write: false, platform: 'node', format: 'esm', outdir: 'out', packages: 'external', minifyWhitespace: true, legalComments: 'none', logLevel: 'error' });
  return new Set(file?.text.match(/\bTILEFAN_[A-Z_]+\b/g));
}

const fn = (what: string, change: (variables: Record<string, unknown>) => void): Assertion['mistakes'][number] =>
  breaking('AWS::Lambda::Function', (properties) => change((properties['Environment'] as unknown as { Variables: Record<string, unknown> }).Variables), (_, properties) => String(properties['FunctionName']).endsWith(`-${what}`));

export const environment: readonly Assertion[] = [
  {
    holds: 'containers have no variables and no secrets of their own: what a task is told comes with RunTask, what never changes is in the image',
    problems: ({ template, resolve }) => ofType(template, 'AWS::ECS::TaskDefinition').flatMap(([id, { Properties }]) =>
      list(resolve(Properties['ContainerDefinitions'])).flatMap((container) => [
        ...list(at(container, 'Environment')).map((variable) => `${id} is given ${String(at(variable, 'Name'))}`),
        ...list(at(container, 'Secrets')).map(() => `${id} is given secrets, which its role may not read`),
      ])),
    mistakes: [breaking('AWS::ECS::TaskDefinition', (properties) => Object.assign(list(properties['ContainerDefinitions'])[0] as object, { Environment: [{ Name: 'TOKEN', Value: 'x' }] }))],
  },
  {
    holds: 'every variable that the code reads is set, and every one that is set is read',
    problems: ({ template }) => Object.entries(programs).flatMap(([part, entry]) => {
      const read = readBy(entry);
      const set = part === 'worker' ? toldByRunTask() : Object.keys(environmentOf(template, part as keyof typeof programs));
      return [
        ...[...read].filter((name) => !set.includes(name) && !(name in others)).map((name) => `${part} reads ${name}, which is not set`),
        ...set.filter((name) => !read.has(name) && !foreign.has(name)).map((name) => `${part} is given ${name}, which it does not read`),
        ...['POWERTOOLS_METRICS_NAMESPACE', 'POWERTOOLS_SERVICE_NAME'].filter((name) => !set.includes(name)).map((name) => `${part} emits no metrics without ${name}`),
      ];
    }),
    mistakes: [fn('split', (variables) => delete variables['TILEFAN_TRIGGERS']), fn('reduce', (variables) => Object.assign(variables, { TILEFAN_UNREAD: '1' }))],
  },
  {
    holds: 'split understands its environment, and every capacity it is told of has task definitions of the stack',
    problems: ({ template, resolve }) => {
      const env = environmentOf(template, 'split');
      const problems: Problem[] = [];
      const { compute, work, triggers } = readSettings(env, {} as Parameters<typeof readSettings>[1], problems);
      const known = new Set(ofType(template, 'AWS::ECS::TaskDefinition').map(([id]) => resolve({ Ref: id })));
      const providers = new Set(['FARGATE', 'FARGATE_SPOT', ...ofType(template, 'AWS::ECS::CapacityProvider').map(([id]) => resolve({ Ref: id }))]);
      const told = Object.entries(parseCapacities(env['TILEFAN_CAPACITIES'] ?? ''));
      return [
        ...problems.map(({ path, message }) => `a job that wishes for nothing is refused: ${path}: ${message}`),
        ...(known.has(compute.taskDefinition) ? [] : [`a job that wishes for nothing would run ${compute.taskDefinition}`]),
        // Tidy and the role of the state machine go by this beginning.
        ...ofType(template, 'AWS::ECS::TaskDefinition').filter(([, { Properties }]) => !String(resolve(Properties['Family'])).startsWith(workerFamilyPrefix(env['TILEFAN_NAME'] ?? ''))).map(([id]) => `${id} is of no family of the deployment`),
        ...told.flatMap(([name, { taskDefinitions, provider }]) => [
          ...Object.values(taskDefinitions).filter((arn) => !known.has(arn)).map((arn) => `${name}: no task definition ${arn}`),
          ...(providers.has(provider) ? [] : [`${name}: no capacity provider ${provider}`]),
        ]),
        ...ofType(template, 'AWS::ECS::TaskDefinition').filter(([id]) => !told.some(([, { taskDefinitions }]) => Object.values(taskDefinitions).includes(resolve({ Ref: id }) as string))).map(([id]) => `split is not told of ${id}`),
        ...(/^s3:\/\/[^/]+\/$/.test(work) ? [] : [`runs would lie under ${work}`]),
        ...(triggers.length === 3 ? [] : [`outputs may lie where uploads start runs: ${triggers.join()}`]),
      ];
    },
    mistakes: [
      fn('split', (variables) => Object.assign(variables, { TILEFAN_CAPACITIES: '{}' })),
      fn('split', (variables) => Object.assign(variables, { TILEFAN_TRIGGERS: '' })),
      breaking('AWS::ECS::TaskDefinition', (properties) => Object.assign(properties, { Family: 'other' })),
    ],
  },
];
