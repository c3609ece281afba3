/** What every command against AWS does around its own work: the environment, Ctrl-C, the clients, errors in one sentence. */
import { setTimeout as sleep } from 'node:timers/promises';
import { createStore } from '../../lib/store/routing-store.ts';
import { arnParts } from './arn.ts';
import { awsError } from './aws-errors.ts';
import { sfnClient } from './clients.ts';
import type { RunContext } from './context.ts';
import { setEnvironment, type SessionOptions } from './environment.ts';

/** Calls `work` with its errors made readable. @param doing what the command does: `submit the job` */
export async function session(options: SessionOptions, doing: string, work: () => Promise<number>): Promise<number> {
  setEnvironment(options);
  try {
    return await work();
  } catch (error) {
    throw awsError(error, `Cannot ${doing}`);
  }
}

export interface RunSessionOptions extends SessionOptions {
  readonly stateMachine?: string;
  /** Whether the command may wait for a run, which Ctrl-C then stops; otherwise Ctrl-C ends the process as usual. */
  readonly wait?: boolean;
}

/** A session about runs. @param run what the user called the run: an ARN says in which region it is, as that of the state machine does */
export async function runSession(options: RunSessionOptions, doing: string, work: (context: RunContext) => Promise<number>, run = ''): Promise<number> {
  const region = options.region ?? arnParts(run)?.region ?? arnParts(options.stateMachine ?? '')?.region;
  return await session(region === undefined ? options : { ...options, region }, doing, async () => {
    const stop = new AbortController();
    const interrupt = (): void => {
      stop.abort();
    };
    if (options.wait === true) {
      process.once('SIGINT', interrupt);
      process.once('SIGTERM', interrupt);
    }
    const store = createStore();
    try {
      return await work({ sfn: await sfnClient(), store, streams: process, signal: stop.signal, sleep: (ms) => pause(ms, stop.signal) });
    } finally {
      process.off('SIGINT', interrupt);
      process.off('SIGTERM', interrupt);
      await store.close();
    }
  });
}

/** Time passes, or the signal is aborted. */
async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => undefined);
}
