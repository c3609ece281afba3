/** The state machine over a scripted ECS: what each attempt meets is a list, what ran is noted. No processes. */
import type { RunState } from '../../lib/job/events.ts';
import { StatesError } from '../../local/engine.ts';
import type { Json, Outcome, TaskHandler } from '../../local/engine.ts';
import { LocalStepFunctionsEngine } from '../../local/local-stepfunctions-engine.ts';
import { handler as failBatch } from '../../functions/fail-batch/handler.ts';
import { getObjectResource, lambdaHandler, lambdaResource, runTaskResource, withPlainCause } from '../../local/services.ts';
import { compute } from './local-run.ts';
import { readDefinition } from './state-machine.ts';

/** What one call of RunTask meets: success, or the error that Step Functions would see. */
export type Answer = 'ok' | { readonly error: string; readonly cause: string };

/** The Task that ECS describes when its worker ended with an exit code. */
export function exited(exitCode: number, more: Readonly<Record<string, Json>> = {}, container: Readonly<Record<string, Json>> = {}): Answer {
  return failedTask({
    StopCode: 'EssentialContainerExited',
    StoppedReason: 'Essential container in task exited',
    Containers: [{ Name: 'worker', ExitCode: exitCode, ...container }],
    ...more,
  });
}

/** A task that stopped, as `.sync` reports it. */
export function failedTask(task: Readonly<Record<string, Json>>): Answer {
  return { error: 'States.TaskFailed', cause: JSON.stringify({ TaskArn: 'arn:aws:ecs:eu-west-1:111122223333:task/tiles/0123', LastStatus: 'STOPPED', ...task }) };
}

export const spotLost: Answer = failedTask({
  StopCode: 'SpotInterruption',
  StoppedReason: 'Your Spot Task was interrupted.',
  Containers: [{ Name: 'worker', ExitCode: 75 }],
});

/** One call of RunTask, as the tests look at it. */
export interface Call {
  readonly attempt: number;
  readonly capacity: string;
  readonly memory: string;
  /** All that ECS would be sent. */
  readonly arguments: Json;
}

export interface ScriptedBatch {
  /** Answers in the order of the calls; the last one repeats. */
  readonly answers: readonly Answer[];
  /** What lies at results/<batch>.json: an object, text, or nothing. */
  readonly record?: Json;
  /** What the line of the manifest has beside its number. */
  readonly line?: Readonly<Record<string, Json>>;
  /** How often the batch is redriven after it failed. */
  readonly redrives?: number;
  readonly compute?: Partial<RunState['compute']>;
}

export interface BatchRun {
  readonly outcome: Outcome;
  readonly calls: readonly Call[];
  /** How often the record was asked for. */
  readonly reads: number;
}

const state: RunState = {
  run: { id: 'run-1', href: 's3://work/runs/run-1/', bucket: 'work', prefix: 'runs/run-1/' },
  pass: 0,
  manifest: { bucket: 'work', key: 'runs/run-1/manifest.jsonl' },
  limits: { maxConcurrency: 10, toleratedFailurePercentage: 0 },
  compute,
};

interface RunTaskArguments {
  readonly CapacityProviderStrategy: readonly [{ readonly CapacityProvider: string }];
  readonly Overrides: { readonly Memory: string; readonly ContainerOverrides: readonly [{ readonly Environment: readonly { readonly Name: string; readonly Value: string }[] }] };
}

