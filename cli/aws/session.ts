/** What every command against AWS does around its own work: the environment, Ctrl-C, the clients, errors in one sentence. */
import { setTimeout as sleep } from 'node:timers/promises';
import { createStore } from '../../lib/store/routing-store.ts';
import { awsError } from './aws-errors.ts';
import { sfnClient } from './clients.ts';
import type { RunContext } from './context.ts';

export interface SessionOptions {
  readonly region?: string;
  readonly profile?: string;
}

/** The SDK, and programs that are started, read them from the environment. */
export function setEnvironment({ region, profile }: SessionOptions, env: NodeJS.ProcessEnv = process.env): void {
  if (region !== undefined) env['AWS_REGION'] = region;
  if (profile !== undefined) {
    env['AWS_PROFILE'] = profile;
    // Keys in the environment would win over the profile that was asked for.
    for (const name of ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN']) delete env[name];
  }
}

/** Calls `work` with its errors made readable. @param doing what the command does: `submit the job` */
export async function session(options: SessionOptions, doing: string, work: () => Promise<number>): Promise<number> {
  setEnvironment(options);
  try {
    return await work();
  } catch (error) {
    throw awsError(error, `Cannot ${doing}`);
  }
}

/** A session about runs. @param arn of an execution or state machine, whose region counts when no other is known */
export async function runSession(options: SessionOptions, doing: string, work: (context: RunContext) => Promise<number>, arn?: string): Promise<number> {
  const { arnParts } = await import('./arn.ts');
  return await session(options, doing, async () => {
    const stop = new AbortController();
    const interrupt = (): void => {
      stop.abort();
    };
    process.once('SIGINT', interrupt);
    process.once('SIGTERM', interrupt);
    const store = createStore();
    try {
      const sfn = await sfnClient(arn === undefined ? undefined : arnParts(arn)?.region);
      return await work({ sfn, store, streams: process, signal: stop.signal, sleep: (ms) => pause(ms, stop.signal) });
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
