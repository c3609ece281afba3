/**
 * Stands in for ECS: RunTask starts the worker as a child process with the environment that the state machine gives the container, and
 * a failure has the form of the Task that ECS describes, so that the state machine judges it by the very same rules.
 */
import * as z from 'zod';
import { displayHref } from '../lib/store/href.ts';
import type { Store } from '../lib/store/store.ts';
import { StatesError } from './engine.ts';
import type { TaskHandler } from './engine.ts';
import type { RunEventListener } from './run-events.ts';
import { openWorkerLog } from './worker-log.ts';
import type { StandbyWorkers } from './standby.ts';
import type { WorkerLog } from './worker-log.ts';
import { runWorker } from './worker-process.ts';
import type { WorkerEnd } from './worker-process.ts';

/** From SIGTERM to SIGKILL: a run that is aborted ends within two seconds. ECS gives 120 s. */
const stopGraceMs = 1_500;

const runTaskArguments = z.object({
  Overrides: z.object({
    Cpu: z.string(),
    Memory: z.string(),
    ContainerOverrides: z.tuple([z.object({ Name: z.literal('worker'), Environment: z.array(z.object({ Name: z.string(), Value: z.string() })) })]),
  }),
});
/** The environment by which the worker is told what to do; the contract of design §6. */
const workerEnvironment = z.looseObject({
  TILEFAN_RUN: z.string(),
  TILEFAN_BATCH: z.string().transform((text) => z.looseObject({ batch: z.int() }).parse(JSON.parse(text)).batch),
  TILEFAN_ATTEMPT: z.coerce.number().int().positive(),
});
const nextAttempt = z.object({ next: z.object({ reason: z.string() }) });
const workerLine = z.looseObject({ event: z.string() });

export interface RunTaskOptions {
  readonly store: Store;
  /** Program and arguments of the worker. */
  readonly command: readonly string[];
  readonly standby?: StandbyWorkers | undefined;
  /** The environment around what the state machine gives. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly onEvent: RunEventListener;
}

/** RunTask, and a way to wait until no worker runs any more. */
export interface LocalEcs {
  readonly runTask: TaskHandler;
  drain(): Promise<void>;
}

export function createLocalEcs(options: RunTaskOptions): LocalEcs {
  const running = new Set<Promise<unknown>>();
  return {
    async runTask(call) {
      const task = runTask(options, call);
      running.add(task);
      try {
        return await task;
      } finally {
        running.delete(task);
      }
    },
    async drain() {
      while (running.size > 0) await Promise.allSettled(running);
    },
  };
}

async function runTask({ store, command, standby, env, onEvent }: RunTaskOptions, { arguments: args, input, signal }: Parameters<TaskHandler>[0]): Promise<null> {
  const [container] = runTaskArguments.parse(args).Overrides.ContainerOverrides;
  const given = Object.fromEntries(container.Environment.map(({ Name, Value }) => [Name, Value]));
  const { TILEFAN_RUN: run, TILEFAN_BATCH: batch, TILEFAN_ATTEMPT: attempt } = workerEnvironment.parse(given);
  onEvent(attempt === 1 ? { type: 'BatchStarted', batch, attempt } : { type: 'BatchRetried', batch, attempt, reason: nextAttempt.parse(input).next.reason });

  const log = openWorkerLog(store, run, batch, attempt);
  const startedAt = new Date();
  let end: WorkerEnd;
  try {
    end = await runWorker({
      command,
      standby,
      env: { ...env, ...given },
      signal,
      graceMs: stopGraceMs,
      onLine(line, stream) {
        log.add(line, stream);
        const event = stream === 'stdout' ? parseEvent(line) : undefined;
        if (event !== undefined) onEvent({ type: 'WorkerEvent', batch, attempt, ...event });
      },
    });
  } finally {
    await log.close();
  }
  if (end.kind === 'exited' && end.exitCode === 0) return null;
  const reason = reasonOf(end, log);
  if (!signal.aborted) onEvent({ type: 'AttemptFailed', batch, attempt, reason, log: log.href, ...(end.kind === 'exited' ? { exitCode: end.exitCode } : {}) });
  throw new StatesError('States.TaskFailed', JSON.stringify(describeTask(end, reason, log, startedAt)));
}

/** The Task as ECS describes it. The ARN's place is taken by the log, which is what a user of a local run looks for. */
function describeTask(end: WorkerEnd, reason: string, log: WorkerLog, startedAt: Date): object {
  if (end.kind === 'not-started') {
    return { TaskArn: displayHref(log.href), LastStatus: 'STOPPED', StopCode: 'TaskFailedToStart', StoppedReason: reason, Containers: [{ Name: 'worker', LastStatus: 'STOPPED' }] };
  }
  return {
    TaskArn: displayHref(log.href),
    LastStatus: 'STOPPED',
    StopCode: 'EssentialContainerExited',
    StoppedReason: reason,
    StartedAt: startedAt.getTime(),
    StoppedAt: Date.now(),
    Containers: [{ Name: 'worker', LastStatus: 'STOPPED', ExitCode: end.exitCode }],
  };
}

function reasonOf(end: WorkerEnd, log: WorkerLog): string {
  if (end.kind === 'not-started') return `The worker could not be started: ${end.reason}`;
  const tail = log.tail();
  const killed = end.signal === undefined ? '' : ` (killed by ${end.signal})`;
  return `Essential container in task exited${killed}${tail === '' ? '' : `; its last lines: ${tail}`}`;
}

/** A worker's progress: a line of JSON with an `event`. Anything else is only logged. */
function parseEvent(line: string): { readonly event: string; readonly fields: Readonly<Record<string, unknown>> } | undefined {
  if (!line.startsWith('{')) return undefined;
  try {
    const parsed = workerLine.safeParse(JSON.parse(line));
    if (!parsed.success) return undefined;
    const { event, ...fields } = parsed.data;
    return { event, fields };
  } catch {
    return undefined;
  }
}