/** Runs one batch (number 12) through the child machine and returns how the child ended. */
export async function runBatch({ answers, record, line = {}, redrives = 0, compute: given = {} }: ScriptedBatch): Promise<BatchRun> {
  const calls: Call[] = [];
  let reads = 0;
  let child: Outcome | undefined;
  const runTask: TaskHandler = ({ arguments: args }) => {
    const { CapacityProviderStrategy, Overrides } = args as unknown as RunTaskArguments;
    const environment = new Map(Overrides.ContainerOverrides[0].Environment.map(({ Name, Value }) => [Name, Value]));
    calls.push({ attempt: Number(environment.get('TILEFAN_ATTEMPT')), capacity: CapacityProviderStrategy[0].CapacityProvider, memory: Overrides.Memory, arguments: args });
    const answer = answers[Math.min(calls.length, answers.length) - 1];
    return answer === undefined || answer === 'ok' ? Promise.resolve(null) : Promise.reject(new StatesError(answer.error, answer.cause));
  };
  const getObject: TaskHandler = ({ arguments: args }) => {
    reads++;
    const { Bucket, Key } = args as { readonly Bucket: string; readonly Key: string };
    if (record === undefined || Bucket !== 'work' || Key !== 'runs/run-1/results/12.json') {
      return Promise.reject(new StatesError('S3.NoSuchKeyException', 'The specified key does not exist.'));
    }
    return Promise.resolve({ Body: typeof record === 'string' ? record : JSON.stringify(record) });
  };
  await runMachine({
    lambda: (name) => Promise.resolve(name === 'Split' ? { ...state, compute: { ...compute, ...given } } : { ...state, status: 'DONE' }),
    runTask,
    getObject,
    redrives,
    items: [{ batch: 12, ...line }],
    onItemEnded: (ended) => {
      child = withPlainCause(ended);
    },
  });
  if (child === undefined) throw new Error('the child did not run');
  return { outcome: child, calls, reads };
}

export interface MachineRun {
  /** Answers for Split and Reduce; what it throws is what the state sees. */
  readonly lambda: (name: 'Split' | 'Reduce', payload: Json) => Promise<unknown>;
  readonly runTask?: TaskHandler;
  readonly getObject?: TaskHandler;
  /** How often BatchFailed, having failed, is entered again, as redrive does. */
  readonly redrives?: number;
  readonly items?: readonly Json[] | { readonly total: number; readonly items: Iterable<Json> };
  readonly onItemEnded?: (outcome: Outcome) => void;
  readonly onItemsStarted?: (total: number) => void;
}

/** Every step from a state to the next that any machine of this process has taken. */
export const transitions = new Set<string>();

/** Runs the whole definition; waits take no time. */
export async function runMachine({ lambda, runTask, getObject, redrives = 0, items = [{ batch: 12 }], onItemEnded, onItemsStarted }: MachineRun): Promise<Outcome> {
  const refuse: TaskHandler = () => Promise.reject(new Error('not part of this test'));
  return await new LocalStepFunctionsEngine().execute(readDefinition(), { name: 'job' }, {
    name: 'run-1',
    maxConcurrency: 100,
    waitScale: 0,
    signal: new AbortController().signal,
    readItems: () => Promise.resolve('total' in items ? items : { total: items.length, items }),
    onItemEnded: (_item, outcome) => onItemEnded?.(outcome),
    onItemsStarted: (_state, _input, total) => onItemsStarted?.(total),
    onTransition: (from, to) => transitions.add(`${from} -> ${to}`),
    tasks: {
      [lambdaResource]: async ({ arguments: args }) => {
        const { FunctionName, Payload } = args as { readonly FunctionName: string; readonly Payload: Json };
        if (FunctionName === failBatchArn) return await failAndRedrive(Payload as FailBatchPayload, redrives);
        return { Payload: (await lambda(FunctionName === '#{SplitLambdaFunction.Arn}' ? 'Split' : 'Reduce', Payload)) as Json };
      },
      [runTaskResource]: runTask ?? refuse,
      [getObjectResource]: getObject ?? refuse,
    },
  });
}

const failBatchArn = '#{FailBatchLambdaFunction.Arn}';

interface FailBatchPayload {
  readonly redrives: number;
  readonly [field: string]: Json;
}

/** Calls the function as Step Functions does, and once more for each redrive: a redriven task runs again with the same input. */
async function failAndRedrive(payload: FailBatchPayload, redrives: number): Promise<Json> {
  const call = lambdaHandler({ failBatch });
  const signal = new AbortController().signal;
  for (let count = payload.redrives; ; count++) {
    const execution = { Name: 'run-1', Input: {}, ...(count === 0 ? {} : { RedriveCount: count }) };
    try {
      return await call({ state: 'BatchFailed', input: null, arguments: { FunctionName: 'failBatch', Payload: { ...payload, execution } }, signal });
    } catch (error) {
      if (count >= redrives) throw error;
    }
  }
}
