/** A run on AWS: submitted, watched and cancelled as the commands do it. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ClosableStore, Store } from '../lib/store/store.ts';
import { awsError } from '../cli/aws/aws-errors.ts';
import { cancel } from '../cli/aws/cancel.ts';
import { sfnClient } from '../cli/aws/clients.ts';
import type { RunContext } from '../cli/aws/context.ts';
import { setEnvironment } from '../cli/aws/environment.ts';
import { reportRun } from '../cli/aws/run-report.ts';
import { startOnAws } from '../cli/aws/submit.ts';
import { waitForEnd } from '../cli/aws/wait.ts';
import type { StartedRun } from './handle.ts';
import type { RunOptions } from './types.ts';
import { ProgressFeed } from './progress.ts';
import { cancelledError, failureOf, hasItems, type RunEnd } from './run-end.ts';

/** What a test has in place of AWS. */
export type AwsContext = Pick<RunContext, 'sfn' | 'sleep'> & { readonly store: ClosableStore };

/**
 * @param compute defaults for the job's `compute`
 * @throws JobError that lists everything that is wrong with the job; what AWS answers, in one sentence
 */
export async function startRemotely(store: Store, document: unknown, href: string, options: RunOptions, compute: Readonly<Record<string, unknown>>, given?: AwsContext): Promise<StartedRun> {
  const { region, profile, stage = 'dev', stateMachine, run, folder, onProgress } = options;
  setEnvironment({ ...(region === undefined ? {} : { region }), ...(profile === undefined ? {} : { profile }) });
  const stop = new AbortController();
  let progress: ProgressFeed | undefined;
  const context: RunContext = {
    sfn: given?.sfn ?? (await sfnClient()),
    store: given?.store ?? store,
    sleep: given?.sleep ?? (async (ms) => { await sleep(ms, undefined, { signal: stop.signal }).catch(() => undefined); }),
    signal: stop.signal,
    streams: { stdout: { write: () => true }, stderr: { write: (text) => { for (const line of text.split('\n')) followLine(progress, line); } } },
  };
  const pipelineOptions = { stage, ...(stateMachine === undefined ? {} : { stateMachine }) };
  const started = await readable('submit the job', () => startOnAws(document, href, { ...pipelineOptions, file: href, compute, ...(run === undefined ? {} : { run }), ...(folder === undefined ? {} : { folder }) }, context));
  const feed = new ProgressFeed({ run: started.run, state: 'Split', done: 0, failed: 0, total: 0, unit: 'batches' }, onProgress);
  progress = feed;
  const end = readable('watch the run', async (): Promise<RunEnd> => {
    const latest = await waitForEnd(context, { run: started.run, executionArn: started.executionArn });
    if (latest === undefined) throw cancelledError(started.run);
    const { report } = await reportRun(context, { id: started.run, pipeline: started.pipeline, first: latest, latest, count: 1 });
    const prefix = report.prefix ?? undefined;
    const record = report.record ?? undefined;
    if (report.state === 'SUCCEEDED') return { state: 'SUCCEEDED', prefix, record, hasItems: true, error: undefined };
    // The prefix is what Split has handed on: it has written the items down.
    if (report.state === 'ABORTED') return { state: 'ABORTED', prefix, record, hasItems: prefix !== undefined, error: cancelledError(started.run) };
    const failure = { error: report.error ?? 'States.Runtime', cause: report.cause ?? 'no cause is given', batches: report.failedBatches.map(({ batch }) => batch) };
    const known = hasItems(failure);
    return { state: 'FAILED', prefix, record: known ? record : undefined, hasItems: known, error: await failureOf(context.store, started.run, prefix, failure) };
  });
  return {
    run: started.run,
    where: 'aws',
    progress: feed,
    end,
    // The execution's end is waited for all the same: Step Functions tells of it.
    cancel: async () => {
      await readable('cancel the run', () => cancel(started.executionArn, pipelineOptions, context));
      await end.catch(() => undefined);
    },
  };
}

async function readable<Value>(doing: string, work: () => Promise<Value>): Promise<Value> {
  try {
    return await work();
  } catch (error) {
    throw awsError(error, `Cannot ${doing}`);
  }
}

function followLine(progress: ProgressFeed | undefined, line: string): void {
  if (progress === undefined || !line.startsWith('{')) return;
  const said = JSON.parse(line) as Readonly<Record<string, unknown>>;
  if (said['event'] !== 'Run:Progress') return;
  const number = (field: string): number => Number(said[field] ?? 0);
  progress.update({ state: String(said['state']), done: number('batchesDone') + number('batchesFailed'), failed: number('batchesFailed'), total: number('batches') });
}
